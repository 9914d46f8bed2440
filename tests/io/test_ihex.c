/* SPDX-License-Identifier: MIT */
/* Intel HEX: known records, what was written read back, every damage to a character found, every rule named. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "io/ihex.h"
#include "tests/cmocka.h"

#define MEMORY 0x30000U

static uint64_t seed;

static enum cats_status parse(uint8_t *memory, const char *text, struct cats_error *error)
{
	return cats_ihex_parse(memory, MEMORY, text, strlen(text), "x.hex", error);
}

/* Records that are not ours: Intel's "Hexadecimal Object File Format Specification" gives types and checksum; the first
 * is the example of many handbooks. */
static void known_records(void **state)
{
	static uint8_t memory[MEMORY];
	struct cats_error error = {0};

	(void)state;
	memset(memory, 0xEE, sizeof memory);
	assert_int_equal(parse(memory,
			       ":0B0010006164647265737320676170A7\r\n"
			       ":020000040002F8\n:0200010005A05F\n:00000001FF\n",
			       &error),
			 CATS_ERR_FORMAT);
	assert_non_null(strstr(error.text, "line 3"));
	assert_int_equal(parse(memory,
			       ":0B0010006164647265737320676170A7\r\n"
			       ":020000040002F8\n:0200010005A058\n:04000005000000CD2A\n\n:00000001FF",
			       &error),
			 CATS_OK);
	assert_memory_equal(memory + 0x10, "address gap", 11);
	assert_int_equal(memory[0x20001], 0x05);
	assert_int_equal(memory[0x20002], 0xA0);
	assert_int_equal(memory[0x0F], 0xEE);
	assert_int_equal(memory[0x20003], 0xEE);
}

static void known_text(void **state)
{
	static const uint8_t bytes[18] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
	const struct cats_ihex_range ranges[] = {{0, 18, bytes}, {0x1FFFF, 2, bytes}};
	size_t length;
	char *text = cats_ihex_format(&length, ranges, 2);

	(void)state;
	assert_non_null(text);
	assert_string_equal(text, ":100000000102030405060708090A0B0C0D0E0F1068\n"
				  ":020010001112CB\n"
				  ":020000040001F9\n"
				  ":01FFFF000100\n"
				  ":020000040002F8\n"
				  ":0100000002FD\n"
				  ":00000001FF\n");
	assert_int_equal(length, strlen(text));
	free(text);
}

static void what_is_written_is_read(void **state)
{
	static uint8_t memory[MEMORY], again[MEMORY];

	(void)state;
	for (uint32_t i = 0; i < MEMORY; i++)
		memory[i] = (uint8_t)cats_random_below(seed, i, 256);
	for (uint32_t trial = 0; trial < 40; trial++) {
		const uint64_t key = cats_random_key(seed, trial);
		const uint32_t first = cats_random_below(key, 0, 0x10100), size = cats_random_below(key, 1, 70000);
		const uint32_t second = first + size + cats_random_below(key, 2, 3);
		const uint32_t more = cats_random_below(key, 3, MEMORY - second);
		const struct cats_ihex_range ranges[] = {{first, size, memory + first},
							 {second, more, memory + second}};
		struct cats_error error = {0};
		size_t length;
		char *text = cats_ihex_format(&length, ranges, 2);

		assert_non_null(text);
		for (uint32_t i = 0; i < MEMORY; i++)
			again[i] = (uint8_t)~memory[i];
		if (cats_ihex_parse(again, MEMORY, text, length, "x.hex", &error) != CATS_OK)
			fail_msg("%s", error.text);
		for (uint32_t i = 0; i < MEMORY; i++) {
			const bool written = (i >= first && i < first + size) || (i >= second && i < second + more);

			assert_int_equal(again[i], written ? memory[i] : (uint8_t)~memory[i]);
		}
		free(text);
	}
}

static void every_changed_character_is_found(void **state)
{
	static uint8_t memory[MEMORY];
	static const uint8_t bytes[40] = {7, 0, 255, 3};
	const struct cats_ihex_range range = {0xFFF0, 40, bytes};
	struct cats_error error = {0};
	size_t length;
	char *text = cats_ihex_format(&length, &range, 1);

	(void)state;
	assert_non_null(text);
	for (size_t at = 0; at < length; at++) {
		const char was = text[at];

		for (const char *c = "0123456789ABCDEF:gx \n"; *c != '\0'; c++) {
			text[at] = *c;
			/* A line's end less at the file's end is none the worse. */
			if (*c != was && at + 1 < length)
				assert_int_equal(parse(memory, text, &error), CATS_ERR_FORMAT);
		}
		text[at] = was;
		if (at + 1 < length)
			assert_int_equal(cats_ihex_parse(memory, MEMORY, text, at, "x.hex", &error), CATS_ERR_FORMAT);
	}
	assert_int_equal(parse(memory, text, &error), CATS_OK);
	free(text);
}

static void rules_have_names(void **state)
{
	static const struct {
		const char *text, *rule;
	} cases[] = {
		{"", "end"},
		{"hello\n", "colon"},
		{":0\n", "digits"},
		{":00\n", "length"},
		{":0100000000\n", "length"},
		{":0100000001FF\n", "checksum"},
		{":0100010101FC\n", "end with data"},
		{":010000040AF1\n", "upper half"},
		{":020000020002FA\n", "type"},
		{":020000040003F7\n:0100000000FF\n", "outside"},
		{":0100000000FF\n:0100000000FF\n", "before"},
		{":00000001FF\n:00000001FF\n", "behind the end"},
		{":0100000000FF\n", "cut short"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		static uint8_t memory[MEMORY];
		struct cats_error error = {0};

		assert_int_equal(parse(memory, cases[i].text, &error), CATS_ERR_FORMAT);
		if (strstr(error.text, cases[i].rule) == NULL || strstr(error.text, "x.hex: line ") == NULL)
			fail_msg("\"%s\" is not about \"%s\"", error.text, cases[i].rule);
	}
}

int main(void)
{
	const char *text = getenv("CATS_TEST_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_records),           cmocka_unit_test(known_text),
		cmocka_unit_test(what_is_written_is_read), cmocka_unit_test(every_changed_character_is_found),
		cmocka_unit_test(rules_have_names),
	};

	seed = text != NULL ? strtoull(text, NULL, 10) : 1;
	printf("seed %llu (CATS_TEST_SEED)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
