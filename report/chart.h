/* SPDX-License-Identifier: MIT */
/* Line charts as SVG files: one panel, or several with common axes and one legend. Depends on io/ for writing. Host
 * only. */
#ifndef CATS_REPORT_CHART_H
#define CATS_REPORT_CHART_H

#include <stdbool.h>
#include <stddef.h>

#include "io/error.h"

struct cats_point {
	double x, y;
	double error; /* half the height of the error bar; 0: none */
};

/* Colours are Okabe and Ito's, which people with each kind of colour blindness tell apart; markers differ too. */
#define CATS_CHART_HUES 8U

struct cats_series {
	const char *name;
	const struct cats_point *points; /* in ascending x */
	size_t count;
	unsigned hue; /* 1 … CATS_CHART_HUES; 0: by its place among the series */
	bool dashed;  /* dashed line, hollow marker: the lesser one of a pair that shares its hue */
};

struct cats_chart_panel {
	const char *title; /* NULL: none */
	const struct cats_series *series;
	size_t series_count;
};

/* All texts are the caller's, UTF-8. Every panel has the same series, by number and name. */
struct cats_chart {
	const char *title;
	const char *x_label, *y_label;
	const struct cats_chart_panel *panels;
	size_t panel_count;
	size_t panels_a_row; /* 0: one row for up to 1 panel, else 2 a row */
	double y_min, y_max; /* the range shown, what lies beyond is cut off; both 0: round numbers around the data */
};

/* Writes `path` (atomically). CATS_ERR_USAGE for what cannot be drawn: no panel, no series, no point, more series than
 * hues without one chosen, values that are not finite or beyond 1e100, x that descends, y_min > y_max. The same chart
 * gives the same bytes. */
CATS_MUST_CHECK enum cats_status cats_chart_write_svg(const char *path, const struct cats_chart *chart,
						      struct cats_error *error);

#endif
