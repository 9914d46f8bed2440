/* SPDX-License-Identifier: MIT */
/* The fleet against the reference. See verify.h. */
#include "deploy/verify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/samples.h"

/* One thread's own memory; what the observer of its fleet needs. */
struct lane {
	const struct run *run;
	struct cats_samples samples;
	struct cats_fleet *fleet;
	struct cats_trace trace;
	struct cats_receipts receipts;
	struct cats_comparison comparison; /* of the sample at hand */
};

struct run {
	struct cats_plan *plan;
	const struct cats_dataset *data;
	const struct cats_verify_options *options;
	struct cats_kernels kernels;
	uint32_t devices, reference_devices;
	struct lane *lanes;
	uint32_t lane_count;
	struct cats_finding *findings; /* [samples] */
};

static void compare_site(void *context, const struct cats_fleet *fleet, uint32_t site)
{
	struct lane *lane = context;

	cats_compare_site(&lane->comparison, fleet, site);
}

static enum cats_status infer(struct lane *lane, struct cats_error *error)
{
	const struct cats_integer *m = &lane->run->plan->integer;
	const uint32_t sample = (uint32_t)lane->comparison.sample;
	const struct cats_reference_input in = {cats_samples_quantised(&lane->samples, m, sample),
						lane->run->reference_devices,
						(const uint8_t *const *)lane->receipts.at};
	enum cats_status status = cats_reference_run(&lane->trace, m, &in, error);
	const struct cats_fleet_input input = cats_samples_input(&lane->samples, m, sample);
	struct cats_fleet_report report;

	if (status == CATS_OK)
		status = cats_fleet_run(&report, lane->fleet, &input, sample, error);
	if (status == CATS_OK)
		cats_compare_results(&lane->comparison, lane->fleet);
	return status;
}

static enum cats_status verify_sample(void *context, uint32_t index, size_t item, struct cats_error *error)
{
	const struct run *run = context;
	struct lane *lane = &run->lanes[index];
	enum cats_status status = cats_receipts_create(&lane->receipts, &run->plan->integer, run->devices,
						       run->plan->facts.payload_max, &run->options->loss, item, error);

	lane->comparison = (struct cats_comparison){.integer = &run->plan->integer,
						    .devices = run->devices,
						    .trace = &lane->trace,
						    .receipts = &lane->receipts,
						    .sample = item};
	if (status == CATS_OK)
		status = infer(lane, error);
	run->findings[item] = lane->comparison.finding;
	cats_receipts_free(&lane->receipts);
	return status;
}

static enum cats_status create_lane(struct lane *lane, const struct run *run, struct cats_error *error)
{
	const struct cats_fleet_options options = {
		.kernels = &run->kernels, .loss = run->options->loss, .observe = compare_site, .context = lane};
	enum cats_status status;

	lane->run = run;
	status = cats_samples_create(&lane->samples, run->data, &run->plan->integer.config, error);
	if (status == CATS_OK)
		status = cats_trace_create(&lane->trace, &run->plan->integer, error);
	if (status == CATS_OK)
		status = cats_fleet_create(&lane->fleet, &run->plan->shards, &options, error);
	return status;
}

static void free_lane(struct lane *lane)
{
	cats_samples_free(&lane->samples);
	cats_trace_free(&lane->trace);
	cats_fleet_free(lane->fleet);
}

static void sum(struct cats_verify_result *out, const struct run *run)
{
	for (size_t s = 0; s < out->samples; s++) {
		const struct cats_finding *f = &run->findings[s];

		if (out->different_bytes == 0)
			out->first = f->first;
		out->compared_bytes += f->compared;
		out->different_bytes += f->different;
	}
	out->identical = out->shards_identical && out->different_bytes == 0;
}

static enum cats_status run_lanes(struct cats_verify_result *out, struct run *run, struct cats_error *error)
{
	enum cats_status status = CATS_OK;

