/* SPDX-License-Identifier: MIT */
/* Chips in turns, and the air between them. See chips.h. */
#include "emulator/chips.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "emulator/ccm.h"
#include "emulator/models.h"
#include "emulator/radio.h"

/* A chip's first bit is on air CATS_RADIO_TX_RAMP after its transmitter is enabled; drifting clocks and rounding are
 * within the rest. */
#define AHEAD (CATS_RADIO_TX_RAMP - CATS_TIME_US)
/* While somebody may send. A sender reads a byte 13.7 us before a receiver writes it; the rest is for a basic block by
 * which chips run over. The kernels' longest, a product's unrolled columns, is 368 cycles, 5.8 us. */
#define AHEAD_ON_AIR (6 * CATS_TIME_US)
/* Of a frame, from its end until all receivers have done with it. */
#define AFTERMATH (CATS_RADIO_RX_DELAY + 2 * AHEAD_ON_AIR)

#define FREQUENCIES 101U /* 2400 … 2500 MHz */
#define FLIGHTS (2U * CATS_DEVICES_MAX)
#define TEXT_BYTES 1024

/* A frame on air, and who has to do with it. */
struct flight {
	struct cats_transmission *frame; /* NULL: this one is free */
	struct cats_medium *medium;
	struct cats_tuning tuning;
	cats_time until; /* when it ends, or would have */
	bool over, cut;
	uint64_t asked, listened; /* chips (bits): had the ADDRESS event, or not, and were listening when it began */
	enum cats_reception result[CATS_DEVICES_MAX];
};

struct station {
	struct cats_chips *chips;
	uint32_t self;
	struct cats_chip *chip;
	struct cats_peripheral *radio;
	struct cats_clock clock;
	struct cats_air air;
	bool powered;
	uint64_t cut_at;                /* instructions at which power goes, */
	cats_time outage, returns_at;   /* for how long then; when it comes back by itself */
	struct cats_m4_stopped stopped; /* at a breakpoint: it does not go on */
	/* Its radio. */
	struct flight *sends, *takes; /* NULL: nothing */
	struct cats_medium *listens;  /* NULL: it does not */
	struct cats_tuning tuning;
	cats_time since; /* it listens */
	enum cats_radio_power power;
	uint64_t power_local; /* since when, by its own clock */
	cats_time power_time;
	cats_time spent[CATS_DRAWS];
	/* Its processor, for spans: cycles that were told about, and the span that has not been told. */
	uint64_t cycles;
	cats_time busy_from, busy_to;
};

struct cats_chips {
	struct cats_chips_options options;
	struct cats_topology topology;
	uint32_t count;
	struct station *stations;               /* [count] */
	struct cats_medium *media[FREQUENCIES]; /* made when somebody is there */
	struct flight flights[FLIGHTS];
	uint32_t open; /* flights that are not free */
	cats_time now;
	cats_time air;
	uint64_t frames;
	bool halted;
	enum cats_status status; /* of what went wrong in a callback */
	struct cats_error *error;
};

static cats_time global_of(const struct station *s, uint64_t local)
{
	return cats_clock_global(&s->clock, (cats_time)local);
}

static void fail(struct cats_chips *n, enum cats_status status)
{
	if (n->status == CATS_OK)
		n->status = status;
}

/* ---- The air ---- */

static struct cats_medium *medium_of(struct cats_chips *n, uint32_t frequency)
{
	struct cats_medium **medium = &n->media[frequency % FREQUENCIES];

	if (*medium == NULL)
		fail(n, cats_medium_create(medium, &n->options.medium, n->error));
	return *medium;
}

static bool same_tuning(const struct cats_tuning *a, const struct cats_tuning *b)
{
	return a->address == b->address && a->frequency == b->frequency && a->whitening == b->whitening;
}

