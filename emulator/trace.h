/* SPDX-License-Identifier: MIT */
/* What one core executes, instruction by instruction, as text for a person:
 *
 *	64212 0x00001f72 cats_station_run+34 r0 00000001 sp 20000ff8
 *
 * is the time in cycles at the end of the basic block, the address, the function and the registers that the instruction
 * changed. An exception's entry or return shows as a change of xpsr, lr, sp. Host only. */
#ifndef CATS_EMULATOR_TRACE_H
#define CATS_EMULATOR_TRACE_H

#include "emulator/m4.h"

struct cats_trace;

/* Begins a trace of a core that does not run at the moment, into a new file; one at a time of a core. It slows the core
 * down some hundredfold. Ends it; says whether all of it could be written. */
CATS_MUST_CHECK enum cats_status cats_trace_begin(struct cats_trace **out, struct cats_m4 *m4, const char *path,
						  struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_trace_end(struct cats_trace *trace, struct cats_error *error);

#endif
