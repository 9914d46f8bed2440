/* SPDX-License-Identifier: MIT */
/* The RADIO. See radio.h. */
#include "ports/nrf52840/radio.h"

#include <stddef.h>

#include "ports/nrf52840/ccm.h"
#include "ports/nrf52840/clock.h"
#include "ports/nrf52840/interrupts.h"

#define RAMP_UP_US 40U
#define TAIL_US 12U /* CRC */
#define BYTE_US CATS_AIR_BYTE_US

/* From END to DISABLED takes the transmitter 4; the rest is for ramp-ups that differ and for the handler. */
#define AFTER_SENDING_US 12U

#define MODE_BLE_2M 4U
#define PCNF0_LFLEN_8 (8U << 0)
#define PCNF0_S0LEN_1 (1U << 8)
#define PCNF0_S1INCL (1U << 20)
#define PCNF0_PLEN_16 (1U << 24)
#define PCNF1_BALEN_3 (3U << 16)
#define PCNF1_WHITENED (1U << 25)
#define CRCCNF_3_WITHOUT_ADDRESS 0x103U
#define CRC_POLYNOMIAL 0x00065BU
#define CRC_INITIAL 0x555555U
#define MODECNF0_FAST 0x201U
#define WHITENING_BIT_6 0x40U

#define CHANNEL_DISABLE 0U /* of the PPI: compare 0 → DISABLE */
#define CHANNEL_TXEN 1U    /* compare 0 → TXEN */
#define CHANNEL_CAPTURE 2U /* ADDRESS → capture 2 */

#define RECEIVING (RADIO_SHORT_READY_START | RADIO_SHORT_END_START)
#define SENDING (RADIO_SHORT_READY_START | RADIO_SHORT_END_DISABLE)

/* One on air, one behind it, and as many as pile up while a combination is solved. */
#define BUFFERS 5U
#define QUEUE 8U /* a power of two, above BUFFERS */
#define NONE UINT8_MAX

void cats_radio_interrupt(void);

/* One level writes, another reads. */
struct queue {
	volatile uint32_t written, read;
	uint8_t of[QUEUE];
};

enum mode { OFF, RECEIVE, SEND };

static struct cats_radio_frame buffers[BUFFERS];

static struct {
	/* Written at radio level, or at protocol level with the radio's held. */
	volatile enum mode mode;
	volatile bool quiet;                  /* after what is being sent: off */
	const uint8_t *volatile armed, *sent; /* a transmission that compare 0 begins; the one that has begun */
	volatile bool direct;                 /* it begins from DISABLED */
	volatile uint64_t sending_end_us, armed_us, armed_end_us;
	/* Radio level only. */
	uint8_t current, next; /* buffers: of the reception at hand, and of the next if PACKETPTR has it */
	bool addressed;        /* the frame at hand has come to its payload */
	uint8_t spare[BUFFERS];
	uint32_t spares;
	struct cats_radio_slack slack;
	struct cats_radio_counters counters;
	/* Between the levels. */
	struct queue filled;   /* radio → protocol */
	struct queue released; /* protocol → radio */
} radio;

static void put(struct queue *q, uint8_t buffer)
{
	q->of[q->written % QUEUE] = buffer;
	__asm volatile("" ::: "memory");
	q->written++;
}

static uint8_t take(struct queue *q)
{
	uint8_t buffer;

	if (q->read == q->written)
		return NONE;
	buffer = q->of[q->read % QUEUE];
	__asm volatile("" ::: "memory");
	q->read++;
	return buffer;
}

/* Ramp-ups differ by a little: what was done before its time has spent nothing. */
static void note(uint32_t *least, uint32_t allowed_us, int64_t spent_us)
{
	const uint32_t spent = spent_us > 0 ? (uint32_t)spent_us : 0;
	const uint32_t left = spent < allowed_us ? allowed_us - spent : 0;

	if (left < *least)
		*least = left;
}

static void pass_to(uint32_t channel, uint32_t event, uint32_t task)
{
	PPI_CH_EEP(channel) = event;
	PPI_CH_TEP(channel) = task;
}

