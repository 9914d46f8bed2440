/* SPDX-License-Identifier: MIT */
/* The Cortex-M4's instructions on packed values: on that processor themselves, elsewhere plain C that gives the same
 * bits, so that the kernels made of them run on any machine. Freestanding.
 *
 * Names and meanings are those of the Arm C Language Extensions where these have them. A "pair" is two int16 in a word,
 * the first in the low half; "bytes" are four int8. */
#ifndef CATS_CORE_KERNELS_DSP_H
#define CATS_CORE_KERNELS_DSP_H

#include <stddef.h>
#include <stdint.h>

#include "core/integer.h"

#define CATS_DSP static inline __attribute__((always_inline))

/* Four bytes at any address, as a word. */
CATS_DSP uint32_t cats_load4(const void *at)
{
	uint32_t word;

	__builtin_memcpy(&word, at, sizeof(word));
	return word;
}

CATS_DSP void cats_store4(void *at, uint32_t bytes)
{
	__builtin_memcpy(at, &bytes, sizeof(bytes));
}

/* The two low bytes, to any address. */
CATS_DSP void cats_store2(void *at, uint32_t bytes)
{
	const uint16_t half = (uint16_t)bytes;

	__builtin_memcpy(at, &half, sizeof(half));
}

CATS_DSP int32_t cats_shift_left(int32_t x, uint32_t bits)
{
	return (int32_t)((uint32_t)x << bits);
}

#if defined(__ARM_FEATURE_DSP)
#include <arm_acle.h>

/* Pair of bytes 0 and 2; of bytes 1 and 3. */
CATS_DSP uint32_t cats_even_bytes(uint32_t x)
{
	return (uint32_t)__sxtb16((int8x4_t)x);
}

CATS_DSP uint32_t cats_odd_bytes(uint32_t x)
{
	uint32_t out;

	__asm("sxtb16 %0, %1, ror #8" : "=r"(out) : "r"(x));
	return out;
}

/* Pairs of the two low halves, and of the two high halves. */
CATS_DSP uint32_t cats_low_halves(uint32_t first, uint32_t second)
{
	uint32_t out;

	__asm("pkhbt %0, %1, %2, lsl #16" : "=r"(out) : "r"(first), "r"(second));
	return out;
}

CATS_DSP uint32_t cats_high_halves(uint32_t first, uint32_t second)
{
	uint32_t out;

	__asm("pkhtb %0, %1, %2, asr #16" : "=r"(out) : "r"(second), "r"(first));
	return out;
}

CATS_DSP uint32_t cats_add_pairs(uint32_t a, uint32_t b)
{
	return (uint32_t)__sadd16((int16x2_t)a, (int16x2_t)b);
}

CATS_DSP uint32_t cats_subtract_pairs(uint32_t a, uint32_t b)
{
	return (uint32_t)__ssub16((int16x2_t)a, (int16x2_t)b);
}

