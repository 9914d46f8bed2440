/* SPDX-License-Identifier: MIT */
/* Exceptions. See exceptions.h. */
#include "emulator/exceptions.h"

#include <string.h>

#include "emulator/core.h"

/* Cycles of entry and return without wait states: 12 and 10 (Technical Reference Manual, 3.9; the return's is that of
 * popping eight words and refilling). Saving floating-point registers lazily takes one cycle a word when it happens. */
#define ENTRY_CYCLES 12U
#define RETURN_CYCLES 10U
#define FPU_SAVE_CYCLES 18U

#define FRAME_WORDS 8U
#define FPU_FRAME_WORDS 26U
#define XPSR_THUMB (1U << 24)
#define XPSR_ALIGNED (1U << 9) /* in a frame: a word was left out to align it */
#define XPSR_NUMBER 0x1FFU
#define CONTROL_PROCESS_STACK 2U
#define RETURN_NO_FPU 0x10U
#define RETURN_TO_THREAD 8U
#define RETURN_PROCESS_STACK 4U
#define NO_PRIORITY 256

#define CFSR_FETCH (1U << 8)
#define CFSR_PRECISE (1U << 9)
#define CFSR_IMPRECISE (1U << 10)
#define CFSR_STACKING (1U << 12)
#define CFSR_ADDRESS_VALID (1U << 15)
#define CFSR_UNDEFINED (1U << 16)
#define CFSR_STATE (1U << 17)
#define CFSR_RETURN (1U << 18)
#define CFSR_NO_COPROCESSOR (1U << 19)
#define CFSR_UNALIGNED (1U << 24)
#define HFSR_FORCED (1U << 30)

#define SYSTICK_ENABLE 1U
#define SYSTICK_INTERRUPT 2U

void cats_m4_exceptions_reset(struct cats_m4 *m4)
{
	struct cats_m4_exceptions *x = &m4->exceptions;

	*x = (struct cats_m4_exceptions){0};
	x->enabled = (UINT64_C(1) << CATS_M4_EXCEPTION_INTERRUPT) - 1U; /* the core's own are never disabled */
}

void cats_m4_exceptions_pend(struct cats_m4 *m4, uint32_t number)
{
	m4->exceptions.pending |= UINT64_C(1) << number;
	m4->attention = 0;
}

/* What was pending stays so when the line goes low (B3.4.1). */
void cats_m4_exceptions_line(struct cats_m4 *m4, uint32_t number, bool high)
{
	struct cats_m4_exceptions *x = &m4->exceptions;
	const uint64_t bit = UINT64_C(1) << number;

	if (high && (x->lines & bit) == 0)
		cats_m4_exceptions_pend(m4, number);
	x->lines = high ? x->lines | bit : x->lines & ~bit;
}

void cats_m4_exceptions_advance(struct cats_m4 *m4)
{
	struct cats_m4_exceptions *x = &m4->exceptions;
	const uint64_t now = cats_m4_now(m4), period = (uint64_t)x->systick.reload + 1U;

	if ((x->systick.control & SYSTICK_ENABLE) == 0 || now < x->systick.zero)
		return;
	x->systick.counted = true;
	x->systick.zero += ((now - x->systick.zero) / period + 1U) * period;
	if ((x->systick.control & SYSTICK_INTERRUPT) != 0)
		cats_m4_exceptions_pend(m4, CATS_M4_EXCEPTION_SYSTICK);
}

uint64_t cats_m4_exceptions_next(const struct cats_m4 *m4)
{
	const struct cats_m4_exceptions *x = &m4->exceptions;

	return (x->systick.control & SYSTICK_ENABLE) != 0 ? x->systick.zero : UINT64_MAX;
}

static int priority_of(const struct cats_m4_exceptions *x, uint32_t number)
{
	if (number == CATS_M4_EXCEPTION_NMI)
		return -2;
	return number == CATS_M4_EXCEPTION_HARD_FAULT ? -1 : x->priority[number];
}

