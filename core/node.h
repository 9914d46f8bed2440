/* SPDX-License-Identifier: MIT */
/* What the files of the runtime share: a node's places and its budget. Private to core/. Freestanding. */
#ifndef CATS_CORE_NODE_H
#define CATS_CORE_NODE_H

#include "core/runtime.h"

static inline const struct cats_shard_header *cats_node_header(const struct cats_node *n)
{
	return n->shard.header;
}

static inline const void *cats_node_shard(const struct cats_node *n, uint32_t offset)
{
	return n->shard.bytes + offset;
}

static inline void *cats_node_arena(const struct cats_node *n, uint32_t offset)
{
	return n->arena + offset;
}

static inline const struct cats_shard_sender *cats_node_senders(const struct cats_node *n,
								const struct cats_shard_site *site)
{
	return cats_shard_senders(&n->shard, site);
}

static inline struct cats_message cats_node_message(const struct cats_node *n, const struct cats_shard_site *site,
						    uint32_t columns)
{
	return cats_message_of(site->tokens, columns * site->column_bytes, n->shard.header->payload_max);
}

/* Receipt bits of a sender at the open gather. */
static inline uint32_t *cats_node_receipt(const struct cats_node *n, const struct cats_shard_site *site,
					  uint32_t sender)
{
	return (uint32_t *)cats_node_arena(n, site->receipt) + sender * n->gather.words;
}

/* Of a unit beside its work: the calls and the loops around it. */
#define CATS_UNIT_CYCLES 30U
/* How much work is made one unit, where there is a choice: what its beginning and end cost is left. */
#define CATS_UNIT_WORK (CATS_UNIT_CYCLES_MAX - 500U)

/* Takes `cycles` from the step's budget: false when they do not fit it and something was done already. */
static inline bool cats_node_afford(struct cats_node *n, uint32_t cycles)
{
	cycles += CATS_UNIT_CYCLES;
	if (n->worked && cycles > n->budget)
		return false;
	n->budget = cycles > n->budget ? 0 : n->budget - cycles;
	n->cycles += cycles;
	n->worked = true;
	return true;
}

static inline uint32_t cats_least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Copies `bytes` bytes, usually few: a call of memcpy would cost more than the copy. The two halves of a length between
 * powers of two overlap. */
static inline void cats_copy_few(uint8_t *to, const uint8_t *from, uint32_t bytes)
{
	if (bytes >= 8) {
		for (uint32_t i = 0; i + 8 <= bytes; i += 8)
			__builtin_memcpy(to + i, from + i, 8);
		__builtin_memcpy(to + bytes - 8, from + bytes - 8, 8);
	} else if (bytes >= 4) {
		__builtin_memcpy(to, from, 4);
		__builtin_memcpy(to + bytes - 4, from + bytes - 4, 4);
	} else if (bytes >= 2) {
		__builtin_memcpy(to, from, 2);
		__builtin_memcpy(to + bytes - 2, from + bytes - 2, 2);
	} else if (bytes == 1) {
		*to = *from;
	}
}

/* Copies `count` rows of `bytes` bytes, each few. */
void cats_copy_rows(uint8_t *to, size_t to_stride, const uint8_t *from, size_t from_stride, uint32_t bytes,
		    uint32_t count);

/* Senders with columns at the latest gather that ended, of this site, whose token t did not arrive, as bits. */
uint64_t cats_node_lost(const struct cats_node *n, const struct cats_shard_site *site, uint32_t t);

/* The own columns of so many tokens, the first ones, are in the open gather's view. */
void cats_node_note_rows(struct cats_node *n, uint32_t rows);

/* One op each: true when it is finished. */
bool cats_op_open(struct cats_node *n, const struct cats_op *op);
bool cats_op_gather(struct cats_node *n, const struct cats_op *op);
bool cats_op_embed(struct cats_node *n, const struct cats_op *op);
bool cats_op_quantise(struct cats_node *n, const struct cats_op *op);
bool cats_op_stats(struct cats_node *n, const struct cats_op *op);
bool cats_op_norm_product(struct cats_node *n, const struct cats_op *op);
bool cats_op_attention(struct cats_node *n, const struct cats_op *op);
bool cats_op_residual_product(struct cats_node *n, const struct cats_op *op);

#endif
