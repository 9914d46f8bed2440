/* SPDX-License-Identifier: MIT */
/* The examples of docs/SPEC.md are the bytes of the files that they name, and the model's bytes are what is written. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "model/model.h"
#include "tests/cmocka.h"
#include "tests/io/scratch.h"

#define FENCE "```hex "

/* "0af8: cf ae   what it is": compares; returns how many bytes. */
static size_t check_line(const char *line, const uint8_t *bytes, size_t size)
{
	char *next;
	size_t offset = strtoul(line, &next, 16);
	size_t count = 0;

	assert_int_equal(*next, ':');
	for (next++; next[0] == ' ' && isxdigit((unsigned char)next[1]) && isxdigit((unsigned char)next[2]) &&
		     (next[3] == ' ' || next[3] == '\n');
	     next += 3) {
		assert_true(offset < size);
		assert_int_equal(bytes[offset++], strtoul(next, NULL, 16));
		count++;
	}
	assert_true(count > 0);
	return count;
}

/* One example, whose first line is at `text`; returns how many bytes it shows. */
static size_t check_example(const char *text)
{
	char path[512];
	uint8_t *bytes;
	size_t size;
	size_t count = 0;

	assert_int_equal(
		snprintf(path, sizeof path, "%s/%.*s", CATS_SOURCE_FOLDER, (int)strcspn(text, "\n"), text) < 512, 1);
	assert_int_equal(cats_file_read(&bytes, &size, path, 1 << 20, NULL), CATS_OK);
	for (text = strchr(text, '\n') + 1; strncmp(text, "```", 3) != 0; text = strchr(text, '\n') + 1)
		count += check_line(text, bytes, size);
	free(bytes);
	return count;
}

static void test_examples(void **state)
{
	uint8_t *spec;
	size_t size;
	size_t examples = 0;

	(void)state;
	assert_int_equal(cats_file_read(&spec, &size, CATS_SOURCE_FOLDER "/docs/SPEC.md", 1 << 20, NULL), CATS_OK);
	for (const char *text = strstr((const char *)spec, FENCE); text; text = strstr(text + 1, FENCE)) {
		assert_true(check_example(text + strlen(FENCE)) > 0);
		examples++;
	}
	free(spec);
	assert_true(examples >= 3);
}

static void assert_same_file(const char *a_path, const char *b_path)
{
	uint8_t *a;
	uint8_t *b;
	size_t a_size;
	size_t b_size;

	assert_int_equal(cats_file_read(&a, &a_size, a_path, 1 << 20, NULL), CATS_OK);
	assert_int_equal(cats_file_read(&b, &b_size, b_path, 1 << 20, NULL), CATS_OK);
	assert_int_equal(a_size, b_size);
	assert_memory_equal(a, b, a_size);
	free(a);
	free(b);
}

static void test_model_is_written_as_specified(void **state)
{
	static const char golden[] = CATS_SOURCE_FOLDER "/tests/golden/directory";
	char folder[SCRATCH_PATH_BYTES];
	struct cats_model model;

	(void)state;
	scratch_create(folder);
	assert_int_equal(cats_model_load(&model, golden, NULL), CATS_OK);
	assert_int_equal(model.keep[3][0], 1);
	assert_int_equal(model.keep[3][1], 0);
	assert_int_equal(cats_model_save(&model, folder, NULL, NULL), CATS_OK);
	assert_same_file(scratch_file(golden, "config.json"), scratch_file(folder, "config.json"));
	assert_same_file(scratch_file(golden, "model.safetensors"), scratch_file(folder, "model.safetensors"));
	cats_model_free(&model);
	scratch_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_model_is_written_as_specified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
