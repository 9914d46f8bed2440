/* SPDX-License-Identifier: MIT */
/* Intel HEX, which flashing tools read: lines of a length, an address, a type, bytes and a checksum. Host only. */
#ifndef CATS_IO_IHEX_H
#define CATS_IO_IHEX_H

#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

/* Bytes at an address. */
struct cats_ihex_range {
	uint32_t address, size;
	const uint8_t *bytes;
};

/* The text of `count` ranges, in their order: data of at most 16 bytes a record (type 0), the upper half of addresses
 * where it changes (type 4), the end (type 1). malloc'ed, with a 0 behind its *length characters; NULL: out of memory.
 */
char *cats_ihex_format(size_t *length, const struct cats_ihex_range *ranges, size_t count);

/* Puts what the text says into memory[bytes], whose first byte is address 0; bytes that no record names stay as they
 * are. Refuses (CATS_ERR_FORMAT, with the line) a wrong checksum, length or digit, records of types 2 and 6 and above,
 * data beyond the memory or twice at one address, no end, and anything but blank lines behind it. `name` is for the
 * error. Types 3 and 5, where to begin, are read over. */
CATS_MUST_CHECK enum cats_status cats_ihex_parse(uint8_t *memory, uint32_t bytes, const char *text, size_t length,
						 const char *name, struct cats_error *error);

#endif
