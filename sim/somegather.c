/* SPDX-License-Identifier: MIT */
/* Drives net/'s state machines through virtual time. See somegather.h. */
#include "sim/somegather.h"

#include <stdlib.h>
#include <string.h>

#include "net/node.h"
#include "ports/host/aead.h"

/* From one inference's end to the next one's start. */
#define PAUSE (1000 * CATS_TIME_US)
/* No clock of a node shows more (12 days); what waits longer waits for ever. */
#define LOCAL_US_MAX (UINT64_C(1) << 40)
#define ROWS 64U

enum wake { STEPPED, WAKE };

struct some_node {
	struct cats_station station;
	struct cats_net net;
	struct cats_repair_row rows[ROWS];
	struct cats_somegather *all;
	uint32_t self;
	uint32_t flash_epoch;
	uint64_t moment;    /* of the latest inference that it opened: epoch << 32 | number */
	uint64_t wake, run; /* the latest alarm and the latest computation: earlier ones mean nothing */
	bool sending;       /* a TRANSMIT was given and is not over */
	bool dead;
	bool took_part, done, closed; /* in the inference at hand */
	int state;                    /* of the runtime, once it no longer computes */
	bool computes;
	bool over;               /* the gather at hand is, but the runtime is not there yet */
	uint16_t site;           /* the gather at hand, or CATS_NO_SITE */
	cats_time opened, waits; /* when it had that open, and when it had nothing left to compute; global */
	uint32_t coding_cycles;  /* counted so far */
};

struct cats_somegather {
	const struct cats_shards *shards;
	struct cats_play_options options;
	struct cats_world *world;
	struct cats_host_aead *aead;
	struct some_node *nodes; /* [devices] */
	uint32_t devices, source, sink, site_count;
	struct cats_net_site *sites; /* [site_count] */
	struct cats_fleet_input input;
	uint32_t inferences; /* begun so far */
	cats_time longest;   /* of an inference: all deadlines and computations */
	uint64_t expected;   /* values that all nodes wait for in one inference */
	struct cats_play_report report;
	cats_time *gather; /* [site_count] */
	struct cats_stages stages;
	cats_time spent_before[CATS_DEVICES_MAX][CATS_DRAWS], spent[CATS_DEVICES_MAX][CATS_DRAWS];
	cats_time air_before;
	uint64_t frames;
	enum cats_status status; /* of what went wrong within an event */
	struct cats_error *error;
};

static uint64_t now_us(const struct some_node *n)
{
	return (uint64_t)(cats_world_local(n->all->world, n->self) / CATS_TIME_US);
}

static cats_time time_of(uint64_t local_us)
{
	return local_us < LOCAL_US_MAX ? (cats_time)local_us * CATS_TIME_US : CATS_TIME_MAX;
}

static void fail_within(struct some_node *n, int refusal)
{
	struct cats_somegather *s = n->all;

	s->status = cats_fail(s->error, CATS_ERR_MISMATCH, "%s: node %u: %s", s->shards->name, n->self,
			      cats_refusal_text(refusal));
	cats_world_halt(s->world);
}

static bool site_of(void *context, struct cats_net_site *out, uint16_t number)
{
	const struct some_node *n = context;

	if (number >= n->all->site_count)
		return false;
	*out = n->all->sites[number];
	return true;
}

/* A node begins: with what it has in flash. */
static enum cats_status start_node(struct cats_somegather *s, uint32_t j, struct cats_error *error)
{
	struct some_node *n = &s->nodes[j];
	const struct cats_net_config config = {
		.self = (uint8_t)j,
		.devices = (uint8_t)s->devices,
		.source = (uint8_t)s->source,
		.sites = (uint16_t)s->site_count,
		.plan = (uint32_t)cats_shards_header(s->shards, 0)->plan_id,
		.epoch = n->flash_epoch,
		.site = site_of,
		.context = n,
		.aead = cats_host_aead_interface(s->aead),
		.store = cats_net_store_of_node(&n->station.node),
		.rows = n->rows,
		.row_count = ROWS,
	};

	if (!cats_net_init(&n->net, &config))
		return cats_fail(
			error, CATS_ERR_MISMATCH,
			"%s: node %u: the gather protocol cannot carry this plan: a site has too many packets, or a "
			"deadline before its last slot",
			s->shards->name, j);
	return CATS_OK;
}

