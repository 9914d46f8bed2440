/* SPDX-License-Identifier: MIT */
/* Kernels for the Cortex-M4F, equal bit for bit to those of plain.c; in dsp.h's terms, so that they run anywhere.
 *
 * Idea. A panel of 4 rows is widened once and multiplies all outputs, two at a time (m4_loops.S); the tile keeps the
 * layout in which that leaves its sums, [pair of outputs][row][2], each 256 times the sum. Epilogues take a pair of
 * outputs by its rows, so that the pair's constants stay in registers. Attention is two such products: packed keys are
 * the weights of `scores`, and what `exponentials` leaves is the panel that multiplies int16 values.
 *
 * Exact. 256·acc is what the rules requantise (docs/SPEC-integer.md, 1.1); SMMULR and SMMLAR are that rule; sums that
 * the planner's bounds keep below 2^31 may wrap on their way. Saturation to 8 bits and then to -127 … 127 is one clamp.
 *
 * Preconditions: those of kernels.h, and activations in -127 … 127. Rows that a panel does not have repeat its first.
 *
 * Cost: m4_loops.S says it of four rows; docs/results/m4-kernels.md has whole layers. A panel of one row takes 8 to 10
 * instructions for 8 multiply-accumulates; outputs of fewer rows, an odd last one, logits and unusual clamps about 30.
 */
#include "core/integer.h"
#include "core/kernels/dsp.h"
#include "core/kernels/kernels.h"
#include "core/kernels/m4_loops.h"

#define ROWS CATS_TILE_ROWS

CATS_DSP uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* ---- Products ---- */

/* A panel of one row has a and c of each group side by side: 4 rows would cost 23 instructions for the 8 of one. */
static void widen_one(uint32_t *to, const int8_t *x, uint32_t groups)
{
	for (uint32_t g = 0; g < groups; g++, to += 2) {
		const uint32_t word = cats_load4(x + (size_t)g * 4U);

		to[0] = cats_even_bytes(word);
		to[1] = cats_subtract_pairs(word & 0xFF00FF00U, to[0]);
	}
}

static void widen(const struct cats_panel *panel, uint32_t column, uint32_t columns)
{
	const int8_t *x = panel->x + column, *rows[ROWS];

	if (panel->rows == 1) {
		widen_one((uint32_t *)panel->widened + column / 2U, x, cats_round4(columns) / 4U);
		return;
	}
	for (uint32_t r = 0; r < ROWS; r++)
		rows[r] = x + (r < panel->rows ? r : 0) * panel->stride;
	cats_m4_widen((uint32_t *)panel->widened + 2U * column, rows, cats_round4(columns) / 4U);
}

/* As cats_m4_products, of one row. */
static void products_one(int32_t *sums, const uint32_t *panel, const uint32_t *weights, uint32_t skip, uint32_t pairs,
			 uint32_t groups, bool add)
{
	for (uint32_t p = 0; p < pairs; p++, sums += 2U * ROWS, weights += skip / 4U) {
		const uint32_t *x = panel;
		int32_t first = add ? sums[0] : 0, second = add ? sums[1] : 0;

		for (const uint32_t *end = panel + 2U * groups; x != end; x += 2, weights += 2) {
			first = cats_multiply_pairs(x[0], weights[0], first);
			second = cats_multiply_pairs(x[0], weights[1], second);
			first = cats_multiply_pairs(x[1], cats_even_bytes(weights[0]), first);
			second = cats_multiply_pairs(x[1], cats_even_bytes(weights[1]), second);
		}
		sums[0] = first;
		sums[1] = second;
	}
}

static void products(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
		     uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns)
{
	const uint32_t pairs = (outputs + 1U) / 2U, groups = cats_round4(columns) / 4U;
	const uint32_t pair_words = weights->columns4 / 2U, skip = 4U * (pair_words - 2U * groups);
	const uint32_t *w =
		(const uint32_t *)(const void *)weights->packed + (size_t)(output / 2U) * pair_words + column / 2U;
	const uint32_t *x = panel->widened;

	if (panel->rows == 1)
		products_one(acc, x + column / 2U, w, skip, pairs, groups, column > 0);
	else if (column == 0)
		cats_m4_products(acc, x, w, skip, pairs, groups, 0);
	else
		for (uint32_t p = 0; p < pairs; p++, acc += 2U * ROWS, w += pair_words)
			cats_m4_products(acc, x + 2U * column, w, skip, 1, groups, 1);
}

