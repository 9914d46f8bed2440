/* SPDX-License-Identifier: MIT */
/* Row kernels for processors with AVX-512 VNNI, 16 and 8 lanes wide. Host only.
 *
 * Exact: VPDPBUSD multiplies unsigned by signed bytes, so weights are taken as w + 128 and sums start at -128·Σx; it
 * does not saturate, and all sums are below 2^31. VPDPWSSD adds pairs of 16-bit products likewise. The statistics'
 * quotients and roots in double are far enough from integers that their rounding cannot reach one (at each). */
#include "core/kernels/host.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "core/integer.h"
#include "core/kernels/x86.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512vnni")))
#define INLINE TARGET static inline __attribute__((always_inline))
#define CELL_COLUMNS 4
#define HALF INT64_C(0x80000000)

INLINE uint64_t low_bits(uint32_t count)
{
	return count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1U;
}

/* ---- 16 lanes ---- */

typedef __m512i v16_vector;
typedef __mmask16 v16_mask;
struct v16_pair {
	__m512i even, odd;
};

INLINE __m512i v16_load(const int32_t *from)
{
	return _mm512_loadu_si512(from);
}
INLINE void v16_store(int32_t *to, __m512i x)
{
	_mm512_storeu_si512(to, x);
}
INLINE __m512i v16_set1(int32_t x)
{
	return _mm512_set1_epi32(x);
}
INLINE __m512i v16_add(__m512i a, __m512i b)
{
	return _mm512_add_epi32(a, b);
}
INLINE __m512i v16_sub(__m512i a, __m512i b)
{
	return _mm512_sub_epi32(a, b);
}
INLINE __m512i v16_multiply(__m512i a, __m512i b)
{
	return _mm512_mullo_epi32(a, b);
}
INLINE __m512i v16_shift8(__m512i a)
{
	return _mm512_slli_epi32(a, 8);
}
INLINE __m512i v16_min(__m512i a, __m512i b)
{
	return _mm512_min_epi32(a, b);
}
INLINE __m512i v16_max(__m512i a, __m512i b)
{
	return _mm512_max_epi32(a, b);
}
INLINE __mmask16 v16_less(__m512i a, __m512i b)
{
	return _mm512_cmplt_epi32_mask(a, b);
}
INLINE __m512i v16_choose(__mmask16 mask, __m512i yes, __m512i no)
{
	return _mm512_mask_blend_epi32(mask, no, yes);
}
INLINE int32_t v16_largest(__m512i a)
{
	return _mm512_reduce_max_epi32(a);
}
/* (a·b + more) >> 32 */
INLINE __m512i v16_high(__m512i a, __m512i b, struct v16_pair more)
{
	const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(a, b), more.even);
	const __m512i odd =
		_mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32)), more.odd);

	return _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
}
INLINE void v16_store8(int8_t *to, __m512i x)
{
	_mm_storeu_si128((__m128i *)(void *)to, _mm512_cvtepi32_epi8(x));
}
INLINE void v16_store16(int16_t *to, __m512i x)
{
	_mm256_storeu_si256((__m256i *)(void *)to, _mm512_cvtsepi32_epi16(x));
}
INLINE __m512i v16_load16(const int16_t *from)
{
	return _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)from));
}

/* ---- 8 lanes ---- */

typedef __m256i v8_vector;
typedef __mmask8 v8_mask;
struct v8_pair {
	__m256i even, odd;
};

