/* SPDX-License-Identifier: MIT */
/* Exceptions of an emulated core: which are pending, who may interrupt whom, stacking and unstacking, SysTick. Unicorn
 * models none of it. Private to emulator/; ARMv7-M Architecture Reference Manual, B1.5 and B3.2 … B3.4. */
#ifndef CATS_EMULATOR_EXCEPTIONS_H
#define CATS_EMULATOR_EXCEPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "emulator/m4.h"

/* Exceptions 1 … 15 are the core's, 16 … 63 the nRF52840's 48 interrupts: one bit each. */
#define CATS_M4_EXCEPTIONS 64U

enum cats_m4_exception {
	CATS_M4_EXCEPTION_NMI = 2,
	CATS_M4_EXCEPTION_HARD_FAULT = 3,
	CATS_M4_EXCEPTION_SVC = 11,
	CATS_M4_EXCEPTION_PENDSV = 14,
	CATS_M4_EXCEPTION_SYSTICK = 15,
	CATS_M4_EXCEPTION_INTERRUPT = 16, /* the first */
};

struct cats_m4_exceptions {
	uint64_t pending, enabled, active;
	uint64_t lines;                       /* levels: what is high is pending again when its handler returns */
	uint8_t priority[CATS_M4_EXCEPTIONS]; /* 0 … 0xE0: three bits, 0 first */
	uint32_t vtor;
	uint32_t cfsr, hfsr, bfar; /* what the faults since reset were */
	/* SysTick counts down to 0 at time `zero`, then from `reload` again. */
	struct {
		uint32_t control, reload;
		bool counted; /* reached 0 since it was last read */
		uint64_t zero;
	} systick;
	/* Floating-point registers of the interrupted code are in use, or are saved as soon as the handler needs them.
	 */
	bool fpu_used, fpu_lazy;
};

void cats_m4_exceptions_reset(struct cats_m4 *m4);

/* Marks an exception as pending; it is looked at before the next block. */
void cats_m4_exceptions_pend(struct cats_m4 *m4, uint32_t number);

/* A peripheral's interrupt goes high or low. */
void cats_m4_exceptions_line(struct cats_m4 *m4, uint32_t number, bool high);

/* SysTick up to now. When it will need attention next: UINT64_MAX is never. */
void cats_m4_exceptions_advance(struct cats_m4 *m4);
uint64_t cats_m4_exceptions_next(const struct cats_m4 *m4);

/* The exception that would be entered now, or 0. */
uint32_t cats_m4_exceptions_due(const struct cats_m4 *m4);

/* Whether one is pending that WFI wakes for: as `due`, but PRIMASK does not count. */
bool cats_m4_exceptions_wake(const struct cats_m4 *m4);

/* Floating-point registers are used: what that costs because they must be saved first. */
uint32_t cats_m4_exceptions_use_fpu(struct cats_m4 *m4);

/* Enters at a block's start, m4->pc. False: a fault was raised. */
bool cats_m4_exceptions_enter(struct cats_m4 *m4, uint32_t number);

/* A fault of the instruction at m4->pc enters the handler of hard faults, as others are not enabled. The stack that it
 * cannot push to is left as it is. False: the core locks up. */
bool cats_m4_exceptions_fault(struct cats_m4 *m4, enum cats_m4_fault fault, uint32_t address);

/* Returns by an EXC_RETURN value. False: a fault was raised. */
bool cats_m4_exceptions_return(struct cats_m4 *m4, uint32_t value);

#endif
