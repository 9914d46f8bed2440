/* SPDX-License-Identifier: MIT */
/* Windows of a series. See series.h. */
#include "io/series.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static const char *name_of(enum cats_split split)
{
	return split == CATS_SPLIT_TRAIN  ? "train"
	       : split == CATS_SPLIT_VAL  ? "val"
	       : split == CATS_SPLIT_TEST ? "test"
					  : "all";
}

struct cats_rows cats_series_rows(size_t rows, enum cats_split split)
{
	const size_t train_end = rows * 3 / 5;
	const size_t val_end = rows * 4 / 5;

	switch (split) {
	case CATS_SPLIT_TRAIN:
		return (struct cats_rows){0, train_end};
	case CATS_SPLIT_VAL:
		return (struct cats_rows){train_end, val_end};
	case CATS_SPLIT_TEST:
		return (struct cats_rows){val_end, rows};
	default:
		return (struct cats_rows){0, rows};
	}
}

/* Mean and deviation of a column's training rows, in double: two passes, since one would lose what a large mean hides.
 */
static void measure(struct cats_scale *out, const struct cats_csv *csv, uint32_t column)
{
	const struct cats_rows rows = cats_series_rows(csv->rows, CATS_SPLIT_TRAIN);
	const double count = (double)(rows.end - rows.first);
	double sum = 0, squares = 0;

	for (size_t r = rows.first; r < rows.end; r++)
		sum += (double)csv->values[r * csv->columns + column];
	out->mean = sum / count;
	for (size_t r = rows.first; r < rows.end; r++) {
		const double x = (double)csv->values[r * csv->columns + column] - out->mean;

		squares += x * x;
	}
	out->deviation = sqrt(squares / count);
}

/* A column that is constant but for rounding; 2^-20 of the mean is a few of float32's last bits. */
static bool is_constant(const struct cats_scale *scale)
{
	return !(scale->deviation > fabs(scale->mean) * 0x1p-20);
}

static enum cats_status standardise(struct cats_dataset *out, const struct cats_csv *csv, uint32_t column,
				    struct cats_rows rows, const char *name, struct cats_error *error)
{
	struct cats_scale *scale = &out->scales[column];
	float *to = out->series + column * out->rows;

	measure(scale, csv, column);
	if (is_constant(scale))
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: column '%s': is constant (%g) over the training rows, so that there is nothing "
				 "to learn; choose other columns",
				 name, csv->names[column], scale->mean);
	for (size_t r = rows.first; r < rows.end; r++) {
		const double x = (double)csv->values[r * csv->columns + column];

		to[r - rows.first] = (float)((x - scale->mean) / scale->deviation);
		if (!isfinite(to[r - rows.first]))
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: column '%s': row %zu: %g is too far from the training rows' %g ± %g; "
					 "correct it",
					 name, csv->names[column], r + 1, x, scale->mean, scale->deviation);
	}
	return CATS_OK;
}

enum cats_status cats_series_cut(struct cats_dataset *out, const struct cats_csv *csv, enum cats_split split,
				 uint32_t window, uint32_t stride, const char *name, struct cats_error *error)
{
	const struct cats_rows rows = cats_series_rows(csv->rows, split);
	enum cats_status status = CATS_OK;

	out->rows = rows.end - rows.first;
	out->window = window;
	out->stride = stride != 0 ? stride : 1;
	if (out->rows < window)
		return cats_fail(
			error, CATS_ERR_MISMATCH,
			"%s: split '%s' has %zu of its %zu rows, but a window (context and horizon) has %u; give "
			"a longer series or a config of a shorter context",
			name, name_of(split), out->rows, csv->rows, window);
	out->samples = csv->columns * ((out->rows - window) / out->stride + 1);
	if (out->samples > UINT32_MAX)
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: gives %zu windows, at most %u; take a larger stride",
				 name, out->samples, UINT32_MAX);
	out->scales = calloc(csv->columns, sizeof *out->scales);
	out->series = malloc(csv->columns * out->rows * sizeof *out->series);
	if (!out->scales || !out->series)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for its samples; take fewer columns", name);
	for (uint32_t c = 0; status == CATS_OK && c < csv->columns; c++)
		status = standardise(out, csv, c, rows, name, error);
	return status;
}
