/* SPDX-License-Identifier: MIT */
/* Whole files in, whole files out: a file is either its old bytes or its new bytes, never half of either. Host only. */
#ifndef CATS_IO_FILE_H
#define CATS_IO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

/* Reads a regular file of at most `limit` bytes; *bytes is malloc'ed (free it), followed by one zero byte that is
 * not counted in *size. Errors: cannot open, is a directory, larger than limit, read error. */
CATS_MUST_CHECK enum cats_status cats_file_read(uint8_t **bytes, size_t *size, const char *path, size_t limit,
						struct cats_error *error);

/* Whether there is a regular file at `path`, say where a directory is wanted. */
bool cats_file_is_regular(const char *path);

/* Whether a file could be written at `path`, as far as that shows before: a path of some bytes, whose directory is
 * there and may be written, and nothing but a regular file at it. Asked for before work whose result would be lost. */
CATS_MUST_CHECK enum cats_status cats_file_may_write(const char *path, struct cats_error *error);

/* Writes to `path`.tmp-PID in the same directory, fsyncs, renames over `path`. On any error (disk full, …) the
 * temporary is removed and what was at `path` is untouched. */
CATS_MUST_CHECK enum cats_status cats_file_write(const char *path, const void *bytes, size_t size,
						 struct cats_error *error);

/* The same for secrets: nobody but the owner may read or write the file (mode 0600). */
CATS_MUST_CHECK enum cats_status cats_file_write_private(const char *path, const void *bytes, size_t size,
							 struct cats_error *error);

/* One stretch of the bytes of a file. */
struct cats_file_part {
	const void *bytes;
	size_t size;
};

/* cats_file_write in its two halves, for files that change together: stage them all, then commit them all. Staging
 * writes `parts`, one after the other, to the temporary and syncs it; all that can fail for want of space fails here,
 * and then the temporary is gone. Committing renames it over `path`; discarding removes it. */
CATS_MUST_CHECK enum cats_status cats_file_stage(const char *path, const struct cats_file_part *parts,
						 size_t part_count, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_file_commit(const char *path, struct cats_error *error);
void cats_file_discard(const char *path);

/* Removes the file and syncs its directory; that there was none is no error. */
CATS_MUST_CHECK enum cats_status cats_file_remove(const char *path, struct cats_error *error);

/* Renames a file within its directory over what may be at `to`, and syncs the directory; that there is none is no
 * error. */
CATS_MUST_CHECK enum cats_status cats_file_move(const char *to, const char *from, struct cats_error *error);

/* Creates the directory (and its parents) unless it is there already. */
CATS_MUST_CHECK enum cats_status cats_directory_make(const char *path, struct cats_error *error);

/* Locks the directory against other processes that lock it, until unlocked or the process ends; leaves no file there.
 * CATS_ERR_IO: somebody has it. A file system without locks gives *lock = -1, which may be unlocked too. */
CATS_MUST_CHECK enum cats_status cats_directory_lock(int *lock, const char *path, struct cats_error *error);
void cats_directory_unlock(int lock);

/* CRC-32 (IEEE 802.3, reflected, as in gzip) of bytes, continuing from `crc` (0 at first). */
uint32_t cats_crc32(uint32_t crc, const void *bytes, size_t size);

#endif
