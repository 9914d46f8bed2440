/* SPDX-License-Identifier: MIT */
/* Small text files of one directive a line: words apart by blanks, `#` begins a comment. What the readers of topologies
 * and of faults share. */
#ifndef CATS_SIM_LINES_H
#define CATS_SIM_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

#define CATS_LINES_MAX_BYTES ((size_t)1 << 20)
#define CATS_LINES_MAX_WORDS 6U /* more are counted as so many */

/* Where the reader is, for errors. */
struct cats_lines {
	const char *name;
	uint32_t line;
	struct cats_error *error;
};

/* Calls take(context, words, count) for each line that has words, until one fails. The text, `size` bytes and one more,
 * is overwritten; one with a NUL byte is refused. */
CATS_MUST_CHECK enum cats_status cats_lines_read(struct cats_lines *lines, char *text, size_t size,
						 enum cats_status (*take)(void *context, char *const *words,
									  uint32_t count),
						 void *context);

/* "NAME: line N: RULE", as CATS_ERR_FORMAT. */
enum cats_status cats_lines_refuse(const struct cats_lines *lines, const char *rule);

/* A whole number below `bound`, which counts `what`s; a decimal number within a range. */
CATS_MUST_CHECK enum cats_status cats_lines_count(uint32_t *out, const struct cats_lines *lines, const char *word,
						  uint32_t bound, const char *what);
CATS_MUST_CHECK enum cats_status cats_lines_number(double *out, const struct cats_lines *lines, const char *word,
						   double least, double most);

#endif
