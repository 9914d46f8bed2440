/* SPDX-License-Identifier: MIT */
/* The loop over events. See world.h. */
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#define NO_DRAW CATS_DRAW_BASE

enum event_kind {
	WAKE,      /* number: tag */
	COMPUTED,  /* number: tag */
	FATE,      /* number: tag */
	HEAR_RAMP, /* these five: number is the radio's plan */
	HEAR,
	HEAR_END,
	SEND_RAMP,
	SEND,
	SENT,    /* these three: of the frame on air */
	ADDRESS, /* all receivers at once */
	END,
};

struct plan {
	uint64_t number;
	bool sends;
	cats_time start; /* of sending, global */
	uint32_t bytes;
	uint8_t pdu[CATS_RADIO_PDU_MAX];
};

struct node {
	struct cats_clock clock;
	uint64_t life; /* counts resets: events of an earlier life are nobody's */
	cats_time frozen_until;
	cats_time computes_until; /* what it computes is done, or was */
	struct plan plan;
	enum cats_draw radio;            /* SEND, HEAR or NO_DRAW: off */
	cats_time radio_since, ready_at; /* HEAR: it is ramped up */
	cats_time spent[CATS_DRAWS];
};

/* A frame that is on air, and who listened when it began. */
struct flight {
	const struct cats_transmission *frame;
	uint64_t listened; /* bits */
	bool cut;          /* its sender lost power before the end */
};

struct cats_world {
	struct cats_world_options options;
	struct cats_medium *medium;
	struct cats_queue queue;
	cats_time now;
	struct node nodes[CATS_DEVICES_MAX];
	struct flight flights[CATS_DEVICES_MAX]; /* of each sender the latest */
	uint32_t count;
	bool halted, out_of_memory;
	cats_time air;
};

enum cats_status cats_world_create(struct cats_world **out, const struct cats_world_options *options,
				   struct cats_error *error)
{
	struct cats_world *w = calloc(1, sizeof *w);
	enum cats_status status;

	*out = NULL;
	if (w == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "simulation: out of memory");
	w->options = *options;
	w->count = options->medium.topology->nodes;
	status = cats_medium_create(&w->medium, &options->medium, error);
	if (status < 0) {
		free(w);
		return status;
	}
	for (uint32_t i = 0; i < w->count; i++) {
		w->nodes[i].clock = cats_clock_draw(options->medium.seed, i, options->drift_ppm, options->offset_max);
		if (options->synchronous_start)
			w->nodes[i].clock.offset = 0;
	}
	*out = w;
	return CATS_OK;
}

void cats_world_free(struct cats_world *w)
{
	if (w == NULL)
		return;
	cats_medium_free(w->medium);
	cats_queue_free(&w->queue);
	free(w);
}

cats_time cats_world_time(const struct cats_world *w)
{
	return w->now;
}

cats_time cats_world_local(const struct cats_world *w, uint32_t node)
{
	return cats_clock_local(&w->nodes[node].clock, w->now);
}

const struct cats_clock *cats_world_clock(const struct cats_world *w, uint32_t node)
{
	return &w->nodes[node].clock;
}

uint32_t cats_world_nodes(const struct cats_world *w)
{
	return w->count;
}

cats_time cats_world_air(const struct cats_world *w)
{
	return w->air;
}

void cats_world_halt(struct cats_world *w)
{
	w->halted = true;
}

/* At `at`, or now if that has passed. */
static void announce(struct cats_world *w, uint32_t node, enum event_kind kind, cats_time at, uint64_t number)
{
	const struct cats_event event = {
		.at = at > w->now ? at : w->now,
		.kind = kind,
		.node = node,
		.life = w->nodes[node].life,
		.number = number,
	};

	if (cats_queue_add(&w->queue, &event) < 0)
		w->out_of_memory = true;
}

static void tell(struct cats_world *w, uint32_t node, const struct cats_news *news)
{
	w->options.news(w->options.context, w, node, news);
}

static void observe_span(struct cats_world *w, uint32_t node, enum cats_draw draw, cats_time from, cats_time to)
{
	w->nodes[node].spent[draw] += to - from;
	if (w->options.observer.span != NULL && to > from)
		w->options.observer.span(w->options.observer.context, node, draw, from, to);
}

