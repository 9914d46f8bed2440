/* SPDX-License-Identifier: MIT */
/* See quantile.h. */
#include "deploy/quantile.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
	const cats_time x = *(const cats_time *)a, y = *(const cats_time *)b;

	return x < y ? -1 : x > y;
}

void cats_quantile_sort(cats_time *times, size_t count)
{
	qsort(times, count, sizeof *times, ascending);
}

double cats_quantile_us(const cats_time *times, size_t count, double share)
{
	size_t rank = (size_t)(share * (double)count + 0.999999);

	rank = rank < 1 ? 1 : rank > count ? count : rank;
	return cats_time_us(times[rank - 1]);
}