INLINE __m256i v8_load(const int32_t *from)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)from);
}
INLINE void v8_store(int32_t *to, __m256i x)
{
	_mm256_storeu_si256((__m256i *)(void *)to, x);
}
INLINE __m256i v8_set1(int32_t x)
{
	return _mm256_set1_epi32(x);
}
INLINE __m256i v8_add(__m256i a, __m256i b)
{
	return _mm256_add_epi32(a, b);
}
INLINE __m256i v8_sub(__m256i a, __m256i b)
{
	return _mm256_sub_epi32(a, b);
}
INLINE __m256i v8_multiply(__m256i a, __m256i b)
{
	return _mm256_mullo_epi32(a, b);
}
INLINE __m256i v8_shift8(__m256i a)
{
	return _mm256_slli_epi32(a, 8);
}
INLINE __m256i v8_min(__m256i a, __m256i b)
{
	return _mm256_min_epi32(a, b);
}
INLINE __m256i v8_max(__m256i a, __m256i b)
{
	return _mm256_max_epi32(a, b);
}
INLINE __mmask8 v8_less(__m256i a, __m256i b)
{
	return _mm256_cmplt_epi32_mask(a, b);
}
INLINE __m256i v8_choose(__mmask8 mask, __m256i yes, __m256i no)
{
	return _mm256_mask_blend_epi32(mask, no, yes);
}
INLINE __m256i v8_high(__m256i a, __m256i b, struct v8_pair more)
{
	const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(a, b), more.even);
	const __m256i odd =
		_mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32)), more.odd);

	return _mm256_mask_blend_epi32(0xAA, _mm256_srli_epi64(even, 32), odd);
}
INLINE void v8_store8(int8_t *to, __m256i x)
{
	_mm_storel_epi64((__m128i *)(void *)to, _mm256_cvtepi32_epi8(x));
}
INLINE void v8_store16(int16_t *to, __m256i x)
{
	_mm_storeu_si128((__m128i *)(void *)to, _mm256_cvtsepi32_epi16(x));
}
INLINE __m256i v8_load16(const int16_t *from)
{
	return _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
}

/* ---- products ---- */

/* Per lane of 128 bits: the sums of a, b, c and d over that lane. */
INLINE __m512i sum_lanes(__m512i a, __m512i b, __m512i c, __m512i d)
{
	const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
	const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));

	return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

/* The sums of four vectors. */
INLINE __m128i sum_four(const __m512i x[4])
{
	const __m512i lanes = sum_lanes(x[0], x[1], x[2], x[3]);
	const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64(lanes, 1));

	return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* start[r] = -128·Σ x[r], over the columns and those up to the next multiple of 4, which meet w + 128 = 128. Room for
 * a multiple of four rows. */
TARGET static void start_rows(int32_t *start, const int8_t *x, size_t stride, uint32_t rows, uint32_t columns)
{
	const __m512i offset = _mm512_set1_epi8((char)0x80), zero = _mm512_setzero_si512();
	const uint32_t last = rows - 1U, columns4 = cats_round4(columns);

	for (uint32_t r = 0; r < rows; r += 4) {
		const int8_t *const row[4] = {x + r * stride, x + cats_host_least(r + 1U, last) * stride,
					      x + cats_host_least(r + 2U, last) * stride,
					      x + cats_host_least(r + 3U, last) * stride};
		__m512i sums[4] = {zero, zero, zero, zero};

		for (uint32_t k = 0; k < columns4; k += 64) {
			const __mmask64 mask = low_bits(columns4 - k);

			for (int i = 0; i < 4; i++)
				sums[i] =
					_mm512_dpbusd_epi32(sums[i], offset, _mm512_maskz_loadu_epi8(mask, row[i] + k));
		}
		_mm_storeu_si128((__m128i *)(void *)(start + r), _mm_sub_epi32(_mm_setzero_si128(), sum_four(sums)));
	}
}

/* The 32 columns from k on of eight rows (the last repeated), into cells of `lanes` lanes. */
INLINE void pack_eight(uint32_t *to, uint32_t lanes, const int8_t *w, size_t stride, uint32_t count, uint32_t left)
{
	const __mmask32 mask = (__mmask32)low_bits(left);
	__m256i rows[8];

	for (uint32_t i = 0; i < 8; i++)
		rows[i] = _mm256_xor_si256(_mm256_maskz_loadu_epi8(mask, w + (i < count ? i : count - 1U) * stride),
					   _mm256_set1_epi8((char)0x80));
	cats_x86_transpose_8(rows);
	for (uint32_t i = 0; i < 8; i++)
		_mm256_storeu_si256((__m256i *)(void *)(to + i * lanes), rows[i]);
}

TARGET static void v8_pack(uint32_t *to, const int8_t *w, size_t stride, uint32_t count, uint32_t columns)
{
	for (uint32_t k = 0; k < columns; k += 32)
		pack_eight(to + (size_t)k / 4U * 8U, 8, w + k, stride, count, columns - k);
}

TARGET static void v16_pack(uint32_t *to, const int8_t *w, size_t stride, uint32_t count, uint32_t columns)
{
	const uint32_t more = count > 8 ? count - 8U : 1U;

	for (uint32_t k = 0; k < columns; k += 32) {
		pack_eight(to + (size_t)k / 4U * 16U, 16, w + k, stride, count, columns - k);
		pack_eight(to + (size_t)k / 4U * 16U + 8U, 16, w + k + (count > 8 ? 8 * stride : 0), stride, more,
			   columns - k);
	}
}

