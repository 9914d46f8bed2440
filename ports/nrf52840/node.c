/* SPDX-License-Identifier: MIT */
/* Thread mode. See node.h. */
#include "ports/nrf52840/node.h"

#include "ports/nrf52840/ccm.h"
#include "ports/nrf52840/clock.h"
#include "ports/nrf52840/epoch.h"
#include "ports/nrf52840/radio.h"
#include "ports/nrf52840/serial.h"
#include "ports/nrf52840/station.h"
#include "ports/nrf52840/text.h"
#include "ports/nrf52840/watchdog.h"

#define PIN_LED 13U /* lit when low */

/* Of a step: so late at most does thread mode notice a new inference. */
#define BUDGET_CYCLES 32000U

/* At most so often a line about what is not as it should be. */
#define COMPLAINT_US 100000U

/* What was left, in the worst case, of what must be done by when. */
struct slack {
	struct cats_radio_slack radio;
	uint32_t arming_us, missed; /* transmissions */
	int32_t ready_us;           /* gathers */
	uint32_t unready;
};

static struct {
	struct cats_node *node;
	const struct cats_station_news *news;
	uint8_t *input;
	uint32_t input_room;
	uint32_t input_bytes; /* of the input at hand; 0: none */
	bool is_source;
	int state;        /* of the runtime */
	uint32_t opening; /* that it is at */
	uint32_t closed;  /* that was seen */
	bool lit;
	/* What was complained about. */
	uint64_t complained_us;
	uint32_t twins, plans, tags, dropped;
	struct slack slack;
} self;

static void log_refusal(const char *what, int refusal)
{
	cats_log_begin(what);
	cats_log_text(": ");
	cats_log_text(cats_refusal_text(refusal));
	cats_log_end();
}

/* ---- Input ---- */

/* Bytes, or int8 values, of one inference. */
static uint32_t input_size(void)
{
	const struct cats_shard_site *site = self.node->shard.sites;

	return (uint32_t)site->tokens * site->columns;
}

static void refuse_input(const char *why, uint32_t count)
{
	cats_log_begin("input refused: ");
	cats_log_text(why);
	cats_log_field("of", count);
	cats_log_field("bytes; the plan has", input_size());
	cats_log_end();
	cats_serial_accept(self.input, self.input_room);
}

static void take_input(void)
{
	uint32_t count;

	if (!self.is_source || self.input_bytes != 0)
		return;
	switch (cats_serial_poll(&count)) {
	case CATS_SERIAL_WHOLE:
		if (count != input_size()) {
			refuse_input("its size is another,", count);
			break;
		}
		self.input_bytes = count;
		cats_station_open();
		break;
	case CATS_SERIAL_TOO_LONG:
		refuse_input("it is longer than there is room,", count);
		break;
	case CATS_SERIAL_CHECKSUM:
		refuse_input("its checksum is wrong,", count);
		break;
	case CATS_SERIAL_BROKEN:
		refuse_input("bytes are missing,", count);
		break;
	case CATS_SERIAL_NOTHING:
		break;
	}
}

static void forget_input(void)
{
	if (self.input_bytes == 0)
		return;
	self.input_bytes = 0;
	cats_serial_accept(self.input, self.input_room);
}

/* ---- An inference ---- */

static void light(bool on)
{
	self.lit = on;
	if (on)
		P0_OUTCLR = 1U << PIN_LED;
	else
		P0_OUTSET = 1U << PIN_LED;
}

static void give_up(const char *what, int refusal)
{
	log_refusal(what, refusal);
	self.state = CATS_NODE_IDLE;
	forget_input();
}

static void begin(void)
{
	int refusal = 0;

	/* Another may begin while these are read. */
	do {
		self.opening = self.news->openings;
		cats_node_start(self.node, (uint16_t)self.news->inference);
	} while (self.opening != self.news->openings);
	light(!self.lit);
	self.state = CATS_NODE_WORKING;
	if (!self.is_source)
		return;
	if (self.node->shard.header->input_table != 0)
		refusal = cats_node_input_bytes(self.node, self.input, self.input_bytes);
	else
		refusal = cats_node_input(self.node, (const int8_t *)self.input, self.input_bytes);
	if (refusal != 0)
		give_up("input refused", refusal);
}

