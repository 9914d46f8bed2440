/* SPDX-License-Identifier: MIT */
/* The kernels in plain C: what every optimised one must equal, bit for bit. Freestanding.
 *
 * Idea: each formula of docs/SPEC-integer.md as it stands there. Exact because sums are over integers; those that a
 * shard outside the bounds of section 1.12 could overflow wrap. */
#include "core/integer.h"
#include "core/kernels/kernels.h"

static int32_t dot(const int8_t *w, const int8_t *x, uint32_t count)
{
	int32_t sum = 0; /* count <= 16384: below 2^28 */

	for (uint32_t k = 0; k < count; k++)
		sum += w[k] * x[k];
	return sum;
}

/* The first piece of the columns begins a sum. */
static void add_up(int32_t *acc, int32_t sum, uint32_t column)
{
	*acc = column == 0 ? sum : cats_wrap_add(*acc, sum);
}

static void products(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
		     uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns)
{
	for (uint32_t o = 0; o < outputs; o++) {
		const int8_t *w = (const int8_t *)weights->packed + (size_t)(output + o) * weights->columns4 + column;

		for (uint32_t r = 0; r < panel->rows; r++) {
			const int32_t sum = dot(w, panel->x + r * panel->stride + column, columns);

			add_up(acc + r * CATS_TILE_OUTPUTS + o, sum, column);
		}
	}
}

/* Four columns of target 2: words `even` and `odd` of the rows of a pair, each 256·w0 + w1 in a signed halfword. */
static int32_t dot4(uint32_t word, const int8_t *x, uint32_t count)
{
	int32_t sum = 0;

	for (uint32_t k = 0; k < count; k++) {
		const int32_t half = (int16_t)(word >> (k / 2U * 16U));
		const int32_t odd = (int8_t)half;

		sum += x[k] * (k % 2U == 0 ? (half - odd) >> 8 : odd);
	}
	return sum;
}

static void products_packed(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
			    uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns)
{
	for (uint32_t o = 0; o < outputs; o++) {
		const uint32_t *w = (const uint32_t *)(const void *)weights->packed +
				    (size_t)((output + o) / 2U) * (weights->columns4 / 2U) + column / 2U + (o & 1U);

		for (uint32_t r = 0; r < panel->rows; r++) {
			const int8_t *x = panel->x + r * panel->stride + column;
			int32_t sum = 0;

			for (uint32_t k = 0; k < columns; k += 4)
				sum += dot4(w[k / 2U], x + k, columns - k < 4 ? columns - k : 4);
			add_up(acc + r * CATS_TILE_OUTPUTS + o, sum, column);
		}
	}
}

/* y of section 1.7; |A·m| <= 2^62 and |B·2^24| <= 2^55, so the 64-bit sum holds for any operands. */
static int32_t normalised(const struct cats_finish *norm, struct cats_stats stats, int32_t acc, uint32_t o)
{
	int32_t A = cats_wrap_multiply(acc, 256);
	const int32_t m = cats_requantise(stats.rho, norm->multipliers[o]);

	if (norm->weight_sums != NULL)
		A = cats_wrap_subtract(A, cats_wrap_multiply(stats.mu, norm->weight_sums[o]));
	return (int32_t)(((int64_t)A * m + (int64_t)norm->biases[o] * (1 << 24) + INT64_C(0x80000000)) >> 32);
}

static void finish_norm_row(void *out, const struct cats_finish *norm, struct cats_stats stats, const int32_t *acc,
			    uint32_t outputs)
{
	int8_t *bytes = out;
	int32_t *logits = out;

	for (uint32_t o = 0; o < outputs; o++) {
		const int32_t y = normalised(norm, stats, acc[o], o);

		if (norm->kind == CATS_OUTPUT_INT8) {
			bytes[o] = (int8_t)cats_clamp(y, norm->low, norm->high);
		} else if (norm->kind == CATS_OUTPUT_TABLE) {
			bytes[o] = norm->table[cats_clamp(y, 0, 255)];
		} else {
			const int32_t logit = cats_clamp(y, -(1 << 22), (1 << 22) - 1);

			logits[o] = norm->add ? cats_wrap_add(logits[o], logit) : logit;
		}
	}
}

static void finish_norm(void *out, size_t stride, const struct cats_finish *norm, const int32_t *acc, uint32_t first,
			uint32_t rows, uint32_t outputs)
{
	for (uint32_t r = 0; r < rows; r++)
		finish_norm_row((uint8_t *)out + r * stride, norm, norm->stats[r],
				acc + (first + r) * CATS_TILE_OUTPUTS, outputs);
}

static void finish_residual(int16_t *residual, size_t stride, const int32_t *acc, const int32_t *bias,
			    const int32_t *multipliers, uint32_t rows, uint32_t outputs)
{
	for (uint32_t r = 0; r < rows; r++)
		for (uint32_t o = 0; o < outputs; o++) {
			const int32_t sum = bias == NULL ? acc[r * CATS_TILE_OUTPUTS + o]
							 : cats_wrap_add(acc[r * CATS_TILE_OUTPUTS + o], bias[o]);
			const int32_t step = cats_requantise(cats_wrap_multiply(sum, 256), multipliers[o]);
			int16_t *to = residual + r * stride + o;

			*to = (int16_t)cats_clamp(cats_wrap_add(*to, step), INT16_MIN, INT16_MAX);
		}
}

static void quantise(int8_t *q, const int16_t *residual, int32_t multiplier, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		q[i] = (int8_t)cats_clamp(cats_requantise(residual[i], multiplier), -127, 127);
}

