/* SPDX-License-Identifier: MIT */
/* IDX, plain or gzipped, from any bytes: refused with a text, or exactly what its header says. */
#include <stdlib.h>

#include "io/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const uint8_t *bytes, size_t size, uint32_t dims)
{
	struct cats_error error = {0};
	struct cats_idx idx;
	size_t count = 1;
	unsigned sum = 0;

	if (cats_idx_parse(&idx, dims, bytes, size, "fuzz", &error) != CATS_OK) {
		if (error.text[0] == '\0' || idx.values)
			abort();
		return;
	}
	for (uint32_t i = 0; i < dims; i++)
		count *= idx.shape[i];
	if (count != idx.count || count == 0)
		abort();
	for (size_t i = 0; i < count; i++)
		sum += idx.values[i];
	volatile unsigned keep = sum; /* so that every value is read */
	(void)keep;
	cats_idx_free(&idx);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	check(bytes, size, 3);
	check(bytes, size, 1);
	return 0;
}
