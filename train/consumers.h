/* SPDX-License-Identifier: MIT */
/* Which weights read a gather site's columns, and on which device. Private to this room. */
#ifndef CATS_TRAIN_CONSUMERS_H
#define CATS_TRAIN_CONSUMERS_H

#include "model/model.h"

/* A matrix whose columns are a site's. */
struct cats_consumer {
	uint32_t weight, bias, gain; /* tensors; gain may be CATS_NO_WEIGHT */
	uint32_t row_site; /* its rows are owned as this site's columns are; CATS_NO_WEIGHT: as the outputs are */
};

/* At most three; returns how many. */
uint32_t cats_consumers_of(struct cats_consumer out[3], const struct cats_model *model, uint32_t site);

/* The rows that a device has. */
struct cats_run cats_consumer_rows(const struct cats_model *model, const struct cats_consumer *consumer,
				   uint32_t device);

#endif