/* ---- One node ---- */

/* Computes on until there is something to tell; what it takes, and `beside` cycles, pass in virtual time before anyone
 * sees the result. */
static void step(struct some_node *n, uint64_t beside)
{
	struct cats_node *node = &n->station.node;
	const uint64_t before = cats_node_cycles(node);

	n->computes = true;
	n->state = cats_node_step(node, CATS_PLAY_BUDGET);
	if (n->state < 0)
		fail_within(n, n->state);
	else
		cats_world_compute(n->all->world, n->self, cats_node_cycles(node) - before + beside, ++n->run);
}

static void opened(struct some_node *n, uint32_t inference)
{
	struct cats_somegather *s = n->all;
	struct cats_node *node = &n->station.node;
	int refusal = 0;

	n->took_part = true;
	n->done = n->closed = n->over = false;
	n->site = CATS_NO_SITE;
	cats_node_start(node, (uint16_t)inference);
	if (n->self == s->source)
		refusal = s->input.bytes ? cats_node_input_bytes(node, s->input.bytes, s->input.count)
					 : cats_node_input(node, s->input.values, s->input.count);
	if (refusal != 0)
		fail_within(n, refusal);
	else
		step(n, CATS_SOMEGATHER_END_CYCLES);
}

static void go_on(struct some_node *n)
{
	struct cats_somegather *s = n->all;
	const uint32_t site = cats_node_open_site(&n->station.node);
	const cats_time now = cats_world_time(s->world);
	int refusal;

	if (s->options.gathered != NULL)
		s->options.gathered(s->options.context, n->self, n->moment, &n->station.node);
	refusal = cats_node_end_gather(&n->station.node);
	if (refusal != 0) {
		fail_within(n, refusal);
		return;
	}
	if (now - s->stages.opened[site] > s->gather[site])
		s->gather[site] = now - s->stages.opened[site];
	if (n->self == s->sink)
		s->report.waiting += now - n->waits;
	if (s->options.observer.gather != NULL)
		s->options.observer.gather(s->options.observer.context, n->self, site, n->opened, now);
	n->over = false;
	step(n, CATS_SOMEGATHER_END_CYCLES);
}

/* Whoever still computes goes on from there. */
static void ended(struct some_node *n)
{
	n->over = n->computes || n->state != CATS_NODE_GATHER;
	if (!n->over)
		go_on(n);
}

/* Asks the state machine what to do until it says something that takes time. */
static void drive(struct some_node *n)
{
	struct cats_world *world = n->all->world;
	struct cats_net_action action;

	while (n->all->status == CATS_OK) {
		cats_net_next(&action, &n->net, now_us(n));
		switch (action.kind) {
		case CATS_NET_EPOCH:
			n->flash_epoch = action.epoch;
			cats_net_epoch_stored(&n->net, action.epoch);
			break;
		case CATS_NET_OPENED:
			n->moment = (uint64_t)action.epoch << 32 | action.inference;
			opened(n, action.inference);
			break;
		case CATS_NET_ENDED:
			ended(n);
			break;
		case CATS_NET_CLOSED:
			n->closed = true;
			break;
		case CATS_NET_TRANSMIT:
			n->sending = true;
			cats_world_send(world, n->self, time_of(action.at_us), action.frame, action.frame_bytes);
			return;
		case CATS_NET_LISTEN:
			cats_world_listen(world, n->self, cats_world_local(world, n->self), time_of(action.until_us));
			return;
		case CATS_NET_SLEEP:
			cats_world_quiet(world, n->self);
			cats_world_wake(world, n->self, time_of(action.until_us), ++n->wake);
			return;
		}
	}
}

static bool all_over(const struct cats_somegather *s)
{
	if (!s->nodes[s->source].closed)
		return false;
	for (uint32_t j = 0; j < s->devices; j++)
		if (s->nodes[j].took_part && !s->nodes[j].done && !s->nodes[j].dead)
			return false;
	return true;
}

