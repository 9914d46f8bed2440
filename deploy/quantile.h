/* SPDX-License-Identifier: MIT */
/* Order statistics of times, for what is reported over samples. Host only. */
#ifndef CATS_DEPLOY_QUANTILE_H
#define CATS_DEPLOY_QUANTILE_H

#include <stddef.h>

#include "sim/clock.h"

/* Into ascending order. */
void cats_quantile_sort(cats_time *times, size_t count);

/* The least of `times`, which are in ascending order, that a share (0 … 1) of them does not exceed, in µs: 0.5 is the
 * median, 1 the largest. Requires count > 0. */
double cats_quantile_us(const cats_time *times, size_t count, double share);

#endif
