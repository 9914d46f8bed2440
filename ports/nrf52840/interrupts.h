/* SPDX-License-Identifier: MIT */
/* Who interrupts whom, and how one keeps the others out. Three levels above the main program ("thread mode"):
 *
 *	radio     RADIO, CCM: hands buffers to the peripherals within their deadlines (radio.h); touches nothing else
 *	serial    UARTE0: hands stretches of buffers to the peripheral (serial.h)
 *	protocol  PendSV, TIMER0: the gather protocol (station.h); may take a millisecond to solve a combination
 *	thread    runtime, log, flash
 *
 * A level never waits for one below it. Two levels share data either through a queue with one writer and one reader,
 * or through a word that is written whole. */
#ifndef CATS_PORTS_NRF52840_INTERRUPTS_H
#define CATS_PORTS_NRF52840_INTERRUPTS_H

#include <stdint.h>

#include "ports/nrf52840/registers.h"

/* Three bits of priority, the upper ones of a byte; smaller interrupts larger. */
enum cats_level { CATS_LEVEL_RADIO = 0x20, CATS_LEVEL_SERIAL = 0x40, CATS_LEVEL_PROTOCOL = 0x60 };

/* Keeps `level` and all below it out until cats_interrupts_restore; returns what that is to be given. */
static inline uint32_t cats_interrupts_hold(enum cats_level level)
{
	uint32_t before;

	__asm volatile("mrs %0, basepri" : "=r"(before));
	__asm volatile("msr basepri_max, %0\n\tisb" ::"r"(level) : "memory");
	return before;
}

static inline void cats_interrupts_restore(uint32_t before)
{
	__asm volatile("msr basepri, %0" ::"r"(before) : "memory");
}

/* An event is cleared by a write that must have arrived before the handler returns, or it is entered again. */
static inline void cats_clear_event(volatile uint32_t *event)
{
	*event = 0;
	(void)*event;
}

static inline void cats_interrupts_enable(uint32_t irq, enum cats_level level)
{
	NVIC_IPR(irq) = (uint8_t)level;
	NVIC_ISER0 = 1U << irq;
}

/* PendSV, before it is called for the first time. */
static inline void cats_interrupts_protocol_level(void)
{
	SCB_SHPR(EXCEPTION_PENDSV) = CATS_LEVEL_PROTOCOL;
}

/* Lets the protocol's handler run as soon as nothing above it does. */
static inline void cats_interrupts_call_protocol(void)
{
	SCB_ICSR = ICSR_PENDSVSET;
	__asm volatile("dsb\n\tisb" ::: "memory");
}

#endif
