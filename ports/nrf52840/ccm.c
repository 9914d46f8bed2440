/* SPDX-License-Identifier: MIT */
/* The CCM. See ccm.h. */
#include "ports/nrf52840/ccm.h"

#include <string.h>

#include "net/frame.h"
#include "ports/nrf52840/clock.h"
#include "ports/nrf52840/interrupts.h"
#include "ports/nrf52840/radio.h"

/* Packets as the peripheral has them: header, length, a byte of no use, payload; a sealed one's payload ends with the
 * tag. */
#define HEADER CATS_RADIO_HEADER_BYTES
#define SEALED_MAX (CATS_AEAD_PLAIN_MAX + CATS_AEAD_TAG_BYTES)

#define COUNTER 16U /* places in the 33 bytes at CNFPTR */
#define DIRECTION 24U
#define IV 25U

#define CHANNEL_CRYPT 3U /* of the PPI: ADDRESS → CRYPT; the only one of group 0 */
#define CHANNEL_ARM 4U   /* ENDKSGEN → group 0 on: no CRYPT before there are keys */

/* What two clocks may differ by, and the handler's delay. */
#define DOUBT_US 10

/* 251 bytes take 320 µs: 20,500 cycles. A turn of the loop takes at least 8. */
#define TURNS_MAX 4000U
#define TAIL_TURNS_MAX 300U

void cats_ccm_interrupt(void);
void cats_timer1_interrupt(void);

enum work {
	NOTHING,
	SEAL, /* or open, while the caller waits */
	FLY,  /* decrypt what is being received, or wait for it */
};

/* A frame that may come. */
struct expectation {
	uint8_t nonce[CATS_AEAD_NONCE_BYTES];
	uint32_t address_us; /* of its ADDRESS: the clock's low word */
};

/* A frame that is, or was, decrypted while it arrived. */
struct flight {
	struct expectation of;
	const uint8_t *sealed; /* in the receiver's buffer; NULL: none */
	volatile bool done, passed;
	uint8_t out[HEADER + SEALED_MAX];
};

/* All at protocol level with the radio's held, or at radio level, but for what `seal` and `open` have of their own. */
static struct {
	uint8_t configuration[33];
	uint8_t in[HEADER + SEALED_MAX];
	uint8_t scratch[16U + CATS_AEAD_PLAIN_MAX];
	uint8_t frames[2][CATS_RADIO_BYTES_MAX]; /* the one before may still be on the air */
	uint8_t which;
	uint8_t self;
	volatile enum work work;
	volatile bool beacon;    /* the handler has to complete frames[which] */
	uint8_t covered[HEADER]; /* what the peripheral writes over */
	struct flight flights[2];
	uint8_t flight;        /* the latest */
	volatile bool expects; /* the one after it */
	struct expectation expected;
	struct cats_ccm_counters counters;
} ccm;

void cats_ccm_start(const uint8_t key[CATS_AEAD_KEY_BYTES], uint8_t self)
{
	memcpy(ccm.configuration, key, CATS_AEAD_KEY_BYTES);
	ccm.self = self;
	CCM_ENABLE = CCM_ENABLED;
	CCM_CNFPTR = (uint32_t)(uintptr_t)ccm.configuration;
	CCM_SCRATCHPTR = (uint32_t)(uintptr_t)ccm.scratch;
	CCM_MAXPACKETSIZE = CATS_AEAD_PLAIN_MAX; /* also out of reset, but for erratum 103 */
	PPI_CH_EEP(CHANNEL_CRYPT) = RADIO_EVENTS_ADDRESS_AT;
	PPI_CH_TEP(CHANNEL_CRYPT) = CCM_TASKS_CRYPT_AT;
	PPI_CH_EEP(CHANNEL_ARM) = CCM_EVENTS_ENDKSGEN_AT;
	PPI_CH_TEP(CHANNEL_ARM) = PPI_TASKS_CHG0_EN_AT;
	PPI_CHG0 = 1U << CHANNEL_CRYPT;
	TIMER1_BITMODE = TIMER_BITMODE_32;
	TIMER1_PRESCALER = TIMER_PRESCALER_1_MHZ;
	TIMER1_SHORTS = TIMER_SHORT_COMPARE0_STOP;
	TIMER1_INTENSET = TIMER_INT_COMPARE0;
	cats_interrupts_enable(IRQ_TIMER1, CATS_LEVEL_RADIO);
	cats_interrupts_enable(IRQ_CCM, CATS_LEVEL_RADIO);
}

