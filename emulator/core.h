/* SPDX-License-Identifier: MIT */
/* The inside of an emulated core, shared by the files of this room and nobody else. */
#ifndef CATS_EMULATOR_CORE_H
#define CATS_EMULATOR_CORE_H

#include <unicorn/unicorn.h>

#include "emulator/exceptions.h"
#include "emulator/m4.h"

/* A stretch of code that runs from its first to its last instruction, as the emulator translates it. */
struct cats_m4_block {
	uint32_t address, bytes;
	uint32_t instructions, cycles; /* of one run */
	uint32_t next;                 /* index + 1 of another block with this address, or 0 */
	uint32_t slot;                 /* of its function in the profile */
	bool uses_fpu;
	bool sends_event; /* SEV */
	bool calls;       /* it ends with BL or BLX */
};

/* Of a function, indexed by its symbol; the last ones are of what no function covers. */
struct cats_m4_counters {
	uint64_t calls, instructions, cycles, total_instructions, total_cycles;
};

#define CATS_M4_PAGE 4096U

#define CATS_M4_PROFILE_DEPTH 64U

/* A call that has not returned. */
struct cats_m4_frame {
	uint32_t slot, returns_to;
	uint64_t instructions, cycles; /* when it began */
};

struct cats_m4_profile_state {
	struct cats_m4_counters *counters;
	struct cats_m4_frame frames[CATS_M4_PROFILE_DEPTH];
	uint32_t depth;
};

/* What lies around a core, where there is a chip. Accesses come at the end of the running block's time. */
struct cats_m4_bus {
	void *context;
	uint32_t (*read)(void *context, uint32_t address, uint32_t bytes);
	void (*write)(void *context, uint32_t address, uint32_t bytes, uint32_t value);
	/* A write to flash: true, and what the word is now, or false where that is a fault. */
	bool (*write_flash)(void *context, uint32_t *stored, uint32_t address, uint32_t bytes, uint32_t value);
	/* Lets happen what happens up to now, and when something next does. */
	void (*advance)(void *context);
	uint64_t (*next)(void *context);
};

/* A stretch of addresses whose accesses go to the bus. */
struct cats_m4_window {
	struct cats_m4 *m4;
	uint32_t base, bytes;
};
#define CATS_M4_WINDOWS 3U

struct cats_m4_word {
	uint32_t address, value;
};
#define CATS_M4_WORDS 64U /* that one block may write */

struct cats_m4 {
	uc_engine *uc;
	const struct cats_elf *elf;
	const struct cats_m4_bus *bus; /* or NULL */
	struct cats_m4_window windows[CATS_M4_WINDOWS];
	bool strict;
	bool handles_faults; /* faults enter the hard fault's handler */
	uint8_t *flash, *ram;

	struct cats_m4_block *blocks;
	uint32_t block_count, block_room;
	uint32_t *block_at; /* for each halfword of flash: index + 1 of a block that begins there, or 0 */
	bool has_code[CATS_M4_FLASH_BYTES / CATS_M4_PAGE]; /* of each page: there are blocks in it */
	uint32_t running;                                  /* index + 1 of the block that runs, or 0 */
	uint32_t sequential;                               /* its end: a block elsewhere was branched to */
	struct cats_m4_profile_state profile;

	uint64_t instructions, cycles;
	uint64_t slept;   /* cycles; time is cycles + slept */
	uint64_t limit;   /* time at which a run ends */
	uint64_t cut;     /* instructions at which a run ends */
	uint32_t step_in; /* index + 1 of the block in which that is and which is next, or 0 */
	bool stepping;    /* through it, up to the instruction at: */
	uint32_t step_to;
	bool stepped;       /* and now there */
	uint64_t attention; /* time from which on something but the next block may be due */
	bool sleeping;      /* in WFI, or */
	bool dozing;        /* in WFE */
	bool event;         /* what ends a WFE at once */
	uint64_t stalled;   /* until when the processor stands still */
	/* Words of flash that Unicorn stores as they are written, though some of their bits cannot be set: what they
	 * are. Put right before the next block. */
	struct cats_m4_word words[CATS_M4_WORDS];
	uint32_t word_count;
	uint32_t changed_from, changed_to; /* flash whose translation is outdated */
	uint32_t pc;                       /* where to go on while nothing runs */
	uint32_t last_pc;                  /* strict: the latest instruction */
	struct cats_m4_exceptions exceptions;

	/* What ended the latest slice; several may be set. */
	bool paused, reset_requested;
	uint32_t interrupt; /* of the emulator's numbering, or NO_INTERRUPT */
	enum cats_m4_fault fault;
	uint32_t fault_address;
	struct cats_m4_stopped stopped; /* .fault is kept for ever */

	uint32_t cpacr; /* CATS_M4_CPACR_FPU: the FPU is on */
};

/* Virtual time in cycles. */
static inline uint64_t cats_m4_now(const struct cats_m4 *m4)
{
	return m4->cycles + m4->slept;
}

/* A register by Unicorn's name. */
uint32_t cats_m4_get(const struct cats_m4 *m4, int which);
void cats_m4_put(struct cats_m4 *m4, int which, uint32_t value);

/* Out of reset once more: registers and exceptions; memory, counters and time go on. */
void cats_m4_restart(struct cats_m4 *m4);

/* The processor stands still until a time, from the next block on. */
void cats_m4_stall(struct cats_m4 *m4, uint64_t until);

/* Flash has other bytes than before. */
void cats_m4_flash_changed(struct cats_m4 *m4, uint32_t address, uint32_t bytes);

/* All that happens by itself, up to now; when something next does: UINT64_MAX is never. */
void cats_m4_advance(struct cats_m4 *m4);
uint64_t cats_m4_next(const struct cats_m4 *m4);

/* The core sleeps, and nothing is there to end that. */
bool cats_m4_sleeps(const struct cats_m4 *m4);

/* Execution continues elsewhere without a branch. */
void cats_m4_go_on(struct cats_m4 *m4, uint32_t pc);

/* Writes RAM; false where there is none. */
bool cats_m4_poke(struct cats_m4 *m4, uint32_t address, const void *bytes, size_t size);

/* Called before every instruction, while the core does not run; the instructions are translated anew. */
typedef void (*cats_m4_callback)(void);
uc_err cats_m4_hook_instructions(uc_hook *handle, struct cats_m4 *m4, cats_m4_callback function, void *context);
void cats_m4_unhook_instructions(struct cats_m4 *m4, uc_hook handle);

/* Ends the slice at the next chance. */
void cats_m4_raise(struct cats_m4 *m4, enum cats_m4_fault fault, uint32_t address);

CATS_MUST_CHECK enum cats_status cats_m4_profile_create(struct cats_m4 *m4, struct cats_error *error);
/* The counters of the function that an address lies in. */
uint32_t cats_m4_profile_slot(const struct cats_m4 *m4, uint32_t address);
/* Execution went from the end of one block to another that does not follow it. */
void cats_m4_profile_jump(struct cats_m4 *m4, const struct cats_m4_block *from, const struct cats_m4_block *to);

#define CATS_M4_CPACR_FPU 0x00F00000U /* CP10 and CP11; there are no others */

/* The system control space, 4 KiB at 0xE000E000. */
#define CATS_M4_SYSTEM 0xE000E000U
#define CATS_M4_SYSTEM_BYTES 0x1000U
uint32_t cats_m4_system_read(struct cats_m4 *m4, uint32_t offset, uint32_t bytes);
void cats_m4_system_write(struct cats_m4 *m4, uint32_t offset, uint32_t bytes, uint32_t value);

#endif