static void set_radio(struct cats_world *w, uint32_t node, enum cats_draw draw)
{
	struct node *n = &w->nodes[node];

	if (n->radio != NO_DRAW && n->radio != draw)
		observe_span(w, node, n->radio, n->radio_since, w->now);
	if (n->radio != draw)
		n->radio_since = w->now;
	if (draw != CATS_DRAW_HEAR)
		cats_medium_deafen(w->medium, node);
	n->radio = draw;
}

void cats_world_wake(struct cats_world *w, uint32_t node, cats_time local, uint64_t tag)
{
	announce(w, node, WAKE, cats_clock_global(&w->nodes[node].clock, local), tag);
}

void cats_world_fate(struct cats_world *w, uint32_t node, cats_time at, uint64_t tag)
{
	announce(w, node, FATE, at, tag);
}

void cats_world_compute(struct cats_world *w, uint32_t node, uint64_t cycles, uint64_t tag)
{
	const struct cats_clock *clock = &w->nodes[node].clock;
	const cats_time end = cats_clock_global(clock, cats_clock_local(clock, w->now) + (cats_time)cycles);

	observe_span(w, node, CATS_DRAW_CPU, w->now, end);
	w->nodes[node].computes_until = end;
	announce(w, node, COMPUTED, end, tag);
}

void cats_world_interrupt(struct cats_world *w, uint32_t node, uint64_t cycles)
{
	struct node *n = &w->nodes[node];

	if (w->now < n->computes_until) {
		observe_span(w, node, CATS_DRAW_CPU, n->computes_until, n->computes_until + (cats_time)cycles);
		n->computes_until += (cats_time)cycles;
	} else {
		n->spent[CATS_DRAW_CPU] += (cats_time)cycles;
	}
}

void cats_world_send(struct cats_world *w, uint32_t node, cats_time local, const uint8_t *pdu, uint32_t bytes)
{
	struct node *n = &w->nodes[node];

	n->plan.number++;
	n->plan.sends = true;
	n->plan.start = cats_clock_global(&n->clock, local);
	n->plan.bytes = bytes;
	memcpy(n->plan.pdu, pdu, bytes);
	/* A receiver that is ramping up goes on, too. */
	if (n->radio == CATS_DRAW_HEAR && w->now < n->ready_at)
		announce(w, node, HEAR, n->ready_at, n->plan.number);
	announce(w, node, SEND_RAMP, n->plan.start - CATS_RADIO_TX_RAMP, n->plan.number);
}

void cats_world_listen(struct cats_world *w, uint32_t node, cats_time from, cats_time until)
{
	struct node *n = &w->nodes[node];
	const cats_time begin = cats_clock_global(&n->clock, from) - CATS_RADIO_RX_RAMP;

	n->plan.number++;
	n->plan.sends = false;
	if (n->radio == CATS_DRAW_HEAR && begin <= w->now) {
		if (w->now < n->ready_at)
			announce(w, node, HEAR, n->ready_at, n->plan.number);
		else if (!cats_medium_listens(w->medium, node, w->now))
			cats_medium_listen(w->medium, node, w->now);
	} else if (n->radio == CATS_DRAW_SEND && begin < w->flights[node].frame->end) {
		announce(w, node, HEAR_RAMP, w->flights[node].frame->end, n->plan.number);
	} else {
		if (n->radio == CATS_DRAW_HEAR)
			set_radio(w, node, NO_DRAW);
		announce(w, node, HEAR_RAMP, begin, n->plan.number);
	}
	if (until < CATS_TIME_MAX)
		announce(w, node, HEAR_END, cats_clock_global(&n->clock, until), n->plan.number);
}

void cats_world_quiet(struct cats_world *w, uint32_t node)
{
	w->nodes[node].plan.number++;
	w->nodes[node].plan.sends = false;
	if (w->nodes[node].radio == CATS_DRAW_HEAR && cats_medium_receiving(w->medium, node) == NULL)
		set_radio(w, node, NO_DRAW);
}

void cats_world_reset(struct cats_world *w, uint32_t node)
{
	w->nodes[node].life++;
	w->nodes[node].plan.number++;
	w->nodes[node].frozen_until = 0;
	w->nodes[node].computes_until = 0;
	w->flights[node].cut = true;
	set_radio(w, node, NO_DRAW);
}

