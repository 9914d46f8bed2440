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

static void products(cats_tile acc, const int8_t *x, size_t stride, uint32_t rows,
		     const struct cats_weights_view *weights, uint32_t output, uint32_t outputs, uint32_t column,
		     uint32_t columns)
{
	for (uint32_t o = 0; o < outputs; o++) {
		const int8_t *w = (const int8_t *)weights->packed + (size_t)(output + o) * weights->columns4 + column;

		for (uint32_t r = 0; r < rows; r++)
			acc[r][o] = cats_wrap_add(acc[r][o], dot(w, x + r * stride + column, columns));
	}
}

/* Four columns of target 2: words `even` and `odd` of the rows of a pair, each 256·w1 + w0 in a signed halfword. */
static int32_t dot4(uint32_t word, const int8_t *x, uint32_t count)
{
	int32_t sum = 0;

	for (uint32_t k = 0; k < count; k++) {
		const int32_t half = (int16_t)(word >> (k / 2U * 16U));
		const int32_t even = (int8_t)half;

		sum += x[k] * (k % 2U == 0 ? even : (half - even) >> 8);
	}
	return sum;
}

static void products_packed(cats_tile acc, const int8_t *x, size_t stride, uint32_t rows,
			    const struct cats_weights_view *weights, uint32_t output, uint32_t outputs, uint32_t column,
			    uint32_t columns)
{
	for (uint32_t o = 0; o < outputs; o++) {
		const uint32_t *w = (const uint32_t *)(const void *)weights->packed +
				    (size_t)((output + o) / 2U) * (weights->columns4 / 2U) + column / 2U + (o & 1U);

		for (uint32_t r = 0; r < rows; r++) {
			int32_t sum = 0;

			for (uint32_t k = 0; k < columns; k += 4)
				sum += dot4(w[k / 2U], x + r * stride + column + k, columns - k < 4 ? columns - k : 4);
			acc[r][o] = cats_wrap_add(acc[r][o], sum);
		}
	}
}

/* y of section 1.7; |A·m| <= 2^62 and |B·2^24| <= 2^55, so the 64-bit sum holds for any operands. */
static int32_t normalised(const struct cats_norm_row *row, int32_t acc, uint32_t o)
{
	int32_t A = cats_wrap_multiply(acc, 256);
	const int32_t m = cats_requantise(row->stats.rho, row->multipliers[o]);

	if (row->weight_sums != NULL)
		A = cats_wrap_subtract(A, cats_wrap_multiply(row->stats.mu, row->weight_sums[o]));
	return (int32_t)(((int64_t)A * m + (int64_t)row->biases[o] * (1 << 24) + INT64_C(0x80000000)) >> 32);
}

static void finish_norm(void *out, const struct cats_norm_row *row, const int32_t *acc, uint32_t outputs)
{
	int8_t *bytes = out;
	int32_t *logits = out;

	for (uint32_t o = 0; o < outputs; o++) {
		const int32_t y = normalised(row, acc[o], o);

		if (row->kind == CATS_OUTPUT_INT8) {
			bytes[o] = (int8_t)cats_clamp(y, row->low, row->high);
		} else if (row->kind == CATS_OUTPUT_TABLE) {
			bytes[o] = row->table[cats_clamp(y, 0, 255)];
		} else {
			const int32_t logit = cats_clamp(y, -(1 << 22), (1 << 22) - 1);

			logits[o] = row->add ? cats_wrap_add(logits[o], logit) : logit;
		}
	}
}

static void finish_residual(int16_t *residual, const int32_t *acc, const int32_t *bias, const int32_t *multipliers,
			    uint32_t outputs)
{
	for (uint32_t o = 0; o < outputs; o++) {
		const int32_t sum = bias == NULL ? acc[o] : cats_wrap_add(acc[o], bias[o]);
		const int32_t step = cats_requantise(cats_wrap_multiply(sum, 256), multipliers[o]);

		residual[o] = (int16_t)cats_clamp(cats_wrap_add(residual[o], step), INT16_MIN, INT16_MAX);
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

static int32_t attention_scores(const struct cats_attention_head *head, uint32_t query, int32_t multiplier,
				uint32_t first, uint32_t count)
{
	const int8_t *q = head->q + (size_t)query * head->q_stride;
	int32_t maximum = INT16_MIN;

	for (uint32_t j = first; j < first + count; j++) {
		const int8_t *k = head->k + (size_t)j * head->kv_stride;
		const int32_t score = cats_requantise(cats_wrap_multiply(dot(q, k, head->width), 256), multiplier);
		const int32_t s = cats_clamp(score, -16384, 16383);

		head->scores[j] = (int16_t)s;
		if (s > maximum)
			maximum = s;
	}
	return maximum;
}

static uint32_t attention_exponentials(const struct cats_attention_head *head, const int16_t *table, int32_t maximum,
				       uint32_t count)
{
	uint32_t Z = 0;
	uint32_t j = 0;

	for (; j < count; j++) {
		const uint32_t below = (uint32_t)(maximum - head->scores[j]);
		const int32_t p = table[below > CATS_EXP_ENTRIES - 1U ? CATS_EXP_ENTRIES - 1U : below];

		head->scores[j] = (int16_t)p;
		Z += (uint32_t)p;
	}
	for (; j % 4U != 0; j++)
		head->scores[j] = 0;
	return Z;
}

static void attention_values(int8_t *out, const struct cats_attention_head *head, uint32_t keys, int32_t multiplier,
			     uint32_t first, uint32_t count)
{
	for (uint32_t c = first; c < first + count; c++) {
		const int8_t *v = head->v + c;
		int32_t sum = 0;

		for (uint32_t j = 0; j < keys; j++)
			sum = cats_wrap_add(sum, head->scores[j] * v[(size_t)j * head->kv_stride]);
		out[c] = (int8_t)cats_clamp(cats_requantise(sum, multiplier), -127, 127);
	}
}

#define PLAIN_ENTRIES                                                                                            \
	.finish_norm = finish_norm, .finish_residual = finish_residual, .quantise = quantise, .sums = sums,      \
	.root = root_of, .attention_scores = attention_scores, .attention_exponentials = attention_exponentials, \
	.attention_values = attention_values

/* A product's unit is 4 rows × 2 outputs × 192 columns = 1536 multiply-accumulates. */
const struct cats_kernels cats_kernels_plain = {
	.name = "plain",
	.target = CATS_TARGET_PLAIN,
	.tile_outputs = 2,
	.tile_columns = 192,
	.unit_macs = 1536,
	.attention_step = 1,
	.costs = {.mac_q4 = 144, .output = 60, .value = 12, .attention_mac_q4 = 160, .exponential = 20},
	.products = products,
	PLAIN_ENTRIES,
};

const struct cats_kernels cats_kernels_nrf52840_c = {
	.name = "nrf52840, plain C",
	.target = CATS_TARGET_NRF52840,
	.tile_outputs = 2,
	.tile_columns = 64,
	.unit_macs = 1536,
	.attention_step = 1,
	.costs = {.mac_q4 = 288, .output = 60, .value = 12, .attention_mac_q4 = 160, .exponential = 20},
	.products = products_packed,
	PLAIN_ENTRIES,
};

const struct cats_kernels *cats_kernels_for(enum cats_target target)
{
	return target == CATS_TARGET_NRF52840 ? &cats_kernels_nrf52840_c : &cats_kernels_plain;
}
