/* SPDX-License-Identifier: MIT */
/* See limits.h. Twelve sums are independent: more than latency times throughput of any processor so far. */
#include "bench/limits.h"

#include <stdint.h>
#include <string.h>

#include "bench/measure.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SUMS 12
#define ROUNDS 2000000U
#define REPEATS 7

/* LOOP(name, target, type, zero, step, macs of one step): the compiler must know neither factor, and take `a` for
 * changed before every step, else it would move products out of the loop. */
#define LOOP(name, features, type, zero, step)                      \
	__attribute__((target(features))) static void name(void)    \
	{                                                           \
		type sums[SUMS], a = zero(), b = zero();            \
                                                                    \
		for (int i = 0; i < SUMS; i++)                      \
			sums[i] = zero();                           \
		__asm__ volatile("" : "+v"(b));                     \
		for (uint32_t round = 0; round < ROUNDS; round++) { \
			for (int i = 0; i < SUMS; i++) {            \
				__asm__ volatile("" : "+v"(a));     \
				sums[i] = step(sums[i], a, b);      \
			}                                           \
		}                                                   \
		for (int i = 0; i < SUMS; i++)                      \
			__asm__ volatile("" : : "v"(sums[i]));      \
	}

#define STEP_512(sum, a, b) _mm512_dpbusd_epi32(sum, a, b)
#define STEP_256(sum, a, b) _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))
#define STEP_128(sum, a, b) _mm_add_epi32(sum, _mm_madd_epi16(a, b))

LOOP(loop_512, "avx512f,avx512bw,avx512vl,avx512vnni", __m512i, _mm512_setzero_si512, STEP_512)
LOOP(loop_256, "avx2", __m256i, _mm256_setzero_si256, STEP_256)
LOOP(loop_128, "sse2", __m128i, _mm_setzero_si128, STEP_128)

double cats_limit_macs(const char *kernels)
{
	void (*loop)(void) = loop_128;
	double macs = 8, seconds[REPEATS];

	if (strcmp(kernels, "avx512") == 0) {
		loop = loop_512;
		macs = 64;
	} else if (strcmp(kernels, "avx2") == 0) {
		loop = loop_256;
		macs = 16;
	}
	for (int repeat = -1; repeat < REPEATS; repeat++) {
		const double begun = cats_thread_seconds();

		loop();
		if (repeat >= 0)
			seconds[repeat] = cats_thread_seconds() - begun;
	}
	return macs * SUMS * ROUNDS / cats_median(seconds, REPEATS);
}

#else

double cats_limit_macs(const char *kernels)
{
	(void)kernels;
	return 0;
}

#endif
