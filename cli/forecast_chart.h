/* SPDX-License-Identifier: MIT */
/* The chart of cats forecast: a window's truth and what was forecast of it. Knows no model. */
#ifndef CATS_CLI_FORECAST_CHART_H
#define CATS_CLI_FORECAST_CHART_H

#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

/* All values in the units of the file. */
struct cats_forecast_chart {
	const char *title, *column;
	const double *truth; /* [shown + horizon]: values before the forecast, and those that it is of */
	uint32_t shown, horizon;
	const double *const *forecasts; /* [count] of [horizon] */
	const char *const *names;       /* [count] */
	size_t count;
};

CATS_MUST_CHECK enum cats_status cats_forecast_draw(const char *path, const struct cats_forecast_chart *chart,
						    struct cats_error *error);

#endif