/* ---- Epilogues: of 4 rows two outputs at a time, of other tiles one by one ---- */

static const int32_t zeros[CATS_TILE_OUTPUTS];

/* Where the tile has the sum of output o in its first row; other rows follow 2 words apart. */
CATS_DSP const int32_t *sums_of(const int32_t *acc, uint32_t o)
{
	return acc + (size_t)(o / 2U) * 2U * ROWS + (o & 1U);
}

static void finish_residual(int16_t *residual, size_t stride, const int32_t *acc, const int32_t *bias,
			    const int32_t *multipliers, uint32_t rows, uint32_t outputs)
{
	const int32_t *b = bias == NULL ? zeros : bias;
	uint32_t o = 0;

	if (rows == ROWS && outputs >= 2) {
		cats_m4_finish_residual(residual, stride * sizeof(*residual), acc, b, multipliers, outputs / 2U);
		o = outputs & ~1U;
	}
	for (; o < outputs; o++)
		for (uint32_t r = 0; r < rows; r++) {
			const int32_t sum = cats_wrap_add(sums_of(acc, o)[2U * r], cats_shift_left(b[o], 8));
			int16_t *to = residual + r * stride + o;

			*to = (int16_t)cats_saturate(cats_requantise_onto(*to, sum, multipliers[o]), 16);
		}
}

/* For 4 rows, or NULL: logits, and clamps that are no saturation. */
static cats_m4_finish *finish_of(const struct cats_finish *f)
{
	if (f->kind == CATS_OUTPUT_TABLE)
		return cats_m4_finish_table;
	if (f->kind == CATS_OUTPUT_INT8 && f->high == 127)
		return f->low == -127 ? cats_m4_finish_symmetric : f->low == 0 ? cats_m4_finish_relu : NULL;
	return NULL;
}

CATS_DSP void put(uint8_t *out, const struct cats_finish *f, int32_t y)
{
	if (f->kind == CATS_OUTPUT_INT8) {
		*out = (uint8_t)cats_clamp(y, f->low, f->high);
	} else if (f->kind == CATS_OUTPUT_TABLE) {
		*out = (uint8_t)f->table[cats_saturate_unsigned(y, 8)];
	} else {
		int32_t *logit = (int32_t *)(void *)out;

		*logit = cats_wrap_add(f->add ? *logit : 0, cats_saturate(y, 23));
	}
}

static void finish_norm(void *out, size_t stride, const struct cats_finish *f, const int32_t *acc, uint32_t first,
			uint32_t rows, uint32_t outputs)
{
	cats_m4_finish *finish = rows == ROWS && outputs >= 2 ? finish_of(f) : NULL;
	const int32_t *weight_sums = f->weight_sums == NULL ? zeros : f->weight_sums;
	const uint32_t bytes = f->kind == CATS_OUTPUT_LOGIT ? 4 : 1;
	uint32_t o = 0;

	if (finish != NULL) {
		finish(out, stride, acc, f->table, f->stats, f->multipliers, weight_sums, f->biases, outputs / 2U);
		o = outputs & ~1U;
	}
	for (; o < outputs; o++)
		for (uint32_t r = 0; r < rows; r++)
			put((uint8_t *)out + r * stride + o * bytes, f,
			    cats_normalise(sums_of(acc, o)[2U * (first + r)], f->stats[r], f->multipliers[o],
					   weight_sums[o], f->biases[o]));
}

/* ---- Rows ---- */

