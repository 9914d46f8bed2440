/* SPDX-License-Identifier: MIT */
/* How often values of each magnitude were seen, for choosing the range of an int8 scale. Host only. */
#ifndef CATS_PLAN_HISTOGRAM_H
#define CATS_PLAN_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define CATS_HISTOGRAM_BINS 2048

/* Bin i counts values in [i, i + 1) * width; the width doubles until the largest value fits. Zero-initialise it. */
struct cats_histogram {
	uint64_t bins[CATS_HISTOGRAM_BINS];
	uint64_t count;
	double width; /* a power of two; 0 while empty */
	double largest;
};

/* Adds |value|; a value that is not finite is ignored. */
void cats_histogram_add(struct cats_histogram *h, double value);

/* Adds |value| as if it had been seen `times` times. */
void cats_histogram_add_times(struct cats_histogram *h, double value, uint64_t times);

/* Adds all of `from`, each value counted `times` times. */
void cats_histogram_merge(struct cats_histogram *h, const struct cats_histogram *from, uint64_t times);

/* Share of values above `limit`, to the width of a bin. 0 when empty. */
double cats_histogram_share_above(const struct cats_histogram *h, double limit);

/* The range [0, r] whose uniform quantisation into `steps` steps (rounded, clipped at r) has the least mean squared
 * error over the values seen; at most the largest value, at least 1/64 of it. 0 when nothing but zeros was seen. */
double cats_histogram_best_range(const struct cats_histogram *h, double steps);

#endif
