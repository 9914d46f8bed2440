/* SPDX-License-Identifier: MIT */
/* Who owns which columns: a matrix with n columns is cut into D contiguous runs, and the first n mod D devices own
 * one column more (semantics, "Ownership"). Pure integer arithmetic; freestanding. */
#ifndef CATS_CORE_PARTITION_H
#define CATS_CORE_PARTITION_H

#include <stdint.h>

/* Columns first … first + count - 1. count may be 0 (a device beyond the columns there are). */
struct cats_run {
	uint32_t first;
	uint32_t count;
};

/* The run of device j of D, for n columns. Requires 0 <= j < D. Never fails. */
struct cats_run cats_partition_run(uint32_t n, uint32_t D, uint32_t j);

/* The one device that owns `column`. Requires column < n and D >= 1. Inverse of cats_partition_run. */
uint32_t cats_partition_owner(uint32_t n, uint32_t D, uint32_t column);

#endif
