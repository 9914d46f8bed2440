/* SPDX-License-Identifier: MIT */
/* The bare schedule at work: slots, and nodes that step through them. See bare.h. */
#include "sim/bare.h"

#include <stdlib.h>
#include <string.h>

#include "sim/times.h"

/* From one inference's end to the next one's start. */
#define PAUSE (1000 * CATS_TIME_US)
/* Two radios' ramp-up times differ by up to 1 us. */
#define RAMP_SPREAD (1 * CATS_TIME_US)
/* Tags of wake-ups and of computations. */
enum { GATHER_OPENS, GATHER_CLOSES, STEPPED };

struct bare_node {
	struct cats_station station;
	uint32_t slot;          /* the one at hand */
	cats_time origin_local; /* its clock at the inference's start */
	cats_time opened;       /* when it had the gather at hand open, global */
	bool done;
};

struct cats_bare {
	const struct cats_shards *shards;
	struct cats_world *world;
	struct cats_bare_schedule schedule;
	struct bare_node nodes[CATS_DEVICES_MAX];
	uint32_t devices, done, sink;
	struct cats_play_report report;
	cats_time *gather; /* [sites] */
	struct cats_stages stages;
	cats_time spent_before[CATS_DEVICES_MAX][CATS_DRAWS], spent[CATS_DEVICES_MAX][CATS_DRAWS];
	cats_time air_before;
	struct cats_observer observer;
	enum cats_status status; /* of what went wrong within an event */
	struct cats_error *error;
};

void cats_bare_schedule_free(struct cats_bare_schedule *s)
{
	free(s->slots);
	free(s->first_slot);
	free(s->open);
	free(s->close);
	*s = (struct cats_bare_schedule){0};
}

/* What `sender` sends at a site, from its own shard. */
static struct cats_message message_of(const struct cats_shards *shards, uint32_t site, uint32_t sender)
{
	const struct cats_shard_header *h = cats_shards_header(shards, sender);
	const struct cats_shard_site *at =
		(const struct cats_shard_site *)(const void *)(shards->bytes[sender] + h->sites) + site;

	return cats_message_of(at->tokens, (uint32_t)at->kept * at->column_bytes, h->payload_max);
}

static uint32_t count_slots(const struct cats_shards *shards, uint32_t sites)
{
	uint32_t count = 0;

	for (uint32_t site = 0; site < sites; site++)
		for (uint32_t i = 0; i < shards->devices; i++)
			count += message_of(shards, site, i).packets;
	return count;
}

static void lay_slot(struct cats_bare_slot *slot, cats_time *at, cats_time guard)
{
	slot->start = *at + CATS_RADIO_RX_RAMP;
	slot->send = slot->start + guard;
	slot->end = slot->send + cats_radio_air(slot->payload_bytes) + CATS_RADIO_RX_DELAY + guard;
	*at = slot->end;
}

/* All slots and gathers, one after the other; returns when the last gather closes. */
static cats_time lay_out(struct cats_bare_schedule *s, const struct cats_shards *shards, const uint64_t *cycles)
{
	struct cats_bare_slot *slot = s->slots;
	cats_time at = 0;

	for (uint32_t site = 0; site < s->sites; site++) {
		at += (cats_time)cycles[site] + s->guard;
		s->open[site] = at;
		s->first_slot[site] = (uint32_t)(slot - s->slots);
		for (uint32_t i = 0; i < shards->devices; i++) {
			const struct cats_message message = message_of(shards, site, i);

			for (uint32_t p = 0; p < message.packets; p++, slot++) {
				const struct cats_packet_span span = cats_message_span(&message, p);

				*slot = (struct cats_bare_slot){
					.site = (uint16_t)site,
					.packet = (uint16_t)p,
					.sender = (uint8_t)i,
					.payload_bytes = CATS_PACKET_HEADER_BYTES + span.count * span.bytes,
				};
				lay_slot(slot, &at, s->guard);
			}
		}
		s->close[site] = at;
	}
	s->first_slot[s->sites] = s->slot_count;
	return at;
}

