/* SPDX-License-Identifier: MIT */
/* Does one thing that an nRF52840 would not let pass: the one that the host writes into `which`. The labels are where
 * the host expects the fault. */
#include "tests/images/faults.h"

#include <stdint.h>

#include "ports/m4/host.h"

#define CPACR ((volatile uint32_t *)0xE000ED88U)

volatile uint32_t which;
volatile uint32_t words[4];

static void read_word(uint32_t address)
{
	__asm volatile("nop\n.global at_read\nat_read: ldr r1, [%0]\n nop" ::"r"(address) : "r1");
}

static void write_word(uint32_t address)
{
	__asm volatile("nop\n.global at_write\nat_write: str r1, [%0]\n nop" ::"r"(address));
}

static void jump(uint32_t address)
{
	__asm volatile("bx %0" ::"r"(address));
}

static void load_unaligned(uint32_t how)
{
	const uint32_t address = (uint32_t)words + 2U;

	if (how == FAULT_LDRD)
		__asm volatile(".global at_ldrd\nat_ldrd: ldrd r2, r3, [%0]" ::"r"(address) : "r2", "r3");
	else if (how == FAULT_LDM)
		__asm volatile(".global at_ldm\nat_ldm: ldm %0, {r2, r3}" ::"r"(address) : "r2", "r3");
	else if (how == FAULT_VLDR)
		__asm volatile(".global at_vldr\nat_vldr: vldr s0, [%0]" ::"r"(address) : "s0");
	else
		__asm volatile(".global at_ldrex\nat_ldrex: ldrex r2, [%0]" ::"r"(address) : "r2");
}

static void run_nonsense(void)
{
	__asm volatile("nop\n.global at_undefined\nat_undefined: udf #0");
}

static void use_fpu_while_off(void)
{
	*CPACR = 0;
	__asm volatile("dsb\n isb\n.global at_fpu\nat_fpu: vmov s0, %0" ::"r"(0) : "s0");
}

/* Deeper than any stack here. */
__attribute__((noinline)) static uint32_t sink(uint32_t depth)
{
	volatile uint32_t local[16] = {depth};

	return depth == 0 ? 0 : sink(depth - 1U) + local[0];
}

int main(void)
{
	CATS_HOST_CALL(CATS_HOST_SERVE, 0);
	switch (which) {
	case FAULT_READ_BELOW_RAM:
		read_word(0x1FFFFFFCU);
		break;
	case FAULT_READ_ABOVE_RAM:
		read_word(0x20040000U);
		break;
	case FAULT_READ_ABOVE_FLASH:
		read_word(0x00100000U);
		break;
	case FAULT_WRITE_PERIPHERAL:
		write_word(0x40001000U);
		break;
	case FAULT_WRITE_FLASH:
		write_word(0x000FF000U);
		break;
	case FAULT_FETCH_RAM:
		jump((uint32_t)words | 1U);
		break;
	case FAULT_FETCH_NOWHERE:
		jump(0x00200001U);
		break;
	case FAULT_ARM_STATE:
		jump((uint32_t)main & ~1U);
		break;
	case FAULT_ERASED:
		jump(0x000FF001U);
		break;
	case FAULT_UNDEFINED:
		run_nonsense();
		break;
	case FAULT_FPU_OFF:
		use_fpu_while_off();
		break;
	case FAULT_SYSTEM_REGISTER:
		write_word(0xE000EFFCU);
		break;
	case FAULT_STACK_OVERFLOW:
		return (int)sink(1000);
	default:
		load_unaligned(which);
	}
	return 0;
}
