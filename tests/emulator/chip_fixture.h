/* SPDX-License-Identifier: MIT */
/* A chip that runs script.elf, for tests of peripherals: a test is a list of operations and what they read. */
#ifndef CATS_TESTS_EMULATOR_CHIP_FIXTURE_H
#define CATS_TESTS_EMULATOR_CHIP_FIXTURE_H

#include "emulator/chip.h"
#include "tests/images/script.h"

struct chip_fixture {
	struct cats_elf elf;
	struct cats_chip *chip;
	struct script_report told; /* of the latest script */
	struct cats_m4_stopped stopped;
	uint64_t began, ended; /* when the latest script did */
};

/* Ready for a script. `options` may be NULL. */
void chip_fixture_open(struct chip_fixture *f, const struct cats_chip_options *options);
void chip_fixture_close(struct chip_fixture *f);

/* Gives the image a script, and lets it run up to a time; true if the script ended. */
void chip_fixture_load(struct chip_fixture *f, const struct script_line *lines, size_t count);
bool chip_fixture_start(struct chip_fixture *f, const struct script_line *lines, size_t count);
bool chip_fixture_go_on(struct chip_fixture *f, uint64_t until);

/* Runs a script, which must end within ten seconds of the chip's time. */
void chip_fixture_run(struct chip_fixture *f, const struct script_line *lines, size_t count);
#define CHIP_RUN(f, ...)                                               \
	chip_fixture_run(f, (const struct script_line[]){__VA_ARGS__}, \
			 sizeof((const struct script_line[]){__VA_ARGS__}) / sizeof(struct script_line))

/* Runs a script on a chip of its own, which must be refused with a sentence that contains `text`. */
void chip_fixture_refuses(const char *text, const struct script_line *lines, size_t count);
#define CHIP_REFUSES(text, ...)                                               \
	chip_fixture_refuses(text, (const struct script_line[]){__VA_ARGS__}, \
			     sizeof((const struct script_line[]){__VA_ARGS__}) / sizeof(struct script_line))

#define WRITE(address, value)                \
	{                                    \
		SCRIPT_WRITE, address, value \
	}
#define READ(address)                   \
	{                               \
		SCRIPT_READ, address, 0 \
	}
#define AWAIT(address)                   \
	{                                \
		SCRIPT_AWAIT, address, 0 \
	}
#define CALL(address)                   \
	{                               \
		SCRIPT_CALL, address, 0 \
	}
#define LOOP(turns)                   \
	{                             \
		SCRIPT_LOOP, 0, turns \
	}
#define SLEEP                      \
	{                          \
		SCRIPT_SLEEP, 0, 0 \
	}
#define INTERRUPT(number, clears)                \
	{                                        \
		SCRIPT_INTERRUPT, clears, number \
	}

#endif
