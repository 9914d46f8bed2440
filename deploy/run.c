/* SPDX-License-Identifier: MIT */
/* Fleets on threads. See run.h. */
#include "deploy/run.h"

#include <stdlib.h>

#include "deploy/samples.h"

/* One thread's own memory. */
struct lane {
	struct cats_samples samples;
	struct cats_fleet *fleet;
};

/* What is kept of one sample, so that sums are made in the order of samples. */
struct outcome {
	double score; /* 0 or 1 for a label, mean squared error for targets, */
	double last;  /* of the last row */
	uint32_t missing;
	struct cats_fleet_report report;
};

struct run {
	struct cats_plan *plan;
	const struct cats_dataset *data;
	struct cats_kernels kernels;
	struct lane *lanes;
	uint32_t lane_count;
	struct outcome *outcomes; /* [samples] */
	uint32_t rows, columns;   /* of the result */
};

static void squared_error(struct outcome *outcome, const struct run *run, const struct cats_samples *samples,
			  const struct cats_node *sink, size_t sample)
{
	const struct cats_wanted wanted = cats_feed_wanted(&samples->feed, (uint32_t)sample);
	const double scale = *run->plan->integer.scale_result * (double)wanted.deviation;
	double sum = 0;

	for (uint32_t row = 0; row < run->rows; row++) {
		outcome->last = 0;
		for (uint32_t column = 0; column < run->columns; column++) {
			int32_t value;

			if (cats_node_result(&value, sink, row, column) != 1)
				outcome->missing++;
			const double error = value * scale + (double)wanted.mean -
					     (double)wanted.values[row * wanted.stride + column];

			outcome->last += error * error;
		}
		sum += outcome->last;
	}
	outcome->score = sum / ((double)run->rows * run->columns);
	outcome->last /= run->columns;
}

static double hit(uint32_t *missing, const struct run *run, const struct cats_node *sink, size_t sample)
{
	for (uint32_t column = 0; column < run->columns; column++) {
		int32_t value;

		if (cats_node_result(&value, sink, 0, column) != 1)
			++*missing;
	}
	return cats_node_class(sink) == (int)run->data->labels[sample] ? 1 : 0;
}

static enum cats_status infer(void *context, uint32_t index, size_t item, struct cats_error *error)
{
	const struct run *run = context;
	struct lane *lane = &run->lanes[index];
	struct outcome *outcome = &run->outcomes[item];
	const struct cats_fleet_input input = cats_samples_input(&lane->samples, &run->plan->integer, (uint32_t)item);
	const enum cats_status status = cats_fleet_run(&outcome->report, lane->fleet, &input, item, error);

	if (status < 0)
		return status;
	if (run->data->labels != NULL)
		outcome->score = hit(&outcome->missing, run, cats_fleet_sink(lane->fleet), item);
	else
		squared_error(outcome, run, &lane->samples, cats_fleet_sink(lane->fleet), item);
	return CATS_OK;
}

static void sum(struct cats_run_result *out, const struct run *run)
{
	for (size_t s = 0; s < out->samples; s++) {
		const struct outcome *o = &run->outcomes[s];

		out->value += o->score;
		out->last += run->plan->integer.config.pool == CATS_POOL_NONE ? o->last : 0;
		out->missing += o->missing;
		out->report.air_bytes += o->report.air_bytes;
		out->report.packets += o->report.packets;
		out->report.macs += o->report.macs;
		out->report.expected += o->report.expected;
		out->report.arrived += o->report.arrived;
	}
	out->value /= (double)out->samples;
	out->last /= (double)out->samples;
	out->results = (uint64_t)out->samples * run->rows * run->columns;
}

static enum cats_status create_lanes(struct run *run, const struct cats_run_options *options, struct cats_error *error)
{
	const struct cats_fleet_options fleet = {.kernels = &run->kernels, .loss = options->loss};
	enum cats_status status = CATS_OK;

	for (uint32_t i = 0; status == CATS_OK && i < run->lane_count; i++) {
		status = cats_samples_create(&run->lanes[i].samples, run->data, &run->plan->integer.config, error);
		if (status == CATS_OK)
			status = cats_fleet_create(&run->lanes[i].fleet, &run->plan->shards, &fleet, error);
	}
	return status;
}

static enum cats_status run_lanes(struct cats_run_result *out, struct run *run, const struct cats_run_options *options,
				  struct cats_error *error)
{
	enum cats_status status;

	run->lane_count = cats_crew_lanes(&options->crew, out->samples);
	run->lanes = calloc(run->lane_count, sizeof *run->lanes);
	run->outcomes = calloc(out->samples, sizeof *run->outcomes);
	if (!run->lanes || !run->outcomes)
		status = cats_fail(error, CATS_ERR_MEMORY, "run: out of memory");
	else
		status = create_lanes(run, options, error);
	if (status == CATS_OK)
		status = cats_crew_run(&options->crew, out->samples, infer, run, "run", error);
	if (status == CATS_OK)
		sum(out, run);
	for (uint32_t i = 0; run->lanes && i < run->lane_count; i++) {
		cats_samples_free(&run->lanes[i].samples);
		cats_fleet_free(run->lanes[i].fleet);
	}
	free(run->lanes);
	free(run->outcomes);
	return status;
}

enum cats_status cats_run(struct cats_run_result *out, struct cats_plan *plan, const struct cats_dataset *data,
			  const char *name, const struct cats_run_options *options, struct cats_error *error)
{
	const struct cats_config *c = &plan->integer.config;
	const uint32_t out_site = cats_integer_sites(c) - 1U;
	struct run run = {
		.plan = plan,
		.data = data,
		.rows = cats_integer_site_tokens(c, out_site),
		.columns = c->n_out,
	};
	const enum cats_status status = cats_samples_check(data, &plan->integer, name, error);

	*out = (struct cats_run_result){
		.metric = data->labels != NULL ? "accuracy" : "mse",
		.samples = options->limit != 0 && options->limit < data->samples ? options->limit : data->samples,
	};
	if (status < 0)
		return status;
	if (!cats_kernels_host(&run.kernels, NULL) || options->kernels != NULL)
		run.kernels = options->kernels != NULL ? *options->kernels : cats_kernels_plain;
	cats_shards_unpack(&plan->shards);
	return run_lanes(out, &run, options, error);
}
