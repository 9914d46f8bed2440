/* SPDX-License-Identifier: MIT */
/* From reset to main on a Cortex-M4F: vector table, floating-point unit, .data and .bss. Uses no library. */
#include <stdint.h>

#include "ports/m4/host.h"

/* Coprocessor Access Control Register (ARMv7-M manual, B3.2.20): full access to CP10 and CP11, the FPU. */
#define CPACR ((volatile uint32_t *)0xE000ED88U)
#define CPACR_FPU (0xFU << 20)

/* Of the linker script. */
extern uint32_t __stack_top[], __data_start[], __data_end[], __bss_start[], __bss_end[];
extern const uint32_t __data_load[];

int main(void);
void cats_m4_reset(void);
void cats_m4_unexpected(void);

/* Every exception that a program does not define for itself. */
void cats_m4_unexpected(void)
{
	cats_host_exit(CATS_HOST_UNEXPECTED);
}

void cats_m4_reset(void)
{
	const uint32_t *from = __data_load;

	*CPACR |= CPACR_FPU;
	__asm volatile("dsb\n\tisb" ::: "memory");
	for (uint32_t *to = __data_start; to < __data_end; to++)
		*to = *from++;
	for (uint32_t *to = __bss_start; to < __bss_end; to++)
		*to = 0;
	cats_host_exit(main());
}

#define WEAK __attribute__((weak, alias("cats_m4_unexpected")))
WEAK void cats_m4_nmi(void);
WEAK void cats_m4_hard_fault(void);
WEAK void cats_m4_memory_fault(void);
WEAK void cats_m4_bus_fault(void);
WEAK void cats_m4_usage_fault(void);
WEAK void cats_m4_svc(void);
WEAK void cats_m4_debug(void);
WEAK void cats_m4_pendsv(void);
WEAK void cats_m4_systick(void);

/* The exceptions of the core itself (B1.5.2); the chip's interrupts, which no program here uses, would follow. */
__attribute__((section(".vectors"), used)) static const struct {
	uint32_t *stack;
	void (*handlers[15])(void);
} vectors = {
	__stack_top,
	{cats_m4_reset, cats_m4_nmi, cats_m4_hard_fault, cats_m4_memory_fault, cats_m4_bus_fault, cats_m4_usage_fault,
	 0, 0, 0, 0, cats_m4_svc, cats_m4_debug, 0, cats_m4_pendsv, cats_m4_systick},
};
