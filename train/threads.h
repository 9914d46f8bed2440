/* SPDX-License-Identifier: MIT */
/* OpenMP where the compiler has it; elsewhere the same code on one thread, to the same bytes. */
#ifndef CATS_TRAIN_THREADS_H
#define CATS_TRAIN_THREADS_H

#ifdef _OPENMP
#include <omp.h>

static inline int cats_threads_available(void)
{
	return omp_get_num_procs();
}

/* Of the innermost parallel region, from 0. */
static inline int cats_thread_index(void)
{
	return omp_get_thread_num();
}
#else
static inline int cats_threads_available(void)
{
	return 1;
}

static inline int cats_thread_index(void)
{
	return 0;
}
#endif

#endif
