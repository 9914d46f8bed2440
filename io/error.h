/* SPDX-License-Identifier: MIT */
/* One line for a person: what failed, where, why, and what to do. Host only. */
#ifndef CATS_IO_ERROR_H
#define CATS_IO_ERROR_H

#include "core/status.h"

/* Written by the function that fails; the text is one line without a final newline. Zero-initialise it. */
struct cats_error {
	char text[768];
};

/* Writes the text (printf-style; control characters of what is printed are replaced by '?') and returns `status`, so
 * that a function ends with `return cats_fail(error, CATS_ERR_FORMAT, "%s: field: rule", path);`.
 * `error` may be NULL: then only the status is passed on. */
enum cats_status cats_fail(struct cats_error *error, enum cats_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
