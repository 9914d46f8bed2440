/* SPDX-License-Identifier: MIT */
/* cJSON, made strict: what it lets pass and the formats of this project forbid is refused before anyone looks at a
 * value. Host only. */
#ifndef CATS_IO_JSON_H
#define CATS_IO_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

struct cJSON;

/* Parses `size` bytes of JSON whose outermost value is an object; *out is freed with cJSON_Delete. `name` is what
 * errors call it. Refused: a byte order mark, NUL bytes, the escape \u0000, bytes that are not UTF-8, raw control
 * characters in strings, anything but white space after the object, numbers that are not finite, the same key twice in
 * one object, at any depth. */
CATS_MUST_CHECK enum cats_status cats_json_parse(struct cJSON **out, const char *text, size_t size, const char *name,
						 struct cats_error *error);

/* A number that is an integer in [0, limit], limit <= 2^53 (exact in a double). Returns 0, or -1 when it is not. */
CATS_MUST_CHECK int cats_json_integer(uint64_t *out, const struct cJSON *item, uint64_t limit);

#endif