static void computed(struct some_node *n)
{
	struct cats_somegather *s = n->all;
	const uint32_t site = cats_node_open_site(&n->station.node);
	const cats_time now = cats_world_time(s->world);

	n->computes = false;
	if (site != CATS_NO_SITE) {
		if (site != n->site)
			n->opened = now;
		n->site = (uint16_t)site;
		cats_net_ready(&n->net, (uint16_t)site, cats_node_own_packets(&n->station.node));
	}
	switch (n->state) {
	case CATS_NODE_GATHER:
		n->waits = now;
		cats_stages_open(&s->stages, s->world, site);
		if (n->over)
			go_on(n);
		break;
	case CATS_NODE_WORKING:
		step(n, 0);
		break;
	default:
		n->done = true;
		if (n->self == s->sink)
			s->report.latency = now - s->report.start;
	}
}

/* Since it was asked last. */
static uint32_t cycles_of_combinations(struct some_node *n)
{
	const uint32_t cycles = n->net.counters.coding_cycles - n->coding_cycles;

	n->coding_cycles = n->net.counters.coding_cycles;
	return cycles;
}

static void received(struct some_node *n, const struct cats_news *news)
{
	const uint64_t start_us = (uint64_t)((news->start_local + CATS_TIME_US / 2) / CATS_TIME_US);

	/* A frame that is refused is as good as none. */
	if (cats_net_receive(&n->net, start_us, news->pdu, news->bytes) != 0)
		n->all->report.refused++;
	cats_world_interrupt(n->all->world, n->self, CATS_SOMEGATHER_RECEIVE_CYCLES + cycles_of_combinations(n));
}

static void suffer(struct cats_somegather *s, const struct cats_fault *fault)
{
	struct some_node *n = &s->nodes[fault->node];
	struct cats_error ignored;

	if (fault->kind == CATS_FAULT_FREEZE) {
		cats_world_freeze(s->world, fault->node, cats_world_time(s->world) + fault->lasting);
		return;
	}
	cats_world_reset(s->world, fault->node);
	n->dead = fault->kind == CATS_FAULT_KILL;
	n->took_part = n->sending = false;
	/* What was accepted when the simulation was set up is accepted again. */
	if (!n->dead && start_node(s, fault->node, &ignored) == CATS_OK)
		drive(n);
}

/* What node n itself does about its news. */
static void take_news(struct some_node *n, const struct cats_news *news)
{
	switch (news->kind) {
	case CATS_NEWS_COMPUTED:
		if (news->tag != n->run)
			return;
		computed(n);
		break;
	case CATS_NEWS_WAKE:
		if (news->tag != n->wake)
			return;
		break;
	case CATS_NEWS_FRAME:
		received(n, news);
		break;
	case CATS_NEWS_SENDING:
		n->all->frames++;
		cats_world_interrupt(n->all->world, n->self, CATS_SOMEGATHER_SEND_CYCLES + cycles_of_combinations(n));
		n->sending = false;
		break;
	case CATS_NEWS_MISSED:
		n->sending = false;
		break;
	case CATS_NEWS_BROKEN:
	case CATS_NEWS_SILENCE:
	case CATS_NEWS_PASSED:
		break;
	case CATS_NEWS_SENT:
	case CATS_NEWS_FATE:
		return;
	}
	if (!n->sending)
		drive(n);
}

static void turn(struct cats_somegather *s, uint32_t j, bool begins)
{
	if (s->options.turn != NULL)
		s->options.turn(s->options.context, j, begins);
}

static void on_news(void *context, struct cats_world *world, uint32_t j, const struct cats_news *news)
{
	struct cats_somegather *s = context;

	turn(s, j, true);
	if (news->kind == CATS_NEWS_FATE)
		suffer(s, &s->options.faults[news->tag]);
	else
		take_news(&s->nodes[j], news);
	turn(s, j, false);
	if (all_over(s))
		cats_world_halt(world);
}

/* ---- All of them ---- */

static const struct cats_shard_site *shard_site(const struct cats_shards *shards, uint32_t j, uint32_t site)
{
	const struct cats_shard_header *h = cats_shards_header(shards, j);

	return (const struct cats_shard_site *)(const void *)(shards->bytes[j] + h->sites) + site;
}

