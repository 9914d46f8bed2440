/* SPDX-License-Identifier: MIT */
/* CSV from any bytes, all columns and one by name: refused with a text, or finite numbers under unique names. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const uint8_t *bytes, size_t size, const char *const *wanted, size_t wanted_count)
{
	struct cats_error error = {0};
	struct cats_csv csv;
	char *text = malloc(size + 1);

	if (size > 0)
		memcpy(text, bytes, size);
	const enum cats_status status = cats_csv_parse(&csv, wanted, wanted_count, text, size, "fuzz", &error);
	free(text);
	if (status != CATS_OK) {
		if (error.text[0] == '\0' || csv.values || csv.names)
			abort();
		return;
	}
	if (csv.rows == 0 || csv.columns == 0 || (wanted_count && csv.columns != wanted_count))
		abort();
	for (size_t i = 0; i < csv.rows * csv.columns; i++)
		if (!isfinite(csv.values[i]))
			abort();
	for (uint32_t i = 0; i < csv.columns; i++)
		if (csv.names[i][0] == '\0' || (i > 0 && strcmp(csv.names[i - 1], csv.names[i]) == 0))
			abort();
	cats_csv_free(&csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const wanted[] = {"b"};

	check(bytes, size, NULL, 0);
	check(bytes, size, wanted, 1);
	return 0;
}
