/* SPDX-License-Identifier: MIT */
/* TIMER0. See clock.h. */
#include "ports/nrf52840/clock.h"

#include "ports/nrf52840/interrupts.h"

void cats_timer0_interrupt(void);

/* The counter when it was read last, and how often it had wrapped. Any level, behind cpsid. */
static struct {
	uint32_t low, high;
} latest;

void cats_clock_start(void)
{
	/* Erratum 36: these are not 0 out of reset. */
	CLOCK_EVENTS_DONE = 0;
	CLOCK_EVENTS_CTTO = 0;
	CLOCK_CTIV = 0;
	CLOCK_EVENTS_HFCLKSTARTED = 0;
	CLOCK_TASKS_HFCLKSTART = 1;
	while (CLOCK_EVENTS_HFCLKSTARTED == 0)
		;
	TIMER0_MODE = 0;
	TIMER0_BITMODE = TIMER_BITMODE_32;
	TIMER0_PRESCALER = TIMER_PRESCALER_1_MHZ;
	TIMER0_TASKS_CLEAR = 1;
	TIMER0_TASKS_START = 1;
	TIMER0_INTENSET = TIMER_INT_COMPARE1;
	cats_interrupts_enable(IRQ_TIMER0, CATS_LEVEL_PROTOCOL);
}

uint64_t cats_clock_now_us(void)
{
	uint32_t primask, low, high;

	/* Some 15 instructions: less than any deadline would notice. */
	__asm volatile("mrs %0, primask\n\tcpsid i" : "=r"(primask)::"memory");
	TIMER0_TASKS_CAPTURE3 = 1;
	low = TIMER0_CC3;
	if (low < latest.low)
		latest.high++;
	latest.low = low;
	high = latest.high;
	__asm volatile("msr primask, %0" ::"r"(primask) : "memory");
	return (uint64_t)high << 32 | low;
}

uint64_t cats_clock_extend(uint32_t captured)
{
	const uint64_t now = cats_clock_now_us();

	return now - (uint32_t)((uint32_t)now - captured);
}

void cats_clock_wake_at(uint64_t at_us)
{
	TIMER0_CC1 = (uint32_t)at_us;
	cats_clear_event(&TIMER0_EVENTS_COMPARE1);
	if (at_us < cats_clock_now_us() + CATS_CLOCK_LEAD_US)
		cats_interrupts_call_protocol();
}

void cats_timer0_interrupt(void)
{
	cats_clear_event(&TIMER0_EVENTS_COMPARE1);
	cats_interrupts_call_protocol();
}
