/* SPDX-License-Identifier: MIT */
/* Blocks of inferences on threads, and what is made of them. See simulate.h. */
#include "deploy/simulate.h"

#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "deploy/quantile.h"
#include "deploy/replay_simulated.h"
#include "deploy/samples.h"
#include "deploy/score.h"
#include "sim/bare.h"
#include "sim/faults.h"
#include "sim/somegather.h"

const char *const cats_protocol_names[CATS_PROTOCOLS] = {"somegather", "bare"};

/* What is kept of one sample, so that sums are made in the order of samples. */
struct outcome {
	struct cats_score score;
	cats_time latency, waiting, air, length;
	uint64_t expected, arrived, refused, frames, air_bytes;
	uint32_t slots;
	struct cats_replay_outcome replay;
};

struct run {
	const struct cats_plan *plan;
	const struct cats_dataset *data;
	const struct cats_simulation_options *options;
	struct cats_topology topology;
	struct cats_faults faults;
	size_t block;                 /* samples */
	struct cats_samples *samples; /* [lanes] */
	uint32_t lane_count;
	size_t count;             /* of samples */
	struct outcome *outcomes; /* [count] */
	cats_time *gathers;       /* [sites, count] */
	cats_time *stages;        /* likewise */
	double *stage_uj;         /* [count, sites], of all devices */
	double *energy_uj;        /* [count, devices] */
	uint32_t sites, devices;
};

static void note_stage(const struct run *run, uint32_t site, size_t sample, const struct cats_stages *stages)
{
	cats_time spent[CATS_DRAWS];

	for (int d = 0; d < CATS_DRAWS; d++)
		spent[d] = stages->spent[site + 1][d] - stages->spent[site][d];
	run->stages[site * run->count + sample] = stages->opened[site + 1] - stages->opened[site];
	run->stage_uj[sample * run->sites + site] = cats_energy_uj(spent);
}

static void note(const struct run *run, const struct cats_samples *samples, size_t sample,
		 const struct cats_play_report *r)
{
	struct outcome *o = &run->outcomes[sample];

	*o = (struct outcome){
		.score = cats_score(r->sink, &run->plan->integer, samples, (uint32_t)sample),
		.latency = r->latency,
		.waiting = r->waiting,
		.air = r->air,
		.length = r->end - r->start,
		.expected = r->expected,
		.arrived = r->arrived,
		.refused = r->refused,
		.frames = r->frames,
		.air_bytes = r->air_bytes,
		.slots = r->slots,
	};
	for (uint32_t site = 0; site < run->sites; site++) {
		run->gathers[site * run->count + sample] = r->gather[site];
		note_stage(run, site, sample, r->stages);
	}
	for (uint32_t j = 0; j < run->devices; j++)
		run->energy_uj[sample * run->devices + j] = cats_energy_uj(r->spent[j]);
}

/* The nodes of one block, whatever plays them: one of the two. */
struct stage {
	struct cats_bare *bare;
	struct cats_somegather *somegather;
	struct cats_replayed *replayed; /* or NULL */
};

static enum cats_status raise_stage(struct stage *stage, const struct run *run, struct cats_play_options *play,
				    struct cats_error *error)
{
	*stage = (struct stage){0};
	if (run->options->replay) {
		const enum cats_status status = cats_replayed_create(&stage->replayed, run->plan, error);

		if (status < 0)
			return status;
		play->gathered = cats_replayed_gathered;
		play->context = stage->replayed;
	}
	return run->options->protocol == CATS_PROTOCOL_BARE
		       ? cats_bare_create(&stage->bare, &run->plan->shards, play, error)
		       : cats_somegather_create(&stage->somegather, &run->plan->shards, play, error);
}

static void strike_stage(struct stage *stage)
{
	cats_bare_free(stage->bare);
	cats_somegather_free(stage->somegather);
	cats_replayed_free(stage->replayed);
}

static enum cats_status infer(struct cats_play_report *report, const struct stage *stage,
			      const struct cats_fleet_input *input, size_t number, struct cats_error *error)
{
	return stage->bare != NULL ? cats_bare_infer(report, stage->bare, input, (uint16_t)number, error)
				   : cats_somegather_infer(report, stage->somegather, input, error);
}

