/* SPDX-License-Identifier: MIT */
/* What would make a plan fit that does not. Host only. */
#ifndef CATS_DEPLOY_FIT_H
#define CATS_DEPLOY_FIT_H

#include "deploy/plan.h"

#define CATS_FIT_ADVICE_BYTES 160U

/* The least number of devices, more than the plan's, with which each would fit; 0 when there is none, or when the
 * model's keep lists bind it to its number. Cuts the model for each number in turn. */
uint32_t cats_fit_devices(const struct cats_plan_facts *facts, const struct cats_integer *m);

/* What to do about a plan that does not fit, as the end of a sentence: "5 devices would do". */
void cats_fit_advice(char advice[CATS_FIT_ADVICE_BYTES], const struct cats_plan_facts *facts,
		     const struct cats_integer *m);

#endif
