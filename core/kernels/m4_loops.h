/* SPDX-License-Identifier: MIT */
/* The three loops of the Cortex-M4's kernels where registers are scarcer than a compiler can do with: m4_loops.S, and
 * the same in C for other machines, m4_loops.c. Freestanding. */
#ifndef CATS_CORE_KERNELS_M4_LOOPS_H
#define CATS_CORE_KERNELS_M4_LOOPS_H

#include <stddef.h>
#include <stdint.h>

/* Four rows of int8 become pairs that products multiply: for each group of 4 columns the words a of rows 0 … 3, then c
 * of rows 0 … 3, with a = (q0, q2) and c = 256·(q1, q3) - a (docs/SPEC-integer.md, 3.5). Rows at any address; groups >
 * 0. */
void cats_m4_widen(uint32_t *panel, const int8_t *const rows[4], uint32_t groups);

/* sums[8·p + 2·r + i] = 256·Σ w·q of pair p's output i and row r over `groups` > 0 groups of 4 columns, or that added
 * to what is there when `add`, which takes one pair a call. Pair p's weights are `groups` times 2 words; `skip` bytes
 * lie between two pairs. */
void cats_m4_products(int32_t *sums, const uint32_t *panel, const uint32_t *weights, uint32_t skip, uint32_t pairs,
		      uint32_t groups, uint32_t add);

/* sums[8·p + 2·r + i] = Σ p·v of column pair p's column i and row r over `steps` > 0 pairs of keys: 4 words a step in
 * `panel`, one of each row; 2 words a step in `values`. `skip` as above. */
void cats_m4_values(int32_t *sums, const uint32_t *panel, const uint32_t *values, uint32_t skip, uint32_t pairs,
		    uint32_t steps);

#endif
