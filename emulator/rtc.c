/* SPDX-License-Identifier: MIT */
/* RTC0 … RTC2 (nRF52840 Product Specification 1.7, 6.22). The variant is the number of compare registers. LFCLK's ticks
 * lie on a grid from the chip's beginning, and tasks act at the next of them. */
#include "emulator/models.h"

enum { TASK_START = 0, TASK_STOP = 1, TASK_CLEAR = 2, TASK_TRIGOVRFLW = 3 };
enum { EVENT_TICK = 0, EVENT_OVRFLW = 1, EVENT_COMPARE = 16 };

#define INTENSET 0x304U
#define INTENCLR 0x308U
#define EVTEN 0x340U
#define EVTENSET 0x344U
#define EVTENCLR 0x348U
#define COUNTER 0x504U
#define PRESCALER 0x508U
#define CC 0x540U
#define CC_MAX 4U
#define COUNTER_MASK 0xFFFFFFU
#define PRESCALER_MAX 0xFFFU
#define TRIGOVRFLW_VALUE 0xFFFFF0U

/* A compare register matches if it is written at least so many ticks ahead. */
#define LEAD 2U

/* 64 MHz by 32768 Hz. */
#define CYCLES_OF_8_TICKS 15625U

struct rtc {
	struct cats_peripheral p;
	bool running;
	uint64_t since; /* LFCLK's tick at which the counter had the value `count` */
	uint32_t count; /* while stopped: the value */
	uint32_t prescaler, evten;
	uint32_t cc[CC_MAX];
	uint32_t late; /* bit i: cc[i] was written too late to match the next time */
};

static uint64_t cycles_at(uint64_t tick)
{
	return (tick * CYCLES_OF_8_TICKS + 7U) / 8U;
}

static uint64_t tick_at(uint64_t cycles)
{
	return cycles * 8U / CYCLES_OF_8_TICKS;
}

/* Counts since `since`; none before that. */
static uint64_t counts(const struct rtc *r)
{
	const uint64_t now = tick_at(cats_peripheral_now(&r->p));

	return r->running && now > r->since ? (now - r->since) / (r->prescaler + 1U) : 0;
}

static uint32_t counter(const struct rtc *r)
{
	return (uint32_t)(r->count + counts(r)) & COUNTER_MASK;
}

/* When the counter next comes to a value. */
static uint64_t comes_to(const struct rtc *r, uint32_t value)
{
	uint64_t ahead = (value - counter(r)) & COUNTER_MASK;

	if (ahead == 0)
		ahead = (uint64_t)COUNTER_MASK + 1U;
	return cycles_at(r->since + (counts(r) + ahead) * (r->prescaler + 1U));
}

/* An event happens only if something wants it. */
static bool wanted(const struct rtc *r, uint32_t event)
{
	return ((r->p.inten | r->evten) >> event & 1U) != 0;
}

static void schedule(struct rtc *r)
{
	uint64_t next = CATS_NEVER;

	for (uint32_t i = 0; r->running && i < r->p.variant; i++)
		if (wanted(r, EVENT_COMPARE + i) && comes_to(r, r->cc[i] & COUNTER_MASK) < next)
			next = comes_to(r, r->cc[i] & COUNTER_MASK);
	if (r->running && wanted(r, EVENT_TICK))
		next = comes_to(r, counter(r) + 1U);
	if (r->running && wanted(r, EVENT_OVRFLW) && comes_to(r, 0) < next)
		next = comes_to(r, 0);
	cats_peripheral_due(&r->p, next);
}

static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	struct rtc *r = (struct rtc *)p;

	(void)cause;
	*r = (struct rtc){.p = r->p};
}

static void set_running(struct rtc *r, bool running)
{
	if (running && !cats_clock_slow_runs(&r->p))
		cats_peripheral_refuse(&r->p, "START while LFCLK does not run");
	if (running == r->running)
		return;
	r->count = counter(r);
	r->since = tick_at(cats_peripheral_now(&r->p)) + 1U;
	r->running = running;
}

