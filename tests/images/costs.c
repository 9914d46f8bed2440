/* SPDX-License-Identifier: MIT */
/* Short stretches of code whose instructions and cycles tests/emulator/test_costs.c works out by hand. */
#include <stdint.h>

#include "ports/m4/host.h"

static uint32_t words[8] = {1, 2, 3, 4, 5, 6, 7, 8};

/* Between NOPs, to which no load is chained. r4 points to `words`; r0 … r3, r5, r6 and s0 … s7 are free. */
#define REGION(name, code)                                                                                    \
	do {                                                                                                  \
		register uint32_t *r4 __asm("r4") = words;                                                    \
		cats_host_begin(name);                                                                        \
		__asm volatile("nop\n" code "\nnop" ::"r"(r4)                                                 \
			       : "r0", "r1", "r2", "r3", "r5", "r6", "cc", "memory", "s0", "s1", "s2", "s3"); \
		cats_host_end(name);                                                                          \
	} while (0)

__attribute__((noinline)) void leaf(void);
__attribute__((noinline)) void inner(void);
__attribute__((noinline)) void outer(void);

void leaf(void)
{
	__asm volatile("nop\n nop\n nop");
}

/* Ends in a branch to leaf, not a call. */
__attribute__((naked)) void inner(void)
{
	__asm volatile("nop\n b.w leaf");
}

__attribute__((naked)) void outer(void)
{
	__asm volatile("push {r4, lr}\n bl leaf\n bl inner\n pop {r4, pc}");
}

static void regions(void)
{
	REGION("nothing", "");
	REGION("adds", "adds r0, #1\n adds r0, #1\n add.w r0, r0, r1, lsl #3");
	REGION("one load", "ldr r0, [r4]");
	REGION("four loads", "ldr r0, [r4]\n ldr r1, [r4, #4]\n ldrb r2, [r4, #8]\n ldr.w r3, [r4, #12]");
	REGION("dependent loads", "mov r0, r4\n ldr r1, [r4]\n movs r1, #0\n ldr r0, [r4, r1]\n ldr r2, [r4]");
	REGION("address from load", "str r4, [r4]\n ldr r0, [r4]\n ldr r1, [r0]\n mov r1, #1\n str r1, [r4]");
	REGION("stores", "str r0, [r4, #28]\n strb.w r0, [r4, #28]\n movs r1, #4\n str r0, [r4, r1]");
	REGION("load, indexed store", "movs r1, #16\n ldr r0, [r4]\n str r0, [r4, r1]");
	REGION("load multiple", "ldm r4, {r0-r3}\n ldr r0, [r4]");
	REGION("push and pop", "push {r0-r3, lr}\n pop {r0-r3, lr}");
	REGION("double word", "ldrd r0, r1, [r4]\n strd r0, r1, [r4]");
	REGION("multiply", "mul r0, r1, r2\n mla r0, r1, r2, r3\n smull r0, r1, r2, r3\n smlad r0, r1, r2, r3\n"
			   "smmulr r0, r1, r2");
	REGION("divide", "movs r0, #7\n udiv r0, r0, r0");
	REGION("float", "vmov s0, r0\n vadd.f32 s1, s0, s0\n vmla.f32 s1, s0, s0\n vdiv.f32 s1, s0, s0\n"
			"vsqrt.f32 s1, s1\n vmul.f32 s1, s1, s1");
	REGION("float loads", "vldr s0, [r4]\n vstr s0, [r4]\n vldm r4, {s0-s3}\n vldr d0, [r4]");
	REGION("branch taken", "b 1f\n nop\n 1: nop");
	REGION("branch not taken", "cmp r0, r0\n bne 1f\n nop\n 1: nop");
	REGION("loop", "movs r0, #10\n 1: subs r0, #1\n bne 1b");
	REGION("condition false", "cmp r0, r0\n itt ne\n addne r1, r1\n addne r1, r1");
	REGION("unaligned",
	       "ldr r0, [r4, #1]\n nop\n ldr r0, [r4, #2]\n nop\n ldrh r0, [r4, #3]\n nop\n str r0, [r4, #2]");
}

int main(void)
{
	regions();
	cats_host_begin("calls");
	outer();
	cats_host_end("calls");
	return 0;
}
