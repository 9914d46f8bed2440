/* SPDX-License-Identifier: MIT */
/* One emulated nRF52840: core, memories, peripherals and the time that they share. It is strict: whatever silicon would
 * not do, or a register that nobody has modelled, stops it with the peripheral's name. Any number live in one process
 * and share nothing. Host only; see m4.h for Unicorn and its licence.
 *
 * Time is in cycles of the chip's 64 MHz since it was created, and goes on over resets and power cuts. A chip is run up
 * to a time by whoever owns several of them, told in between what happens outside, and tells by callbacks what it does
 * to the outside, each with its exact time. */
#ifndef CATS_EMULATOR_CHIP_H
#define CATS_EMULATOR_CHIP_H

#include "emulator/m4.h"
#include "emulator/peripheral.h"

struct cats_chip;

/* What a chip does to the outside; NULL: nobody is told. Times are not after the chip's own. */
struct cats_chip_host {
	void *context;
	/* A byte of UARTE 0 or 1, when its stop bit has ended. */
	void (*serial)(void *context, uint64_t time, uint32_t uarte, uint8_t byte);
	/* An output pin has this level from now on; pin 32 is P1.00. */
	void (*pin)(void *context, uint64_t time, uint32_t pin, bool high);
	/* A reset that happens, before it has happened: memory is still as it was. Not called for the first. */
	void (*reset)(void *context, uint64_t time, enum cats_reset cause);
};

struct cats_chip_options {
	bool fast;           /* as of a core (m4.h) */
	bool handles_faults; /* as of a core; a lockup resets. What peripherals refuse ends the run all the same */
	uint64_t seed;       /* of everything that differs from chip to chip: device identifiers, random numbers */
	struct cats_chip_host host;
};

/* A chip with the executable in its flash, as after power-on; `elf` outlives it. */
CATS_MUST_CHECK enum cats_status cats_chip_create(struct cats_chip **out, const struct cats_elf *elf,
						  const struct cats_chip_options *options, struct cats_error *error);
void cats_chip_free(struct cats_chip *chip);

/* Runs up to a time, which it may overshoot by what a basic block takes; at once back if that is past. Stops as a core
 * does: CATS_M4_LIMIT is that time; resets happen inside. After CATS_M4_FAULT it does not run again. */
struct cats_m4_stopped cats_chip_run(struct cats_chip *chip, uint64_t until);

/* The same, but ends (CATS_M4_INSTRUCTIONS) as soon as so many more instructions have been executed. */
struct cats_m4_stopped cats_chip_run_instructions(struct cats_chip *chip, uint64_t until, uint64_t instructions);

uint64_t cats_chip_now(const struct cats_chip *chip);

/* When the chip will next do something if nothing outside happens: now, unless it sleeps. */
uint64_t cats_chip_next(const struct cats_chip *chip);

/* The processor is in WFI or WFE, and nothing that would end that is there yet. */
bool cats_chip_sleeps(const struct cats_chip *chip);

/* Pulls the reset pin, or cuts the power and gives it back, now. After a power cut RAM holds CATS_M4_PAINT. */
void cats_chip_reset(struct cats_chip *chip, enum cats_reset cause);

/* Its core, for memory, registers, counters, stack and profile. */
struct cats_m4 *cats_chip_core(struct cats_chip *chip);

/* The peripheral at a base address, or NULL. What it can be told has functions of its own (radio.h …). */
struct cats_peripheral *cats_chip_peripheral(struct cats_chip *chip, uint32_t base);

/* As cats_m4_describe; of what a peripheral refused, its sentence. */
void cats_chip_describe(char *text, size_t size, const struct cats_chip *chip, const struct cats_m4_stopped *stopped);

#endif