/* The larger of each half. */
CATS_DSP uint32_t cats_larger_pairs(uint32_t a, uint32_t b)
{
	uint32_t out;

	__asm("ssub16 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(out) : "r"(a), "r"(b) : "cc");
	return out;
}

/* sum + a.low·b.low + a.high·b.high, modulo 2^32. */
CATS_DSP int32_t cats_multiply_pairs(uint32_t a, uint32_t b, int32_t sum)
{
	int32_t out;

	__asm("smlad %0, %1, %2, %3" : "=r"(out) : "r"(a), "r"(b), "r"(sum));
	return out;
}

/* sum + (a·m + 2^31) >> 32, modulo 2^32. */
CATS_DSP int32_t cats_requantise_onto(int32_t sum, int32_t a, int32_t m)
{
	int32_t out;

	__asm("smmlar %0, %1, %2, %3" : "=r"(out) : "r"(a), "r"(m), "r"(sum));
	return out;
}

CATS_DSP int32_t cats_rounded_product(int32_t a, int32_t m)
{
	int32_t out;

	__asm("smmulr %0, %1, %2" : "=r"(out) : "r"(a), "r"(m));
	return out;
}

/* `bits` is a constant. */
CATS_DSP int32_t cats_saturate(int32_t x, uint32_t bits)
{
	int32_t out;

	__asm("ssat %0, %1, %2" : "=r"(out) : "n"(bits), "r"(x));
	return out;
}

CATS_DSP uint32_t cats_saturate_unsigned(int32_t x, uint32_t bits)
{
	uint32_t out;

	__asm("usat %0, %1, %2" : "=r"(out) : "n"(bits), "r"(x));
	return out;
}

/* Each half, as int16, to 0 … 2^bits - 1. */
CATS_DSP uint32_t cats_saturate_pairs_unsigned(uint32_t x, uint32_t bits)
{
	uint32_t out;

	__asm("usat16 %0, %1, %2" : "=r"(out) : "n"(bits), "r"(x));
	return out;
}

/* Each byte from -128 … 127 to -127 … 127. */
CATS_DSP uint32_t cats_symmetric_bytes(uint32_t x)
{
	const uint32_t ones = 0x01010101U;
	uint32_t out;

	__asm("qsub8 %0, %1, %2\n\tsadd8 %0, %0, %2" : "=&r"(out) : "r"(x), "r"(ones) : "cc");
	return out;
}

/* The low bytes of both in the low half; the rest is of `low`. */
CATS_DSP uint32_t cats_two_bytes(int32_t low, int32_t high)
{
	uint32_t out = (uint32_t)low;

	__asm("bfi %0, %1, #8, #8" : "+r"(out) : "r"(high));
	return out;
}

/* Correctly rounded. */
CATS_DSP float cats_root_single(float x)
{
	float out;

	__asm("vsqrt.f32 %0, %1" : "=t"(out) : "t"(x));
	return out;
}

#else

CATS_DSP uint32_t cats_two_bytes(int32_t low, int32_t high)
{
	return ((uint32_t)low & 0xFFFF00FFU) | ((uint32_t)high & 0xFFU) << 8;
}

CATS_DSP uint32_t cats_pair_of(int32_t low, int32_t high)
{
	return ((uint32_t)low & 0xFFFFU) | (uint32_t)high << 16;
}

CATS_DSP int32_t cats_low_of(uint32_t pair)
{
	return (int16_t)pair;
}

CATS_DSP int32_t cats_high_of(uint32_t pair)
{
	return (int16_t)(pair >> 16);
}

CATS_DSP uint32_t cats_even_bytes(uint32_t x)
{
	return cats_pair_of((int8_t)x, (int8_t)(x >> 16));
}

CATS_DSP uint32_t cats_odd_bytes(uint32_t x)
{
	return cats_pair_of((int8_t)(x >> 8), (int8_t)(x >> 24));
}

CATS_DSP uint32_t cats_low_halves(uint32_t first, uint32_t second)
{
	return (first & 0xFFFFU) | second << 16;
}

CATS_DSP uint32_t cats_high_halves(uint32_t first, uint32_t second)
{
	return first >> 16 | (second & 0xFFFF0000U);
}

CATS_DSP uint32_t cats_add_pairs(uint32_t a, uint32_t b)
{
	return cats_pair_of(cats_low_of(a) + cats_low_of(b), cats_high_of(a) + cats_high_of(b));
}

CATS_DSP uint32_t cats_subtract_pairs(uint32_t a, uint32_t b)
{
	return cats_pair_of(cats_low_of(a) - cats_low_of(b), cats_high_of(a) - cats_high_of(b));
}

CATS_DSP uint32_t cats_larger_pairs(uint32_t a, uint32_t b)
{
	return cats_pair_of(cats_low_of(a) >= cats_low_of(b) ? cats_low_of(a) : cats_low_of(b),
			    cats_high_of(a) >= cats_high_of(b) ? cats_high_of(a) : cats_high_of(b));
}

CATS_DSP int32_t cats_multiply_pairs(uint32_t a, uint32_t b, int32_t sum)
{
	return cats_wrap_add(cats_wrap_add(sum, cats_low_of(a) * cats_low_of(b)), cats_high_of(a) * cats_high_of(b));
}

CATS_DSP int32_t cats_rounded_product(int32_t a, int32_t m)
{
	return cats_requantise(a, m);
}

CATS_DSP int32_t cats_requantise_onto(int32_t sum, int32_t a, int32_t m)
{
	return cats_wrap_add(sum, cats_requantise(a, m));
}

CATS_DSP int32_t cats_saturate(int32_t x, uint32_t bits)
{
	return cats_clamp(x, -(1 << (bits - 1U)), (1 << (bits - 1U)) - 1);
}

CATS_DSP uint32_t cats_saturate_unsigned(int32_t x, uint32_t bits)
{
	return (uint32_t)cats_clamp(x, 0, (1 << bits) - 1);
}

CATS_DSP uint32_t cats_saturate_pairs_unsigned(uint32_t x, uint32_t bits)
{
	return cats_saturate_unsigned(cats_low_of(x), bits) | cats_saturate_unsigned(cats_high_of(x), bits) << 16;
}

CATS_DSP uint32_t cats_symmetric_bytes(uint32_t x)
{
	uint32_t out = 0;

	for (uint32_t i = 0; i < 32; i += 8) {
		const int32_t byte = (int8_t)(x >> i);

		out |= (uint32_t)(uint8_t)(byte < -127 ? -127 : byte) << i;
	}
	return out;
}

CATS_DSP float cats_root_single(float x)
{
	return __builtin_sqrtf(x);
}

#endif

#endif
