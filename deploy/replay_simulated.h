/* SPDX-License-Identifier: MIT */
/* Inferences on simulated radios, each replayed and compared (deploy/replay.h). Host only. */
#ifndef CATS_DEPLOY_REPLAY_SIMULATED_H
#define CATS_DEPLOY_REPLAY_SIMULATED_H

#include "deploy/replay.h"
#include "sim/somegather.h"

/* What was compared and differs, in one inference. */
struct cats_replay_outcome {
	uint64_t compared, different; /* bytes */
	char difference[80];          /* where the first is, or "" */
};

struct cats_replayed;

CATS_MUST_CHECK enum cats_status cats_replayed_create(struct cats_replayed **out, const struct cats_plan *plan,
						      struct cats_error *error);
void cats_replayed_free(struct cats_replayed *replayed);

/* For cats_play_options.gathered, with a struct cats_replayed as the context. */
void cats_replayed_gathered(void *context, uint32_t node, uint64_t moment, const struct cats_node *runtime);

/* After each inference of `play`: replays it, and compares the reference with the host's runtime at every site, and the
 * host's results and arenas with those of every node that came to its end. */
CATS_MUST_CHECK enum cats_status cats_replayed_compare(struct cats_replay_outcome *out, struct cats_replayed *replayed,
						       struct cats_somegather *play,
						       const struct cats_play_report *report,
						       const struct cats_fleet_input *input, uint64_t number,
						       struct cats_error *error);

/* Nodes that came to the end of the latest inference. */
uint32_t cats_replayed_ended(const struct cats_replayed *replayed);

/* What nodes lacked in it, until the next begins. */
const struct cats_lacks *cats_replayed_lacks(const struct cats_replayed *replayed);

#endif
