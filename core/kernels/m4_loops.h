/* SPDX-License-Identifier: MIT */
/* The loops of the Cortex-M4's kernels where registers are scarcer than a compiler can do with: m4_loops.S, and
 * the same in C for other machines, m4_loops.c. Freestanding. */
#ifndef CATS_CORE_KERNELS_M4_LOOPS_H
#define CATS_CORE_KERNELS_M4_LOOPS_H

#include <stddef.h>
#include <stdint.h>

#include "core/kernels/dsp.h"
#include "core/shard.h"

/* y of section 1.7 from 256·acc. B·2^24 + 2^31 is (B + 128)·2^24. */
CATS_DSP int32_t cats_normalise(int32_t sum, struct cats_stats stats, int32_t multiplier, int32_t weight_sum,
				int32_t bias)
{
	const int32_t A = cats_wrap_subtract(sum, cats_wrap_multiply(stats.mu, weight_sum));
	const int32_t m = cats_rounded_product(stats.rho, multiplier);

	return (int32_t)(((int64_t)cats_wrap_add(bias, 128) * (1 << 24) + (int64_t)A * m) >> 32);
}

/* Four rows of int8 become pairs that products multiply: for each group of 4 columns the words a of rows 0 … 3, then c
 * of rows 0 … 3, with a = (q0, q2) and c = 256·(q1, q3) - a (docs/SPEC-integer.md, 3.5). Rows at any address; groups >
 * 0. */
void cats_m4_widen(uint32_t *panel, const int8_t *const rows[4], uint32_t groups);

/* sums[8·p + 2·r + i] = 256·Σ w·q of pair p's output i and row r over `groups` > 0 groups of 4 columns, or that added
 * to what is there when `add`, which takes one pair a call. Pair p's weights are `groups` times 2 words; `skip` bytes
 * lie between two pairs. */
void cats_m4_products(int32_t *sums, const uint32_t *panel, const uint32_t *weights, uint32_t skip, uint32_t pairs,
		      uint32_t groups, uint32_t add);

/* Scores (section 1.8) of a panel of queries and `pairs` pairs of packed keys, no bytes between them: words
 * scores[4·p + r] of row r's two. maxima[r] becomes the larger of each half of it and of those. */
void cats_m4_scores(uint32_t *scores, const uint32_t *panel, const uint32_t *keys, int32_t multiplier, uint32_t pairs,
		    uint32_t groups, uint32_t maxima[4]);

/* `pairs` words of two scores each, 4 words apart, become p_j for the row's maximum, given twice; returns their sum. */
uint32_t cats_m4_exponentials(uint32_t *scores, const int16_t *table, uint32_t maximum, uint32_t pairs);

/* out[r·stride + 2·p + i] = sat7(R(Σ p·v, multipliers[r])) of column pair p's column i and row r over `steps` > 0 pairs
 * of keys: 4 words a step in `panel`, one of each row; 2 words a step in `values`, and `skip` bytes behind each pair.
 */
void cats_m4_values(int8_t *out, const uint32_t *panel, const uint32_t *values, uint32_t skip, uint32_t pairs,
		    uint32_t steps, size_t stride, const int32_t multipliers[4]);

/* finish_residual of kernels.h for 4 rows and an even number of outputs; stride in bytes. */
void cats_m4_finish_residual(int16_t *residual, size_t stride, const int32_t *sums, const int32_t *bias,
			     const int32_t *multipliers, uint32_t pairs);

/* finish_norm for 4 rows and an even number of int8 outputs: clamped to -127 … 127, to 0 … 127, or looked up. */
typedef void cats_m4_finish(void *out, size_t stride, const int32_t *sums, const int8_t *table,
			    const struct cats_stats stats[4], const int32_t *multipliers, const int32_t *weight_sums,
			    const int32_t *biases, uint32_t pairs);
cats_m4_finish cats_m4_finish_symmetric, cats_m4_finish_relu, cats_m4_finish_table;

#endif
