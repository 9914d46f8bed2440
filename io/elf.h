/* SPDX-License-Identifier: MIT */
/* Executables for the Cortex-M4 as arm-none-eabi-gcc links them: what goes into flash, and the names of functions and
 * objects. Every byte of the file is checked. Host only. */
#ifndef CATS_IO_ELF_H
#define CATS_IO_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

/* A run of bytes at its load address. */
struct cats_elf_segment {
	uint32_t address, size;
	const uint8_t *bytes;
};

struct cats_elf_symbol {
	const char *name;
	uint32_t address; /* of a function: without the Thumb bit */
	uint32_t size;    /* 0 where the linker script or assembly gives none */
	bool function;
};

/* Owned memory; free with cats_elf_free. */
struct cats_elf {
	char *name; /* of the file, for errors */
	uint8_t *bytes;
	struct cats_elf_segment *segments; /* without empty ones */
	size_t segment_count;
	struct cats_elf_symbol *symbols; /* functions and objects, ascending addresses */
	size_t symbol_count;
};

/* Reads a 32-bit little-endian ARM executable; anything else, and a table that is not wholly inside the file, is
 * refused (CATS_ERR_FORMAT names field and rule). */
CATS_MUST_CHECK enum cats_status cats_elf_load(struct cats_elf *out, const char *path, struct cats_error *error);

/* The same from `size` bytes in memory, which it takes over (malloc'ed), also when it fails. */
CATS_MUST_CHECK enum cats_status cats_elf_take(struct cats_elf *out, uint8_t *bytes, size_t size, const char *name,
					       struct cats_error *error);
void cats_elf_free(struct cats_elf *elf);

/* The symbol of a name, or NULL. */
const struct cats_elf_symbol *cats_elf_find(const struct cats_elf *elf, const char *name);

/* The function that an address lies in, or NULL: the last function symbol at or before it, unless it has a size that
 * ends before the address. */
const struct cats_elf_symbol *cats_elf_function_at(const struct cats_elf *elf, uint32_t address);

#endif
