/* SPDX-License-Identifier: MIT */
/* Executables from any bytes: refused with a text, or every segment and name lies inside the file. */
#include <stdlib.h>
#include <string.h>

#include "io/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_all(const struct cats_elf *elf)
{
	unsigned sum = 0;

	for (size_t i = 0; i < elf->segment_count; i++)
		for (uint32_t k = 0; k < elf->segments[i].size; k++)
			sum += elf->segments[i].bytes[k];
	for (size_t i = 0; i < elf->symbol_count; i++) {
		sum += (unsigned)strlen(elf->symbols[i].name);
		if (cats_elf_find(elf, elf->symbols[i].name) == NULL)
			abort();
		(void)cats_elf_function_at(elf, elf->symbols[i].address);
	}
	volatile unsigned keep = sum; /* so that every byte is read */
	(void)keep;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cats_error error = {0};
	uint8_t *copy = malloc(size + 1);
	struct cats_elf elf;

	if (copy == NULL)
		return 0;
	memcpy(copy, bytes, size);
	if (cats_elf_take(&elf, copy, size, "fuzz", &error) == CATS_OK) {
		if (elf.segment_count == 0)
			abort();
		read_all(&elf);
		cats_elf_free(&elf);
	} else if (error.text[0] == '\0') {
		abort();
	}
	return 0;
}