/* Does not happen: a sender's frames are 40 us apart, and each is forgotten sooner after its end. */
static struct flight *free_flight(struct cats_chips *n)
{
	for (uint32_t i = 0; i < FLIGHTS; i++)
		if (n->flights[i].frame == NULL)
			return &n->flights[i];
	fail(n, cats_fail(n->error, CATS_ERR_MISMATCH, "network: more than %u frames on air", FLIGHTS));
	return NULL;
}

static void on_begin(void *context, uint64_t at, const struct cats_tuning *tuning)
{
	struct station *s = context;
	struct cats_chips *n = s->chips;
	struct cats_medium *medium = medium_of(n, tuning->frequency);
	struct flight *f = free_flight(n);

	s->sends = NULL;
	if (medium == NULL || f == NULL)
		return;
	*f = (struct flight){
		.frame = cats_medium_begin(medium, s->self, global_of(s, at)), .medium = medium, .tuning = *tuning};
	if (f->frame == NULL) {
		fail(n, cats_fail(n->error, CATS_ERR_MEMORY, "network: out of memory"));
		return;
	}
	f->until = f->frame->end;
	s->sends = f;
	n->open++;
	n->frames++;
	for (uint32_t j = 0; j < n->count; j++)
		if (n->stations[j].listens != NULL)
			cats_radio_look_up(n->stations[j].radio);
}

static void on_byte(void *context, uint8_t value)
{
	struct station *s = context;
	struct cats_transmission *frame = s->sends ? s->sends->frame : NULL;

	if (frame == NULL || frame->bytes == CATS_RADIO_PDU_MAX)
		return;
	frame->pdu[frame->bytes++] = value;
	if (frame->bytes == CATS_RADIO_HEADER_BYTES)
		s->sends->until = frame->end = frame->start + cats_radio_air(value);
}

static void on_end(void *context, uint64_t at, bool cut)
{
	struct station *s = context;
	struct flight *f = s->sends;

	if (f == NULL)
		return;
	s->sends = NULL;
	f->over = true;
	f->cut = cut;
	if (cut)
		f->frame->end = global_of(s, at);
	s->chips->air += f->frame->end - f->frame->start;
}

static void on_listen(void *context, uint64_t at, const struct cats_tuning *tuning)
{
	struct station *s = context;

	s->since = global_of(s, at);
	s->tuning = *tuning;
	s->takes = NULL;
	s->listens = medium_of(s->chips, tuning->frequency);
	if (s->listens != NULL)
		cats_medium_listen(s->listens, s->self, s->since);
}

static void on_deafen(void *context)
{
	struct station *s = context;

	if (s->listens != NULL)
		cats_medium_deafen(s->listens, s->self);
	s->listens = NULL;
	s->takes = NULL;
}

static bool may_hear(const struct station *s, const struct flight *f)
{
	return f->frame != NULL && f->frame->sender != s->self && (f->asked >> s->self & 1U) == 0 &&
	       s->since <= f->frame->start && same_tuning(&f->tuning, &s->tuning);
}

/* The frame whose ADDRESS is next, or NULL. */
static struct flight *next_flight(const struct station *s)
{
	struct cats_chips *n = s->chips;
	struct flight *next = NULL;
	uint32_t open = n->open;

	for (uint32_t i = 0; open > 0; i++) {
		struct flight *f = &n->flights[i];

		if (f->frame == NULL)
			continue;
		open--;
		if (may_hear(s, f) && (next == NULL || f->frame->start < next->frame->start))
			next = f;
	}
	return next;
}

static uint64_t on_next(void *context)
{
	const struct station *s = context;
	const struct flight *f = s->listens != NULL ? next_flight(s) : NULL;

	return f != NULL ? (uint64_t)cats_clock_local(&s->clock, cats_transmission_address(f->frame)) : CATS_NEVER;
}

