/* SPDX-License-Identifier: MIT */
/* Faults. See fault.h. */
#include "ports/nrf52840/fault.h"

#include <stdbool.h>
#include <stddef.h>

#include "core/checksum.h"
#include "ports/nrf52840/registers.h"
#include "ports/nrf52840/text.h"

#define MAGIC 0x544C4146U /* "FALT" */
#define STACKED_BYTES 32U
#define THREAD_STACK 4U /* of EXC_RETURN: what was interrupted used PSP */

/* Of the linker script. */
extern uint8_t __thread_stack_bottom[], __interrupt_stack_top[];

/* What survives a reset, but for one of power. */
__attribute__((section(".retained"))) static struct {
	uint32_t magic, crc;
	struct cats_fault fault;
} retained;

void cats_fault_handle(const uint32_t *sp, uint32_t exc_return, uint32_t exception);

static _Noreturn void reset(void)
{
	__asm volatile("dsb" ::: "memory");
	SCB_AIRCR = AIRCR_SYSRESETREQ;
	for (;;)
		;
}

static _Noreturn void put_down(struct cats_fault *fault)
{
	TIMER0_TASKS_CAPTURE3 = 1;
	fault->uptime_us = TIMER0_CC3;
	retained.fault = *fault;
	retained.magic = MAGIC;
	retained.crc = cats_checksum(0, &retained.fault, sizeof(retained.fault));
	reset();
}

void cats_fault_raise(enum cats_fault_cause cause)
{
	struct cats_fault fault = {.cause = cause, .pc = (uint32_t)(uintptr_t)__builtin_return_address(0)};

	put_down(&fault);
}

void cats_fault_handle(const uint32_t *sp, uint32_t exc_return, uint32_t exception)
{
	const uint32_t at = (uint32_t)(uintptr_t)sp;
	struct cats_fault fault = {.cause = CATS_FAULT_EXCEPTION, .exception = exception, .sp = at};

	/* Registers of a stack that has overflowed are not there. */
	if (at % 4U == 0 && at >= (uint32_t)(uintptr_t)__thread_stack_bottom &&
	    at <= (uint32_t)(uintptr_t)__interrupt_stack_top - STACKED_BYTES) {
		fault.r0 = sp[0];
		fault.r1 = sp[1];
		fault.r2 = sp[2];
		fault.r3 = sp[3];
		fault.r12 = sp[4];
		fault.lr = sp[5];
		fault.pc = sp[6];
		fault.psr = sp[7];
	}
	fault.exc_return = exc_return;
	fault.cfsr = SCB_CFSR;
	fault.hfsr = SCB_HFSR;
	fault.mmfar = SCB_MMFAR;
	fault.bfar = SCB_BFAR;
	put_down(&fault);
}

/* The handler's own stack is the interrupts', from its top where it cannot be used any more. */
__attribute__((naked)) void cats_fault_entry(void)
{
	__asm volatile("tst lr, #4\n\t"
		       "ite eq\n\t"
		       "mrseq r0, msp\n\t"
		       "mrsne r0, psp\n\t"
		       "mov r1, lr\n\t"
		       "mrs r2, ipsr\n\t"
		       "mrs r3, msp\n\t"
		       "ldr r12, =__interrupt_stack_bottom + 512\n\t"
		       "cmp r3, r12\n\t"
		       "itt lo\n\t"
		       "ldrlo r12, =__interrupt_stack_top\n\t"
		       "msrlo msp, r12\n\t"
		       "b cats_fault_handle");
}

static const char *name_of(uint32_t exception)
{
	static const char *const names[] = {
		[2] = "NMI", [3] = "hard fault", [4] = "memory fault", [5] = "bus fault", [6] = "usage fault"};

	if (exception < sizeof(names) / sizeof(names[0]) && names[exception] != NULL)
		return names[exception];
	return "an exception without a handler";
}

static bool overflowed(const struct cats_fault *f)
{
	const uint32_t bottom = (uint32_t)(uintptr_t)__thread_stack_bottom;

	return (f->exc_return & THREAD_STACK) != 0 && f->sp < bottom + STACKED_BYTES;
}

static void field(const char *name, uint32_t value)
{
	cats_log_text(" ");
	cats_log_text(name);
	cats_log_text(" ");
	cats_log_hex(value);
}

static void report(const struct cats_fault *f)
{
	cats_log_begin("fault: ");
	if (f->cause == CATS_FAULT_INTERRUPT_STACK)
		cats_log_text("the interrupts' stack overflowed");
	else
		cats_log_text(overflowed(f) ? "the stack overflowed" : name_of(f->exception));
	field("pc", f->pc);
	field("lr", f->lr);
	field("sp", f->sp);
	field("psr", f->psr);
	cats_log_field("exception", f->exception);
	cats_log_field("after_us", f->uptime_us);
	cats_log_end();
	cats_log_begin("fault:");
	field("r0", f->r0);
	field("r1", f->r1);
	field("r2", f->r2);
	field("r3", f->r3);
	field("r12", f->r12);
	field("cfsr", f->cfsr);
	field("hfsr", f->hfsr);
	field("mmfar", f->mmfar);
	field("bfar", f->bfar);
	cats_log_end();
}

void cats_fault_report(void)
{
	if (retained.magic == MAGIC && retained.crc == cats_checksum(0, &retained.fault, sizeof(retained.fault)))
		report(&retained.fault);
	retained.magic = 0;
}
