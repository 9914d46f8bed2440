/* SPDX-License-Identifier: MIT */
/* Histograms of magnitudes. See histogram.h. */
#include "plan/histogram.h"

#include <math.h>

#define FIRST_WIDTH 0x1p-30 /* far below any activation that matters */

static void widen(struct cats_histogram *h)
{
	for (size_t i = 0; i < CATS_HISTOGRAM_BINS; i++) {
		const size_t from = 2 * i;

		h->bins[i] = from < CATS_HISTOGRAM_BINS ? h->bins[from] + h->bins[from + 1] : 0;
	}
	h->width *= 2;
}

static void add(struct cats_histogram *h, double magnitude, uint64_t times)
{
	if (h->width == 0)
		h->width = FIRST_WIDTH;
	while (magnitude >= h->width * CATS_HISTOGRAM_BINS)
		widen(h);
	h->bins[(size_t)(magnitude / h->width)] += times;
	h->count += times;
}

void cats_histogram_add(struct cats_histogram *h, double value)
{
	cats_histogram_add_times(h, value, 1);
}

void cats_histogram_add_times(struct cats_histogram *h, double value, uint64_t times)
{
	const double magnitude = fabs(value);

	if (!isfinite(magnitude))
		return;
	add(h, magnitude, times);
	h->largest = magnitude > h->largest ? magnitude : h->largest;
}

static double centre(const struct cats_histogram *h, size_t bin)
{
	return ((double)bin + 0.5) * h->width;
}

void cats_histogram_merge(struct cats_histogram *h, const struct cats_histogram *from, uint64_t times)
{
	for (size_t i = 0; from->count && i < CATS_HISTOGRAM_BINS; i++)
		if (from->bins[i])
			add(h, centre(from, i), from->bins[i] * times);
	h->largest = from->largest > h->largest ? from->largest : h->largest;
}

double cats_histogram_share_above(const struct cats_histogram *h, double limit)
{
	uint64_t above = 0;

	for (size_t i = 0; h->count && i < CATS_HISTOGRAM_BINS; i++)
		if (centre(h, i) > limit)
			above += h->bins[i];
	return h->count ? (double)above / (double)h->count : 0;
}

/* Sum of squared errors: step^2 / 12 for what is inside (but no more than the value itself, which rounds to 0), the
 * distance to the range for what is beyond. */
static double squared_error(const struct cats_histogram *h, double range, double steps)
{
	const double step = range / steps;
	double sum = 0;

	for (size_t i = 0; i < CATS_HISTOGRAM_BINS; i++) {
		const double x = centre(h, i);
		const double inside = step * step / 12;
		double error = x < step / 2 && x * x < inside ? x * x : inside;

		if (h->bins[i] == 0)
			continue;
		if (x > range + step / 2)
			error = (x - range) * (x - range);
		sum += error * (double)h->bins[i];
	}
	return sum;
}

double cats_histogram_best_range(const struct cats_histogram *h, double steps)
{
	double best = h->largest, least = INFINITY;

	if (h->largest == 0)
		return 0;
	for (double range = h->largest; range >= h->largest / 64; range *= 0.97) {
		const double error = squared_error(h, range, steps);

		if (error < least) {
			least = error;
			best = range;
		}
	}
	return best;
}
