/* SPDX-License-Identifier: MIT */
/* Kernels for hosts with AVX-512 VNNI, or AVX2, chosen at run time; bit for bit those of plain.c. Host only.
 *
 * Idea of the products: 4 rows × 4 outputs (AVX2: × 2) share their loads, and sums stay in lanes until the end of the
 * columns. VPDPBUSD multiplies unsigned by signed bytes, so weights are taken as w + 128 and 128·Σx leaves again:
 * exact, as it does not saturate and all sums are below 2^31. AVX2 widens both to 16 bits: VPMADDWD of int8 values is
 * exact. Preconditions: those of kernels.h. */
#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define AVX2 __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline))

INLINE uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The lowest `count` bits, all 64 from there on. */
INLINE uint64_t low_bits(uint32_t count)
{
	return count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1U;
}

/* Per 128-bit lane: the sums of a0, a1, a2 and a3 over that lane. */
INLINE AVX512 __m512i sum_lanes(__m512i a0, __m512i a1, __m512i a2, __m512i a3)
{
	const __m512i t0 = _mm512_add_epi32(_mm512_unpacklo_epi32(a0, a1), _mm512_unpackhi_epi32(a0, a1));
	const __m512i t1 = _mm512_add_epi32(_mm512_unpacklo_epi32(a2, a3), _mm512_unpackhi_epi32(a2, a3));

	return _mm512_add_epi32(_mm512_unpacklo_epi64(t0, t1), _mm512_unpackhi_epi64(t0, t1));
}

/* Lane r: the sum of the four lanes of u_r. */
INLINE AVX512 __m512i sum_across(__m512i u0, __m512i u1, __m512i u2, __m512i u3)
{
	const __m512i s0 = _mm512_add_epi32(_mm512_shuffle_i32x4(u0, u1, 0x44), _mm512_shuffle_i32x4(u0, u1, 0xEE));
	const __m512i s1 = _mm512_add_epi32(_mm512_shuffle_i32x4(u2, u3, 0x44), _mm512_shuffle_i32x4(u2, u3, 0xEE));

	return _mm512_add_epi32(_mm512_shuffle_i32x4(s0, s1, 0x88), _mm512_shuffle_i32x4(s0, s1, 0xDD));
}

/* Outputs o … o + 3 of the tile; rows that x does not have repeat one that it has. */
INLINE AVX512 void products_4x4(int32_t *acc, const int8_t *const x[4], const uint8_t *const w[4], uint32_t columns,
				uint32_t o)
{
	const __m512i offset = _mm512_set1_epi8((char)0x80);
	__m512i sums[4][4], shift[4];

	for (int r = 0; r < 4; r++) {
		shift[r] = _mm512_setzero_si512();
		for (int i = 0; i < 4; i++)
			sums[r][i] = _mm512_setzero_si512();
	}
	for (uint32_t k = 0; k < columns; k += 64) {
		const __mmask64 mask = low_bits(columns - k);
		__m512i weights[4];

		for (int i = 0; i < 4; i++)
			weights[i] = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, w[i] + k), offset);
		for (int r = 0; r < 4; r++) {
			const __m512i values = _mm512_maskz_loadu_epi8(mask, x[r] + k);

			shift[r] = _mm512_dpbusd_epi32(shift[r], offset, values);
			for (int i = 0; i < 4; i++)
				sums[r][i] = _mm512_dpbusd_epi32(sums[r][i], weights[i], values);
		}
	}
	for (int r = 0; r < 4; r++)
		sums[r][0] = sum_lanes(_mm512_sub_epi32(sums[r][0], shift[r]), _mm512_sub_epi32(sums[r][1], shift[r]),
				       _mm512_sub_epi32(sums[r][2], shift[r]), _mm512_sub_epi32(sums[r][3], shift[r]));
	sums[0][0] = sum_across(sums[0][0], sums[1][0], sums[2][0], sums[3][0]);
	for (uint32_t r = 0; r < 4; r++) {
		__m128i *to = (__m128i *)(void *)&acc[r * CATS_TILE_OUTPUTS + o];
		__m128i row = _mm512_castsi512_si128(sums[0][0]);

		_mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), row));
		sums[0][0] = _mm512_shuffle_i32x4(sums[0][0], sums[0][0], 0x39);
	}
}

