/* SPDX-License-Identifier: MIT */
/* Counter-based random numbers: a value is a pure function of (key, counter), so that draws can be made in any
 * order, by any thread, and again. Not for cryptography. Freestanding. */
#ifndef CATS_CORE_RANDOM_H
#define CATS_CORE_RANDOM_H

#include <stdint.h>

/* A key is derived from a seed by naming what it is for: fold in step, sample, site … one after the other. Distinct
 * paths give unrelated streams. */
uint64_t cats_random_key(uint64_t parent, uint64_t label);

/* 64 uniformly distributed bits (SplitMix64's output function, Steele et al. 2014, applied twice to key and counter).
 */
uint64_t cats_random_u64(uint64_t key, uint64_t counter);

/* Uniform in [0, bound), bound >= 1, by multiplication (Lemire 2019); bias below 2^-32 for bound < 2^32. */
uint32_t cats_random_below(uint64_t key, uint64_t counter, uint32_t bound);

/* A probability as the threshold of a 32-bit draw: an event of probability p happens when the upper 32 bits of
 * cats_random_u64 are < threshold. p = 0 never happens, p = 1 always does (hence 64 bits). */
static inline int cats_random_event(uint64_t key, uint64_t counter, uint64_t threshold_q32)
{
	return (cats_random_u64(key, counter) >> 32) < threshold_q32;
}

#endif