static bool on_address(void *context, double *dbm)
{
	struct station *s = context;
	struct flight *f = next_flight(s);
	const cats_time address = f->frame->start + (cats_time)CATS_RADIO_ADDRESS_BYTES * CATS_RADIO_BYTE;

	f->asked |= UINT64_C(1) << s->self;
	f->listened |= UINT64_C(1) << s->self;
	f->result[s->self] = CATS_NOT_RECEIVED;
	*dbm = cats_medium_power_dbm(f->medium, f->frame->sender, s->self);
	if ((f->cut && f->frame->end < address) || !cats_medium_address(f->medium, f->frame, s->self))
		return false;
	s->takes = f;
	return true;
}

/* What a cut frame lacks, nobody sends. */
static uint8_t on_take(void *context, uint32_t index)
{
	struct station *s = context;
	const struct flight *f = s->takes;

	if (index < f->frame->bytes)
		return f->frame->pdu[index];
	if (!f->cut)
		fail(s->chips, cats_fail(s->chips->error, CATS_ERR_MISMATCH,
					 "network: node %u is ahead of what it hears", s->self));
	return 0;
}

static bool on_finish(void *context)
{
	struct station *s = context;
	struct flight *f = s->takes;
	enum cats_reception result = cats_medium_end(f->medium, f->frame, s->self);

	if (result == CATS_RECEIVED && f->cut)
		result = CATS_RECEIVED_BROKEN;
	f->result[s->self] = result;
	on_deafen(s);
	return result == CATS_RECEIVED;
}

static void observe_span(struct station *s, enum cats_draw draw, cats_time from, cats_time to)
{
	const struct cats_observer *o = &s->chips->options.observer;

	if (o->span != NULL && to > from)
		o->span(o->context, s->self, draw, from, to);
}

static void on_power(void *context, uint64_t at, enum cats_radio_power power)
{
	struct station *s = context;
	const cats_time time = global_of(s, at);
	const enum cats_draw draw = s->power == CATS_RADIO_SENDS ? CATS_DRAW_SEND : CATS_DRAW_HEAR;

	if (s->power != CATS_RADIO_OFF) {
		s->spent[draw] += (cats_time)(at - s->power_local);
		observe_span(s, draw, s->power_time, time);
	}
	s->power = power;
	s->power_local = at;
	s->power_time = time;
}

/* ---- What happened ---- */

static void tell_of(struct cats_chips *n, const struct flight *f)
{
	const struct cats_observer *o = &n->options.observer;

	if (f->frame->bytes < CATS_RADIO_HEADER_BYTES)
		return; /* cut before there was anything to tell */
	if (o->sent != NULL)
		o->sent(o->context, f->frame);
	for (uint32_t j = 0; o->heard != NULL && j < n->count; j++)
		if ((f->listened >> j & 1U) != 0)
			o->heard(o->context, f->frame, j, f->result[j],
				 cats_medium_power_dbm(f->medium, f->frame->sender, j));
}

/* Frames that all receivers have done with: also of one that was cut off they wait for the end. */
static void close_flights(struct cats_chips *n)
{
	for (;;) {
		struct flight *first = NULL;

		for (uint32_t i = 0; n->open > 0 && i < FLIGHTS; i++) {
			struct flight *f = &n->flights[i];

			if (f->frame != NULL && f->over && f->until + AFTERMATH <= n->now &&
			    (first == NULL || f->until < first->until))
				first = f;
		}
		if (first == NULL)
			return;
		tell_of(n, first);
		first->frame = NULL;
		n->open--;
	}
}

/* The processor worked from `from` on for as many cycles as it has counted since; where within a turn is not known. */
static void note_work(struct station *s, cats_time from)
{
	const uint64_t cycles = cats_m4_cycles(cats_chip_core(s->chip));
	const cats_time to = from + (cats_time)(cycles - s->cycles);

	s->cycles = cycles;
	if (to == from)
		return;
	if (from > s->busy_to) {
		observe_span(s, CATS_DRAW_CPU, s->busy_from, s->busy_to);
		s->busy_from = from;
	}
	s->busy_to = to;
}

static void on_serial(void *context, uint64_t time, uint32_t uarte, uint8_t byte)
{
	struct station *s = context;
	const struct cats_chips_options *o = &s->chips->options;

	if (o->serial != NULL && uarte == 0)
		o->serial(o->context, s->self, global_of(s, time), byte);
}

