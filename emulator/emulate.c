/* SPDX-License-Identifier: MIT */
/* Blocks of inferences, and what is made of them. See emulate.h. */
#include "emulator/emulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "deploy/quantile.h"
#include "deploy/replay.h"
#include "deploy/samples.h"
#include "deploy/score.h"
#include "emulator/trace.h"
#include "sim/faults.h"

/* What is kept of one sample, so that sums are made in the order of samples. */
struct outcome {
	double value;
	cats_time latency, length, air;
	uint64_t missing, expected, arrived, frames;
	uint32_t resets;
	/* Against the host. */
	bool replayed;
	uint64_t compared, different;
	char difference[160];
};

/* And of one node in it. */
struct effort {
	cats_time spent[CATS_DRAWS];
	uint64_t instructions;
};

struct run {
	const struct cats_plan *plan;
	const struct cats_elf *firmware;
	const struct cats_dataset *data;
	const struct cats_emulation_options *options;
	struct cats_topology topology;
	struct cats_faults faults;
	size_t block; /* samples */
	size_t count; /* of samples */
	uint32_t devices, lane_count;
	struct cats_samples *samples;     /* [lanes] */
	struct outcome *outcomes;         /* [count] */
	struct effort *efforts;           /* [count, devices] */
	struct cats_stage_memory *memory; /* [blocks, devices] */
	struct cats_said_slack *slack;    /* the same */
};

/* ---- A result ---- */

/* As core/runtime.h: the first of the largest outputs; a class that did not arrive counts as -∞. */
static void score_class(struct outcome *o, const struct run *run, const struct cats_stage_report *r, size_t sample)
{
	for (uint32_t i = 0; i < r->columns; i++)
		o->missing += r->there[i] ? 0 : 1U;
	o->value = r->has_result && r->class_ == (int32_t)run->data->labels[sample] ? 1 : 0;
}

static void score_values(struct outcome *o, const struct run *run, const struct cats_samples *samples,
			 const struct cats_stage_report *r, size_t sample)
{
	const struct cats_wanted wanted = cats_feed_wanted(&samples->feed, (uint32_t)sample);
	const double scale = *run->plan->integer.scale_result * (double)wanted.deviation;

	for (uint32_t row = 0; row < r->rows; row++)
		for (uint32_t column = 0; column < r->columns; column++) {
			const uint32_t i = row * r->columns + column;
			const double error = r->outputs[i] * scale + (double)wanted.mean -
					     (double)wanted.values[row * wanted.stride + column];

			o->missing += r->there[i] ? 0 : 1U;
			o->value += error * error;
		}
	o->value /= (double)r->rows * r->columns;
}

static void note(const struct run *run, const struct cats_samples *samples, size_t sample,
		 const struct cats_stage_report *r)
{
	struct outcome *o = &run->outcomes[sample];

	*o = (struct outcome){
		.latency = r->latency,
		.length = r->end - r->start,
		.air = r->air,
		.expected = r->expected,
		.arrived = r->arrived,
		.frames = r->frames,
		.resets = r->resets,
	};
	if (run->data->labels != NULL)
		score_class(o, run, r, sample);
	else
		score_values(o, run, samples, r, sample);
	for (uint32_t j = 0; j < run->devices; j++) {
		struct effort *e = &run->efforts[sample * run->devices + j];

		for (uint32_t d = 0; d < CATS_DRAWS; d++)
			e->spent[d] = r->spent[j][d];
		e->instructions = r->instructions[j];
	}
}

/* ---- The same on the host ---- */

static void differ(struct outcome *o, uint64_t bytes, const char *what, uint32_t node, uint32_t at)
{
	if (o->different == 0)
		snprintf(o->difference, sizeof o->difference, "node %u, %s %u", node, what, at);
	o->different += bytes;
}

static void compare_result(struct outcome *o, const struct cats_node *sink, const struct cats_stage_report *r)
{
	for (uint32_t i = 0; i < r->rows * r->columns; i++) {
		int32_t value = 0;
		const bool there = cats_node_result(&value, sink, i / r->columns, i % r->columns) == 1;

		o->compared += sizeof value;
		if (there != (r->there[i] != 0) || (there && value != r->outputs[i]))
			differ(o, sizeof value, "output", sink->shard.header->device, i);
	}
}

