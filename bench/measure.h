/* SPDX-License-Identifier: MIT */
/* What the benchmarks share: clocks, medians, memory that is there or ends the program. Host only. */
#ifndef CATS_BENCH_MEASURE_H
#define CATS_BENCH_MEASURE_H

#include <stddef.h>

double cats_now_seconds(void);

/* Of the calling thread: what it computed, whoever else used the processor meanwhile. */
double cats_thread_seconds(void);

/* Sorts `values`. Requires count > 0. */
double cats_median(double *values, size_t count);

/* Prints `what` and exits with 1. */
_Noreturn void cats_die(const char *what);

/* calloc that ends the program when there is no memory. */
void *cats_allocate(size_t count, size_t size);

#endif
