/* SPDX-License-Identifier: MIT */
/* The three inner loops of the Cortex-M4's kernels; what they compute is said in m4_loops.h.
 *
 * Idea. Eight sums stay in r4 … r11: 4 rows by 2 outputs. Two words of weights (r2, r3) meet four words of the panel,
 * two at a time (r12, lr); with both pointers (r0, r1) all 14 registers are used, so whatever changes once a pair of
 * outputs lives in s0 … s6. SMLAD does two multiply-accumulates. Packed weights hold two a halfword, as 256·even + odd:
 * they multiply `a` as they are and `c` after SXTB16, in place, and the sum is 256 times the wanted one.
 *
 * Exact: SMLAD adds modulo 2^32 (its Q flag is nobody's concern); every partial sum may wrap, the final one fits
 * (docs/SPEC-integer.md, 1.12). Halfwords of `c` fit because activations are at least -127.
 *
 * Preconditions: all pointers 4-byte aligned, for LDRD and LDM, but the rows of cats_m4_widen. Uses no stack but 40
 * bytes, and no register that the procedure call standard does not let it.
 *
 * Cost in instructions: a group of 4 columns of products takes 23 (5 LDRD, 2 SXTB16, 16 SMLAD) for 32
 * multiply-accumulates, 8 of which are the least that SMLAD allows for each of `a` and `c`. A step of values takes 11 (3
 * LDRD, 8 SMLAD) for 16. 3 more for each 16 groups or steps, 11 a pair of outputs, about 40 a call. A group of the panel
 * takes 18 + 1 for 16 values. */
	.syntax unified
	.thumb
	.text

/* One group: into sums that there are (smlad), or into new ones (smuad for the first product of each). */
	.macro first_products accumulate
	.ifc \accumulate, 1
	smlad	r4, r12, r2, r4
	smlad	r5, r12, r3, r5
	smlad	r6, lr, r2, r6
	smlad	r7, lr, r3, r7
	.else
	smuad	r4, r12, r2
	smuad	r5, r12, r3
	smuad	r6, lr, r2
	smuad	r7, lr, r3
	.endif
	.endm

	.macro second_products accumulate
	.ifc \accumulate, 1
	smlad	r8, r12, r2, r8
	smlad	r9, r12, r3, r9
	smlad	r10, lr, r2, r10
	smlad	r11, lr, r3, r11
	.else
	smuad	r8, r12, r2
	smuad	r9, r12, r3
	smuad	r10, lr, r2
	smuad	r11, lr, r3
	.endif
	.endm

/* 92 bytes */
	.macro group accumulate
	ldrd	r2, r3, [r1], #8
	ldrd	r12, lr, [r0], #8
	first_products \accumulate
	ldrd	r12, lr, [r0], #8
	second_products \accumulate
	sxtb16	r2, r2
	sxtb16	r3, r3
	ldrd	r12, lr, [r0], #8
	first_products 1
	ldrd	r12, lr, [r0], #8
	second_products 1
	.endm

/* 44 bytes */
	.macro step accumulate
	ldrd	r2, r3, [r1], #8
	ldrd	r12, lr, [r0], #8
	first_products \accumulate
	ldrd	r12, lr, [r0], #8
	second_products \accumulate
	.endm

/* Of what changes with a pair of outputs: s0 where to enter the loop, s1 the panel's end, s2 the panel, s3 where sums go,
 * s4 their end, s5 skip. r0 … r3 are the arguments; 36 bytes are pushed, so that the fifth lies behind them. Leaves
 * r0: panel, r1: weights, r5: groups or steps, of 1 << \shift bytes in the panel. */
	.macro prepare shift
	vmov	s2, r1
	vmov	s3, r0
	vmov	s5, r3
	ldrd	r4, r5, [sp, #36]
	add	r6, r0, r4, lsl #5
	vmov	s4, r6
	add	r6, r1, r5, lsl #\shift
	vmov	s1, r6
	mov	r0, r1
	mov	r1, r2
	.endm

/* For r5 more groups the loop is entered behind the first -r5 mod 16 of its copies, and not at all for none. */
	.macro enter loop, done, bytes
	adr	r6, \loop
	rsb	r4, r5, #0
	and	r4, r4, #15
	movs	r3, #\bytes
	mla	r6, r4, r3, r6
	cmp	r5, #0
	it	eq
	adreq	r6, \done
	orr	r6, r6, #1		/* Thumb */
	vmov	s0, r6
	.endm

/* Sums of a pair are done: the next one from `again`, or the end. */
	.macro next_pair again
	vmov	r2, s3
	stmia	r2!, {r4-r11}
	vmov	s3, r2
	vmov	r3, s4
	vmov	r12, s5
	add	r1, r1, r12
	vmov	r0, s2
	cmp	r2, r3
	bne	\again
	pop	{r4-r11, pc}
	.endm

	.macro function name
	.section .text.\name, "ax", %progbits
	.balign 4
	.global \name
	.type \name, %function
	.thumb_func
\name:
	.endm

	function cats_m4_products
	push	{r4-r11, lr}
	prepare	5
	ldr	r4, [sp, #44]		/* add */
	cmp	r4, #0
	bne	3f
	subs	r5, r5, #1
	enter	4f, 5f, 92
2:	group	0
	vmov	r2, s0
	bx	r2
3:	enter	4f, 5f, 92
	vmov	r2, s3
	ldmia	r2, {r4-r11}
	vmov	r2, s0
	bx	r2
	.balign	4
4:	.rept	16
	group	1
	.endr
	vmov	r2, s1
	cmp	r0, r2
	bne	4b
	.balign	4
5:	next_pair 2b
	.size	cats_m4_products, . - cats_m4_products

	function cats_m4_values
	push	{r4-r11, lr}
	prepare	4
	subs	r5, r5, #1
	enter	4f, 5f, 44
2:	step	0
	vmov	r2, s0
	bx	r2
	.balign	4
4:	.rept	16
	step	1
	.endr
	vmov	r2, s1
	cmp	r0, r2
	bne	4b
	.balign	4
5:	next_pair 2b
	.size	cats_m4_values, . - cats_m4_values

/* Two groups at a time, the first alone when their number is odd. */
	.macro widen_group
	ldr	r4, [r0], #4
	ldr	r5, [r1], #4
	ldr	r6, [r2], #4
	ldr	r7, [r3], #4
	sxtb16	r8, r4
	sxtb16	r9, r5
	sxtb16	r10, r6
	sxtb16	r11, r7
	stmia	r12!, {r8-r11}
	and	r4, r4, #0xFF00FF00
	and	r5, r5, #0xFF00FF00
	and	r6, r6, #0xFF00FF00
	and	r7, r7, #0xFF00FF00
	ssub16	r4, r4, r8
	ssub16	r5, r5, r9
	ssub16	r6, r6, r10
	ssub16	r7, r7, r11
	stmia	r12!, {r4-r7}
	.endm

	function cats_m4_widen
	push	{r4-r11, lr}
	mov	r12, r0
	add	lr, r0, r2, lsl #5
	ands	r4, r2, #1
	ldmia	r1, {r0-r3}
	beq	2f
	widen_group
	cmp	r12, lr
	beq	3f
2:	widen_group
	widen_group
	cmp	r12, lr
	bne	2b
3:	pop	{r4-r11, pc}
	.size	cats_m4_widen, . - cats_m4_widen