void cats_radio_start(const struct cats_radio_settings *settings)
{
	RADIO_MODE = MODE_BLE_2M;
	RADIO_MODECNF0 = MODECNF0_FAST;
	RADIO_PCNF0 = PCNF0_LFLEN_8 | PCNF0_S0LEN_1 | PCNF0_S1INCL | PCNF0_PLEN_16;
	RADIO_PCNF1 = CATS_AIR_LENGTH_MAX | PCNF1_BALEN_3 | PCNF1_WHITENED;
	RADIO_BASE0 = settings->address << 8;
	RADIO_PREFIX0 = settings->address >> 24;
	RADIO_TXADDRESS = 0;
	RADIO_RXADDRESSES = 1;
	RADIO_CRCCNF = CRCCNF_3_WITHOUT_ADDRESS;
	RADIO_CRCPOLY = CRC_POLYNOMIAL;
	RADIO_CRCINIT = CRC_INITIAL;
	RADIO_FREQUENCY = settings->frequency_mhz - 2400U;
	RADIO_DATAWHITEIV = settings->channel | WHITENING_BIT_6;
	RADIO_TXPOWER = settings->power;
	pass_to(CHANNEL_DISABLE, TIMER0_EVENTS_COMPARE0_AT, RADIO_TASKS_DISABLE);
	pass_to(CHANNEL_TXEN, TIMER0_EVENTS_COMPARE0_AT, RADIO_TASKS_TXEN);
	pass_to(CHANNEL_CAPTURE, RADIO_EVENTS_ADDRESS_AT, TIMER0_TASKS_CAPTURE2_AT);
	PPI_CHENSET = 1U << CHANNEL_CAPTURE;
	radio.slack = (struct cats_radio_slack){UINT32_MAX, UINT32_MAX, UINT32_MAX};
	radio.current = 0;
	radio.next = NONE;
	for (uint8_t i = 1; i < BUFFERS; i++)
		radio.spare[radio.spares++] = i;
	RADIO_INTENSET = RADIO_INT_ADDRESS | RADIO_INT_END | RADIO_INT_DISABLED;
	cats_interrupts_enable(IRQ_RADIO, CATS_LEVEL_RADIO);
}

static void point_to(const uint8_t *bytes)
{
	RADIO_PACKETPTR = (uint32_t)(uintptr_t)bytes;
}

/* ---- Radio level ---- */

static uint8_t allocate(void)
{
	return radio.spares > 0 ? radio.spare[--radio.spares] : take(&radio.released);
}

static void keep(uint8_t buffer)
{
	radio.spare[radio.spares++] = buffer;
}

/* The next frame's buffer is latched at this one's END. If that has come before, the next goes where this one is:
 * neither is of use. */
static void provide_next(uint32_t allowed_us, uint32_t address_us)
{
	if (RADIO_EVENTS_END != 0)
		return;
	radio.next = allocate();
	if (radio.next == NONE)
		return;
	point_to(buffers[radio.next].bytes);
	note(&radio.slack.next_buffer_us, allowed_us, (uint32_t)((uint32_t)cats_clock_now_us() - address_us));
}

static void take_address(void)
{
	if (RADIO_EVENTS_ADDRESS == 0)
		return;
	cats_clear_event(&RADIO_EVENTS_ADDRESS);
	if (radio.mode == SEND) {
		radio.counters.sent++;
		PPI_CHENCLR = 1U << CHANNEL_TXEN;
		cats_interrupts_call_protocol();
		return;
	}
	const uint32_t address_us = TIMER0_CC2;

	radio.addressed = true;
	buffers[radio.current].start_us = cats_clock_extend(address_us) - CATS_RADIO_ADDRESS_US;
	provide_next(2U * BYTE_US + TAIL_US, address_us);
	cats_ccm_address();
}

static void take_end(void)
{
	if (RADIO_EVENTS_END == 0)
		return;
	cats_clear_event(&RADIO_EVENTS_END);
	if (radio.mode != RECEIVE || !radio.addressed)
		return;
	radio.addressed = false;
	if (radio.next == NONE) {
		radio.counters.dropped++;
		return;
	}
	if (RADIO_CRCSTATUS == 1U) {
		put(&radio.filled, radio.current);
		cats_interrupts_call_protocol();
	} else {
		radio.counters.broken++;
		keep(radio.current);
	}
	radio.current = radio.next;
	radio.next = NONE;
}

static void begin_sending(void)
{
	point_to(radio.armed);
	RADIO_SHORTS = SENDING | RADIO_SHORT_DISABLED_RXEN;
	PPI_CHENCLR = 1U << CHANNEL_DISABLE;
	radio.sent = radio.armed;
	radio.sending_end_us = radio.armed_end_us;
	radio.armed = NULL;
	radio.mode = SEND;
}

/* From SEND, whose end has made the receiver ramp up, or nothing where compare 0 begins the next. */
static void end_sending(void)
{
	if (radio.armed != NULL && radio.direct) {
		begin_sending();
		return;
	}
	point_to(buffers[radio.current].bytes);
	RADIO_SHORTS = RECEIVING | (radio.armed != NULL ? RADIO_SHORT_DISABLED_TXEN : 0);
	radio.mode = RECEIVE;
	note(&radio.slack.after_sending_us, RAMP_UP_US,
	     (int64_t)(cats_clock_now_us() - (radio.sending_end_us + BYTE_US)));
	if (radio.quiet) {
		RADIO_SHORTS = 0;
		radio.mode = OFF;
		CATS_REGISTER(RADIO_TASKS_DISABLE) = 1;
	}
}

