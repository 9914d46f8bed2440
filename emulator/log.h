/* SPDX-License-Identifier: MIT */
/* What nodes say over their serial lines: lines `time_us node: text`, merged by time. The nodes' own stamps are the
 * best time there is of what a line tells, so they are turned into global time: a node's boot is as long ago as the
 * quickest of its lines says. Host only. */
#ifndef CATS_EMULATOR_LOG_H
#define CATS_EMULATOR_LOG_H

#include <stdbool.h>

#include "core/shard.h"
#include "io/error.h"
#include "sim/clock.h"

/* A longer one is cut off. */
#define CATS_LOG_LINE_BYTES (256U << 10)

struct cats_log;

struct cats_log_line {
	uint32_t node;
	cats_time time;   /* global, of its stamp; where it has none, of its first byte */
	bool whole;       /* not cut off by a reset */
	const char *text; /* behind `time_us node: `; where it has no such beginning, all of it */
};

/* clocks[nodes] outlive the log; `line` is called for each whole line. `keeps`: for cats_log_write. */
CATS_MUST_CHECK enum cats_status cats_log_create(struct cats_log **out, const struct cats_clock *const *clocks,
						 uint32_t nodes, bool keeps,
						 void (*line)(void *context, const struct cats_log_line *line),
						 void *context, struct cats_error *error);
void cats_log_free(struct cats_log *log);

/* A byte whose stop bit ended at a time. CATS_ERR_MEMORY. */
CATS_MUST_CHECK enum cats_status cats_log_byte(struct cats_log *log, uint32_t node, cats_time time, uint8_t byte,
					       struct cats_error *error);

/* The node's clock began anew. What of a line was there is a line. */
CATS_MUST_CHECK enum cats_status cats_log_reset(struct cats_log *log, uint32_t node, struct cats_error *error);

/* Whether the node is in the middle of a line. */
bool cats_log_is_open(const struct cats_log *log, uint32_t node);

/* All lines in the order of their time: milliseconds, then the line as the node sent it. */
CATS_MUST_CHECK enum cats_status cats_log_write(struct cats_log *log, const char *path, struct cats_error *error);

#endif
