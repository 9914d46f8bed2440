/* SPDX-License-Identifier: MIT */
/* Scripts of faults from any bytes, for four nodes: refused with a text, or everything within its range. */
#include <stdlib.h>
#include <string.h>

#include "sim/faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cats_error error = {0};
	struct cats_faults faults;
	char *text = malloc(size + 1);

	if (size > 0)
		memcpy(text, bytes, size);
	const enum cats_status status = cats_faults_parse(&faults, text, size, "fuzz", 4, &error);
	free(text);
	if (status != CATS_OK && (error.text[0] == '\0' || faults.list != NULL))
		abort();
	for (uint32_t i = 0; i < faults.count; i++)
		if (faults.list[i].node >= 4 || faults.list[i].after < 0 || faults.list[i].lasting < 0)
			abort();
	free(faults.list);
	return 0;
}