static void on_pin(void *context, uint64_t time, uint32_t pin, bool high)
{
	struct station *s = context;
	const struct cats_chips_options *o = &s->chips->options;

	if (o->pin != NULL)
		o->pin(o->context, s->self, global_of(s, time), pin, high);
}

static void on_reset(void *context, uint64_t time, enum cats_reset cause)
{
	struct station *s = context;
	const struct cats_chips_options *o = &s->chips->options;

	if (o->reset != NULL)
		o->reset(o->context, s->self, global_of(s, time), cause);
}

/* ---- Turns ---- */

static bool runs(const struct station *s)
{
	return s->powered && s->stopped.stop == CATS_M4_LIMIT;
}

/* When the chip next does something by itself, global; not before now. */
static cats_time awakes(const struct cats_chips *n, const struct station *s)
{
	const uint64_t next = cats_chip_next(s->chip);
	cats_time time;

	if (next >= (uint64_t)CATS_TIME_MAX / 2U)
		return CATS_TIME_MAX;
	time = global_of(s, next);
	return time > n->now ? time : n->now;
}

/* At a frame's ADDRESS and END events receivers ask about everything that was on air CATS_RADIO_RX_DELAY before: a turn
 * that begins sooner must end before them. */
static void end_before(cats_time *end, cats_time now, cats_time question)
{
	if (question - CATS_RADIO_RX_DELAY > now && question <= *end)
		*end = question - 1;
}

static cats_time turn_on_air(const struct cats_chips *n)
{
	cats_time end = n->now + AHEAD_ON_AIR;
	uint32_t open = n->open;

	for (uint32_t i = 0; open > 0; i++) {
		const struct cats_transmission *frame = n->flights[i].frame;

		if (frame == NULL)
			continue;
		open--;
		end_before(&end, n->now, cats_transmission_address(frame));
		end_before(&end, n->now, frame->end + CATS_RADIO_RX_DELAY);
	}
	return end;
}

static cats_time turn_end(const struct cats_chips *n, cats_time until)
{
	cats_time end = CATS_TIME_MAX - AHEAD, on_air = CATS_TIME_MAX;

	for (uint32_t i = 0; i < n->count; i++) {
		const struct station *s = &n->stations[i];
		const cats_time first_bit = s->power_time + AHEAD, awake = runs(s) ? awakes(n, s) : CATS_TIME_MAX;

		if (s->power == CATS_RADIO_SENDS && first_bit < on_air)
			on_air = first_bit;
		if (awake < end)
			end = awake;
		if (s->returns_at < end)
			end = s->returns_at;
	}
	end += AHEAD;
	if (on_air <= n->now)
		end = turn_on_air(n);
	else if (on_air < end)
		end = on_air;
	return end < until ? end : until;
}

static void describe_stop(struct cats_chips *n, const struct station *s)
{
	char text[TEXT_BYTES];

	cats_chip_describe(text, sizeof text, s->chip, &s->stopped);
	for (char *end = strchr(text, '\n'); end != NULL; end = strchr(end, '\n'))
		*end = ','; /* an error is one line */
	fail(n, cats_fail(n->error, CATS_ERR_MISMATCH, "node %u at %.3f us: %s", s->self, cats_time_us(n->now), text));
}

/* Of a chip that has stopped for good, the radio has too. */
static void silence(struct station *s)
{
	const uint64_t now = cats_chip_now(s->chip);

	cats_radio_connect(s->radio, NULL);
	on_end(s, now, true);
	on_deafen(s);
	on_power(s, now, CATS_RADIO_OFF);
}

