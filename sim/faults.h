/* SPDX-License-Identifier: MIT */
/* Scripts of faults: what happens to which node when (docs/SPEC-simulation.md). */
#ifndef CATS_SIM_FAULTS_H
#define CATS_SIM_FAULTS_H

#include "io/error.h"
#include "sim/play.h"

/* Owned memory: free(list). */
struct cats_faults {
	struct cats_fault *list;
	uint32_t count;
};

/* Refuses lines that are none, nodes that the plan does not have; the error names the line and the rule. */
CATS_MUST_CHECK enum cats_status cats_faults_open(struct cats_faults *out, const char *path, uint32_t nodes,
						  struct cats_error *error);

/* The same from `size` bytes of text, followed by one more; both may be overwritten. `name` is what errors say. */
CATS_MUST_CHECK enum cats_status cats_faults_parse(struct cats_faults *out, char *text, size_t size, const char *name,
						   uint32_t nodes, struct cats_error *error);

#endif