/* The exception of a set that goes first: the lowest priority value, then the lowest number; 0 if there is none. */
static uint32_t first_of(const struct cats_m4_exceptions *x, uint64_t set)
{
	uint32_t first = 0;

	for (; set != 0; set &= set - 1U) {
		const uint32_t number = (uint32_t)__builtin_ctzll(set);

		if (first == 0 || priority_of(x, number) < priority_of(x, first))
			first = number;
	}
	return first;
}

/* What a pending exception's priority must be below. */
static int threshold(const struct cats_m4 *m4, bool masked)
{
	const struct cats_m4_exceptions *x = &m4->exceptions;
	const uint32_t running = first_of(x, x->active);
	const int base = (int)cats_m4_get(m4, UC_ARM_REG_BASEPRI);
	int least = running != 0 ? priority_of(x, running) : NO_PRIORITY;

	if (base != 0 && base < least)
		least = base;
	if (masked && (cats_m4_get(m4, UC_ARM_REG_PRIMASK) & 1U) != 0 && least > 0)
		least = 0;
	if ((cats_m4_get(m4, UC_ARM_REG_FAULTMASK) & 1U) != 0 && least > -1)
		least = -1;
	return least;
}

uint32_t cats_m4_exceptions_due(const struct cats_m4 *m4)
{
	const struct cats_m4_exceptions *x = &m4->exceptions;
	const uint32_t first = first_of(x, x->pending & x->enabled);

	return first != 0 && priority_of(x, first) < threshold(m4, true) ? first : 0;
}

bool cats_m4_exceptions_wake(const struct cats_m4 *m4)
{
	const struct cats_m4_exceptions *x = &m4->exceptions;
	const uint32_t first = first_of(x, x->pending & x->enabled);

	return first != 0 && priority_of(x, first) < threshold(m4, false);
}

uint32_t cats_m4_exceptions_use_fpu(struct cats_m4 *m4)
{
	struct cats_m4_exceptions *x = &m4->exceptions;
	const uint32_t cycles = x->fpu_lazy ? FPU_SAVE_CYCLES : 0;

	x->fpu_lazy = false;
	x->fpu_used = true;
	return cycles;
}

/* Registers of the frame that every exception pushes. */
static const int frame_registers[FRAME_WORDS] = {UC_ARM_REG_R0,  UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3,
						 UC_ARM_REG_R12, UC_ARM_REG_LR, UC_ARM_REG_PC, UC_ARM_REG_XPSR};

static void read_frame(uint32_t frame[FPU_FRAME_WORDS], const struct cats_m4 *m4)
{
	memset(frame, 0, FPU_FRAME_WORDS * sizeof *frame);
	for (uint32_t i = 0; i < FRAME_WORDS; i++)
		frame[i] = cats_m4_get(m4, frame_registers[i]);
	frame[6] = m4->pc;
	for (uint32_t i = 0; i < 16; i++)
		frame[FRAME_WORDS + i] = cats_m4_get(m4, UC_ARM_REG_S0 + (int)i);
	frame[FRAME_WORDS + 16] = cats_m4_get(m4, UC_ARM_REG_FPSCR);
}

/* All floating-point registers are saved at once; a handler that uses none could not tell. */
static bool push_frame(struct cats_m4 *m4, bool fpu)
{
	uint32_t frame[FPU_FRAME_WORDS], sp = cats_m4_get(m4, UC_ARM_REG_SP);
	const uint32_t words = fpu ? FPU_FRAME_WORDS : FRAME_WORDS;

	read_frame(frame, m4);
	frame[7] = (frame[7] & ~XPSR_ALIGNED) | (sp % 8U != 0 ? XPSR_ALIGNED : 0);
	sp = (sp & ~7U) - words * 4U;
	cats_m4_put(m4, UC_ARM_REG_SP, sp);
	if (cats_m4_poke(m4, sp, frame, words * 4U))
		return true;
	cats_m4_raise(m4, CATS_M4_FAULT_WRITE, sp);
	return false;
}

