/* SPDX-License-Identifier: MIT */
/* Which columns each site broadcasts: the keep lists, chosen from a model's weights. */
#ifndef CATS_TRAIN_SELECT_H
#define CATS_TRAIN_SELECT_H

#include "model/model.h"
#include "train/batch.h"

enum cats_criterion {
	/* Sum of squares of the weights by which other devices use the column, times the squared gain of a norm. */
	CATS_SELECT_MAGNITUDE,
	/* First-order estimate of the change in loss if other devices lost the column: the mean over calibration
	 * batches of (sum of weight * gradient)^2 over the same weights (Molchanov et al. 2019). */
	CATS_SELECT_TAYLOR,
	CATS_SELECT_RANDOM, /* the control */
};

/* Parses "magnitude", "taylor", "random". */
CATS_MUST_CHECK enum cats_status cats_criterion_parse(enum cats_criterion *out, const char *name,
						      struct cats_error *error);
const char *cats_criterion_name(enum cats_criterion criterion);

struct cats_selection {
	enum cats_criterion criterion;
	double share;                 /* of each site's n columns, ceil(share * n) are kept, all devices together */
	uint64_t seed;                /* random: of the order, in which a smaller share's choice lies in a larger's */
	const struct cats_feed *feed; /* taylor: where calibration samples come from */
	uint32_t samples;             /* taylor: how many, from the first on; 0 means 2048 */
	uint32_t threads;             /* taylor: 0 means the processors there are */
};

/* ceil(share * n), forgiving the last bit of share's rounding. */
uint32_t cats_select_count(uint32_t n, double share);

/* Clears keep lists of model (for its config.devices) down to the wanted share, among the columns kept so far; equal
 * scores prefer the lower column. With one device nothing changes. Weights stay as they are: see cats_select_clear. */
CATS_MUST_CHECK enum cats_status cats_select(struct cats_model *model, const struct cats_selection *selection,
					     struct cats_error *error);

/* Scores of one site's columns [columns]; gradient (NULL unless taylor) is a batch's, [weight_count]. */
void cats_select_scores(double *scores, const struct cats_model *model, uint32_t site, enum cats_criterion criterion,
			const float *gradient, uint64_t seed);

/* Sets the elements of values[weight_count] to 0 whose weights no device can use; NULL is left alone. */
CATS_MUST_CHECK enum cats_status cats_select_clear(const struct cats_model *model, float *const *arrays, size_t count,
						   struct cats_error *error);

#endif
