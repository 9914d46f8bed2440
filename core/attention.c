/* SPDX-License-Identifier: MIT */
/* The attention op, head by head and a few queries at a time (docs/SPEC-integer.md, 1.8), in units of at most
 * CATS_UNIT_CYCLES_MAX. Freestanding. */
#include "core/integer.h"
#include "core/node.h"

/* at.output counts heads, at.row queries, at.column keys, rows or columns. */
enum phase { PACK, QUERIES, SCORES, EXPONENTIALS, VALUES };

/* What a unit of each phase costs whatever its size: calls, tails and finding the place again, as counted on the
 * emulated core with heads 6 wide, where it weighs most. */
#define PACK_CYCLES 320U
#define QUERIES_CYCLES 330U
#define SCORES_CYCLES 640U
#define EXPONENTIALS_CYCLES 400U
#define VALUES_CYCLES 540U

static struct cats_attention_head head_at(const struct cats_node *n, const struct cats_op *op, uint32_t head)
{
	const uint32_t d = op->attention.head_width;
	const uint32_t keys4 = cats_round4(op->attention.keys), packed = keys4 * cats_round4(d);
	uint8_t *queries = cats_node_arena(n, op->attention.scratch), *scratch = queries + cats_scratch_panel(d);

	return (struct cats_attention_head){
		.q = (const int8_t *)cats_node_arena(n, op->attention.q) + head * d,
		.k = (const int8_t *)cats_node_arena(n, op->attention.k) + head * d,
		.v = (const int8_t *)cats_node_arena(n, op->attention.v) + head * d,
		.q_stride = op->attention.q_stride,
		.kv_stride = op->attention.kv_stride,
		.keys = op->attention.keys,
		.width = d,
		.causal = (op->flags & CATS_OP_CAUSAL) != 0,
		.queries = queries,
		.packed_keys = scratch,
		.values = (int16_t *)(void *)(scratch + packed),
		.scores = (int16_t *)(void *)(scratch + 3U * (size_t)packed),
	};
}

/* Whether or not there is something to do, so that kernels of a host can stand for a device's. */
static bool pack(struct cats_node *n, const struct cats_attention_head *head)
{
	while (n->kernels->costs.packed > 0 && n->at.column < head->keys) {
		const uint32_t count = cats_least(head->keys - n->at.column, 4);

		if (!cats_node_afford(n, PACK_CYCLES + n->kernels->costs.packed * count * head->width))
			return false;
		if (n->kernels->attention_pack != NULL)
			n->kernels->attention_pack(head, n->at.column, count);
		n->at.column += count;
	}
	return true;
}

/* Of a score of d columns, or of an output of that many keys, for each of the rows. Kernels that widen queries work on
 * all of a tile's rows, whether or not there is something in them. */
static uint32_t rows_cycles(const struct cats_node *n, struct cats_attention_rows rows, uint32_t macs)
{
	const uint32_t worked = n->kernels->costs.widened > 0 ? CATS_TILE_ROWS : rows.count;

	return worked * (n->kernels->costs.score + macs * n->kernels->costs.attention_mac_q4 / 16U);
}

/* How many keys or columns that take so much each make a unit. */
static uint32_t chunk(const struct cats_node *n, uint32_t cycles)
{
	const uint32_t step = n->kernels->attention_step;
	const uint32_t count = CATS_UNIT_WORK / cycles / step * step;

	return count > 0 ? count : step;
}

static bool queries(struct cats_node *n, const struct cats_attention_head *head, struct cats_attention_rows rows)
{
	const uint32_t cycles = n->kernels->costs.widened * rows.count * head->width;

	if (cycles == 0)
		return true;
	if (!cats_node_afford(n, QUERIES_CYCLES + cycles))
		return false;
	if (n->kernels->attention_queries != NULL)
		n->kernels->attention_queries(head, rows);
	return true;
}