static bool load_vector(uint32_t *handler, struct cats_m4 *m4, uint32_t number)
{
	const uint32_t at = m4->exceptions.vtor + 4U * number;
	const uint8_t *vector = cats_m4_memory(m4, at, 4);

	if (vector)
		memcpy(handler, vector, 4);
	if (!vector || *handler % 2U == 0) {
		cats_m4_raise(m4, vector ? CATS_M4_FAULT_ARM : CATS_M4_FAULT_READ, vector ? *handler : at);
		return false;
	}
	return true;
}

/* The frame is on the stack. */
static void begin_handler(struct cats_m4 *m4, uint32_t number, uint32_t handler)
{
	struct cats_m4_exceptions *x = &m4->exceptions;
	const bool thread = x->active == 0, fpu = x->fpu_used;
	const bool process = thread && (cats_m4_get(m4, UC_ARM_REG_CONTROL) & CONTROL_PROCESS_STACK) != 0;

	x->pending &= ~(UINT64_C(1) << number);
	x->active |= UINT64_C(1) << number;
	x->fpu_lazy = fpu;
	x->fpu_used = false;
	if (process)
		cats_m4_put(m4, UC_ARM_REG_CONTROL, 0); /* sp is now the main stack's */
	cats_m4_put(m4, UC_ARM_REG_XPSR, XPSR_THUMB | number);
	cats_m4_put(m4, UC_ARM_REG_LR,
		    0xFFFFFFE1U | (fpu ? 0 : RETURN_NO_FPU) | (thread ? RETURN_TO_THREAD : 0) |
			    (process ? RETURN_PROCESS_STACK : 0));
	cats_m4_go_on(m4, handler & ~1U);
	m4->cycles += ENTRY_CYCLES;
	m4->event = true;
}

bool cats_m4_exceptions_enter(struct cats_m4 *m4, uint32_t number)
{
	uint32_t handler;

	if (!load_vector(&handler, m4, number) || !push_frame(m4, m4->exceptions.fpu_used))
		return false;
	begin_handler(m4, number, handler);
	return true;
}

/* Bits of CFSR (B3.2.15). A write is past when its failure comes back: which it was is not known. */
static uint32_t fault_status(enum cats_m4_fault fault, uint32_t address)
{
	switch (fault) {
	case CATS_M4_FAULT_READ:
		return CFSR_PRECISE | CFSR_ADDRESS_VALID;
	case CATS_M4_FAULT_WRITE:
	case CATS_M4_FAULT_FLASH:
		return CFSR_IMPRECISE;
	case CATS_M4_FAULT_FETCH:
		return CFSR_FETCH;
	case CATS_M4_FAULT_ARM:
		return CFSR_STATE;
	case CATS_M4_FAULT_UNALIGNED:
		return CFSR_UNALIGNED;
	case CATS_M4_FAULT_UNDEFINED:
		return CFSR_UNDEFINED;
	case CATS_M4_FAULT_FPU:
		return CFSR_NO_COPROCESSOR;
	default: /* a bad return; a supervisor call that is masked has no bit */
		return address == CATS_M4_EXCEPTION_SVC ? 0 : CFSR_RETURN;
	}
}

bool cats_m4_exceptions_fault(struct cats_m4 *m4, enum cats_m4_fault fault, uint32_t address)
{
	struct cats_m4_exceptions *x = &m4->exceptions;
	uint32_t handler;

	x->cfsr |= fault_status(fault, address);
	x->hfsr |= HFSR_FORCED;
	if (fault == CATS_M4_FAULT_READ)
		x->bfar = address;
	if (threshold(m4, false) <= priority_of(x, CATS_M4_EXCEPTION_HARD_FAULT) ||
	    !load_vector(&handler, m4, CATS_M4_EXCEPTION_HARD_FAULT))
		return false;
	if (!push_frame(m4, x->fpu_used)) {
		x->cfsr |= CFSR_STACKING;
		m4->fault = CATS_M4_NO_FAULT;
	}
	begin_handler(m4, CATS_M4_EXCEPTION_HARD_FAULT, handler);
	return true;
}

