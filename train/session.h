/* SPDX-License-Identifier: MIT */
/* The parts of a training under way, private to this room: data, model, state, and what they were made from. */
#ifndef CATS_TRAIN_SESSION_H
#define CATS_TRAIN_SESSION_H

#include "io/safetensors.h"
#include "train/engine.h"
#include "train/trainer.h"

/* What a checkpoint restores, besides the arrays. Random draws are pure functions of seed, epoch and sample, so that
 * counters are all there is to remember of them. */
struct cats_train_state {
	uint64_t step;         /* optimiser steps made */
	uint64_t epoch, batch; /* in progress, from 0; batches done of it */
	double epoch_loss;     /* sum over samples of the epoch so far */
	uint64_t epoch_samples;
	double last_loss;    /* mean of the last whole epoch */
	double initial_loss; /* of the first batch since keep lists last changed; < 0: none yet */
	uint64_t bad_steps;  /* in a row, with a loss far above the initial one */
	bool has_best;
	uint64_t best_epoch; /* from 1 */
	double best_value, best_loss;
	double seconds;
};

struct cats_session {
	const struct cats_train_options *options;
	char data_name[512]; /* options->data without its split */
	struct cats_dataset train, val, test;
	bool has_test;
	struct cats_model model;
	struct cats_train_state state;
	float *gradient, *m, *v;           /* [weight_count] */
	float *average;                    /* [weight_count], NULL without options->average */
	float *best;                       /* [weight_count], weights of the best epoch */
	uint32_t *order;                   /* [train.samples] */
	char *curve;                       /* curve.csv so far */
	struct cats_metadata *fingerprint; /* what a resumed training must have in common, by name */
	size_t fingerprint_count;
	struct cats_engine *engine;
	double guess; /* the loss of knowing nothing */
};

/* Opens the data, makes or loads the model, allocates; nothing is written. Free the session also after a failure. */
CATS_MUST_CHECK enum cats_status cats_session_open(struct cats_session *session,
						   const struct cats_train_options *options, struct cats_error *error);
void cats_session_free(struct cats_session *session);

/* Appends a line to the curve. */
CATS_MUST_CHECK enum cats_status cats_session_curve(struct cats_session *session, const char *line,
						    struct cats_error *error);

/* Whether options->out can be begun, resumed or is finished; refuses to overwrite. */
enum cats_begin { CATS_BEGIN_NEW, CATS_BEGIN_RESUME, CATS_BEGIN_FINISHED };
CATS_MUST_CHECK enum cats_status cats_session_begin(enum cats_begin *begin, const struct cats_train_options *options,
						    struct cats_error *error);

/* Compares two fingerprints; the error names `path` and the first entry that differs. */
CATS_MUST_CHECK enum cats_status cats_session_compare(const struct cats_session *session,
						      const struct cats_metadata *saved, size_t saved_count,
						      const char *path, struct cats_error *error);

/* out/checkpoint/state.safetensors: everything that continues a training exactly. */
CATS_MUST_CHECK enum cats_status cats_checkpoint_save(const struct cats_session *session, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_checkpoint_load(struct cats_session *session, struct cats_error *error);
/* With the temporaries that killed runs left in out/ and out/checkpoint/. */
void cats_checkpoint_remove(const struct cats_train_options *options);

/* The finished model: directory, card and train.json (fingerprint and result). */
CATS_MUST_CHECK enum cats_status cats_outcome_save(const struct cats_session *session, const struct cats_model *model,
						   const struct cats_train_result *result, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_outcome_load(struct cats_train_result *result, const struct cats_session *session,
						   struct cats_error *error);

#endif
