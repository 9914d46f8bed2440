/* SPDX-License-Identifier: MIT */
/* The inner loops of the Cortex-M4's kernels; what they compute is said in m4_loops.h.
 *
 * Idea. Eight sums stay in r4 … r11: 4 rows by 2 outputs. Two words of weights (r2, r3) meet four words of the panel,
 * two at a time (r12, lr); with both pointers (r0, r1) all 14 registers are used, so whatever changes once a pair of
 * outputs lives in floating-point registers. SMLAD does two multiply-accumulates. Packed weights hold two a halfword, as
 * 256·even + odd: they multiply `a` as they are and `c` after SXTB16, in place, and the sum is 256 times the wanted one.
 * Epilogues, where their constants fit, begin with the sums still in registers.
 *
 * Exact: SMLAD adds modulo 2^32 (its Q flag is nobody's concern); every partial sum may wrap, the final one fits
 * (docs/SPEC-integer.md, 1.12). Halfwords of `c` fit because activations are at least -127.
 *
 * Preconditions: all pointers 4-byte aligned, for LDRD and LDM, but the rows of cats_m4_widen. Uses no stack but 40
 * bytes, and no register that the procedure call standard does not let it.
 *
 * Cost in instructions. A group of 4 columns of products: 23 (16 SMLAD, 5 LDRD, 2 SXTB16) for 32 multiply-accumulates.
 * A step of values: 11 (8 SMLAD, 3 LDRD) for 16. Around them 3 each time a loop's 8 or 16 copies end, 11 a pair of
 * outputs, about 40 a call. A group of the panel: 19 for 16 values. Epilogues of 4 rows by 2 outputs: 54 into the
 * residual, 79 to 87 normalised, 41 of scores with their maxima, 45 of values. Two exponentials: 10.5. docs/DESIGN.md
 * has the bounds, predictions and measurements of whole layers. */
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

/* For r5 more groups the loop is entered behind the first -r5 mod \copies of its copies, and not at all for none. */
	.macro enter loop, done, bytes, copies
	adr	r6, \loop
	rsb	r4, r5, #0
	and	r4, r4, #\copies - 1
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
	enter	4f, 5f, 92, 16
2:	group	0
	vmov	r2, s0
	bx	r2
3:	enter	4f, 5f, 92, 16
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