static void configure(const uint8_t nonce[CATS_AEAD_NONCE_BYTES])
{
	memcpy(ccm.configuration + COUNTER, nonce, 5);
	ccm.configuration[COUNTER + 4U] &= 0x7FU;
	memset(ccm.configuration + COUNTER + 5U, 0, DIRECTION - COUNTER - 5U);
	ccm.configuration[DIRECTION] = nonce[4] >> 7;
	memcpy(ccm.configuration + IV, nonce + 5, 8);
}

static void begin(enum work work, uint32_t mode, const uint8_t *in, uint8_t *out)
{
	CCM_MODE = CCM_MODE_2M_EXTENDED | mode;
	CCM_INPTR = (uint32_t)(uintptr_t)in;
	CCM_OUTPTR = (uint32_t)(uintptr_t)out;
	CCM_SHORTS = work == FLY ? 0 : CCM_SHORT_ENDKSGEN_CRYPT;
	CCM_EVENTS_ENDKSGEN = 0;
	cats_clear_event(&CCM_EVENTS_ENDCRYPT);
	ccm.work = work;
	CCM_TASKS_KSGEN = 1;
}

/* ---- While it arrives ---- */

/* The PPI is a cycle of 16 MHz behind: what an event just before has set off comes first. */
static void let_ppi_settle(void)
{
	uint32_t turns = 4;

	__asm volatile("1:\tsubs %0, #1\n\tbne 1b" : "+r"(turns)::"cc");
}

/* What is awaited or under way is given up: the frame is decrypted when it is there. */
static void land_one(void)
{
	PPI_CHENCLR = 1U << CHANNEL_ARM | 1U << CHANNEL_CRYPT;
	let_ppi_settle();
	PPI_CHENCLR = 1U << CHANNEL_CRYPT;
	let_ppi_settle();
	CCM_INTENCLR = CCM_INT_ENDCRYPT;
	CCM_TASKS_STOP = 1;
	ccm.flights[ccm.flight].sealed = NULL;
	ccm.work = NOTHING;
}

static void land(void)
{
	const uint32_t before = cats_interrupts_hold(CATS_LEVEL_RADIO);

	ccm.expects = false;
	if (ccm.work == FLY)
		land_one();
	cats_interrupts_restore(before);
}

/* TIMER1 ends the wait for a frame that does not come. */
static void limit_wait(uint32_t address_us)
{
	const int32_t left_us = (int32_t)(address_us + DOUBT_US - (uint32_t)cats_clock_now_us());

	TIMER1_TASKS_STOP = 1;
	TIMER1_TASKS_CLEAR = 1;
	cats_clear_event(&TIMER1_EVENTS_COMPARE0);
	TIMER1_CC0 = left_us > (int32_t)CATS_CLOCK_LEAD_US ? (uint32_t)left_us : CATS_CLOCK_LEAD_US;
	TIMER1_TASKS_START = 1;
}

/* The frame's keys are begun, for where the next frame will lie. */
static void launch(const struct expectation *e)
{
	const uint8_t *bytes = cats_radio_next_bytes();
	struct flight *f;

	if (bytes == NULL)
		return;
	ccm.flight ^= 1U;
	f = &ccm.flights[ccm.flight];
	f->of = *e;
	f->sealed = bytes + HEADER;
	f->done = f->passed = false;
	configure(e->nonce);
	PPI_CHENSET = 1U << CHANNEL_ARM;
	begin(FLY, CCM_MODE_DECRYPT, bytes, f->out);
	CCM_INTENSET = CCM_INT_ENDCRYPT;
	limit_wait(e->address_us);
}

static void launch_next(void)
{
	if (!ccm.expects)
		return;
	ccm.expects = false;
	launch(&ccm.expected);
}

static void expect_next(const struct expectation *e)
{
	ccm.expected = *e;
	ccm.expects = true;
}

/* The frame of the latest flight may still come, or is coming. */
static bool is_under_way(uint32_t now_us)
{
	return ccm.work == FLY &&
	       (cats_radio_is_receiving() || (int32_t)(now_us - ccm.flights[ccm.flight].of.address_us) <= DOUBT_US);
}