AVX512 static void products_avx512(int32_t *acc, const struct cats_panel *panel,
				   const struct cats_weights_view *weights, uint32_t output, uint32_t outputs,
				   uint32_t column, uint32_t columns)
{
	const int8_t *row[4];

	if (column == 0)
		__builtin_memset(acc, 0, sizeof(cats_tile));
	for (uint32_t r = 0; r < 4; r++)
		row[r] = panel->x + smaller(r, panel->rows - 1U) * panel->stride + column;
	for (uint32_t o = 0; o < outputs; o += 4) {
		const uint8_t *w[4];

		for (uint32_t i = 0; i < 4; i++)
			w[i] = weights->packed + (size_t)(output + smaller(o + i, outputs - 1U)) * weights->columns4 +
			       column;
		products_4x4(acc, row, w, columns, o);
	}
}

/* (a·b + 2^31) >> 32 in the low halves of 64-bit lanes; `more` is added before the shift. */
INLINE AVX512 __m512i high_product(__m512i a, __m512i b, __m512i more)
{
	const __m512i half = _mm512_set1_epi64(INT64_C(0x80000000));

	return _mm512_srli_epi64(_mm512_add_epi64(_mm512_mul_epi32(a, b), _mm512_add_epi64(more, half)), 32);
}

/* R of 16 int32 and one multiplier. */
INLINE AVX512 __m512i requantise_16(__m512i a, int32_t multiplier)
{
	const __m512i m = _mm512_set1_epi32(multiplier);
	const __m512i half = _mm512_set1_epi64(INT64_C(0x80000000));
	const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(a, m), half);
	const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(a, 32), m), half);

	return _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
}

/* Outputs o … o + 7 of a row, as far as the mask goes. */
INLINE AVX512 __m256i normalised_8(const struct cats_finish *norm, struct cats_stats stats, const int32_t *acc,
				   uint32_t o, __mmask8 mask)
{
	const __m512i zero = _mm512_setzero_si512();
	const __m512i m = high_product(_mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(mask, norm->multipliers + o)),
				       _mm512_set1_epi64(stats.rho), zero);
	const __m512i B = _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(mask, norm->biases + o));
	__m256i A = _mm256_slli_epi32(_mm256_maskz_loadu_epi32(mask, acc + o), 8);

	if (norm->weight_sums != NULL)
		A = _mm256_sub_epi32(A, _mm256_mullo_epi32(_mm256_maskz_loadu_epi32(mask, norm->weight_sums + o),
							   _mm256_set1_epi32(stats.mu)));
	return _mm512_cvtepi64_epi32(high_product(_mm512_cvtepi32_epi64(A), m, _mm512_slli_epi64(B, 24)));
}

INLINE AVX512 void look_up(int8_t *to, const int8_t *table, __m256i y, uint32_t count)
{
	int32_t index[8];

	_mm256_storeu_si256((__m256i *)(void *)index,
			    _mm256_min_epi32(_mm256_max_epi32(y, _mm256_setzero_si256()), _mm256_set1_epi32(255)));
	for (uint32_t i = 0; i < count; i++)
		to[i] = table[index[i]];
}

INLINE AVX512 void finish_norm_row(void *out, const struct cats_finish *norm, struct cats_stats stats,
				   const int32_t *acc, uint32_t outputs)
{
	int8_t *bytes = out;
	int32_t *logits = out;

	for (uint32_t o = 0; o < outputs; o += 8) {
		const uint32_t count = smaller(outputs - o, 8);
		const __mmask8 mask = (__mmask8)low_bits(count);
		__m256i y = normalised_8(norm, stats, acc, o, mask);

		if (norm->kind == CATS_OUTPUT_INT8) {
			y = _mm256_min_epi32(_mm256_max_epi32(y, _mm256_set1_epi32(norm->low)),
					     _mm256_set1_epi32(norm->high));
			_mm256_mask_cvtepi32_storeu_epi8(bytes + o, mask, y);
		} else if (norm->kind == CATS_OUTPUT_TABLE) {
			look_up(bytes + o, norm->table, y, count);
		} else {
			y = _mm256_min_epi32(_mm256_max_epi32(y, _mm256_set1_epi32(-(1 << 22))),
					     _mm256_set1_epi32((1 << 22) - 1));
			if (norm->add)
				y = _mm256_add_epi32(y, _mm256_maskz_loadu_epi32(mask, logits + o));
			_mm256_mask_storeu_epi32(logits + o, mask, y);
		}
	}
}

