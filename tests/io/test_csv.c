/* SPDX-License-Identifier: MIT */
/* CSV beyond the golden files: what quoting yields, which columns are read, and the limits. */
#include "io/csv.h"

#include "io/timeline.h"

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

static void test_moments(void **state)
{
	/* Seconds as `date -u -d TEXT +%s` gives them. */
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {
		{"1970-01-01", 0},
		{"1969-12-31 23:59:59", -1},
		{"2000-02-29T12:34:56Z", 951827696},
		{"2016-07-01 00:00", 1467331200},
		{"2100-03-01", 4107542400},
		{"0001-01-01", -62135596800},
		{"9999-12-31 23:59:59", 253402300799},
	};
	static const char *const bad[] = {"",
					  "2016",
					  "2016-07",
					  "16-07-01",
					  "2016-7-1",
					  "2016-00-01",
					  "2016-13-01",
					  "2016-07-00",
					  "2016-06-31",
					  "2015-02-29",
					  "2100-02-29",
					  "2016-07-01 24:00",
					  "2016-07-01 00:60",
					  "2016-07-01 00:00:60",
					  "2016-07-01 ",
					  "2016-07-01 00",
					  "2016-07-01 00:00:00.5",
					  "2016-07-01x",
					  "0000-01-01"};
	struct cats_moment moment;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(cats_moment_parse(&moment, good[i].text));
		assert_int_equal(moment.seconds, good[i].seconds);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (cats_moment_parse(&moment, bad[i]))
			fail_msg("'%s' must not be a time stamp", bad[i]);
}

static enum cats_timeline_rule follow(const char *const *texts, size_t count)
{
	struct cats_timeline line = {0};
	enum cats_timeline_rule rule = CATS_TIME_FINE;

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(rule, CATS_TIME_FINE);
		rule = cats_timeline_next(&line, texts[i]);
	}
	return rule;
}

static void test_time_goes_on(void **state)
{
	static const char *const months[] = {"2015-11-30", "2015-12-30", "2016-01-30", "2016-03-30"};
	static const char *const quarters[] = {"2015-10-01 06:00", "2016-01-01 06:00", "2016-04-01 06:00",
					       "2016-07-01 07:00"};
	static const char *const days[] = {"2016-02-28", "2016-02-29", "2016-03-01", "2016-03-02"};
	static const char *const words[] = {"monday", "2016-02-29", "2016-02-28", ""};

	(void)state;
	assert_int_equal(follow(months, 3), CATS_TIME_FINE);
	assert_int_equal(follow(months, 4), CATS_TIME_GAP);
	assert_int_equal(follow(quarters, 3), CATS_TIME_FINE);
	assert_int_equal(follow(quarters, 4), CATS_TIME_GAP);
	assert_int_equal(follow(days, 4), CATS_TIME_FINE);
	assert_int_equal(follow(words, 4), CATS_TIME_FINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quoting),
		cmocka_unit_test(test_lines_are_counted_inside_quotes),
		cmocka_unit_test(test_time_stamps_are_left_out),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_moments),
		cmocka_unit_test(test_time_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
