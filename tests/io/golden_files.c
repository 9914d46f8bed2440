/* SPDX-License-Identifier: MIT */
/* Folders of golden files. See golden_files.h. */
#define _POSIX_C_SOURCE 200809L
#include "tests/io/golden_files.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "tests/cmocka.h"

static void check_good(const char *path, golden_reader read)
{
	struct cats_error error = {0};

	if (read(path, &error) != CATS_OK)
		fail_msg("%s: must load, but: %s", path, error.text);
	assert_string_equal(error.text, "");
}

static void check_bad(const char *path, const char *file, golden_reader read, const char *rule)
{
	struct cats_error error = {0};
	const enum cats_status status = read(path, &error);

	if (status != CATS_ERR_FORMAT && status != CATS_ERR_MISMATCH)
		fail_msg("%s: must be refused as malformed, but: status %d, '%s'", path, status, error.text);
	if (!strstr(error.text, file))
		fail_msg("%s: the error does not name the file: '%s'", path, error.text);
	if (!strstr(error.text, rule))
		fail_msg("%s: the error must say '%s', but says '%s'", path, rule, error.text);
}

static const char *find_rule(const struct golden_rule *rules, size_t count, const char *stem, size_t length)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(rules[i].file) == length && memcmp(rules[i].file, stem, length) == 0)
			return rules[i].rule;
	return NULL;
}

void check_golden_files(const char *folder, const char *suffix, golden_reader read, const struct golden_rule *rules,
			size_t rule_count)
{
	size_t good = 0;
	size_t bad = 0;
	DIR *directory = opendir(folder);
	char path[4096];

	assert_non_null(directory);
	for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
		const char *file = entry->d_name;
		const char *dot = strchr(file, '.');
		(void)snprintf(path, sizeof path, "%s/%s", folder, file);
		if (file[0] == '.')
			continue;
		if (!dot || strcmp(dot, suffix) != 0)
			fail_msg("%s: must end in %s", path, suffix);
		if (strncmp(file, "good-", 5) == 0) {
			check_good(path, read);
			good++;
			continue;
		}
		assert_memory_equal(file, "bad-", 4);
		const char *rule = find_rule(rules, rule_count, file + 4, (size_t)(dot - file) - 4);
		if (!rule)
			fail_msg("%s: no rule is expected of it", path);
		check_bad(path, file, read, rule);
		bad++;
	}
	(void)closedir(directory);
	assert_true(good > 0);
	assert_int_equal(bad, rule_count);
}
