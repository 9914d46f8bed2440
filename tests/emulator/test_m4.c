/* SPDX-License-Identifier: MIT */
/* The emulated core: counts to the instruction, keeps to its memory, names every fault. */
#include <stdio.h>
#include <string.h>

#include "emulator/m4.h"
#include "ports/m4/host.h"
#include "tests/cmocka.h"
#include "tests/images/faults.h"

static void open_image(struct cats_elf *elf, struct cats_m4 **m4, const char *name, bool fast)
{
	struct cats_error error = {0};
	char path[512];

	snprintf(path, sizeof path, "%s/%s.elf", IMAGES, name);
	if (cats_elf_load(elf, path, &error) < 0 ||
	    cats_m4_create(m4, elf, &(struct cats_m4_options){.fast = fast}, &error) < 0)
		fail_msg("%s", error.text);
}

static uint32_t address_of(const struct cats_elf *elf, const char *name)
{
	const struct cats_elf_symbol *symbol = cats_elf_find(elf, name);

	if (!symbol)
		fail_msg("no symbol %s", name);
	return symbol->address;
}

static void expect_breakpoint(struct cats_m4 *m4, enum cats_host_call call)
{
	const struct cats_m4_stopped stopped = cats_m4_run(m4, 0);
	char text[1024];

	cats_m4_describe(text, sizeof text, m4, &stopped);
	if (stopped.stop != CATS_M4_BREAKPOINT || stopped.breakpoint != call)
		fail_msg("instead of breakpoint %d: %s", (int)call, text);
}

static void hello_says_so(void **state)
{
	struct cats_elf elf;
	struct cats_m4 *m4;

	(void)state;
	open_image(&elf, &m4, "hello", false);
	expect_breakpoint(m4, CATS_HOST_BEGIN);
	expect_breakpoint(m4, CATS_HOST_END);
	expect_breakpoint(m4, CATS_HOST_PRINT);
	assert_memory_equal(cats_m4_memory(m4, cats_m4_register(m4, 0), 7), "hello\n", 7);
	expect_breakpoint(m4, CATS_HOST_EXIT);
	assert_int_equal(cats_m4_register(m4, 0), 0);
	cats_m4_free(m4);
	cats_elf_free(&elf);
}

struct expected {
	enum fault_case what;
	enum cats_m4_fault fault;
	const char *at;       /* symbol, or NULL: at what was accessed */
	const char *accessed; /* symbol, or NULL: address 0 */
	uint32_t offset;      /* from there */
};

static const struct expected faults[] = {
	{FAULT_READ_BELOW_RAM, CATS_M4_FAULT_READ, "at_read", NULL, 0x1FFFFFFC},
	{FAULT_READ_ABOVE_RAM, CATS_M4_FAULT_READ, "at_read", NULL, 0x20040000},
	{FAULT_READ_ABOVE_FLASH, CATS_M4_FAULT_READ, "at_read", NULL, 0x00100000},
	{FAULT_WRITE_PERIPHERAL, CATS_M4_FAULT_WRITE, "at_write", NULL, 0x40001000},
	{FAULT_WRITE_FLASH, CATS_M4_FAULT_FLASH, "at_write", NULL, 0x000FF000},
	{FAULT_FETCH_NOWHERE, CATS_M4_FAULT_FETCH, NULL, NULL, 0x00200000},
	{FAULT_UNDEFINED, CATS_M4_FAULT_UNDEFINED, "at_undefined", "at_undefined", 0},
	{FAULT_FETCH_RAM, CATS_M4_FAULT_FETCH, "words", "words", 0},
	{FAULT_ARM_STATE, CATS_M4_FAULT_ARM, "main", "main", 0},
	{FAULT_ERASED, CATS_M4_FAULT_UNDEFINED, NULL, NULL, 0x000FF000},
	{FAULT_FPU_OFF, CATS_M4_FAULT_FPU, "at_fpu", "at_fpu", 0},
	{FAULT_SYSTEM_REGISTER, CATS_M4_FAULT_REGISTER, "at_write", NULL, 0xE000EFFC},
};
#define FAULTS (sizeof faults / sizeof faults[0])