static void set_counter(struct rtc *r, uint32_t value)
{
	r->count = value;
	r->since = tick_at(cats_peripheral_now(&r->p)) + 1U;
}

static void task(struct cats_peripheral *p, uint32_t task)
{
	struct rtc *r = (struct rtc *)p;

	if (task == TASK_START || task == TASK_STOP)
		set_running(r, task == TASK_START);
	else
		set_counter(r, task == TASK_CLEAR ? 0 : TRIGOVRFLW_VALUE);
	schedule(r);
}

static void happen(struct rtc *r, uint32_t event)
{
	if (wanted(r, event))
		cats_chip_event(&r->p, event, (r->evten >> event & 1U) != 0);
}

static void advance(struct cats_peripheral *p)
{
	struct rtc *r = (struct rtc *)p;
	const uint32_t value = counter(r);

	happen(r, EVENT_TICK);
	if (value == 0)
		happen(r, EVENT_OVRFLW);
	for (uint32_t i = 0; i < p->variant; i++) {
		if ((r->cc[i] & COUNTER_MASK) != value)
			continue;
		if ((r->late >> i & 1U) == 0)
			happen(r, EVENT_COMPARE + i);
		r->late &= ~(1U << i);
	}
	schedule(r);
}

static bool read(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	const struct rtc *r = (const struct rtc *)p;

	if (offset == COUNTER)
		*value = counter(r);
	else if (offset == PRESCALER)
		*value = r->prescaler;
	else if (offset == EVTEN || offset == EVTENSET || offset == EVTENCLR)
		*value = r->evten;
	else if (offset - CC < 4U * p->variant && offset % 4U == 0)
		*value = r->cc[(offset - CC) / 4U];
	else
		return false;
	return true;
}

/* Which events are wanted decides when something is due. */
static void write_enable(struct rtc *r, uint32_t offset, uint32_t value)
{
	uint32_t *bits = offset == INTENSET || offset == INTENCLR ? &r->p.inten : &r->evten;

	if ((value & ~r->p.model->events) != 0)
		cats_peripheral_refuse(&r->p, "0x%08x written to 0x%03x, where only 0x%08x is modelled", value, offset,
				       r->p.model->events);
	if (offset == EVTEN)
		*bits = value;
	else
		*bits = offset == INTENSET || offset == EVTENSET ? *bits | value : *bits & ~value;
}

static void write_compare(struct rtc *r, uint32_t i, uint32_t value)
{
	const bool late = r->running && ((value - counter(r)) & COUNTER_MASK) < LEAD;

	r->cc[i] = value;
	r->late = late ? r->late | 1U << i : r->late & ~(1U << i);
}

static bool write(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	struct rtc *r = (struct rtc *)p;

	if (offset == INTENSET || offset == INTENCLR || offset == EVTEN || offset == EVTENSET || offset == EVTENCLR) {
		write_enable(r, offset, value);
	} else if (offset == PRESCALER && value <= PRESCALER_MAX) {
		if (r->running)
			cats_peripheral_refuse(p, "PRESCALER written while the counter runs");
		r->prescaler = value;
	} else if (offset - CC < 4U * p->variant && offset % 4U == 0) {
		write_compare(r, (offset - CC) / 4U, value);
	} else {
		return false;
	}
	schedule(r);
	return true;
}

#define EVENTS(n) (1U << EVENT_TICK | 1U << EVENT_OVRFLW | ((1U << (n)) - 1U) << EVENT_COMPARE)
#define MODEL(n)                                                                                              \
	{                                                                                                     \
		.tasks = 1U << TASK_START | 1U << TASK_STOP | 1U << TASK_CLEAR | 1U << TASK_TRIGOVRFLW,       \
		.events = EVENTS(n), .bytes = sizeof(struct rtc), .reset = reset, .task = task, .read = read, \
		.write = write, .advance = advance,                                                           \
	}

const struct cats_peripheral_model cats_rtc3_model = MODEL(3); /* RTC0 */
const struct cats_peripheral_model cats_rtc4_model = MODEL(4);
