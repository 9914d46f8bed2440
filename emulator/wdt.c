/* SPDX-License-Identifier: MIT */
/* WDT (nRF52840 Product Specification 1.7, 6.36). Once it runs, only itself, the pin or power stops it: it goes on over
 * the resets that the processor brings upon itself. One that pauses while the processor sleeps is not modelled. */
#include "emulator/models.h"

enum { TASK_START = 0, EVENT_TIMEOUT = 0 };

#define RUNSTATUS 0x400U
#define REQSTATUS 0x404U
#define CRV 0x504U
#define RREN 0x508U
#define CONFIG 0x50CU
#define RR 0x600U
#define RR_COUNT 8U
#define RELOAD 0x6E524635U
#define CRV_LEAST 15U
#define CONFIG_SLEEP 1U /* runs while the processor sleeps */
#define CONFIG_HALT 8U  /* runs while a debugger halts it: nobody does here */
#define SLOW_HZ 32768U
#define RESET_TICKS 2U /* from the timeout to the reset */

struct wdt {
	struct cats_peripheral p;
	bool running;
	uint32_t counter, enabled, config;
	uint32_t requested; /* reload registers that have not been written since the latest reload */
	uint64_t times_out;
	bool timed_out;
};

static uint64_t ticks_to_cycles(uint64_t ticks)
{
	return (ticks * CATS_CYCLES_PER_US * 1000000U + SLOW_HZ - 1U) / SLOW_HZ;
}

static void reload(struct wdt *w)
{
	w->requested = w->enabled;
	w->times_out = cats_peripheral_now(&w->p) + ticks_to_cycles((uint64_t)w->counter + 1U);
	cats_peripheral_due(&w->p, w->times_out);
}

static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	struct wdt *w = (struct wdt *)p;
	const bool goes_on = w->running && (cause == CATS_RESET_SOFT || cause == CATS_RESET_LOCKUP);

	if (!goes_on) {
		*w = (struct wdt){.p = w->p, .counter = UINT32_MAX, .enabled = 1, .config = CONFIG_SLEEP};
		return;
	}
	cats_clock_force_slow(p);
	cats_peripheral_due(p, w->timed_out ? w->times_out + ticks_to_cycles(RESET_TICKS) : w->times_out);
}

static void task(struct cats_peripheral *p, uint32_t task)
{
	struct wdt *w = (struct wdt *)p;

	(void)task;
	if (w->running)
		return;
	w->running = true;
	cats_clock_force_slow(p);
	reload(w);
}

static void advance(struct cats_peripheral *p)
{
	struct wdt *w = (struct wdt *)p;

	if (w->timed_out) {
		cats_chip_ask_reset(p->chip, CATS_RESET_WATCHDOG);
		return;
	}
	w->timed_out = true;
	cats_peripheral_due(p, w->times_out + ticks_to_cycles(RESET_TICKS));
	cats_peripheral_event(p, EVENT_TIMEOUT);
}

static uint32_t *plain_register(struct wdt *w, uint32_t offset)
{
	switch (offset) {
	case CRV:
		return &w->counter;
	case RREN:
		return &w->enabled;
	case CONFIG:
		return &w->config;
	default:
		return NULL;
	}
}

static bool read(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	struct wdt *w = (struct wdt *)p;
	const uint32_t *plain = plain_register(w, offset);

	if (plain)
		*value = *plain;
	else if (offset == RUNSTATUS)
		*value = w->running;
	else if (offset == REQSTATUS)
		*value = w->running ? w->requested : w->enabled;
	else
		return false;
	return true;
}

static void request(struct wdt *w, uint32_t number, uint32_t value)
{
	if (value != RELOAD)
		cats_peripheral_refuse(&w->p, "RR[%u]: 0x%08x is not 0x%08x", number, value, RELOAD);
	else if ((w->enabled >> number & 1U) == 0)
		cats_peripheral_refuse(&w->p, "RR[%u] written, which RREN does not enable", number);
	if (!w->running || w->timed_out)
		return;
	w->requested &= ~(1U << number);
	if (w->requested == 0)
		reload(w);
}

static void check(struct wdt *w, uint32_t offset, uint32_t value)
{
	if (w->running && *plain_register(w, offset) != value)
		cats_peripheral_refuse(&w->p, "0x%03x written while the watchdog runs, which locks it", offset);
	else if (offset == CRV && value < CRV_LEAST)
		cats_peripheral_refuse(&w->p, "CRV: %u is less than %u", value, CRV_LEAST);
	else if (offset == RREN && (value == 0 || value >= 1U << RR_COUNT))
		cats_peripheral_refuse(&w->p, "RREN: 0x%08x", value);
	else if (offset == CONFIG && (value & ~CONFIG_HALT) != CONFIG_SLEEP)
		cats_peripheral_refuse(&w->p, "CONFIG: 0x%08x: a pause in sleep is not modelled", value);
}

static bool write(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	struct wdt *w = (struct wdt *)p;
	uint32_t *plain = plain_register(w, offset);

	if (plain) {
		check(w, offset, value);
		*plain = value;
	} else if (offset - RR < 4U * RR_COUNT && offset % 4U == 0) {
		request(w, (offset - RR) / 4U, value);
	} else {
		return false;
	}
	return true;
}

const struct cats_peripheral_model cats_wdt_model = {
	.tasks = 1U << TASK_START,
	.events = 1U << EVENT_TIMEOUT,
	.bytes = sizeof(struct wdt),
	.reset = reset,
	.task = task,
	.read = read,
	.write = write,
	.advance = advance,
};
