/* SPDX-License-Identifier: MIT */
/* First-fit assignment of buffers. See arena.h. */
#include "plan/arena.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Orders that are tried from each to begin with. */
#define ROUNDS 16U

static uint64_t rounded(const struct cats_buffer *b)
{
	return ((uint64_t)b->bytes + 3) & ~(uint64_t)3;
}

static bool meet(const struct cats_buffer *a, const struct cats_buffer *b)
{
	return a->first <= b->last && b->first <= a->last;
}

/* Orders of placement; ties are broken by index, so that results never depend on the sort. */
enum order { LARGEST_FIRST, LONGEST_FIRST, EARLIEST_FIRST, ORDERS };

static bool goes_before(const struct cats_buffer *buffers, uint32_t a, uint32_t b, enum order order)
{
	const struct cats_buffer *x = &buffers[a], *y = &buffers[b];
	const uint32_t life_x = x->last - x->first, life_y = y->last - y->first;

	if (order == LARGEST_FIRST && x->bytes != y->bytes)
		return x->bytes > y->bytes;
	if (order == LONGEST_FIRST && life_x != life_y)
		return life_x > life_y;
	if (order == EARLIEST_FIRST && x->first != y->first)
		return x->first < y->first;
	return x->bytes != y->bytes ? x->bytes > y->bytes : a < b;
}

static void sort(uint32_t *sequence, const struct cats_buffer *buffers, uint32_t count, enum order order)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = i;

		for (; at > 0 && goes_before(buffers, i, sequence[at - 1], order); at--)
			sequence[at] = sequence[at - 1];
		sequence[at] = i;
	}
}

/* The lowest offset for `which` beside the buffers already placed. */
static uint64_t lowest(const struct cats_buffer *buffers, const uint64_t *offsets, const uint32_t *sequence,
		       uint32_t placed, uint32_t which)
{
	uint64_t offset = 0;
	bool moved = true;

	while (moved) {
		moved = false;
		for (uint32_t i = 0; i < placed; i++) {
			const uint32_t other = sequence[i];
			const uint64_t end = offsets[other] + rounded(&buffers[other]);

			if (meet(&buffers[other], &buffers[which]) && offset < end &&
			    offsets[other] < offset + rounded(&buffers[which])) {
				offset = end;
				moved = true;
			}
		}
	}
	return offset;
}

/* Places the buffers in the sequence's order; *highest is the place in it of the one that ends last. */
static uint64_t place(uint64_t *offsets, uint32_t *highest, const struct cats_buffer *buffers, const uint32_t *sequence,
		      uint32_t count)
{
	uint64_t total = 0;

	*highest = 0;
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t which = sequence[i];

		offsets[which] = lowest(buffers, offsets, sequence, i, which);
		if (offsets[which] + rounded(&buffers[which]) > total) {
			total = offsets[which] + rounded(&buffers[which]);
			*highest = i;
		}
	}
	return total;
}

/* Whoever ends last is placed first from now on. */
static void promote(uint32_t *sequence, uint32_t at)
{
	const uint32_t which = sequence[at];

	for (; at > 0; at--)
		sequence[at] = sequence[at - 1];
	sequence[0] = which;
}

/* From one order on, as long as it is of use; the smallest total so far is kept. */
static uint64_t improve(struct cats_buffer *buffers, uint64_t *offsets, uint32_t *sequence, uint32_t count,
			uint64_t best, uint64_t least)
{
	uint32_t highest;

	for (uint32_t round = 0; round < ROUNDS && best > least; round++) {
		const uint64_t total = place(offsets, &highest, buffers, sequence, count);

		if (total < best) {
			best = total;
			for (uint32_t i = 0; i < count; i++)
				buffers[i].offset = (uint32_t)offsets[i];
		}
		promote(sequence, highest);
	}
	return best;
}

uint32_t cats_arena_assign(struct cats_buffer *buffers, uint32_t count)
{
	uint64_t *offsets = calloc(count, sizeof *offsets), best = UINT64_MAX;
	uint32_t *sequence = calloc(count, sizeof *sequence);
	const uint64_t least = cats_arena_lower_bound(buffers, count);

	for (enum order order = LARGEST_FIRST; offsets && sequence && order < ORDERS; order++) {
		sort(sequence, buffers, count, order);
		best = improve(buffers, offsets, sequence, count, best, least);
	}
	free(offsets);
	free(sequence);
	return best < UINT32_MAX - 8 ? ((uint32_t)best + 7U) & ~7U : UINT32_MAX;
}

uint64_t cats_arena_lower_bound(const struct cats_buffer *buffers, uint32_t count)
{
	uint64_t largest = 0;

	for (uint32_t i = 0; i < count; i++) { /* the largest sum is reached where some buffer begins */
		uint64_t sum = 0;

		for (uint32_t k = 0; k < count; k++)
			if (buffers[k].first <= buffers[i].first && buffers[i].first <= buffers[k].last)
				sum += rounded(&buffers[k]);
		largest = sum > largest ? sum : largest;
	}
	return largest;
}
