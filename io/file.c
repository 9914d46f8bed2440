/* SPDX-License-Identifier: MIT */
/* Whole files in, whole files out, over POSIX calls. Knows nothing of formats. See file.h. */
#define _POSIX_C_SOURCE 200809L
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* One call of read or write moves at most this much, so that a count fits ssize_t and int everywhere. */
#define CHUNK_BYTES ((size_t)1 << 30)

/* Reads until `size` bytes or the end. Returns what was read, or -1 with errno. */
static ssize_t read_all(int fd, uint8_t *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		const size_t want = size - done < CHUNK_BYTES ? size - done : CHUNK_BYTES;
		const ssize_t got = read(fd, bytes + done, want);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		const ssize_t put = write(fd, bytes, size < CHUNK_BYTES ? size : CHUNK_BYTES);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		bytes += put;
		size -= (size_t)put;
	}
	return 0;
}

static enum cats_status read_open(uint8_t **bytes, size_t *size, int fd, const char *path, size_t limit,
				  struct cats_error *error)
{
	struct stat info;

	if (fstat(fd, &info) != 0)
		return cats_fail(error, CATS_ERR_IO, "%s: cannot read its size: %s", path, strerror(errno));
	if (S_ISDIR(info.st_mode))
		return cats_fail(error, CATS_ERR_IO, "%s: is a directory; give a file", path);
	if (!S_ISREG(info.st_mode))
		return cats_fail(error, CATS_ERR_IO, "%s: is not a regular file; write it to a file first", path);
	if ((uintmax_t)info.st_size > limit)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: is %ju bytes long, at most %zu are accepted; is it the right file?", path,
				 (uintmax_t)info.st_size, limit);

	const size_t expected = (size_t)info.st_size;
	uint8_t *buffer = malloc(expected + 1);
	if (!buffer)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for its %zu bytes", path, expected);

	const ssize_t got = read_all(fd, buffer, expected + 1);
	if (got < 0 || (size_t)got != expected) {
		const char *why = got < 0 ? strerror(errno) : "its length changed meanwhile; try again";
		free(buffer);
		return cats_fail(error, CATS_ERR_IO, "%s: cannot read: %s", path, why);
	}
	buffer[expected] = 0;
	*bytes = buffer;
	*size = expected;
	return CATS_OK;
}

enum cats_status cats_file_read(uint8_t **bytes, size_t *size, const char *path, size_t limit, struct cats_error *error)
{
	*bytes = NULL;
	*size = 0;
	/* Without O_NONBLOCK, opening a named pipe would wait for a writer for ever. */
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return cats_fail(error, CATS_ERR_IO, "%s: cannot open: %s; check the path", path, strerror(errno));

	const enum cats_status status = read_open(bytes, size, fd, path, limit, error);
	(void)close(fd);
	return status;
}

/* What `path` lies in: "." or all up to its last slash. */
static void directory_of(char directory[PATH_MAX], const char *path)
{
	const char *slash = strrchr(path, '/');
	const size_t length = slash ? (size_t)(slash - path) + 1 : 1;

	memcpy(directory, slash ? path : ".", length);
	directory[length] = '\0';
}

/* A rename is on disk only once its directory is. Some file systems cannot sync a directory (EINVAL): nothing more can
 * be done there. */
static int sync_directory_of(const char *path)
{
	char directory[PATH_MAX];

	if (strlen(path) >= sizeof directory)
		return 0;
	directory_of(directory, path);

	const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	const int result = fsync(fd) != 0 && errno != EINVAL ? -1 : 0;
	(void)close(fd);
	return result;
}

/* Writes, syncs and closes; returns 0, or -1 with errno. */
static int write_and_close(int fd, const struct cats_file_part *parts, size_t part_count)
{
	int result = 0;

	for (size_t i = 0; i < part_count && result == 0; i++)
		result = write_all(fd, parts[i].bytes, parts[i].size);
	if (result == 0)
		result = fsync(fd);

	const int cause = errno;
	if (close(fd) != 0 && result == 0)
		return -1;
	errno = cause;
	return result;
}

/* Returns 0, or -1 when the name does not fit. */
static int temporary_name(char temporary[PATH_MAX], const char *path)
{
	const int length = snprintf(temporary, PATH_MAX, "%s.tmp-%ld", path, (long)getpid());

	return length < 0 || length >= PATH_MAX ? -1 : 0;
}