AVX512 static void finish_norm_avx512(void *out, size_t stride, const struct cats_finish *norm, const int32_t *acc,
				      uint32_t first, uint32_t rows, uint32_t outputs)
{
	for (uint32_t r = 0; r < rows; r++)
		finish_norm_row((uint8_t *)out + r * stride, norm, norm->stats[r],
				acc + (first + r) * CATS_TILE_OUTPUTS, outputs);
}

INLINE AVX512 void finish_residual_row(int16_t *residual, const int32_t *acc, const int32_t *bias,
				       const int32_t *multipliers, uint32_t outputs)
{
	for (uint32_t o = 0; o < outputs; o += 8) {
		const __mmask8 mask = (__mmask8)low_bits(outputs - o);
		__m256i sum = _mm256_maskz_loadu_epi32(mask, acc + o);
		__m512i step;

		if (bias != NULL)
			sum = _mm256_add_epi32(sum, _mm256_maskz_loadu_epi32(mask, bias + o));
		step = high_product(_mm512_cvtepi32_epi64(_mm256_slli_epi32(sum, 8)),
				    _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(mask, multipliers + o)),
				    _mm512_setzero_si512());
		sum = _mm256_add_epi32(_mm512_cvtepi64_epi32(step),
				       _mm256_cvtepi16_epi32(_mm_maskz_loadu_epi16(mask, residual + o)));
		_mm256_mask_cvtsepi32_storeu_epi16(residual + o, mask, sum);
	}
}

AVX512 static void finish_residual_avx512(int16_t *residual, size_t stride, const int32_t *acc, const int32_t *bias,
					  const int32_t *multipliers, uint32_t rows, uint32_t outputs)
{
	for (uint32_t r = 0; r < rows; r++)
		finish_residual_row(residual + r * stride, acc + r * CATS_TILE_OUTPUTS, bias, multipliers, outputs);
}

/* sat7 of 16 int32, the masked ones stored. */
INLINE AVX512 void store_sat7(int8_t *to, __m512i y, __mmask16 mask)
{
	y = _mm512_min_epi32(_mm512_max_epi32(y, _mm512_set1_epi32(-127)), _mm512_set1_epi32(127));
	_mm512_mask_cvtepi32_storeu_epi8(to, mask, y);
}

AVX512 static void quantise_avx512(int8_t *q, const int16_t *residual, int32_t multiplier, uint32_t count)
{
	for (uint32_t i = 0; i < count; i += 16) {
		const __mmask16 mask = (__mmask16)low_bits(count - i);
		const __m512i r = _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(mask, residual + i));

		store_sat7(q + i, requantise_16(r, multiplier), mask);
	}
}

AVX512 static void sums_avx512(int32_t *sum, int32_t *squares, const int8_t *x, uint32_t count)
{
	__m512i S = _mm512_setzero_si512(), Q = _mm512_setzero_si512();

	for (uint32_t i = 0; i < count; i += 32) {
		const __m512i values =
			_mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8((__mmask32)low_bits(count - i), x + i));

		S = _mm512_dpwssd_epi32(S, values, _mm512_set1_epi16(1));
		Q = _mm512_dpwssd_epi32(Q, values, values);
	}
	*sum = _mm512_reduce_add_epi32(S);
	*squares = _mm512_reduce_add_epi32(Q);
}

/* Exact: sqrt of a double is correctly rounded, and the root of an integer below 2^32 that is no square is further than
 * 2^-18 from the next integer. */
static uint32_t root_sse2(uint32_t v)
{
	return (uint32_t)_mm_cvttsd_si64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd((double)v)));
}

/* Columns c … c + 3 of a row of `width`, those beyond it as 0. */
INLINE uint32_t four_columns(const int8_t *row, uint32_t c, uint32_t width)
{
	uint32_t word = 0;

	if (c + 4 <= width) {
		__builtin_memcpy(&word, row + c, 4);
		return word;
	}
	for (uint32_t i = 0; c + i < width; i++)
		word |= (uint32_t)(uint8_t)row[c + i] << (8U * i);
	return word;
}

/* Keys as unsigned bytes (+ 128) in words of four columns, [d4/4][T4]; values as int16 in pairs of keys,
 * [T4/2][d4][2]. Both layouts let a lane be a key, or a column. */
