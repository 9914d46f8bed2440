/* SPDX-License-Identifier: MIT */
/* Training from data to a model directory: epochs, validation, checkpoints, resumption. Prints nothing: what happens is
 * reported through callbacks. */
#ifndef CATS_TRAIN_TRAINER_H
#define CATS_TRAIN_TRAINER_H

#include "io/dataset.h"
#include "train/batch.h"
#include "train/loss_masks.h"
#include "train/optimiser.h"
#include "train/select.h"
#include "train/stand_in.h"

/* Where training stands, for a progress display. */
struct cats_train_progress {
	uint32_t epoch, epochs; /* epoch counts from 1 */
	uint64_t batch, batches;
	double rate, train_loss;   /* learning rate; mean loss of the epoch so far */
	double seconds;            /* spent in training and validation so far, resumed runs included */
	double samples_per_second; /* since this run began */
	bool epoch_done;           /* then the following are set */
	bool best;                 /* of all epochs so far */
	double val_loss, val_metric;
};

struct cats_train_options {
	const char *data; /* as cats_dataset_open; without a split, or :train */
	uint32_t stride; /* of a series: from one training or validation window to the next; 0 means 1. Tests use all */
	const char *config;  /* file; NULL with init */
	const char *init;    /* model directory to start from; NULL: random weights */
	const char *out;     /* model directory to make */
	const char *command; /* for the model card; may be NULL */
	uint32_t devices;    /* 0: as the config says */
	double keep;         /* share of columns broadcast; 0: as the model says, or all */
	enum cats_criterion criterion;
	enum cats_stand_in stand_in; /* for what is left out; other than zero only without keep_epochs */
	uint32_t keep_epochs; /* reach `keep` by a cubic ramp over so many epochs; 0: at once, before the first step */
	struct cats_loss_spec messages; /* message dropout */
	uint32_t epochs;                /* at least 1 */
	uint32_t batch;                 /* samples a step */
	double rate, rate_floor;        /* peak learning rate; final share of it */
	double warmup_epochs;
	struct cats_adamw adamw;
	double dropout, label_smoothing;
	struct cats_augmentation augment;
	double average; /* decay of a running average of the weights (EMA) that is validated and kept; 0: none */
	bool keep_last; /* keep the last epoch's weights, not those of the best validation */
	uint64_t seed, split_seed;
	double val_share;          /* as cats_dataset_options */
	uint64_t limit;            /* train on so many samples only, the first ones; 0: all. Validation keeps all */
	uint32_t threads;          /* 0: the processors there are */
	double checkpoint_seconds; /* most seconds of training between checkpoints; 0 means 60 */
	bool resume, force;
	void (*report)(void *context, const struct cats_train_progress *progress); /* may be NULL */
	void *context;
	const volatile int *stop; /* may be NULL; once not 0: finish the batch, checkpoint, CATS_ERR_INTERRUPTED */
};

struct cats_train_result {
	uint32_t epochs, best_epoch;
	double train_loss;                    /* mean of the last epoch */
	char metric[16];                      /* "accuracy" or "mse" */
	double val_value, val_loss, val_last; /* last: as struct cats_evaluation */
	bool has_test;                        /* the data have test samples of their own */
	double test_value, test_loss, test_last;
	double seconds;
	bool resumed; /* from a checkpoint, or already finished */
};

/* The documented defaults; data, out and one of config and init are still to be set. */
struct cats_train_options cats_train_defaults(void);

/* Refuses values outside their ranges (CATS_ERR_USAGE); cats_train does so first of all. */
CATS_MUST_CHECK enum cats_status cats_train_check(const struct cats_train_options *options, struct cats_error *error);

/* Writes out/{config.json, model.safetensors, README.md, curve.csv, train.json}, and out/checkpoint/ until finished.
 * CATS_ERR_DIVERGED: out/checkpoint holds the last good state. */
CATS_MUST_CHECK enum cats_status cats_train(struct cats_train_result *result, const struct cats_train_options *options,
					    struct cats_error *error);

#endif
