/* SPDX-License-Identifier: MIT */
/* How long the gathers of a plan wait: each node's computation before each, by the estimates of a target's kernels, and
 * from it what every node must know beforehand. Host only. */
#ifndef CATS_SIM_TIMES_H
#define CATS_SIM_TIMES_H

#include "sim/fleet.h"

/* cycles[s], s = 0 … sites - 1: the most that any node computes before it has all that it sends at site s, the larger
 * of an inference in which everything arrives and one in which each packet is lost at each receiver with the
 * probability lost_q32 / 2^32. With CATS_TIMES_WORST_Q32 no loss of any packets makes a node compute longer. */
#define CATS_TIMES_WORST_Q32 (UINT64_C(1) << 32)
CATS_MUST_CHECK enum cats_status cats_times_measure(uint64_t *cycles, const struct cats_shards *shards,
						    const struct cats_kernels *kernels, uint64_t lost_q32,
						    struct cats_error *error);

/* A gather begins as soon as every node has it open and will have computed each packet CATS_NET_BETWEEN_US before the
 * packet's slot; meanwhile each frame that passes takes CATS_SOMEGATHER_RECEIVE_CYCLES of its processor.
 *
 * Writes compute_us and deadline_us of every site (docs/SPEC-integer.md, 3.2) into all shards, the same into each, and
 * their checksums; 0 when the gather protocol cannot carry one. Refuses a plan whose inference could take longer than
 * CATS_SHARD_TIMES_MAX_US. */
CATS_MUST_CHECK enum cats_status cats_times_write(struct cats_shards *shards, const struct cats_kernels *kernels,
						  struct cats_error *error);

#endif
