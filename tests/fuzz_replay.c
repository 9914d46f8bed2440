/* SPDX-License-Identifier: MIT */
/* Shows every file of a corpus folder to a fuzz target once, for compilers without libFuzzer. Depends on POSIX only.
 * usage: NAME FOLDER */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MAX_BYTES (64U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int replay(const char *folder, const char *name)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "rb");
	if (!file || fstat(fileno(file), &st) || st.st_size > MAX_BYTES) {
		perror(path);
		if (file)
			fclose(file);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		fclose(file);
		return 0;
	}
	/* Exactly as large as the file: the address sanitizer sees a read past the end. */
	uint8_t *bytes = malloc(st.st_size > 0 ? (size_t)st.st_size : 1U);
	const size_t size = bytes ? fread(bytes, 1, (size_t)st.st_size, file) : 0;
	fclose(file);
	if (!bytes || size != (size_t)st.st_size) {
		fprintf(stderr, "%s: cannot read the whole file\n", path);
		free(bytes);
		return -1;
	}
	LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	DIR *folder = opendir(argv[1]);
	if (!folder) {
		perror(argv[1]);
		return 1;
	}
	int seen = 0;
	int failed = 0;
	for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
		const int result = replay(argv[1], entry->d_name);
		failed |= result < 0;
		seen += result > 0;
	}
	closedir(folder);
	printf("%d inputs\n", seen);
	if (seen == 0)
		fprintf(stderr, "%s: no file in the corpus\n", argv[1]);
	return failed || seen == 0;
}
