/* SPDX-License-Identifier: MIT */
/* One emulated Cortex-M4F with the memory of an nRF52840: 1 MiB of flash at 0, 256 KiB of RAM at 0x20000000, nothing
 * else mapped. Runs an executable as it would be flashed, counts every instruction, estimates cycles, and stops with a
 * name at whatever silicon would not do. Any number of cores live in one process: there are no globals. Host only.
 *
 * Emulation by Unicorn, which is under GPL-2.0: a program that links this room is under those terms as a whole. The
 * room's own sources are MIT, and `cats` does not link it (docs/DESIGN.md).
 *
 * Instructions are exact. An instruction whose condition fails counts, as on silicon, where it takes its cycle.
 * Cycles are an estimate by the Technical Reference Manual's rules without wait states (emulator/thumb.h), never a
 * measurement of silicon. */
#ifndef CATS_EMULATOR_M4_H
#define CATS_EMULATOR_M4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/elf.h"

#define CATS_M4_FLASH 0x00000000U
#define CATS_M4_FLASH_BYTES (1U << 20)
#define CATS_M4_RAM 0x20000000U
#define CATS_M4_RAM_BYTES (256U << 10)

/* Byte that RAM holds before anything is written: nothing may rely on zeros, and a stack's depth shows. */
#define CATS_M4_PAINT 0xA5U

struct cats_m4;
struct cats_m4_bus;

struct cats_m4_options {
	/* Several times faster, still exact in instructions, but: a fault's pc is the start of its basic block and the
	 * block's instructions are not counted; unaligned accesses cost nothing, and those that fault on silicon
	 * (LDRD, LDM, VLDR, … at an address that is no multiple of 4) do not. */
	bool fast;
	/* Faults that silicon knows enter the handler of hard faults (others are not enabled), as there, instead of
	 * ending the run; one within that handler locks the core up. What is known of a write that failed is imprecise;
	 * a handler's frame has the pc that cats_m4_stopped would. */
	bool handles_faults;
	const struct cats_m4_bus *bus; /* what is around it; NULL: nothing is (a chip's, see chip.h) */
};

enum cats_m4_stop {
	CATS_M4_LIMIT,        /* the limit of cycles is reached, at the start of a basic block or in WFI */
	CATS_M4_BREAKPOINT,   /* BKPT; the next run goes on behind it */
	CATS_M4_INSTRUCTIONS, /* the limit of instructions is reached, exactly */
	CATS_M4_WAITING,      /* WFI or WFE, no limit, and no timer that could end it: only cats_m4_interrupt can */
	CATS_M4_RESET,        /* AIRCR.SYSRESETREQ, or a peripheral's; the core does not run again */
	CATS_M4_LOCKUP,       /* a fault in a handler of faults; the core does not run again */
	CATS_M4_FAULT,
};

enum cats_m4_fault {
	CATS_M4_NO_FAULT,
	CATS_M4_FAULT_READ,       /* of an address where nothing is */
	CATS_M4_FAULT_WRITE,      /* to an address where nothing is */
	CATS_M4_FAULT_FLASH,      /* a write to flash */
	CATS_M4_FAULT_FETCH,      /* execution outside flash */
	CATS_M4_FAULT_ARM,        /* a branch to an address without the Thumb bit */
	CATS_M4_FAULT_UNALIGNED,  /* an access that must be aligned and is not */
	CATS_M4_FAULT_UNDEFINED,  /* an undefined instruction */
	CATS_M4_FAULT_FPU,        /* a floating-point instruction while CPACR forbids it; pc: its basic block */
	CATS_M4_FAULT_REGISTER,   /* a system register that is not modelled */
	CATS_M4_FAULT_EXCEPTION,  /* an exception that is not modelled, or a return from one that is not active */
	CATS_M4_FAULT_PERIPHERAL, /* a peripheral refused something: chip.h says what */
	CATS_M4_FAULT_EMULATOR,   /* the emulator itself refused to go on */
};

struct cats_m4_stopped {
	enum cats_m4_stop stop;
	enum cats_m4_fault fault;
	uint8_t breakpoint; /* its number */
	uint32_t pc;        /* of the breakpoint or of what faulted */
	uint32_t address;   /* that was accessed, where that is the fault */
};

/* A reset core with the executable in its flash; `elf` outlives it. Refuses segments outside flash. */
CATS_MUST_CHECK enum cats_status cats_m4_create(struct cats_m4 **out, const struct cats_elf *elf,
						const struct cats_m4_options *options, struct cats_error *error);
void cats_m4_free(struct cats_m4 *m4);

/* Runs until something happens, or until `limit_cycles` more of virtual time have passed (0: no limit). Exceptions are
 * entered and left between basic blocks, stacked and prioritised as on silicon, floating-point registers included (they
 * are saved at once, and cost what saving them lazily costs). WFI lets time pass until an exception of enough priority
 * is pending. */
struct cats_m4_stopped cats_m4_run(struct cats_m4 *m4, uint64_t limit_cycles);

/* The same, but ends as soon as so many more instructions have been executed, be it within a basic block; those that an
 * IT block skips right behind them are passed too. A fault, a breakpoint and waiting end it sooner. */
struct cats_m4_stopped cats_m4_run_instructions(struct cats_m4 *m4, uint64_t limit_cycles, uint64_t instructions);

/* Makes interrupt 0 … 47 of the chip pending. */
#define CATS_M4_INTERRUPTS 48U
void cats_m4_interrupt(struct cats_m4 *m4, uint32_t number);

/* Writes memory from outside, wholly within flash or RAM, else CATS_ERR_USAGE. Flash that the executable occupies is
 * not written over. */
CATS_MUST_CHECK enum cats_status cats_m4_write(struct cats_m4 *m4, uint32_t address, const void *bytes, size_t size,
					       struct cats_error *error);

/* Replaces all of flash, [CATS_M4_FLASH_BYTES], what the executable occupies too; names of functions stay its. */
void cats_m4_flash(struct cats_m4 *m4, const uint8_t *bytes);

/* Memory as it is, wholly within flash or RAM, else NULL; read-only, valid until the core is freed. */
const uint8_t *cats_m4_memory(const struct cats_m4 *m4, uint32_t address, size_t size);

/* r0 … r15; of the pc, where execution goes on. */
uint32_t cats_m4_register(const struct cats_m4 *m4, uint32_t number);
void cats_m4_set_register(struct cats_m4 *m4, uint32_t number, uint32_t value);

/* Executed since reset. */
uint64_t cats_m4_instructions(const struct cats_m4 *m4);
uint64_t cats_m4_cycles(const struct cats_m4 *m4);

/* Virtual time since reset: cycles, and those that passed in WFI or while flash was written. */
uint64_t cats_m4_time_cycles(const struct cats_m4 *m4);

/* The deepest that the stack below `top` has been since the last paint, by the lowest byte that was written: bytes from
 * `top`, a multiple of 4, down to it, not below `bottom`. Painting overwrites all from bottom to the stack pointer. */
void cats_m4_stack_paint(struct cats_m4 *m4, uint32_t bottom);
uint32_t cats_m4_stack_used(const struct cats_m4 *m4, uint32_t bottom, uint32_t top);

/* "a read where nothing is", … */
const char *cats_m4_fault_text(enum cats_m4_fault fault);

/* Several lines for a person: what stopped it, in which function, and all registers. */
void cats_m4_describe(char *text, size_t size, const struct cats_m4 *m4, const struct cats_m4_stopped *stopped);

#endif