enum cats_status cats_bare_schedule_make(struct cats_bare_schedule *out, const struct cats_shards *shards,
					 const uint64_t *cycles, struct cats_error *error)
{
	cats_time guard = RAMP_SPREAD;

	*out = (struct cats_bare_schedule){.sites = cats_shards_header(shards, 0)->site_count};
	out->slot_count = count_slots(shards, out->sites);
	out->slots = calloc(out->slot_count + 1U, sizeof *out->slots);
	out->first_slot = calloc(out->sites + 1U, sizeof *out->first_slot);
	out->open = calloc(out->sites, sizeof *out->open);
	out->close = calloc(out->sites, sizeof *out->close);
	if (!out->slots || !out->first_slot || !out->open || !out->close) {
		cats_bare_schedule_free(out);
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for the schedule", shards->name);
	}
	/* The guard lengthens the inference, over which clocks drift apart: at 80 millionths of the length the two
	 * settle after a few rounds. */
	do {
		out->guard = guard;
		guard = RAMP_SPREAD + lay_out(out, shards, cycles) * 2 * CATS_CLOCK_DRIFT_PPM_MAX / 1000000 + 1;
	} while (guard > out->guard);
	return CATS_OK;
}

static void fail_within(struct cats_bare *b, enum cats_status status)
{
	b->status = status;
	cats_world_halt(b->world);
}

/* Computes on until a gather or the end; what it takes passes in virtual time before anyone sees the result. */
static void step(struct cats_bare *b, uint32_t j)
{
	struct cats_node *node = &b->nodes[j].station.node;
	const uint64_t before = cats_node_cycles(node);
	int state = CATS_NODE_WORKING;

	while (state == CATS_NODE_WORKING)
		state = cats_node_step(node, CATS_PLAY_BUDGET);
	if (state < 0) {
		fail_within(b, cats_fail(b->error, CATS_ERR_MISMATCH, "%s: node %u: %s", b->shards->name, j,
					 cats_refusal_text(state)));
		return;
	}
	cats_world_compute(b->world, j, cats_node_cycles(node) - before, STEPPED);
}

/* The next slot of the gather at hand in which node j sends or is spoken to. */
static void next_slot(struct cats_bare *b, uint32_t j)
{
	const struct cats_bare_schedule *s = &b->schedule;
	struct bare_node *n = &b->nodes[j];
	const struct cats_node *node = &n->station.node;
	const uint32_t site = cats_node_open_site(node), end = s->first_slot[site + 1U];
	const struct cats_shard_sender *senders = cats_shard_senders(&node->shard, node->shard.sites + site);

	for (; n->slot < end; n->slot++) {
		const struct cats_bare_slot *slot = s->slots + n->slot;
		uint8_t pdu[CATS_RADIO_PDU_MAX] = {0};

		if (slot->sender == j) {
			const int bytes = cats_node_packet(node, slot->packet, pdu + CATS_RADIO_HEADER_BYTES);

			pdu[1] = (uint8_t)bytes;
			cats_world_send(b->world, j, n->origin_local + slot->send, pdu,
					CATS_RADIO_HEADER_BYTES + (uint32_t)bytes);
			return;
		}
		if (senders[slot->sender].columns > 0) {
			const cats_time address = CATS_RADIO_ADDRESS_BYTES * CATS_RADIO_BYTE + CATS_RADIO_RX_DELAY;

			cats_world_listen(b->world, j, n->origin_local + slot->start,
					  n->origin_local + slot->send + address + s->guard);
			return;
		}
	}
	cats_world_wake(b->world, j, n->origin_local + s->close[site], GATHER_CLOSES);
}

static void open_gather(struct cats_bare *b, uint32_t j)
{
	struct bare_node *n = &b->nodes[j];
	const uint32_t site = cats_node_open_site(&n->station.node);

	n->slot = b->schedule.first_slot[site];
	next_slot(b, j);
}

