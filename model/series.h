/* SPDX-License-Identifier: MIT */
/* How a window of a series is standardised before a model sees it, and its forecast put back: the same for training,
 * evaluation and deployment. Knows no data set. Host only. */
#ifndef CATS_MODEL_SERIES_H
#define CATS_MODEL_SERIES_H

#include "model/config.h"

/* Of the values of one context (Kim et al. 2022, "Reversible instance normalization", without the learnt scale). */
struct cats_level {
	float mean, deviation; /* deviation = sqrt(variance + epsilon) */
};

/* context[series->context]. Sums are in double and in order. */
struct cats_level cats_series_level(const float *context, const struct cats_series_config *series);

/* out[series->context] = (context - mean) / deviation; it is [P, d_in] already. */
void cats_series_standardise(float *out, const float *context, struct cats_level level,
			     const struct cats_series_config *series);

/* A model's output for a token becomes a forecast in the context's units. */
static inline float cats_series_forecast(float output, struct cats_level level)
{
	return output * level.deviation + level.mean;
}

#endif