static void sums(int32_t *sum, int32_t *squares, const int8_t *x, uint32_t count)
{
	int32_t S = 0, Q = 0;

	for (uint32_t i = 0; i < count; i++) {
		S += x[i];
		Q += x[i] * x[i];
	}
	*sum = S;
	*squares = Q;
}

/* Digit by digit, base 2: `root` holds the digits found so far, times the bit at hand. */
static uint32_t root_of(uint32_t v)
{
	uint32_t root = 0;

	for (uint32_t bit = UINT32_C(1) << 30; bit > 0; bit >>= 2) {
		if (v >= root + bit) {
			v -= root + bit;
			root = (root >> 1) + bit;
		} else {
			root >>= 1;
		}
	}
	return root;
}

/* Row i of the rows at hand has its scores from scores + i·T4. */
static int16_t *scores_of(const struct cats_attention_head *head, uint32_t row)
{
	return head->scores + (size_t)row * cats_round4(head->keys);
}

static int32_t score(const struct cats_attention_head *head, uint32_t query, uint32_t key, int32_t multiplier)
{
	const int8_t *q = head->q + (size_t)query * head->q_stride, *k = head->k + (size_t)key * head->kv_stride;

	return cats_clamp(cats_requantise(cats_wrap_multiply(dot(q, k, head->width), 256), multiplier), -16384, 16383);
}

static void attention_scores(int32_t maxima[CATS_TILE_ROWS], const struct cats_attention_head *head,
			     struct cats_attention_rows rows, int32_t multiplier, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < rows.count; i++) {
		const uint32_t visible = cats_attention_visible(head, rows.first + i);

		for (uint32_t j = first; j < first + count; j++) {
			const int32_t s = score(head, rows.first + i, j, multiplier);

			scores_of(head, i)[j] = (int16_t)s;
			if (j == 0 || (j < visible && s > maxima[i]))
				maxima[i] = s;
		}
	}
}

/* The first `visible` of `end` scores. */
static uint32_t exponentials(int16_t *scores, uint32_t visible, uint32_t end, const int16_t *table, int32_t maximum)
{
	uint32_t Z = 0;

	for (uint32_t j = 0; j < visible; j++) {
		const uint32_t below = (uint32_t)(maximum - scores[j]);
		const int32_t p = table[below > CATS_EXP_ENTRIES - 1U ? CATS_EXP_ENTRIES - 1U : below];

		scores[j] = (int16_t)p;
		Z += (uint32_t)p;
	}
	for (uint32_t j = visible; j < end; j++)
		scores[j] = 0;
	return Z;
}

static void attention_exponentials(uint32_t sums[CATS_TILE_ROWS], const struct cats_attention_head *head,
				   struct cats_attention_rows rows, const int16_t *table,
				   const int32_t maxima[CATS_TILE_ROWS], uint32_t first, uint32_t count)
{
	const uint32_t end = cats_round4(cats_attention_visible(head, rows.first + rows.count - 1U));

	for (uint32_t i = first; i < first + count; i++)
		sums[i] = exponentials(scores_of(head, i), cats_attention_visible(head, rows.first + i), end, table,
				       maxima[i]);
}

static void attention_values(int8_t *out, size_t stride, const struct cats_attention_head *head,
			     struct cats_attention_rows rows, const int32_t multipliers[CATS_TILE_ROWS], uint32_t first,
			     uint32_t count)
{
	const uint32_t keys = cats_attention_visible(head, rows.first + rows.count - 1U);

	for (uint32_t i = 0; i < rows.count; i++)
		for (uint32_t c = first; c < first + count; c++) {
			const int8_t *v = head->v + c;
			int32_t sum = 0;

			for (uint32_t j = 0; j < keys; j++)
				sum = cats_wrap_add(sum, scores_of(head, i)[j] * v[(size_t)j * head->kv_stride]);
			out[i * stride + c] = (int8_t)cats_clamp(cats_requantise(sum, multipliers[i]), -127, 127);
		}
}

#define PLAIN_ENTRIES                                                                                            \
	.finish_norm = finish_norm, .finish_residual = finish_residual, .quantise = quantise, .sums = sums,      \
	.root = root_of, .attention_scores = attention_scores, .attention_exponentials = attention_exponentials, \
	.attention_values = attention_values

const struct cats_kernels cats_kernels_plain = {
	.name = "plain",
	.target = CATS_TARGET_PLAIN,
	.attention_rows = CATS_TILE_ROWS,
	.attention_step = 1,
	.costs = {.mac_q4 = 144,
		  .sum = 18,
		  .output = 60,
		  .output_apart = 60,
		  .value = 12,
		  .summed = 12,
		  .attention_mac_q4 = 160,
		  .score = 30,
		  .exponential = 20},
	.products = products,
	PLAIN_ENTRIES,
};

const struct cats_kernels cats_kernels_nrf52840_c = {
	.name = "nrf52840, plain C",
	.target = CATS_TARGET_NRF52840,
	.attention_rows = CATS_TILE_ROWS,
	.attention_step = 1,
	.costs = {.mac_q4 = 432,
		  .sum = 54,
		  .output = 90,
		  .output_apart = 90,
		  .value = 26,
		  .summed = 26,
		  .attention_mac_q4 = 464,
		  .score = 40,
		  .exponential = 30},
	.products = products_packed,
	PLAIN_ENTRIES,
};

const struct cats_kernels *cats_kernels_for(enum cats_target target)
{
	return target == CATS_TARGET_NRF52840 ? &cats_kernels_m4 : &cats_kernels_plain;
}
