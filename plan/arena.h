/* SPDX-License-Identifier: MIT */
/* Where buffers lie in a device's arena: those that live at the same time never overlap. Host only. */
#ifndef CATS_PLAN_ARENA_H
#define CATS_PLAN_ARENA_H

#include <stdint.h>

/* Alive from op `first` to op `last`, both included. `offset` is the result. */
struct cats_buffer {
	uint32_t bytes;
	uint32_t first, last;
	uint32_t offset;
};

/* Sets the offsets, multiples of 4, and returns the arena's bytes, a multiple of 8; UINT32_MAX when they do not fit 32
 * bits or memory runs out. Deterministic. Tries several orders of first-fit and keeps the smallest result. */
uint32_t cats_arena_assign(struct cats_buffer *buffers, uint32_t count);

/* The largest sum of buffers alive at one op, each rounded up to 4: no assignment can be smaller. */
uint64_t cats_arena_lower_bound(const struct cats_buffer *buffers, uint32_t count);

#endif