/* Up to its own time, or to where its power goes. */
static void run_chip(struct cats_chips *n, struct station *s, uint64_t until)
{
	const uint64_t executed = cats_m4_instructions(cats_chip_core(s->chip));

	s->stopped = cats_chip_run_instructions(s->chip, until, s->cut_at > executed ? s->cut_at - executed : 0);
	if (s->stopped.stop != CATS_M4_INSTRUCTIONS)
		return;
	s->stopped.stop = CATS_M4_LIMIT;
	s->cut_at = UINT64_MAX;
	cats_chips_cut_power(n, s->self);
	if (s->outage < CATS_TIME_MAX)
		s->returns_at = n->now + s->outage;
}

static void turn(struct cats_chips *n, struct station *s, cats_time end)
{
	const cats_time local = cats_clock_local(&s->clock, end);

	if (local <= 0 || cats_chip_next(s->chip) > (uint64_t)local)
		return;
	run_chip(n, s, (uint64_t)local);
	if (n->options.observer.span != NULL)
		note_work(s, n->now);
	if (s->stopped.stop == CATS_M4_FAULT)
		describe_stop(n, s);
	else if (s->stopped.stop != CATS_M4_LIMIT)
		silence(s);
}

/* Power that was to come back by itself does. */
static void give_power_back(struct cats_chips *n)
{
	for (uint32_t i = 0; i < n->count; i++)
		if (n->stations[i].returns_at <= n->now)
			cats_chips_give_power(n, i);
}

/* Those that slept over the end of the latest turns come up to now. */
static void catch_up(struct cats_chips *n)
{
	for (uint32_t i = 0; i < n->count && n->status == CATS_OK; i++) {
		struct station *s = &n->stations[i];
		const cats_time local = cats_clock_local(&s->clock, n->now);

		if (runs(s) && local > 0)
			run_chip(n, s, (uint64_t)local);
		if (s->stopped.stop == CATS_M4_FAULT)
			describe_stop(n, s);
	}
}

enum cats_status cats_chips_run(struct cats_chips *n, cats_time until, struct cats_error *error)
{
	n->status = CATS_OK;
	n->error = error;
	n->halted = false;
	while (n->status == CATS_OK && !n->halted && n->now < until) {
		const cats_time end = turn_end(n, until);

		for (uint32_t i = 0; i < n->count && n->status == CATS_OK; i++)
			if (runs(&n->stations[i]))
				turn(n, &n->stations[i], end);
		n->now = end;
		close_flights(n);
		give_power_back(n);
	}
	if (n->status == CATS_OK)
		catch_up(n);
	return n->status;
}

void cats_chips_halt(struct cats_chips *n)
{
	n->halted = true;
}

/* ---- A network ---- */

static enum cats_status create_station(struct cats_chips *n, uint32_t i, struct cats_error *error)
{
	struct station *s = &n->stations[i];
	const struct cats_chips_options *o = &n->options;
	const struct cats_chip_options options = {
		.fast = o->fast,
		.handles_faults = o->handles_faults,
		.seed = cats_random_key(o->medium.seed, i),
		.host = {.context = s, .serial = on_serial, .pin = on_pin, .reset = on_reset},
	};
	enum cats_status status;

	s->chips = n;
	s->self = i;
	s->cut_at = UINT64_MAX;
	s->returns_at = CATS_TIME_MAX;
	s->powered = true;
	s->clock = cats_clock_draw(o->medium.seed, i, o->drift_ppm, o->power_on);
	s->clock.offset = -s->clock.offset;
	s->stopped.stop = CATS_M4_LIMIT;
	s->air = (struct cats_air){s,       on_begin,   on_byte, on_end,    on_listen, on_deafen,
				   on_next, on_address, on_take, on_finish, on_power};
	status = cats_chip_create(&s->chip, o->images[i], &options, error);
	if (status < 0)
		return status;
	s->radio = cats_chip_peripheral(s->chip, CATS_RADIO_BASE);
	cats_radio_connect(s->radio, &s->air);
	if (o->ccm_keeps_rate)
		cats_ccm_keep_rate(cats_chip_peripheral(s->chip, CATS_CCM_BASE));
	return CATS_OK;
}

