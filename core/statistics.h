/* SPDX-License-Identifier: MIT */
/* A token's statistics from its sums (docs/SPEC-integer.md, 1.6). Freestanding. */
#ifndef CATS_CORE_STATISTICS_H
#define CATS_CORE_STATISTICS_H

#include "core/shard.h"

/* 2^26 / sqrt(variance + eps) of `count` > 0 columns. V < 2^63 for any 16384 int8 and any e. */
static inline int32_t cats_reciprocal_root(uint32_t count, int32_t S, int32_t Q, uint32_t e, uint32_t (*root)(uint32_t))
{
	const int64_t spread = (int64_t)count * Q - (int64_t)S * S;
	const uint64_t V = ((uint64_t)spread << 16) + (uint64_t)count * count * e;
	const int32_t b = 64 - __builtin_clzll(V);
	const int32_t h = (b - 32 + 1) >> 1;
	const uint32_t v = (uint32_t)(h < 0 ? V << (-2 * h) : V >> (2 * h));
	const uint32_t c = (UINT32_C(1) << 31) / root(v);
	const uint64_t product = (uint64_t)count * c;
	const uint64_t rho = h < 3 ? product << (3 - h) : product >> (h - 3);

	return rho > (UINT64_C(1) << 30) ? 1 << 30 : (int32_t)rho;
}

/* Of `count` available columns with the sums S (0: RMS) and Q; root(v) = ⌊sqrt(v)⌋. */
static inline struct cats_stats cats_statistics_of(uint32_t count, int32_t S, int32_t Q, uint32_t e,
						   uint32_t (*root)(uint32_t))
{
	struct cats_stats stats = {0, 0};
	int32_t dividend, divisor;

	if (count == 0)
		return stats;
	dividend = 512 * S + (int32_t)count;
	divisor = 2 * (int32_t)count;
	stats.mu = dividend / divisor - (dividend % divisor < 0 ? 1 : 0);
	stats.rho = cats_reciprocal_root(count, S, Q, e, root);
	return stats;
}

#endif
