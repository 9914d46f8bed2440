/* SPDX-License-Identifier: MIT */
/* Exceptions, sleep and virtual time of the emulated core. */
#include <stdio.h>
#include <string.h>

#include "emulator/m4.h"
#include "ports/m4/host.h"
#include "tests/cmocka.h"
#include "tests/images/exceptions.h"

struct chip {
	struct cats_elf elf;
	struct cats_m4 *m4;
	struct exception_report told;
	uint32_t told_at;
};

static void open_case(struct chip *c, enum exception_case which, bool fast)
{
	struct cats_error error = {0};
	struct cats_m4_stopped stopped;
	const uint32_t value = which;

	if (cats_elf_load(&c->elf, IMAGES "/exceptions.elf", &error) < 0 ||
	    cats_m4_create(&c->m4, &c->elf, &(struct cats_m4_options){.fast = fast}, &error) < 0)
		fail_msg("%s", error.text);
	stopped = cats_m4_run(c->m4, 0);
	assert_int_equal(stopped.stop, CATS_M4_BREAKPOINT);
	assert_int_equal(stopped.breakpoint, CATS_HOST_SERVE);
	c->told_at = cats_elf_find(&c->elf, "told")->address;
	assert_int_equal(cats_m4_write(c->m4, cats_elf_find(&c->elf, "which")->address, &value, 4, &error), CATS_OK);
}

static void close_case(struct chip *c)
{
	cats_m4_free(c->m4);
	cats_elf_free(&c->elf);
}

static void expect_exit(struct chip *c)
{
	const struct cats_m4_stopped stopped = cats_m4_run(c->m4, UINT64_C(10000000));
	char text[1024];

	cats_m4_describe(text, sizeof text, c->m4, &stopped);
	if (stopped.stop != CATS_M4_BREAKPOINT || stopped.breakpoint != CATS_HOST_EXIT)
		fail_msg("no exit: %s", text);
	memcpy(&c->told, cats_m4_memory(c->m4, c->told_at, sizeof c->told), sizeof c->told);
}

static void run_case(struct chip *c, enum exception_case which, bool fast)
{
	open_case(c, which, fast);
	expect_exit(c);
	close_case(c);
}

