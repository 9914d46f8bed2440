/* SPDX-License-Identifier: MIT */
/* Plans among the models of cats sweep, apart from its charts: charts and kernels share names. */
#ifndef CATS_CLI_SWEEP_PLAN_H
#define CATS_CLI_SWEEP_PLAN_H

#include "train/sweep.h"

bool cats_sweep_plan_is_there(const char *directory);

/* An entry that is a plan: `context` is it. */
CATS_MUST_CHECK enum cats_status cats_sweep_plan_load(struct cats_sweep_entry *entry, const char *directory,
						      struct cats_error *error);
void cats_sweep_plan_free(struct cats_sweep_entry *entry);

/* What a plan's largest device needs, and what all send in an inference; all 0 for a float model. */
struct cats_sweep_need {
	uint64_t flash_bytes, arena_bytes, fixed_bytes, air_bytes;
};
struct cats_sweep_need cats_sweep_plan_need(const struct cats_sweep_entry *entry);

#endif
