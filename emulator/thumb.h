/* SPDX-License-Identifier: MIT */
/* What emulation has to know of a Thumb-2 instruction: its length (ARMv7-M Architecture Reference Manual, chapter A5)
 * and what it costs (Cortex-M4 Technical Reference Manual, 100166_0001: table 3-1, section 3.3.3 "Load/store timings",
 * and table 7-1 of the floating-point unit; no wait states). Host only; depends on nothing.
 *
 * The estimate's rules:
 *	- everything not named here takes 1 cycle, also an instruction whose condition fails;
 *	- a single load takes 2, or 1 behind another single load whose result is no part of its address; a single store
 *	  takes 1, with a register offset 2, or 1 behind such a load;
 *	- LDM, STM, PUSH, POP, LDRD, STRD, VLDM, VSTM and their like take 1 + N; VLDR and VSTR 2, of a double 3;
 *	- SDIV and UDIV take 12, their most (2 to 12, by the operands); VDIV and VSQRT 14; VMLA, VFMA and their like 3;
 *	- a branch taken, whatever takes it, costs 2 more (P, 1 to 3, of table 3-1), which the caller adds;
 *	- so does it the penalty of an unaligned access: 1, or 2 for a word at an odd address.
 * Left out: the stall of an address that the instruction before computed, and of a floating-point result used at once.
 */
#ifndef CATS_EMULATOR_THUMB_H
#define CATS_EMULATOR_THUMB_H

#include <stdbool.h>
#include <stdint.h>

/* Of a branch taken, to refill the pipeline. */
#define CATS_THUMB_REFILL_CYCLES 2U

enum cats_thumb_access {
	CATS_THUMB_OTHER, /* none, or one that nothing is chained to */
	CATS_THUMB_LOAD,  /* of a single register */
	CATS_THUMB_STORE, /* of a single register, with an immediate offset */
	CATS_THUMB_STORE_INDEXED,
};

struct cats_thumb {
	uint8_t bytes;              /* 2 or 4 */
	uint8_t cycles;             /* alone, a branch not taken */
	uint8_t access;             /* enum cats_thumb_access */
	uint8_t loaded;             /* register that a single load writes */
	uint16_t address_registers; /* bit r: a single load's or store's address depends on r */
	bool call;                  /* BL, BLX */
	bool fpu;
	bool must_align; /* faults at an address that is no multiple of 4, where other loads and stores do not (A3.2.1)
			  */
};

/* Bytes of the instruction that begins with a halfword: 2 or 4 (A5.1). */
static inline uint32_t cats_thumb_bytes(uint16_t first)
{
	return first >> 11 >= 0x1D ? 4 : 2;
}

/* `second` counts only where the instruction has 4 bytes. */
struct cats_thumb cats_thumb_decode(uint16_t first, uint16_t second);

/* The single load before, if the instruction before was one. */
struct cats_thumb_chain {
	bool after_load;
	uint8_t loaded;
};

/* Cycles of an instruction behind what *chain tells, which it brings up to date; all 0 at first. */
uint32_t cats_thumb_cycles(struct cats_thumb_chain *chain, const struct cats_thumb *instruction);

#endif
