/* SPDX-License-Identifier: MIT */
/* From a table of numbers to windows of a series: columns standardised by their training rows, cut by time. Host only.
 */
#ifndef CATS_IO_SERIES_H
#define CATS_IO_SERIES_H

#include "io/csv.h"
#include "io/dataset.h"

/* The rows first … end - 1 of `rows` that a split has: 60 % train, 20 % val, 20 % test, in the order of time. */
struct cats_rows {
	size_t first, end;
};
struct cats_rows cats_series_rows(size_t rows, enum cats_split split);

/* Fills the series' part of `out` from a table. Each column is standardised by the mean and deviation of the training
 * rows, whichever split is wanted. `window` values a sample, one every `stride` (0 means 1). Refused: too few rows for
 * a window, a column without variance, values that leave float32 when standardised. On error `out` owns what there is.
 */
CATS_MUST_CHECK enum cats_status cats_series_cut(struct cats_dataset *out, const struct cats_csv *csv,
						 enum cats_split split, uint32_t window, uint32_t stride,
						 const char *name, struct cats_error *error);

#endif