/* Cells of a row of packed weights, which are written 32 columns at a time. */
#define CELLS(columns) (((columns) + 31U) / 32U * 8U)

INLINE int32_t cell_of(const void *x)
{
	int32_t cell;

	__builtin_memcpy(&cell, x, 4);
	return cell;
}

INLINE void v16_rows(uint32_t rows, int32_t *acc, const uint32_t *w, const int8_t *x, size_t stride, uint32_t cells)
{
	__m512i sums[PANEL_ROWS];

	for (uint32_t r = 0; r < rows; r++)
		sums[r] = v16_load(acc + r * 16);
	for (uint32_t i = 0; i < cells; i++, w += 16, x += 4) {
		const __m512i weights = _mm512_loadu_si512(w);

		for (uint32_t r = 0; r < rows; r++)
			sums[r] = _mm512_dpbusd_epi32(sums[r], weights, _mm512_set1_epi32(cell_of(x + r * stride)));
	}
	for (uint32_t r = 0; r < rows; r++)
		v16_store(acc + r * 16, sums[r]);
}

INLINE void v8_rows(uint32_t rows, int32_t *acc, const uint32_t *w, const int8_t *x, size_t stride, uint32_t cells)
{
	__m256i sums[PANEL_ROWS];

	for (uint32_t r = 0; r < rows; r++)
		sums[r] = v8_load(acc + r * 8);
	for (uint32_t i = 0; i < cells; i++, w += 8, x += 4) {
		const __m256i weights = v8_load((const int32_t *)(const void *)w);

		for (uint32_t r = 0; r < rows; r++)
			sums[r] = _mm256_dpbusd_epi32(sums[r], weights, _mm256_set1_epi32(cell_of(x + r * stride)));
	}
	for (uint32_t r = 0; r < rows; r++)
		v8_store(acc + r * 8, sums[r]);
}

INLINE void v16_pair_rows(uint32_t rows, int32_t *acc, const uint32_t *w, const int16_t *x, size_t stride,
			  uint32_t cells)
{
	__m512i sums[PANEL_ROWS];

	for (uint32_t r = 0; r < rows; r++)
		sums[r] = v16_load(acc + r * 16);
	for (uint32_t i = 0; i < cells; i++, w += 16, x += 2) {
		const __m512i weights = _mm512_loadu_si512(w);

		for (uint32_t r = 0; r < rows; r++)
			sums[r] = _mm512_dpwssd_epi32(sums[r], weights, _mm512_set1_epi32(cell_of(x + r * stride)));
	}
	for (uint32_t r = 0; r < rows; r++)
		v16_store(acc + r * 16, sums[r]);
}

INLINE void v8_pair_rows(uint32_t rows, int32_t *acc, const uint32_t *w, const int16_t *x, size_t stride,
			 uint32_t cells)
{
	__m256i sums[PANEL_ROWS];

	for (uint32_t r = 0; r < rows; r++)
		sums[r] = v8_load(acc + r * 8);
	for (uint32_t i = 0; i < cells; i++, w += 8, x += 2) {
		const __m256i weights = v8_load((const int32_t *)(const void *)w);

		for (uint32_t r = 0; r < rows; r++)
			sums[r] = _mm256_dpwssd_epi32(sums[r], weights, _mm256_set1_epi32(cell_of(x + r * stride)));
	}
	for (uint32_t r = 0; r < rows; r++)
		v8_store(acc + r * 8, sums[r]);
}

PANELS(v16_products, v16_rows, int8_t, 16, 4)
PANELS(v8_products, v8_rows, int8_t, 8, 4)
PANELS(v16_pair_products, v16_pair_rows, int16_t, 16, 1)
PANELS(v8_pair_products, v8_pair_rows, int16_t, 8, 1)

#define VEC __m512i
#define LANES 16
#define V(name) v16_##name
#include "core/kernels/x86_rows.h"
#undef VEC
#undef LANES
#undef V
#define VEC __m256i
#define LANES 8
#define V(name) v8_##name
#include "core/kernels/x86_rows.h"
#undef VEC
#undef LANES
#undef V

static uint32_t v16_cells(uint32_t columns)
{
	return CELLS(columns);
}
#define v16_start start_rows

