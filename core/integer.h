/* SPDX-License-Identifier: MIT */
/* The rounding, saturation and wrapping that every kernel shares (docs/SPEC-integer.md, 1.1). Freestanding.
 *
 * The planner bounds every accumulator (1.12). A shard that breaks the bounds must still not be undefined behaviour, so
 * sums that such a shard could overflow wrap. Shifts of negative numbers are arithmetic, as in every C compiler that
 * this project is built with. */
#ifndef CATS_CORE_INTEGER_H
#define CATS_CORE_INTEGER_H

#include <stdint.h>

_Static_assert((-3 >> 1) == -2, "right shifts must be arithmetic");

/* R(a, m) = (a·m + 2^31) >> 32: SMMULR. */
static inline int32_t cats_requantise(int32_t a, int32_t m)
{
	return (int32_t)(((int64_t)a * m + INT64_C(0x80000000)) >> 32);
}

static inline int32_t cats_clamp(int32_t x, int32_t low, int32_t high)
{
	return x < low ? low : x > high ? high : x;
}

static inline int32_t cats_wrap_add(int32_t a, int32_t b)
{
	return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t cats_wrap_subtract(int32_t a, int32_t b)
{
	return (int32_t)((uint32_t)a - (uint32_t)b);
}

static inline int32_t cats_wrap_multiply(int32_t a, int32_t b)
{
	return (int32_t)((uint32_t)a * (uint32_t)b);
}

#endif
