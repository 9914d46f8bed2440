/* SPDX-License-Identifier: MIT */
/* A fleet that loses what it is told. See replay.h. */
#include "deploy/replay.h"

#include <stdlib.h>
#include <string.h>

#include "sim/play.h"

struct cats_replay {
	const struct cats_plan *plan;
	struct cats_fleet *fleet;
	struct cats_trace trace;
	struct cats_receipts receipts;
	struct cats_comparison comparison;
	struct cats_lack *lacks; /* [count], in order */
	size_t count;
	int8_t *quantised; /* the input as the reference takes it */
};

/* ---- Lacks ---- */

static int compare_lacks(const void *a, const void *b)
{
	const struct cats_lack *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	if (x->receiver != y->receiver)
		return x->receiver < y->receiver ? -1 : 1;
	if (x->sender != y->sender)
		return x->sender < y->sender ? -1 : 1;
	return x->packet < y->packet ? -1 : x->packet > y->packet;
}

static bool loses(void *context, uint32_t site, uint32_t sender, uint32_t receiver, uint32_t packet)
{
	const struct cats_replay *r = context;
	const struct cats_lack key = {(uint16_t)site, (uint16_t)receiver, (uint16_t)sender, (uint16_t)packet};

	return r->count > 0 && bsearch(&key, r->lacks, r->count, sizeof key, compare_lacks) != NULL;
}

static struct cats_message message_of(const struct cats_shards *shards, uint32_t site, uint32_t sender)
{
	const struct cats_shard_header *h = cats_shards_header(shards, sender);
	const struct cats_shard_site *at =
		(const struct cats_shard_site *)(const void *)(shards->bytes[sender] + h->sites) + site;

	return cats_message_of(at->tokens, (uint32_t)at->kept * at->column_bytes, h->payload_max);
}

static enum cats_status check_lack(const struct cats_replay *r, const struct cats_lack *l, struct cats_error *error)
{
	const struct cats_shards *shards = &r->plan->shards;

	if (l->site < cats_shards_header(shards, 0)->site_count && l->receiver < shards->devices &&
	    l->sender < shards->devices && l->sender != l->receiver &&
	    l->packet < message_of(shards, l->site, l->sender).packets)
		return CATS_OK;
	return cats_fail(error, CATS_ERR_MISMATCH,
			 "replay: node %u says that it lacks packet %u of %u at site %u: the plan has none",
			 l->receiver, l->packet, l->sender, l->site);
}

static enum cats_status take_lacks(struct cats_replay *r, const struct cats_lack *lacks, size_t count,
				   struct cats_error *error)
{
	enum cats_status status = CATS_OK;

	for (size_t i = 0; status == CATS_OK && i < count; i++)
		status = check_lack(r, lacks + i, error);
	free(r->lacks);
	r->count = 0;
	r->lacks = malloc((count + 1U) * sizeof *r->lacks);
	if (r->lacks == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "replay: out of memory");
	if (status < 0)
		return status;
	if (count > 0)
		memcpy(r->lacks, lacks, count * sizeof *lacks);
	r->count = count;
	qsort(r->lacks, count, sizeof *r->lacks, compare_lacks);
	return CATS_OK;
}

/* ---- What the reference is told of them: tokens ---- */

static uint8_t *mask_of(struct cats_replay *r, uint32_t site)
{
	const uint32_t D = r->plan->shards.devices;
	const size_t bytes = (size_t)D * D * cats_integer_site_tokens(&r->plan->integer.config, site);

	if (r->receipts.at[site] == NULL) {
		r->receipts.at[site] = malloc(bytes);
		if (r->receipts.at[site] != NULL)
			memset(r->receipts.at[site], 1, bytes);
	}
	return r->receipts.at[site];
}

static enum cats_status fill_receipts(struct cats_replay *r, struct cats_error *error)
{
	const uint32_t D = r->plan->shards.devices, sites = cats_integer_sites(&r->plan->integer.config);

	cats_receipts_free(&r->receipts);
	r->receipts = (struct cats_receipts){.sites = sites, .at = calloc(sites, sizeof *r->receipts.at)};
	if (r->receipts.at == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "replay: out of memory");
	for (size_t i = 0; i < r->count; i++) {
		const struct cats_lack *l = &r->lacks[i];
		const struct cats_message message = message_of(&r->plan->shards, l->site, l->sender);
		const struct cats_packet_span span = cats_message_span(&message, l->packet);
		const uint32_t tokens = cats_integer_site_tokens(&r->plan->integer.config, l->site);
		uint8_t *mask = mask_of(r, l->site);

		if (mask == NULL)
			return cats_fail(error, CATS_ERR_MEMORY, "replay: out of memory");
		memset(mask + ((size_t)l->sender * D + l->receiver) * tokens + span.first_token, 0, span.count);
	}
	return CATS_OK;
}

static const int8_t *quantise(struct cats_replay *r, const struct cats_fleet_input *input)
{
	if (input->bytes == NULL)
		return input->values;
	for (size_t i = 0; i < input->count; i++)
		r->quantised[i] = r->plan->integer.input_table[input->bytes[i]];
	return r->quantised;
}

