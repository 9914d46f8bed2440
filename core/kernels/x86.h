/* SPDX-License-Identifier: MIT */
/* What the row kernels of all x86-64 instruction sets share. Host only. */
#ifndef CATS_CORE_KERNELS_X86_H
#define CATS_CORE_KERNELS_X86_H

#include <immintrin.h>

#include "core/kernels/host.h"

/* Rows whose sums are in registers at once: nine, a register of weights and one of x fit the sixteen there are below
 * AVX-512, and 26 rows, the tokens of the demo's model, make three panels. */
#define PANEL_ROWS 9
/* Columns whose packed weights are on the stack at once. */
#define CHUNK_COLUMNS 1024

static inline uint32_t cats_host_least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Rows of the next panel when so many are left: panels as equal as can be. */
static inline uint32_t cats_x86_panel(uint32_t left)
{
	const uint32_t panels = (left + PANEL_ROWS - 1U) / PANEL_ROWS;

	return (left + panels - 1U) / panels;
}

/* PANELS(name, rows_of, type of x, lanes, columns a cell takes, 1 when `extent` counts cells): adds to acc[rows][lanes]
 * panel after panel, `rows_of` inlined for each number of rows. */
#define PANELS(name, rows_of, type, lanes, per_cell)                                                          \
	TARGET static void name(int32_t *acc, const uint32_t *w, const type *x, size_t stride, uint32_t rows, \
				uint32_t extent)                                                              \
	{                                                                                                     \
		const uint32_t cells = (extent + (per_cell)-1U) / (per_cell);                                 \
                                                                                                              \
		while (rows > 0) {                                                                            \
			const uint32_t panel = cats_x86_panel(rows);                                          \
                                                                                                              \
			switch (panel) {                                                                      \
			case 1:                                                                               \
				rows_of(1, acc, w, x, stride, cells);                                         \
				break;                                                                        \
			case 2:                                                                               \
				rows_of(2, acc, w, x, stride, cells);                                         \
				break;                                                                        \
			case 3:                                                                               \
				rows_of(3, acc, w, x, stride, cells);                                         \
				break;                                                                        \
			case 4:                                                                               \
				rows_of(4, acc, w, x, stride, cells);                                         \
				break;                                                                        \
			case 5:                                                                               \
				rows_of(5, acc, w, x, stride, cells);                                         \
				break;                                                                        \
			case 6:                                                                               \
				rows_of(6, acc, w, x, stride, cells);                                         \
				break;                                                                        \
			case 7:                                                                               \
				rows_of(7, acc, w, x, stride, cells);                                         \
				break;                                                                        \
			case 8:                                                                               \
				rows_of(8, acc, w, x, stride, cells);                                         \
				break;                                                                        \
			default:                                                                              \
				rows_of(9, acc, w, x, stride, cells);                                         \
				break;                                                                        \
			}                                                                                     \
			acc += (size_t)panel * (lanes);                                                       \
			x += panel * stride;                                                                  \
			rows -= panel;                                                                        \
		}                                                                                             \
	}

/* Exact: the square root of a double is correctly rounded, and the root of an integer below 2^32 that is no square is
 * further than 2^-18 from the next integer. */
static inline uint32_t cats_x86_root(uint32_t v)
{
	return (uint32_t)_mm_cvttsd_si64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd((double)v)));
}

/* rows[i] becomes cell i of all eight. */
__attribute__((target("avx2"), always_inline)) static inline void cats_x86_transpose_8(__m256i rows[8])
{
	__m256i t[8], u[8];

	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
		t[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
	}
	for (int i = 0; i < 8; i += 4) {
		u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
		u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
		u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
		u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	for (int i = 0; i < 4; i++) {
		rows[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
		rows[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
	}
}

#endif