/* The last two entries of the table are 0, so index 1022 serves for 1023 too and a gather of 32 bits stays inside. */
TARGET static uint32_t exponentials(int16_t *scores, const int16_t *table, int32_t largest, uint32_t count)
{
	const __m512i top = _mm512_set1_epi32(largest), last = _mm512_set1_epi32(CATS_EXP_ENTRIES - 2);
	__m512i Z = _mm512_setzero_si512();

	for (uint32_t j = 0; j < count; j += 16) {
		const __mmask16 mask = (__mmask16)low_bits(count - j);
		const __m512i index = _mm512_min_epu32(_mm512_sub_epi32(top, v16_load16(scores + j)), last);
		__m512i p = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mask, index, table, 2);

		p = _mm512_and_si512(p, _mm512_set1_epi32(0xFFFF));
		Z = _mm512_add_epi32(Z, p);
		_mm256_storeu_si256((__m256i *)(void *)(scores + j), _mm512_cvtepi32_epi16(p));
	}
	return (uint32_t)_mm512_reduce_add_epi32(Z);
}

#define EXPONENTIALS exponentials
#define K(name) v16_##name
#define KEY_LANES 16
#define HEAD head_16
#define LANES 16
#define V(name) v16_##name
#include "core/kernels/x86_attention.h"
#undef HEAD
#undef LANES
#undef V
#define HEAD head_8
#define LANES 8
#define V(name) v8_##name
#include "core/kernels/x86_attention.h"

static void attention(const struct cats_host_head *head)
{
	if (head->width <= 8)
		head_8(head);
	else
		head_16(head);
}

TARGET static void norm(void *out, size_t out_stride, const struct cats_host_product *p,
			const struct cats_host_norm *of)
{
	int32_t start[CATS_TOKENS_MAX];

	start_rows(start, p->x, p->stride, p->rows, p->columns);
	for (uint32_t o = 0; o < p->outputs; o += 16) {
		const uint32_t left = p->outputs - o;

		if (left > 8)
			v16_norm_block(out, out_stride, p, of, start, o, cats_host_least(left, 16));
		else
			v8_norm_block(out, out_stride, p, of, start, o, left);
	}
}

TARGET static void residual(int16_t *to, const struct cats_host_product *p, const int32_t *multipliers,
			    const int32_t *bias)
{
	int32_t start[CATS_TOKENS_MAX];

	start_rows(start, p->x, p->stride, p->rows, p->columns);
	for (uint32_t o = 0; o < p->outputs; o += 16) {
		const uint32_t left = p->outputs - o;

		if (left > 8)
			v16_residual_block(to, p, multipliers, bias, start, o, cats_host_least(left, 16));
		else
			v8_residual_block(to, p, multipliers, bias, start, o, left);
	}
}

static void quantise(int8_t *q, size_t stride, const int16_t *from, int32_t multiplier, uint32_t rows, uint32_t outputs)
{
	if (outputs <= 8)
		v8_quantise(q, stride, from, multiplier, rows, outputs);
	else
		v16_quantise(q, stride, from, multiplier, rows, outputs);
}

/* Sums and sums of squares of four rows, those beyond the last repeated. */
INLINE void four_sums(__m256i *S, __m256i *Q, const int8_t *x, size_t stride, uint32_t rows, uint32_t columns)
{
	const __m512i zero = _mm512_setzero_si512();
	const int8_t *const row[4] = {x, x + cats_host_least(1, rows - 1U) * stride,
				      x + cats_host_least(2, rows - 1U) * stride,
				      x + cats_host_least(3, rows - 1U) * stride};
	__m512i first[4] = {zero, zero, zero, zero}, second[4] = {zero, zero, zero, zero};

	for (uint32_t k = 0; k < columns; k += 64) {
		const __mmask64 mask = low_bits(columns - k);

		for (int i = 0; i < 4; i++) {
			const __m512i values = _mm512_maskz_loadu_epi8(mask, row[i] + k);
			const __m512i sizes = _mm512_abs_epi8(values);

			first[i] = _mm512_dpbusd_epi32(first[i], _mm512_set1_epi8(1), values);
			second[i] = _mm512_dpbusd_epi32(second[i], sizes, sizes);
		}
	}
	*S = _mm256_cvtepi32_epi64(sum_four(first));
	*Q = _mm256_cvtepi32_epi64(sum_four(second));
}

