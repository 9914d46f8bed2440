/* SPDX-License-Identifier: MIT */
/* Directories that appear as a whole, over Linux's renameat2. See directory.h. */
#define _GNU_SOURCE
#include "io/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

enum cats_status cats_path_join(char path[PATH_MAX], const char *directory, const char *name, struct cats_error *error)
{
	const int length = snprintf(path, PATH_MAX, "%s/%s", directory, name);

	if (length < 0 || length >= PATH_MAX)
		return cats_fail(error, CATS_ERR_USAGE, "%.200s…: the path is too long", directory);
	return CATS_OK;
}

/* `path` without the slashes at its end, which would make "OUT/.tmp-PID" of "OUT/". */
static int without_slashes(char plain[PATH_MAX], const char *path)
{
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		length--;
	if (length == 0 || length >= PATH_MAX)
		return -1;
	memcpy(plain, path, length);
	plain[length] = '\0';
	return 0;
}

static enum cats_status refuse_path(const char *path, struct cats_error *error)
{
	return cats_fail(error, CATS_ERR_USAGE, "\"%.200s\": is not a path of 1 to %d bytes", path, PATH_MAX - 32);
}

static enum cats_status make_parent(const char *plain, struct cats_error *error)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(plain, '/');
	const size_t length = slash ? (size_t)(slash - plain) : 0;

	if (length == 0)
		return CATS_OK;
	memcpy(parent, plain, length);
	parent[length] = '\0';
	return cats_directory_make(parent, error);
}

enum cats_status cats_directory_draft(char draft[PATH_MAX], const char *path, struct cats_error *error)
{
	char plain[PATH_MAX];
	enum cats_status status;

	if (without_slashes(plain, path) != 0 || strlen(plain) + 32 > PATH_MAX)
		return refuse_path(path, error);
	status = make_parent(plain, error);
	if (status < 0)
		return status;
	if (snprintf(draft, PATH_MAX, "%s.tmp-%ld", plain, (long)getpid()) >= PATH_MAX)
		return refuse_path(path, error);
	if (mkdir(draft, 0777) != 0)
		return cats_fail(error, CATS_ERR_IO, "%s: cannot create the directory: %s", draft, strerror(errno));
	return CATS_OK;
}

/* Renames; where the file system knows no flags, asks first instead of atomically. */
static int rename_onto(const char *draft, const char *plain, bool replace)
{
	struct stat there;
	const bool exists = lstat(plain, &there) == 0;
	const unsigned flags = replace && exists ? RENAME_EXCHANGE : RENAME_NOREPLACE;

	if (renameat2(AT_FDCWD, draft, AT_FDCWD, plain, flags) == 0) {
		if (flags == RENAME_EXCHANGE)
			cats_directory_discard(draft);
		return 0;
	}
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (exists && !replace) {
		errno = EEXIST;
		return -1;
	}
	if (exists)
		cats_directory_discard(plain);
	return rename(draft, plain);
}

enum cats_status cats_directory_publish(const char *draft, const char *path, bool replace, struct cats_error *error)
{
	char plain[PATH_MAX];

	if (without_slashes(plain, path) != 0)
		return refuse_path(path, error);
	if (rename_onto(draft, plain, replace) != 0)
		return cats_fail(error, CATS_ERR_IO, "%s: cannot put the new directory there: %s", plain,
				 strerror(errno));
	return CATS_OK;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

void cats_directory_discard(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
		if (!is_dots(entry->d_name))
			(void)unlinkat(dirfd(directory), entry->d_name, 0);
	(void)closedir(directory);
	(void)rmdir(path);
}

enum cats_status cats_directory_may_write(const char *path, bool replace, bool (*belongs)(const char *name),
					  struct cats_error *error)
{
	struct stat there;
	const struct dirent *entry;
	enum cats_status status = CATS_OK;
	DIR *directory;

	if (lstat(path, &there) != 0)
		return errno == ENOENT
			       ? CATS_OK
			       : cats_fail(error, CATS_ERR_IO, "%s: cannot look there: %s", path, strerror(errno));
	if (!replace)
		return cats_fail(error, CATS_ERR_IO,
				 "%s: is there already; give another path, or --force to replace it", path);
	directory = opendir(path);
	if (directory == NULL || !S_ISDIR(there.st_mode))
		status = cats_fail(error, CATS_ERR_IO, "%s: is not a directory; give another path", path);
	while (status == CATS_OK && (entry = readdir(directory)) != NULL)
		if (!is_dots(entry->d_name) && !belongs(entry->d_name))
			status = cats_fail(error, CATS_ERR_IO,
					   "%s/%s: is none of the files that would be replaced; move it away or give "
					   "another path",
					   path, entry->d_name);
	if (directory != NULL)
		(void)closedir(directory);
	return status;
}