static void log_value(uint32_t row, uint32_t column)
{
	int32_t value;

	cats_log_text(" ");
	if (cats_node_result(&value, self.node, row, column) == 1)
		cats_log_signed(value);
	else
		cats_log_text("-");
}

/* One line: rows of outputs, separated by a slash. */
static void log_result(void)
{
	const struct cats_shard *shard = &self.node->shard;
	const struct cats_share share = cats_node_share(self.node);
	const uint32_t rows = shard->sites[shard->header->site_count - 1U].tokens;

	cats_log_begin("result");
	cats_log_field("epoch", self.news->epoch);
	cats_log_field("inference", self.news->inference);
	if ((shard->header->flags & CATS_SHARD_CLASSIFIES) != 0) {
		cats_log_text(" class ");
		cats_log_signed(cats_node_class(self.node));
	}
	cats_log_field("share", share.arrived);
	cats_log_text("/");
	cats_log_number(share.expected);
	cats_log_text(" outputs");
	for (uint32_t row = 0; row < rows; row++) {
		if (row > 0)
			cats_log_text(" /");
		for (uint32_t column = 0; column < shard->header->outputs; column++)
			log_value(row, column);
	}
	cats_log_end();
}

static bool is_sink(void)
{
	const struct cats_shard_header *h = self.node->shard.header;

	return h->sink == h->device || h->sink == CATS_SINK_ALL;
}

/* A gather may be open although the runtime still computes for it. */
static void work(void)
{
	self.state = cats_node_step(self.node, BUDGET_CYCLES);
	if (self.state >= 0 && cats_node_open_site(self.node) != CATS_NO_SITE)
		cats_station_ready(self.opening, cats_node_open_site(self.node), cats_node_own_packets(self.node));
	else if (self.state == CATS_NODE_DONE && is_sink())
		log_result();
	else if (self.state < 0)
		give_up("the runtime stopped", self.state);
}

/* " 3.0 3.2": sender and packet of what has not arrived. */
static void log_lacking(uint16_t site)
{
	const struct cats_shard *shard = &self.node->shard;
	const struct cats_shard_sender *senders = cats_shard_senders(shard, shard->sites + site);

	cats_log_begin("lacks at site ");
	cats_log_number(site);
	cats_log_text(":");
	for (uint32_t i = 0; i < shard->header->devices; i++) {
		const struct cats_message message = cats_message_of(
			shard->sites[site].tokens, (uint32_t)senders[i].columns * shard->sites[site].column_bytes,
			shard->header->payload_max);

		for (uint32_t p = 0; p < message.packets; p++) {
			if (i == shard->header->device || cats_node_has(self.node, (uint8_t)i, (uint16_t)p))
				continue;
			cats_log_text(" ");
			cats_log_number(i);
			cats_log_text(".");
			cats_log_number(p);
		}
	}
	cats_log_end();
}

static void end_gather(void)
{
	const uint16_t site = cats_node_open_site(self.node);
	int refusal;

	if (site == CATS_NO_SITE || self.news->ended != site + 1U)
		return;
	if (!cats_node_gather_complete(self.node))
		log_lacking(site);
	refusal = cats_node_end_gather(self.node);
	self.state = CATS_NODE_WORKING;
	if (refusal != 0)
		give_up("the runtime stopped", refusal);
}

static void store_epoch(void)
{
	const uint32_t epoch = self.news->wanted_epoch;

	if (epoch == 0)
		return;
	if (cats_epoch_store(epoch)) {
		cats_station_epoch_stored(epoch);
		return;
	}
	cats_log_begin("flash: the epoch could not be written, and without it nothing is sent:");
	cats_log_field("epoch", epoch);
	cats_log_end();
}

/* ---- The log, when there is nothing else to do ---- */

static void complain(const char *what, uint32_t *told, uint32_t count)
{
	if (count == *told)
		return;
	cats_log_begin(what);
	cats_log_text(" ");
	cats_log_number(count - *told);
	cats_log_field("in all", count);
	cats_log_end();
	*told = count;
}

static struct slack slack_now(void)
{
	const struct cats_net_counters c = cats_station_counters();

	return (struct slack){.radio = cats_radio_slack(),
			      .arming_us = self.news->least_us,
			      .missed = self.news->missed,
			      .ready_us = c.least_ready_us,
			      .unready = c.unready};
}

