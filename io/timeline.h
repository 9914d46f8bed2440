/* SPDX-License-Identifier: MIT */
/* Time stamps of the rows of a table, which must go on evenly: a series with a hole would be learnt as if it had none.
 */
#ifndef CATS_IO_TIMELINE_H
#define CATS_IO_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A moment, in two counts: rows a month apart are even in months, all others in seconds. */
struct cats_moment {
	int64_t seconds; /* since 1970-01-01, leap seconds left out */
	int64_t month;   /* 12 · year + month - 1 */
	int64_t within;  /* seconds since the month began */
};

/* ISO 8601: YYYY-MM-DD, then perhaps a blank or T and HH:MM, perhaps :SS, perhaps Z. False for anything else, also for
 * days and times that do not exist. */
bool cats_moment_parse(struct cats_moment *out, const char *text);

/* All zero at the beginning. */
struct cats_timeline {
	size_t rows;
	bool unknown; /* the first text was no time stamp: nothing is checked */
	struct cats_moment first, second, last;
};

/* What the next row's text is. */
enum cats_timeline_rule {
	CATS_TIME_FINE,
	CATS_TIME_NO_STAMP, /* the ones before were time stamps */
	CATS_TIME_TWICE,
	CATS_TIME_BACKWARDS,
	CATS_TIME_GAP, /* the step is another than the first one, in seconds and in months */
};
enum cats_timeline_rule cats_timeline_next(struct cats_timeline *line, const char *text);

#endif
