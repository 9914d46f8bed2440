/* SPDX-License-Identifier: MIT */
/* CLOCK and POWER, which share registers and interrupt (nRF52840 Product Specification 1.7, 5.3 and 5.4). Errata 36 and
 * 136 are as on silicon. System OFF, the supply's monitors and calibration of the RC oscillator are not modelled. */
#include "emulator/models.h"

enum {
	TASK_HFCLKSTART = 0,
	TASK_HFCLKSTOP = 1,
	TASK_LFCLKSTART = 2,
	TASK_LFCLKSTOP = 3,
	TASK_CONSTLAT = 30,
	TASK_LOWPWR = 31
};
enum { EVENT_HFCLKSTARTED = 0, EVENT_LFCLKSTARTED = 1, EVENT_DONE = 3, EVENT_CTTO = 4 };

#define RESETREAS 0x400U
#define HFCLKRUN 0x408U
#define HFCLKSTAT 0x40CU
#define LFCLKRUN 0x414U
#define LFCLKSTAT 0x418U
#define LFCLKSRCCOPY 0x41CU
#define GPREGRET 0x51CU
#define GPREGRET2 0x520U
#define LFCLKSRC 0x518U
#define HFXODEBOUNCE 0x528U
#define CTIV 0x538U
#define APPROTECT_DISABLE 0x558U
#define DCDCEN 0x578U
#define DCDCEN0 0x580U
#define MAINREGSTATUS 0x640U
#define RAM_POWER 0x900U

#define STATE_RUNS (1U << 16)
#define SOURCE_CRYSTAL 1U
#define LFCLK_CRYSTAL 1U
#define RAM_BLOCKS 9U
#define RAM_ON 0xFFFFU

/* Start-up: of HFXO, 0.36 ms with the debounce that it has out of reset, 16 × 16 µs; of LFXO; of LFRC. */
#define DEBOUNCE_CYCLES (16U * CATS_CYCLES_PER_US)
#define DEBOUNCE_RESET 16U
#define HFXO_CYCLES (360U * CATS_CYCLES_PER_US - DEBOUNCE_RESET * DEBOUNCE_CYCLES)
#define LFXO_CYCLES (250000U * CATS_CYCLES_PER_US)
#define LFRC_CYCLES (600U * CATS_CYCLES_PER_US)

/* Erratum 36: what is not 0 out of reset. */
#define CTIV_GARBAGE 0x55U

/* RESETREAS, by cause; erratum 136: with bit 0 others may be set. */
#define REASON_PIN (1U << 0)
#define REASON_WATCHDOG (1U << 1)
#define REASON_SOFT (1U << 2)
#define REASON_LOCKUP (1U << 3)
#define REASON_136 (REASON_SOFT | REASON_LOCKUP)

struct clock {
	struct cats_peripheral p;
	uint64_t crystal_at, slow_at; /* when they run; CATS_NEVER: they are off */
	bool crystal_told, slow_told; /* their event has happened */
	uint32_t slow_source;         /* LFCLKSRC */
	uint32_t slow_source_started; /* its value at LFCLKSTART */
	uint32_t debounce, ctiv, dcdc, dcdc0;
	uint32_t reason, retained[2]; /* RESETREAS, GPREGRET */
	uint32_t ram_power[RAM_BLOCKS];
};

static uint32_t reason_of(enum cats_reset cause)
{
	switch (cause) {
	case CATS_RESET_PIN:
		return REASON_PIN | REASON_136;
	case CATS_RESET_WATCHDOG:
		return REASON_WATCHDOG;
	case CATS_RESET_SOFT:
		return REASON_SOFT;
	case CATS_RESET_LOCKUP:
		return REASON_LOCKUP;
	default:
		return 0;
	}
}

/* Reset behaviour, 5.3.6.8: the reasons add up until power is lost; the retained registers survive what the processor
 * brings upon itself. */
static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	struct clock *c = (struct clock *)p;
	const struct clock before = *c;
	const bool keeps = cause == CATS_RESET_SOFT || cause == CATS_RESET_LOCKUP;

	*c = (struct clock){.p = before.p, .crystal_at = CATS_NEVER, .slow_at = CATS_NEVER, .debounce = DEBOUNCE_RESET};
	c->reason = (cause == CATS_RESET_POWER ? 0 : before.reason) | reason_of(cause);
	c->ctiv = CTIV_GARBAGE;
	p->events = 1U << EVENT_DONE | 1U << EVENT_CTTO;
	for (uint32_t i = 0; i < 2; i++)
		c->retained[i] = keeps ? before.retained[i] : 0;
	for (uint32_t i = 0; i < RAM_BLOCKS; i++)
		c->ram_power[i] = keeps ? before.ram_power[i] : RAM_ON;
}

static bool runs(const struct clock *c, uint64_t since)
{
	return since != CATS_NEVER && since <= cats_peripheral_now(&c->p);
}

static void schedule(struct clock *c)
{
	uint64_t next = CATS_NEVER;

	if (!c->crystal_told)
		next = c->crystal_at;
	if (!c->slow_told && c->slow_at < next)
		next = c->slow_at;
	cats_peripheral_due(&c->p, next);
}

static void start(struct clock *c, uint64_t *runs_at, bool *told, uint32_t cycles)
{
	if (*runs_at == CATS_NEVER)
		*runs_at = cats_peripheral_now(&c->p) + cycles;
	*told = false; /* of one that runs already, at once */
}

static void start_slow(struct clock *c)
{
	if (c->slow_at == CATS_NEVER)
		c->slow_source_started = c->slow_source;
	start(c, &c->slow_at, &c->slow_told, c->slow_source_started == LFCLK_CRYSTAL ? LFXO_CYCLES : LFRC_CYCLES);
}