	run->lane_count = cats_crew_lanes(&run->options->crew, out->samples);
	run->lanes = calloc(run->lane_count, sizeof *run->lanes);
	run->findings = calloc(out->samples, sizeof *run->findings);
	if (!run->lanes || !run->findings)
		status = cats_fail(error, CATS_ERR_MEMORY, "verify: out of memory");
	for (uint32_t i = 0; status == CATS_OK && i < run->lane_count; i++)
		status = create_lane(&run->lanes[i], run, error);
	if (status == CATS_OK)
		status = cats_crew_run(&run->options->crew, out->samples, verify_sample, run, "verify", error);
	if (status == CATS_OK)
		sum(out, run);
	for (uint32_t i = 0; run->lanes && i < run->lane_count; i++)
		free_lane(&run->lanes[i]);
	free(run->lanes);
	free(run->findings);
	return status;
}

/* Where shard j differs from the fresh one, or the end of the shorter. Its checksum follows from the rest and was put
 * right when loading: of it counts only whether the file had another, and only where nothing else differs. */
static uint32_t differs_at(const struct cats_plan *plan, uint32_t j, const struct cats_shards *fresh)
{
	const uint32_t checksum = offsetof(struct cats_shard_header, crc32);
	const size_t size = plan->shards.sizes[j], fresh_size = fresh->sizes[j];
	const uint8_t *bytes = plan->shards.bytes[j];
	uint32_t at = 0;

	while (at < fresh_size && at < size &&
	       (fresh->bytes[j][at] == bytes[at] || (at >= checksum && at < checksum + sizeof(uint32_t))))
		at++;
	return at == fresh_size && at == size && plan->damaged[j] ? checksum : at;
}

/* Cutting is deterministic: what is in the directory must be what the integer model gives. */
static enum cats_status compare_shards(struct cats_verify_result *out, const struct cats_plan *plan,
				       struct cats_error *error)
{
	const struct cats_plan_request request = {
		.limits = plan->facts.limits,
		.cut = {.devices = plan->facts.device_count,
			.target = plan->facts.limits->target,
			.source = plan->facts.source,
			.sink = plan->facts.sink,
			.payload_max = plan->facts.payload_max,
			.without_overlap = plan->facts.without_overlap},
	};
	struct cats_plan_facts facts = {0};
	struct cats_shards fresh;
	const enum cats_status status = cats_plan_cut(&fresh, &facts, &plan->integer, &request, error);

	if (status < 0)
		return status;
	out->shards_identical = true;
	for (uint32_t j = 0; out->shards_identical && j < plan->facts.device_count; j++) {
		out->shard = j;
		out->shard_byte = differs_at(plan, j, &fresh);
		out->shards_identical = out->shard_byte == fresh.sizes[j] && fresh.sizes[j] == plan->shards.sizes[j];
	}
	cats_shards_free(&fresh);
	return CATS_OK;
}

enum cats_status cats_verify(struct cats_verify_result *out, struct cats_plan *plan, const struct cats_dataset *data,
			     const char *name, const struct cats_verify_options *options, struct cats_error *error)
{
	const bool whole = !cats_integer_prunes(&plan->integer) && !cats_loss_any_q32(&options->loss);
	struct run run = {
		.plan = plan,
		.data = data,
		.options = options,
		.devices = plan->facts.device_count,
		.reference_devices = whole ? 1 : plan->facts.device_count,
	};
	enum cats_status status = cats_samples_check(data, &plan->integer, name, error);

	*out = (struct cats_verify_result){
		.samples = options->limit != 0 && options->limit < data->samples ? options->limit : data->samples,
		.reference_devices = run.reference_devices,
	};
	if (!cats_kernels_host(&run.kernels, NULL) || options->kernels != NULL)
		run.kernels = options->kernels != NULL ? *options->kernels : cats_kernels_plain;
	if (status == CATS_OK)
		status = compare_shards(out, plan, error);
	if (status < 0)
		return status;
	cats_shards_unpack(&plan->shards);
	return run_lanes(out, &run, error);
}
