/* SPDX-License-Identifier: MIT */
/* Runs the float model over samples, as D devices with messages lost or not, and notes how large every value that will
 * become an integer gets. Written for this purpose, apart from the trainer's pass: it needs every inner value and no
 * gradient. Host only. */
#ifndef CATS_PLAN_OBSERVE_H
#define CATS_PLAN_OBSERVE_H

#include "model/model.h"
#include "plan/histogram.h"
#include "plan/importance.h"

/* Magnitudes seen; heads are counted layer * H + head. */
struct cats_seen {
	struct cats_histogram input;
	struct cats_histogram *site;                /* [4 L + 1] */
	struct cats_histogram *weighed;             /* [4 L + 1]: the same, each value as often as it matters */
	struct cats_histogram *q, *k, *v;           /* [L H] */
	struct cats_histogram *up_above, *up_below; /* [L]: inputs of the activation above and below 0 */
	double residual, logit;                     /* largest magnitude */
	const struct cats_importance *importance;   /* borrowed while observing; NULL: all columns matter alike */
};

CATS_MUST_CHECK enum cats_status cats_seen_create(struct cats_seen *out, const struct cats_config *config,
						  struct cats_error *error);
void cats_seen_free(struct cats_seen *seen);

/* Adds all of `from`, which belongs to the same configuration. */
void cats_seen_merge(struct cats_seen *into, const struct cats_seen *from, const struct cats_config *config);

/* One inference. `patches` [P, d_in]. `devices` is D (the config's where a keep list is below "all").
 * received[site] (float sites) is NULL or [D, D, T] of 0 or 1; `received` may be NULL. `output` may be NULL or gets
 * [n_out] or [T, n_out]. `seen` may be NULL. */
CATS_MUST_CHECK enum cats_status cats_observe(struct cats_seen *seen, float *output, const struct cats_model *model,
					      uint32_t devices, const float *patches, const uint8_t *const *received,
					      struct cats_error *error);

#endif
