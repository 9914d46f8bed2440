/* SPDX-License-Identifier: MIT */
/* Random cases that hold a table of kernels to plain C, bit for bit: all tails, any alignment, extreme values, guard
 * bytes around what is written. Freestanding, so that a device runs the same cases as the host. */
#ifndef CATS_TESTS_CORE_KERNEL_CASES_H
#define CATS_TESTS_CORE_KERNEL_CASES_H

#include "core/kernels/kernels.h"

/* Buffers of the cases; one is enough for all of them. */
struct kernel_room {
	_Alignas(8) int8_t bytes[2][40000];
	_Alignas(8) uint8_t weights[2][16000];
	_Alignas(8) uint8_t scratch[2][45000];
	int32_t words[6][64];
};

/* A case of a kind, fixed by its key. NULL when `table` does what plain C does, otherwise what
 * differs. */
typedef const char *kernel_case(struct kernel_room *room, const struct cats_kernels *table, uint64_t key);

struct kernel_case_kind {
	const char *name;
	kernel_case *run;
	bool once; /* goes through every size by itself: one case is enough */
};

extern const struct kernel_case_kind kernel_case_kinds[];
extern const uint32_t kernel_case_kind_count;

#endif
