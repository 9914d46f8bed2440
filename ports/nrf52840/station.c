/* SPDX-License-Identifier: MIT */
/* The protocol's driver. See station.h. */
#include "ports/nrf52840/station.h"

#include <string.h>

#include "core/random.h"
#include "net/node.h"
#include "ports/nrf52840/ccm.h"
#include "ports/nrf52840/clock.h"
#include "ports/nrf52840/fault.h"
#include "ports/nrf52840/interrupts.h"
#include "ports/nrf52840/radio.h"
#include "ports/nrf52840/watchdog.h"

/* The protocol is asked at least so often, which also keeps clock and watchdog going. */
#define HEARTBEAT_US 250000U

/* From a frame's first bit until its ADDRESS calls the handler, and some: if it does not, the frame was not sent. */
#define SENDING_US 64U

/* An inference of one layer has more gathers; short ones have a combination of each node. */
#define SPARES 8U

void cats_pendsv(void);

/* Of the linker script: the lowest word of the interrupts' stack. */
extern volatile uint32_t __interrupt_stack_bottom[];
#define CANARY 0x5AFE57ACU

static struct {
	/* Protocol level. */
	struct cats_net net;
	struct cats_repair_row rows[CATS_STATION_ROWS];
	const struct cats_shard *shard;
	uint64_t sending_us; /* the transmission that was given is not asked about before */
	uint64_t wake_us;
	uint64_t spare_us; /* when the latest own combination of an epoch's first inference was due, */
	uint32_t spares;   /* and how many there were */
	/* From thread mode. */
	uint32_t ready_opening, ready_site; /* site + 1; 0: nothing */
	uint32_t ready_own;                 /* packets */
	uint32_t stored_epoch;
	uint32_t told_opening; /* of the latest gather that was told as open */
	uint16_t told_site;
	bool open;
	bool running;
	struct cats_station_news news;
} station;

static bool site_of(void *context, struct cats_net_site *out, uint16_t number)
{
	(void)context;
	return cats_net_site_of_shard(out, station.shard, number);
}

bool cats_station_init(const struct cats_station_options *options)
{
	const struct cats_shard_header *h = options->shard->header;
	const struct cats_net_config config = {
		.self = (uint8_t)h->device,
		.devices = (uint8_t)h->devices,
		.source = (uint8_t)h->source,
		.sites = h->site_count,
		.plan = (uint32_t)h->plan_id,
		.epoch = options->epoch,
		.site = site_of,
		.aead = options->aead,
		.store = cats_net_store_of_node(options->node),
		.rows = station.rows,
		.row_count = CATS_STATION_ROWS,
	};

	station.shard = options->shard;
	station.news.least_us = UINT32_MAX;
	station.wake_us = UINT64_MAX;
	__interrupt_stack_bottom[0] = CANARY;
	return cats_net_init(&station.net, &config);
}

void cats_station_start(void)
{
	station.running = true;
	cats_radio_listen();
	cats_interrupts_call_protocol();
}

/* ---- Protocol level ---- */

static void note_refusal(int refusal)
{
	const uint32_t kind = (uint32_t)(CATS_FRAME_REFUSED_SHORT - refusal);

	if (kind < CATS_STATION_REFUSALS)
		station.news.refused[kind]++;
}

static void receive_one(struct cats_radio_frame *received)
{
	uint8_t *frame = received->bytes + 1;
	const uint32_t bytes = 2U + received->bytes[1];
	int refusal;

	/* As net/ has it: S0, LENGTH, and at once what follows. */
	frame[1] = received->bytes[1];
	frame[0] = received->bytes[0];
	refusal = cats_net_receive(&station.net, received->start_us, frame, bytes);
	if (refusal != 0)
		note_refusal(refusal);
}

static void receive_all(void)
{
	struct cats_radio_frame *received;

	while ((received = cats_radio_received()) != NULL) {
		receive_one(received);
		cats_radio_release();
	}
}

static void take_word_of_thread(void)
{
	if (station.stored_epoch != 0) {
		station.news.wanted_epoch = 0;
		cats_net_epoch_stored(&station.net, station.stored_epoch);
		station.stored_epoch = 0;
	}
	if (station.ready_site != 0) {
		if (station.ready_opening == station.news.openings)
			cats_net_ready(&station.net, (uint16_t)(station.ready_site - 1U), station.ready_own);
		station.ready_site = 0;
	}
	if (station.open) {
		const uint64_t now_us = cats_clock_now_us();

		station.open = false;
		if (!cats_net_open(&station.net, now_us, now_us))
			station.news.missed++; /* not the source: thread mode did not look */
	}
}