/* V·2^(-2h), also for negative h: shifts by 64 or more give 0. */
INLINE __m512i shift_right(__m512i x, __m512i by)
{
	return _mm512_or_si512(_mm512_srlv_epi64(x, by),
			       _mm512_sllv_epi64(x, _mm512_sub_epi64(_mm512_setzero_si512(), by)));
}

INLINE __m512i floor_of(__m512d x)
{
	return _mm512_cvttpd_epi64(_mm512_roundscale_pd(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
}

/* Section 1.6 of eight rows. mu: the quotient is at least 1/(2n) >= 2^-15 from an integer it is not, and below 2^16. c:
 * likewise 1/g > 2^-16, below 2^17. g: the root of an integer below 2^32 that is no square is further than 2^-18 from
 * the next integer. A double's rounding is below 2^-36 of these. */
INLINE __m512i eight_statistics(__m512i n, __m512i s, __m512i q, uint32_t epsilon)
{
	const __m512i spread = _mm512_sub_epi64(_mm512_mul_epi32(n, q), _mm512_mul_epi32(s, s));
	const __m512i V = _mm512_add_epi64(_mm512_slli_epi64(spread, 16),
					   _mm512_mul_epu32(_mm512_mul_epu32(n, n), _mm512_set1_epi64(epsilon)));
	const __m512i bits = _mm512_sub_epi64(_mm512_set1_epi64(64 - 31), _mm512_lzcnt_epi64(V));
	const __m512i h = _mm512_srai_epi64(bits, 1);
	const __m512i v = shift_right(V, _mm512_slli_epi64(h, 1));
	const __m512d g =
		_mm512_roundscale_pd(_mm512_sqrt_pd(_mm512_cvtepi64_pd(v)), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
	const __m512i c = floor_of(_mm512_div_pd(_mm512_set1_pd(0x1p31), g));
	const __m512i product = shift_right(_mm512_mul_epu32(n, c), _mm512_sub_epi64(h, _mm512_set1_epi64(3)));
	const __m512i rho = _mm512_min_epu64(product, _mm512_set1_epi64(1 << 30));
	const __m512d dividend = _mm512_cvtepi64_pd(_mm512_add_epi64(_mm512_slli_epi64(s, 9), n));
	const __m512i mu = floor_of(_mm512_div_pd(dividend, _mm512_cvtepi64_pd(_mm512_slli_epi64(n, 1))));

	return _mm512_mask_blend_epi32(0xAAAA, mu, _mm512_slli_epi64(rho, 32));
}

/* A struct cats_stats is a lane of 64 bits. */
TARGET static void statistics(struct cats_stats *stats, const int8_t *x, size_t stride, uint32_t rows, uint32_t columns,
			      const uint16_t *counts, bool rms, uint32_t epsilon)
{
	for (uint32_t row = 0; row < rows; row += 8, x += 8 * stride) {
		const uint32_t some = cats_host_least(rows - row, 8);
		const __mmask8 mask = (__mmask8)low_bits(some);
		const __m512i n = _mm512_cvtepu16_epi64(_mm_maskz_loadu_epi16(mask, counts + row));
		const __mmask8 there = _mm512_test_epi64_mask(n, n);
		__m256i S[2], Q[2];
		__m512i s, q;

		four_sums(&S[0], &Q[0], x, stride, some, columns);
		S[1] = S[0];
		Q[1] = Q[0];
		if (some > 4)
			four_sums(&S[1], &Q[1], x + 4 * stride, stride, some - 4U, columns);
		s = _mm512_inserti64x4(_mm512_castsi256_si512(S[0]), S[1], 1);
		q = _mm512_inserti64x4(_mm512_castsi256_si512(Q[0]), Q[1], 1);
		s = _mm512_maskz_mov_epi64(rms ? 0 : there, s);
		q = eight_statistics(_mm512_max_epu64(n, _mm512_set1_epi64(1)), s, q, epsilon);
		_mm512_mask_storeu_epi64(stats + row, mask, _mm512_maskz_mov_epi64(there, q));
	}
}

const struct cats_host_kernels cats_host_avx512 = {
	.run = cats_host_run,
	.clear = cats_host_clear,
	.norm = norm,
	.residual = residual,
	.quantise = quantise,
	.statistics = statistics,
	.attention = attention,
};

#endif