static bool is_idle(void)
{
	return ccm.work == NOTHING || (ccm.work == SEAL && CCM_EVENTS_ENDCRYPT != 0 && !ccm.beacon);
}

/* `e` has the frames that come next; what is under way before them stays. */
static void follow(const struct expectation e[2], uint32_t count, uint32_t now_us)
{
	if (is_under_way(now_us)) {
		if (memcmp(e[0].nonce, ccm.flights[ccm.flight].of.nonce, sizeof(e[0].nonce)) != 0)
			expect_next(&e[0]);
		else if (count > 1U)
			expect_next(&e[1]);
		return;
	}
	land();
	if (!is_idle()) {
		expect_next(&e[0]);
		return;
	}
	launch(&e[0]);
	if (count > 1U)
		expect_next(&e[1]);
}

void cats_ccm_expect(const struct cats_frame_moment *moments, const uint64_t *start_us, uint32_t count)
{
	struct expectation e[2];
	uint32_t known = 0, before;

	for (; known < count && known < 2U && !moments[known].beacon; known++) {
		cats_frame_nonce(e[known].nonce, &moments[known]);
		e[known].address_us = (uint32_t)start_us[known] + CATS_RADIO_ADDRESS_US;
	}
	if (known == 0)
		return;
	before = cats_interrupts_hold(CATS_LEVEL_RADIO);
	follow(e, known, (uint32_t)cats_clock_now_us());
	cats_interrupts_restore(before);
}

void cats_ccm_address(void)
{
	const struct expectation e = ccm.flights[ccm.flight].of;
	int32_t late_us;

	if (ccm.work == NOTHING) {
		launch_next();
		return;
	}
	if (ccm.work != FLY || CCM_EVENTS_ENDKSGEN != 0)
		return;
	/* Its keys are not there. If it is the very frame that they are for, the next is awaited; else that one comes
	 * later, and will lie elsewhere. */
	late_us = (int32_t)((uint32_t)cats_clock_now_us() - e.address_us);
	land_one();
	if (late_us >= -DOUBT_US)
		launch_next();
	else
		launch(&e);
}

/* The frame was not sent, or nobody heard it: on with the next. The event may have been cleared while this level was
 * held. */
void cats_timer1_interrupt(void)
{
	if (TIMER1_EVENTS_COMPARE0 == 0)
		return;
	cats_clear_event(&TIMER1_EVENTS_COMPARE0);
	if (ccm.work != FLY || cats_radio_is_receiving())
		return;
	land_one();
	launch_next();
	cats_interrupts_call_protocol();
}

static struct flight *flight_of(const uint8_t *sealed, const uint8_t nonce[CATS_AEAD_NONCE_BYTES])
{
	for (uint32_t i = 0; i < 2U; i++)
		if (ccm.flights[i].sealed == sealed &&
		    memcmp(ccm.flights[i].of.nonce, nonce, CATS_AEAD_NONCE_BYTES) == 0)
			return &ccm.flights[i];
	return NULL;
}

/* The frame has ended, so this takes three blocks more, 22 µs; or it was not taken up at all. */
static bool has_arrived(const struct flight *f)
{
	for (uint32_t i = 0; i < TAIL_TURNS_MAX && !f->done; i++)
		if (ccm.work != FLY)
			break;
	return f->done;
}

/* A beacon is sealed, or a frame is decrypted: on with the next. The interrupt may be of an event that has been cleared
 * while this level was held. */
void cats_ccm_interrupt(void)
{
	if (CCM_EVENTS_ENDCRYPT == 0)
		return;
	CCM_INTENCLR = CCM_INT_ENDCRYPT;
	(void)CCM_INTENCLR;
	if (ccm.beacon) {
		memcpy(ccm.frames[ccm.which] + CATS_FRAME_CLEAR_BYTES, ccm.covered, HEADER);
		ccm.beacon = false;
	} else if (ccm.work == FLY) {
		PPI_CHENCLR = 1U << CHANNEL_ARM | 1U << CHANNEL_CRYPT;
		ccm.flights[ccm.flight].passed = CCM_MICSTATUS == 1U;
		ccm.flights[ccm.flight].done = true;
		ccm.work = NOTHING;
		launch_next();
	}
}

