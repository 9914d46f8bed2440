/* SPDX-License-Identifier: MIT */
/* Gzip (RFC 1952) in memory with a bound on what comes out, over zlib. Host only. */
#ifndef CATS_IO_GZIP_H
#define CATS_IO_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

/* Deflate's best case: a match of 258 bytes in two bits, rounded up (zlib's technical notes give 1032 : 1). No stream
 * of n bytes holds more than n times this. */
#define CATS_GZIP_MAX_RATIO ((size_t)1032)

/* Whether the bytes begin as gzip files do. */
bool cats_gzip_is(const void *bytes, size_t size);

/* The first `want` bytes of the content, or fewer when it is shorter: *got says how many. The rest is not looked at. */
CATS_MUST_CHECK enum cats_status cats_gzip_peek(uint8_t *out, size_t want, size_t *got, const void *bytes, size_t size,
						const char *name, struct cats_error *error);

/* The whole content, which must be exactly `expected` bytes; also checks the stream's own CRC and that nothing follows
 * it. */
CATS_MUST_CHECK enum cats_status cats_gzip_decode(uint8_t *out, size_t expected, const void *bytes, size_t size,
						  const char *name, struct cats_error *error);

#endif