static void take_disabled(void)
{
	if (RADIO_EVENTS_DISABLED == 0)
		return;
	cats_clear_event(&RADIO_EVENTS_DISABLED);
	/* A frame that was cut off. */
	radio.addressed = false;
	if (radio.next != NONE)
		keep(radio.next);
	radio.next = NONE;
	if (radio.mode == SEND) {
		end_sending();
	} else if (radio.mode == RECEIVE && radio.armed != NULL) {
		note(&radio.slack.before_sending_us, RAMP_UP_US,
		     (int64_t)(cats_clock_now_us() - (radio.armed_us - RAMP_UP_US)));
		begin_sending();
	}
}

/* In the order in which they happened: an END without an ADDRESS before it belongs to the ADDRESS beside it. */
void cats_radio_interrupt(void)
{
	if (radio.addressed) {
		take_end();
		take_address();
	} else {
		take_address();
		take_end();
	}
	take_disabled();
}

/* ---- Protocol level ---- */

void cats_radio_listen(void)
{
	const uint32_t before = cats_interrupts_hold(CATS_LEVEL_RADIO);

	radio.quiet = false;
	if (radio.mode == OFF) {
		/* A receiver is disabled within a microsecond. */
		while (RADIO_STATE != RADIO_STATE_DISABLED)
			;
		cats_clear_event(&RADIO_EVENTS_DISABLED);
		point_to(buffers[radio.current].bytes);
		RADIO_SHORTS = RECEIVING;
		radio.mode = RECEIVE;
		RADIO_TASKS_RXEN = 1;
	}
	cats_interrupts_restore(before);
}

void cats_radio_quiet(void)
{
	const uint32_t before = cats_interrupts_hold(CATS_LEVEL_RADIO);

	radio.quiet = true;
	if (radio.mode == RECEIVE && radio.armed == NULL) {
		RADIO_SHORTS = 0;
		radio.mode = OFF;
		CATS_REGISTER(RADIO_TASKS_DISABLE) = 1;
	}
	cats_interrupts_restore(before);
}

/* Compare 0 is set, far enough ahead; how it begins depends on what the radio will be at then. */
static bool arm(const uint8_t *bytes, uint64_t at_us, uint64_t now_us)
{
	const bool sending = radio.mode == SEND;
	const bool follows = sending && now_us + CATS_CLOCK_LEAD_US < radio.sending_end_us;

	if (sending && at_us < radio.sending_end_us + AFTER_SENDING_US + RAMP_UP_US - BYTE_US)
		return false;
	radio.direct = follows || radio.mode == OFF;
	radio.armed = bytes;
	if (follows) {
		RADIO_SHORTS = SENDING;
	} else if (radio.mode == OFF) {
		cats_clear_event(&RADIO_EVENTS_DISABLED);
		begin_sending();
	} else if (!sending) {
		RADIO_SHORTS = RECEIVING | RADIO_SHORT_DISABLED_TXEN;
	}
	PPI_CHENCLR = 1U << CHANNEL_DISABLE | 1U << CHANNEL_TXEN;
	PPI_CHENSET = 1U << (radio.direct ? CHANNEL_TXEN : CHANNEL_DISABLE);
	return true;
}

bool cats_radio_send(uint64_t at_us, const uint8_t *bytes, uint32_t air_us)
{
	const uint64_t enable_us = at_us - RAMP_UP_US;
	const uint32_t before = cats_interrupts_hold(CATS_LEVEL_RADIO);
	const uint64_t now_us = cats_clock_now_us();
	bool armed = false;

	if (enable_us >= now_us + CATS_CLOCK_LEAD_US) {
		TIMER0_CC0 = (uint32_t)enable_us;
		cats_clear_event(&TIMER0_EVENTS_COMPARE0);
		radio.armed_us = at_us;
		radio.armed_end_us = at_us + air_us;
		armed = arm(bytes, at_us, now_us);
	}
	cats_interrupts_restore(before);
	return armed;
}

struct cats_radio_frame *cats_radio_received(void)
{
	const struct queue *q = &radio.filled;

	return q->read == q->written ? NULL : &buffers[q->of[q->read % QUEUE]];
}

void cats_radio_release(void)
{
	put(&radio.released, take(&radio.filled));
}

bool cats_radio_is_receiving(void)
{
	return radio.addressed;
}

const uint8_t *cats_radio_next_bytes(void)
{
	const uint8_t next = radio.addressed ? radio.next : radio.current;

	return next == NONE ? NULL : buffers[next].bytes;
}

bool cats_radio_is_alive(void)
{
	const uint32_t before = cats_interrupts_hold(CATS_LEVEL_RADIO);
	const bool disabled = RADIO_STATE == RADIO_STATE_DISABLED;
	bool alive = (radio.mode == OFF) == disabled;

	if (radio.mode == SEND)
		alive = cats_clock_now_us() < radio.sending_end_us + CATS_AIR_GAP_US + RAMP_UP_US;
	cats_interrupts_restore(before);
	return alive;
}

struct cats_radio_slack cats_radio_slack(void)
{
	return radio.slack;
}

struct cats_radio_counters cats_radio_counters(void)
{
	return radio.counters;
}
