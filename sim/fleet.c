/* SPDX-License-Identifier: MIT */
/* The fleet: nodes step, then packets go from every node to every other. See fleet.h. */
#include "sim/fleet.h"

#include <stdlib.h>
#include <string.h>

/* A packet between its sender and whoever hears it. */
struct air_packet {
	uint32_t sender, number, length;
	uint8_t bytes[CATS_PACKET_BYTES_MAX];
};

struct cats_fleet {
	uint32_t devices;
	struct cats_node *nodes;
	uint8_t **arenas;
	struct air_packet *air; /* [on_air], all packets of the site at hand */
	size_t on_air, air_room;
	struct cats_fleet_options options;
	const char *name;
};

static enum cats_status no_memory(const char *name, struct cats_error *error)
{
	return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for its nodes", name);
}

enum cats_status cats_shards_open_node(struct cats_node *node, uint8_t **arena, const struct cats_shards *shards,
				       uint32_t j, const struct cats_kernels *kernels, struct cats_error *error)
{
	const struct cats_shard_header *h = cats_shards_header(shards, j);
	const size_t bytes = h->arena_bytes;
	struct cats_node_config config = {
		.shard = shards->bytes[j],
		.shard_bytes = shards->sizes[j],
		.arena_bytes = bytes,
		.identity = {.device = (uint16_t)j, .model_id = h->model_id, .plan_id = h->plan_id},
		.kernels = kernels,
	};
	uint32_t where;
	int refusal;

	*arena = aligned_alloc(64, (bytes + 127U) / 64U * 64U);
	if (!*arena)
		return no_memory(shards->name, error);
	memset(*arena, 0, bytes);
	config.arena = *arena;
	refusal = cats_node_init(node, &config, &where);
	if (refusal != 0)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: node %u: at byte %u: %s", shards->name, j, where,
				 cats_refusal_text(refusal));
	return CATS_OK;
}

enum cats_status cats_fleet_create(struct cats_fleet **out, const struct cats_shards *shards,
				   const struct cats_fleet_options *options, struct cats_error *error)
{
	struct cats_fleet *f = calloc(1, sizeof *f);
	enum cats_status status = CATS_OK;

	*out = NULL;
	if (!f)
		return no_memory(shards->name, error);
	f->options = *options;
	f->name = shards->name;
	f->devices = shards->devices;
	f->nodes = calloc(f->devices, sizeof *f->nodes);
	f->arenas = calloc(f->devices, sizeof *f->arenas);
	if (!f->nodes || !f->arenas)
		status = no_memory(f->name, error);
	for (uint32_t j = 0; status == CATS_OK && j < f->devices; j++)
		status = cats_shards_open_node(&f->nodes[j], &f->arenas[j], shards, j, options->kernels, error);
	for (uint32_t j = 0; status == CATS_OK && options->charge_most && j < shards->devices; j++)
		cats_node_charge_most(&f->nodes[j]);
	if (status != CATS_OK) {
		cats_fleet_free(f);
		return status;
	}
	*out = f;
	return CATS_OK;
}

void cats_fleet_free(struct cats_fleet *f)
{
	if (!f)
		return;
	for (uint32_t j = 0; f->arenas && j < f->devices; j++)
		free(f->arenas[j]);
	free(f->air);
	free(f->arenas);
	free(f->nodes);
	free(f);
}

uint32_t cats_fleet_devices(const struct cats_fleet *f)
{
	return f->devices;
}

const struct cats_node *cats_fleet_node(const struct cats_fleet *f, uint32_t device)
{
	return &f->nodes[device];
}

const struct cats_node *cats_fleet_sink(const struct cats_fleet *f)
{
	const uint16_t sink = f->nodes[0].shard.header->sink;

	return &f->nodes[sink == CATS_SINK_ALL ? 0 : sink];
}

static enum cats_status refuse_call(const struct cats_fleet *f, uint32_t j, int refusal, struct cats_error *error)
{
	return cats_fail(error, CATS_ERR_MISMATCH, "%s: node %u: %s", f->name, j, cats_refusal_text(refusal));
}

static enum cats_status start(struct cats_fleet *f, const struct cats_fleet_input *input, uint64_t number,
			      struct cats_error *error)
{
	const uint16_t source = f->nodes[0].shard.header->source;
	int refusal;

	for (uint32_t j = 0; j < f->devices; j++)
		cats_node_start(&f->nodes[j], (uint16_t)number);
	refusal = input->bytes ? cats_node_input_bytes(&f->nodes[source], input->bytes, input->count)
			       : cats_node_input(&f->nodes[source], input->values, input->count);
	return refusal == 0 ? CATS_OK : refuse_call(f, source, refusal, error);
}

/* A node computes until it needs a gather or is done. */
static enum cats_status step(struct cats_fleet *f, uint32_t j, struct cats_error *error)
{
	const uint32_t budget = f->options.budget ? f->options.budget : UINT32_MAX;
	int state = CATS_NODE_WORKING;

	while (state == CATS_NODE_WORKING) {
		state = cats_node_step(&f->nodes[j], budget);
		if (f->options.stepped != NULL)
			f->options.stepped(f->options.context, f, j);
	}
	return state < 0 ? refuse_call(f, j, state, error) : CATS_OK;
}

