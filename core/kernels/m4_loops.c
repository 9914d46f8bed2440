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

void cats_m4_values(int32_t *sums, const uint32_t *panel, const uint32_t *values, uint32_t skip, uint32_t pairs,
		    uint32_t steps)
{
	for (uint32_t p = 0; p < pairs; p++, sums += 8, values += 2U * steps + skip / 4U)
		for (uint32_t i = 0; i < 8; i++) {
			sums[i] = 0;
			for (uint32_t s = 0; s < steps; s++)
				sums[i] =
					cats_multiply_pairs(panel[4U * s + i / 2U], values[2U * s + (i & 1U)], sums[i]);
		}
}