static bool is_same_slack(const struct slack *a, const struct slack *b)
{
	return a->radio.next_buffer_us == b->radio.next_buffer_us &&
	       a->radio.before_sending_us == b->radio.before_sending_us &&
	       a->radio.after_sending_us == b->radio.after_sending_us && a->arming_us == b->arming_us &&
	       a->missed == b->missed && a->ready_us == b->ready_us && a->unready == b->unready;
}

/* " name value", "-" where it never came up. */
static void log_left(const char *name, uint32_t left_us)
{
	if (left_us != UINT32_MAX) {
		cats_log_field(name, left_us);
		return;
	}
	cats_log_text(" ");
	cats_log_text(name);
	cats_log_text(" -");
}

static void log_ready(int32_t ready_us)
{
	if (ready_us == INT32_MAX) {
		cats_log_text(" ready -");
		return;
	}
	cats_log_text(" ready ");
	cats_log_signed(ready_us);
}

static void log_slack(void)
{
	const struct slack s = slack_now();

	if (is_same_slack(&s, &self.slack))
		return;
	self.slack = s;
	cats_log_begin("least slack, us:");
	log_left("next buffer", s.radio.next_buffer_us);
	log_left("before sending", s.radio.before_sending_us);
	log_left("after sending", s.radio.after_sending_us);
	log_left("arming", s.arming_us);
	log_ready(s.ready_us);
	cats_log_field("missed", s.missed);
	cats_log_field("unready", s.unready);
	cats_log_field("protocol late", self.news->late_us);
	cats_log_field("sent", cats_radio_counters().sent);
	cats_log_field("flown", cats_ccm_counters().flown);
	cats_log_field("opened", cats_ccm_counters().opened);
	cats_log_end();
}

static uint32_t refused(int refusal)
{
	return self.news->refused[CATS_FRAME_REFUSED_SHORT - refusal];
}

static void log_oddities(void)
{
	const uint64_t now_us = cats_clock_now_us();

	if (now_us - self.complained_us < COMPLAINT_US)
		return;
	self.complained_us = now_us;
	complain("another node has this node's number: frames", &self.twins, refused(CATS_FRAME_REFUSED_TWIN));
	complain("frames of another plan or version:", &self.plans, refused(CATS_FRAME_REFUSED_PLAN));
	complain("frames whose tag is wrong (another key, or noise):", &self.tags, refused(CATS_FRAME_REFUSED_TAG));
	complain("frames for which no buffer was free:", &self.dropped, cats_radio_counters().dropped);
	log_slack();
}

static void close_inference(void)
{
	if (self.closed == self.news->closed)
		return;
	self.closed = self.news->closed;
	if (self.state != CATS_NODE_WORKING)
		forget_input();
}

/* Interrupts wake it even while they are masked: none is missed between the last look and the sleep. */
static void sleep(void)
{
	__asm volatile("cpsid i" ::: "memory");
	if (self.opening == self.news->openings && self.news->wanted_epoch == 0 &&
	    self.news->ended != cats_node_open_site(self.node) + 1U)
		__asm volatile("wfi" ::: "memory");
	__asm volatile("cpsie i" ::: "memory");
}

_Noreturn void cats_firmware_run(struct cats_node *node, uint8_t *spare, uint32_t spare_bytes)
{
	const struct cats_shard_header *h = node->shard.header;

	self.node = node;
	self.news = cats_station_news();
	self.input = spare;
	self.input_room = spare_bytes;
	self.is_source = h->device == h->source;
	self.state = CATS_NODE_IDLE;
	P0_PIN_CNF(PIN_LED) = PIN_CNF_OUTPUT;
	light(false);
	if (self.is_source)
		cats_serial_accept(self.input, self.input_room);
	self.slack = slack_now();
	cats_station_start();
	for (;;) {
		cats_watchdog_feed(CATS_WATCHDOG_THREAD);
		store_epoch();
		if (self.opening != self.news->openings)
			begin();
		if (self.state == CATS_NODE_GATHER)
			end_gather();
		if (self.state == CATS_NODE_WORKING) {
			work();
			continue;
		}
		close_inference();
		take_input();
		log_oddities();
		sleep();
	}
}
