/* SPDX-License-Identifier: MIT */
/* A medium, clocks and drivers. See ether.h. */
#include "sim/ether.h"

#include <stdlib.h>
#include <string.h>

#include "core/random.h"

#define NEVER UINT64_MAX
#define RAMP_NS 40000U

enum { DRIFT = 1, LOSS, PAYLOAD, OFFSET };

static const uint8_t key[CATS_AEAD_KEY_BYTES] = "a key for tests", other_key[CATS_AEAD_KEY_BYTES] = "another key";

#define PLAN 0x12345678U

/* The node's clock. 2^40 ns are 18 minutes: no overflow. */
static uint64_t local_us(const struct cats_ether_node *n, uint64_t ns)
{
	return n->clock_offset_us + (ns + (uint64_t)((int64_t)ns / 1000 * n->drift_ppb / 1000000)) / 1000U;
}

/* The first instant at which the node's clock shows `us`. */
static uint64_t true_ns(const struct cats_ether_node *n, uint64_t us)
{
	uint64_t ns;

	if (us <= n->clock_offset_us)
		return 0;
	if (us - n->clock_offset_us > UINT64_C(1) << 40)
		return NEVER;
	ns = (us - n->clock_offset_us) * 1000U;
	ns -= (uint64_t)((int64_t)ns / 1000 * n->drift_ppb / 1000000);
	while (local_us(n, ns) < us)
		ns += 100;
	return ns;
}

void cats_ether_payload(uint8_t *payload, const struct cats_ether *e, uint32_t epoch, uint32_t inference, uint16_t site,
			uint8_t sender, uint16_t packet, uint32_t bytes)
{
	uint64_t k = cats_random_key(cats_random_key(e->options.seed, PAYLOAD), (uint64_t)epoch << 32 | inference);

	k = cats_random_key(k, (uint64_t)site << 32 | (uint64_t)sender << 16 | packet);
	for (uint32_t i = 0; i < bytes; i += 8) {
		const uint64_t value = cats_random_u64(k, i);

		memcpy(payload + i, &value, bytes - i < 8 ? bytes - i : 8);
	}
}

static uint32_t packet_bytes(const struct cats_ether *e, uint16_t site, uint8_t sender, uint16_t packet)
{
	const struct cats_net_layout *l = &e->layouts[site];

	return cats_net_packet_bytes(l, &e->options.site[site], (uint32_t)l->first[sender] + packet);
}

static uint8_t *view_of(const struct cats_ether_node *n, uint8_t sender, uint16_t packet)
{
	return n->view + n->ether->layouts[n->running].first[sender] + packet;
}

static uint32_t store_read(void *context, uint8_t *payload, uint8_t sender, uint16_t packet)
{
	const struct cats_ether_node *n = context;
	const uint32_t bytes = packet_bytes(n->ether, n->running, sender, packet);

	if (!n->open || (sender != n->self && !*view_of(n, sender, packet)))
		return 0;
	cats_ether_payload(payload, n->ether, n->epoch, n->inference, n->running, sender, packet, bytes);
	return bytes;
}

static bool store_write(void *context, uint8_t sender, uint16_t packet, const uint8_t *payload, uint32_t bytes)
{
	struct cats_ether_node *n = context;
	uint8_t sent[CATS_FRAME_BYTES_MAX];

	if (!n->open || sender == n->self || (n->ether->options.site[n->running].receivers >> n->self & 1U) == 0)
		return false;
	cats_ether_payload(sent, n->ether, n->epoch, n->inference, n->running, sender, packet, bytes);
	if (bytes != packet_bytes(n->ether, n->running, sender, packet) || memcmp(sent, payload, bytes) != 0 ||
	    *view_of(n, sender, packet))
		n->wrong_bytes++;
	*view_of(n, sender, packet) = 1;
	return true;
}

static bool site_of(void *context, struct cats_net_site *out, uint16_t number)
{
	const struct cats_ether_node *n = context;

	if (number >= n->ether->options.sites)
		return false;
	*out = n->ether->options.site[number];
	return true;
}

static bool start_node(struct cats_ether_node *n)
{
	const struct cats_ether_options *o = &n->ether->options;
	const struct cats_net_config config = {
		.self = n->self,
		.devices = o->devices,
		.source = o->source,
		.sites = o->sites,
		.plan = PLAN + (uint32_t)(o->others >> n->self & 1U),
		.epoch = n->flash_epoch,
		.site = site_of,
		.context = n,
		.aead = cats_host_aead_interface(n->aead),
		.store = {.read = store_read, .write = store_write, .context = n},
		.rows = n->rows,
		.row_count = o->rows ? o->rows : CATS_ETHER_ROWS,
	};

	n->wake_ns = n->ether->now_ns;
	n->radio_on_ns = n->ready_ns = NEVER;
	n->busy_ns = 0;
	n->open = false;
	n->action = (struct cats_net_action){.kind = CATS_NET_SLEEP};
	return cats_net_init(&n->net, &config);
}

