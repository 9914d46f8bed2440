/* SPDX-License-Identifier: MIT */
/* Virtual time, and what a node's own clock makes of it. Integers only. */
#ifndef CATS_SIM_CLOCK_H
#define CATS_SIM_CLOCK_H

#include <stdint.h>

/* 1/64 us: one cycle of the nRF52840's 64 MHz clock and a quarter of a tick of its 16 MHz timers, so that both are
 * whole numbers. Global, or of one node's clock; the name says which. Up to 2^46 (12 days). */
typedef int64_t cats_time;
#define CATS_TIME_US ((cats_time)64)
#define CATS_TIME_MAX INT64_MAX
#define CATS_TIME_TICK ((cats_time)4) /* of a 16 MHz timer */

/* A crystal: at global time t it shows offset + t + floor(t · drift_ppb / 10^9). */
struct cats_clock {
	cats_time offset;
	int32_t drift_ppb; /* within ±10^6 */
};

/* The nRF52840's HFXO is specified within ±40 ppm. */
#define CATS_CLOCK_DRIFT_PPM_MAX 40

cats_time cats_clock_local(const struct cats_clock *clock, cats_time global);

/* The first global time at which the clock shows `local` or more. */
cats_time cats_clock_global(const struct cats_clock *clock, cats_time local);

/* Node `node`'s clock: an offset below `offset_max` and a drift within ±drift_ppm, drawn from the seed. */
struct cats_clock cats_clock_draw(uint64_t seed, uint32_t node, uint32_t drift_ppm, cats_time offset_max);

static inline double cats_time_us(cats_time time)
{
	return (double)time / (double)CATS_TIME_US;
}

#endif
