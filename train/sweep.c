/* SPDX-License-Identifier: MIT */
/* Several models over a grid of message losses. See sweep.h. */
#include "train/sweep.h"

#include <math.h>

/* The state of one run, for the recursion over its grid. */
struct run {
	const struct cats_sweep *sweep;
	const struct cats_dataset *data;
	const char *name;
	const struct cats_evaluation_options *options;
	size_t done, of;
	struct cats_evaluation last;
};

static bool is_lossless(const struct cats_sweep *s, size_t entry, size_t rate)
{
	return s->rates[rate] <= 0 || s->entries[entry].model.config.devices == 1;
}

size_t cats_sweep_evaluations(const struct cats_sweep *s)
{
	size_t count = 0;

	for (size_t e = 0; e < s->entry_count; e++) {
		bool lossless = false;

		for (size_t r = 0; r < s->rate_count; r++)
			if (is_lossless(s, e, r))
				lossless = true;
			else
				count += s->kind_count * s->seeds;
		count += lossless;
	}
	return count;
}

/* Into run->last. */
static enum cats_status recall_or_evaluate(struct run *run, const struct cats_sweep_entry *entry,
					   const struct cats_evaluation_options *options, struct cats_error *error)
{
	const struct cats_model *model = &entry->model;
	struct cats_sweep_record *record = run->sweep->record;
	char key[CATS_SWEEP_KEY_BYTES];
	enum cats_status status;

	if (entry->evaluate != NULL)
		return entry->evaluate(&run->last, entry->context, run->data, run->name, options, error);
	if (record == NULL)
		return cats_evaluate(&run->last, model, run->data, run->name, options, error);
	status = cats_sweep_key(key, model, run->data, options, error);
	if (status < 0 || cats_sweep_record_find(&run->last, record, key))
		return status;
	status = cats_evaluate(&run->last, model, run->data, run->name, options, error);
	return status == CATS_OK ? cats_sweep_record_add(record, key, &run->last, error) : status;
}

static enum cats_status evaluate(struct run *run, size_t entry, const struct cats_loss_spec *loss, uint64_t seed,
				 struct cats_error *error)
{
	struct cats_evaluation_options options = *run->options;
	enum cats_status status;

	options.loss = *loss;
	options.seed = seed;
	options.outputs = NULL;
	options.progress = NULL; /* an evaluation takes seconds: its end is progress enough */
	status = recall_or_evaluate(run, &run->sweep->entries[entry], &options, error);
	run->done++;
	if (run->options->progress)
		run->options->progress(run->options->context, run->done, run->of);
	return status;
}

static enum cats_status lossy_cell(struct cats_sweep_cell *cell, struct run *run, size_t entry, size_t kind,
				   size_t rate, struct cats_error *error)
{
	const struct cats_sweep *s = run->sweep;
	struct cats_loss_spec loss = {0};
	double sum = 0, squares = 0;
	enum cats_status status = cats_loss_kinds(&loss, s->kinds[kind], s->rates[rate], error);

	loss.per_packet = run->options->loss.per_packet;
	loss.payload_bytes = run->options->loss.payload_bytes;
	for (uint32_t i = 0; status >= 0 && i < s->seeds; i++) {
		status = evaluate(run, entry, &loss, s->seed + i, error);
		sum += run->last.value;
		squares += run->last.value * run->last.value;
	}
	cell->seeds = s->seeds;
	cell->mean = sum / s->seeds;
	if (s->seeds > 1)
		cell->deviation = sqrt(fmax(0, (squares - sum * cell->mean) / (s->seeds - 1)));
	return status;
}

enum cats_status cats_sweep_run(struct cats_sweep_cell *cells, const char **metric, size_t *samples,
				const struct cats_sweep *s, const struct cats_dataset *data, const char *name,
				const struct cats_evaluation_options *options, struct cats_error *error)
{
	const struct cats_loss_spec nothing = {0};
	struct run run = {
		.sweep = s,
		.data = data,
		.name = name,
		.options = options,
		.of = cats_sweep_evaluations(s),
	};

	for (size_t e = 0; e < s->entry_count; e++) {
		struct cats_sweep_cell lossless = {0};

		for (size_t k = 0; k < s->kind_count; k++)
			for (size_t r = 0; r < s->rate_count; r++) {
				struct cats_sweep_cell *cell = &cells[(e * s->kind_count + k) * s->rate_count + r];
				enum cats_status status = CATS_OK;

				*cell = (struct cats_sweep_cell){0};
				if (!is_lossless(s, e, r)) {
					status = lossy_cell(cell, &run, e, k, r, error);
				} else if (lossless.seeds == 0) {
					status = evaluate(&run, e, &nothing, s->seed, error);
					lossless = (struct cats_sweep_cell){.mean = run.last.value, .seeds = 1};
				}
				if (status < 0)
					return status;
				if (is_lossless(s, e, r))
					*cell = lossless;
			}
	}
	*metric = run.last.metric;
	*samples = run.last.samples;
	return CATS_OK;
}