void cats_world_freeze(struct cats_world *w, uint32_t node, cats_time until)
{
	w->nodes[node].frozen_until = until;
	if (w->nodes[node].radio != CATS_DRAW_HEAR)
		return;
	/* A frame that it was taking up is lost, and with it the event that would have closed the window. */
	cats_medium_deafen(w->medium, node);
	if (!w->nodes[node].plan.sends)
		announce(w, node, HEAR_END, until, w->nodes[node].plan.number);
}

void cats_world_spent(cats_time spent[CATS_DRAWS], const struct cats_world *w, uint32_t node)
{
	const struct node *n = &w->nodes[node];

	memcpy(spent, n->spent, sizeof n->spent);
	spent[CATS_DRAW_BASE] = w->now;
	if (n->radio != NO_DRAW)
		spent[n->radio] += w->now - n->radio_since;
}

/* A frame's first bit. */
static void begin_frame(struct cats_world *w, uint32_t node)
{
	struct node *n = &w->nodes[node];
	struct flight *flight = &w->flights[node];

	flight->frame = cats_medium_send(w->medium, node, w->now, n->plan.pdu, n->plan.bytes);
	if (flight->frame == NULL) {
		w->out_of_memory = true;
		return;
	}
	w->air += flight->frame->end - flight->frame->start;
	flight->listened = 0;
	flight->cut = false;
	announce(w, node, ADDRESS, cats_transmission_address(flight->frame), flight->frame->number);
	announce(w, node, SENT, flight->frame->end, flight->frame->number);
	announce(w, node, END, flight->frame->end + CATS_RADIO_RX_DELAY, flight->frame->number);
	tell(w, node, &(struct cats_news){.kind = CATS_NEWS_SENDING});
}

static void address(struct cats_world *w, struct flight *flight)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (cats_medium_listens(w->medium, i, flight->frame->start)) {
			flight->listened |= UINT64_C(1) << i;
			(void)cats_medium_address(w->medium, flight->frame, i);
		}
}

/* What a receiver's timer captured at ADDRESS, less what passed since the first bit. */
static cats_time start_local(const struct cats_world *w, uint32_t node, const struct cats_transmission *frame)
{
	const cats_time address = cats_transmission_address(frame);
	const cats_time captured = cats_clock_local(&w->nodes[node].clock, address);

	return captured - captured % CATS_TIME_TICK - (address - frame->start);
}

/* The frame's end at a node that took it up: the window closes, unless the node listens on at once. What it plans to
 * send stays, and until then it listens on. */
static void hear_frame(struct cats_world *w, uint32_t node, const struct cats_transmission *frame,
		       enum cats_reception result)
{
	struct node *n = &w->nodes[node];
	const struct cats_news news = {
		.kind = result == CATS_RECEIVED ? CATS_NEWS_FRAME : CATS_NEWS_BROKEN,
		.pdu = frame->pdu,
		.bytes = frame->bytes,
		.start_local = start_local(w, node, frame),
	};

	cats_medium_deafen(w->medium, node);
	if (!n->plan.sends)
		n->plan.number++;
	tell(w, node, &news);
	if (n->radio != CATS_DRAW_HEAR || cats_medium_listens(w->medium, node, w->now))
		return;
	if (n->plan.sends)
		cats_medium_listen(w->medium, node, w->now);
	else
		set_radio(w, node, NO_DRAW);
}

static void end_frame(struct cats_world *w, const struct flight *flight)
{
	const struct cats_transmission *frame = flight->frame;
	const struct cats_observer *o = &w->options.observer;
	const uint64_t listened = flight->listened;

	if (o->sent != NULL)
		o->sent(o->context, frame);
	for (uint32_t i = 0; i < w->count; i++) {
		enum cats_reception result;

		if (!(listened >> i & 1U))
			continue;
		result = cats_medium_end(w->medium, frame, i);
		if (result == CATS_RECEIVED && flight->cut)
			result = CATS_RECEIVED_BROKEN;
		if (o->heard != NULL)
			o->heard(o->context, frame, i, result, cats_medium_power_dbm(w->medium, frame->sender, i));
		if (result != CATS_NOT_RECEIVED)
			hear_frame(w, i, frame, result);
	}
}

/* The node may go on listening without a break, or plan to send and listen until then; else the receiver goes off,
 * unless a frame has begun. */
