/* SPDX-License-Identifier: MIT */
/* The registers of the system control space that firmware here uses (ARMv7-M manual, B3.2). See core.h. */
#include "emulator/core.h"

#define VTOR 0xD08U
#define CPACR 0xD88U

uint32_t cats_m4_system_read(struct cats_m4 *m4, uint32_t offset)
{
	switch (offset) {
	case VTOR:
		return m4->vtor;
	case CPACR:
		return m4->cpacr;
	default:
		cats_m4_raise(m4, CATS_M4_FAULT_REGISTER, CATS_M4_SYSTEM + offset);
		return 0;
	}
}

void cats_m4_system_write(struct cats_m4 *m4, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case VTOR:
		m4->vtor = value & ~0x7FU;
		break;
	case CPACR:
		m4->cpacr = value & CATS_M4_CPACR_FPU;
		break;
	default:
		cats_m4_raise(m4, CATS_M4_FAULT_REGISTER, CATS_M4_SYSTEM + offset);
	}
}
