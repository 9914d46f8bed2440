/* SPDX-License-Identifier: MIT */
/* Runs one reader over a folder of golden files: good-… must load, bad-… must be refused with the text of its rule. */
#ifndef CATS_TESTS_IO_GOLDEN_FILES_H
#define CATS_TESTS_IO_GOLDEN_FILES_H

#include <stddef.h>

#include "io/error.h"

/* What the error's text must contain, besides the name of the file. */
struct golden_rule {
	const char *file; /* without "bad-" and without what follows the first dot */
	const char *rule;
};

typedef enum cats_status (*golden_reader)(const char *path, struct cats_error *error);

/* Fails the cmocka test that calls it. Every bad file needs a rule and every rule a file; at least one file is good.
 * `suffix` is that of all files, say ".csv". */
void check_golden_files(const char *folder, const char *suffix, golden_reader read, const struct golden_rule *rules,
			size_t rule_count);

#endif
