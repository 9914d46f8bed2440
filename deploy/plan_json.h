/* SPDX-License-Identifier: MIT */
/* plan.json: text and back. Private to deploy/. Host only. */
#ifndef CATS_DEPLOY_PLAN_JSON_H
#define CATS_DEPLOY_PLAN_JSON_H

#include "deploy/plan.h"

/* Everything but the calibration, which only people read. `name` is the file's. */
CATS_MUST_CHECK enum cats_status cats_plan_facts_parse(struct cats_plan_facts *out, const char *text, size_t size,
						       const char *name, struct cats_error *error);

/* Sums and the excess over the target's limits, from the devices. */
void cats_plan_facts_total(struct cats_plan_facts *facts);

#endif
