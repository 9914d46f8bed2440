/* SPDX-License-Identifier: MIT */
/* A folder of its own for a test that writes files. */
#ifndef CATS_TESTS_IO_SCRATCH_H
#define CATS_TESTS_IO_SCRATCH_H

#include <stddef.h>

#define SCRATCH_PATH_BYTES 256

/* Creates a folder in the working directory; its path goes to `path`. Aborts when it cannot. */
void scratch_create(char path[SCRATCH_PATH_BYTES]);

/* "path/name" in a buffer that the next four calls leave alone. */
const char *scratch_file(const char *path, const char *name);

/* Removes the folder with all that is in it. */
void scratch_remove(const char *path);

/* How many entries it holds whose names contain `part`. */
size_t scratch_count(const char *path, const char *part);

#endif