static void stepped(struct cats_bare *b, uint32_t j)
{
	struct bare_node *n = &b->nodes[j];
	const uint32_t site = cats_node_open_site(&n->station.node);
	const cats_time now = cats_world_time(b->world);

	n->opened = now;
	if (site != CATS_NO_SITE) {
		cats_stages_open(&b->stages, b->world, site);
		if (cats_world_local(b->world, j) - n->origin_local > b->schedule.open[site])
			fail_within(b, cats_fail(b->error, CATS_ERR_MISMATCH,
						 "%s: node %u: computes longer than the schedule allows before site %u",
						 b->shards->name, j, site));
		cats_world_wake(b->world, j, n->origin_local + b->schedule.open[site], GATHER_OPENS);
		return;
	}
	n->done = true;
	if (j == b->sink)
		b->report.latency = now - b->report.start;
	if (++b->done == b->devices)
		cats_world_halt(b->world);
}

static void close_gather(struct cats_bare *b, uint32_t j)
{
	struct bare_node *n = &b->nodes[j];
	const uint32_t site = cats_node_open_site(&n->station.node);
	const cats_time now = cats_world_time(b->world);
	const int refusal = cats_node_end_gather(&n->station.node);

	if (refusal != 0) {
		fail_within(b, cats_fail(b->error, CATS_ERR_MISMATCH, "%s: node %u: %s", b->shards->name, j,
					 cats_refusal_text(refusal)));
		return;
	}
	if (now - b->stages.opened[site] > b->gather[site])
		b->gather[site] = now - b->stages.opened[site];
	if (j == b->sink)
		b->report.waiting += now - n->opened;
	if (b->observer.gather != NULL)
		b->observer.gather(b->observer.context, j, site, n->opened, now);
	step(b, j);
}

static void take_frame(struct cats_bare *b, uint32_t j, const struct cats_news *news)
{
	/* What the runtime refuses is as good as not heard: it stays missing. */
	if (cats_node_receive(&b->nodes[j].station.node, news->pdu + CATS_RADIO_HEADER_BYTES,
			      news->bytes - CATS_RADIO_HEADER_BYTES) != 0)
		return;
}

static void on_news(void *context, struct cats_world *world, uint32_t j, const struct cats_news *news)
{
	struct cats_bare *b = context;

	(void)world;
	switch (news->kind) {
	case CATS_NEWS_COMPUTED:
		stepped(b, j);
		return;
	case CATS_NEWS_WAKE:
		if (news->tag == GATHER_OPENS)
			open_gather(b, j);
		else
			close_gather(b, j);
		return;
	case CATS_NEWS_FRAME:
		take_frame(b, j, news);
		break;
	case CATS_NEWS_SENT:
		b->report.frames++;
		break;
	case CATS_NEWS_MISSED:
	case CATS_NEWS_BROKEN:
	case CATS_NEWS_SILENCE:
		break;
	case CATS_NEWS_FATE:
	case CATS_NEWS_SENDING:
	case CATS_NEWS_PASSED:
		return;
	}
	b->nodes[j].slot++;
	next_slot(b, j);
}

static enum cats_status create_world(struct cats_bare *b, const struct cats_play_options *options,
				     struct cats_error *error)
{
	const struct cats_world_options world = {
		.medium = {.topology = options->topology,
			   .link_loss = options->link_loss,
			   .burst_share = options->burst_share,
			   .seed = options->seed,
			   .lose = options->lose,
			   .context = options->context},
		.drift_ppm = options->drift_ppm,
		.synchronous_start = true,
		.news = on_news,
		.context = b,
		.observer = options->observer,
	};

	return cats_world_create(&b->world, &world, error);
}

enum cats_status cats_bare_create(struct cats_bare **out, const struct cats_shards *shards,
				  const struct cats_play_options *options, struct cats_error *error)
{
	const struct cats_shard_header *h = cats_shards_header(shards, 0);
	uint64_t *cycles = calloc(h->site_count, sizeof *cycles);
	struct cats_bare *b = calloc(1, sizeof *b);
	enum cats_status status = CATS_OK;

	*out = NULL;
	if (b != NULL) {
		b->shards = shards;
		b->devices = shards->devices;
		b->observer = options->observer;
		b->sink = h->sink == CATS_SINK_ALL ? 0 : h->sink;
		b->gather = calloc(h->site_count, sizeof *b->gather);
	}
	if (b == NULL || cycles == NULL || !b->gather)
		status = cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", shards->name);
	if (status == CATS_OK)
		status = cats_stages_create(&b->stages, h->site_count, error);
	for (uint32_t j = 0; status == CATS_OK && j < shards->devices; j++)
		status = cats_shards_open_node(&b->nodes[j].station.node, &b->nodes[j].station.arena, shards, j,
					       options->kernels, error);
	if (status == CATS_OK)
		status = cats_times_measure(cycles, shards, options->kernels, CATS_TIMES_WORST_Q32, error);
	if (status == CATS_OK)
		status = cats_bare_schedule_make(&b->schedule, shards, cycles, error);
	if (status == CATS_OK)
		status = create_world(b, options, error);
	free(cycles);
	if (status < 0)
		cats_bare_free(b);
	else
		*out = b;
	return status;
}

