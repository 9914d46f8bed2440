/* SPDX-License-Identifier: MIT */
/* Emulated nRF52840 that hear each other: any number in one process, one virtual time, the simulator's medium between
 * their radios, a drifting clock for each. Same options, same run, to the instruction. Host only; see m4.h for Unicorn
 * and its licence.
 *
 * Time is global (sim/clock.h). Chips run one after the other, each up to the same moment, never far enough apart to
 * hear the future: 39 us while no transmitter is on, since the first bit is on air 40 us after the transmitter is
 * enabled; from a transmitter's first possible bit on 8 us, and not over a moment at which a receiver decides about a
 * frame: it asks what was on air 5 us before, which all chips must have told. (A chip runs over by a basic block; one
 * longer than 64 cycles could overlook an interferer that begins within the last microseconds of a frame, and nothing
 * else.) */
#ifndef CATS_EMULATOR_CHIPS_H
#define CATS_EMULATOR_CHIPS_H

#include "emulator/chip.h"
#include "sim/world.h"

struct cats_chips;

struct cats_chips_options {
	const struct cats_elf *const *images; /* [medium.topology->nodes] outlive the network */
	struct cats_medium_options medium;
	uint32_t drift_ppm;            /* clocks differ from true time by up to ± this */
	cats_time power_on;            /* chips get power at different times, up to this */
	bool fast, handles_faults;     /* as of a core (m4.h) */
	bool ccm_keeps_rate;           /* see ccm.h */
	struct cats_observer observer; /* `gather` and `inference` are not called */
	/* A byte from a chip's UARTE 0; a level of an output pin; a reset that is about to happen. NULL: nobody is
	 * told. In the order of time of each chip; between chips within 40 us. */
	void (*serial)(void *context, uint32_t chip, cats_time time, uint8_t byte);
	void (*pin)(void *context, uint32_t chip, cats_time time, uint32_t pin, bool high);
	void (*reset)(void *context, uint32_t chip, cats_time time, enum cats_reset cause);
	void *context;
};

CATS_MUST_CHECK enum cats_status cats_chips_create(struct cats_chips **out, const struct cats_chips_options *options,
						   struct cats_error *error);
void cats_chips_free(struct cats_chips *chips);

/* Up to a time, or until cats_chips_halt was called; nobody is then behind that time, and each before it by a basic
 * block at most. CATS_ERR_MISMATCH: a chip stopped as silicon would not; the error says which, when, where and why. */
CATS_MUST_CHECK enum cats_status cats_chips_run(struct cats_chips *chips, cats_time until, struct cats_error *error);

/* From within a callback: cats_chips_run returns soon. */
void cats_chips_halt(struct cats_chips *chips);

cats_time cats_chips_time(const struct cats_chips *chips);
uint32_t cats_chips_count(const struct cats_chips *chips);
const struct cats_clock *cats_chips_clock(const struct cats_chips *chips, uint32_t chip);

/* The chip, to look into it, to write its memory, or to send to its UARTE. It is run by the network alone. */
struct cats_chip *cats_chips_at(const struct cats_chips *chips, uint32_t chip);

/* A chip that has stopped at a breakpoint, for good: how; it goes on hearing nothing. NULL: it runs. */
const struct cats_m4_stopped *cats_chips_stopped(const struct cats_chips *chips, uint32_t chip);

/* Faults, at the time that it is. Without power a chip does nothing, and its RAM is gone; it boots when it has power
 * again. A reset is by its pin. */
void cats_chips_cut_power(struct cats_chips *chips, uint32_t chip);
/* Power goes as soon as the chip has executed so many instructions since the beginning, in the middle of whatever that
 * is, and comes back after `outage` (CATS_TIME_MAX: never by itself). Those of now are in cats_chip_core. */
void cats_chips_cut_power_after(struct cats_chips *chips, uint32_t chip, uint64_t instructions, cats_time outage);
void cats_chips_give_power(struct cats_chips *chips, uint32_t chip);
void cats_chips_pull_reset(struct cats_chips *chips, uint32_t chip);

/* Time that a chip spent in each state since the network began, by its own clock. */
void cats_chips_spent(cats_time spent[CATS_DRAWS], const struct cats_chips *chips, uint32_t chip);

/* All frames so far. */
uint64_t cats_chips_frames(const struct cats_chips *chips);
cats_time cats_chips_air(const struct cats_chips *chips);

#endif
