/* SPDX-License-Identifier: MIT */
/* Loss and gradient of a batch on several threads, to the same bytes for any number of them: the batch is cut into
 * chunks of a fixed size, chunk c adds its gradient to lane c mod CATS_ENGINE_LANES, whole lanes go to threads, and
 * lanes are added up in order. Knows nothing of optimisers or epochs. */
#ifndef CATS_TRAIN_ENGINE_H
#define CATS_TRAIN_ENGINE_H

#include "model/pass.h"
#include "train/batch.h"
#include "train/loss_masks.h"

#define CATS_ENGINE_LANES 8U

struct cats_engine_options {
	size_t batch;               /* samples of the largest job, at least 1 */
	uint32_t threads;           /* 0: the processors there are */
	uint32_t chunk;             /* samples of a pass; 0 means 16. Part of what determines the bytes */
	bool gradients;             /* otherwise only evaluation */
	struct cats_loss_spec loss; /* of messages */
};

/* Owns a pass and buffers for each thread, whatever the data. Borrows the model's configuration. A change of keep lists
 * needs a new engine. */
struct cats_engine;
CATS_MUST_CHECK enum cats_status cats_engine_create(struct cats_engine **out, const struct cats_model *model,
						    const struct cats_engine_options *options,
						    struct cats_error *error);
void cats_engine_free(struct cats_engine *engine);
size_t cats_engine_bytes(const struct cats_engine *engine); /* what it has allocated */
uint32_t cats_engine_threads(const struct cats_engine *engine);

/* One batch. Every random draw follows from key and a sample's index alone. */
struct cats_engine_job {
	const struct cats_feed *feed; /* checked by cats_feed_check */
	const uint32_t *samples;      /* [count], indices into the feed's data; none twice */
	size_t count;                 /* 1 … options.batch */
	uint64_t key;
	bool lossless; /* lose no messages in this batch */
	double dropout;
	double label_smoothing;
	float *outputs; /* [count, rows, n_out] when not NULL: every output, say for predictions */
};

struct cats_engine_result {
	double loss;      /* mean over samples: cross-entropy for labels, mean squared error for targets */
	double last;      /* of targets: the last row's mean squared error alone */
	uint64_t correct; /* samples whose label has the largest output (the first of equals) */
};

/* weights[weight_count] are packed first. gradient[weight_count] (NULL: none) is overwritten by that of result->loss.
 * The loss may be not finite; that is for the caller to notice. */
void cats_engine_run(struct cats_engine *engine, struct cats_engine_result *result, float *gradient,
		     const float *weights, const struct cats_engine_job *job);

/* live[weight_count] as cats_views_live. */
void cats_engine_live(const struct cats_engine *engine, uint8_t *live);

#endif
