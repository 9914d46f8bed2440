/* SPDX-License-Identifier: MIT */
/* What the image script.elf does: one operation on a register after another, as the host has written them into its
 * object `script`; then it stops at breakpoint CATS_HOST_SERVE for the next. So a test of a peripheral is one list. */
#ifndef CATS_TESTS_IMAGES_SCRIPT_H
#define CATS_TESTS_IMAGES_SCRIPT_H

#include <stdint.h>

enum script_operation {
	SCRIPT_END,
	SCRIPT_WRITE,   /* value to address; */
	SCRIPT_WRITE_8, /* its lowest byte */
	SCRIPT_WRITE_16,
	SCRIPT_READ,   /* address, into told.read */
	SCRIPT_READ_8, /* one byte */
	SCRIPT_AWAIT,  /* reads address until it is not 0 */
	SCRIPT_CALL,   /* a function at address, whose value goes into told.read */
	SCRIPT_STACK,  /* sp becomes `value`, and something is pushed */
	SCRIPT_SLEEP,  /* WFI */
	SCRIPT_LOOP,   /* `value` turns of a loop of 4 cycles */
	/* Enables interrupt `value`, whose handler writes 0 to `address` and reads that back, or does nothing where
	 * that is 0. One more than an address: it does not read it back. */
	SCRIPT_INTERRUPT
};

struct script_line {
	uint32_t operation, address, value;
};

#define SCRIPT_LINES 64U

/* What the handler of hard faults puts down here before it resets the chip; careless: it uses the stack that it finds.
 */
#define SCRIPT_FAULT 0x2003F000U
struct script_fault {
	uint32_t careless;
	uint32_t seen; /* counts */
	uint32_t pc;   /* stacked */
	uint32_t sp, exc_return, cfsr, hfsr, bfar;
};

/* The object `told`; cleared when a script begins. */
struct script_report {
	uint32_t read[32], reads;
	uint32_t interrupts[48]; /* how often the handler of each ran */
};

#endif