static void quantise(int8_t *q, const int16_t *residual, int32_t multiplier, uint32_t count)
{
	uint32_t i = 0;

#pragma GCC unroll 2
	for (; i + 4U <= count; i += 4) {
		const uint32_t first = cats_load4(residual + i), second = cats_load4(residual + i + 2);
		const int32_t y0 = cats_rounded_product((int16_t)first, multiplier);
		const int32_t y1 = cats_rounded_product((int32_t)first >> 16, multiplier);
		const int32_t y2 = cats_rounded_product((int16_t)second, multiplier);
		const int32_t y3 = cats_rounded_product((int32_t)second >> 16, multiplier);
		const uint32_t low = cats_two_bytes(cats_saturate(y0, 8), cats_saturate(y1, 8));
		const uint32_t high = cats_two_bytes(cats_saturate(y2, 8), cats_saturate(y3, 8));

		cats_store4(q + i, cats_symmetric_bytes(cats_low_halves(low, high)));
	}
	for (; i < count; i++)
		q[i] = (int8_t)cats_clamp(cats_rounded_product(residual[i], multiplier), -127, 127);
}

static void sums(int32_t *sum, int32_t *squares, const int8_t *x, uint32_t count)
{
	const int8_t *end = x + (count & ~3U);
	int32_t S = 0, Q = 0;

#pragma GCC unroll 4
	for (; x != end; x += 4) {
		const uint32_t word = cats_load4(x);
		const uint32_t even = cats_even_bytes(word), odd = cats_odd_bytes(word);

		Q = cats_multiply_pairs(even, even, Q);
		Q = cats_multiply_pairs(odd, odd, Q);
		S = cats_multiply_pairs(cats_add_pairs(even, odd), 0x00010001U, S);
	}
	for (end += count & 3U; x != end; x++) {
		S += *x;
		Q += *x * *x;
	}
	*sum = S;
	*squares = Q;
}

/* ---- Attention ---- */

/* Columns c … c + 3 of a row of `width`, those beyond it as 0. */
static uint32_t four_columns(const int8_t *row, uint32_t c, uint32_t width)
{
	uint32_t word = 0;

	if (c + 4U <= width)
		return cats_load4(row + c);
	for (uint32_t i = 0; c + i < width; i++)
		word |= (uint32_t)(uint8_t)row[c + i] << (8U * i);
	return word;
}

/* Four weights as in section 3.5. */
CATS_DSP uint32_t pack_weights(uint32_t x)
{
	return cats_add_pairs(x << 8 & 0xFF00FF00U, cats_odd_bytes(x));
}

/* Four columns of two keys become a pair of weight rows, of two values two pairs of columns `apart` words apart. */
CATS_DSP void pack_two(uint32_t *keys, uint32_t *values, uint32_t apart, const uint32_t k[2], const uint32_t v[2])
{
	const uint32_t even0 = cats_even_bytes(v[0]), even1 = cats_even_bytes(v[1]);
	const uint32_t odd0 = cats_odd_bytes(v[0]), odd1 = cats_odd_bytes(v[1]);

	keys[0] = pack_weights(k[0]);
	keys[1] = pack_weights(k[1]);
	values[0] = cats_low_halves(even0, even1);
	values[1] = cats_low_halves(odd0, odd1);
	values[apart] = cats_high_halves(even0, even1);
	values[apart + 1U] = cats_high_halves(odd0, odd1);
}

/* Keys first and first + 1, of which `count` are there. Keys as [T4/2][d4/4][2] words of four weights; values as
 * [d4/2][T4/2][2] words of two keys. */
static void pack_pair(const struct cats_attention_head *head, uint32_t first, uint32_t count)
{
	const uint32_t keys4 = cats_round4(head->keys), width4 = cats_round4(head->width);
	uint32_t *keys = (uint32_t *)(void *)head->packed_keys + (size_t)(first / 2U) * (width4 / 2U);
	uint32_t *values = (uint32_t *)(void *)head->values + first;
	const int8_t *k = head->k + (size_t)first * head->kv_stride, *v = head->v + (size_t)first * head->kv_stride;
	const int8_t *k1 = k + head->kv_stride, *v1 = v + head->kv_stride;
	const uint32_t width0 = count > 0 ? head->width : 0, width1 = count > 1 ? head->width : 0;
	uint32_t c = 0;

	for (; c + 4U <= width1; c += 4, keys += 2, values += 2U * keys4)
		pack_two(keys, values, keys4, (uint32_t[]){cats_load4(k + c), cats_load4(k1 + c)},
			 (uint32_t[]){cats_load4(v + c), cats_load4(v1 + c)});
	for (; c < width4; c += 4, keys += 2, values += 2U * keys4)
		pack_two(keys, values, keys4, (uint32_t[]){four_columns(k, c, width0), four_columns(k1, c, width1)},
			 (uint32_t[]){four_columns(v, c, width0), four_columns(v1, c, width1)});
}

