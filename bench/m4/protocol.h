/* SPDX-License-Identifier: MIT */
/* What the gather protocol takes on the emulated core: the image protocol.elf, one node of a plan among made-up others.
 * Host only. */
#ifndef CATS_BENCH_M4_PROTOCOL_H
#define CATS_BENCH_M4_PROTOCOL_H

#include "bench/m4/drive.h"

#define M4_REGIONS_MAX 32U

/* All regions of one name. */
struct m4_region {
	char name[64];
	uint32_t calls;
	uint64_t cycles, most; /* sum, largest; estimates */
};

struct m4_regions {
	struct m4_region region[M4_REGIONS_MAX];
	uint32_t count;
};

/* One inference, all gathers. Refuses an image that stops before its end. */
CATS_MUST_CHECK enum cats_status m4_protocol(struct m4_regions *out, const struct cats_elf *image, const void *shard,
					     size_t shard_bytes, struct cats_error *error);

#endif
