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

/* ---- Epilogues ---- */

static void finish_residual(int16_t *residual, size_t stride, const int32_t *acc, const int32_t *bias,
			    const int32_t *multipliers, uint32_t rows, uint32_t outputs)
{
	for (uint32_t o = 0; o < outputs; o += 2, acc += 2U * ROWS) {
		const uint32_t second = o + 1U < outputs ? 1U : 0U; /* or the first once more */
		const int32_t m0 = multipliers[o], m1 = multipliers[o + second];
		const int32_t b0 = bias == NULL ? 0 : bias[o], b1 = bias == NULL ? 0 : bias[o + second];
		int16_t *to = residual + o;
		const int32_t *sums = acc;

		for (const int32_t *end = acc + 2U * rows; sums != end; sums += 2, to += stride) {
			const int32_t a0 = cats_wrap_add(sums[0], cats_shift_left(b0, 8));
			const int32_t a1 = cats_wrap_add(sums[1], cats_shift_left(b1, 8));
			const int32_t r0 = to[0], r1 = to[second];

			to[second] = (int16_t)cats_saturate(cats_requantise_onto(r1, a1, m1), 16);
			to[0] = (int16_t)cats_saturate(cats_requantise_onto(r0, a0, m0), 16);
		}
	}
}

/* What becomes of y (section 1.7). */
enum form {
	SYMMETRIC, /* int8 -127 … 127 */
	RELU,      /* int8 0 … 127 */
	TABLE,
	OTHER, /* other clamps, and logits: one at a time */
};

/* Of one output: B + 128, so that B·2^24 + 2^31 is it times 2^24. */
struct constants {
	int32_t m, b, weight_sum;
};

CATS_DSP struct constants constants_of(const struct cats_finish *f, uint32_t o)
{
	return (struct constants){
		.m = f->multipliers[o],
		.b = cats_wrap_add(f->biases[o], 128),
		.weight_sum = f->weight_sums == NULL ? 0 : f->weight_sums[o],
	};
}

/* MLS, SMMULR, two shifts, SMLAL. */
CATS_DSP int32_t normalised(int32_t sum, struct constants c, struct cats_stats stats)
{
	const int32_t A = cats_wrap_subtract(sum, cats_wrap_multiply(stats.mu, c.weight_sum));
	const int32_t m = cats_rounded_product(stats.rho, c.m);

	return (int32_t)(((int64_t)c.b * (1 << 24) + (int64_t)A * m) >> 32);
}

CATS_DSP void put_other(uint8_t *out, const struct cats_finish *f, int32_t y)
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

CATS_DSP void put_pair(uint8_t *out, const struct cats_finish *f, enum form form, int32_t y0, int32_t y1)
{
	uint32_t bytes;

	if (form == SYMMETRIC)
		bytes = cats_symmetric_bytes(cats_two_bytes(cats_saturate(y0, 8), cats_saturate(y1, 8)));
	else if (form == RELU)
		bytes = cats_saturate_unsigned(y0, 7) | cats_saturate_unsigned(y1, 7) << 8;
	else
		bytes = (uint8_t)f->table[cats_saturate_unsigned(y0, 8)] |
			(uint32_t)(uint8_t)f->table[cats_saturate_unsigned(y1, 8)] << 8;
	cats_store2(out, bytes);
}

/* Outputs 0 … outputs - 1, an even number; `acc` begins with the first row. */
CATS_DSP void finish_pairs(uint8_t *out, size_t stride, const struct cats_finish *f, enum form form, const int32_t *acc,
			   uint32_t rows, uint32_t outputs)
{
	for (uint32_t o = 0; o < outputs; o += 2, acc += 2U * ROWS) {
		const struct constants c0 = constants_of(f, o), c1 = constants_of(f, o + 1U);
		const struct cats_stats *stats = f->stats;
		const int32_t *sums = acc;
		uint8_t *to = out + o;

		for (const int32_t *end = acc + 2U * rows; sums != end; sums += 2, stats++, to += stride)
			put_pair(to, f, form, normalised(sums[0], c0, *stats), normalised(sums[1], c1, *stats));
	}
}

