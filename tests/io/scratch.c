/* SPDX-License-Identifier: MIT */
/* Folders for tests. See scratch.h. */
#define _XOPEN_SOURCE 700
#include "tests/io/scratch.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void scratch_create(char path[SCRATCH_PATH_BYTES])
{
	(void)snprintf(path, SCRATCH_PATH_BYTES, "scratch-XXXXXX");
	if (!mkdtemp(path)) {
		perror("scratch folder");
		abort();
	}
}

const char *scratch_file(const char *path, const char *name)
{
	static char buffers[5][2 * SCRATCH_PATH_BYTES];
	static size_t next;
	char *buffer = buffers[next++ % 5];

	(void)snprintf(buffer, sizeof buffers[0], "%s/%s", path, name);
	return buffer;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
	(void)info;
	(void)type;
	(void)place;
	return remove(path);
}

void scratch_remove(const char *path)
{
	(void)nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

size_t scratch_count(const char *path, const char *part)
{
	size_t count = 0;
	DIR *directory = opendir(path);

	if (!directory)
		return 0;
	for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			 strstr(entry->d_name, part) != NULL;
	(void)closedir(directory);
	return count;
}
