/* SPDX-License-Identifier: MIT */
/* Where the marks of an axis go: round numbers that enclose the data. Depends on the C library only. Host only. */
#ifndef CATS_REPORT_AXIS_H
#define CATS_REPORT_AXIS_H

#include <stddef.h>

/* Values beyond this are refused before they reach an axis, so that differences stay finite. */
#define CATS_AXIS_LIMIT 1e100

/* Marks at first, first + step, …, first + (marks - 1) · step; the axis reaches from min to max, which a fixed axis
 * need not have marks at. */
struct cats_axis {
	double min, max;
	double first, step;
	int marks;
};

/* Rounds [low, high] outwards to multiples of 1, 2 or 5 times a power of ten, with some `wanted` (at least 2) marks.
 * Requires low <= high, both within ±CATS_AXIS_LIMIT. A range narrower than floats can mark is widened. */
struct cats_axis cats_axis_fit(double low, double high, int wanted);

/* The same marks, yet the axis is [low, high] itself. Requires low < high. */
struct cats_axis cats_axis_fixed(double low, double high, int wanted);

double cats_axis_mark(const struct cats_axis *axis, int mark);

/* The mark's number with as many decimals as the step needs; returns label. */
#define CATS_AXIS_LABEL_BYTES 32
const char *cats_axis_label(char label[CATS_AXIS_LABEL_BYTES], const struct cats_axis *axis, int mark);

#endif
