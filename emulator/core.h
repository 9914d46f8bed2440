/* SPDX-License-Identifier: MIT */
/* The inside of an emulated core, shared by the files of this room and nobody else. */
#ifndef CATS_EMULATOR_CORE_H
#define CATS_EMULATOR_CORE_H

#include <unicorn/unicorn.h>

#include "emulator/m4.h"

/* A stretch of code that runs from its first to its last instruction, as the emulator translates it. */
struct cats_m4_block {
	uint32_t address, bytes;
	uint32_t instructions, cycles; /* of one run */
	uint32_t next;                 /* index + 1 of another block with this address, or 0 */
	bool uses_fpu;
	uint64_t runs;
};

struct cats_m4 {
	uc_engine *uc;
	const struct cats_elf *elf;
	bool strict;
	uint8_t *flash, *ram;

	struct cats_m4_block *blocks;
	uint32_t block_count, block_room;
	uint32_t *block_at; /* for each halfword of flash: index + 1 of a block that begins there, or 0 */
	const struct cats_m4_block *block; /* the one that runs */
	uint32_t sequential;               /* its end: a block elsewhere was branched to */

	uint64_t instructions, cycles;
	uint64_t pause_cycles; /* no block starts from then on */
	uint32_t pc;           /* where to go on while nothing runs */
	uint32_t last_pc;      /* strict: the latest instruction */

	/* What ended the latest slice; several may be set. */
	bool paused;
	uint32_t interrupt; /* of the emulator's numbering, or NO_INTERRUPT */
	enum cats_m4_fault fault;
	uint32_t fault_address;
	struct cats_m4_stopped stopped; /* .fault is kept for ever */

	uint32_t cpacr; /* CATS_M4_CPACR_FPU: the FPU is on */
	uint32_t vtor;
};

/* Ends the slice at the next chance. */
void cats_m4_raise(struct cats_m4 *m4, enum cats_m4_fault fault, uint32_t address);

#define CATS_M4_CPACR_FPU 0x00F00000U /* CP10 and CP11; there are no others */

/* The system control space, 4 KiB at 0xE000E000. */
#define CATS_M4_SYSTEM 0xE000E000U
#define CATS_M4_SYSTEM_BYTES 0x1000U
uint32_t cats_m4_system_read(struct cats_m4 *m4, uint32_t offset);
void cats_m4_system_write(struct cats_m4 *m4, uint32_t offset, uint32_t value);

#endif