static void compare_arena(struct outcome *o, const struct cats_node *node, const uint8_t *got)
{
	const struct cats_shard_header *h = node->shard.header;

	o->compared += h->arena_bytes;
	for (uint32_t i = 0; i < h->arena_bytes; i++)
		if (got[i] != node->arena[i])
			differ(o, 1, "arena byte", h->device, i);
}

/* What nobody writes is then the same on both sides. */
static void paint_arenas(const struct cats_replay *replay, uint32_t devices)
{
	for (uint32_t j = 0; j < devices; j++) {
		const struct cats_node *node = cats_replay_node(replay, j);

		memset(node->arena, CATS_M4_PAINT, node->shard.header->arena_bytes);
	}
}

static enum cats_status compare(struct outcome *o, const struct run *run, struct cats_replay *replay,
				const struct cats_stage *stage, const struct cats_fleet_input *input, size_t sample,
				const struct cats_stage_report *r, struct cats_error *error)
{
	struct cats_finding finding;
	const enum cats_status status =
		cats_replay_run(&finding, replay, input, sample, r->lacks, r->lack_count, error);

	if (status < 0)
		return status;
	o->replayed = true;
	o->compared = finding.compared;
	if (finding.different > 0)
		differ(o, finding.different, "the host's own, site", finding.first.node, finding.first.site);
	compare_result(o, cats_replay_sink(replay), r);
	for (uint32_t j = 0; j < run->devices; j++)
		if (r->took_part[j])
			compare_arena(o, cats_replay_node(replay, j), cats_stage_arena(stage, j));
	return CATS_OK;
}

/* ---- Blocks ---- */

/* One sample; a trace is of the first alone. */
static enum cats_status infer(struct cats_stage_report *report, const struct run *run, struct cats_stage *stage,
			      const struct cats_fleet_input *input, size_t sample, struct cats_error *error)
{
	const struct cats_emulation_options *o = run->options;
	struct cats_trace *trace = NULL;
	enum cats_status status = CATS_OK, ended;

	if (sample == 0 && o->trace != NULL)
		status = cats_trace_begin(&trace, cats_chip_core(cats_chips_at(cats_stage_chips(stage), o->traced)),
					  o->trace, error);
	if (status == CATS_OK)
		status = cats_stage_infer(report, stage, input, error);
	ended = cats_trace_end(trace, status < 0 ? NULL : error);
	return status < 0 ? status : ended;
}

static enum cats_status play_block(const struct run *run, struct cats_samples *samples, struct cats_stage *stage,
				   struct cats_replay *replay, size_t block, struct cats_error *error)
{
	const size_t first = block * run->block;
	const volatile int *stop = run->options->crew.stop;
	enum cats_status status = CATS_OK;

	for (size_t i = first; status == CATS_OK && i < first + run->block && i < run->count; i++) {
		const struct cats_fleet_input input = cats_samples_input(samples, &run->plan->integer, (uint32_t)i);
		struct cats_stage_report report;

		if (stop != NULL && *stop != 0)
			return cats_fail(error, CATS_ERR_INTERRUPTED, "emulation: interrupted");
		status = infer(&report, run, stage, &input, i, error);
		if (status == CATS_OK)
			note(run, samples, i, &report);
		if (status == CATS_OK && report.has_result)
			status = compare(&run->outcomes[i], run, replay, stage, &input, i, &report, error);
	}
	return status;
}

static enum cats_status emulate_block(void *context, uint32_t lane, size_t block, struct cats_error *error)
{
	const struct run *run = context;
	const struct cats_emulation_options *o = run->options;
	const struct cats_stage_options options = {
		.firmware = run->firmware,
		.shards = &run->plan->shards,
		.topology = &run->topology,
		.link_loss = o->link_loss,
		.burst_share = o->burst_share,
		.drift_ppm = o->drift_ppm,
		.seed = cats_random_key(o->seed, block),
		.fast = !o->strict,
		.ccm_keeps_rate = o->ccm_keeps_rate,
		.observer = block == 0 ? o->observer : (struct cats_observer){0},
		.keeps_log = block == 0 && o->serial != NULL,
		.faults = run->faults.list,
		.fault_count = run->faults.count,
	};
	struct cats_replay *replay;
	struct cats_stage *stage;
	enum cats_status status = cats_replay_create(&replay, run->plan, error);