static void begin(const struct cats_net_action *action)
{
	station.news.inference = action->inference;
	station.news.epoch = action->epoch;
	station.news.ended = 0;
	station.spares = 0;
	station.news.openings++;
}

static void wake_at(uint64_t at_us, uint64_t now_us)
{
	station.wake_us = at_us < now_us + HEARTBEAT_US ? at_us : now_us + HEARTBEAT_US;
	cats_clock_wake_at(station.wake_us);
}

/* Two nodes with one number do the same at the same time, and would never hear each other. So in an epoch's first
 * inference each leaves out one of its combinations, which one is its chip's own affair, and listens: while little is
 * lost nobody misses it. (A status that is missing costs all another round of them.) */
static bool listens_instead(const struct cats_net_action *action)
{
	const uint64_t key = cats_random_key(FICR_DEVICEID0, station.news.epoch);

	if (station.news.inference != 1 || cats_frame_kind_of(action->frame[0]) != CATS_FRAME_CODED)
		return false;
	if (action->at_us != station.spare_us)
		station.spares++;
	station.spare_us = action->at_us;
	return station.spares == 1U + cats_random_below(key, 0, SPARES);
}

static void send(const struct cats_net_action *action, uint64_t now_us)
{
	if (listens_instead(action)) {
		cats_radio_listen();
		wake_at(action->at_us, now_us);
		return;
	}
	const uint64_t left_us = action->at_us - CATS_RADIO_ARMING_US - cats_clock_now_us();

	if (!cats_radio_send(action->at_us, cats_ccm_sealed(), cats_air_frame_us(action->frame_bytes - 2U)))
		station.news.missed++;
	else if (left_us < station.news.least_us)
		station.news.least_us = (uint32_t)left_us;
	station.sending_us = action->at_us;
	wake_at(action->at_us + SENDING_US, now_us);
}

/* True when the protocol is to be asked again at once. */
static bool act(const struct cats_net_action *action, uint64_t now_us)
{
	switch (action->kind) {
	case CATS_NET_EPOCH:
		station.news.wanted_epoch = action->epoch;
		cats_radio_listen();
		wake_at(UINT64_MAX, now_us);
		return false;
	case CATS_NET_OPENED:
		begin(action);
		return true;
	case CATS_NET_ENDED:
		station.news.ended = action->site + 1U;
		return true;
	case CATS_NET_CLOSED:
		station.news.closed = station.news.openings;
		return true;
	case CATS_NET_TRANSMIT:
		send(action, now_us);
		return false;
	case CATS_NET_LISTEN:
		cats_radio_listen();
		cats_ccm_expect(action->expected, action->expected_us, action->expects);
		wake_at(action->until_us, now_us);
		return false;
	case CATS_NET_SLEEP:
		cats_radio_quiet();
		wake_at(action->until_us, now_us);
		return false;
	}
	return false;
}

static void turn(void)
{
	struct cats_net_action action;
	uint64_t now_us = cats_clock_now_us();

	if (now_us > station.wake_us && now_us - station.wake_us > station.news.late_us)
		station.news.late_us = (uint32_t)(now_us - station.wake_us);
	receive_all();
	take_word_of_thread();
	do {
		now_us = cats_clock_now_us();
		if (now_us < station.sending_us) {
			wake_at(station.sending_us + SENDING_US, now_us);
			return;
		}
		cats_net_next(&action, &station.net, now_us);
	} while (act(&action, now_us));
}

void cats_pendsv(void)
{
	if (__interrupt_stack_bottom[0] != CANARY)
		cats_fault_raise(CATS_FAULT_INTERRUPT_STACK);
	if (!station.running)
		return;
	turn();
	if (cats_radio_is_alive())
		cats_watchdog_feed(CATS_WATCHDOG_PROTOCOL);
}

/* ---- Thread mode ---- */

/* Of a further packet the protocol need not know before it has another reason to look, its slot at the latest. */
void cats_station_ready(uint32_t opening, uint16_t site, uint32_t own)
{
	const uint32_t before = cats_interrupts_hold(CATS_LEVEL_PROTOCOL);
	const bool opens = opening != station.told_opening || site != station.told_site;

	station.told_opening = opening;
	station.told_site = site;
	station.ready_opening = opening;
	station.ready_site = site + 1U;
	station.ready_own = own;
	cats_interrupts_restore(before);
	if (opens)
		cats_interrupts_call_protocol();
}

void cats_station_open(void)
{
	station.open = true;
	cats_interrupts_call_protocol();
}

void cats_station_epoch_stored(uint32_t epoch)
{
	station.stored_epoch = epoch;
	cats_interrupts_call_protocol();
}

const struct cats_station_news *cats_station_news(void)
{
	return &station.news;
}

struct cats_net_counters cats_station_counters(void)
{
	return station.net.counters;
}
