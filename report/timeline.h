/* SPDX-License-Identifier: MIT */
/* Who does what when, as an SVG file: one row for each of many, bars of some kinds in them, named phases above, a time
 * axis below. Depends on io/ for writing. Host only. */
#ifndef CATS_REPORT_TIMELINE_H
#define CATS_REPORT_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

struct cats_timeline_kind {
	const char *name;
	const char *colour; /* "#RRGGBB" */
	bool low;           /* in the narrow lane at the bottom of a row; else in the wide one above it */
};

struct cats_timeline_bar {
	uint32_t row, kind;
	double from, to;
};

/* A stretch of time with a name: a band over all rows. */
struct cats_timeline_phase {
	const char *name;
	double from, to;
};

/* All texts are the caller's, UTF-8; times in the unit of the axis label, from … to is what is shown. A later kind is
 * drawn over an earlier one. */
struct cats_timeline {
	const char *title, *axis_label;
	double from, to;
	const char *const *rows; /* [row_count] names */
	size_t row_count;
	const struct cats_timeline_kind *kinds;
	size_t kind_count;
	const struct cats_timeline_bar *bars; /* those of a row and kind in the order of time */
	size_t bar_count;
	const struct cats_timeline_phase *phases; /* in the order of time */
	size_t phase_count;
};

/* Writes `path` (atomically). CATS_ERR_USAGE for what cannot be drawn: no row, from >= to, times that are not finite, a
 * bar of a row or kind that is not there. Bars nearer to each other than a fraction of a pixel flow together. The same
 * timeline gives the same bytes. */
CATS_MUST_CHECK enum cats_status cats_timeline_write_svg(const char *path, const struct cats_timeline *timeline,
							 struct cats_error *error);

#endif
