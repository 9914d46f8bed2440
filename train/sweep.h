/* SPDX-License-Identifier: MIT */
/* Several models over a grid of message losses: kinds, rates, seeds. Deterministic. */
#ifndef CATS_TRAIN_SWEEP_H
#define CATS_TRAIN_SWEEP_H

#include "train/evaluate.h"
#include "train/sweep_record.h"

/* One model of the sweep. */
struct cats_sweep_entry {
	const char *label;
	struct cats_model model; /* with config.devices as it is to be evaluated */
	/* NULL: the model in float32. Else evaluates the entry, of whose model only the config is looked at, and which
	 * no record keeps. */
	enum cats_status (*evaluate)(struct cats_evaluation *out, void *context, const struct cats_dataset *data,
				     const char *name, const struct cats_evaluation_options *options,
				     struct cats_error *error);
	void *context;
};

struct cats_sweep {
	const struct cats_sweep_entry *entries;
	size_t entry_count;
	const char *const *kinds; /* as cats_loss_kinds: "link", "receiver", "sender", "all" */
	size_t kind_count;
	const double *rates; /* of loss, in [0, 1] */
	size_t rate_count;
	uint32_t seeds;                   /* a rate of 0 needs and gets only one */
	uint64_t seed;                    /* the first one */
	struct cats_sweep_record *record; /* NULL, or where finished evaluations are found and kept */
};

/* One place of the grid: mean over seeds of the metric, and the sample standard deviation (0 for one seed). */
struct cats_sweep_cell {
	double mean, deviation;
	uint32_t seeds;
};

/* Evaluations that a sweep makes: a lossless one is made once a model, and one device hears no messages to lose. */
size_t cats_sweep_evaluations(const struct cats_sweep *sweep);

/* cells[entry_count, kind_count, rate_count]; *metric is the record's where there is one. `options` gives threads,
 * limit, stop and progress (called with evaluations done); its loss, seed and outputs are not used. */
CATS_MUST_CHECK enum cats_status cats_sweep_run(struct cats_sweep_cell *cells, const char **metric, size_t *samples,
						const struct cats_sweep *sweep, const struct cats_dataset *data,
						const char *name, const struct cats_evaluation_options *options,
						struct cats_error *error);

#endif
