/* SPDX-License-Identifier: MIT */
/* What stands in for columns that keep lists leave out, in the weights of those who no longer get them: a change made
 * once, when the lists are chosen, which costs nothing afterwards. */
#ifndef CATS_TRAIN_STAND_IN_H
#define CATS_TRAIN_STAND_IN_H

#include "model/model.h"
#include "train/batch.h"

enum cats_stand_in {
	CATS_STAND_IN_ZERO, /* nothing: what is absent counts as 0 */
	/* The column's mean over calibration samples, as its reader's product sees it (normalised where that is), times
	 * the weight, goes into the reader's bias. */
	CATS_STAND_IN_MEAN,
	/* A reader's weights of the columns that it still gets grow by all columns over those, as in inverted dropout.
	 */
	CATS_STAND_IN_RESCALE,
};

/* Parses "zero", "mean", "rescale". */
CATS_MUST_CHECK enum cats_status cats_stand_in_parse(enum cats_stand_in *out, const char *name,
						     struct cats_error *error);
const char *cats_stand_in_name(enum cats_stand_in stand_in);

struct cats_stand_in_options {
	enum cats_stand_in kind;
	const struct cats_feed *feed; /* mean: where samples come from, spread evenly */
	uint32_t samples;             /* mean: how many; 0 means 512 */
};

/* Changes the model's weights for the columns that its keep lists leave out, whose weights must still be there: before
 * cats_select_clear, and once. With one device nothing changes. */
CATS_MUST_CHECK enum cats_status cats_stand_in_apply(struct cats_model *model,
						     const struct cats_stand_in_options *options,
						     struct cats_error *error);

#endif