/* ---- Before and after ---- */

/* Until what was started has ended; false when it does not end. */
static bool finish(void)
{
	land();
	if (ccm.work == NOTHING)
		return true;
	for (uint32_t i = 0; i < TURNS_MAX; i++) {
		if (CCM_EVENTS_ENDCRYPT != 0 && !ccm.beacon) {
			ccm.work = NOTHING;
			return true;
		}
	}
	ccm.counters.failed++;
	CCM_TASKS_STOP = 1;
	ccm.beacon = false;
	ccm.work = NOTHING;
	return false;
}

/* A beacon's clear bytes are in its nonce: epoch, inference, unit. The peripheral puts its own header over the last
 * three. */
static void write_beacon(uint8_t *frame, const uint8_t nonce[CATS_AEAD_NONCE_BYTES], uint32_t plain_bytes)
{
	frame[0] = (uint8_t)(CATS_FRAME_BEACON | (uint32_t)ccm.self << 2);
	frame[1] = (uint8_t)cats_frame_length(CATS_FRAME_BEACON, plain_bytes);
	frame[2] = 0;
	memcpy(frame + HEADER, nonce + 5, 8);
	memcpy(frame + HEADER + 8, nonce, 4);
	memcpy(ccm.covered, frame + CATS_FRAME_CLEAR_BYTES, HEADER);
}

static void put_in(uint8_t header, const uint8_t *payload, uint32_t bytes, uint32_t length)
{
	ccm.in[0] = header;
	ccm.in[1] = (uint8_t)length;
	ccm.in[2] = 0;
	memcpy(ccm.in + HEADER, payload, bytes);
}

/* `sealed` is where the protocol keeps a frame that is never sent: the radio's is ccm.frames[which]. */
static bool seal(void *context, uint8_t *sealed, const uint8_t nonce[CATS_AEAD_NONCE_BYTES], uint8_t header,
		 const uint8_t *plain, uint32_t plain_bytes)
{
	const bool beacon = nonce[4] >> 7 != 0;
	uint8_t *frame;

	(void)context;
	(void)sealed;
	if (!finish())
		return false;
	ccm.which ^= 1U;
	frame = ccm.frames[ccm.which];
	configure(nonce);
	/* The header's bits that hold the sender are not authenticated: the peripheral masks them. */
	put_in((uint8_t)((header & 3U) | (uint32_t)ccm.self << 2), plain, plain_bytes, plain_bytes);
	if (beacon)
		write_beacon(frame, nonce, plain_bytes);
	ccm.beacon = beacon;
	begin(SEAL, 0, ccm.in, beacon ? frame + CATS_FRAME_CLEAR_BYTES : frame);
	if (beacon)
		CCM_INTENSET = CCM_INT_ENDCRYPT;
	return true;
}

static bool open(void *context, uint8_t *plain, const uint8_t nonce[CATS_AEAD_NONCE_BYTES], uint8_t header,
		 const uint8_t *sealed, uint32_t plain_bytes)
{
	struct flight *f = flight_of(sealed, nonce);

	(void)context;
	/* One that did not pass may have been of another frame, which lay there before. */
	if (f != NULL && has_arrived(f) && f->passed) {
		ccm.counters.flown++;
		memcpy(plain, f->out + HEADER, plain_bytes);
		return true;
	}
	if (!finish())
		return false;
	ccm.counters.opened++;
	/* Frames are opened in their order: the older flight was of one before. */
	f = &ccm.flights[ccm.flight ^ 1U];
	f->sealed = NULL;
	configure(nonce);
	put_in(header, sealed, plain_bytes + CATS_AEAD_TAG_BYTES, plain_bytes + CATS_AEAD_TAG_BYTES);
	begin(SEAL, CCM_MODE_DECRYPT, ccm.in, f->out);
	if (!finish() || CCM_MICSTATUS != 1U) {
		return false;
	}
	memcpy(plain, f->out + HEADER, plain_bytes);
	return true;
}

struct cats_aead cats_ccm_aead(void)
{
	return (struct cats_aead){.seal = seal, .open = open};
}

const uint8_t *cats_ccm_sealed(void)
{
	return ccm.frames[ccm.which];
}

struct cats_ccm_counters cats_ccm_counters(void)
{
	return ccm.counters;
}