/* Outputs first … outputs - 1, one at a time. */
static void finish_others(uint8_t *out, size_t stride, const struct cats_finish *f, const int32_t *acc, uint32_t rows,
			  uint32_t first, uint32_t outputs)
{
	const uint32_t bytes = f->kind == CATS_OUTPUT_LOGIT ? 4 : 1;

	for (uint32_t o = first; o < outputs; o++) {
		const struct constants c = constants_of(f, o);
		const int32_t *sums = acc + (size_t)(o / 2U) * 2U * ROWS + (o & 1U);

		for (uint32_t r = 0; r < rows; r++)
			put_other(out + r * stride + o * bytes, f, normalised(sums[2U * r], c, f->stats[r]));
	}
}

static enum form form_of(const struct cats_finish *f)
{
	if (f->kind == CATS_OUTPUT_TABLE)
		return TABLE;
	if (f->kind == CATS_OUTPUT_INT8 && f->high == 127)
		return f->low == -127 ? SYMMETRIC : f->low == 0 ? RELU : OTHER;
	return OTHER;
}

static void finish_norm(void *out, size_t stride, const struct cats_finish *f, const int32_t *acc, uint32_t first,
			uint32_t rows, uint32_t outputs)
{
	const enum form form = form_of(f);
	const uint32_t paired = form == OTHER ? 0 : outputs & ~1U;

	acc += 2U * first;
	if (form == SYMMETRIC)
		finish_pairs(out, stride, f, SYMMETRIC, acc, rows, paired);
	else if (form == RELU)
		finish_pairs(out, stride, f, RELU, acc, rows, paired);
	else if (form == TABLE)
		finish_pairs(out, stride, f, TABLE, acc, rows, paired);
	finish_others(out, stride, f, acc, rows, paired, outputs);
}

/* ---- Rows ---- */

