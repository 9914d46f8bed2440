/* SPDX-License-Identifier: MIT */
/* Standardising one window. See series.h. */
#include "model/series.h"

#include <math.h>

struct cats_level cats_series_level(const float *context, const struct cats_series_config *series)
{
	const double count = series->context;
	double sum = 0, squares = 0;

	for (uint32_t i = 0; i < series->context; i++)
		sum += (double)context[i];
	const double mean = sum / count;
	for (uint32_t i = 0; i < series->context; i++)
		squares += ((double)context[i] - mean) * ((double)context[i] - mean);
	return (struct cats_level){(float)mean, (float)sqrt(squares / count + series->epsilon)};
}

void cats_series_standardise(float *out, const float *context, struct cats_level level,
			     const struct cats_series_config *series)
{
	for (uint32_t i = 0; i < series->context; i++)
		out[i] = (context[i] - level.mean) / level.deviation;
}
