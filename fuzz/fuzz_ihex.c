/* SPDX-License-Identifier: MIT */
/* Intel HEX from any bytes: refused with a text, or taken, and then what it put into memory can be written and is read
 * back the same. */
#include <stdlib.h>
#include <string.h>

#include "io/ihex.h"

#define MEMORY 0x20400U

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint8_t memory[MEMORY], again[MEMORY];

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct cats_ihex_range all = {0, MEMORY, memory};
	struct cats_error error = {0};
	size_t length;
	char *text;

	memset(memory, 0xFF, sizeof memory);
	if (cats_ihex_parse(memory, MEMORY, (const char *)bytes, size, "fuzz", &error) != CATS_OK) {
		if (error.text[0] == '\0')
			abort();
		return 0;
	}
	text = cats_ihex_format(&length, &all, 1);
	if (text == NULL || cats_ihex_parse(again, MEMORY, text, length, "again", &error) != CATS_OK ||
	    memcmp(again, memory, MEMORY) != 0)
		abort();
	free(text);
	return 0;
}
