/* SPDX-License-Identifier: MIT */
/* The trace of a core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/trace.h"
#include "io/file.h"
#include "tests/cmocka.h"
#include "tests/emulator/chip_fixture.h"

#define PATH "test_trace.txt"
#define PAGE 0x000FD000U

static char *read_trace(void)
{
	struct cats_error error = {0};
	uint8_t *bytes;
	size_t size;

	if (cats_file_read(&bytes, &size, PATH, 1U << 24, &error) < 0)
		fail_msg("%s", error.text);
	return (char *)bytes;
}

/* Every instruction has its line, which says what it did; tracing changes nothing else. */
static void every_instruction_has_a_line(void **state)
{
	struct chip_fixture f;
	struct cats_trace *trace;
	struct cats_error error = {0};
	uint64_t before, lines = 0, traced[2], time[2];
	char *text;

	(void)state;
	for (int fast = 0; fast < 2; fast++) {
		chip_fixture_open(&f, &(struct cats_chip_options){.fast = fast != 0});
		CHIP_RUN(&f, WRITE(0x4001E504U, 1), WRITE(PAGE, 0x47702007)); /* movs r0, #7; bx lr */
		assert_int_equal(cats_trace_begin(&trace, cats_chip_core(f.chip), PATH, &error), CATS_OK);
		before = cats_m4_instructions(cats_chip_core(f.chip));
		CHIP_RUN(&f, CALL(PAGE + 1U), LOOP(10));
		traced[0] = cats_m4_instructions(cats_chip_core(f.chip)) - before;
		time[0] = f.ended - f.began;
		assert_int_equal(cats_trace_end(trace, &error), CATS_OK);
		text = read_trace();
		lines = 0;
		for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
			lines++;
		assert_true(lines == traced[0]);
		assert_non_null(strstr(text, " 0x000fd000 ?+0 r0 00000007"));
		assert_non_null(strstr(text, " main+"));
		free(text);
		before = cats_m4_instructions(cats_chip_core(f.chip));
		CHIP_RUN(&f, CALL(PAGE + 1U), LOOP(10));
		traced[1] = cats_m4_instructions(cats_chip_core(f.chip)) - before;
		time[1] = f.ended - f.began;
		assert_true(traced[0] == traced[1]);
		assert_true(time[0] == time[1]);
		chip_fixture_close(&f);
	}
	remove(PATH);
}

static void what_cannot_be_written_is_told(void **state)
{
	struct chip_fixture f;
	struct cats_trace *trace;
	struct cats_error error = {0};

	(void)state;
	chip_fixture_open(&f, NULL);
	assert_int_equal(cats_trace_begin(&trace, cats_chip_core(f.chip), "no/such/directory", &error), CATS_ERR_IO);
	assert_non_null(strstr(error.text, "no/such/directory"));
	assert_int_equal(cats_trace_begin(&trace, cats_chip_core(f.chip), "/dev/full", &error), CATS_OK);
	CHIP_RUN(&f, LOOP(1000));
	assert_int_equal(cats_trace_end(trace, &error), CATS_ERR_IO);
	chip_fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_instruction_has_a_line),
		cmocka_unit_test(what_cannot_be_written_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
