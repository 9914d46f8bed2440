/* SPDX-License-Identifier: MIT */
/* Decoding of Thumb-2. See thumb.h. */
#include "emulator/thumb.h"

bool cats_thumb_must_align(uint16_t first)
{
	if (first >> 12 == 0xC) /* LDM, STM */
		return true;
	if ((first & 0xF600U) == 0xB400U) /* PUSH, POP */
		return true;
	if ((first & 0xFE00U) == 0xE800U) /* LDM, STM, LDRD, STRD, LDREX, STREX; TBH's halfword apart */
		return (first & 0xFFF0U) != 0xE8D0U;
	return (first & 0xEE00U) == 0xEC00U; /* VLDR, VSTR, VLDM, VSTM */
}
