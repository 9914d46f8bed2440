/* SPDX-License-Identifier: MIT */
/* An inference that ran elsewhere (simulated radios, emulated chips) once more in the host's runtime, in which exactly
 * the same packets are missing, held to the plain reference on the way. What ran elsewhere must then have the very
 * bytes of these nodes: results and arenas. Host only. */
#ifndef CATS_DEPLOY_REPLAY_H
#define CATS_DEPLOY_REPLAY_H

#include "deploy/compare.h"
#include "deploy/plan.h"
#include "sim/lack.h"

struct cats_replay;

/* The target's own kernels, in units of work as on the device, and so arenas whose every byte is the device's. The plan
 * outlives it, its shards as loaded. */
CATS_MUST_CHECK enum cats_status cats_replay_create(struct cats_replay **out, const struct cats_plan *plan,
						    struct cats_error *error);
void cats_replay_free(struct cats_replay *replay);

/* One inference. Of a gather that a node never came to, nothing need be said. CATS_ERR_MISMATCH: a lack that no plan of
 * these sites can have. The nodes keep their state until the next. */
CATS_MUST_CHECK enum cats_status cats_replay_run(struct cats_finding *out, struct cats_replay *replay,
						 const struct cats_fleet_input *input, uint64_t number,
						 const struct cats_lack *lacks, size_t count, struct cats_error *error);

const struct cats_node *cats_replay_node(const struct cats_replay *replay, uint32_t device);
const struct cats_node *cats_replay_sink(const struct cats_replay *replay);

/* What nodes lacked in one inference. The source may open an inference anew (net/protocol.h), and nodes that missed
 * that may still end the one before, whose bytes are others: only the latest counts. All zero is an empty list; owned
 * memory. */
struct cats_lacks {
	uint64_t moment; /* of the latest inference: epoch << 32 | number */
	struct cats_lack *list;
	size_t count, room;
};

/* What a node's open gather in inference `moment` lacks is added, after all of earlier inferences was forgotten;
 * nothing when `moment` is earlier itself. */
CATS_MUST_CHECK enum cats_status cats_lacks_add(struct cats_lacks *lacks, uint64_t moment, const struct cats_node *node,
						struct cats_error *error);
void cats_lacks_free(struct cats_lacks *lacks);

#endif
