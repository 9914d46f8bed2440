/* SPDX-License-Identifier: MIT */
/* From reset to main on the nRF52840: all vectors of the chip, both stacks, floating-point unit, .data and .bss. */
#include <stdint.h>

#include "ports/nrf52840/fault.h"
#include "ports/nrf52840/layout.h"
#include "ports/nrf52840/registers.h"

#define INTERRUPTS 48U

/* Of the linker script. */
extern uint32_t __interrupt_stack_top[], __data_start[], __data_end[], __bss_start[], __bss_end[];
extern const uint32_t __data_load[];
extern const struct cats_firmware_check __check[];

int main(void);
void cats_reset(void);
void cats_begin(void);
void cats_pendsv(void);
void cats_radio_interrupt(void);
void cats_uarte0_interrupt(void);
void cats_timer0_interrupt(void);
void cats_timer1_interrupt(void);
void cats_ccm_interrupt(void);

/* Thread mode gets a stack of its own; what is stacked there by an interrupt's entry is the main program's. */
__attribute__((naked)) void cats_reset(void)
{
	__asm volatile("ldr r0, =__thread_stack_top\n\t"
		       "msr psp, r0\n\t"
		       "movs r0, #2\n\t"
		       "msr control, r0\n\t"
		       "isb\n\t"
		       "b cats_begin");
}

void cats_begin(void)
{
	const uint32_t *from = __data_load;

	SCB_CPACR |= CPACR_FPU;
	__asm volatile("dsb\n\tisb" ::: "memory");
	for (uint32_t *to = __data_start; to < __data_end; to++)
		*to = *from++;
	for (uint32_t *to = __bss_start; to < __bss_end; to++)
		*to = 0;
	(void)main();
}

#define FAULT cats_fault_entry
#define FAULTS_5 FAULT, FAULT, FAULT, FAULT, FAULT
#define FAULTS_32 FAULTS_5, FAULTS_5, FAULTS_5, FAULTS_5, FAULTS_5, FAULTS_5, FAULT, FAULT

/* 16 of the processor (ARMv7-M manual, B1.5.2), 48 of the chip, by the number of their peripheral. */
__attribute__((section(".vectors"), used)) static const struct {
	uint32_t *stack;
	void (*first[6])(void);
	uint32_t magic, layout; /* where the core has no vectors */
	const struct cats_firmware_check *check;
	void (*others[6])(void);
	void (*interrupts[INTERRUPTS])(void);
} vectors = {
	__interrupt_stack_top,
	{cats_reset, FAULTS_5},
	CATS_FIRMWARE_MAGIC,
	CATS_LAYOUT_VERSION,
	__check,
	{FAULT, FAULT, FAULT, FAULT, cats_pendsv, FAULT},
	/* 0 */
	{FAULT, cats_radio_interrupt, cats_uarte0_interrupt, FAULTS_5,
	 /* 8 */ cats_timer0_interrupt, cats_timer1_interrupt, FAULTS_5, cats_ccm_interrupt, /* 16 */ FAULTS_32},
};
