/* SPDX-License-Identifier: MIT */
/* Counter-based random numbers. See random.h. */
#include "core/random.h"

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
	return z ^ (z >> 31);
}

uint64_t cats_random_key(uint64_t parent, uint64_t label)
{
	return mix(mix(parent + 0x9E3779B97F4A7C15U) ^ (label * 0xD1B54A32D192ED03U + 0x8CB92BA72F3D8DD7U));
}

uint64_t cats_random_u64(uint64_t key, uint64_t counter)
{
	return mix(mix(counter * 0x9E3779B97F4A7C15U + key) ^ key);
}

uint32_t cats_random_below(uint64_t key, uint64_t counter, uint32_t bound)
{
	return (uint32_t)(((cats_random_u64(key, counter) >> 32) * bound) >> 32);
}
