/* SPDX-License-Identifier: MIT */
/* What emulation has to know of Thumb-2 instructions (ARMv7-M Architecture Reference Manual, chapter A5). Host only;
 * depends on nothing. */
#ifndef CATS_EMULATOR_THUMB_H
#define CATS_EMULATOR_THUMB_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the instruction that begins with a halfword: 2 or 4 (A5.1). */
static inline uint32_t cats_thumb_bytes(uint16_t first)
{
	return first >> 11 >= 0x1D ? 4 : 2;
}

/* Whether the load or store that begins with a halfword faults at an address that is no multiple of 4 (A3.2.1): those
 * of several registers, of doubles, exclusive ones and those of the floating-point unit. */
bool cats_thumb_must_align(uint16_t first);

/* Whether it is an instruction of the floating-point unit (A5.3.18: coprocessors 10 and 11). */
static inline bool cats_thumb_uses_fpu(uint16_t first, uint16_t second)
{
	return (first & 0xEC00U) == 0xEC00U && (second >> 9 & 7U) == 5U;
}

#endif
