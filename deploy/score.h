/* SPDX-License-Identifier: MIT */
/* How good a result at the sink is for one sample. Host only. */
#ifndef CATS_DEPLOY_SCORE_H
#define CATS_DEPLOY_SCORE_H

#include "deploy/samples.h"

struct cats_score {
	double value;     /* labels: 1 when the class is right, else 0; otherwise the mean squared error; of a series as
			     standardised */
	double last;      /* pooling none: the mean squared error of the last token alone; else 0 */
	uint32_t missing; /* results that did not arrive: a class counts as -∞, a forecast value as 0, which for a
			     series is the mean of its window */
};

/* "accuracy" or "mse". */
const char *cats_score_metric(const struct cats_dataset *data);

/* Results of one sample: rows × columns at `out`. */
uint32_t cats_score_results(const struct cats_integer *m);

/* `sink` is done with the sample, or was cut off: then everything is missing. */
struct cats_score cats_score(const struct cats_node *sink, const struct cats_integer *m,
			     const struct cats_samples *samples, uint32_t sample);

#endif
