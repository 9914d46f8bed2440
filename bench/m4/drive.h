/* SPDX-License-Identifier: MIT */
/* One inference of one device on the emulated core, every message of the others made up and none lost; what each op
 * took between one gather and the next. Host only. */
#ifndef CATS_BENCH_M4_DRIVE_H
#define CATS_BENCH_M4_DRIVE_H

#include "emulator/node.h"

struct m4_count {
	uint64_t instructions, cycles; /* cycles are an estimate */
};

/* Ops as functions of core/, whose names the profile knows. */
enum m4_op { M4_EMBED, M4_QUANTISE, M4_STATS, M4_NORM_PRODUCT, M4_ATTENTION, M4_RESIDUAL_PRODUCT, M4_GATHER, M4_OPS };
extern const char *const m4_op_names[M4_OPS];

#define M4_SITES_MAX 64U

/* [site]: behind the gather of that site and up to the next one. */
struct m4_counts {
	struct m4_count op[M4_SITES_MAX][M4_OPS];
	struct m4_count all;     /* of all steps */
	struct m4_count packets; /* of sending, receiving and ending gathers */
	uint64_t macs;
	uint32_t sites, stack_bytes, node_bytes, image_bytes;
	uint64_t steps, largest_step_cycles;
	char kernels[32];
};

struct m4_drive {
	const struct cats_elf *image;
	const void *shard;
	size_t shard_bytes;
	uint32_t kernels; /* which table */
	uint32_t budget;  /* of a step; 0: no limit */
};

CATS_MUST_CHECK enum cats_status m4_drive(struct m4_counts *out, uint32_t *kernel_tables, const struct m4_drive *drive,
					  struct cats_error *error);

#endif
