/* SPDX-License-Identifier: MIT */
/* The fleet against the reference. See verify.h. */
#include "deploy/verify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/receipts.h"
#include "deploy/samples.h"
#include "plan/reference.h"

/* What one sample's comparison found. */
struct finding {
	uint64_t compared, different;
	struct cats_difference first;
};

/* One thread's own memory; what the observer of its fleet needs. */
struct lane {
	const struct run *run;
	struct cats_samples samples;
	struct cats_fleet *fleet;
	struct cats_trace trace;
	struct cats_receipts receipts;
	struct finding *finding; /* of the sample at hand */
	size_t sample;
};

struct run {
	struct cats_plan *plan;
	const struct cats_dataset *data;
	const struct cats_verify_options *options;
	struct cats_kernels kernels;
	uint32_t devices, reference_devices;
	struct lane *lanes;
	uint32_t lane_count;
	struct finding *findings; /* [samples] */
};

/* A place of a view, to be compared. */
struct place {
	uint32_t node, site, token, column;
};

static void compare(struct lane *lane, const struct place *at, int32_t expected, int32_t got, uint32_t bytes)
{
	lane->finding->compared += bytes;
	if (expected == got)
		return;
	if (lane->finding->different == 0)
		lane->finding->first = (struct cats_difference){.sample = lane->sample,
								.node = at->node,
								.site = at->site,
								.token = at->token,
								.column = at->column,
								.expected = expected,
								.got = got};
	lane->finding->different += bytes;
}

static bool arrived(const struct lane *lane, const struct place *at, uint32_t sender)
{
	const struct cats_receipts *r = &lane->receipts;
	const uint32_t D = lane->run->devices;
	const uint32_t tokens = cats_integer_site_tokens(&lane->run->plan->integer.config, at->site);

	return sender == at->node || r->at[at->site] == NULL ||
	       r->at[at->site][((size_t)sender * D + at->node) * tokens + at->token] != 0;
}

/* What node `at->node` holds of one sender's columns and one token; both are in ascending order. A token that takes
 * several packets and did not arrive is left out: what is there of it is cleared only when the node goes on. */
static void compare_token(struct lane *lane, struct place *at, const struct cats_node *node, uint32_t sender)
{
	const struct cats_integer *m = &lane->run->plan->integer;
	const struct cats_shard_site *site = node->shard.sites + at->site;
	const struct cats_shard_sender *columns = cats_shard_senders(&node->shard, site) + sender;
	const struct cats_run own = cats_integer_site_own(&m->config, at->site, lane->run->devices, sender);
	const int8_t *view =
		(const int8_t *)node->arena + site->view + (size_t)at->token * site->stride + columns->first;
	const int8_t *trace =
		lane->trace.sites[at->site] + (size_t)at->token * cats_integer_site_columns(&m->config, at->site);
	const bool there = arrived(lane, at, sender);
	uint32_t next = 0;

	if (!there && columns->columns > node->shard.header->payload_max)
		return;
	for (at->column = own.first; at->column < own.first + own.count && next < columns->columns; at->column++)
		if (sender == at->node || cats_integer_kept(m, at->site, at->column))
			compare(lane, at, there ? trace[at->column] : 0, view[next++], 1);
}

static void compare_node(struct lane *lane, const struct cats_node *node, uint32_t site, bool own)
{
	const uint32_t device = node->shard.header->device;
	struct place at = {.node = device, .site = site};

	for (at.token = 0; at.token < node->shard.sites[site].tokens; at.token++)
		for (uint32_t sender = 0; sender < lane->run->devices; sender++)
			if ((sender == device) == own)
				compare_token(lane, &at, node, sender);
}

/* What a node computed itself comes before what others received of it, so that the first difference is where it arose.
 * Results are int32 and are asked for when all is done. */
static void compare_site(void *context, const struct cats_fleet *fleet, uint32_t site)
{
	struct lane *lane = context;

	if (site + 1U == cats_integer_sites(&lane->run->plan->integer.config))
		return;
	for (int pass = 0; pass < 2; pass++)
		for (uint32_t j = 0; j < lane->run->devices; j++)
			if (cats_node_open_site(cats_fleet_node(fleet, j)) == site)
				compare_node(lane, cats_fleet_node(fleet, j), site, pass == 0);
}

/* The device that computes a column. */
static uint32_t owner(const struct lane *lane, uint32_t site, uint32_t column)
{
	uint32_t j = 0;

	for (; j + 1U < lane->run->devices; j++) {
		const struct cats_run own =
			cats_integer_site_own(&lane->run->plan->integer.config, site, lane->run->devices, j);

		if (column < own.first + own.count)
			break;
	}
	return j;
}

static void compare_results(struct lane *lane)
{
	const struct cats_integer *m = &lane->run->plan->integer;
	const struct cats_node *sink = cats_fleet_sink(lane->fleet);
	struct place at = {.site = cats_integer_sites(&m->config) - 1U};

	for (at.token = 0; at.token < cats_integer_site_tokens(&m->config, at.site); at.token++)
		for (at.column = 0; at.column < m->config.n_out; at.column++) {
			const size_t index = (size_t)at.token * m->config.n_out + at.column;
			int32_t value;

			if (cats_node_result(&value, sink, at.token, at.column) != 1)
				value = INT32_MIN;
			at.node = owner(lane, at.site, at.column);
			compare(lane, &at, lane->trace.arrived[index] ? lane->trace.logits[index] : INT32_MIN, value,
				sizeof value);
		}
}

static enum cats_status infer(struct lane *lane, struct cats_error *error)
{
	const struct cats_integer *m = &lane->run->plan->integer;
	const uint32_t sample = (uint32_t)lane->sample;
	const struct cats_reference_input in = {cats_samples_quantised(&lane->samples, m, sample),
						lane->run->reference_devices,
						(const uint8_t *const *)lane->receipts.at};
	enum cats_status status = cats_reference_run(&lane->trace, m, &in, error);
	const struct cats_fleet_input input = cats_samples_input(&lane->samples, m, sample);
	struct cats_fleet_report report;

	if (status == CATS_OK)
		status = cats_fleet_run(&report, lane->fleet, &input, lane->sample, error);
	if (status == CATS_OK)
		compare_results(lane);
	return status;
}

static enum cats_status verify_sample(void *context, uint32_t index, size_t item, struct cats_error *error)
{
	const struct run *run = context;
	struct lane *lane = &run->lanes[index];
	enum cats_status status = cats_receipts_create(&lane->receipts, &run->plan->integer, run->devices,
						       run->plan->facts.payload_max, &run->options->loss, item, error);

	lane->sample = item;
	lane->finding = &run->findings[item];
	if (status == CATS_OK)
		status = infer(lane, error);
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
		const struct finding *f = &run->findings[s];

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
			.payload_max = plan->facts.payload_max},
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
