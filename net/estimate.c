/* SPDX-License-Identifier: MIT */
/* Estimates. See estimate.h. */
#include "net/estimate.h"

static uint32_t root(uint32_t x)
{
	uint32_t r = 0;

	for (uint32_t bit = 1U << 15; bit != 0; bit >>= 1)
		if ((r + bit) * (r + bit) <= x)
			r += bit;
	return r;
}

uint32_t cats_estimate_worst(uint32_t packets, uint32_t loss_q16, uint32_t receivers)
{
	const uint32_t mean_q8 = (uint32_t)((uint64_t)packets * loss_q16 >> 8);
	uint32_t log2 = 0, most;

	while (1U << log2 < receivers)
		log2++;
	/* 2 ln receivers = 1.386 log2 receivers = 355 / 256 · log2 receivers; a root of Q16 is Q8. */
	most = (mean_q8 + root(mean_q8 * 355U * log2) + 128U) >> 8;
	return most < packets ? most : packets;
}

uint32_t cats_estimate_sent(uint32_t count, uint32_t loss_q16)
{
	const uint32_t deviation_q8 = root((uint32_t)((uint64_t)count * loss_q16)) * 3U / 2U;
	uint32_t slots = 2U * count;

	if (loss_q16 < 32768U)
		slots = (uint32_t)((((uint64_t)count << 16) + ((uint64_t)deviation_q8 << 8) + 32768U) /
				   (65536U - loss_q16));
	slots = slots < 2U * count ? slots : 2U * count;
	return slots < CATS_ESTIMATE_SENT_MAX ? slots : CATS_ESTIMATE_SENT_MAX;
}