/* ---- Running ---- */

static void observe(void *context, const struct cats_fleet *fleet, uint32_t site)
{
	struct cats_replay *r = context;

	cats_compare_site(&r->comparison, fleet, site);
}

static enum cats_status create_fleet(struct cats_replay *r, struct cats_error *error)
{
	const struct cats_fleet_options options = {
		.kernels = cats_play_kernels(r->plan->facts.limits->target),
		.budget = CATS_PLAY_BUDGET,
		.lose = loses,
		.observe = observe,
		.context = r,
	};

	return cats_fleet_create(&r->fleet, &r->plan->shards, &options, error);
}

enum cats_status cats_replay_create(struct cats_replay **out, const struct cats_plan *plan, struct cats_error *error)
{
	const struct cats_input_shape shape = cats_input_shape_of(&plan->integer.config);
	struct cats_replay *r = calloc(1, sizeof *r);
	enum cats_status status;

	*out = NULL;
	if (r == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "replay: out of memory");
	r->plan = plan;
	r->quantised = malloc((size_t)shape.rows * shape.columns);
	status = r->quantised != NULL ? cats_trace_create(&r->trace, &plan->integer, error)
				      : cats_fail(error, CATS_ERR_MEMORY, "replay: out of memory");
	if (status == CATS_OK)
		status = create_fleet(r, error);
	if (status < 0)
		cats_replay_free(r);
	else
		*out = r;
	return status;
}

void cats_replay_free(struct cats_replay *r)
{
	if (r == NULL)
		return;
	cats_fleet_free(r->fleet);
	cats_trace_free(&r->trace);
	cats_receipts_free(&r->receipts);
	free(r->quantised);
	free(r->lacks);
	free(r);
}

static enum cats_status run_reference(struct cats_replay *r, const struct cats_fleet_input *input,
				      struct cats_error *error)
{
	const struct cats_reference_input in = {quantise(r, input), r->plan->shards.devices,
						(const uint8_t *const *)r->receipts.at};

	return cats_reference_run(&r->trace, &r->plan->integer, &in, error);
}

enum cats_status cats_replay_run(struct cats_finding *out, struct cats_replay *r, const struct cats_fleet_input *input,
				 uint64_t number, const struct cats_lack *lacks, size_t count, struct cats_error *error)
{
	struct cats_fleet_report report;
	enum cats_status status = take_lacks(r, lacks, count, error);

	if (status == CATS_OK)
		status = fill_receipts(r, error);
	if (status == CATS_OK)
		status = run_reference(r, input, error);
	r->comparison = (struct cats_comparison){
		.integer = &r->plan->integer,
		.devices = r->plan->shards.devices,
		.trace = &r->trace,
		.receipts = &r->receipts,
		.sample = number,
	};
	if (status == CATS_OK)
		status = cats_fleet_run(&report, r->fleet, input, number, error);
	if (status < 0)
		return status;
	cats_compare_results(&r->comparison, r->fleet);
	*out = r->comparison.finding;
	return CATS_OK;
}

const struct cats_node *cats_replay_node(const struct cats_replay *r, uint32_t device)
{
	return cats_fleet_node(r->fleet, device);
}

const struct cats_node *cats_replay_sink(const struct cats_replay *r)
{
	return cats_fleet_sink(r->fleet);
}

/* ---- Lists ---- */

static enum cats_status append(struct cats_lacks *l, struct cats_lack lack, struct cats_error *error)
{
	if (l->count == l->room) {
		const size_t room = 2 * l->room + 64;
		struct cats_lack *larger = realloc(l->list, room * sizeof *larger);

		if (larger == NULL)
			return cats_fail(error, CATS_ERR_MEMORY, "out of memory for what did not arrive");
		l->list = larger;
		l->room = room;
	}
	l->list[l->count++] = lack;
	return CATS_OK;
}

enum cats_status cats_lacks_add(struct cats_lacks *l, uint64_t moment, const struct cats_node *node,
				struct cats_error *error)
{
	const struct cats_shard_header *h = node->shard.header;
	const struct cats_shard_site *site = node->shard.sites + cats_node_open_site(node);
	const struct cats_shard_sender *senders = cats_shard_senders(&node->shard, site);
	enum cats_status status = CATS_OK;

	if (moment > l->moment)
		l->count = 0;
	if (moment < l->moment)
		return CATS_OK;
	l->moment = moment;
	for (uint32_t i = 0; i < h->devices; i++) {
		const struct cats_message message = cats_message_of(
			site->tokens, (uint32_t)senders[i].columns * site->column_bytes, h->payload_max);

		for (uint32_t p = 0; status == CATS_OK && i != h->device && p < message.packets; p++) {
			uint8_t payload[CATS_PAYLOAD_MAX];

			if (cats_node_payload(node, (uint8_t)i, (uint16_t)p, payload) == 0)
				status = append(l, (struct cats_lack){site->site, h->device, (uint16_t)i, (uint16_t)p},
						error);
		}
	}
	return status;
}

void cats_lacks_free(struct cats_lacks *l)
{
	free(l->list);
	*l = (struct cats_lacks){0};
}