void cats_ether_reboot(struct cats_ether *e, uint8_t node)
{
	struct cats_ether_node *n = &e->nodes[node];

	n->dead = false;
	if (!start_node(n))
		abort();
}

static bool create_node(struct cats_ether *e, uint8_t self, uint32_t packets)
{
	struct cats_ether_node *n = &e->nodes[self];
	const uint64_t k = cats_random_key(e->options.seed, DRIFT);
	const int64_t most = (int64_t)e->options.drift_ppm * 1000;

	n->ether = e;
	n->self = self;
	n->clock_offset_us =
		1000U + cats_random_below(cats_random_key(e->options.seed, OFFSET), self, UINT32_C(100000000));
	n->drift_ppb = e->options.extreme ? (self % 2U ? most : -most)
					  : (int64_t)cats_random_below(k, self, (uint32_t)(2 * most + 1)) - most;
	n->view = calloc(packets + 1U, 1);
	n->results = calloc(e->options.sites, sizeof *n->results);
	n->aead = cats_host_aead_create((e->options.strangers >> self & 1U) != 0 ? other_key : key);
	return n->view && n->results && n->aead && start_node(n);
}

struct cats_ether *cats_ether_create(const struct cats_ether_options *options)
{
	struct cats_ether *e = calloc(1, sizeof *e);
	uint32_t packets = 0;

	if (!e)
		return NULL;
	e->options = *options;
	e->nodes = calloc(options->devices, sizeof *e->nodes);
	e->layouts = calloc(options->sites, sizeof *e->layouts);
	if (options->poison)
		e->shadow = calloc(options->devices, sizeof *e->shadow);
	for (uint32_t i = 0; e->layouts && i < options->sites; i++) {
		if (!cats_net_layout_of(&e->layouts[i], &options->site[i], options->devices)) {
			cats_ether_free(e);
			return NULL;
		}
		packets = e->layouts[i].packets > packets ? e->layouts[i].packets : packets;
	}
	for (uint32_t i = 0; e->nodes && i < options->devices; i++)
		if (!create_node(e, (uint8_t)i, packets)) {
			cats_ether_free(e);
			return NULL;
		}
	if (!e->nodes || !e->layouts || (options->poison && !e->shadow)) {
		cats_ether_free(e);
		return NULL;
	}
	return e;
}

void cats_ether_free(struct cats_ether *e)
{
	if (!e)
		return;
	for (uint32_t i = 0; e->nodes && i < e->options.devices; i++) {
		cats_host_aead_free(e->nodes[i].aead);
		free(e->nodes[i].view);
		free(e->nodes[i].results);
	}
	free(e->nodes);
	free(e->shadow);
	free(e->layouts);
	free(e);
}

/* Everything of the others that the protocol of one node could reach. */
static void poison(struct cats_ether_node *n)
{
	struct cats_ether *e = n->ether;

	for (uint32_t i = 0; e->shadow && i < e->options.devices; i++) {
		if (i == n->self)
			continue;
		e->shadow[i].net = e->nodes[i].net;
		memcpy(e->shadow[i].rows, e->nodes[i].rows, sizeof e->nodes[i].rows);
		memset(&e->nodes[i].net, 0xa5, sizeof e->nodes[i].net);
		memset(e->nodes[i].rows, 0xa5, sizeof e->nodes[i].rows);
	}
}

static void restore(struct cats_ether_node *n)
{
	struct cats_ether *e = n->ether;

	for (uint32_t i = 0; e->shadow && i < e->options.devices; i++) {
		if (i == n->self)
			continue;
		e->nodes[i].net = e->shadow[i].net;
		memcpy(e->nodes[i].rows, e->shadow[i].rows, sizeof e->nodes[i].rows);
	}
}

static void receive(struct cats_ether_node *n, const struct cats_ether_frame *frame)
{
	const uint64_t start_us = local_us(n, frame->start_ns);

	poison(n);
	(void)!cats_net_receive(&n->net, start_us, frame->bytes, frame->length);
	restore(n);
}

static void next(struct cats_ether_node *n, uint64_t now_us)
{
	poison(n);
	cats_net_next(&n->action, &n->net, now_us);
	restore(n);
}