static void pack_keys(const struct cats_attention_head *head, uint32_t first, uint32_t count)
{
	pack_pair(head, first, count);
	pack_pair(head, first + 2U, count > 2 ? count - 2U : 0);
}

static void widen_queries(const struct cats_attention_head *head, struct cats_attention_rows rows)
{
	const uint32_t groups = head->width / 4U;
	const int8_t *q[ROWS];
	uint32_t *panel = head->queries;

	q[0] = head->q + (size_t)rows.first * head->q_stride;
	for (uint32_t r = 1; r < ROWS; r++)
		q[r] = r < rows.count ? q[r - 1U] + head->q_stride : q[0];
	if (groups > 0)
		cats_m4_widen(panel, q, groups);
	if (head->width % 4U == 0)
		return;
	panel += 8U * groups;
	for (uint32_t r = 0; r < ROWS; r++) {
		const uint32_t word = four_columns(q[r], 4U * groups, head->width);

		panel[r] = cats_even_bytes(word);
		panel[ROWS + r] = cats_subtract_pairs(word & 0xFF00FF00U, panel[r]);
	}
}

/* A pair of maxima before anything was found. */
#define NO_SCORE 0x80008000U

/* The larger halves of a row's maxima and its pair of scores, of whose keys it sees `seen`. */
CATS_DSP uint32_t add_maximum(uint32_t maxima, uint32_t scores, uint32_t seen)
{
	if (seen == 0)
		return maxima;
	return cats_larger_pairs(seen == 1 ? cats_low_halves(scores, NO_SCORE) : scores, maxima);
}

/* How many keys from `key` on a row sees. */
CATS_DSP uint32_t seen_from(uint32_t key, const struct cats_attention_head *head, uint32_t query)
{
	const uint32_t visible = cats_attention_visible(head, query);

	return visible < key ? 0 : visible - key;
}

/* `first` is even. Scores lie as [T4/2][4] words, of two keys and each row; maxima are pairs, of even and of odd keys.
 * Those of pairs that all rows see are found on the way; the other pairs are looked through again. */
static void scores(int32_t maxima[CATS_TILE_ROWS], const struct cats_attention_head *head,
		   struct cats_attention_rows rows, int32_t multiplier, uint32_t first, uint32_t count)
{
	const uint32_t pair_words = cats_round4(head->width) / 2U, groups = pair_words / 2U;
	const uint32_t pairs = (count + 1U) / 2U;
	const uint32_t full = smaller(seen_from(first, head, rows.first), count) / 2U;
	const uint32_t *keys = (const uint32_t *)(const void *)head->packed_keys + (size_t)(first / 2U) * pair_words;
	uint32_t *to = (uint32_t *)(void *)head->scores + (size_t)(first / 2U) * ROWS;
	uint32_t *found = (uint32_t *)maxima, ignored[ROWS] = {0};

	if (first == 0)
		found[0] = found[1] = found[2] = found[3] = NO_SCORE;
	if (full > 0)
		cats_m4_scores(to, head->queries, keys, multiplier, full, groups, found);
	if (pairs == full)
		return;
	keys += (size_t)full * pair_words;
	cats_m4_scores(to + (size_t)ROWS * full, head->queries, keys, multiplier, pairs - full, groups, ignored);
	for (uint32_t p = full; p < pairs; p++)
		for (uint32_t r = 0; r < ROWS; r++)
			found[r] =
				add_maximum(found[r], to[(size_t)p * ROWS + r],
					    smaller(count - 2U * p, seen_from(first + 2U * p, head, rows.first + r)));
}

