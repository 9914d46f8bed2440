/* SPDX-License-Identifier: MIT */
/* TIMER0 … TIMER4 in timer mode (nRF52840 Product Specification 1.7, 6.30). The variant is the number of compare
 * registers. Counting events is not modelled. A compare register matches when the counter comes to its value, not when
 * it is written over the counter's. */
#include "emulator/models.h"

enum { TASK_START = 0, TASK_STOP = 1, TASK_CLEAR = 3, TASK_SHUTDOWN = 4, TASK_CAPTURE = 16 };
enum { EVENT_COMPARE = 16 };

#define MODE 0x504U
#define BITMODE 0x508U
#define PRESCALER 0x510U
#define CC 0x540U
#define CC_MAX 6U
#define PRESCALER_MAX 9U
#define TICK_CYCLES 4U /* of 16 MHz, not divided */

struct timer {
	struct cats_peripheral p;
	bool running;
	uint64_t since; /* when the counter had the value `count`: its latest start, or clearing */
	uint32_t count; /* while stopped: the value */
	uint32_t bit_mode, prescaler;
	uint32_t cc[CC_MAX];
};

static const uint32_t masks[] = {0xFFFFU, 0xFFU, 0xFFFFFFU, 0xFFFFFFFFU}; /* by BITMODE */

static uint64_t tick_cycles(const struct timer *t)
{
	return (uint64_t)TICK_CYCLES << t->prescaler;
}

static uint64_t ticks(const struct timer *t)
{
	return t->running ? (cats_peripheral_now(&t->p) - t->since) / tick_cycles(t) : 0;
}

static uint32_t counter(const struct timer *t)
{
	return (uint32_t)(t->count + ticks(t)) & masks[t->bit_mode];
}

/* When the counter next comes to cc[i]. */
static uint64_t matches_at(const struct timer *t, uint32_t i)
{
	const uint32_t mask = masks[t->bit_mode];
	uint64_t ahead = ((t->cc[i] & mask) - counter(t)) & mask;

	if (ahead == 0)
		ahead = (uint64_t)mask + 1U;
	return t->since + (ticks(t) + ahead) * tick_cycles(t);
}

static void schedule(struct timer *t)
{
	uint64_t next = CATS_NEVER;

	for (uint32_t i = 0; t->running && i < t->p.variant; i++)
		if (matches_at(t, i) < next)
			next = matches_at(t, i);
	cats_peripheral_due(&t->p, next);
}

static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	struct timer *t = (struct timer *)p;

	(void)cause;
	*t = (struct timer){.p = t->p, .prescaler = 4};
}

static void set_running(struct timer *t, bool running)
{
	if (running == t->running)
		return;
	t->count = counter(t);
	t->since = cats_peripheral_now(&t->p);
	t->running = running;
}

static void task(struct cats_peripheral *p, uint32_t task)
{
	struct timer *t = (struct timer *)p;

	if (task == TASK_START || task == TASK_STOP)
		set_running(t, task == TASK_START);
	else if (task >= TASK_CAPTURE)
		t->cc[task - TASK_CAPTURE] = counter(t);
	if (task == TASK_SHUTDOWN)
		t->running = false;
	if (task == TASK_CLEAR || task == TASK_SHUTDOWN) {
		t->count = 0;
		t->since = cats_peripheral_now(p);
	}
	schedule(t);
}

/* All that match at this tick, seen before any shortcut changes the counter. */
static void advance(struct cats_peripheral *p)
{
	struct timer *t = (struct timer *)p;
	const uint32_t value = counter(t);
	uint32_t matching = 0;

	for (uint32_t i = 0; i < p->variant; i++)
		if ((t->cc[i] & masks[t->bit_mode]) == value)
			matching |= 1U << i;
	for (uint32_t i = 0; i < p->variant; i++)
		if ((matching >> i & 1U) != 0)
			cats_peripheral_event(p, EVENT_COMPARE + i);
	schedule(t);
}

static bool read(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	const struct timer *t = (const struct timer *)p;

	if (offset == MODE)
		*value = 0;
	else if (offset == BITMODE)
		*value = t->bit_mode;
	else if (offset == PRESCALER)
		*value = t->prescaler;
	else if (offset - CC < 4U * p->variant)
		*value = t->cc[(offset - CC) / 4U];
	else
		return false;
	return true;
}

/* MODE, BITMODE and PRESCALER are the timer's shape, which must not change while it counts. */
static bool write_shape(struct timer *t, uint32_t offset, uint32_t value)
{
	const uint32_t most = offset == MODE ? 0 : offset == BITMODE ? 3U : PRESCALER_MAX;

	if (offset != MODE && offset != BITMODE && offset != PRESCALER)
		return false;
	if (t->running)
		cats_peripheral_refuse(&t->p, "0x%03x written while the timer runs", offset);
	if (value > most) {
		cats_peripheral_refuse(&t->p, "0x%08x written to 0x%03x: at most %u is modelled", value, offset, most);
		return true;
	}
	if (offset == BITMODE)
		t->bit_mode = value;
	else if (offset == PRESCALER)
		t->prescaler = value;
	return true;
}

static bool write(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	struct timer *t = (struct timer *)p;

	if (offset - CC >= 4U * p->variant)
		return write_shape(t, offset, value);
	t->cc[(offset - CC) / 4U] = value;
	schedule(t);
	return true;
}

/* COMPAREi_CLEAR is bit i, COMPAREi_STOP bit 8 + i. */
static const struct cats_short shorts[] = {
	{0, 16, TASK_CLEAR}, {1, 17, TASK_CLEAR}, {2, 18, TASK_CLEAR}, {3, 19, TASK_CLEAR},
	{8, 16, TASK_STOP},  {9, 17, TASK_STOP},  {10, 18, TASK_STOP}, {11, 19, TASK_STOP},
	{4, 20, TASK_CLEAR}, {5, 21, TASK_CLEAR}, {12, 20, TASK_STOP}, {13, 21, TASK_STOP},
};
#define SHORTS_OF_4 8U

#define TASKS(n)                                                                       \
	(1U << TASK_START | 1U << TASK_STOP | 1U << TASK_CLEAR | 1U << TASK_SHUTDOWN | \
	 ((1U << (n)) - 1U) << TASK_CAPTURE)

/* Of TIMER0 … 2, with four compare registers, and of TIMER3 and 4, with six. */
#define MODEL(n, short_number)                                                                              \
	{                                                                                                   \
		.tasks = TASKS(n), .events = ((1U << (n)) - 1U) << EVENT_COMPARE, .shorts = shorts,         \
		.short_count = (short_number), .bytes = sizeof(struct timer), .reset = reset, .task = task, \
		.read = read, .write = write, .advance = advance,                                           \
	}

const struct cats_peripheral_model cats_timer4_model = MODEL(4, SHORTS_OF_4);
const struct cats_peripheral_model cats_timer6_model = MODEL(6, sizeof shorts / sizeof shorts[0]);
