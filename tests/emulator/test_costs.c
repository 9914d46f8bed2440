/* SPDX-License-Identifier: MIT */
/* Counts and estimates against what the manual's rules (emulator/thumb.h) give by hand; the profile. */
#include <stdlib.h>
#include <string.h>

#include "emulator/profile.h"
#include "ports/m4/host.h"
#include "tests/cmocka.h"

static struct cats_elf elf;
static struct cats_m4 *m4;

static int open_image(void **state)
{
	struct cats_error error = {0};

	(void)state;
	if (cats_elf_load(&elf, IMAGES "/costs.elf", &error) < 0 ||
	    cats_m4_create(&m4, &elf, &(struct cats_m4_options){0}, &error) < 0)
		fail_msg("%s", error.text);
	return 0;
}

static int close_image(void **state)
{
	(void)state;
	cats_m4_free(m4);
	cats_elf_free(&elf);
	return 0;
}

struct count {
	uint64_t instructions, cycles;
};

static void await(enum cats_host_call call, const char *name)
{
	const struct cats_m4_stopped stopped = cats_m4_run(m4, 0);
	const char *text;

	assert_int_equal(stopped.stop, CATS_M4_BREAKPOINT);
	assert_int_equal(stopped.breakpoint, call);
	text = (const char *)cats_m4_memory(m4, cats_m4_register(m4, 0), strlen(name) + 1U);
	assert_non_null(text);
	assert_memory_equal(text, name, strlen(name) + 1U);
}

static struct count region(const char *name)
{
	struct count before;

	await(CATS_HOST_BEGIN, name);
	before = (struct count){cats_m4_instructions(m4), cats_m4_cycles(m4)};
	await(CATS_HOST_END, name);
	return (struct count){cats_m4_instructions(m4) - before.instructions, cats_m4_cycles(m4) - before.cycles};
}

/* Beyond the region "nothing". */
static const struct {
	const char *name;
	uint32_t instructions, cycles;
} expected[] = {
	{"adds", 3, 3},
	{"one load", 1, 2},
	{"four loads", 4, 5}, /* n + 1 */
	{"dependent loads", 5, 1 + 2 + 1 + 2 + 1},
	{"address from load", 5, 1 + 2 + 2 + 1 + 1}, /* the second load waits for the first */
	{"stores", 4, 1 + 1 + 1 + 2},
	{"load, indexed store", 3, 1 + 2 + 1},
	{"load multiple", 2, 5 + 2}, /* 1 + N, and nothing is chained to it */
	{"push and pop", 2, 6 + 6},
	{"double word", 2, 3 + 3},
	{"multiply", 5, 5},
	{"divide", 2, 1 + 12},
	{"float", 6, 1 + 1 + 3 + 14 + 14 + 1},
	{"float loads", 4, 2 + 2 + 5 + 3},
	{"branch taken", 2, 1 + 2 + 1},
	{"branch not taken", 4, 4},
	{"loop", 21, 1 + 10 * 2 + 9 * 2},
	{"condition false", 4, 4},
	{"unaligned", 7, (2 + 2) + 1 + (2 + 1) + 1 + (2 + 1) + 1 + (1 + 1)},
};

static void counts_are_those_of_the_manual(void **state)
{
	const struct count nothing = region("nothing");

	(void)state;
	assert_true(nothing.instructions >= 3 && nothing.instructions <= 5);
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		const struct count count = region(expected[i].name);

		if (count.instructions - nothing.instructions != expected[i].instructions ||
		    count.cycles - nothing.cycles != expected[i].cycles)
			fail_msg("%s: %llu instructions instead of %u, %llu cycles instead of %u", expected[i].name,
				 (unsigned long long)(count.instructions - nothing.instructions),
				 expected[i].instructions, (unsigned long long)(count.cycles - nothing.cycles),
				 expected[i].cycles);
	}
}

static void expect_line(const char *function, uint64_t calls, uint64_t own, uint64_t total, uint64_t total_cycles)
{
	const struct cats_m4_profile_line line = cats_m4_profile_of(m4, function);

	if (line.calls != calls || line.instructions != own || line.total_instructions != total ||
	    line.total_cycles != total_cycles)
		fail_msg("%s: %llu calls, %llu instructions, %llu in all, %llu cycles", function,
			 (unsigned long long)line.calls, (unsigned long long)line.instructions,
			 (unsigned long long)line.total_instructions, (unsigned long long)line.total_cycles);
}

/* leaf: 4 instructions, 4 cycles and 2 to get there, twice. inner: nop, b.w, 2 to get there, then leaf. outer: push 3,
 * bl 1, pop 3, 2 to get there and 2 to come back from each of its calls. */
static void calls_and_tail_calls_are_followed(void **state)
{
	struct cats_m4_profile_line *lines;
	struct cats_error error = {0};
	uint64_t sum = 0;
	size_t count;

	(void)state;
	cats_m4_profile_clear(m4);
	(void)region("calls");
	expect_line("leaf", 2, 8, 8, 12);
	expect_line("inner", 1, 2, 6, 4 + 6);
	expect_line("outer", 1, 4, 4 + 4 + 6, (2 + 3 + 1) + 6 + (2 + 1) + 10 + (2 + 3));
	assert_int_equal(cats_m4_profile(&lines, &count, m4, &error), CATS_OK);
	for (size_t i = 0; i < count; i++) {
		assert_true(i == 0 || lines[i].instructions <= lines[i - 1].instructions);
		sum += lines[i].instructions;
	}
	assert_true(count >= 4 && sum >= 14 && sum <= 24);
	free(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_those_of_the_manual),
		cmocka_unit_test(calls_and_tail_calls_are_followed),
	};

	return cmocka_run_group_tests(tests, open_image, close_image);
}
