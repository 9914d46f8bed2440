/* SPDX-License-Identifier: MIT */
/* Tables of numbers as CSV (RFC 4180: a header line, commas, quoted fields, LF or CRLF). Host only. */
#ifndef CATS_IO_CSV_H
#define CATS_IO_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

#define CATS_CSV_MAX_BYTES ((size_t)1 << 30)
#define CATS_CSV_MAX_COLUMNS 4096
#define CATS_CSV_MAX_NAME_BYTES 255 /* of a column */

/* Owned memory; free with cats_csv_free. */
struct cats_csv {
	uint32_t columns;
	char **names; /* [columns] */
	size_t rows;
	float *values; /* [rows, columns], finite */
};

/* Reads the columns named in `wanted` [wanted_count], in that order; with wanted_count = 0 all columns, but a first one
 * whose first value is not a number (a time stamp) is left out. Refused: a name that is missing, empty, or there
 * twice; rows that are shorter or longer than the header; an empty field or text where a number is read; numbers
 * beyond float32; NUL bytes; stray quotes; no row at all; time stamps (ISO 8601) in a first column that
 * is left out which do not go on evenly, in seconds or in months. On error nothing is left allocated. */
CATS_MUST_CHECK enum cats_status cats_csv_read(struct cats_csv *out, const char *const *wanted, size_t wanted_count,
					       const char *path, struct cats_error *error);

/* The same from `size` bytes of text, followed by one more that this function may overwrite, as it does all of them.
 */
CATS_MUST_CHECK enum cats_status cats_csv_parse(struct cats_csv *out, const char *const *wanted, size_t wanted_count,
						char *text, size_t size, const char *name, struct cats_error *error);

void cats_csv_free(struct cats_csv *csv);

#endif
