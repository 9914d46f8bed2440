/* SPDX-License-Identifier: MIT */
/* Axes. See axis.h. */
#include "report/axis.h"

#include <math.h>
#include <stdio.h>

/* The smallest of 1, 2, 5 times a power of ten that is no less than `step` > 0. */
static double round_step(double step)
{
	const double power = pow(10.0, floor(log10(step)));
	const double slack = 1.0 + 1e-9; /* 0.2 is 2 · 0.1 although 0.2 / 0.1 may be a bit more than 2 */

	for (int i = 0; i < 3; i++) {
		const double factor = (const double[]){1.0, 2.0, 5.0}[i];

		if (step <= factor * power * slack)
			return factor * power;
	}
	return 10.0 * power;
}

static void widen(double *low, double *high)
{
	const double magnitude = fmax(fabs(*low), fabs(*high));
	const double least = magnitude > 0.0 ? magnitude * 1e-9 : 1.0;

	if (*high - *low < least) {
		*low -= magnitude > 0.0 ? magnitude * 0.05 : 0.5;
		*high += magnitude > 0.0 ? magnitude * 0.05 : 0.5;
	}
}

struct cats_axis cats_axis_fit(double low, double high, int wanted)
{
	widen(&low, &high);
	const double step = round_step((high - low) / wanted);
	const double first = floor(low / step + 1e-9);
	const double last = ceil(high / step - 1e-9);

	return (struct cats_axis){
		.min = first * step,
		.max = last * step,
		.first = first * step,
		.step = step,
		.marks = (int)(last - first) + 1,
	};
}

struct cats_axis cats_axis_fixed(double low, double high, int wanted)
{
	widen(&low, &high);
	const double step = round_step((high - low) / wanted);
	const double first = ceil(low / step - 1e-9);
	const double last = floor(high / step + 1e-9);

	return (struct cats_axis){
		.min = low,
		.max = high,
		.first = first * step,
		.step = step,
		.marks = (int)(last - first) + 1,
	};
}

double cats_axis_mark(const struct cats_axis *axis, int mark)
{
	const double value = axis->first + mark * axis->step;

	return fabs(value) < axis->step / 2.0 ? 0.0 : value; /* no "-0" */
}

const char *cats_axis_label(char label[CATS_AXIS_LABEL_BYTES], const struct cats_axis *axis, int mark)
{
	const double value = cats_axis_mark(axis, mark);
	const double decimals = -floor(log10(axis->step) + 1e-9);

	if (fabs(value) >= 1e7 || decimals > 6)
		snprintf(label, CATS_AXIS_LABEL_BYTES, "%.6g", value);
	else
		snprintf(label, CATS_AXIS_LABEL_BYTES, "%.*f", decimals > 0 ? (int)decimals : 0, value);
	return label;
}