enum cats_status cats_chips_create(struct cats_chips **out, const struct cats_chips_options *options,
				   struct cats_error *error)
{
	struct cats_chips *n = calloc(1, sizeof *n);
	enum cats_status status = CATS_OK;

	*out = NULL;
	if (n != NULL) {
		n->options = *options;
		n->topology = *options->medium.topology;
		n->options.medium.topology = &n->topology;
		n->count = n->topology.nodes;
		n->stations = calloc(n->count, sizeof *n->stations);
	}
	if (n == NULL || n->stations == NULL)
		status = cats_fail(error, CATS_ERR_MEMORY, "network: out of memory");
	for (uint32_t i = 0; status == CATS_OK && i < n->count; i++)
		status = create_station(n, i, error);
	if (status < 0) {
		cats_chips_free(n);
		return status;
	}
	*out = n;
	return CATS_OK;
}

void cats_chips_free(struct cats_chips *n)
{
	if (n == NULL)
		return;
	for (uint32_t i = 0; n->stations != NULL && i < n->count; i++)
		cats_chip_free(n->stations[i].chip);
	for (uint32_t i = 0; i < FREQUENCIES; i++)
		cats_medium_free(n->media[i]);
	free(n->stations);
	free(n);
}

cats_time cats_chips_time(const struct cats_chips *n)
{
	return n->now;
}

uint32_t cats_chips_count(const struct cats_chips *n)
{
	return n->count;
}

const struct cats_clock *cats_chips_clock(const struct cats_chips *n, uint32_t chip)
{
	return &n->stations[chip].clock;
}

struct cats_chip *cats_chips_at(const struct cats_chips *n, uint32_t chip)
{
	return n->stations[chip].chip;
}

const struct cats_m4_stopped *cats_chips_stopped(const struct cats_chips *n, uint32_t chip)
{
	const struct station *s = &n->stations[chip];

	return s->stopped.stop == CATS_M4_LIMIT ? NULL : &s->stopped;
}

void cats_chips_cut_power(struct cats_chips *n, uint32_t chip)
{
	struct station *s = &n->stations[chip];

	if (!runs(s))
		return;
	cats_chip_reset(s->chip, CATS_RESET_POWER);
	s->powered = false;
}

void cats_chips_cut_power_after(struct cats_chips *n, uint32_t chip, uint64_t instructions, cats_time outage)
{
	n->stations[chip].cut_at = instructions;
	n->stations[chip].outage = outage;
}

/* The chip's time stood still. */
void cats_chips_give_power(struct cats_chips *n, uint32_t chip)
{
	struct station *s = &n->stations[chip];

	s->returns_at = CATS_TIME_MAX;
	if (s->powered)
		return;
	s->powered = true;
	s->clock.offset += (cats_time)cats_chip_now(s->chip) - cats_clock_local(&s->clock, n->now);
}

void cats_chips_pull_reset(struct cats_chips *n, uint32_t chip)
{
	if (runs(&n->stations[chip]))
		cats_chip_reset(n->stations[chip].chip, CATS_RESET_PIN);
}

void cats_chips_spent(cats_time spent[CATS_DRAWS], const struct cats_chips *n, uint32_t chip)
{
	const struct station *s = &n->stations[chip];
	const uint64_t now = cats_chip_now(s->chip);

	memcpy(spent, s->spent, sizeof s->spent);
	spent[CATS_DRAW_BASE] = (cats_time)now;
	spent[CATS_DRAW_CPU] = (cats_time)cats_m4_cycles(cats_chip_core(s->chip));
	if (s->power != CATS_RADIO_OFF && now > s->power_local)
		spent[s->power == CATS_RADIO_SENDS ? CATS_DRAW_SEND : CATS_DRAW_HEAR] +=
			(cats_time)(now - s->power_local);
}

uint64_t cats_chips_frames(const struct cats_chips *n)
{
	return n->frames;
}

cats_time cats_chips_air(const struct cats_chips *n)
{
	return n->air;
}
