/* SPDX-License-Identifier: MIT */
/* Writes the one line of a cats_error. See error.h. */
#include "io/error.h"

#include <stdarg.h>
#include <stdio.h>

enum cats_status cats_fail(struct cats_error *error, enum cats_status status, const char *format, ...)
{
	if (!error)
		return status;

	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);

	for (char *c = error->text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return status;
}
