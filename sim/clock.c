/* SPDX-License-Identifier: MIT */
/* Clocks. See clock.h. */
#include "sim/clock.h"

#include "core/random.h"

#define BILLION INT64_C(1000000000)

static int64_t floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0 ? 1 : 0);
}

/* floor(t · ppb / 10^9), in two parts so that no product leaves 64 bits. */
static cats_time gained(cats_time t, int32_t ppb)
{
	const int64_t seconds = floor_divide(t, BILLION), rest = t - seconds * BILLION;

	return seconds * ppb + floor_divide(rest * ppb, BILLION);
}

cats_time cats_clock_local(const struct cats_clock *clock, cats_time global)
{
	return clock->offset + global + gained(global, clock->drift_ppb);
}

cats_time cats_clock_global(const struct cats_clock *clock, cats_time local)
{
	const cats_time shown = local - clock->offset;
	/* 1/(1 + x) is 1 - x + x², and x² of 1000 ppm is a millionth: a second round takes what the first leaves. */
	cats_time t = shown - gained(shown, clock->drift_ppb);

	t += local - cats_clock_local(clock, t);
	while (cats_clock_local(clock, t) < local)
		t++;
	while (cats_clock_local(clock, t - 1) >= local)
		t--;
	return t;
}

struct cats_clock cats_clock_draw(uint64_t seed, uint32_t node, uint32_t drift_ppm, cats_time offset_max)
{
	const uint64_t key = cats_random_key(seed, node);
	const uint32_t span = 2000U * drift_ppm + 1U;

	return (struct cats_clock){
		.offset = offset_max > 0 ? (cats_time)(cats_random_u64(key, 0) % (uint64_t)offset_max) : 0,
		.drift_ppb = (int32_t)cats_random_below(key, 1, span) - (int32_t)(1000U * drift_ppm),
	};
}