/* Values of others that node j has in its view of a site. */
static uint64_t wanted_values(const struct cats_shards *shards, uint32_t j, uint32_t site)
{
	const struct cats_shard_site *at = shard_site(shards, j, site);
	const struct cats_shard_sender *senders =
		(const struct cats_shard_sender *)(const void *)(shards->bytes[j] + at->senders);

	return (uint64_t)at->tokens * (at->columns - (uint32_t)senders[j].columns);
}

static bool describe_site(struct cats_somegather *s, uint32_t site)
{
	struct cats_net_site *out = &s->sites[site];

	if (!cats_net_site_of_shard(out, &s->nodes[0].station.node.shard, (uint16_t)site))
		return false;
	for (uint32_t j = 0; j < s->devices; j++)
		s->expected += wanted_values(s->shards, j, site);
	s->longest += (out->compute_us + cats_net_site_deadline_us(out, s->devices)) * CATS_TIME_US;
	return true;
}

static enum cats_status describe_sites(struct cats_somegather *s, struct cats_error *error)
{
	if (!cats_shard_is_timed(&s->nodes[0].station.node.shard))
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: its shards lack the times of gathers: a site has more packets than the gather "
				 "protocol carries, or nobody measured: plan again, with longer packets (--payload)",
				 s->shards->name);
	for (uint32_t site = 0; site < s->site_count; site++)
		if (!describe_site(s, site))
			return cats_fail(error, CATS_ERR_MISMATCH,
					 "%s: site %u: not one that the gather protocol knows", s->shards->name, site);
	return CATS_OK;
}

static enum cats_status create_world(struct cats_somegather *s, struct cats_error *error)
{
	const struct cats_play_options *options = &s->options;
	const struct cats_world_options world = {
		.medium = {.topology = options->topology,
			   .link_loss = options->link_loss,
			   .burst_share = options->burst_share,
			   .seed = options->seed,
			   .lose = options->lose,
			   .context = options->context},
		.drift_ppm = options->drift_ppm,
		.offset_max = 1000000 * CATS_TIME_US,
		.news = on_news,
		.context = s,
		.observer = options->observer,
	};

	return cats_world_create(&s->world, &world, error);
}

static enum cats_status allocate(struct cats_somegather *s, struct cats_error *error)
{
	/* Whoever knows the key belongs to the network; in a simulation there is nobody else. */
	static const uint8_t key[CATS_AEAD_KEY_BYTES] = {0};

	s->nodes = calloc(s->devices, sizeof *s->nodes);
	s->sites = calloc(s->site_count, sizeof *s->sites);
	s->gather = calloc(s->site_count, sizeof *s->gather);
	s->aead = cats_host_aead_create(key);
	if (!s->nodes || !s->sites || !s->gather || !s->aead)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", s->shards->name);
	return cats_stages_create(&s->stages, s->site_count, error);
}

static enum cats_status set_up(struct cats_somegather *s, struct cats_error *error)
{
	enum cats_status status = allocate(s, error);

	for (uint32_t j = 0; status == CATS_OK && j < s->devices; j++) {
		s->nodes[j].all = s;
		s->nodes[j].self = j;
		status = cats_shards_open_node(&s->nodes[j].station.node, &s->nodes[j].station.arena, s->shards, j,
					       s->options.kernels, error);
	}
	if (status == CATS_OK)
		status = describe_sites(s, error);
	if (status == CATS_OK)
		status = create_world(s, error);
	for (uint32_t j = 0; status == CATS_OK && j < s->devices; j++)
		status = start_node(s, j, error);
	for (uint32_t j = 0; status == CATS_OK && j < s->devices; j++)
		drive(&s->nodes[j]);
	return status;
}