/* The first site that is open somewhere, or CATS_NO_SITE. */
static uint16_t first_open(const struct cats_fleet *f)
{
	uint16_t first = CATS_NO_SITE;

	for (uint32_t j = 0; j < f->devices; j++) {
		const uint16_t site = cats_node_open_site(&f->nodes[j]);

		if (site < first)
			first = site;
	}
	return first;
}

/* Room for one more packet on air. */
static struct air_packet *make_room(struct cats_fleet *f, struct cats_error *error)
{
	if (f->on_air == f->air_room) {
		const size_t room = 2 * f->air_room + 64;
		struct air_packet *larger = realloc(f->air, room * sizeof *larger);

		if (!larger) {
			(void)no_memory(f->name, error);
			return NULL;
		}
		f->air = larger;
		f->air_room = room;
	}
	return &f->air[f->on_air];
}

/* Everyone sends. */
static enum cats_status transmit(struct cats_fleet_report *report, struct cats_fleet *f, uint16_t site,
				 struct cats_error *error)
{
	f->on_air = 0;
	for (uint32_t i = 0; i < f->devices; i++) {
		if (cats_node_open_site(&f->nodes[i]) != site)
			continue;
		for (uint32_t number = 0;; number++) {
			struct air_packet *packet = make_room(f, error);

			if (!packet)
				return CATS_ERR_MEMORY;
			packet->length = cats_node_next_packet(&f->nodes[i], packet->bytes);
			if (packet->length == 0)
				break;
			packet->sender = i;
			packet->number = number;
			f->on_air++;
			report->air_bytes += packet->length;
			report->packets++;
		}
	}
	return CATS_OK;
}

static bool loses(const struct cats_fleet *f, uint32_t receiver, uint16_t site, const struct air_packet *packet)
{
	return f->options.lose != NULL &&
	       f->options.lose(f->options.context, site, packet->sender, receiver, packet->number);
}

/* One node takes all that reaches it, so that its view stays in the nearest cache. It refuses senders whose columns it
 * does not use. */
static enum cats_status take(struct cats_fleet *f, uint32_t receiver, uint16_t site, uint64_t number,
			     struct cats_error *error)
{
	const struct cats_loss *loss = &f->options.loss;
	const uint64_t key = cats_loss_key(loss, number, site);
	const bool lossy = cats_loss_any_q32(loss) &&
			   !(loss->gathers_only && (site == 0 || site + 1U == f->nodes[0].shard.header->site_count));

	for (const struct air_packet *packet = f->air; packet < f->air + f->on_air; packet++) {
		int refusal;

		if (packet->sender == receiver || loses(f, receiver, site, packet) ||
		    (lossy && cats_loss_drops(loss, key, packet->sender, receiver, packet->number)))
			continue;
		refusal = cats_node_receive(&f->nodes[receiver], packet->bytes, packet->length);
		if (refusal != 0 && refusal != CATS_REFUSED_PACKET_SENDER)
			return refuse_call(f, receiver, refusal, error);
	}
	return CATS_OK;
}

/* Ends a node's gather and lets it compute on. */
static enum cats_status go_on(struct cats_fleet *f, uint32_t j, struct cats_error *error)
{
	const int refusal = cats_node_end_gather(&f->nodes[j]);

	return refusal != 0 ? refuse_call(f, j, refusal, error) : step(f, j, error);
}

/* Each node takes its packets and goes on, while what it received is in the nearest cache; but all have theirs first
 * when somebody observes. What a node sends next is not on air before the next call. */
static enum cats_status exchange(struct cats_fleet_report *report, struct cats_fleet *f, uint16_t site, uint64_t number,
				 struct cats_error *error)
{
	const bool observed = f->options.observe != NULL;
	bool here[CATS_DEVICES_MAX];
	enum cats_status status = transmit(report, f, site, error);

	for (uint32_t j = 0; status == CATS_OK && j < f->devices; j++) {
		here[j] = cats_node_open_site(&f->nodes[j]) == site;
		if (here[j])
			status = take(f, j, site, number, error);
		if (status == CATS_OK && here[j] && !observed)
			status = go_on(f, j, error);
	}
	if (status != CATS_OK || !observed)
		return status;
	f->options.observe(f->options.context, f, site);
	for (uint32_t j = 0; status == CATS_OK && j < f->devices; j++)
		if (here[j])
			status = go_on(f, j, error);
	return status;
}

enum cats_status cats_fleet_run(struct cats_fleet_report *report, struct cats_fleet *f,
				const struct cats_fleet_input *input, uint64_t number, struct cats_error *error)
{
	enum cats_status status = start(f, input, number, error);
	uint16_t site;

	*report = (struct cats_fleet_report){0};
	for (uint32_t j = 0; status == CATS_OK && j < f->devices; j++)
		status = step(f, j, error);
	while (status == CATS_OK && (site = first_open(f)) != CATS_NO_SITE)
		status = exchange(report, f, site, number, error);
	for (uint32_t j = 0; j < f->devices; j++) {
		const struct cats_share share = cats_node_share(&f->nodes[j]);

		report->macs += cats_node_macs(&f->nodes[j]);
		report->expected += share.expected;
		report->arrived += share.arrived;
	}
	return status;
}
