/* SPDX-License-Identifier: MIT */
/* Samples of a data set as a plan's source takes them, one at a time. Host only. */
#ifndef CATS_DEPLOY_SAMPLES_H
#define CATS_DEPLOY_SAMPLES_H

#include "plan/integer.h"
#include "sim/fleet.h"
#include "train/batch.h"

/* One thread's memory for one sample. Borrows the data set and the configuration. */
struct cats_samples {
	struct cats_feed feed;
	float *columns;     /* [d_in, P], as cats_feed_fill gives it */
	float *patches;     /* [P, d_in] */
	void *scratch;      /* of cats_feed_fill */
	int8_t *quantised;  /* [rows, columns] of cats_input_shape_of */
	size_t input_count; /* elements of `quantised` */
};

CATS_MUST_CHECK enum cats_status cats_samples_create(struct cats_samples *out, const struct cats_dataset *data,
						     const struct cats_config *config, struct cats_error *error);
void cats_samples_free(struct cats_samples *samples);

/* The sample's patches as the float model sees them, [P, d_in]; until the next call. */
const float *cats_samples_patches(struct cats_samples *samples, uint32_t sample);

/* The sample quantised, as it travels; until the next call. */
const int8_t *cats_samples_quantised(struct cats_samples *samples, const struct cats_integer *m, uint32_t sample);

/* The sample as the fleet takes it: an image's own bytes, else quantised values; until the next call. */
struct cats_fleet_input cats_samples_input(struct cats_samples *samples, const struct cats_integer *m, uint32_t sample);

/* cats_feed_check, and that a plan made for images is given images. `name` is the data's. */
CATS_MUST_CHECK enum cats_status cats_samples_check(const struct cats_dataset *data, const struct cats_integer *m,
						    const char *name, struct cats_error *error);

#endif
