/* SPDX-License-Identifier: MIT */
/* The widest encoder of a given depth whose shards and arenas fit its devices, found by cutting models without weights.
 * Host only. */
#ifndef CATS_PLAN_CAPACITY_H
#define CATS_PLAN_CAPACITY_H

#include "plan/cut.h"

/* Widths are multiples of this and of the heads. */
#define CATS_CAPACITY_STEP 16U

struct cats_capacity_request {
	struct cats_config shape; /* d_model, d_ff and n_layers are what is sought; devices is D */
	uint32_t hidden;          /* d_ff = hidden · d_model */
	double keep;              /* share of each gather site's columns that is broadcast, above 0, at most 1 */
	enum cats_target target;
	uint32_t shard_bytes, arena_bytes; /* what a device has for them */
};

/* What the next width lacks. */
enum cats_capacity_bound { CATS_BOUND_SHARD, CATS_BOUND_ARENA, CATS_BOUND_FORMAT };

struct cats_capacity {
	struct cats_config config; /* d_model 0: not even the smallest width fits */
	enum cats_capacity_bound bound;
	uint32_t shard_bytes, arena_bytes; /* of the largest device */
	uint64_t parameters;               /* that all devices store: weights, biases, positions */
	uint64_t dense;                    /* of the float model with everything kept */
};

/* Fits whatever columns are kept: the first device, which owns the most, is taken to keep none, so that it receives and
 * stores the most. One thing depends on the weights and is taken for the usual case: pairs of sums of 16 bits (section
 * 3.4). Errors are those of a shape that no width makes right, and memory. */
CATS_MUST_CHECK enum cats_status cats_capacity(struct cats_capacity *out, const struct cats_capacity_request *request,
					       uint32_t layers, struct cats_error *error);

#endif
