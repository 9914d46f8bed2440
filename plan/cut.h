/* SPDX-License-Identifier: MIT */
/* Cuts the integer model for D devices: picks each device's integers, adds up sums, assigns its arena and writes its
 * shard (docs/SPEC-integer.md, section 3). Computes nothing else. Host only. */
#ifndef CATS_PLAN_CUT_H
#define CATS_PLAN_CUT_H

#include <stdbool.h>

#include "plan/integer.h"

struct cats_cut_options {
	uint32_t devices;
	enum cats_target target; /* 0 means CATS_TARGET_NRF52840 */
	uint32_t source;
	uint32_t sink;        /* a device or CATS_SINK_ALL */
	uint32_t payload_max; /* 0 means CATS_PAYLOAD_MAX */
	bool without_overlap; /* no gather opens before all that is sent is computed */
};

/* What one device gets. */
struct cats_cut {
	uint8_t *shard; /* [bytes]; free() it */
	uint32_t bytes;
	uint32_t arena_bytes;
	uint64_t arena_least; /* what is alive at once at most: no assignment could be smaller */
	uint64_t macs;
	uint32_t sent_bytes;
	uint64_t parameters; /* weights and biases held, without the sums that serve loss */
};

/* Identifies what a plan was made from. */
uint64_t cats_plan_id(const struct cats_integer *m, const struct cats_cut_options *options);

/* Refuses D outside 1 … 64, D > F or M, another D than the config's where a keep list is below "all", a source, sink
 * or payload out of range (CATS_ERR_MISMATCH), a shard or arena beyond 32 bits. */
CATS_MUST_CHECK enum cats_status cats_cut(struct cats_cut *out, const struct cats_integer *m,
					  const struct cats_cut_options *options, uint32_t device,
					  struct cats_error *error);

#endif