static void task(struct cats_peripheral *p, uint32_t task)
{
	struct clock *c = (struct clock *)p;

	if (task == TASK_HFCLKSTART)
		start(c, &c->crystal_at, &c->crystal_told, HFXO_CYCLES + c->debounce * DEBOUNCE_CYCLES);
	else if (task == TASK_HFCLKSTOP)
		c->crystal_at = CATS_NEVER;
	else if (task == TASK_LFCLKSTART)
		start_slow(c);
	else if (task == TASK_LFCLKSTOP)
		c->slow_at = CATS_NEVER;
	schedule(c);
}

static void advance(struct cats_peripheral *p)
{
	struct clock *c = (struct clock *)p;

	if (!c->crystal_told && runs(c, c->crystal_at)) {
		c->crystal_told = true;
		cats_peripheral_event(p, EVENT_HFCLKSTARTED);
	}
	if (!c->slow_told && runs(c, c->slow_at)) {
		c->slow_told = true;
		cats_peripheral_event(p, EVENT_LFCLKSTARTED);
	}
	schedule(c);
}

static uint32_t *plain_register(struct clock *c, uint32_t offset)
{
	switch (offset) {
	case LFCLKSRC:
		return &c->slow_source;
	case HFXODEBOUNCE:
		return &c->debounce;
	case CTIV:
		return &c->ctiv;
	case DCDCEN:
		return &c->dcdc;
	case DCDCEN0:
		return &c->dcdc0;
	case GPREGRET:
	case GPREGRET2:
		return c->retained + (offset == GPREGRET2);
	default:
		return NULL;
	}
}

/* RAM[n].POWER, POWERSET and POWERCLR: 0x10 apart. */
static bool is_ram_power(uint32_t offset)
{
	return offset - RAM_POWER < 0x10U * RAM_BLOCKS && offset % 0x10U <= 8U && offset % 4U == 0;
}

static bool read(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	struct clock *c = (struct clock *)p;
	const uint32_t *plain = plain_register(c, offset);

	if (plain)
		*value = *plain;
	else if (is_ram_power(offset))
		*value = c->ram_power[(offset - RAM_POWER) / 0x10U];
	else if (offset == RESETREAS)
		*value = c->reason;
	else if (offset == HFCLKRUN)
		*value = c->crystal_at != CATS_NEVER;
	else if (offset == HFCLKSTAT)
		*value = STATE_RUNS | (runs(c, c->crystal_at) ? SOURCE_CRYSTAL : 0);
	else if (offset == LFCLKRUN)
		*value = c->slow_at != CATS_NEVER;
	else if (offset == LFCLKSTAT)
		*value = runs(c, c->slow_at) ? STATE_RUNS | c->slow_source_started : 0;
	else if (offset == LFCLKSRCCOPY)
		*value = c->slow_source_started;
	else if (offset == MAINREGSTATUS)
		*value = 0; /* normal voltage: VDD and VDDH are one */
	else
		return false;
	return true;
}

static void write_ram_power(struct clock *c, uint32_t offset, uint32_t value)
{
	uint32_t *power = c->ram_power + (offset - RAM_POWER) / 0x10U;

	if (offset % 0x10U == 0)
		*power = value;
	else
		*power = offset % 0x10U == 4U ? *power | value : *power & ~value;
	if ((*power & RAM_ON) != RAM_ON)
		cats_peripheral_refuse(&c->p, "RAM switched off by 0x%03x, which is not modelled", offset);
}

static bool write(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	struct clock *c = (struct clock *)p;
	uint32_t *plain = plain_register(c, offset);

	if (offset == LFCLKSRC && c->slow_at != CATS_NEVER)
		cats_peripheral_refuse(p, "LFCLKSRC written while the clock runs");
	if (offset == LFCLKSRC && value > 2U)
		cats_peripheral_refuse(p, "LFCLKSRC: source 0x%08x is not modelled", value);
	if (offset == HFXODEBOUNCE && (value == 0 || value > 0xFFU))
		cats_peripheral_refuse(p, "HFXODEBOUNCE: %u is not from 1 to 255", value);
	if (plain)
		*plain = value;
	else if (is_ram_power(offset))
		write_ram_power(c, offset, value);
	else if (offset == RESETREAS)
		c->reason &= ~value;
	else
		return offset == APPROTECT_DISABLE; /* no debugger is there to be kept out */
	return true;
}

bool cats_peripheral_crystal_runs(const struct cats_peripheral *p)
{
	const struct clock *c = (const struct clock *)cats_chip_peripheral(p->chip, CATS_CLOCK_BASE);

	return runs(c, c->crystal_at);
}

bool cats_clock_slow_runs(const struct cats_peripheral *p)
{
	const struct clock *c = (const struct clock *)cats_chip_peripheral(p->chip, CATS_CLOCK_BASE);

	return runs(c, c->slow_at);
}

void cats_clock_force_slow(const struct cats_peripheral *p)
{
	struct clock *c = (struct clock *)cats_chip_peripheral(p->chip, CATS_CLOCK_BASE);

	if (c->slow_at == CATS_NEVER)
		start_slow(c);
	schedule(c);
}

const struct cats_peripheral_model cats_clock_model = {
	.tasks = 1U << TASK_HFCLKSTART | 1U << TASK_HFCLKSTOP | 1U << TASK_LFCLKSTART | 1U << TASK_LFCLKSTOP |
		 1U << TASK_CONSTLAT | 1U << TASK_LOWPWR,
	.events = 1U << EVENT_HFCLKSTARTED | 1U << EVENT_LFCLKSTARTED | 1U << EVENT_DONE | 1U << EVENT_CTTO,
	.bytes = sizeof(struct clock),
	.reset = reset,
	.task = task,
	.read = read,
	.write = write,
	.advance = advance,
};
