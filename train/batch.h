/* SPDX-License-Identifier: MIT */
/* From samples of a data set to the input of a pass: augmentation, patches, standardisation. Depends on the data set
 * and the configuration, never on threads or on how samples are grouped into batches. */
#ifndef CATS_TRAIN_BATCH_H
#define CATS_TRAIN_BATCH_H

#include "io/dataset.h"
#include "model/config.h"
#include "train/objective.h"

/* Random changes to training images; all zero is none. */
struct cats_augmentation {
	uint32_t shift;    /* uniformly up to ± this many pixels each way; what moves in is 0 */
	bool flip;         /* mirrored left to right with probability 1/2 */
	double erase;      /* probability that one random rectangle is replaced by random bytes (Zhong et al. 2020) */
	double erase_area; /* largest share of the area erased; 0 means 0.2 (smallest is 0.02) */
};

/* A data set as seen by a configuration. Borrows both. */
struct cats_feed {
	const struct cats_dataset *data;
	const struct cats_config *config;
	struct cats_augmentation augment;
};

/* What cats_dataset_open must be asked for so that a series is cut into windows of this configuration; 0 for a
 * configuration that is not for series. */
uint32_t cats_feed_window(const struct cats_config *config);

/* Refuses a data set that does not belong to the configuration (kind, geometry, number of classes or targets). `name`
 * is the data's. */
CATS_MUST_CHECK enum cats_status cats_feed_check(const struct cats_feed *feed, const char *name,
						 struct cats_error *error);

/* Bytes of scratch memory that cats_feed_fill needs for a batch of B. */
size_t cats_feed_scratch_bytes(const struct cats_config *config, uint32_t B);

/* input[d_in, P, B] of samples[B] (indices into the data set). Sample s is augmented by draws from
 * cats_random_key(key, samples[s]) only. */
void cats_feed_fill(float *input, void *scratch, const struct cats_feed *feed, const uint32_t *samples, uint32_t B,
		    uint64_t key);

/* What sample `sample` of data without labels should give; points into the data. */
struct cats_wanted cats_feed_wanted(const struct cats_feed *feed, uint32_t sample);

#endif