bool cats_file_is_regular(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

enum cats_status cats_file_may_write(const char *path, struct cats_error *error)
{
	char directory[PATH_MAX];
	struct stat info;

	if (path[0] == '\0')
		return cats_fail(error, CATS_ERR_IO, "\"\": is no path of a file; give one");
	if (strlen(path) >= sizeof directory)
		return cats_fail(error, CATS_ERR_USAGE, "%.200s…: the path is too long", path);
	if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
		return cats_fail(error, CATS_ERR_IO, "%s: is there and is not a regular file; give another path", path);
	directory_of(directory, path);
	if (access(directory, W_OK | X_OK) != 0)
		return cats_fail(error, CATS_ERR_IO, "%s: cannot create: %s; check directory and permissions", path,
				 strerror(errno));
	return CATS_OK;
}

static enum cats_status stage(const char *path, mode_t mode, const struct cats_file_part *parts, size_t part_count,
			      struct cats_error *error)
{
	char temporary[PATH_MAX];
	const enum cats_status status = cats_file_may_write(path, error);

	if (status < 0)
		return status;
	if (temporary_name(temporary, path) != 0)
		return cats_fail(error, CATS_ERR_USAGE, "%.200s…: the path is too long", path);

	const int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return cats_fail(error, CATS_ERR_IO, "%s: cannot create: %s; check directory and permissions", path,
				 strerror(errno));
	if (write_and_close(fd, parts, part_count) != 0) {
		const int cause = errno;
		(void)unlink(temporary);
		return cats_fail(error, CATS_ERR_IO, "%s: cannot write: %s; what was there before is untouched", path,
				 strerror(cause));
	}
	return CATS_OK;
}

enum cats_status cats_file_stage(const char *path, const struct cats_file_part *parts, size_t part_count,
				 struct cats_error *error)
{
	return stage(path, 0666, parts, part_count, error);
}

enum cats_status cats_file_commit(const char *path, struct cats_error *error)
{
	char temporary[PATH_MAX];

	if (temporary_name(temporary, path) != 0)
		return cats_fail(error, CATS_ERR_USAGE, "%.200s…: the path is too long", path);
	if (rename(temporary, path) != 0) {
		const int cause = errno;
		(void)unlink(temporary);
		return cats_fail(error, CATS_ERR_IO, "%s: cannot replace: %s; what was there before is untouched", path,
				 strerror(cause));
	}
	if (sync_directory_of(path) != 0)
		return cats_fail(error, CATS_ERR_IO, "%s: written, but its directory cannot be synced: %s", path,
				 strerror(errno));
	return CATS_OK;
}

enum cats_status cats_file_remove(const char *path, struct cats_error *error)
{
	if (unlink(path) != 0) {
		if (errno == ENOENT)
			return CATS_OK;
		return cats_fail(error, CATS_ERR_IO, "%s: cannot remove: %s", path, strerror(errno));
	}
	if (sync_directory_of(path) != 0)
		return cats_fail(error, CATS_ERR_IO, "%s: removed, but its directory cannot be synced: %s", path,
				 strerror(errno));
	return CATS_OK;
}

enum cats_status cats_file_move(const char *to, const char *from, struct cats_error *error)
{
	if (rename(from, to) != 0) {
		if (errno == ENOENT)
			return CATS_OK;
		return cats_fail(error, CATS_ERR_IO, "%s: cannot rename to %s: %s", from, to, strerror(errno));
	}
	if (sync_directory_of(to) != 0)
		return cats_fail(error, CATS_ERR_IO, "%s: renamed, but its directory cannot be synced: %s", to,
				 strerror(errno));
	return CATS_OK;
}

void cats_file_discard(const char *path)
{
	char temporary[PATH_MAX];

	if (temporary_name(temporary, path) == 0)
		(void)unlink(temporary);
}

enum cats_status cats_file_write(const char *path, const void *bytes, size_t size, struct cats_error *error)
{
	const struct cats_file_part part = {.bytes = bytes, .size = size};
	const enum cats_status status = cats_file_stage(path, &part, 1, error);

	return status == CATS_OK ? cats_file_commit(path, error) : status;
}

enum cats_status cats_file_write_private(const char *path, const void *bytes, size_t size, struct cats_error *error)
{
	const struct cats_file_part part = {.bytes = bytes, .size = size};
	const enum cats_status status = stage(path, 0600, &part, 1, error);

	return status == CATS_OK ? cats_file_commit(path, error) : status;
}

static int make_one(const char *path)
{
	struct stat info;

	if (mkdir(path, 0777) == 0)
		return 0;
	if (errno == EEXIST && stat(path, &info) == 0) {
		if (S_ISDIR(info.st_mode))
			return 0;
		errno = ENOTDIR;
	}
	return -1;
}

enum cats_status cats_directory_make(const char *path, struct cats_error *error)
{
	char prefix[PATH_MAX];
	const size_t length = strlen(path);

	if (length == 0 || length >= sizeof prefix)
		return cats_fail(error, CATS_ERR_USAGE, "\"%.200s\": a directory's path has 1 to %zu bytes", path,
				 sizeof prefix - 1);
	memcpy(prefix, path, length + 1);

	for (size_t i = 1; i <= length; i++) {
		if (prefix[i] != '/' && prefix[i] != '\0')
			continue;
		const char end = prefix[i];
		prefix[i] = '\0';
		if (make_one(prefix) != 0)
			return cats_fail(error, CATS_ERR_IO, "%s: cannot create the directory: %s", prefix,
					 strerror(errno));
		prefix[i] = end;
	}
	return CATS_OK;
}

enum cats_status cats_directory_lock(int *lock, const char *path, struct cats_error *error)
{
	*lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*lock < 0)
		return cats_fail(error, CATS_ERR_IO, "%s: cannot open: %s; check the path", path, strerror(errno));
	if (flock(*lock, LOCK_EX | LOCK_NB) == 0)
		return CATS_OK;

	const int cause = errno;
	(void)close(*lock);
	*lock = -1;
	if (cause == EWOULDBLOCK)
		return cats_fail(error, CATS_ERR_IO,
				 "%s: another process is at work there: wait for its end, or name another directory",
				 path);
	return CATS_OK;
}

void cats_directory_unlock(int lock)
{
	if (lock >= 0)
		(void)close(lock);
}

uint32_t cats_crc32(uint32_t crc, const void *bytes, size_t size)
{
	return (uint32_t)crc32_z(crc, size ? bytes : (const void *)"", size);
}
