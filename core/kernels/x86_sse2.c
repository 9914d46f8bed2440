/* SPDX-License-Identifier: MIT */
/* Row kernels for any x86-64, with SSE2 alone, 4 lanes wide; see x86_madd.h. Host only. */
#include "core/kernels/host.h"

#if defined(__x86_64__)
#include <emmintrin.h>

#include "core/integer.h"
#include "core/kernels/x86.h"
#include "core/statistics.h"

#define TARGET __attribute__((target("sse2")))
#define INLINE TARGET static inline __attribute__((always_inline))

typedef __m128i v4_vector, v4_mask;
struct v4_pair {
	__m128i even, odd;
};

INLINE __m128i v4_load(const int32_t *from)
{
	return _mm_loadu_si128((const __m128i *)(const void *)from);
}
INLINE void v4_store(int32_t *to, __m128i x)
{
	_mm_storeu_si128((__m128i *)(void *)to, x);
}
INLINE __m128i v4_set1(int32_t x)
{
	return _mm_set1_epi32(x);
}
INLINE __m128i v4_add(__m128i a, __m128i b)
{
	return _mm_add_epi32(a, b);
}
INLINE __m128i v4_sub(__m128i a, __m128i b)
{
	return _mm_sub_epi32(a, b);
}
/* Lanes 0 and 2 from the low halves of `even`, 1 and 3 from those of `odd`. */
INLINE __m128i low_halves(__m128i even, __m128i odd)
{
	return _mm_unpacklo_epi32(_mm_shuffle_epi32(even, 0x08), _mm_shuffle_epi32(odd, 0x08));
}
INLINE __m128i v4_multiply(__m128i a, __m128i b)
{
	return low_halves(_mm_mul_epu32(a, b), _mm_mul_epu32(_mm_srli_epi64(a, 32), _mm_srli_epi64(b, 32)));
}
INLINE __m128i v4_add_pairs(__m128i a, __m128i b)
{
	return _mm_madd_epi16(a, b);
}
INLINE __m128i v4_shift8(__m128i a)
{
	return _mm_slli_epi32(a, 8);
}
INLINE __m128i v4_less(__m128i a, __m128i b)
{
	return _mm_cmplt_epi32(a, b);
}
INLINE __m128i v4_choose(__m128i mask, __m128i yes, __m128i no)
{
	return _mm_or_si128(_mm_and_si128(mask, yes), _mm_andnot_si128(mask, no));
}
INLINE __m128i v4_min(__m128i a, __m128i b)
{
	return v4_choose(v4_less(a, b), a, b);
}
INLINE __m128i v4_max(__m128i a, __m128i b)
{
	return v4_choose(v4_less(a, b), b, a);
}
INLINE int32_t v4_largest(__m128i a)
{
	a = v4_max(a, _mm_shuffle_epi32(a, 0x4E));
	return _mm_cvtsi128_si32(v4_max(a, _mm_shuffle_epi32(a, 0xB1)));
}
/* (a·b + more) >> 32. There is only an unsigned product: a negative factor counted as 2^32 more, which is the other
 * factor too much in the high half. */
INLINE __m128i v4_high(__m128i a, __m128i b, struct v4_pair more)
{
	const __m128i even = _mm_add_epi64(_mm_mul_epu32(a, b), more.even);
	const __m128i odd = _mm_add_epi64(_mm_mul_epu32(_mm_srli_epi64(a, 32), _mm_srli_epi64(b, 32)), more.odd);
	const __m128i high = low_halves(_mm_srli_epi64(even, 32), _mm_srli_epi64(odd, 32));
	const __m128i too_much =
		_mm_add_epi32(_mm_and_si128(_mm_srai_epi32(a, 31), b), _mm_and_si128(_mm_srai_epi32(b, 31), a));

	return _mm_sub_epi32(high, too_much);
}
INLINE void v4_store8(int8_t *to, __m128i x)
{
	const __m128i half = _mm_packs_epi32(x, x);
	const int32_t bytes = _mm_cvtsi128_si32(_mm_packs_epi16(half, half));

	__builtin_memcpy(to, &bytes, 4);
}
INLINE void v4_store16(int16_t *to, __m128i x)
{
	_mm_storel_epi64((__m128i *)(void *)to, _mm_packs_epi32(x, x));
}
INLINE __m128i v4_load16(const int16_t *from)
{
	const __m128i x = _mm_loadl_epi64((const __m128i *)(const void *)from);

	return _mm_srai_epi32(_mm_unpacklo_epi16(x, x), 16);
}
INLINE __m128i v4_widen_some(const int8_t *x, uint32_t count)
{
	int8_t bytes[8] = {0};
	__m128i values;

	if (count < 8) {
		__builtin_memcpy(bytes, x, count);
		x = bytes;
	}
	values = _mm_loadl_epi64((const __m128i *)(const void *)x);
	return _mm_srai_epi16(_mm_unpacklo_epi8(values, values), 8);
}
INLINE void v4_transpose(__m128i rows[4])
{
	const __m128i a = _mm_unpacklo_epi32(rows[0], rows[1]), b = _mm_unpackhi_epi32(rows[0], rows[1]);
	const __m128i c = _mm_unpacklo_epi32(rows[2], rows[3]), d = _mm_unpackhi_epi32(rows[2], rows[3]);

	rows[0] = _mm_unpacklo_epi64(a, c);
	rows[1] = _mm_unpackhi_epi64(a, c);
	rows[2] = _mm_unpacklo_epi64(b, d);
	rows[3] = _mm_unpackhi_epi64(b, d);
}

#define VEC __m128i
#define LANES 4
#define V(name) v4_##name
#define TABLE cats_host_sse2
#include "core/kernels/x86_madd.h"

#endif
