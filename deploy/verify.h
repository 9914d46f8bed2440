/* SPDX-License-Identifier: MIT */
/* Holds a plan's nodes to the plain reference of its integer model, byte by byte at every site, and its shards to a
 * fresh cut. Where everything is kept and nothing lost, the reference is one device. Host only. */
#ifndef CATS_DEPLOY_VERIFY_H
#define CATS_DEPLOY_VERIFY_H

#include "deploy/compare.h"
#include "deploy/crew.h"
#include "deploy/plan.h"
#include "io/dataset.h"

struct cats_verify_options {
	size_t limit;                       /* at most so many samples, from the first on; 0 = all */
	struct cats_loss loss;              /* of packets; inference number = sample */
	const struct cats_kernels *kernels; /* for target 1; NULL: the fastest of this processor */
	struct cats_crew crew;
};

struct cats_verify_result {
	bool identical; /* shards and bytes */
	size_t samples;
	uint32_t reference_devices; /* 1: one device */
	uint64_t compared_bytes;
	uint64_t different_bytes;
	struct cats_difference first; /* of different_bytes: lowest sample, then site, own before
				       * received columns, node, token, column */
	bool shards_identical;        /* to a fresh cut of the integer model */
	uint32_t shard, shard_byte;   /* the first that differs */
};

/* Unpacks the plan's shards for the host's kernels. `name` is the data's, for errors. A difference is no failure. */
CATS_MUST_CHECK enum cats_status cats_verify(struct cats_verify_result *out, struct cats_plan *plan,
					     const struct cats_dataset *data, const char *name,
					     const struct cats_verify_options *options, struct cats_error *error);

#endif
