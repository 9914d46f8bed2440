/* SPDX-License-Identifier: MIT */
/* What a node does when it cannot go on: what is known is put into RAM that no start-up clears, the chip resets itself,
 * and the next boot writes it to the log. */
#ifndef CATS_PORTS_NRF52840_FAULT_H
#define CATS_PORTS_NRF52840_FAULT_H

#include <stdint.h>

enum cats_fault_cause {
	CATS_FAULT_EXCEPTION = 1,       /* an exception that nobody handles: its number is in `exception` */
	CATS_FAULT_INTERRUPT_STACK = 2, /* the interrupts' stack has run into the main program's */
};

/* The registers as an exception stacks them come first. */
struct cats_fault {
	uint32_t r0, r1, r2, r3, r12, lr, pc, psr;
	uint32_t cause, exception;
	uint32_t sp, exc_return; /* sp: where the eight registers were stacked; not there: they are 0 */
	uint32_t cfsr, hfsr, mmfar, bfar;
	uint32_t uptime_us; /* its low word */
	uint32_t reserved;
};

/* Puts the fault down and resets. Any level. */
_Noreturn void cats_fault_raise(enum cats_fault_cause cause);

/* Logs what the last life left, if anything, and forgets it. Thread mode. */
void cats_fault_report(void);

/* The handler of every exception that nobody else handles. */
void cats_fault_entry(void);

#endif