	if (status < 0)
		return status;
	paint_arenas(replay, run->devices);
	status = cats_stage_create(&stage, &options, error);
	if (status < 0) {
		cats_replay_free(replay);
		return status;
	}
	status = play_block(run, &run->samples[lane], stage, replay, block, error);
	for (uint32_t j = 0; j < run->devices; j++)
		run->memory[block * run->devices + j] = cats_stage_memory(stage, j);
	for (uint32_t j = 0; j < run->devices; j++)
		run->slack[block * run->devices + j] = cats_stage_slack(stage, j);
	if (options.keeps_log) { /* also of what failed: that is when it is wanted */
		const enum cats_status written = cats_stage_write_log(stage, o->serial, status < 0 ? NULL : error);

		status = status < 0 ? status : written;
	}
	cats_stage_free(stage);
	cats_replay_free(replay);
	return status;
}

/* ---- Sums ---- */

static void order_latencies(struct cats_emulation_result *out, const struct run *run, cats_time *latencies)
{
	for (size_t s = 0; s < run->count; s++)
		latencies[s] = run->outcomes[s].latency;
	cats_quantile_sort(latencies, run->count);
	out->latency_p50_us = cats_quantile_us(latencies, run->count, 0.5);
	out->latency_p90_us = cats_quantile_us(latencies, run->count, 0.9);
	out->latency_max_us = cats_quantile_us(latencies, run->count, 1);
}

static void add_samples(struct cats_emulation_result *out, const struct run *run)
{
	cats_time air = 0, length = 0;

	for (size_t s = 0; s < run->count; s++) {
		const struct outcome *o = &run->outcomes[s];

		out->value += o->value;
		out->missing += o->missing;
		out->expected += o->expected;
		out->arrived += o->arrived;
		out->resets += o->resets;
		out->replayed += o->replayed ? 1U : 0;
		out->compared_bytes += o->compared;
		if (out->different_bytes == 0 && o->different > 0)
			snprintf(out->difference, sizeof out->difference, "sample %zu, %.120s", s, o->difference);
		out->different_bytes += o->different;
		out->frames += (double)o->frames;
		air += o->air;
		length += o->length;
	}
	out->value /= (double)run->count;
	out->frames /= (double)run->count;
	out->air_us = cats_time_us(air) / (double)run->count;
	out->virtual_us = cats_time_us(length);
}

static void add_node(struct cats_emulation_result *out, const struct run *run, uint32_t j)
{
	const double n = (double)run->count;

	for (size_t s = 0; s < run->count; s++) {
		const struct effort *e = &run->efforts[s * run->devices + j];

		out->energy_uj[j] += cats_energy_uj(e->spent) / n;
		out->instructions[j] += (double)e->instructions / n;
		out->instructions_all += e->instructions;
		out->cpu_us[j] += cats_time_us(e->spent[CATS_DRAW_CPU]) / n;
		out->send_us[j] += cats_time_us(e->spent[CATS_DRAW_SEND]) / n;
		out->hear_us[j] += cats_time_us(e->spent[CATS_DRAW_HEAR]) / n;
	}
}

static void add_memory(struct cats_emulation_result *out, const struct run *run, size_t blocks)
{
	for (size_t i = 0; i < blocks * run->devices; i++) {
		struct cats_stage_memory *most = &out->memory[i % run->devices];
		const struct cats_stage_memory *m = &run->memory[i], before = *most;

		*most = *m;
		if (before.thread_stack_bytes > m->thread_stack_bytes)
			most->thread_stack_bytes = before.thread_stack_bytes;
		if (before.interrupt_stack_bytes > m->interrupt_stack_bytes)
			most->interrupt_stack_bytes = before.interrupt_stack_bytes;
	}
}

static void add_slack(struct cats_emulation_result *out, const struct run *run, size_t blocks)
{
	cats_slack_clear(&out->slack);
	for (size_t i = 0; i < blocks * run->devices; i++)
		cats_slack_add(&out->slack, &run->slack[i]);
}

