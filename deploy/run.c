/* SPDX-License-Identifier: MIT */
/* Fleets on threads. See run.h. */
#include "deploy/run.h"

#include <stdlib.h>

#include "deploy/samples.h"
#include "deploy/score.h"

/* One thread's own memory. */
struct lane {
	struct cats_samples samples;
	struct cats_fleet *fleet;
};

/* What is kept of one sample, so that sums are made in the order of samples. */
struct outcome {
	struct cats_score score;
	struct cats_fleet_report report;
};

struct run {
	struct cats_plan *plan;
	const struct cats_dataset *data;
	struct cats_kernels kernels;
	struct lane *lanes;
	uint32_t lane_count;
	struct outcome *outcomes; /* [samples] */
};

static enum cats_status infer(void *context, uint32_t index, size_t item, struct cats_error *error)
{
	const struct run *run = context;
	struct lane *lane = &run->lanes[index];
	struct outcome *outcome = &run->outcomes[item];
	const struct cats_fleet_input input = cats_samples_input(&lane->samples, &run->plan->integer, (uint32_t)item);
	const enum cats_status status = cats_fleet_run(&outcome->report, lane->fleet, &input, item, error);

	if (status < 0)
		return status;
	outcome->score = cats_score(cats_fleet_sink(lane->fleet), &run->plan->integer, &lane->samples, (uint32_t)item);
	return CATS_OK;
}

static void sum(struct cats_run_result *out, const struct run *run)
{
	for (size_t s = 0; s < out->samples; s++) {
		const struct outcome *o = &run->outcomes[s];

		out->value += o->score.value;
		out->last += o->score.last;
		out->missing += o->score.missing;
		out->report.air_bytes += o->report.air_bytes;
		out->report.packets += o->report.packets;
		out->report.macs += o->report.macs;
		out->report.expected += o->report.expected;
		out->report.arrived += o->report.arrived;
	}
	out->value /= (double)out->samples;
	out->last /= (double)out->samples;
	out->results = (uint64_t)out->samples * cats_score_results(&run->plan->integer);
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
	struct run run = {.plan = plan, .data = data};
	const enum cats_status status = cats_samples_check(data, &plan->integer, name, error);

	*out = (struct cats_run_result){
		.metric = cats_score_metric(data),
		.samples = options->limit != 0 && options->limit < data->samples ? options->limit : data->samples,
	};
	if (status < 0)
		return status;
	if (!cats_kernels_host(&run.kernels, NULL) || options->kernels != NULL)
		run.kernels = options->kernels != NULL ? *options->kernels : cats_kernels_plain;
	cats_shards_unpack(&plan->shards);
	return run_lanes(out, &run, options, error);
}
