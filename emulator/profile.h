/* SPDX-License-Identifier: MIT */
/* Which functions of an image the instructions and cycles go to. Calls are followed by an image of the call stack:
 * BL and BLX push, arriving at the return address pops, a branch to another function's start takes its caller's place.
 * Host only. */
#ifndef CATS_EMULATOR_PROFILE_H
#define CATS_EMULATOR_PROFILE_H

#include "emulator/m4.h"

struct cats_m4_profile_line {
	const char *function; /* "?" is what no function symbol covers */
	uint64_t calls;
	uint64_t instructions, cycles;             /* in the function itself */
	uint64_t total_instructions, total_cycles; /* in its calls that have returned, with all they called; calls of a
						    * function from within itself count again */
};

/* Since reset, or since the profile was cleared, most instructions first. *lines is malloc'ed; returns their number.
 * CATS_ERR_MEMORY. */
CATS_MUST_CHECK enum cats_status cats_m4_profile(struct cats_m4_profile_line **lines, size_t *count,
						 const struct cats_m4 *m4, struct cats_error *error);

/* One function's line; all 0 if it never ran. */
struct cats_m4_profile_line cats_m4_profile_of(const struct cats_m4 *m4, const char *function);

void cats_m4_profile_clear(struct cats_m4 *m4);

#endif
