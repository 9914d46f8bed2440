/* SPDX-License-Identifier: MIT */
/* Discrete events: nodes with clocks, radios and processors on one medium, in virtual time. What nodes do is decided by
 * a handler, which gets news of one node and may act for that node only. Same options and same handler, same run. */
#ifndef CATS_SIM_WORLD_H
#define CATS_SIM_WORLD_H

#include "sim/medium.h"
#include "sim/queue.h"

struct cats_world;

enum cats_news_kind {
	CATS_NEWS_WAKE,     /* cats_world_wake's time has come */
	CATS_NEWS_FATE,     /* cats_world_fate's time has come */
	CATS_NEWS_COMPUTED, /* cats_world_compute's work is done */
	CATS_NEWS_SENDING,  /* the frame's first bit is on air: what comes next may be planned */
	CATS_NEWS_SENT,     /* the frame's last bit is on air */
	CATS_NEWS_MISSED,   /* a frame was to be sent sooner than the radio can be ready: nothing was sent */
	CATS_NEWS_FRAME,    /* a frame with a right CRC */
	CATS_NEWS_BROKEN,   /* a frame whose CRC is wrong */
	CATS_NEWS_SILENCE,  /* a listening window ended and no frame had begun */
	CATS_NEWS_PASSED, /* a window's end came, yet a frame has begun: it is received to its end unless the node acts
			   */
};

struct cats_news {
	enum cats_news_kind kind;
	uint64_t tag;          /* of WAKE, COMPUTED and FATE */
	const uint8_t *pdu;    /* of FRAME: S0, LENGTH, payload; valid during the call */
	uint32_t bytes;        /* of the PDU */
	cats_time start_local; /* of FRAME and BROKEN: its first bit by the receiver's clock, as the 16 MHz timer that
				  captured ADDRESS shows it */
};

/* What an observer is told; any pointer may be NULL. Calls come in the order in which things end. */
struct cats_observer {
	void *context;
	/* A node drew CATS_DRAW_CPU, _SEND or _HEAR (with ramp-up) from … to. */
	void (*span)(void *context, uint32_t node, enum cats_draw draw, cats_time from, cats_time to);
	/* A frame ended, at its sender. */
	void (*sent)(void *context, const struct cats_transmission *frame);
	/* And at a node whose radio was listening when it began; CATS_NOT_RECEIVED: it heard nothing of it. */
	void (*heard)(void *context, const struct cats_transmission *frame, uint32_t receiver,
		      enum cats_reception result, double dbm);
	/* From whoever plays on the world: a node had the gather of a site open; an inference began and ended. */
	void (*gather)(void *context, uint32_t node, uint32_t site, cats_time from, cats_time to);
	void (*inference)(void *context, cats_time from, cats_time to);
};

struct cats_world_options {
	struct cats_medium_options medium;
	uint32_t drift_ppm;     /* clocks differ from true time by up to ± this */
	cats_time offset_max;   /* and start at 0 … this */
	bool synchronous_start; /* clocks all show 0 at time 0, whatever they drift by */
	void (*news)(void *context, struct cats_world *world, uint32_t node, const struct cats_news *news);
	void *context;
	struct cats_observer observer;
};

CATS_MUST_CHECK enum cats_status cats_world_create(struct cats_world **out, const struct cats_world_options *options,
						   struct cats_error *error);
void cats_world_free(struct cats_world *world);

/* Events until time `until` (global), or until none is left or cats_world_halt was called. Then the time is that of the
 * latest event, or `until`. CATS_ERR_MEMORY. */
CATS_MUST_CHECK enum cats_status cats_world_run(struct cats_world *world, cats_time until, struct cats_error *error);

/* Ends cats_world_run after the news at hand. */
void cats_world_halt(struct cats_world *world);

cats_time cats_world_time(const struct cats_world *world);
cats_time cats_world_local(const struct cats_world *world, uint32_t node);
const struct cats_clock *cats_world_clock(const struct cats_world *world, uint32_t node);
uint32_t cats_world_nodes(const struct cats_world *world);

/* What a node does; times are its own clock's. It has one plan for its radio: a new one replaces what was planned.
 *
 * Sending needs CATS_RADIO_TX_RAMP before the first bit; a receiver that is on stays on until then, and after a
 * transmission it goes on where the next leaves time for it. A listening window
 * is shortened by what is missing of CATS_RADIO_RX_RAMP before it; if the receiver is on and the window begins at once,
 * it just goes on. A window closes when a frame was heard, or at `until` when none has begun by then; CATS_TIME_MAX:
 * never. To be quiet ends listening, but for a frame that has begun. */
void cats_world_wake(struct cats_world *world, uint32_t node, cats_time local, uint64_t tag);
void cats_world_compute(struct cats_world *world, uint32_t node, uint64_t cycles, uint64_t tag);
void cats_world_send(struct cats_world *world, uint32_t node, cats_time local, const uint8_t *pdu, uint32_t bytes);
void cats_world_listen(struct cats_world *world, uint32_t node, cats_time from, cats_time until);
void cats_world_quiet(struct cats_world *world, uint32_t node);

/* Cycles that an interrupt takes, now: what the node computes is done so much later. */
void cats_world_interrupt(struct cats_world *world, uint32_t node, uint64_t cycles);

/* News of CATS_NEWS_FATE at a global time, whatever becomes of the node until then. */
void cats_world_fate(struct cats_world *world, uint32_t node, cats_time at, uint64_t tag);

/* A fault: forgets all that the node planned and does, and sends or hears nothing until it acts again. */
void cats_world_reset(struct cats_world *world, uint32_t node);

/* A fault: until then (global time) nothing happens at the node; what should have happens then. */
void cats_world_freeze(struct cats_world *world, uint32_t node, cats_time until);

/* Time in each state since the world began. */
void cats_world_spent(cats_time spent[CATS_DRAWS], const struct cats_world *world, uint32_t node);

/* All nodes' time on air. */
cats_time cats_world_air(const struct cats_world *world);

#endif
