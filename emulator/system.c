/* SPDX-License-Identifier: MIT */
/* The system control space: SysTick, interrupt controller and control block, as far as firmware here uses them (ARMv7-M
 * Architecture Reference Manual, B3.2 … B3.4). What is not here is a fault. See core.h. */
#include "emulator/core.h"

#define SYST_CSR 0x010U
#define SYST_RVR 0x014U
#define SYST_CVR 0x018U
#define SYST_CALIB 0x01CU
#define NVIC_ISER 0x100U
#define NVIC_ICER 0x180U
#define NVIC_ISPR 0x200U
#define NVIC_ICPR 0x280U
#define NVIC_IABR 0x300U
#define NVIC_IPR 0x400U
#define CPUID 0xD00U
#define ICSR 0xD04U
#define VTOR 0xD08U
#define AIRCR 0xD0CU
#define CCR 0xD14U
#define SHPR 0xD18U
#define CFSR 0xD28U
#define HFSR 0xD2CU
#define MMFAR 0xD34U
#define BFAR 0xD38U
#define CPACR 0xD88U
#define FPCCR 0xF34U

#define CPUID_CORTEX_M4 0x410FC241U
#define CCR_STACK_ALIGNED 0x200U
#define FPCCR_LAZY 0xC0000000U /* ASPEN, LSPEN: as out of reset; nothing else is modelled */
#define AIRCR_KEY 0x05FAU
#define AIRCR_KEY_READ 0xFA050000U
#define AIRCR_RESET 4U
#define PRIORITY_BITS 0xE0U
#define SYSTICK_CONTROL 7U
#define SYSTICK_COUNTED (1U << 16)
#define SYSTICK_ENABLE 1U
#define SYSTICK_RELOAD 0xFFFFFFU
#define ICSR_PENDSV_SET (1U << 28)
#define ICSR_PENDSV_CLEAR (1U << 27)
#define ICSR_SYSTICK_SET (1U << 26)
#define ICSR_SYSTICK_CLEAR (1U << 25)
#define INTERRUPT_WORDS 2U /* of 32 bits, for 48 interrupts */

static uint32_t unknown(struct cats_m4 *m4, uint32_t offset)
{
	cats_m4_raise(m4, CATS_M4_FAULT_REGISTER, CATS_M4_SYSTEM + offset);
	return 0;
}

/* The place of a priority register's first byte in exceptions.priority, or 0. */
static uint32_t priority_at(uint32_t offset)
{
	if (offset - NVIC_IPR < CATS_M4_EXCEPTIONS - CATS_M4_EXCEPTION_INTERRUPT)
		return CATS_M4_EXCEPTION_INTERRUPT + (offset - NVIC_IPR);
	return offset - SHPR < 12U ? 4U + (offset - SHPR) : 0;
}

/* Interrupts 32·word … as bits of a set of exceptions. */
static uint32_t interrupts(uint64_t set, uint32_t word)
{
	const uint64_t all = set >> CATS_M4_EXCEPTION_INTERRUPT;

	return (uint32_t)(all >> 32U * word);
}

static uint64_t exceptions(uint32_t value, uint32_t word)
{
	return ((uint64_t)value << 32U * word) << CATS_M4_EXCEPTION_INTERRUPT;
}

static uint32_t read_controller(struct cats_m4 *m4, uint32_t offset)
{
	const struct cats_m4_exceptions *x = &m4->exceptions;
	const uint32_t word = offset % 0x80U / 4U;

	if (word >= INTERRUPT_WORDS)
		return unknown(m4, offset);
	switch (offset & ~0x7FU) {
	case NVIC_ISER:
	case NVIC_ICER:
		return interrupts(x->enabled, word);
	case NVIC_ISPR:
	case NVIC_ICPR:
		return interrupts(x->pending, word);
	case NVIC_IABR:
		return interrupts(x->active, word);
	default:
		return unknown(m4, offset);
	}
}

static void write_controller(struct cats_m4 *m4, uint32_t offset, uint32_t value)
{
	struct cats_m4_exceptions *x = &m4->exceptions;
	const uint32_t word = offset % 0x80U / 4U;
	const uint64_t set = word < INTERRUPT_WORDS ? exceptions(value, word) : 0;

	m4->attention = 0;
	if (word >= INTERRUPT_WORDS)
		(void)unknown(m4, offset);
	else if ((offset & ~0x7FU) == NVIC_ISER)
		x->enabled |= set;
	else if ((offset & ~0x7FU) == NVIC_ICER)
		x->enabled &= ~set;
	else if ((offset & ~0x7FU) == NVIC_ISPR)
		x->pending |= set;
	else if ((offset & ~0x7FU) == NVIC_ICPR)
		x->pending &= ~set | x->lines;
	else
		(void)unknown(m4, offset);
}

static uint32_t read_systick(struct cats_m4 *m4, uint32_t offset)
{
	struct cats_m4_exceptions *x = &m4->exceptions;
	uint32_t value;

	cats_m4_exceptions_advance(m4);
	switch (offset) {
	case SYST_CSR:
		value = x->systick.control | (x->systick.counted ? SYSTICK_COUNTED : 0);
		x->systick.counted = false;
		return value;
	case SYST_RVR:
		return x->systick.reload;
	case SYST_CVR:
		return (x->systick.control & SYSTICK_ENABLE) != 0 ? (uint32_t)(x->systick.zero - cats_m4_now(m4)) : 0;
	default:
		return unknown(m4, offset);
	}
}