/* Lets faults.elf do one thing; the core must not run again after it. */
static struct cats_m4_stopped misbehave(struct cats_m4 *m4, const struct cats_elf *elf, uint32_t what)
{
	struct cats_error error = {0};
	struct cats_m4_stopped stopped, again;
	uint64_t instructions;

	expect_breakpoint(m4, CATS_HOST_SERVE);
	assert_int_equal(cats_m4_write(m4, address_of(elf, "which"), &what, 4, &error), CATS_OK);
	stopped = cats_m4_run(m4, 0);
	instructions = cats_m4_instructions(m4);
	again = cats_m4_run(m4, 0);
	assert_memory_equal(&again, &stopped, sizeof stopped);
	assert_true(instructions == cats_m4_instructions(m4));
	return stopped;
}

static void check_fault(const struct expected *e, bool fast)
{
	struct cats_elf elf;
	struct cats_m4 *m4;
	struct cats_m4_stopped stopped;
	char text[1024];
	uint32_t pc, accessed;

	open_image(&elf, &m4, "faults", fast);
	accessed = (e->accessed ? address_of(&elf, e->accessed) & ~1U : 0) + e->offset;
	pc = e->at ? address_of(&elf, e->at) & ~1U : accessed;
	stopped = misbehave(m4, &elf, e->what);
	cats_m4_describe(text, sizeof text, m4, &stopped);
	if (stopped.stop != CATS_M4_FAULT || stopped.fault != e->fault)
		fail_msg("case %d: %s", (int)e->what, text);
	if (stopped.address != accessed || (!fast && stopped.pc != pc))
		fail_msg("case %d, expected at 0x%x: %s", (int)e->what, pc, text);
	cats_m4_free(m4);
	cats_elf_free(&elf);
}

static void every_fault_is_named_where_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAULTS; i++)
		check_fault(faults + i, false);
}

static void fast_names_the_same_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAULTS; i++)
		check_fault(faults + i, true);
}

/* What silicon refuses to load from an address that is no multiple of 4, though it loads words from there. */
static void unaligned_access_faults_where_silicon_faults(void **state)
{
	static const struct expected unaligned[] = {
		{FAULT_LDRD, CATS_M4_FAULT_UNALIGNED, "at_ldrd", "words", 2},
		{FAULT_LDM, CATS_M4_FAULT_UNALIGNED, "at_ldm", "words", 2},
		{FAULT_VLDR, CATS_M4_FAULT_UNALIGNED, "at_vldr", "words", 2},
		{FAULT_LDREX, CATS_M4_FAULT_UNALIGNED, "at_ldrex", "words", 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof unaligned / sizeof unaligned[0]; i++)
		check_fault(unaligned + i, false);
}

/* The stack lies at the bottom of RAM: what overflows it writes where nothing is. */
static void stack_overflow_is_caught(void **state)
{
	struct cats_elf elf;
	struct cats_m4 *m4;
	struct cats_m4_stopped stopped;

	(void)state;
	open_image(&elf, &m4, "faults", false);
	stopped = misbehave(m4, &elf, FAULT_STACK_OVERFLOW);
	assert_int_equal(stopped.fault, CATS_M4_FAULT_WRITE);
	assert_in_range(stopped.address, CATS_M4_RAM - 128, CATS_M4_RAM - 1);
	assert_in_range(cats_m4_stack_used(m4, CATS_M4_RAM, address_of(&elf, "__stack_top")), 4096 - 128, 4096);
	cats_m4_free(m4);
	cats_elf_free(&elf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_says_so),
		cmocka_unit_test(every_fault_is_named_where_it_is),
		cmocka_unit_test(fast_names_the_same_faults),
		cmocka_unit_test(unaligned_access_faults_where_silicon_faults),
		cmocka_unit_test(stack_overflow_is_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