/* Runtime: it computes, then has its next gather open. */
static void compute(struct cats_ether_node *n, uint16_t site)
{
	const struct cats_ether_options *o = &n->ether->options;
	uint64_t us;

	n->open = false;
	n->ready_ns = NEVER;
	if (site >= o->sites)
		return;
	n->running = site;
	us = o->compute_us ? o->compute_us : o->site[site].compute_us / 2U;
	n->ready_ns = n->ether->now_ns + us * 1000U;
}

static void runtime_ready(struct cats_ether_node *n)
{
	n->ready_ns = NEVER;
	n->open = true;
	memset(n->view, 0, n->ether->layouts[n->running].packets);
	poison(n);
	cats_net_ready(&n->net, n->running, CATS_NET_ALL_OWN);
	restore(n);
}

static void end_gather(struct cats_ether_node *n, uint16_t site)
{
	const struct cats_net_layout *l = &n->ether->layouts[site];
	struct cats_ether_result *r = &n->results[site];

	*r = (struct cats_ether_result){.ended = true, .start_ns = r->start_ns, .end_ns = n->ether->now_ns};
	if (!n->open || n->running != site)
		n->wrong_has++;
	for (uint8_t s = 0; s < n->ether->options.devices; s++)
		for (uint16_t p = 0; p < l->first[s + 1U] - l->first[s]; p++)
			r->missing += s != n->self && !*view_of(n, s, p);
	if ((n->ether->options.site[site].receivers >> n->self & 1U) == 0)
		r->missing = 0;
	r->complete = r->missing == 0;
	compute(n, (uint16_t)(site + 1U));
}

/* While a gather is open the protocol's own account must be the store's. */
static void check_account(struct cats_ether_node *n)
{
	const struct cats_net_layout *l = &n->ether->layouts[n->running];

	if (!n->open || !n->net.storing)
		return;
	for (uint8_t s = 0; s < n->ether->options.devices; s++)
		for (uint16_t p = 0; p < l->first[s + 1U] - l->first[s]; p++)
			if (s != n->self && cats_net_has(&n->net, s, p) != (*view_of(n, s, p) != 0))
				n->wrong_has++;
}

/* A gather begins when its first slot does, by each node's own idea of the network's time. */
static void note_start(struct cats_ether_node *n)
{
	const struct cats_net *net = &n->net;

	if (net->phase == CATS_NET_PHASE_GATHER && net->part == CATS_NET_SLOTS)
		n->results[net->site].start_ns = true_ns(n, net->base_us + net->start_us);
}

static void radio(struct cats_ether_node *n, bool on)
{
	if (!on)
		n->radio_on_ns = NEVER;
	else if (n->radio_on_ns == NEVER)
		n->radio_on_ns = n->ether->now_ns + RAMP_NS;
}

/* Asks the protocol until it says something that takes time. */
static void ask(struct cats_ether_node *n)
{
	const uint64_t now = local_us(n, n->ether->now_ns);
	struct cats_net_action *a = &n->action;

	const bool given = a->kind == CATS_NET_TRANSMIT;
	const uint64_t given_us = a->at_us;

	for (;;) {
		next(n, now);
		if (a->kind == CATS_NET_EPOCH) {
			n->flash_epoch = a->epoch;
			cats_net_epoch_stored(&n->net, a->epoch);
		} else if (a->kind == CATS_NET_OPENED) {
			n->epoch = a->epoch;
			n->inference = a->inference;
			memset(n->results, 0, n->ether->options.sites * sizeof *n->results);
			compute(n, 0);
		} else if (a->kind == CATS_NET_ENDED) {
			check_account(n);
			end_gather(n, a->site);
		} else if (a->kind == CATS_NET_CLOSED) {
			n->closed++;
		} else {
			break;
		}
	}
	note_start(n);
	radio(n, a->kind != CATS_NET_SLEEP);
	if (a->kind != CATS_NET_TRANSMIT) {
		n->wake_ns = true_ns(n, a->until_us);
		return;
	}
	if (a->at_us + CATS_NET_LATE_US < now + n->net.config.lead_us && !(given && a->at_us == given_us))
		n->late++;
	n->wake_ns = true_ns(n, a->at_us);
}

static void collide(struct cats_ether *e, uint32_t i)
{
	for (uint32_t k = 0; k < e->flights; k++) {
		if (k == i || e->flight[k].end_ns <= e->flight[i].start_ns)
			continue;
		e->collided[k] = e->collided[i] = true;
		e->collisions++;
	}
}

static void put_on_air(struct cats_ether *e, uint8_t sender, const uint8_t *bytes, uint32_t length)
{
	struct cats_ether_frame *f = &e->flight[e->flights];

	if (e->flights == sizeof e->flight / sizeof *e->flight)
		abort();
	f->number = e->frames++;
	f->sender = sender;
	f->start_ns = e->now_ns;
	f->end_ns = e->now_ns + (uint64_t)cats_air_frame_us(length - 2U) * 1000U;
	f->length = length;
	memcpy(f->bytes, bytes, length);
	e->collided[e->flights] = false;
	collide(e, e->flights++);
}

