/* SPDX-License-Identifier: MIT */
/* A model's accuracy or error on a data set, with messages lost at random or none. Deterministic for a seed. */
#ifndef CATS_TRAIN_EVALUATE_H
#define CATS_TRAIN_EVALUATE_H

#include "io/dataset.h"
#include "model/model.h"
#include "train/loss_masks.h"

struct cats_evaluation_options {
	size_t limit;               /* at most so many samples, from the first on; 0 = all */
	uint32_t threads;           /* 0: the processors there are */
	struct cats_loss_spec loss; /* of messages; all zero = nothing is lost */
	uint64_t seed;              /* of the losses */
	float *outputs;             /* [samples, rows, n_out] when not NULL */
	void (*progress)(void *context, size_t done, size_t of); /* may be NULL */
	void *context;
	const volatile int *stop; /* may be NULL; once not 0 the evaluation ends with CATS_ERR_INTERRUPTED */
};

struct cats_engine;

struct cats_evaluation {
	const char *metric; /* "accuracy" (labels; share of samples) or "mse" (targets, series: as standardised) */
	double value;
	double loss; /* mean cross-entropy or mean squared error */
	double last; /* mse: of the last token's forecast alone; 0 where a sample has no more than one row */
	size_t samples;
};

/* `name` is the data's, for errors; outputs that are not finite are one. */
CATS_MUST_CHECK enum cats_status cats_evaluate(struct cats_evaluation *out, const struct cats_model *model,
					       const struct cats_dataset *data, const char *name,
					       const struct cats_evaluation_options *options, struct cats_error *error);

/* The same on an engine that is there already, whose batch is at least CATS_EVALUATION_BATCH; of the options, threads
 * and the probabilities of loss are the engine's. weights[weight_count] may be others than the model's. */
#define CATS_EVALUATION_BATCH 1024U
CATS_MUST_CHECK enum cats_status cats_evaluate_on(struct cats_evaluation *out, struct cats_engine *engine,
						  const struct cats_model *model, const float *weights,
						  const struct cats_dataset *data,
						  const struct cats_evaluation_options *options,
						  struct cats_error *error);

#endif
