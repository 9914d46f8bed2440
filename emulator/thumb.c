/* SPDX-License-Identifier: MIT */
/* Decoding of Thumb-2, as far as costs depend on it. See thumb.h. Masks and values are those of the ARMv7-M manual's
 * tables in chapter A5, sections A5.2 (16 bits) and A5.3 (32 bits). */
#include "emulator/thumb.h"

#define SP 13U
#define PC 15U
#define DIVIDE_CYCLES 12U
#define FPU_DIVIDE_CYCLES 14U
#define FPU_ACCUMULATE_CYCLES 3U

static uint8_t ones(uint32_t bits)
{
	uint8_t count = 0;

	for (; bits != 0; bits &= bits - 1U)
		count++;
	return count;
}

static void several(struct cats_thumb *t, uint8_t registers)
{
	t->cycles = (uint8_t)(1U + registers);
	t->must_align = true;
}

static void single(struct cats_thumb *t, bool load, uint32_t target, uint32_t address_registers, bool indexed)
{
	t->access = load ? CATS_THUMB_LOAD : indexed ? CATS_THUMB_STORE_INDEXED : CATS_THUMB_STORE;
	t->cycles = t->access == CATS_THUMB_STORE ? 1 : 2;
	t->loaded = (uint8_t)target;
	t->address_registers = (uint16_t)address_registers;
}

/* A5.2.4: with a register offset; bits 11 … 9 say which, loads are those from LDRSB on. */
static void indexed16(struct cats_thumb *t, uint16_t i)
{
	single(t, (i >> 9 & 7U) >= 3U, i & 7U, 1U << (i >> 3 & 7U) | 1U << (i >> 6 & 7U), true);
}

static void decode16(struct cats_thumb *t, uint16_t i)
{
	const bool load = (i >> 11 & 1U) != 0;

	if (i >> 11 == 9) /* LDR of a literal */
		single(t, true, i >> 8 & 7U, 1U << PC, false);
	else if (i >> 12 == 5)
		indexed16(t, i);
	else if (i >> 13 == 3 || i >> 12 == 8) /* immediate offset: words and bytes, halfwords */
		single(t, load, i & 7U, 1U << (i >> 3 & 7U), false);
	else if (i >> 12 == 9) /* relative to SP */
		single(t, load, i >> 8 & 7U, 1U << SP, false);
	else if ((i & 0xF600U) == 0xB400U) /* PUSH, POP: eight registers and LR or PC */
		several(t, ones(i & 0x1FFU));
	else if (i >> 12 == 12) /* STM, LDM */
		several(t, ones(i & 0xFFU));
	else
		t->call = (i & 0xFF87U) == 0x4780U; /* BLX */
}

/* A5.3.6: LDRD, STRD, exclusive accesses, table branches. */
static void decode_dual(struct cats_thumb *t, uint16_t i)
{
	const uint32_t kind = i & 0xFFF0U;

	t->cycles = 2;
	if (kind == 0xE8D0U || kind == 0xE8C0U) /* TBB, TBH, and exclusive bytes and halfwords */
		return;
	t->must_align = true;
	if (kind != 0xE850U && kind != 0xE840U) /* LDREX, STREX */
		t->cycles = 3;
}

/* A5.3.7 … A5.3.10: a base of PC is a literal; an offset is 12 bits, 8 bits or a register. */
static void decode_single32(struct cats_thumb *t, uint16_t i, uint16_t second)
{
	const bool load = (i & 0x10U) != 0;
	const uint32_t base = i & 15U;
	const bool indexed = base != PC && (i & 0x80U) == 0 && (second & 0x800U) == 0;

	single(t, load, second >> 12, 1U << base | (indexed ? 1U << (second & 15U) : 0), indexed);
}

/* A6.5 … A6.7: the floating-point unit's loads, stores and moves of two registers. */
static void decode_fpu_access(struct cats_thumb *t, uint16_t i, uint16_t second)
{
	if ((i & 0xFFE0U) == 0xEC40U) {
		t->cycles = 2;
		return;
	}
	if ((i & 0xFF20U) == 0xED00U) { /* VLDR, VSTR */
		t->cycles = (second & 0x100U) != 0 ? 3 : 2;
		t->must_align = true;
		return;
	}
	several(t, (uint8_t)(second & 0x7FU)); /* words */
}

/* A6.4: three operands by bits 7, 5 and 4; among the rest only VSQRT is slow. */
static uint8_t fpu_cycles(uint16_t i, uint16_t second)
{
	if ((second & 0x10U) != 0)
		return 1; /* moves to and from the core */
	switch (i >> 4 & 0xBU) {
	case 0x0: /* VMLA, VMLS */
	case 0x1: /* VNMLA, VNMLS */
	case 0x9: /* VFNMA, VFNMS */
	case 0xA: /* VFMA, VFMS */
		return FPU_ACCUMULATE_CYCLES;
	case 0x8:
		return FPU_DIVIDE_CYCLES;
	case 0xB:
		return (i & 15U) == 1 && (second >> 6 & 3U) == 3 ? FPU_DIVIDE_CYCLES : 1;
	default:
		return 1;
	}
}

static void decode_fpu(struct cats_thumb *t, uint16_t i, uint16_t second)
{
	t->fpu = (second >> 9 & 7U) == 5U; /* coprocessors 10 and 11 */
	if ((i & 0xFE00U) == 0xEC00U)
		decode_fpu_access(t, i, second);
	else
		t->cycles = fpu_cycles(i, second);
}

static void decode32(struct cats_thumb *t, uint16_t i, uint16_t second)
{
	if ((i & 0xFE40U) == 0xE800U)
		several(t, ones(second));
	else if ((i & 0xFE40U) == 0xE840U)
		decode_dual(t, i);
	else if ((i & 0xEC00U) == 0xEC00U)
		decode_fpu(t, i, second);
	else if ((i & 0xFE00U) == 0xF800U)
		decode_single32(t, i, second);
	else if ((i & 0xFFD0U) == 0xFB90U) /* SDIV, UDIV */
		t->cycles = DIVIDE_CYCLES;
	else
		t->call = (i & 0xF800U) == 0xF000U && (second & 0xD000U) == 0xD000U; /* BL */
}

struct cats_thumb cats_thumb_decode(uint16_t first, uint16_t second)
{
	struct cats_thumb t = {.bytes = (uint8_t)cats_thumb_bytes(first), .cycles = 1};

	if (t.bytes == 2)
		decode16(&t, first);
	else
		decode32(&t, first, second);
	return t;
}

uint32_t cats_thumb_cycles(struct cats_thumb_chain *chain, const struct cats_thumb *t)
{
	const bool chained =
		t->access != CATS_THUMB_OTHER && chain->after_load && (t->address_registers >> chain->loaded & 1U) == 0;

	chain->after_load = t->access == CATS_THUMB_LOAD;
	chain->loaded = t->loaded;
	return chained ? 1 : t->cycles;
}