static enum cats_status play_block(const struct run *run, struct cats_samples *samples, const struct stage *stage,
				   size_t block, struct cats_error *error)
{
	const size_t first = block * run->block;
	enum cats_status status = CATS_OK;

	for (size_t i = 0; status == CATS_OK && i < run->block && first + i < run->count; i++) {
		const struct cats_fleet_input input =
			cats_samples_input(samples, &run->plan->integer, (uint32_t)(first + i));
		struct cats_play_report report;

		status = infer(&report, stage, &input, i, error);
		if (status == CATS_OK)
			note(run, samples, first + i, &report);
		if (status == CATS_OK && stage->replayed != NULL)
			status = cats_replayed_compare(&run->outcomes[first + i].replay, stage->replayed,
						       stage->somegather, &report, &input, i, error);
	}
	return status;
}

static enum cats_status simulate_block(void *context, uint32_t lane, size_t block, struct cats_error *error)
{
	const struct run *run = context;
	const struct cats_simulation_options *options = run->options;
	struct cats_play_options play = {
		.kernels = cats_play_kernels(run->plan->facts.limits->target),
		.topology = &run->topology,
		.link_loss = options->link_loss,
		.burst_share = options->burst_share,
		.drift_ppm = options->drift_ppm,
		.seed = cats_random_key(options->seed, block),
		.faults = run->faults.list,
		.fault_count = run->faults.count,
		.observer = block == 0 ? options->observer : (struct cats_observer){0},
	};
	struct stage stage;
	enum cats_status status = raise_stage(&stage, run, &play, error);

	if (status == CATS_OK)
		status = play_block(run, &run->samples[lane], &stage, block, error);
	strike_stage(&stage);
	return status;
}

static double median_us(cats_time *times, size_t count)
{
	cats_quantile_sort(times, count);
	return cats_quantile_us(times, count, 0.5);
}

static void order_times(struct cats_simulation_result *out, const struct run *run, cats_time *latencies)
{
	for (size_t s = 0; s < run->count; s++)
		latencies[s] = run->outcomes[s].latency;
	cats_quantile_sort(latencies, run->count);
	out->latency_p50_us = cats_quantile_us(latencies, run->count, 0.5);
	out->latency_p90_us = cats_quantile_us(latencies, run->count, 0.9);
	out->latency_max_us = cats_quantile_us(latencies, run->count, 1);
	for (uint32_t site = 0; site < run->sites; site++) {
		out->gather_us[site] = median_us(run->gathers + site * run->count, run->count);
		out->stage_us[site] = median_us(run->stages + site * run->count, run->count);
	}
}

static void add_up(struct cats_simulation_result *out, const struct run *run)
{
	const double n = (double)run->count;
	cats_time latency = 0, waiting = 0, air = 0, length = 0;

	for (size_t s = 0; s < run->count; s++) {
		const struct outcome *o = &run->outcomes[s];

		out->value += o->score.value;
		out->missing += o->score.missing;
		out->expected += o->expected;
		out->arrived += o->arrived;
		out->refused += o->refused;
		if (out->different_bytes == 0 && o->replay.different > 0) {
			out->different_sample = s;
			memcpy(out->difference, o->replay.difference, sizeof out->difference);
		}
		out->compared_bytes += o->replay.compared;
		out->different_bytes += o->replay.different;
		out->slots += o->slots;
		out->frames += (double)o->frames;
		out->air_bytes += (double)o->air_bytes;
		latency += o->latency;
		waiting += o->waiting;
		air += o->air;
		length += o->length;
		for (uint32_t j = 0; j < run->devices; j++)
			out->energy_uj[j] += run->energy_uj[s * run->devices + j];
		for (uint32_t site = 0; site < run->sites; site++)
			out->stage_uj[site] += run->stage_uj[s * run->sites + site] / (n * run->devices);
	}
	out->value /= n;
	out->slots /= n;
	out->frames /= n;
	out->air_bytes /= n;
	for (uint32_t j = 0; j < run->devices; j++)
		out->energy_uj[j] /= n;
	out->air_us = cats_time_us(air) / n;
	out->waiting_share = latency > 0 ? (double)waiting / (double)latency : 0;
	out->virtual_us = cats_time_us(length);
	out->results = (uint64_t)run->count * cats_score_results(&run->plan->integer);
}

static enum cats_status run_lanes(struct cats_simulation_result *out, struct run *run, struct cats_error *error)
{
	const size_t blocks = (run->count + run->block - 1U) / run->block;
	cats_time *latencies = calloc(run->count, sizeof *latencies);
	enum cats_status status = CATS_OK;