/* Of the row whose scores are from `at` on: the first `visible` of 2·end. */
static uint32_t exponentials_of(uint32_t *at, uint32_t visible, uint32_t end, const int16_t *table, uint32_t maxima)
{
	const uint32_t top = cats_larger_pairs(maxima, maxima << 16 | maxima >> 16);
	uint32_t pair = visible / 2U, Z = cats_m4_exponentials(at, table, top, pair);

	at += (size_t)ROWS * pair;
	if (visible & 1U) {
		Z += cats_m4_exponentials(at, table, top, 1);
		Z -= *at >> 16;
		*at &= 0xFFFFU;
		pair++;
		at += ROWS;
	}
	for (; pair < end; pair++, at += ROWS)
		*at = 0;
	return Z;
}

static void exponentials(uint32_t sums[CATS_TILE_ROWS], const struct cats_attention_head *head,
			 struct cats_attention_rows rows, const int16_t *table, const int32_t maxima[CATS_TILE_ROWS],
			 uint32_t first, uint32_t count)
{
	const uint32_t end = cats_round4(cats_attention_visible(head, rows.first + rows.count - 1U)) / 2U;
	uint32_t *at = (uint32_t *)(void *)head->scores;

	for (uint32_t i = first; i < first + count; i++)
		sums[i] = exponentials_of(at + i, cats_attention_visible(head, rows.first + i), end, table,
					  (uint32_t)maxima[i]);
}

/* Up to this many columns go through a copy when rows or the second column of a pair are missing. */
#define COPIED 16U

/* `first` is even. */
static void values(int8_t *out, size_t stride, const struct cats_attention_head *head, struct cats_attention_rows rows,
		   const int32_t multipliers[CATS_TILE_ROWS], uint32_t first, uint32_t count)
{
	const uint32_t keys4 = cats_round4(head->keys);
	const uint32_t steps = cats_round4(cats_attention_visible(head, rows.first + rows.count - 1U)) / 2U;
	const uint32_t skip = 4U * (keys4 - 2U * steps), direct = rows.count == ROWS ? count & ~1U : 0;
	const uint32_t *p = (const uint32_t *)(const void *)head->scores;
	const uint32_t *v = (const uint32_t *)(const void *)head->values + (size_t)(first / 2U) * keys4;

	if (direct > 0)
		cats_m4_values(out + first, p, v, skip, direct / 2U, steps, stride, multipliers);
	for (uint32_t c = direct, n; c < count; c += n) {
		int8_t copy[ROWS][COPIED];

		n = smaller(count - c, COPIED);
		cats_m4_values(copy[0], p, v + (size_t)(c / 2U) * keys4, skip, (n + 1U) / 2U, steps, COPIED,
			       multipliers);
		for (uint32_t r = 0; r < rows.count; r++)
			__builtin_memcpy(out + r * stride + first + c, copy[r], n);
	}
}

/* ⌊sqrt(v)⌋ for v >= 2^30 or 0: the single-precision root of v, which is off by less than 1/64 and so by at most 1
 * after rounding down, and a step of correction. */
static uint32_t root(uint32_t v)
{
	uint32_t g = (uint32_t)cats_root_single((float)v);

	g = smaller(g, 65535);
	if (g * g > v)
		g--;
	return v - g * g > 2U * g ? g + 1U : g;
}

const struct cats_kernels cats_kernels_m4 = {
	.name = "Cortex-M4",
	.target = CATS_TARGET_NRF52840,
	.attention_rows = ROWS,
	.attention_step = 2,
	.costs = {.mac_q4 = 17,
		  .sum = 5,
		  .output = 20,
		  .output_apart = 66,
		  .widened = 2,
		  .value = 8,
		  .summed = 3,
		  .packed = 8,
		  .attention_mac_q4 = 17,
		  .score = 9,
		  .exponential = 9},
	.widen = widen,
	.products = products,
	.finish_norm = finish_norm,
	.finish_residual = finish_residual,
	.quantise = quantise,
	.sums = sums,
	.root = root,
	.attention_pack = pack_keys,
	.attention_queries = widen_queries,
	.attention_scores = scores,
	.attention_exponentials = exponentials,
	.attention_values = values,
};