static void expect_events(const struct chip *c, const uint32_t *events, uint32_t count)
{
	assert_int_equal(c->told.events, count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(c->told.order[i], events[i]);
}
#define EXPECT_EVENTS(c, ...) \
	expect_events(c, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* Ten ticks of 1000 cycles are ten thousand cycles of virtual time, most of them asleep. */
static void sleep_lasts_until_the_tick(void **state)
{
	struct chip c;
	uint64_t time;

	(void)state;
	open_case(&c, EXCEPTION_TICKS, false);
	time = cats_m4_time_cycles(c.m4);
	expect_exit(&c);
	assert_int_equal(c.told.ticks, 10);
	assert_in_range(cats_m4_time_cycles(c.m4) - time, 10000, 10400);
	assert_in_range(cats_m4_cycles(c.m4), 100, 3000);
	close_case(&c);
}

static void floating_point_survives_interrupts(void **state)
{
	struct chip c;

	(void)state;
	for (int fast = 0; fast < 2; fast++) {
		run_case(&c, EXCEPTION_FLOAT, fast != 0);
		assert_int_equal(c.told.value, 499750);
		assert_int_equal(c.told.good, 1);
	}
}

static void masks_hold_off_and_priorities_decide(void **state)
{
	struct chip c;

	(void)state;
	run_case(&c, EXCEPTION_MASK, false);
	EXPECT_EVENTS(&c, 1, 14, 2);
	assert_int_equal(c.told.number, 14);
	run_case(&c, EXCEPTION_BASEPRI, false);
	EXPECT_EVENTS(&c, 1, 14, 2);
	run_case(&c, EXCEPTION_NESTING, false);
	EXPECT_EVENTS(&c, 6, 5, 60, 14, 1);
}

static void supervisor_calls_are_answered(void **state)
{
	struct chip c;

	(void)state;
	run_case(&c, EXCEPTION_SVC, false);
	assert_int_equal(c.told.good, 1);
	assert_int_equal(c.told.value, 42);
	assert_int_equal(c.told.number, 11);
	run_case(&c, EXCEPTION_PROCESS, false);
	assert_int_equal(c.told.good, 1);
	run_case(&c, EXCEPTION_ODD_STACK, false);
	assert_int_equal(c.told.good, 1);
	EXPECT_EVENTS(&c, 4);
	assert_int_equal(c.told.stack_pointer % 8, 0);
}

static void the_host_can_interrupt(void **state)
{
	struct chip c;
	struct cats_m4_stopped stopped;
	uint64_t time;

	(void)state;
	open_case(&c, EXCEPTION_HOST, false);
	stopped = cats_m4_run(c.m4, 0);
	assert_int_equal(stopped.stop, CATS_M4_WAITING);
	time = cats_m4_time_cycles(c.m4);
	stopped = cats_m4_run(c.m4, 640);
	assert_int_equal(stopped.stop, CATS_M4_LIMIT);
	assert_true(cats_m4_time_cycles(c.m4) == time + 640);
	cats_m4_interrupt(c.m4, 5);
	expect_exit(&c);
	EXPECT_EVENTS(&c, 5, 1);
	close_case(&c);
	run_case(&c, EXCEPTION_DISABLED, false);
	EXPECT_EVENTS(&c, 1, 6, 2);
}

/* Where an event has been, WFE goes on at once, and takes it; else it waits for an interrupt. */
static void events_end_waiting(void **state)
{
	struct chip c;
	struct cats_m4_stopped stopped;

	(void)state;
	for (int fast = 0; fast < 2; fast++) {
		open_case(&c, EXCEPTION_EVENT, fast != 0);
		stopped = cats_m4_run(c.m4, 0);
		assert_int_equal(stopped.stop, CATS_M4_WAITING);
		memcpy(&c.told, cats_m4_memory(c.m4, c.told_at, sizeof c.told), sizeof c.told);
		EXPECT_EVENTS(&c, 1, 2, 3);
		assert_int_equal(c.told.ticks, 1);
		close_case(&c);
	}
}

static void expect_fault(enum exception_case which, enum cats_m4_fault fault, uint32_t address, const char *function)
{
	struct chip c;
	struct cats_m4_stopped stopped;
	char text[1024];

	open_case(&c, which, false);
	stopped = cats_m4_run(c.m4, 0);
	cats_m4_describe(text, sizeof text, c.m4, &stopped);
	if (stopped.stop != CATS_M4_FAULT || stopped.fault != fault || stopped.address != address ||
	    !strstr(text, function))
		fail_msg("case %d: %s", (int)which, text);
	close_case(&c);
}

static void what_cannot_be_is_a_fault(void **state)
{
	struct chip c;
	struct cats_m4_stopped stopped;

	(void)state;
	expect_fault(EXCEPTION_BAD_RETURN, CATS_M4_FAULT_EXCEPTION, 0xFFFFFFF1, "in svc_to_nowhere+");
	expect_fault(EXCEPTION_MASKED_SVC, CATS_M4_FAULT_EXCEPTION, 11, "in main+");
	expect_fault(EXCEPTION_NO_STACK, CATS_M4_FAULT_WRITE, 0x1FFFFFF0, "in main+");
	expect_fault(EXCEPTION_NO_HANDLER, CATS_M4_FAULT_ARM, 0, "in main+");
	open_case(&c, EXCEPTION_RESET, false);
	stopped = cats_m4_run(c.m4, 0);
	assert_int_equal(stopped.stop, CATS_M4_RESET);
	assert_int_equal(cats_m4_run(c.m4, 0).stop, CATS_M4_RESET);
	close_case(&c);
}

/* The same image from the same start: the same instructions and the same time, to the last one. */
static void runs_repeat(void **state)
{
	struct chip a, b;

	(void)state;
	open_case(&a, EXCEPTION_FLOAT, false);
	open_case(&b, EXCEPTION_FLOAT, false); /* beside the other: cores share nothing */
	expect_exit(&a);
	expect_exit(&b);
	assert_true(cats_m4_instructions(a.m4) == cats_m4_instructions(b.m4));
	assert_true(cats_m4_time_cycles(a.m4) == cats_m4_time_cycles(b.m4));
	assert_int_equal(a.told.ticks, b.told.ticks);
	close_case(&a);
	close_case(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleep_lasts_until_the_tick),
		cmocka_unit_test(floating_point_survives_interrupts),
		cmocka_unit_test(masks_hold_off_and_priorities_decide),
		cmocka_unit_test(supervisor_calls_are_answered),
		cmocka_unit_test(the_host_can_interrupt),
		cmocka_unit_test(events_end_waiting),
		cmocka_unit_test(what_cannot_be_is_a_fault),
		cmocka_unit_test(runs_repeat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
