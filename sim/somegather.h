/* SPDX-License-Identifier: MIT */
/* The gather protocol of net/ on the simulated radio: each node a separate struct with its own clock, key, runtime and
 * state machine, fed decoded frames and nothing else. */
#ifndef CATS_SIM_SOMEGATHER_H
#define CATS_SIM_SOMEGATHER_H

#include "net/protocol.h"
#include "sim/play.h"

/* Cycles that the protocol takes, measured on the emulated Cortex-M4 (docs/results/m4-kernels.md): to take in a frame
 * and say what is next; to make one and what follows it; to end a gather and enter the next. Combinations come on top,
 * by cats_net_counters. The cipher itself runs on the fly in its peripheral. */
#define CATS_SOMEGATHER_RECEIVE_CYCLES 6500U
#define CATS_SOMEGATHER_SEND_CYCLES 6000U
#define CATS_SOMEGATHER_END_CYCLES 10000U

struct cats_somegather;

/* `shards` and what `options` points to outlive it. */
CATS_MUST_CHECK enum cats_status cats_somegather_create(struct cats_somegather **out, const struct cats_shards *shards,
							const struct cats_play_options *options,
							struct cats_error *error);
void cats_somegather_free(struct cats_somegather *s);

/* One inference, opened some time after the last. Ends when the source's radio is done with it and every node that took
 * part has computed to its end; or after more time than all deadlines allow. */
CATS_MUST_CHECK enum cats_status cats_somegather_infer(struct cats_play_report *report, struct cats_somegather *s,
						       const struct cats_fleet_input *input, struct cats_error *error);

/* Everything that is node `node`'s, in two pieces: its structs, its arena. For tests that make sure that no other node
 * uses it. */
struct cats_somegather_memory {
	void *structs, *arena;
	size_t struct_bytes, arena_bytes;
};
struct cats_somegather_memory cats_somegather_memory(struct cats_somegather *s, uint32_t node);

const struct cats_net *cats_somegather_net(const struct cats_somegather *s, uint32_t node);

#endif
