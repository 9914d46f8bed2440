/* SPDX-License-Identifier: MIT */
/* Where the time and the charge of one inference go: a stage is from when the first node has a site's gather open to
 * when the first has the next one's, so the gather and what is computed on it. Host only. */
#ifndef CATS_SIM_STAGES_H
#define CATS_SIM_STAGES_H

#include "sim/world.h"

/* After cats_stages_end, stage `site` is from opened[site] to opened[site + 1]; what is before the first is
 * opened[0] - start. Owned memory: cats_stages_free. */
struct cats_stages {
	uint32_t sites;
	cats_time *opened;              /* [sites + 1], ascending, global; the last is the end */
	cats_time (*spent)[CATS_DRAWS]; /* [sites + 1], by all nodes together since the world began */
};

CATS_MUST_CHECK enum cats_status cats_stages_create(struct cats_stages *stages, uint32_t sites,
						    struct cats_error *error);
void cats_stages_free(struct cats_stages *stages);

/* Begins an inference: no site is open. */
void cats_stages_begin(struct cats_stages *stages);

/* A node has the gather of a site open, now. Only the first one counts. */
void cats_stages_open(struct cats_stages *stages, const struct cats_world *world, uint32_t site);

/* Ends it, now: a stage that did not come about has no length and costs nothing. */
void cats_stages_end(struct cats_stages *stages, const struct cats_world *world);

#endif
