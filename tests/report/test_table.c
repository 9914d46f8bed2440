/* SPDX-License-Identifier: MIT */
/* A table in its three forms, byte for byte. */
#include <stdlib.h>

#include "report/table.h"
#include "tests/cmocka.h"

static const char *const header[] = {"model", "accuracy (%)", "n", "note"};
static const char *const cells[] = {
	"full|x", "91.20", "0",    "-",            /* a bar is Markdown's own */
	"keep ¼", "-0.9",  "7",    "1 of 3",       /* begins as a number, is none; ¼ is two bytes, one character */
	"\tä",    "",      "8",    NULL,           /* a control character, an empty cell, none at all */
	"007",    "1.",    "1234", "say \"hello\"" /* not JSON's numbers */
};
static const struct cats_table table = {.header = header, .columns = 4, .cells = cells, .rows = 4};

static void check(const struct cats_table *of, enum cats_table_form form, const char *expected)
{
	char *text = cats_table_format(of, form);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void for_a_terminal(void **state)
{
	(void)state;
	check(&table, CATS_TABLE_TERMINAL,
	      "model   accuracy (%)     n  note\n"
	      "------  ------------  ----  -----------\n"
	      "full|x         91.20     0  -\n"
	      "keep ¼          -0.9     7  1 of 3\n"
	      "?ä                       8  \n"
	      "007               1.  1234  say \"hello\"\n");
}

static void as_markdown(void **state)
{
	(void)state;
	check(&table, CATS_TABLE_MARKDOWN,
	      "| model   | accuracy (%) |    n | note        |\n"
	      "| ------- | -----------: | ---: | ----------- |\n"
	      "| full\\|x |        91.20 |    0 | -           |\n"
	      "| keep ¼  |         -0.9 |    7 | 1 of 3      |\n"
	      "| ?ä      |              |    8 |             |\n"
	      "| 007     |           1. | 1234 | say \"hello\" |\n");
}

static void as_json(void **state)
{
	(void)state;
	check(&table, CATS_TABLE_JSON,
	      "[{\n\t\t\"model\":\t\"full|x\",\n\t\t\"accuracy "
	      "(%)\":\t91.20,\n\t\t\"n\":\t0,\n\t\t\"note\":\t\"-\"\n\t}, "
	      "{\n\t\t\"model\":\t\"keep ¼\",\n\t\t\"accuracy (%)\":\t-0.9,\n\t\t\"n\":\t7,\n\t\t\"note\":\t\"1 of "
	      "3\"\n\t}, "
	      "{\n\t\t\"model\":\t\"\\tä\",\n\t\t\"accuracy (%)\":\t\"\",\n\t\t\"n\":\t8,\n\t\t\"note\":\t\"\"\n\t}, "
	      "{\n\t\t\"model\":\t\"007\",\n\t\t\"accuracy (%)\":\t\"1.\",\n\t\t\"n\":\t1234,\n\t\t\"note\":\t\"say "
	      "\\\"hello\\\"\"\n\t}]\n");
}

static void without_rows(void **state)
{
	const struct cats_table empty = {.header = header, .columns = 2, .cells = NULL, .rows = 0};

	(void)state;
	check(&empty, CATS_TABLE_TERMINAL, "model  accuracy (%)\n-----  ------------\n");
	check(&empty, CATS_TABLE_MARKDOWN, "| model | accuracy (%) |\n| ----- | ------------ |\n");
	check(&empty, CATS_TABLE_JSON, "[]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(for_a_terminal),
		cmocka_unit_test(as_markdown),
		cmocka_unit_test(as_json),
		cmocka_unit_test(without_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
