/* SPDX-License-Identifier: MIT */
/* A fleet of which one node runs on an emulated core and the others on the host, held to a fleet that runs on the host
 * alone: every site's bytes on every node, results, shares and counts. */
#ifndef CATS_TESTS_EMULATOR_MIXED_H
#define CATS_TESTS_EMULATOR_MIXED_H

#include "emulator/node.h"
#include "sim/fleet.h"

struct mixed {
	const struct cats_shards *shards;
	uint32_t emulated; /* device */
	uint32_t kernels;  /* which of the image's tables, slowest first; beyond the last: the last */
	uint32_t budget;   /* of the emulated node's steps; 0: no limit */
	bool fast;
	struct cats_loss loss;
	uint32_t
		damage; /* test of the test: this bit of the emulated node's shard, + 1, is flipped in flash; 0: none */
};

/* What was seen. */
struct mixed_report {
	uint64_t compared_bytes, nonzero_bytes;
	uint64_t differing_bytes;
	char first[160]; /* where the first difference is, or "" */
	uint64_t steps, instructions, cycles;
	uint64_t largest_step_cycles;
	uint64_t estimated_cycles; /* what the node's cost model says of all its steps */
	uint32_t stack_bytes;
	int emulated_class, host_class; /* what the sinks say, where the emulated node is a sink */
};

/* One inference of both; fails the test on any error but differences, which it reports. */
void mixed_run(struct mixed_report *report, const struct mixed *mixed, const struct cats_elf *image,
	       const struct cats_fleet_input *input, uint64_t number);

#endif