void cats_ether_inject(struct cats_ether *e, const uint8_t *bytes, uint32_t length)
{
	put_on_air(e, 255, bytes, length);
}

static void transmit(struct cats_ether_node *n)
{
	const uint64_t air_ns = (uint64_t)cats_air_frame_us(n->action.frame_bytes - 2U) * 1000U;

	if (!n->mute)
		put_on_air(n->ether, n->self, n->action.frame, n->action.frame_bytes);
	n->busy_ns = n->ether->now_ns + air_ns + RAMP_NS;
	n->action.kind = CATS_NET_LISTEN;
	ask(n);
}

static bool hears(const struct cats_ether_node *n, const struct cats_ether_frame *f)
{
	if (n->dead || n->deaf || n->self == f->sender || n->frozen_until_ns > f->start_ns)
		return false;
	if (n->radio_on_ns > f->start_ns || n->busy_ns > f->start_ns)
		return false;
	return n->action.kind != CATS_NET_TRANSMIT || n->wake_ns >= f->end_ns + RAMP_NS;
}

static void land(struct cats_ether *e, uint32_t i)
{
	const struct cats_ether_options *o = &e->options;
	const struct cats_ether_frame frame = e->flight[i];
	const bool collided = e->collided[i];

	e->flight[i] = e->flight[--e->flights];
	e->collided[i] = e->collided[e->flights];
	for (uint8_t j = 0; j < o->devices; j++) {
		struct cats_ether_node *n = &e->nodes[j];
		const uint64_t k = cats_random_key(cats_random_key(o->seed, LOSS), frame.number);
		struct cats_ether_frame copy = frame;

		if (collided || !hears(n, &frame) || cats_random_event(k, j, o->loss_q32))
			continue;
		if (o->pass && !o->pass(o->context, e, &copy, j))
			continue;
		receive(n, &copy);
		check_account(n);
		ask(n);
	}
}

static uint64_t node_event(const struct cats_ether_node *n)
{
	const uint64_t next = n->ready_ns < n->wake_ns ? n->ready_ns : n->wake_ns;

	if (n->dead)
		return NEVER;
	return next < n->frozen_until_ns ? n->frozen_until_ns : next;
}

static void act(struct cats_ether_node *n)
{
	if (n->ready_ns <= n->ether->now_ns)
		runtime_ready(n);
	/* A frozen node's transmission of before has passed: it is not made up for. */
	if (n->action.kind == CATS_NET_TRANSMIT && n->wake_ns == n->ether->now_ns)
		transmit(n);
	else
		ask(n);
}

/* One event at or before until_ns; false when there is none. */
static bool step(struct cats_ether *e, uint64_t until_ns)
{
	uint64_t next = NEVER;
	uint32_t node = 0, flight = e->flights;

	for (uint32_t i = 0; i < e->options.devices; i++) {
		const uint64_t ns = node_event(&e->nodes[i]);

		if (ns < next) {
			next = ns;
			node = i;
		}
	}
	for (uint32_t i = 0; i < e->flights; i++)
		if (e->flight[i].end_ns <= next) {
			next = e->flight[i].end_ns;
			flight = i;
		}
	if (next > until_ns)
		return false;
	e->now_ns = next > e->now_ns ? next : e->now_ns;
	if (e->options.tick)
		e->options.tick(e->options.context, e, e->now_ns);
	if (flight < e->flights)
		land(e, flight);
	else
		act(&e->nodes[node]);
	return true;
}

void cats_ether_run(struct cats_ether *e, uint64_t until_ns)
{
	while (step(e, until_ns))
		;
	e->now_ns = until_ns;
}

uint32_t cats_ether_infer(struct cats_ether *e, uint64_t limit_us)
{
	struct cats_ether_node *source = &e->nodes[e->options.source];
	const uint64_t until_ns = e->now_ns + limit_us * 1000U;
	uint32_t ended = 0;

	for (uint32_t i = 0; i < e->options.devices; i++) {
		e->nodes[i].closed = 0;
		memset(e->nodes[i].results, 0, e->options.sites * sizeof *e->nodes[i].results);
	}
	if (!cats_net_open(&source->net, local_us(source, e->now_ns), 0))
		abort();
	source->wake_ns = e->now_ns;
	do {
		ended = 0;
		for (uint32_t i = 0; i < e->options.devices; i++)
			ended += e->nodes[i].closed > 0;
	} while (ended < e->options.devices && step(e, until_ns));
	return ended;
}
