/* SPDX-License-Identifier: MIT */
/* Row kernels for processors with AVX2, 8 lanes wide; see x86_madd.h. Host only. */
#include "core/kernels/host.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "core/integer.h"
#include "core/kernels/x86.h"
#include "core/statistics.h"

#define TARGET __attribute__((target("avx2")))
#define INLINE TARGET static inline __attribute__((always_inline))

typedef __m256i v8_vector, v8_mask;
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
INLINE __m256i v8_add_pairs(__m256i a, __m256i b)
{
	return _mm256_madd_epi16(a, b);
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
INLINE __m256i v8_less(__m256i a, __m256i b)
{
	return _mm256_cmpgt_epi32(b, a);
}
INLINE __m256i v8_choose(__m256i mask, __m256i yes, __m256i no)
{
	return _mm256_blendv_epi8(no, yes, mask);
}
INLINE int32_t v8_largest(__m256i a)
{
	__m128i x = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));

	x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4E));
	return _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xB1)));
}
/* (a·b + more) >> 32 */
INLINE __m256i v8_high(__m256i a, __m256i b, struct v8_pair more)
{
	const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(a, b), more.even);
	const __m256i odd =
		_mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32)), more.odd);

	return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}
INLINE __m128i halves_packed(__m256i x)
{
	return _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}
INLINE void v8_store8(int8_t *to, __m256i x)
{
	const __m128i half = halves_packed(x);

	_mm_storel_epi64((__m128i *)(void *)to, _mm_packs_epi16(half, half));
}
INLINE void v8_store16(int16_t *to, __m256i x)
{
	_mm_storeu_si128((__m128i *)(void *)to, halves_packed(x));
}
INLINE __m256i v8_load16(const int16_t *from)
{
	return _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
}
INLINE __m256i v8_widen_some(const int8_t *x, uint32_t count)
{
	int8_t bytes[16] = {0};

	if (count < 16) {
		__builtin_memcpy(bytes, x, count);
		x = bytes;
	}
	return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)x));
}
INLINE void v8_transpose(__m256i rows[8])
{
	cats_x86_transpose_8(rows);
}

#define VEC __m256i
#define LANES 8
#define V(name) v8_##name
#define TABLE cats_host_avx2
#include "core/kernels/x86_madd.h"

#endif