/* The same, and at the end of a pair of keys the scores of both for each row, as a word: r4 … r7. Maxima of rows 0 and 1
 * are in d4, of rows 2 and 3 in d5, the multiplier in s6. Arguments: scores, panel, keys, multiplier; then pairs, groups,
 * maxima. */
	function cats_m4_scores
	push	{r4-r11, lr}
	vmov	s6, r3
	prepare	5
	ldr	r3, [sp, #44]
	vldmia	r3, {d4-d5}
	vmov	r6, s3			/* end of the scores: 16 bytes a pair, where prepare takes 32 */
	ldr	r4, [sp, #36]
	add	r6, r6, r4, lsl #4
	vmov	s4, r6
	subs	r5, r5, #1
	enter	4f, 5f, 92, 8
2:	group	0
	vmov	r2, s0
	bx	r2
	.balign	4
4:	.rept	8
	group	1
	.endr
	vmov	r2, s1
	cmp	r0, r2
	bne	4b
	.balign	4
5:	vmov	r0, s6
	.irp	sum, r4, r5, r6, r7, r8, r9, r10, r11
	smmulr	\sum, \sum, r0
	.endr
	.irp	sum, r4, r5, r6, r7, r8, r9, r10, r11
	ssat	\sum, #15, \sum
	.endr
	pkhbt	r4, r4, r5, lsl #16
	pkhbt	r5, r6, r7, lsl #16
	pkhbt	r6, r8, r9, lsl #16
	pkhbt	r7, r10, r11, lsl #16
	vmov	r12, s3
	stmia	r12!, {r4-r7}
	vmov	s3, r12
	vmov	r8, r9, d4
	vmov	r10, r11, d5
	ssub16	r0, r4, r8		/* the larger of each half */
	sel	r8, r4, r8
	ssub16	r0, r5, r9
	sel	r9, r5, r9
	ssub16	r0, r6, r10
	sel	r10, r6, r10
	ssub16	r0, r7, r11
	sel	r11, r7, r11
	vmov	d4, r8, r9
	vmov	d5, r10, r11
	vmov	lr, s4
	vmov	r0, s2
	cmp	r12, lr
	bne	2b
	ldr	r3, [sp, #44]
	vstmia	r3, {d4-d5}
	pop	{r4-r11, pc}
	.size	cats_m4_scores, . - cats_m4_scores

/* r0: a row's scores, a word each 16 bytes; r1: table, r2: the maximum twice, r3: end of the scores, r7: 1 twice, r4: sum. */
	.macro two_exponentials
	ldr	r5, [r0]
	ssub16	r5, r2, r5
	usat16	r5, #10, r5
	uxth	r6, r5
	lsrs	r5, r5, #16
	ldrh	r6, [r1, r6, lsl #1]
	ldrh	r5, [r1, r5, lsl #1]
	orr	r6, r6, r5, lsl #16
	str	r6, [r0], #16
	smlad	r4, r6, r7, r4
	.endm

/* Arguments: scores, table, maximum, pairs. */
	function cats_m4_exponentials
	push	{r4-r7}
	and	r5, r3, #3
	add	r3, r0, r3, lsl #4
	movs	r4, #0
	mov	r7, #0x00010001
	cbz	r5, 3f
1:	two_exponentials
	cmp	r0, r3
	beq	4f
	sub	r5, r3, r0
	tst	r5, #0x30
	bne	1b
	b	2f
3:	cmp	r0, r3
	beq	4f
2:	.rept	4
	two_exponentials
	.endr
	cmp	r0, r3
	bne	2b
4:	mov	r0, r4
	pop	{r4-r7}
	bx	lr
	.size	cats_m4_exponentials, . - cats_m4_exponentials

/* Arguments: out, panel, values, skip; then pairs, steps, stride, multipliers. s3 is `out`, d4 and d5 the multipliers, s6
 * the stride, s7 0x01010101. */
	function cats_m4_values
	push	{r4-r11, lr}
	prepare	4
	ldrd	r6, r7, [sp, #44]
	vmov	s6, r6
	vldmia	r7, {d4-d5}
	mov	r6, #0x01010101
	vmov	s7, r6
	vmov	r6, s3			/* end of the outputs: 2 bytes a pair */
	ldr	r4, [sp, #36]
	add	r6, r6, r4, lsl #1
	vmov	s4, r6
	subs	r5, r5, #1
	enter	4f, 5f, 44, 16
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
5:	vmov	r2, r3, d4
	vmov	r12, lr, d5
	smmulr	r4, r4, r2
	smmulr	r5, r5, r2
	smmulr	r6, r6, r3
	smmulr	r7, r7, r3
	smmulr	r8, r8, r12
	smmulr	r9, r9, r12
	smmulr	r10, r10, lr
	smmulr	r11, r11, lr
	.irp	sum, r4, r5, r6, r7, r8, r9, r10, r11
	ssat	\sum, #8, \sum
	.endr
	bfi	r4, r5, #8, #8
	bfi	r6, r7, #8, #8
	bfi	r8, r9, #8, #8
	bfi	r10, r11, #8, #8
	vmov	r0, s7
	pkhbt	r4, r4, r6, lsl #16
	pkhbt	r8, r8, r10, lsl #16
	qsub8	r4, r4, r0		/* -128 becomes -127 */
	qsub8	r8, r8, r0
	sadd8	r4, r4, r0
	sadd8	r8, r8, r0
	vmov	r2, s3
	vmov	r3, s6
	add	r12, r2, r3, lsl #1
	strh	r4, [r2]
	strh	r8, [r12]
	lsr	r4, r4, #16
	lsr	r8, r8, #16
	strh	r4, [r2, r3]
	strh	r8, [r12, r3]
	add	r2, r2, #2
	vmov	s3, r2
	vmov	r3, s4
	vmov	r12, s5
	vmov	r0, s2
	add	r1, r1, r12
	cmp	r2, r3
	bne	2b
	pop	{r4-r11, pc}
	.size	cats_m4_values, . - cats_m4_values

/* ---- Epilogues of 4 rows ---- */

/* Arguments: residual, stride in bytes, sums, bias; then multipliers, pairs. s0: sums, s1: bias, s2: multipliers, s3: end of
 * the sums. */
	.macro residual_column first, second, third, fourth, m
	ldrsh	lr, [r0]
	smmlar	\first, \first, \m, lr
	ssat	\first, #16, \first
	strh	\first, [r0]
	ldrsh	lr, [r0, r1]
	smmlar	\second, \second, \m, lr
	ssat	\second, #16, \second
	strh	\second, [r0, r1]
	ldrsh	lr, [r0, r1, lsl #1]
	smmlar	\third, \third, \m, lr
	ssat	\third, #16, \third
	strh	\third, [r0, r1, lsl #1]
	ldrsh	lr, [r0, r2]
	smmlar	\fourth, \fourth, \m, lr
	ssat	\fourth, #16, \fourth
	strh	\fourth, [r0, r2]
	add	r0, r0, #2
	.endm

	function cats_m4_finish_residual
	push	{r4-r11, lr}
	ldrd	r4, r5, [sp, #36]
	vmov	s1, r3
	vmov	s2, r4
	mov	r12, r2
	add	r5, r2, r5, lsl #5
	vmov	s3, r5
	add	r2, r1, r1, lsl #1
1:	ldmia	r12!, {r4-r11}
	vmov	s0, r12
	vmov	lr, s1
	ldrd	r3, r12, [lr], #8
	vmov	s1, lr
	add	r4, r4, r3, lsl #8
	add	r6, r6, r3, lsl #8
	add	r8, r8, r3, lsl #8
	add	r10, r10, r3, lsl #8
	add	r5, r5, r12, lsl #8
	add	r7, r7, r12, lsl #8
	add	r9, r9, r12, lsl #8
	add	r11, r11, r12, lsl #8
	vmov	lr, s2
	ldrd	r3, r12, [lr], #8
	vmov	s2, lr
	residual_column r4, r6, r8, r10, r3
	residual_column r5, r7, r9, r11, r12
	vmov	r12, s0
	vmov	lr, s3
	cmp	r12, lr
	bne	1b
	pop	{r4-r11, pc}
	.size	cats_m4_finish_residual, . - cats_m4_finish_residual

/* A row by the pair of outputs at hand: y0 in r12, y1 in r10 (docs/SPEC-integer.md, 1.7). r4, r5: m; r6, r7: Ws; d4, d5:
 * B·2^24 + 2^31; \stats: mu, rho. */
	.macro normalise stats
	vmov	r8, r9, \stats
	ldrd	r10, r11, [r2], #8
	mls	r10, r8, r6, r10
	mls	r11, r8, r7, r11
	smmulr	r8, r9, r4
	smmulr	r9, r9, r5
	vmov	lr, r12, d4
	smlal	lr, r12, r10, r8
	vmov	lr, r10, d5
	smlal	lr, r10, r11, r9
	.endm

/* r3: 0x01010101 */
	.macro put_symmetric place:vararg
	ssat	r12, #8, r12
	ssat	r10, #8, r10
	bfi	r12, r10, #8, #8
	qsub8	r12, r12, r3
	sadd8	r12, r12, r3
	strh	r12, [\place]
	.endm

	.macro put_relu place:vararg
	usat	r12, #7, r12
	usat	r10, #7, r10
	orr	r12, r12, r10, lsl #8
	strh	r12, [\place]
	.endm

/* r3: the table */
	.macro put_table place:vararg
	usat	r12, #8, r12
	usat	r10, #8, r10
	ldrb	r12, [r3, r12]
	ldrb	r10, [r3, r10]
	orr	r12, r12, r10, lsl #8
	strh	r12, [\place]
	.endm

/* B·2^24 + 2^31 = (B + 128)·2^24 of the pair, into d4 and d5. */
	.macro load_biases
	vmov	lr, s14
	ldrd	r8, r10, [lr], #8
	vmov	s14, lr
	add	r8, r8, #128
	add	r10, r10, #128
	asr	r9, r8, #8
	lsl	r8, r8, #24
	asr	r11, r10, #8
	lsl	r10, r10, #24
	vmov	d4, r8, r9
	vmov	d5, r10, r11
	.endm

/* Arguments: out, stride, sums, table; then stats, multipliers, Ws, B, pairs. d0 … d3: statistics of the rows,
 * s12: multipliers, s13: Ws, s14: B, s15: end of the sums. */
	.macro finish_norm put
	push	{r4-r11, lr}
	ldr	r4, [sp, #36]
	vldmia	r4, {d0-d3}
	add	r12, sp, #40
	ldmia	r12, {r4-r7}
	vmov	s12, r4
	vmov	s13, r5
	vmov	s14, r6
	add	r7, r2, r7, lsl #5
	vmov	s15, r7
	.ifc	\put, put_symmetric
	mov	r3, #0x01010101
	.endif
1:	vmov	lr, s12
	ldrd	r4, r5, [lr], #8
	vmov	s12, lr
	load_biases
	vmov	lr, s13
	ldrd	r6, r7, [lr], #8
	vmov	s13, lr
	normalise d0
	\put	r0
	normalise d1
	\put	r0, r1
	normalise d2
	\put	r0, r1, lsl #1
	normalise d3
	add	r0, r0, r1
	\put	r0, r1, lsl #1
	sub	r0, r0, r1
	add	r0, r0, #2
	vmov	lr, s15
	cmp	r2, lr
	bne	1b
	pop	{r4-r11, pc}
	.endm

	function cats_m4_finish_symmetric
	finish_norm put_symmetric
	.size	cats_m4_finish_symmetric, . - cats_m4_finish_symmetric

	function cats_m4_finish_relu
	finish_norm put_relu
	.size	cats_m4_finish_relu, . - cats_m4_finish_relu

	function cats_m4_finish_table
	finish_norm put_table
	.size	cats_m4_finish_table, . - cats_m4_finish_table

/* ---- Widening ---- */

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