enum cats_status cats_somegather_create(struct cats_somegather **out, const struct cats_shards *shards,
					const struct cats_play_options *options, struct cats_error *error)
{
	const struct cats_shard_header *h = cats_shards_header(shards, 0);
	struct cats_somegather *s = calloc(1, sizeof *s);
	enum cats_status status;

	*out = NULL;
	if (s == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", shards->name);
	s->shards = shards;
	s->options = *options;
	s->devices = shards->devices;
	s->site_count = h->site_count;
	s->source = h->source;
	s->sink = h->sink == CATS_SINK_ALL ? 0 : h->sink;
	status = set_up(s, error);
	if (status < 0)
		cats_somegather_free(s);
	else
		*out = s;
	return status;
}

void cats_somegather_free(struct cats_somegather *s)
{
	if (s == NULL)
		return;
	for (uint32_t j = 0; s->nodes && j < s->devices; j++)
		free(s->nodes[j].station.arena);
	cats_world_free(s->world);
	cats_host_aead_free(s->aead);
	free(s->nodes);
	free(s->sites);
	free(s->gather);
	cats_stages_free(&s->stages);
	free(s);
}

struct cats_somegather_memory cats_somegather_memory(struct cats_somegather *s, uint32_t node)
{
	return (struct cats_somegather_memory){
		.structs = &s->nodes[node],
		.struct_bytes = sizeof s->nodes[node],
		.arena = s->nodes[node].station.arena,
		.arena_bytes = cats_shards_header(s->shards, node)->arena_bytes,
	};
}

const struct cats_net *cats_somegather_net(const struct cats_somegather *s, uint32_t node)
{
	return &s->nodes[node].net;
}

static void begin(struct cats_somegather *s)
{
	struct some_node *source = &s->nodes[s->source];

	s->report = (struct cats_play_report){
		.start = cats_world_time(s->world),
		.sites = s->site_count,
		.gather = s->gather,
		.stages = &s->stages,
		.spent = s->spent,
		.sink = &s->nodes[s->sink].station.node,
		.expected = s->expected,
	};
	s->air_before = cats_world_air(s->world);
	s->frames = 0;
	cats_stages_begin(&s->stages);
	memset(s->gather, 0, s->site_count * sizeof *s->gather);
	for (uint32_t j = 0; j < s->devices; j++) {
		s->nodes[j].took_part = s->nodes[j].done = s->nodes[j].closed = false;
		cats_world_spent(s->spent_before[j], s->world, j);
	}
	for (uint32_t i = 0; i < s->options.fault_count; i++)
		if (s->options.faults[i].inference == s->inferences)
			cats_world_fate(s->world, s->options.faults[i].node,
					s->report.start + s->options.faults[i].after, i);
	s->inferences++;
	if (source->dead || !cats_net_open(&source->net, now_us(source), now_us(source)))
		return;
	turn(s, s->source, true);
	if (!source->sending)
		drive(source);
	turn(s, s->source, false);
}

static void finish(struct cats_somegather *s)
{
	struct cats_play_report *r = &s->report;

	r->end = cats_world_time(s->world);
	cats_stages_end(&s->stages, s->world);
	r->air = cats_world_air(s->world) - s->air_before;
	r->air_bytes = (uint64_t)(r->air / CATS_RADIO_BYTE);
	r->frames = s->frames;
	r->slots = (uint32_t)s->frames;
	for (uint32_t j = 0; j < s->devices; j++) {
		if (s->nodes[j].took_part)
			r->arrived += cats_node_share(&s->nodes[j].station.node).arrived;
		cats_world_spent(s->spent[j], s->world, j);
		for (int d = 0; d < CATS_DRAWS; d++)
			s->spent[j][d] -= s->spent_before[j][d];
	}
	/* A sink that did not come to its end may have the result of another inference. */
	if (!s->nodes[s->sink].done) {
		r->latency = r->end - r->start;
		cats_node_start(&s->nodes[s->sink].station.node, 0);
	}
}

enum cats_status cats_somegather_infer(struct cats_play_report *report, struct cats_somegather *s,
				       const struct cats_fleet_input *input, struct cats_error *error)
{
	enum cats_status status;

	s->error = error;
	s->status = CATS_OK;
	s->input = *input;
	status = cats_world_run(s->world, cats_world_time(s->world) + PAUSE, error);
	if (status == CATS_OK) {
		begin(s);
		status = cats_world_run(s->world, s->report.start + 2 * s->longest, error);
	}
	if (status == CATS_OK)
		status = s->status;
	if (status < 0)
		return status;
	finish(s);
	if (s->options.observer.inference != NULL)
		s->options.observer.inference(s->options.observer.context, s->report.start, s->report.end);
	*report = s->report;
	return CATS_OK;
}
