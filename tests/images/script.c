/* SPDX-License-Identifier: MIT */
/* Does what the host has written. See script.h. */
#include "tests/images/script.h"

#include "ports/m4/host.h"

#define NVIC_ISER ((volatile uint32_t *)0xE000E100U)
#define VTOR (*(volatile uint32_t *)0xE000ED08U)
#define VECTORS 64U
#define INTERRUPT 16U
#define RAM 0x20000000U
#define RAM_BYTES 0x40000U

volatile struct script_line script[SCRIPT_LINES];
struct script_report told;
static uint32_t clears[VECTORS - INTERRUPT];

typedef void (*handler)(void);
static handler vectors[VECTORS] __attribute__((aligned(256)));

void cats_m4_hard_fault(void);

static volatile uint32_t *word(uint32_t address)
{
	return (volatile uint32_t *)address;
}

static void interrupt(void)
{
	uint32_t number;

	__asm volatile("mrs %0, ipsr" : "=r"(number));
	number -= INTERRUPT;
	told.interrupts[number]++;
	if (clears[number] == 0)
		return;
	*word(clears[number] & ~1U) = 0;
	if (clears[number] % 2U == 0)
		(void)*word(clears[number]);
}

__attribute__((used)) static void take_fault(const uint32_t *sp, uint32_t exc_return)
{
	struct script_fault *f = (struct script_fault *)SCRIPT_FAULT;

	f->seen++;
	f->sp = (uint32_t)sp;
	f->pc = (uint32_t)sp - RAM < RAM_BYTES ? sp[6] : 0;
	f->exc_return = exc_return;
	f->cfsr = *word(0xE000ED28U);
	f->hfsr = *word(0xE000ED2CU);
	f->bfar = *word(0xE000ED38U);
	*word(0xE000ED0CU) = 0x05FA0004U;
	for (;;)
		;
}

__attribute__((naked)) void cats_m4_hard_fault(void)
{
	__asm volatile("ldr r2, =0x2003F000\n\t"
		       "ldr r2, [r2]\n\t"
		       "cmp r2, #1\n\t"
		       "it eq\n\t"
		       "pusheq {r2}\n\t"
		       "mov r0, sp\n\t"
		       "mov r1, lr\n\t"
		       "ldr r2, =__stack_top\n\t"
		       "mov sp, r2\n\t"
		       "b take_fault\n\t"
		       ".ltorg");
}

static void loop(uint32_t turns)
{
	if (turns > 0)
		__asm volatile("1: subs %0, %0, #1\n bne 1b" : "+r"(turns)::"cc");
}

static void enable(uint32_t number, uint32_t clear)
{
	clears[number] = clear;
	NVIC_ISER[number / 32U] = 1U << number % 32U;
}

static void run(volatile const struct script_line *line)
{
	switch (line->operation) {
	case SCRIPT_WRITE:
		*word(line->address) = line->value;
		break;
	case SCRIPT_WRITE_8:
		*(volatile uint8_t *)line->address = (uint8_t)line->value;
		break;
	case SCRIPT_WRITE_16:
		*(volatile uint16_t *)line->address = (uint16_t)line->value;
		break;
	case SCRIPT_READ:
		told.read[told.reads++] = *word(line->address);
		break;
	case SCRIPT_READ_8:
		told.read[told.reads++] = *(volatile uint8_t *)line->address;
		break;
	case SCRIPT_AWAIT:
		while (*word(line->address) == 0)
			;
		break;
	case SCRIPT_CALL:
		told.read[told.reads++] = ((uint32_t(*)(void))line->address)();
		break;
	case SCRIPT_STACK:
		__asm volatile("mov sp, %0\n push {r0}" ::"r"(line->value));
		break;
	case SCRIPT_SLEEP:
		__asm volatile("wfi");
		break;
	case SCRIPT_INTERRUPT:
		enable(line->value, line->address);
		break;
	default:
		loop(line->value);
	}
}

int main(void)
{
	/* Those of the core stay as they are in flash. */
	for (uint32_t i = 0; i < VECTORS; i++)
		vectors[i] = i < INTERRUPT ? (handler)*word(4U * i) : interrupt;
	VTOR = (uint32_t)vectors;
	for (;;) {
		CATS_HOST_CALL(CATS_HOST_SERVE, 0);
		told = (struct script_report){0};
		for (uint32_t i = 0; i < SCRIPT_LINES && script[i].operation != SCRIPT_END; i++)
			run(&script[i]);
	}
}
