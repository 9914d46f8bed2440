/* SPDX-License-Identifier: MIT */
/* CSV beyond the golden files: what quoting yields, which columns are read, and the limits. */
#include "io/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cmocka.h"

/* A copy, because the parser overwrites its text. */
static enum cats_status parse(struct cats_csv *out, const char *text, const char *const *wanted, size_t wanted_count,
			      struct cats_error *error)
{
	const size_t size = strlen(text);
	char *copy = malloc(size + 1);

	assert_non_null(copy);
	memcpy(copy, text, size);
	copy[size] = 'x'; /* not a string's end: the size counts */
	const enum cats_status status = cats_csv_parse(out, wanted, wanted_count, copy, size, "t.csv", error);
	free(copy);
	return status;
}

static void test_quoting(void **state)
{
	static const char *const wanted[] = {"a \"b\", c", "two\nlines", "plain"};
	struct cats_csv csv;
	struct cats_error error = {0};

	(void)state;
	assert_int_equal(
		parse(&csv,
		      "plain,\"a \"\"b\"\", c\",\"two\nlines\",note\r\n1,\"2\",3,\"it's \"\"4\"\",\n5\"\r\n6,7,8,\"\"",
		      wanted, 3, &error),
		CATS_OK);
	assert_int_equal(csv.columns, 3);
	assert_int_equal(csv.rows, 2);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(csv.names[i], wanted[i]);
	const float expected[] = {2, 3, 1, 7, 8, 6};
	assert_memory_equal(csv.values, expected, sizeof expected);
	cats_csv_free(&csv);
}

static void test_lines_are_counted_inside_quotes(void **state)
{
	struct cats_csv csv;
	struct cats_error error = {0};

	(void)state;
	assert_int_equal(parse(&csv, "\"a\n\n\",b\n1,2\n3,x\n", NULL, 0, &error), CATS_ERR_FORMAT);
	assert_non_null(strstr(error.text, "t.csv: line 5: column 'b': 'x'"));
}

static void test_time_stamps_are_left_out(void **state)
{
	struct cats_csv csv;

	(void)state;
	assert_int_equal(parse(&csv, "t,x\n\"2016, July\",1\n,2\n", NULL, 0, NULL), CATS_OK);
	assert_int_equal(csv.columns, 1);
	assert_string_equal(csv.names[0], "x");
	assert_true(csv.rows == 2 && csv.values[0] == 1 && csv.values[1] == 2);
	cats_csv_free(&csv);
	/* Only text is a time stamp: a first value that is missing is an error. */
	assert_int_equal(parse(&csv, "t,x\n,1\n", NULL, 0, NULL), CATS_ERR_FORMAT);
	/* And nothing would be left of a single column. */
	assert_int_equal(parse(&csv, "t\nmonday\n", NULL, 0, NULL), CATS_ERR_FORMAT);
}

static void test_numbers(void **state)
{
	static const char *const good[] = {"0", "-0", "+1.5", ".5", "5.", "1e3", "1E-3", "3.4e38", "1e-60", " 7\t"};
	static const float values[] = {0, -0.0F, 1.5F, .5F, 5, 1000, 1e-3F, 3.4e38F, 0, 7};
	static const char *const bad[] = {"1e", "--1", "1-2", "e5", ".", "+", "1 2", "1e999", "3.5e38", "NA", "1_000"};
	struct cats_csv csv;
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		(void)snprintf(text, sizeof text, "a\n%s\n", good[i]);
		assert_int_equal(parse(&csv, text, NULL, 0, NULL), CATS_OK);
		assert_memory_equal(csv.values, &values[i], sizeof values[i]);
		cats_csv_free(&csv);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		(void)snprintf(text, sizeof text, "a\n%s\n", bad[i]);
		if (parse(&csv, text, NULL, 0, NULL) != CATS_ERR_FORMAT)
			fail_msg("'%s' must not be a number", bad[i]);
	}
}

static void test_limits(void **state)
{
	const size_t columns = CATS_CSV_MAX_COLUMNS;
	char *text = malloc(columns * 16);
	size_t used = 0;
	struct cats_csv csv;
	struct cats_error error = {0};
	char name[CATS_CSV_MAX_NAME_BYTES + 8];

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < columns; i++)
		used += (size_t)sprintf(text + used, "c%zu%c", i, i + 1 < columns ? ',' : '\n');
	for (size_t i = 0; i < columns; i++)
		used += (size_t)sprintf(text + used, "%zu%c", i, i + 1 < columns ? ',' : '\n');
	assert_int_equal(parse(&csv, text, NULL, 0, &error), CATS_OK);
	assert_int_equal(csv.columns, columns);
	assert_true(csv.values[columns - 1] == (float)(columns - 1));
	cats_csv_free(&csv);
	*strchr(text, '\n') = ','; /* one line of twice as many names */
	assert_int_equal(parse(&csv, text, NULL, 0, &error), CATS_ERR_FORMAT);
	assert_non_null(strstr(error.text, "header: has more than 4096 columns"));
	free(text);

	memset(name, 'n', sizeof name);
	memcpy(name + CATS_CSV_MAX_NAME_BYTES, "\n1\n", 4);
	assert_int_equal(parse(&csv, name, NULL, 0, NULL), CATS_OK);
	cats_csv_free(&csv);
	memcpy(name + CATS_CSV_MAX_NAME_BYTES, "n\n1\n", 5);
	assert_int_equal(parse(&csv, name, NULL, 0, NULL), CATS_ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quoting),
		cmocka_unit_test(test_lines_are_counted_inside_quotes),
		cmocka_unit_test(test_time_stamps_are_left_out),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