static void quantise(int8_t *q, const int16_t *residual, int32_t multiplier, uint32_t count)
{
	uint32_t i = 0;

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
CATS_DSP uint32_t four_columns(const int8_t *row, uint32_t c, uint32_t width)
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

/* Keys first and first + 1 of a quad at columns c …: as a pair of weight rows. */
CATS_DSP void pack_key_pair(uint32_t *to, uint32_t first, uint32_t second)
{
	to[0] = pack_weights(first);
	to[1] = pack_weights(second);
}

/* Values of two keys at four columns: words of the pairs of columns (c, c + 1) and (c + 2, c + 3), `apart` words apart.
 */
CATS_DSP void pack_value_pair(uint32_t *to, uint32_t apart, uint32_t first, uint32_t second)
{
	const uint32_t even0 = cats_even_bytes(first), even1 = cats_even_bytes(second);
	const uint32_t odd0 = cats_odd_bytes(first), odd1 = cats_odd_bytes(second);

	to[0] = cats_low_halves(even0, even1);
	to[1] = cats_low_halves(odd0, odd1);
	to[apart] = cats_high_halves(even0, even1);
	to[apart + 1U] = cats_high_halves(odd0, odd1);
}

/* Keys as [T4/2][d4/4][2] words of four weights; values as [d4/2][T4/2][2] words of two keys. */
static void pack_keys(const struct cats_attention_head *head, uint32_t first, uint32_t count)
{
	const uint32_t keys4 = cats_round4(head->keys), width4 = cats_round4(head->width);
	uint32_t *keys = (uint32_t *)(void *)head->packed_keys + (size_t)(first / 2U) * (width4 / 2U);
	uint32_t *values = (uint32_t *)(void *)head->values + first;
	const int8_t *k = head->k + (size_t)first * head->kv_stride, *v = head->v + (size_t)first * head->kv_stride;

	for (uint32_t j = 0; j < 4; j += 2, keys += width4 / 2U, values += 2) {
		const int8_t *k0 = k + j * head->kv_stride, *v0 = v + j * head->kv_stride;
		const uint32_t width0 = j < count ? head->width : 0, width1 = j + 1U < count ? head->width : 0;

		for (uint32_t c = 0; c < width4; c += 4) {
			pack_key_pair(keys + c / 2U, four_columns(k0, c, width0),
				      four_columns(k0 + head->kv_stride, c, width1));
			pack_value_pair(values + (size_t)c / 2U * keys4, keys4, four_columns(v0, c, width0),
					four_columns(v0 + head->kv_stride, c, width1));
		}
	}
}

static void widen_queries(const struct cats_attention_head *head, struct cats_attention_rows rows)
{
	const uint32_t groups = head->width / 4U;
	const int8_t *q[ROWS];
	uint32_t *panel = head->queries;

	for (uint32_t r = 0; r < ROWS; r++)
		q[r] = head->q + (size_t)(rows.first + (r < rows.count ? r : 0)) * head->q_stride;
	if (groups > 0)
		cats_m4_widen(panel, q, groups);
	panel += 8U * groups;
	for (uint32_t r = 0; r < ROWS && head->width % 4U != 0; r++) {
		const uint32_t word = four_columns(q[r], 4U * groups, head->width);

		panel[r] = cats_even_bytes(word);
		panel[ROWS + r] = cats_subtract_pairs(word & 0xFF00FF00U, panel[r]);
	}
}

/* The two scores of a row, as a pair. */
CATS_DSP uint32_t score_pair(const int32_t *sums, int32_t multiplier)
{
	return cats_low_halves((uint32_t)cats_saturate(cats_rounded_product(sums[0], multiplier), 15),
			       (uint32_t)cats_saturate(cats_rounded_product(sums[1], multiplier), 15));
}

/* Scores lie as [T4/2][4] words: of two keys, of each row. `maxima` are pairs. */
CATS_DSP void finish_scores(uint32_t maxima[ROWS], uint32_t *scores, const int32_t *acc, int32_t multiplier,
			    uint32_t pairs)
{
	uint32_t m0 = maxima[0], m1 = maxima[1], m2 = maxima[2], m3 = maxima[3];

	for (const uint32_t *end = scores + (size_t)ROWS * pairs; scores != end; scores += ROWS, acc += 2U * ROWS) {
		scores[0] = score_pair(acc, multiplier);
		m0 = cats_larger_pairs(scores[0], m0);
		scores[1] = score_pair(acc + 2, multiplier);
		m1 = cats_larger_pairs(scores[1], m1);
		scores[2] = score_pair(acc + 4, multiplier);
		m2 = cats_larger_pairs(scores[2], m2);
		scores[3] = score_pair(acc + 6, multiplier);
		m3 = cats_larger_pairs(scores[3], m3);
	}
	maxima[0] = m0;
	maxima[1] = m1;
	maxima[2] = m2;
	maxima[3] = m3;
}

#define NO_SCORE 0x80008000U

CATS_DSP int32_t larger_half(uint32_t pair)
{
	const int32_t low = (int16_t)pair, high = (int32_t)pair >> 16;

	return low > high ? low : high;
}

/* The largest score of a row among keys first … end - 1, where the last keys of a panel are seen by some rows only. */
static int32_t largest(const uint32_t *scores, uint32_t row, uint32_t first, uint32_t end, int32_t maximum)
{
	for (uint32_t j = first; j < end; j++) {
		const uint32_t pair = scores[(size_t)(j / 2U) * ROWS + row];
		const int32_t s = j & 1U ? (int32_t)pair >> 16 : (int16_t)pair;

		maximum = s > maximum ? s : maximum;
	}
	return maximum;
}

/* `first` is even. Tiles of keys that all rows see find their maxima on the way; the rest is looked through again. */
static void scores(int32_t maxima[CATS_TILE_ROWS], const struct cats_attention_head *head,
		   struct cats_attention_rows rows, int32_t multiplier, uint32_t first, uint32_t count)
{
	const uint32_t pair_words = cats_round4(head->width) / 2U, groups = pair_words / 2U;
	const uint32_t pairs = (count + 1U) / 2U, common = cats_attention_visible(head, rows.first);
	const uint32_t full = common <= first ? 0 : smaller((common - first) / 2U, count / 2U);
	const uint32_t *keys = (const uint32_t *)(const void *)head->packed_keys + (size_t)(first / 2U) * pair_words;
	uint32_t *to = (uint32_t *)(void *)head->scores + (size_t)(first / 2U) * ROWS;
	uint32_t found[ROWS] = {NO_SCORE, NO_SCORE, NO_SCORE, NO_SCORE}, ignored[ROWS] = {0};
	cats_tile acc;

	for (uint32_t p = 0, n; p < pairs; p += n, to += ROWS * n, keys += n * pair_words) {
		n = smaller((p < full ? full : pairs) - p, CATS_TILE_OUTPUTS / 2U);
		cats_m4_products(acc, head->queries, keys, 0, n, groups, 0);
		finish_scores(p < full ? found : ignored, to, acc, multiplier, n);
	}
	for (uint32_t r = 0; r < rows.count; r++) {
		const uint32_t end = smaller(first + count, cats_attention_visible(head, rows.first + r));
		int32_t so_far = larger_half(found[r]);

		so_far = first > 0 && maxima[r] > so_far ? maxima[r] : so_far;
		maxima[r] = largest((const uint32_t *)(const void *)head->scores, r, first + 2U * full, end, so_far);
	}
}

static uint32_t exponentials(const struct cats_attention_head *head, struct cats_attention_rows rows, uint32_t row,
			     const int16_t *table, int32_t maximum)
{
	const uint32_t visible = cats_attention_visible(head, rows.first + row);
	const uint32_t end = cats_round4(cats_attention_visible(head, rows.first + rows.count - 1U)) / 2U;
	const uint32_t top = cats_low_halves((uint32_t)maximum, (uint32_t)maximum);
	uint32_t *at = (uint32_t *)(void *)head->scores + row;
	int32_t Z = 0;
	uint32_t pair = 0;

	for (; pair < visible / 2U; pair++, at += ROWS) {
		const uint32_t below = cats_saturate_pairs_unsigned(cats_subtract_pairs(top, *at), 10);

		*at = cats_low_halves((uint32_t)table[below & 0xFFFFU], (uint32_t)table[below >> 16]);
		Z = cats_multiply_pairs(*at, 0x00010001U, Z);
	}
	if (visible & 1U) {
		const uint32_t below = cats_saturate_pairs_unsigned(cats_subtract_pairs(top, *at), 10);

		*at = (uint32_t)table[below & 0xFFFFU];
		Z += (int32_t)*at;
		pair++;
		at += ROWS;
	}
	for (; pair < end; pair++, at += ROWS)
		*at = 0;
	return (uint32_t)Z;
}

/* The outputs of a pair of columns, for each row; `second` is 0 when there is one column only. */
CATS_DSP void finish_values(int8_t *out, size_t stride, const int32_t *acc, const int32_t *multipliers, uint32_t rows,
			    bool second)
{
	for (uint32_t r = 0; r < rows; r++, out += stride, acc += 2) {
		const int32_t y0 = cats_saturate(cats_rounded_product(acc[0], multipliers[r]), 8);
		const int32_t y1 = cats_saturate(cats_rounded_product(acc[1], multipliers[r]), 8);
		const uint32_t bytes = cats_symmetric_bytes(cats_two_bytes(y0, y1));

		if (second)
			cats_store2(out, bytes);
		else
			*out = (int8_t)bytes;
	}
}

/* `first` is even. */
static void values(int8_t *out, size_t stride, const struct cats_attention_head *head, struct cats_attention_rows rows,
		   const int32_t multipliers[CATS_TILE_ROWS], uint32_t first, uint32_t count)
{
	const uint32_t keys4 = cats_round4(head->keys);
	const uint32_t steps = cats_round4(cats_attention_visible(head, rows.first + rows.count - 1U)) / 2U;
	const uint32_t *v = (const uint32_t *)(const void *)head->values + (size_t)(first / 2U) * keys4;
	cats_tile acc;

	for (uint32_t c = first, n; c < first + count; c += n, v += (size_t)(n / 2U) * keys4) {
		n = smaller(first + count - c, CATS_TILE_OUTPUTS);
		cats_m4_values(acc, (const uint32_t *)(const void *)head->scores, v, 4U * (keys4 - 2U * steps),
			       (n + 1U) / 2U, steps);
		for (uint32_t i = 0; i < n; i += 2)
			finish_values(out + c + i, stride, acc + (size_t)i * ROWS, multipliers, rows.count, i + 1U < n);
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
	.unit_macs = 12288,
	.attention_rows = 4,
	.attention_step = 2,
	.costs = {.mac_q4 = 20, .output = 20, .value = 5, .attention_mac_q4 = 26, .exponential = 10},
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
