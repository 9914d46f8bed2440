/* SPDX-License-Identifier: MIT */
/* Exceptions as firmware uses them, one case at a time: the one that the host writes into `which`. */
#include "tests/images/exceptions.h"

#include "ports/m4/host.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYST_CSR REGISTER(0xE000E010U)
#define SYST_RVR REGISTER(0xE000E014U)
#define SYST_CVR REGISTER(0xE000E018U)
#define NVIC_ISER0 REGISTER(0xE000E100U)
#define NVIC_ISPR0 REGISTER(0xE000E200U)
#define NVIC_IPR ((volatile uint8_t *)0xE000E400U)
#define ICSR REGISTER(0xE000ED04U)
#define VTOR REGISTER(0xE000ED08U)
#define AIRCR REGISTER(0xE000ED0CU)
#define SHPR ((volatile uint8_t *)0xE000ED14U) /* of exception n: byte n */
#define ICSR_PENDSV (1U << 28)
#define PENDSV 14U
#define SYSTICK 15U
#define SVC 11U

#define CODE(text) __asm volatile(text ::: "memory")

volatile uint32_t which;
struct exception_report told;
static volatile float shared = 1.0F;
static uint32_t process_stack[64] __attribute__((aligned(8)));

static void event(uint32_t what)
{
	if (told.events < 8)
		told.order[told.events++] = what;
}

static uint32_t ipsr(void)
{
	uint32_t value;

	__asm volatile("mrs %0, ipsr" : "=r"(value));
	return value;
}

/* Uses registers that the interrupted sum is in. */
static void tick(void)
{
	float x = shared;

	told.ticks++;
	for (uint32_t i = 0; i < 8; i++)
		x = x * 0.5F + (float)i;
	shared = x;
}

static void pendsv(void)
{
	told.number = ipsr();
	event(PENDSV);
}

static void interrupt5(void)
{
	event(5);
}

static void interrupt6(void)
{
	event(6);
	if (which == EXCEPTION_NESTING) {
		ICSR = ICSR_PENDSV;   /* less urgent: after this handler */
		NVIC_ISPR0 = 1U << 5; /* more urgent: at once */
		CODE("dsb\n isb\n nop");
		event(60);
	}
}

__attribute__((used)) static void serve_svc(uint32_t *frame, uint32_t sp)
{
	const uint8_t *instruction = (const uint8_t *)frame[6] - 2;

	told.number = ipsr();
	told.value = *instruction;
	told.stack_pointer = sp;
	frame[0] = frame[0] * 2U + 1U;
}

__attribute__((naked)) static void svc(void)
{
	CODE("mov r1, sp\n tst lr, #4\n ite eq\n mrseq r0, msp\n mrsne r0, psp\n b serve_svc");
}

__attribute__((naked)) static void svc_to_nowhere(void)
{
	CODE("ldr r0, =0xFFFFFFF1\n bx r0\n .ltorg");
}

static uint32_t call_svc(uint32_t argument)
{
	register uint32_t r0 __asm("r0") = argument;

	__asm volatile("svc #42" : "+r"(r0)::"memory");
	return r0;
}

static void float_case(void)
{
	float sum = 0, other = 1;

	for (uint32_t i = 0; i < 2000; i++) {
		sum += (float)i * 0.25F;
		other = other * 0.999F + sum * 0.001F;
	}
	told.value = (uint32_t)sum;
	told.good = sum == 499750.0F && other > 1.0F && told.ticks > 20;
}

static void nesting_case(void)
{
	NVIC_IPR[5] = 0x20;
	NVIC_IPR[6] = 0x40;
	SHPR[PENDSV] = 0xE0;
	NVIC_ISER0 = 1U << 5 | 1U << 6;
	NVIC_ISPR0 = 1U << 6;
	CODE("dsb\n isb\n nop");
	event(1);
}

static void mask_case(void)
{
	CODE("cpsid i");
	ICSR = ICSR_PENDSV;
	for (volatile uint32_t i = 0; i < 10; i++)
		;
	event(1);
	CODE("cpsie i\n isb");
	event(2);
}