/* Counting begins with the reload value, one cycle after it is enabled or its value is written. */
static void write_systick(struct cats_m4 *m4, uint32_t offset, uint32_t value)
{
	struct cats_m4_exceptions *x = &m4->exceptions;
	const uint32_t before = x->systick.control;

	cats_m4_exceptions_advance(m4);
	if (offset == SYST_RVR) {
		x->systick.reload = value & SYSTICK_RELOAD;
	} else if (offset == SYST_CSR || offset == SYST_CVR) {
		if (offset == SYST_CSR)
			x->systick.control = value & SYSTICK_CONTROL;
		else
			x->systick.counted = false;
		if (offset == SYST_CVR || (before & SYSTICK_ENABLE) == 0)
			x->systick.zero = cats_m4_now(m4) + x->systick.reload + 1U;
	} else {
		(void)unknown(m4, offset);
	}
	m4->attention = 0;
}

static uint32_t read_icsr(const struct cats_m4 *m4)
{
	const struct cats_m4_exceptions *x = &m4->exceptions;
	const uint32_t systick = (uint32_t)(x->pending >> CATS_M4_EXCEPTION_SYSTICK & 1U);
	const uint32_t pendsv = (uint32_t)(x->pending >> CATS_M4_EXCEPTION_PENDSV & 1U);

	return systick * ICSR_SYSTICK_SET | pendsv * ICSR_PENDSV_SET | (cats_m4_get(m4, UC_ARM_REG_XPSR) & 0x1FFU);
}

static void write_icsr(struct cats_m4 *m4, uint32_t value)
{
	uint64_t clear = 0;

	if ((value & ICSR_PENDSV_SET) != 0)
		cats_m4_exceptions_pend(m4, CATS_M4_EXCEPTION_PENDSV);
	if ((value & ICSR_SYSTICK_SET) != 0)
		cats_m4_exceptions_pend(m4, CATS_M4_EXCEPTION_SYSTICK);
	if ((value & ICSR_PENDSV_CLEAR) != 0)
		clear |= UINT64_C(1) << CATS_M4_EXCEPTION_PENDSV;
	if ((value & ICSR_SYSTICK_CLEAR) != 0)
		clear |= UINT64_C(1) << CATS_M4_EXCEPTION_SYSTICK;
	m4->exceptions.pending &= ~clear;
}

static uint32_t read_control_block(struct cats_m4 *m4, uint32_t offset)
{
	switch (offset) {
	case CPUID:
		return CPUID_CORTEX_M4;
	case ICSR:
		return read_icsr(m4);
	case VTOR:
		return m4->exceptions.vtor;
	case AIRCR:
		return AIRCR_KEY_READ;
	case CCR:
		return CCR_STACK_ALIGNED;
	case CFSR:
		return m4->exceptions.cfsr;
	case HFSR:
		return m4->exceptions.hfsr;
	case MMFAR: /* shares its register with the other, in this core */
	case BFAR:
		return m4->exceptions.bfar;
	case CPACR:
		return m4->cpacr;
	case FPCCR:
		return FPCCR_LAZY;
	default:
		return unknown(m4, offset);
	}
}

static void write_control_block(struct cats_m4 *m4, uint32_t offset, uint32_t value)
{
	if (offset == ICSR) {
		write_icsr(m4, value);
	} else if (offset == CFSR) {
		m4->exceptions.cfsr &= ~value;
	} else if (offset == HFSR) {
		m4->exceptions.hfsr &= ~value;
	} else if (offset == VTOR) {
		m4->exceptions.vtor = value & ~0x7FU;
	} else if (offset == CPACR) {
		m4->cpacr = value & CATS_M4_CPACR_FPU;
	} else if (offset == AIRCR && value >> 16 == AIRCR_KEY && (value & AIRCR_RESET) != 0) {
		m4->reset_requested = true;
		uc_emu_stop(m4->uc);
	} else if (offset != FPCCR || value != FPCCR_LAZY) {
		(void)unknown(m4, offset);
	}
}

uint32_t cats_m4_system_read(struct cats_m4 *m4, uint32_t offset, uint32_t bytes)
{
	const uint32_t priority = priority_at(offset);
	uint32_t value = 0;

	if (priority != 0) {
		for (uint32_t i = 0; i < bytes && priority + i < CATS_M4_EXCEPTIONS; i++)
			value |= (uint32_t)m4->exceptions.priority[priority + i] << 8U * i;
		return value;
	}
	if (bytes != 4)
		return unknown(m4, offset);
	if (offset >= CPUID)
		return read_control_block(m4, offset);
	return offset >= NVIC_ISER ? read_controller(m4, offset) : read_systick(m4, offset);
}

void cats_m4_system_write(struct cats_m4 *m4, uint32_t offset, uint32_t bytes, uint32_t value)
{
	const uint32_t priority = priority_at(offset);

	if (priority != 0) {
		for (uint32_t i = 0; i < bytes && priority + i < CATS_M4_EXCEPTIONS; i++)
			m4->exceptions.priority[priority + i] = (uint8_t)(value >> 8U * i & PRIORITY_BITS);
		m4->attention = 0;
	} else if (bytes != 4) {
		(void)unknown(m4, offset);
	} else if (offset >= CPUID) {
		write_control_block(m4, offset, value);
	} else if (offset >= NVIC_ISER) {
		write_controller(m4, offset, value);
	} else {
		write_systick(m4, offset, value);
	}
}
