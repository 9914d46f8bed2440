/* SPDX-License-Identifier: MIT */
/* A table of row kernels for an instruction set without a product of bytes, included once for each: as x86_rows.h,
 * which it includes; TABLE names the table, and V(widen_some)(count bytes) gives 2·LANES of them as 16 bits, 0 beyond.
 * Host only.
 *
 * Exact: rows and weights are widened to 16 bits, of which PMADDWD adds pairs of products in 32; a pair of int8
 * products is below 2^15, a pair of probability times value below 2^23. */
#define CELL_COLUMNS 2
#define HALF INT64_C(0x80000000)
/* Cells of a row of packed weights, which are written 2·LANES columns at a time. */
#define CELLS(columns) (((columns) + 2U * LANES - 1U) / (2U * LANES) * LANES)

TARGET static void V(start)(int32_t *start, const int8_t *x, size_t stride, uint32_t rows, uint32_t columns)
{
	(void)x, (void)stride, (void)columns;
	__builtin_memset(start, 0, rows * sizeof(*start));
}

TARGET static void V(pack)(uint32_t *to, const int8_t *w, size_t stride, uint32_t count, uint32_t columns)
{
	for (uint32_t k = 0; k < columns; k += 2U * LANES) {
		VEC rows[LANES];

		for (uint32_t i = 0; i < LANES; i++)
			rows[i] = V(widen_some)(w + cats_host_least(i, count - 1U) * stride + k, columns - k);
		V(transpose)(rows);
		for (uint32_t i = 0; i < LANES; i++)
			V(store)((int32_t *)(void *)(to + (size_t)(k / 2U + i) * LANES), rows[i]);
	}
}

__attribute__((always_inline)) TARGET static inline void V(pair_rows)(uint32_t rows, int32_t *acc, const uint32_t *w,
								      const int16_t *x, size_t stride, uint32_t cells)
{
	VEC sums[PANEL_ROWS];

	for (uint32_t r = 0; r < rows; r++)
		sums[r] = V(load)(acc + r * LANES);
	for (uint32_t i = 0; i < cells; i++, w += LANES, x += 2) {
		const VEC weights = V(load)((const int32_t *)(const void *)w);

		for (uint32_t r = 0; r < rows; r++) {
			int32_t cell;

			__builtin_memcpy(&cell, x + r * stride, 4);
			sums[r] = V(add)(sums[r], V(add_pairs)(weights, V(set1)(cell)));
		}
	}
	for (uint32_t r = 0; r < rows; r++)
		V(store)(acc + r * LANES, sums[r]);
}

PANELS(V(pair_products), V(pair_rows), int16_t, LANES, 1)

TARGET static void V(products)(int32_t *acc, const uint32_t *w, const int8_t *x, size_t stride, uint32_t rows,
			       uint32_t columns)
{
	_Alignas(64) int16_t wide[PANEL_ROWS * CHUNK_COLUMNS];

	while (rows > 0) {
		const uint32_t panel = cats_x86_panel(rows);

		for (uint32_t r = 0; r < panel; r++)
			for (uint32_t k = 0; k < columns; k += 2U * LANES)
				V(store)
		((int32_t *)(void *)(wide + r * CHUNK_COLUMNS + k), V(widen_some)(x + r * stride + k, columns - k));
		V(pair_products)(acc, w, wide, CHUNK_COLUMNS, panel, (columns + 1U) / 2U);
		acc += (size_t)panel * LANES;
		x += panel * stride;
		rows -= panel;
	}
}

static uint32_t V(cells)(uint32_t columns)
{
	return CELLS(columns);
}

static uint32_t V(exponentials)(int16_t *scores, const int16_t *table, int32_t largest, uint32_t count)
{
	uint32_t Z = 0;

	for (uint32_t j = 0; j < count; j++) {
		const int16_t p = table[cats_host_least((uint32_t)(largest - scores[j]), CATS_EXP_ENTRIES - 1U)];

		scores[j] = p;
		Z += (uint32_t)(uint16_t)p;
	}
	return Z;
}

#include "core/kernels/x86_rows.h"
#define K(name) V(name)
#define KEY_LANES LANES
#define EXPONENTIALS V(exponentials)
#define HEAD V(attention)
#include "core/kernels/x86_attention.h"

TARGET static void V(norm)(void *out, size_t out_stride, const struct cats_host_product *p,
			   const struct cats_host_norm *of)
{
	const int32_t start[CATS_TOKENS_MAX] = {0};

	for (uint32_t o = 0; o < p->outputs; o += LANES)
		V(norm_block)(out, out_stride, p, of, start, o, cats_host_least(p->outputs - o, LANES));
}

TARGET static void V(residual)(int16_t *to, const struct cats_host_product *p, const int32_t *multipliers,
			       const int32_t *bias)
{
	const int32_t start[CATS_TOKENS_MAX] = {0};

	for (uint32_t o = 0; o < p->outputs; o += LANES)
		V(residual_block)(to, p, multipliers, bias, start, o, cats_host_least(p->outputs - o, LANES));
}

TARGET static void V(statistics)(struct cats_stats *stats, const int8_t *x, size_t stride, uint32_t rows,
				 uint32_t columns, const uint16_t *counts, bool rms, uint32_t epsilon)
{
	for (uint32_t r = 0; r < rows; r++, x += stride) {
		VEC S = V(set1)(0), Q = S;
		int32_t sums[LANES], squares[LANES];

		for (uint32_t k = 0; k < columns; k += 2U * LANES) {
			const VEC values = V(widen_some)(x + k, columns - k);

			S = V(add)(S, V(add_pairs)(values, V(set1)(0x00010001)));
			Q = V(add)(Q, V(add_pairs)(values, values));
		}
		V(store)(sums, S);
		V(store)(squares, Q);
		for (uint32_t i = 1; i < LANES; i++) {
			sums[0] += sums[i];
			squares[0] += squares[i];
		}
		stats[r] = cats_statistics_of(counts[r], rms ? 0 : sums[0], squares[0], epsilon, cats_x86_root);
	}
}

const struct cats_host_kernels TABLE = {
	.run = cats_host_run,
	.clear = cats_host_clear,
	.norm = V(norm),
	.residual = V(residual),
	.quantise = V(quantise),
	.statistics = V(statistics),
	.attention = V(attention),
};
