/* SPDX-License-Identifier: MIT */
/* Where the time of an integer inference goes: the linker leads every op of the runtime through a clock (--wrap), so
 * that the runtime knows nothing of it. For one thread at a time. */
#ifndef CATS_BENCH_OP_CLOCK_H
#define CATS_BENCH_OP_CLOCK_H

#include <stdint.h>

#include "core/shard.h"

#define CATS_CLOCKED_SHAPES 64

/* All products of one kind and shape. */
struct cats_clocked_shape {
	uint8_t code; /* enum cats_op_code */
	uint32_t outputs, columns, rows;
	uint64_t calls;
	double seconds; /* of all calls */
};

struct cats_op_clock {
	double ops[CATS_OP_END]; /* by code; 0 is what is between the ops: packets, the loop */
	struct cats_clocked_shape shapes[CATS_CLOCKED_SHAPES];
	uint32_t shape_count; /* shapes beyond the table are in `ops` alone */
};

const char *cats_op_name(uint32_t code);

/* Between these two, ops are timed. */
void cats_op_clock_start(void);
void cats_op_clock_stop(struct cats_op_clock *out);

#endif