static bool allocate(struct cats_emulation_result *out, struct run *run, size_t blocks)
{
	const uint32_t D = run->devices;

	run->samples = calloc(run->lane_count, sizeof *run->samples);
	run->outcomes = calloc(run->count, sizeof *run->outcomes);
	run->efforts = calloc(run->count * D, sizeof *run->efforts);
	run->memory = calloc(blocks * D, sizeof *run->memory);
	run->slack = calloc(blocks * D, sizeof *run->slack);
	out->energy_uj = calloc(D, sizeof *out->energy_uj);
	out->instructions = calloc(D, sizeof *out->instructions);
	out->cpu_us = calloc(D, sizeof *out->cpu_us);
	out->send_us = calloc(D, sizeof *out->send_us);
	out->hear_us = calloc(D, sizeof *out->hear_us);
	out->memory = calloc(D, sizeof *out->memory);
	return run->samples && run->outcomes && run->efforts && run->memory && run->slack && out->energy_uj &&
	       out->instructions && out->cpu_us && out->send_us && out->hear_us && out->memory;
}

static enum cats_status run_lanes(struct cats_emulation_result *out, struct run *run, struct cats_error *error)
{
	const size_t blocks = (run->count + run->block - 1U) / run->block;
	cats_time *latencies = calloc(run->count, sizeof *latencies);
	enum cats_status status = CATS_OK;

	run->lane_count = cats_crew_lanes(&run->options->crew, blocks);
	if (!latencies || !allocate(out, run, blocks))
		status = cats_fail(error, CATS_ERR_MEMORY, "emulation: out of memory");
	for (uint32_t i = 0; status == CATS_OK && i < run->lane_count; i++)
		status = cats_samples_create(&run->samples[i], run->data, &run->plan->integer.config, error);
	if (status == CATS_OK)
		status = cats_crew_run(&run->options->crew, blocks, emulate_block, run, "emulation", error);
	if (status == CATS_OK) {
		add_samples(out, run);
		for (uint32_t j = 0; j < run->devices; j++)
			add_node(out, run, j);
		add_memory(out, run, blocks);
		add_slack(out, run, blocks);
		order_latencies(out, run, latencies);
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
	free(run->efforts);
	free(run->memory);
	free(run->slack);
	free(run->faults.list);
}

/* A fault that would never happen, or cannot, is a mistake in the script or the limit. */
static enum cats_status open_faults(struct run *run, struct cats_error *error)
{
	const char *path = run->options->faults;
	enum cats_status status = cats_faults_open(&run->faults, path, run->devices, error);

	run->block = run->count;
	for (uint32_t i = 0; status == CATS_OK && i < run->faults.count; i++) {
		const struct cats_fault *f = &run->faults.list[i];

		if (f->kind == CATS_FAULT_FREEZE)
			status = cats_fail(error, CATS_ERR_FORMAT, "%s: freeze: an emulated chip cannot be frozen",
					   path);
		else if (f->inference >= run->count)
			status = cats_fail(error, CATS_ERR_FORMAT,
					   "%s: a fault at inference %u, but only 0 to %zu are emulated", path,
					   f->inference, run->count - 1);
	}
	return status;
}

enum cats_status cats_emulate(struct cats_emulation_result *out, const struct cats_plan *plan,
			      const struct cats_elf *firmware, const struct cats_dataset *data, const char *name,
			      const struct cats_emulation_options *options, struct cats_error *error)
{
	struct run run = {
		.plan = plan,
		.firmware = firmware,
		.data = data,
		.options = options,
		.count = options->limit != 0 && options->limit < data->samples ? options->limit : data->samples,
		.devices = plan->facts.device_count,
		.block = CATS_EMULATION_BLOCK,
	};
	enum cats_status status = cats_samples_check(data, &plan->integer, name, error);

	*out = (struct cats_emulation_result){
		.metric = cats_score_metric(data), .samples = run.count, .devices = run.devices};
	if (status == CATS_OK)
		status = cats_topology_open(&run.topology, options->topology ? options->topology : "full", run.devices,
					    options->seed, error);
	if (status == CATS_OK && options->faults != NULL)
		status = open_faults(&run, error);
	if (status == CATS_OK)
		status = run_lanes(out, &run, error);
	free_run(&run);
	if (status < 0)
		cats_emulation_free(out);
	return status;
}

void cats_emulation_free(struct cats_emulation_result *result)
{
	free(result->energy_uj);
	free(result->instructions);
	free(result->cpu_us);
	free(result->send_us);
	free(result->hear_us);
	free(result->memory);
	*result = (struct cats_emulation_result){0};
}