static void pack_keys(const struct cats_attention_head *head, uint32_t first, uint32_t count)
{
	const uint32_t keys4 = cats_round4(head->keys), width4 = cats_round4(head->width);
	uint32_t *keys = (uint32_t *)(void *)head->packed_keys;

	for (uint32_t j = first; j < first + 4; j++) {
		const int there = j < first + count;
		const int8_t *k = head->k + (size_t)j * head->kv_stride, *v = head->v + (size_t)j * head->kv_stride;
		int16_t *values = head->values + (size_t)(j / 2U) * width4 * 2U + (j & 1U);

		for (uint32_t c = 0; c < width4; c += 4)
			keys[c / 4U * keys4 + j] = (there ? four_columns(k, c, head->width) : 0) ^ 0x80808080U;
		for (uint32_t c = 0; c < width4; c++)
			values[2U * c] = there && c < head->width ? v[c] : 0;
	}
}

AVX512 static void scores_avx512(int32_t maxima[CATS_TILE_ROWS], const struct cats_attention_head *head,
				 struct cats_attention_rows rows, int32_t multiplier, uint32_t first, uint32_t count)
{
	const int8_t *q = head->q + (size_t)rows.first * head->q_stride;
	const uint32_t keys4 = cats_round4(head->keys);
	__m512i maximum = _mm512_set1_epi32(INT16_MIN);

	for (uint32_t j = first; j < first + count; j += 16) {
		const __mmask16 mask = (__mmask16)low_bits(first + count - j);
		const uint32_t *keys = (const uint32_t *)(const void *)head->packed_keys + j;
		__m512i sum = _mm512_setzero_si512(), shift = sum;

		for (uint32_t c = 0; c < head->width; c += 4, keys += keys4) {
			const __m512i qs = _mm512_set1_epi32((int32_t)four_columns(q, c, head->width));

			sum = _mm512_dpbusd_epi32(sum, _mm512_maskz_loadu_epi32(mask, keys), qs);
			shift = _mm512_dpbusd_epi32(shift, _mm512_set1_epi8((char)0x80), qs);
		}
		sum = requantise_16(_mm512_slli_epi32(_mm512_sub_epi32(sum, shift), 8), multiplier);
		sum = _mm512_min_epi32(_mm512_max_epi32(sum, _mm512_set1_epi32(-16384)), _mm512_set1_epi32(16383));
		maximum = _mm512_mask_max_epi32(maximum, mask, maximum, sum);
		_mm512_mask_cvtepi32_storeu_epi16(head->scores + j, mask, sum);
	}
	if (first > 0)
		maximum = _mm512_max_epi32(maximum, _mm512_set1_epi32(maxima[0]));
	maxima[0] = _mm512_reduce_max_epi32(maximum);
}

/* The last two entries of the table are 0, so index 1022 serves for 1023 too and a gather of 32 bits stays inside. */
AVX512 static uint32_t exponentials_avx512(const struct cats_attention_head *head, struct cats_attention_rows rows,
					   uint32_t row, const int16_t *table, int32_t maximum)
{
	const uint32_t count = cats_attention_visible(head, rows.first + row);
	const __m512i top = _mm512_set1_epi32(maximum), last = _mm512_set1_epi32(CATS_EXP_ENTRIES - 2);
	__m512i Z = _mm512_setzero_si512();

	for (uint32_t j = 0; j < count; j += 16) {
		const __mmask16 mask = (__mmask16)low_bits(count - j);
		const __mmask16 padded = (__mmask16)low_bits(cats_round4(count) - j);
		const __m512i s = _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(mask, head->scores + j));
		const __m512i index = _mm512_min_epu32(_mm512_sub_epi32(top, s), last);
		__m512i p = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mask, index, table, 2);

		p = _mm512_and_si512(p, _mm512_set1_epi32(0xFFFF));
		Z = _mm512_add_epi32(Z, p);
		_mm512_mask_cvtepi32_storeu_epi16(head->scores + j, padded, p);
	}
	return (uint32_t)_mm512_reduce_add_epi32(Z);
}

AVX512 static void values_avx512(int8_t *out, size_t stride, const struct cats_attention_head *head,
				 struct cats_attention_rows rows, const int32_t multipliers[CATS_TILE_ROWS],
				 uint32_t first, uint32_t count)
{
	const uint32_t keys = cats_attention_visible(head, rows.first);
	const uint32_t width4 = cats_round4(head->width);

	(void)stride; /* one row: attention_rows is plain C's 1 */
	for (uint32_t c = first; c < first + count; c += 16) {
		const __mmask16 mask = (__mmask16)low_bits(first + count - c);
		const int16_t *values = head->values + 2U * c;
		__m512i sum = _mm512_setzero_si512();

		for (uint32_t j = 0; j < keys; j += 2, values += 2U * width4) {
			int32_t pair;

			__builtin_memcpy(&pair, head->scores + j, 4);
			sum = _mm512_dpwssd_epi32(sum, _mm512_maskz_loadu_epi32(mask, values), _mm512_set1_epi32(pair));
		}
		store_sat7(out + c, requantise_16(sum, multipliers[0]), mask);
	}
}

