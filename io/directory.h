/* SPDX-License-Identifier: MIT */
/* Paths in directories, and whole directories of files out: one appears with all of its files or not at all. Host only.
 */
#ifndef CATS_IO_DIRECTORY_H
#define CATS_IO_DIRECTORY_H

#include <limits.h>
#include <stdbool.h>

#include "io/error.h"

/* "directory/name", or CATS_ERR_USAGE when that is longer than a path may be. */
CATS_MUST_CHECK enum cats_status cats_path_join(char path[PATH_MAX], const char *directory, const char *name,
						struct cats_error *error);

/* Makes an empty directory `path`.tmp-PID beside `path`, whose parent is made too, and puts its name into draft. */
CATS_MUST_CHECK enum cats_status cats_directory_draft(char draft[PATH_MAX], const char *path, struct cats_error *error);

/* Gives the draft its name. Where `path` is already: CATS_ERR_IO, or with `replace` the two change places in one step
 * and what was there is removed. After an error the draft is still there. */
CATS_MUST_CHECK enum cats_status cats_directory_publish(const char *draft, const char *path, bool replace,
							struct cats_error *error);

/* Removes a directory of files, best effort; directories inside it, and so itself, stay. */
void cats_directory_discard(const char *path);

/* CATS_OK when nothing is at `path`, or with `replace` a directory whose names all satisfy `belongs`. The error names
 * what is in the way and what to do. */
CATS_MUST_CHECK enum cats_status cats_directory_may_write(const char *path, bool replace,
							  bool (*belongs)(const char *name), struct cats_error *error);

#endif