static bool scores(struct cats_node *n, const struct cats_attention_head *head, struct cats_attention_rows rows,
		   int32_t multiplier)
{
	const uint32_t keys = cats_attention_visible(head, rows.first + rows.count - 1U);
	const uint32_t cycles = rows_cycles(n, rows, head->width), most = chunk(n, cycles);

	while (n->at.column < keys) {
		const uint32_t count = cats_least(keys - n->at.column, most);

		if (!cats_node_afford(n, SCORES_CYCLES + count * cycles))
			return false;
		n->kernels->attention_scores(n->at.maxima, head, rows, multiplier, n->at.column, count);
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

static bool exponentials(struct cats_node *n, const struct cats_attention_head *head, struct cats_attention_rows rows,
			 int32_t multiplier)
{
	const uint32_t keys = cats_attention_visible(head, rows.first + rows.count - 1U);
	const int16_t *table = cats_node_shard(n, n->shard.header->exp_table);
	const uint32_t cycles = 100U + keys * n->kernels->costs.exponential;
	const uint32_t most = cycles * 2U > CATS_UNIT_WORK ? 1U : CATS_UNIT_WORK / cycles;

	while (n->at.column < rows.count) {
		const uint32_t first = n->at.column, count = cats_least(rows.count - first, most);
		uint32_t sums[CATS_TILE_ROWS];

		if (!cats_node_afford(n, EXPONENTIALS_CYCLES + count * cycles))
			return false;
		n->kernels->attention_exponentials(sums, head, rows, table, n->at.maxima, first, count);
		for (uint32_t i = first; i < first + count; i++)
			n->at.multipliers[i] = cats_requantise(reciprocal(sums[i]), multiplier);
		n->at.column += count;
	}
	return true;
}

static bool values(struct cats_node *n, const struct cats_attention_head *head, struct cats_attention_rows rows,
		   int8_t *out, uint32_t stride)
{
	const uint32_t keys = cats_attention_visible(head, rows.first + rows.count - 1U);
	const uint32_t cycles = rows_cycles(n, rows, keys), most = chunk(n, cycles);

	while (n->at.column < head->width) {
		const uint32_t count = cats_least(head->width - n->at.column, most);

		if (!cats_node_afford(n, VALUES_CYCLES + count * cycles))
			return false;
		n->kernels->attention_values(out, stride, head, rows, n->at.multipliers, n->at.column, count);
		n->at.column += count;
	}
	return true;
}

static void go_to(struct cats_node *n, enum phase phase)
{
	n->at.phase = phase;
	n->at.column = 0;
}

/* The queries at at.row. */
static bool run_queries(struct cats_node *n, const struct cats_op *op, const struct cats_attention_head *head,
			struct cats_attention_rows rows)
{
	const int32_t *for_scores = cats_node_shard(n, op->attention.score_multipliers);
	const int32_t *for_values = cats_node_shard(n, op->attention.value_multipliers);
	int8_t *out = (int8_t *)cats_node_arena(n, op->attention.output) +
		      (size_t)rows.first * op->attention.output_stride + (size_t)n->at.output * head->width;

	if (n->at.phase == QUERIES) {
		if (!queries(n, head, rows))
			return false;
		go_to(n, SCORES);
	}
	if (n->at.phase == SCORES) {
		if (!scores(n, head, rows, for_scores[n->at.output]))
			return false;
		go_to(n, EXPONENTIALS);
	}
	if (n->at.phase == EXPONENTIALS) {
		if (!exponentials(n, head, rows, for_values[n->at.output]))
			return false;
		go_to(n, VALUES);
	}
	return values(n, head, rows, out, op->attention.output_stride);
}

/* What one query multiplies: scores and values of the keys that it sees. */
static uint64_t query_macs(const struct cats_attention_head *head, struct cats_attention_rows rows)
{
	uint64_t macs = 0;

	for (uint32_t i = 0; i < rows.count; i++)
		macs += 2U * cats_attention_visible(head, rows.first + i) * head->width;
	return macs;
}

bool cats_op_attention(struct cats_node *n, const struct cats_op *op)
{
	for (; n->at.output < op->attention.heads; n->at.output++, n->at.row = 0, go_to(n, PACK)) {
		const struct cats_attention_head head = head_at(n, op, n->at.output);

		if (n->at.phase == PACK) {
			if (!pack(n, &head))
				return false;
			go_to(n, QUERIES);
		}
		while (n->at.row < op->attention.queries) {
			const struct cats_attention_rows rows = {
				n->at.row, cats_least(op->attention.queries - n->at.row, n->kernels->attention_rows)};

			if (!run_queries(n, op, &head, rows))
				return false;
			n->macs += query_macs(&head, rows);
			n->at.row += rows.count;
			if (n->at.output + 1U == op->attention.heads)
				cats_node_note_rows(n, n->at.row);
			go_to(n, QUERIES);
		}
	}
	return true;
}