static void end_window(struct cats_world *w, uint32_t node)
{
	struct node *n = &w->nodes[node];
	const bool receiving = cats_medium_receiving(w->medium, node) != NULL;
	const uint64_t number = ++n->plan.number;

	tell(w, node, &(struct cats_news){.kind = receiving ? CATS_NEWS_PASSED : CATS_NEWS_SILENCE});
	if (n->plan.number == number && !receiving && n->radio == CATS_DRAW_HEAR)
		set_radio(w, node, NO_DRAW);
}

/* An event that was due earlier is one that was announced or came too late. */
static void ramp_to_send(struct cats_world *w, uint32_t node)
{
	struct plan *plan = &w->nodes[node].plan;

	if (w->now > plan->start - CATS_RADIO_TX_RAMP) {
		plan->number++;
		tell(w, node, &(struct cats_news){.kind = CATS_NEWS_MISSED});
		return;
	}
	set_radio(w, node, CATS_DRAW_SEND);
	announce(w, node, SEND, plan->start, plan->number);
}

static void happen_to_radio(struct cats_world *w, const struct cats_event *event)
{
	if (event->number != w->nodes[event->node].plan.number)
		return;
	if (event->kind == HEAR_RAMP) {
		set_radio(w, event->node, CATS_DRAW_HEAR);
		w->nodes[event->node].ready_at = w->now + CATS_RADIO_RX_RAMP;
		announce(w, event->node, HEAR, w->now + CATS_RADIO_RX_RAMP, event->number);
	} else if (event->kind == HEAR) {
		cats_medium_listen(w->medium, event->node, w->now);
	} else if (event->kind == HEAR_END) {
		end_window(w, event->node);
	} else if (event->kind == SEND_RAMP) {
		ramp_to_send(w, event->node);
	} else {
		begin_frame(w, event->node);
	}
}

/* After one transmission and before the next, where there is time for it. */
static void listen_between(struct cats_world *w, uint32_t node)
{
	const struct plan *plan = &w->nodes[node].plan;

	if (plan->sends && w->now + CATS_RADIO_RX_RAMP < plan->start - CATS_RADIO_TX_RAMP)
		announce(w, node, HEAR_RAMP, w->now, plan->number);
}

static void happen(struct cats_world *w, const struct cats_event *event)
{
	struct flight *flight = &w->flights[event->node];
	const bool own_life = event->life == w->nodes[event->node].life;

	if (event->kind == ADDRESS) {
		address(w, flight);
	} else if (event->kind == END) {
		end_frame(w, flight);
	} else if (event->kind == FATE) {
		tell(w, event->node, &(struct cats_news){.kind = CATS_NEWS_FATE, .tag = event->number});
	} else if (!own_life) {
		return;
	} else if (event->kind == SENT) {
		set_radio(w, event->node, NO_DRAW);
		listen_between(w, event->node);
		tell(w, event->node, &(struct cats_news){.kind = CATS_NEWS_SENT});
	} else if (event->kind == COMPUTED && w->now < w->nodes[event->node].computes_until) {
		announce(w, event->node, COMPUTED, w->nodes[event->node].computes_until, event->number);
	} else if (event->kind == WAKE || event->kind == COMPUTED) {
		tell(w, event->node,
		     &(struct cats_news){.kind = event->kind == WAKE ? CATS_NEWS_WAKE : CATS_NEWS_COMPUTED,
					 .tag = event->number});
	} else {
		happen_to_radio(w, event);
	}
}

/* What is about a frame on air concerns others too, and fate comes when it comes. */
static bool is_frozen(const struct cats_world *w, const struct cats_event *event)
{
	return event->kind != ADDRESS && event->kind != END && event->kind != FATE &&
	       w->nodes[event->node].frozen_until > w->now;
}

enum cats_status cats_world_run(struct cats_world *w, cats_time until, struct cats_error *error)
{
	struct cats_event event;

	w->halted = false;
	while (!w->halted && !w->out_of_memory && cats_queue_next(&w->queue) <= until &&
	       cats_queue_take(&event, &w->queue)) {
		w->now = event.at;
		if (is_frozen(w, &event)) {
			event.at = w->nodes[event.node].frozen_until;
			if (cats_queue_add(&w->queue, &event) < 0)
				w->out_of_memory = true;
			continue;
		}
		happen(w, &event);
	}
	if (!w->halted && w->now < until && until < CATS_TIME_MAX)
		w->now = until;
	if (w->out_of_memory)
		return cats_fail(error, CATS_ERR_MEMORY, "simulation: out of memory");
	return CATS_OK;
}