static bool pop_frame(struct cats_m4 *m4, uint32_t *sp, uint32_t frame[FPU_FRAME_WORDS], uint32_t words)
{
	const uint8_t *from = cats_m4_memory(m4, *sp, words * 4U);

	if (!from) {
		cats_m4_raise(m4, CATS_M4_FAULT_READ, *sp);
		return false;
	}
	memcpy(frame, from, words * 4U);
	*sp += words * 4U + ((frame[7] & XPSR_ALIGNED) != 0 ? 4U : 0);
	return true;
}

static void restore_frame(struct cats_m4 *m4, const uint32_t frame[FPU_FRAME_WORDS], bool fpu)
{
	for (uint32_t i = 0; i < FRAME_WORDS; i++)
		if (frame_registers[i] != UC_ARM_REG_PC && frame_registers[i] != UC_ARM_REG_XPSR)
			cats_m4_put(m4, frame_registers[i], frame[i]);
	for (uint32_t i = 0; fpu && i < 16; i++)
		cats_m4_put(m4, UC_ARM_REG_S0 + (int)i, frame[FRAME_WORDS + i]);
	if (fpu)
		cats_m4_put(m4, UC_ARM_REG_FPSCR, frame[FRAME_WORDS + 16]);
}

/* The values that mean something (B1.5.8), and the state they return to must be the one that was interrupted. */
static bool may_return(const struct cats_m4 *m4, uint32_t value)
{
	const uint64_t number = cats_m4_get(m4, UC_ARM_REG_XPSR) & XPSR_NUMBER;
	const uint64_t left = m4->exceptions.active & ~(UINT64_C(1) << number % 64U);

	if ((value & 0xFFFFFFE3U) != 0xFFFFFFE1U || (m4->exceptions.active >> number % 64U & 1U) == 0)
		return false;
	if ((value & (RETURN_TO_THREAD | RETURN_PROCESS_STACK)) == RETURN_PROCESS_STACK)
		return false;
	return (value & RETURN_TO_THREAD) != 0 ? left == 0 : left != 0;
}

bool cats_m4_exceptions_return(struct cats_m4 *m4, uint32_t value)
{
	const bool process = (value & RETURN_PROCESS_STACK) != 0, fpu = (value & RETURN_NO_FPU) == 0;
	const uint32_t number = cats_m4_get(m4, UC_ARM_REG_XPSR) & XPSR_NUMBER;
	uint32_t frame[FPU_FRAME_WORDS], sp = cats_m4_get(m4, process ? UC_ARM_REG_PSP : UC_ARM_REG_SP);

	cats_m4_advance(m4); /* an interrupt that its handler has just cleared may still be high */
	if (!may_return(m4, value)) {
		cats_m4_raise(m4, CATS_M4_FAULT_EXCEPTION, value);
		return false;
	}
	if (!pop_frame(m4, &sp, frame, fpu ? FPU_FRAME_WORDS : FRAME_WORDS))
		return false;
	m4->exceptions.active &= ~(UINT64_C(1) << number);
	m4->exceptions.pending |= m4->exceptions.lines & UINT64_C(1) << number;
	m4->exceptions.fpu_used = fpu;
	m4->exceptions.fpu_lazy = false;
	cats_m4_put(m4, UC_ARM_REG_XPSR, frame[7] & ~XPSR_ALIGNED);
	if (process)
		cats_m4_put(m4, UC_ARM_REG_CONTROL, CONTROL_PROCESS_STACK);
	cats_m4_put(m4, UC_ARM_REG_SP, sp);
	restore_frame(m4, frame, fpu);
	cats_m4_go_on(m4, frame[6] & ~1U);
	m4->cycles += RETURN_CYCLES;
	m4->attention = 0;
	m4->event = true;
	return true;
}
