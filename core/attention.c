/* SPDX-License-Identifier: MIT */
/* The attention op, head by head and query by query (docs/SPEC-integer.md, 1.8), in units of at most
 * CATS_UNIT_CYCLES_MAX. Freestanding. */
#include "core/integer.h"
#include "core/node.h"

/* at.output counts heads, at.row queries, at.column keys or columns. */
enum phase { PACK, SCORES, EXPONENTIALS, VALUES };

static struct cats_attention_head head_at(const struct cats_node *n, const struct cats_op *op, uint32_t head)
{
	const uint32_t d = op->attention.head_width;
	const uint32_t keys4 = cats_round4(op->attention.keys), packed = keys4 * cats_round4(d);
	uint8_t *scratch = (uint8_t *)cats_node_arena(n, op->attention.scratch) + cats_scratch_panel(d);

	return (struct cats_attention_head){
		.q = (const int8_t *)cats_node_arena(n, op->attention.q) + head * d,
		.k = (const int8_t *)cats_node_arena(n, op->attention.k) + head * d,
		.v = (const int8_t *)cats_node_arena(n, op->attention.v) + head * d,
		.q_stride = op->attention.q_stride,
		.kv_stride = op->attention.kv_stride,
		.keys = op->attention.keys,
		.width = d,
		.packed_keys = scratch,
		.values = (int16_t *)(void *)(scratch + packed),
		.scores = (int16_t *)(void *)(scratch + 3U * (size_t)packed),
	};
}

static bool pack(struct cats_node *n, const struct cats_attention_head *head)
{
	while (n->kernels->attention_pack != NULL && n->at.column < head->keys) {
		const uint32_t count = cats_least(head->keys - n->at.column, 4);

		if (!cats_node_afford(n, 40U + 2U * n->kernels->costs.value * count * head->width))
			return false;
		n->kernels->attention_pack(head, n->at.column, count);
		n->at.column += count;
	}
	return true;
}

/* How many rows of `width` multiply-accumulates make a unit. */
static uint32_t chunk(const struct cats_node *n, uint32_t width)
{
	const uint32_t step = n->kernels->attention_step;
	const uint32_t rows = n->kernels->unit_macs / width / step * step;

	return rows > 0 ? rows : step;
}

static bool afford_macs(struct cats_node *n, uint32_t macs)
{
	if (!cats_node_afford(n, 80U + macs * n->kernels->costs.attention_mac_q4 / 16U))
		return false;
	n->macs += macs;
	return true;
}

static bool scores(struct cats_node *n, const struct cats_attention_head *head, int32_t multiplier, uint32_t keys)
{
	while (n->at.column < keys) {
		const uint32_t count = cats_least(keys - n->at.column, chunk(n, head->width));
		int32_t maximum;

		if (!afford_macs(n, count * head->width))
			return false;
		maximum = n->kernels->attention_scores(head, n->at.row, multiplier, n->at.column, count);
		if (n->at.column == 0 || maximum > n->at.maximum)
			n->at.maximum = maximum;
		n->at.column += count;
	}
	return true;
}

/* ⌊2^45 / Z⌋ for 2^14 < Z < 2^24, by three divisions of 32 bits: each remainder times 2^7 stays below 2^31. */
static int32_t reciprocal(uint32_t Z)
{
	const uint32_t first = UINT32_C(0x80000000) / Z;
	const uint32_t second_of = (UINT32_C(0x80000000) % Z) << 7;
	const uint32_t third_of = (second_of % Z) << 7;

	return (int32_t)((first << 14) + (second_of / Z << 7) + third_of / Z);
}

static bool exponentials(struct cats_node *n, const struct cats_attention_head *head, int32_t multiplier, uint32_t keys)
{
	const int16_t *table = cats_node_shard(n, n->shard.header->exp_table);
	uint32_t Z;

	if (!cats_node_afford(n, 120U + keys * n->kernels->costs.exponential))
		return false;
	Z = n->kernels->attention_exponentials(head, table, n->at.maximum, keys);
	n->at.multiplier = cats_requantise(reciprocal(Z), multiplier);
	return true;
}

static bool values(struct cats_node *n, const struct cats_attention_head *head, int8_t *out, uint32_t keys)
{
	while (n->at.column < head->width) {
		const uint32_t count = cats_least(head->width - n->at.column, chunk(n, keys));

		if (!afford_macs(n, count * keys))
			return false;
		n->kernels->attention_values(out, head, keys, n->at.multiplier, n->at.column, count);
		n->at.column += count;
	}
	return true;
}

static void go_to(struct cats_node *n, enum phase phase)
{
	n->at.phase = phase;
	n->at.column = 0;
}

/* The query at at.row; back in phase SCORES when finished. */
static bool run_query(struct cats_node *n, const struct cats_op *op, const struct cats_attention_head *head)
{
	const int32_t *for_scores = cats_node_shard(n, op->attention.score_multipliers);
	const int32_t *for_values = cats_node_shard(n, op->attention.value_multipliers);
	const uint32_t keys = op->flags & CATS_OP_CAUSAL ? n->at.row + 1U : op->attention.keys;
	int8_t *out = (int8_t *)cats_node_arena(n, op->attention.output) +
		      (size_t)n->at.row * op->attention.output_stride + (size_t)n->at.output * head->width;

	if (n->at.phase == SCORES) {
		if (!scores(n, head, for_scores[n->at.output], keys))
			return false;
		go_to(n, EXPONENTIALS);
	}
	if (n->at.phase == EXPONENTIALS) {
		if (!exponentials(n, head, for_values[n->at.output], keys))
			return false;
		go_to(n, VALUES);
	}
	if (!values(n, head, out, keys))
		return false;
	go_to(n, SCORES);
	return true;
}

bool cats_op_attention(struct cats_node *n, const struct cats_op *op)
{
	for (; n->at.output < op->attention.heads; n->at.output++, n->at.row = 0, go_to(n, PACK)) {
		const struct cats_attention_head head = head_at(n, op, n->at.output);

		if (n->at.phase == PACK) {
			if (!pack(n, &head))
				return false;
			go_to(n, SCORES);
		}
		for (; n->at.row < op->attention.queries; n->at.row++)
			if (!run_query(n, op, &head))
				return false;
	}
	return true;
}
