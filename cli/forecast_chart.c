/* SPDX-License-Identifier: MIT */
/* See forecast_chart.h. */
#include "cli/forecast_chart.h"

#include <stdlib.h>

#include "report/chart.h"

/* A line whose first point is at `x`. */
static struct cats_series line(struct cats_point *points, const char *name, const double *values, size_t count,
			       double x)
{
	for (size_t i = 0; i < count; i++)
		points[i] = (struct cats_point){.x = x + (double)i, .y = values[i]};
	return (struct cats_series){.name = name, .points = points, .count = count};
}

enum cats_status cats_forecast_draw(const char *path, const struct cats_forecast_chart *c, struct cats_error *error)
{
	const size_t most = (size_t)c->shown + c->horizon;
	struct cats_series *series = calloc(1 + c->count, sizeof *series);
	struct cats_point *points = calloc((1 + c->count) * most, sizeof *points);
	const struct cats_chart_panel panel = {.series = series, .series_count = 1 + c->count};
	const struct cats_chart chart = {.title = c->title,
					 .x_label = "rows from the beginning of the forecast",
					 .y_label = c->column,
					 .panels = &panel,
					 .panel_count = 1};
	enum cats_status status = CATS_OK;

	if (series == NULL || points == NULL) {
		status = cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path);
	} else {
		series[0] = line(points, "truth", c->truth, most, -(double)c->shown);
		for (size_t f = 0; f < c->count; f++) {
			series[f + 1] = line(points + (f + 1) * most, c->names[f], c->forecasts[f], c->horizon, 0);
			series[f + 1].dashed = f % 2 == 1; /* model and plan lie on one another */
		}
		status = cats_chart_write_svg(path, &chart, error);
	}
	free(series);
	free(points);
	return status;
}