INLINE AVX2 __m256i widen(const int8_t *x, __m128i mask)
{
	return _mm256_cvtepi8_epi16(_mm_maskload_epi32((const int *)(const void *)x, mask));
}

/* The lowest `count` of four words. */
INLINE AVX2 __m128i word_mask(uint32_t count)
{
	return _mm_cmpgt_epi32(_mm_set1_epi32((int)count), _mm_setr_epi32(0, 1, 2, 3));
}

INLINE AVX2 int32_t sum_8(__m256i a)
{
	__m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));

	s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
	return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

AVX2 static void products_avx2(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
			       uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns)
{
	const int8_t *x = panel->x;
	const size_t stride = panel->stride;
	const uint32_t rows = panel->rows;
	const int8_t *packed = (const int8_t *)weights->packed + column;

	if (column == 0)
		__builtin_memset(acc, 0, sizeof(cats_tile));
	for (uint32_t o = 0; o < outputs; o += 2) {
		const uint32_t second = smaller(o + 1U, outputs - 1U);
		const int8_t *w0 = packed + (size_t)(output + o) * weights->columns4;
		const int8_t *w1 = packed + (size_t)(output + second) * weights->columns4;
		__m256i sums[4][2];

		for (uint32_t r = 0; r < 4; r++)
			sums[r][0] = sums[r][1] = _mm256_setzero_si256();
		for (uint32_t k = 0; k < columns; k += 16) {
			const __m128i mask = word_mask((columns - k + 3U) / 4U);
			const __m256i a = widen(w0 + k, mask), b = widen(w1 + k, mask);

			for (uint32_t r = 0; r < 4; r++) {
				const __m256i v = widen(x + smaller(r, rows - 1U) * stride + column + k, mask);

				sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_madd_epi16(v, a));
				sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_madd_epi16(v, b));
			}
		}
		for (uint32_t r = 0; r < rows; r++) {
			acc[r * CATS_TILE_OUTPUTS + o] += sum_8(sums[r][0]);
			if (second != o)
				acc[r * CATS_TILE_OUTPUTS + second] += sum_8(sums[r][1]);
		}
	}
}

static struct cats_kernels make_avx512(void)
{
	struct cats_kernels k = cats_kernels_plain;

	k.name = "avx512";
	k.unit_macs = CATS_TILE_ROWS * CATS_TILE_OUTPUTS * CATS_HIDDEN_MAX;
	k.attention_step = 16;
	k.products = products_avx512;
	k.finish_norm = finish_norm_avx512;
	k.finish_residual = finish_residual_avx512;
	k.quantise = quantise_avx512;
	k.sums = sums_avx512;
	k.root = root_sse2;
	k.attention_pack = pack_keys;
	k.attention_scores = scores_avx512;
	k.attention_exponentials = exponentials_avx512;
	k.attention_values = values_avx512;
	return k;
}

static struct cats_kernels make_avx2(void)
{
	struct cats_kernels k = cats_kernels_plain;

	k.name = "avx2";
	k.unit_macs = CATS_TILE_ROWS * CATS_TILE_OUTPUTS * CATS_HIDDEN_MAX;
	k.products = products_avx2;
	k.root = root_sse2;
	return k;
}

bool cats_kernels_host(struct cats_kernels *out, const char *name)
{
	const bool any = name == NULL;

	__builtin_cpu_init();
	if ((any || __builtin_strcmp(name, "avx512") == 0) && __builtin_cpu_supports("avx512vnni") &&
	    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
	    __builtin_cpu_supports("avx512dq")) {
		*out = make_avx512();
		return true;
	}
	if ((any || __builtin_strcmp(name, "avx2") == 0) && __builtin_cpu_supports("avx2")) {
		*out = make_avx2();
		return true;
	}
	*out = cats_kernels_plain;
	return any || __builtin_strcmp(name, "plain") == 0;
}

#else

bool cats_kernels_host(struct cats_kernels *out, const char *name)
{
	*out = cats_kernels_plain;
	return name == NULL || __builtin_strcmp(name, "plain") == 0;
}

#endif
