/* SPDX-License-Identifier: MIT */
/* m4_loops.S in C, for every machine but the Cortex-M4: word for word the same arithmetic. See m4_loops.h. */
#include "core/kernels/m4_loops.h"

#include "core/kernels/dsp.h"

void cats_m4_widen(uint32_t *panel, const int8_t *const rows[4], uint32_t groups)
{
	for (uint32_t g = 0; g < groups; g++, panel += 8)
		for (uint32_t r = 0; r < 4; r++) {
			const uint32_t x = cats_load4(rows[r] + (size_t)g * 4U);

			panel[r] = cats_even_bytes(x);
			panel[4U + r] = cats_subtract_pairs(x & 0xFF00FF00U, panel[r]);
		}
}

void cats_m4_products(int32_t *sums, const uint32_t *panel, const uint32_t *weights, uint32_t skip, uint32_t pairs,
		      uint32_t groups, uint32_t add)
{
	for (uint32_t p = 0; p < pairs; p++, sums += 8, weights += 2U * groups + skip / 4U)
		for (uint32_t i = 0; i < 8; i++) {
			const uint32_t *row = panel + i / 2U, *word = weights + (i & 1U);
			int32_t sum = add ? sums[i] : 0;

			for (uint32_t g = 0; g < groups; g++, row += 8, word += 2) {
				sum = cats_multiply_pairs(row[0], word[0], sum);
				sum = cats_multiply_pairs(row[4], cats_even_bytes(word[0]), sum);
			}
			sums[i] = sum;
		}
}

void cats_m4_scores(uint32_t *scores, const uint32_t *panel, const uint32_t *keys, int32_t multiplier, uint32_t pairs,
		    uint32_t groups, uint32_t maxima[4])
{
	for (uint32_t p = 0; p < pairs; p++, scores += 4, keys += 2U * groups) {
		int32_t sums[8];

		cats_m4_products(sums, panel, keys, 0, 1, groups, 0);
		for (uint32_t i = 0; i < 8; i++)
			sums[i] = cats_saturate(cats_rounded_product(sums[i], multiplier), 15);
		for (uint32_t r = 0; r < 4; r++) {
			scores[r] = cats_low_halves((uint32_t)sums[2U * r], (uint32_t)sums[2U * r + 1U]);
			maxima[r] = cats_larger_pairs(scores[r], maxima[r]);
		}
	}
}

uint32_t cats_m4_exponentials(uint32_t *scores, const int16_t *table, uint32_t maximum, uint32_t pairs)
{
	int32_t Z = 0;

	for (uint32_t *end = scores + (size_t)4U * pairs; scores != end; scores += 4) {
		const uint32_t below = cats_saturate_pairs_unsigned(cats_subtract_pairs(maximum, *scores), 10);

		*scores = cats_low_halves((uint32_t)table[below & 0xFFFFU], (uint32_t)table[below >> 16]);
		Z = cats_multiply_pairs(*scores, 0x00010001U, Z);
	}
	return (uint32_t)Z;
}

void cats_m4_values(int8_t *out, const uint32_t *panel, const uint32_t *values, uint32_t skip, uint32_t pairs,
		    uint32_t steps, size_t stride, const int32_t multipliers[4])
{
	for (uint32_t p = 0; p < pairs; p++, out += 2, values += 2U * steps + skip / 4U)
		for (uint32_t i = 0; i < 8; i++) {
			const uint32_t r = i / 2U;
			int32_t sum = 0;

			for (uint32_t s = 0; s < steps; s++)
				sum = cats_multiply_pairs(panel[4U * s + r], values[2U * s + (i & 1U)], sum);
			sum = cats_saturate(cats_rounded_product(sum, multipliers[r]), 8);
			out[r * stride + (i & 1U)] = (int8_t)cats_symmetric_bytes((uint32_t)sum);
		}
}

void cats_m4_finish_residual(int16_t *residual, size_t stride, const int32_t *sums, const int32_t *bias,
			     const int32_t *multipliers, uint32_t pairs)
{
	for (uint32_t p = 0; p < pairs; p++, sums += 8)
		for (uint32_t i = 0; i < 8; i++) {
			const uint32_t o = 2U * p + (i & 1U);
			int16_t *to = residual + i / 2U * (stride / sizeof(*residual)) + o;
			const int32_t sum = cats_wrap_add(sums[i], cats_shift_left(bias[o], 8));

			*to = (int16_t)cats_saturate(cats_requantise_onto(*to, sum, multipliers[o]), 16);
		}
}

enum put { SYMMETRIC, RELU, TABLE };

static void finish(uint8_t *out, enum put put, const int8_t *table, int32_t y)
{
	if (put == SYMMETRIC)
		*out = (uint8_t)cats_symmetric_bytes((uint32_t)cats_saturate(y, 8));
	else if (put == RELU)
		*out = (uint8_t)cats_saturate_unsigned(y, 7);
	else
		*out = (uint8_t)table[cats_saturate_unsigned(y, 8)];
}

static void finish_all(uint8_t *out, size_t stride, const int32_t *sums, enum put put, const int8_t *table,
		       const struct cats_stats stats[4], const int32_t *multipliers, const int32_t *weight_sums,
		       const int32_t *biases, uint32_t pairs)
{
	for (uint32_t p = 0; p < pairs; p++, sums += 8)
		for (uint32_t i = 0; i < 8; i++) {
			const uint32_t o = 2U * p + (i & 1U);

			finish(out + i / 2U * stride + o, put, table,
			       cats_normalise(sums[i], stats[i / 2U], multipliers[o], weight_sums[o], biases[o]));
		}
}

void cats_m4_finish_symmetric(void *out, size_t stride, const int32_t *sums, const int8_t *table,
			      const struct cats_stats stats[4], const int32_t *multipliers, const int32_t *weight_sums,
			      const int32_t *biases, uint32_t pairs)
{
	finish_all(out, stride, sums, SYMMETRIC, table, stats, multipliers, weight_sums, biases, pairs);
}

void cats_m4_finish_relu(void *out, size_t stride, const int32_t *sums, const int8_t *table,
			 const struct cats_stats stats[4], const int32_t *multipliers, const int32_t *weight_sums,
			 const int32_t *biases, uint32_t pairs)
{
	finish_all(out, stride, sums, RELU, table, stats, multipliers, weight_sums, biases, pairs);
}

void cats_m4_finish_table(void *out, size_t stride, const int32_t *sums, const int8_t *table,
			  const struct cats_stats stats[4], const int32_t *multipliers, const int32_t *weight_sums,
			  const int32_t *biases, uint32_t pairs)
{
	finish_all(out, stride, sums, TABLE, table, stats, multipliers, weight_sums, biases, pairs);
}
