/* SPDX-License-Identifier: MIT */
/* What the image kernels.elf is asked and tells: the objects `asked` and `told`. */
#ifndef CATS_TESTS_IMAGES_KERNELS_H
#define CATS_TESTS_IMAGES_KERNELS_H

#include <stdint.h>

/* A fault put into one kernel of the table. */
enum kernels_fault {
	KERNELS_NO_FAULT,
	KERNELS_SUM_OFF_BY_ONE,      /* products: the first sum */
	KERNELS_QUANTISED_TOO_EARLY, /* quantise: the last value, by one */
	KERNELS_ROOT_TOO_LARGE,      /* root: one in sixteen, by one */
	KERNELS_GUARD_OVERWRITTEN,   /* quantise: one value too many */
	KERNELS_FAULTS
};

struct kernels_asked {
	uint32_t seed, rounds, fault;
};

struct kernels_told {
	uint32_t cases;
	uint32_t round;
	const char *kind, *what; /* of the first difference, or NULL */
};

#endif