static void basepri_case(void)
{
	SHPR[PENDSV] = 0x80;
	__asm volatile("mov r0, #0x80\n msr basepri, r0" ::: "r0", "memory");
	ICSR = ICSR_PENDSV;
	for (volatile uint32_t i = 0; i < 10; i++)
		;
	event(1);
	__asm volatile("mov r0, #0\n msr basepri, r0\n isb" ::: "r0", "memory");
	event(2);
}

static void process_case(void)
{
	uint32_t answer;

	__asm volatile("msr psp, %0\n mov r0, #2\n msr control, r0\n isb" ::"r"(process_stack + 64) : "r0", "memory");
	answer = call_svc(20);
	__asm volatile("mov r0, #0\n msr control, r0\n isb" ::: "r0", "memory");
	told.good = answer == 41;
}

static void odd_stack_case(void)
{
	uint32_t before, after;
	register uint32_t r0 __asm("r0") = 20;

	__asm volatile("push {r4}\n mov %1, sp\n svc #42\n mov %2, sp\n pop {r4}"
		       : "+r"(r0), "=&r"(before), "=&r"(after)::"memory");
	told.good = r0 == 41 && before == after;
	event(before % 8U);
}

static void disabled_case(void)
{
	NVIC_ISPR0 = 1U << 6;
	SYST_RVR = 500;
	SYST_CSR = 7;
	CODE("wfi");
	SYST_CSR = 0;
	event(1);
	NVIC_ISER0 = 1U << 6;
	CODE("dsb\n isb\n nop");
	event(2);
}

typedef void (*handler)(void);

/* 64 entries of 4 bytes lie at a multiple of 256; without those that the cases do not use. */
static handler vectors[64] __attribute__((aligned(256)));

static void install(void)
{
	vectors[SVC] = which == EXCEPTION_BAD_RETURN ? svc_to_nowhere : svc;
	vectors[PENDSV] = pendsv;
	vectors[SYSTICK] = tick;
	vectors[16 + 5] = interrupt5;
	vectors[16 + 6] = interrupt6;
	VTOR = (uint32_t)vectors;
}

static void start_ticks(uint32_t period)
{
	SYST_RVR = period - 1U;
	SYST_CVR = 0;
	SYST_CSR = 7;
}

static void run(void)
{
	switch (which) {
	case EXCEPTION_TICKS:
		start_ticks(1000);
		while (told.ticks < 10)
			CODE("wfi");
		SYST_CSR = 0;
		break;
	case EXCEPTION_FLOAT:
		start_ticks(331);
		float_case();
		SYST_CSR = 0;
		break;
	case EXCEPTION_MASK:
		mask_case();
		break;
	case EXCEPTION_NESTING:
		nesting_case();
		break;
	case EXCEPTION_PROCESS:
		process_case();
		break;
	case EXCEPTION_ODD_STACK:
		odd_stack_case();
		break;
	case EXCEPTION_HOST:
		NVIC_ISER0 = 1U << 5;
		CODE("wfi");
		event(1);
		break;
	case EXCEPTION_DISABLED:
		disabled_case();
		break;
	case EXCEPTION_BASEPRI:
		basepri_case();
		break;
	case EXCEPTION_EVENT:
		CODE("sev\n wfe");
		event(1);
		start_ticks(1000);
		CODE("wfe");
		event(2);
		SYST_CSR = 0;
		CODE("wfe"); /* at once: an exception returned since */
		event(3);
		CODE("wfe");
		event(4);
		break;
	case EXCEPTION_MASKED_SVC:
		CODE("cpsid i");
		told.value = call_svc(20);
		break;
	case EXCEPTION_NO_STACK:
		__asm volatile("ldr r0, =0x20000010\n mov sp, r0\n svc #42\n .ltorg" ::: "r0", "memory");
		break;
	case EXCEPTION_NO_HANDLER:
		NVIC_ISER0 = 1U << 7;
		NVIC_ISPR0 = 1U << 7;
		CODE("dsb\n isb\n nop");
		break;
	case EXCEPTION_RESET:
		AIRCR = 0x05FA0004U;
		for (;;)
			;
	default:
		told.good = call_svc(20) == 41;
	}
}

int main(void)
{
	CATS_HOST_CALL(CATS_HOST_SERVE, 0);
	install();
	run();
	return 0;
}
