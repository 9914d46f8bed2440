/* SPDX-License-Identifier: MIT */
/* See measure.h. */
#include "bench/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double cats_now_seconds(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

double cats_thread_seconds(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double cats_median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), ascending);
	return values[count / 2];
}

void cats_die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

void *cats_allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL)
		cats_die("out of memory");
	return memory;
}
