/* SPDX-License-Identifier: MIT */
/* A chip that runs firmware.elf as it would be flashed, and what it says on its serial line. */
#ifndef CATS_TESTS_EMULATOR_FIRMWARE_FIXTURE_H
#define CATS_TESTS_EMULATOR_FIRMWARE_FIXTURE_H

#include "emulator/chip.h"
#include "emulator/radio.h"
#include "ports/nrf52840/layout.h"

#define FIRMWARE_US ((uint64_t)CATS_CYCLES_PER_US)
#define FIRMWARE_MS (1000U * FIRMWARE_US)

struct firmware {
	struct cats_elf *elf;
	struct cats_chip *chip;
	char *log; /* all that it said, ending with a 0 */
	size_t bytes, room;
	size_t seen;          /* what firmware_await has passed */
	uint32_t input_bytes; /* of the small model */
	uint64_t frames;      /* that it has begun to send */
	uint32_t resets;      /* but for the first */
	struct cats_air air;
};

/* A chip whose flash has the firmware alone. */
void firmware_open(struct firmware *f, struct cats_elf *elf);
/* The same, another individual, on a core that is fast (m4.h). */
void firmware_open_fast(struct firmware *f, struct cats_elf *elf, uint64_t seed);
void firmware_close(struct firmware *f);

void firmware_load(struct cats_elf *elf);

/* Flashes an identity page, or a shard. */
void firmware_identify(struct firmware *f, uint16_t node);
void firmware_flash(struct firmware *f, uint32_t address, const void *bytes, size_t count);

/* A shard of its own: device `device` of `devices` of a small model. Returns its bytes. */
size_t firmware_plant(struct firmware *f, uint32_t devices, uint32_t device);

/* Sends the source an input of that model over the serial line. */
void firmware_feed(struct firmware *f);

/* Runs for so long; fails the test when the chip stops. */
void firmware_run(struct firmware *f, uint64_t cycles);

/* Runs until a line that contains `text` has come since the last such call, which must happen within so long. */
void firmware_await(struct firmware *f, const char *text, uint64_t cycles);
/* Whether there is such a line since then. */
bool firmware_says(const struct firmware *f, const char *text);

uint32_t firmware_symbol(const struct firmware *f, const char *name);

/* The node's epoch after its latest start, as it says. */
uint32_t firmware_epoch(const struct firmware *f);

#endif