	run->lane_count = cats_crew_lanes(&run->options->crew, blocks);
	run->samples = calloc(run->lane_count, sizeof *run->samples);
	run->outcomes = calloc(run->count, sizeof *run->outcomes);
	run->gathers = calloc(run->count * run->sites, sizeof *run->gathers);
	run->stages = calloc(run->count * run->sites, sizeof *run->stages);
	run->energy_uj = calloc(run->count * run->devices, sizeof *run->energy_uj);
	run->stage_uj = calloc(run->count * run->sites, sizeof *run->stage_uj);
	out->gather_us = calloc(run->sites, sizeof *out->gather_us);
	out->energy_uj = calloc(run->devices, sizeof *out->energy_uj);
	out->stage_us = calloc(run->sites, sizeof *out->stage_us);
	out->stage_uj = calloc(run->sites, sizeof *out->stage_uj);
	if (!latencies || !run->samples || !run->outcomes || !run->gathers || !run->stages || !run->energy_uj ||
	    !run->stage_uj || !out->gather_us || !out->energy_uj || !out->stage_us || !out->stage_uj)
		status = cats_fail(error, CATS_ERR_MEMORY, "simulation: out of memory");
	for (uint32_t i = 0; status == CATS_OK && i < run->lane_count; i++)
		status = cats_samples_create(&run->samples[i], run->data, &run->plan->integer.config, error);
	if (status == CATS_OK)
		status = cats_crew_run(&run->options->crew, blocks, simulate_block, run, "simulation", error);
	if (status == CATS_OK) {
		add_up(out, run);
		order_times(out, run, latencies);
	}
	free(latencies);
	return status;
}

static void free_run(struct run *run)
{
	for (uint32_t i = 0; run->samples && i < run->lane_count; i++)
		cats_samples_free(&run->samples[i]);
	free(run->samples);
	free(run->outcomes);
	free(run->gathers);
	free(run->stages);
	free(run->energy_uj);
	free(run->stage_uj);
	free(run->faults.list);
}

/* A fault that would never happen is a mistake in the script or the limit. */
static enum cats_status open_faults(struct run *run, struct cats_error *error)
{
	enum cats_status status;

	if (run->options->protocol != CATS_PROTOCOL_SOMEGATHER)
		return cats_fail(error, CATS_ERR_USAGE, "%s: faults need the protocol somegather",
				 run->options->faults);
	run->block = run->count;
	status = cats_faults_open(&run->faults, run->options->faults, run->devices, error);
	for (uint32_t i = 0; status == CATS_OK && i < run->faults.count; i++)
		if (run->faults.list[i].inference >= run->count)
			status = cats_fail(error, CATS_ERR_FORMAT,
					   "%s: a fault at inference %u, but only 0 to %zu are simulated",
					   run->options->faults, run->faults.list[i].inference, run->count - 1);
	return status;
}

enum cats_status cats_simulate(struct cats_simulation_result *out, const struct cats_plan *plan,
			       const struct cats_dataset *data, const char *name,
			       const struct cats_simulation_options *options, struct cats_error *error)
{
	struct run run = {
		.plan = plan,
		.data = data,
		.options = options,
		.count = options->limit != 0 && options->limit < data->samples ? options->limit : data->samples,
		.sites = cats_integer_sites(&plan->integer.config),
		.devices = plan->facts.device_count,
		.block = CATS_SIMULATION_BLOCK,
	};
	enum cats_status status = cats_samples_check(data, &plan->integer, name, error);

	*out = (struct cats_simulation_result){
		.metric = cats_score_metric(data), .samples = run.count, .sites = run.sites, .devices = run.devices};
	if (status == CATS_OK)
		status = cats_topology_open(&run.topology, options->topology ? options->topology : "full", run.devices,
					    options->seed, error);
	if (status == CATS_OK && options->faults != NULL)
		status = open_faults(&run, error);
	if (status == CATS_OK)
		status = run_lanes(out, &run, error);
	free_run(&run);
	if (status < 0)
		cats_simulation_free(out);
	return status;
}

void cats_simulation_free(struct cats_simulation_result *result)
{
	free(result->gather_us);
	free(result->energy_uj);
	free(result->stage_us);
	free(result->stage_uj);
	result->gather_us = result->energy_uj = result->stage_us = result->stage_uj = NULL;
}