void cats_bare_free(struct cats_bare *b)
{
	if (b == NULL)
		return;
	for (uint32_t j = 0; j < b->devices; j++)
		free(b->nodes[j].station.arena);
	cats_bare_schedule_free(&b->schedule);
	cats_world_free(b->world);
	free(b->gather);
	cats_stages_free(&b->stages);
	free(b);
}

const struct cats_bare_schedule *cats_bare_schedule(const struct cats_bare *b)
{
	return &b->schedule;
}

static enum cats_status begin(struct cats_bare *b, const struct cats_fleet_input *input, uint16_t number)
{
	const uint32_t source = cats_shards_header(b->shards, 0)->source;
	struct cats_node *node = &b->nodes[source].station.node;
	int refusal;

	b->done = 0;
	b->status = CATS_OK;
	b->report = (struct cats_play_report){
		.start = cats_world_time(b->world),
		.sites = b->schedule.sites,
		.slots = b->schedule.slot_count,
		.gather = b->gather,
		.stages = &b->stages,
		.spent = b->spent,
		.sink = &b->nodes[b->sink].station.node,
	};
	b->air_before = cats_world_air(b->world);
	cats_stages_begin(&b->stages);
	memset(b->gather, 0, b->schedule.sites * sizeof *b->gather);
	for (uint32_t j = 0; j < b->devices; j++) {
		cats_world_spent(b->spent_before[j], b->world, j);
		b->nodes[j].origin_local = cats_world_local(b->world, j);
		b->nodes[j].done = false;
		cats_node_start(&b->nodes[j].station.node, number);
	}
	refusal = input->bytes ? cats_node_input_bytes(node, input->bytes, input->count)
			       : cats_node_input(node, input->values, input->count);
	if (refusal != 0)
		return cats_fail(b->error, CATS_ERR_MISMATCH, "%s: node %u: %s", b->shards->name, source,
				 cats_refusal_text(refusal));
	for (uint32_t j = 0; j < b->devices; j++)
		step(b, j);
	return b->status;
}

static void finish(struct cats_bare *b)
{
	struct cats_play_report *r = &b->report;

	r->end = cats_world_time(b->world);
	cats_stages_end(&b->stages, b->world);
	r->air = cats_world_air(b->world) - b->air_before;
	r->air_bytes = (uint64_t)(r->air / CATS_RADIO_BYTE);
	for (uint32_t j = 0; j < b->devices; j++) {
		const struct cats_share share = cats_node_share(&b->nodes[j].station.node);

		r->expected += share.expected;
		r->arrived += share.arrived;
		cats_world_spent(b->spent[j], b->world, j);
		for (int d = 0; d < CATS_DRAWS; d++)
			b->spent[j][d] -= b->spent_before[j][d];
	}
}

enum cats_status cats_bare_infer(struct cats_play_report *report, struct cats_bare *b,
				 const struct cats_fleet_input *input, uint16_t number, struct cats_error *error)
{
	enum cats_status status;

	b->error = error;
	status = cats_world_run(b->world, cats_world_time(b->world) + PAUSE, error);
	if (status == CATS_OK)
		status = begin(b, input, number);
	if (status == CATS_OK)
		status = cats_world_run(b->world, CATS_TIME_MAX, error);
	if (status == CATS_OK)
		status = b->status;
	if (status < 0)
		return status;
	finish(b);
	if (b->observer.inference != NULL)
		b->observer.inference(b->observer.context, b->report.start, b->report.end);
	*report = b->report;
	return CATS_OK;
}
