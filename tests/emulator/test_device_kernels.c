/* SPDX-License-Identifier: MIT */
/* The kernels made for the Cortex-M4 equal plain C bit for bit on the emulated core, in the random cases that the
 * host's kernels are held to, with every unaligned access that silicon refuses refused; faults in them are noticed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/m4.h"
#include "ports/m4/host.h"
#include "tests/cmocka.h"
#include "tests/images/kernels.h"

#define ROUNDS 12U
#define TEXT_BYTES 96

static uint32_t seed;
static struct cats_elf elf;

/* `told` as it lies in the image, whose pointers have 32 bits. */
struct told {
	uint32_t cases, round, kind, what;
};

static int open_image(void **state)
{
	struct cats_error error = {0};

	(void)state;
	if (cats_elf_load(&elf, IMAGES "/kernels.elf", &error) < 0)
		fail_msg("%s", error.text);
	return 0;
}

static int close_image(void **state)
{
	(void)state;
	cats_elf_free(&elf);
	return 0;
}

static void read_text(char text[TEXT_BYTES], const struct cats_m4 *m4, uint32_t address)
{
	const char *from = (const char *)cats_m4_memory(m4, address, TEXT_BYTES);

	snprintf(text, TEXT_BYTES, "%.*s", TEXT_BYTES - 1, from && address != 0 ? from : "nothing");
}

/* The exit status; *kind and *what name the first difference. */
static uint32_t run(char kind[TEXT_BYTES], char what[TEXT_BYTES], struct told *told, enum kernels_fault fault)
{
	const struct kernels_asked asked = {.seed = seed, .rounds = ROUNDS, .fault = fault};
	struct cats_error error = {0};
	struct cats_m4_stopped stopped;
	struct cats_m4 *m4;
	char text[1024];
	uint32_t status;

	if (cats_m4_create(&m4, &elf, &(struct cats_m4_options){.fast = fault != KERNELS_NO_FAULT}, &error) < 0)
		fail_msg("%s", error.text);
	stopped = cats_m4_run(m4, 0);
	assert_int_equal(stopped.breakpoint, CATS_HOST_SERVE);
	assert_int_equal(cats_m4_write(m4, cats_elf_find(&elf, "asked")->address, &asked, sizeof asked, &error),
			 CATS_OK);
	stopped = cats_m4_run(m4, 0);
	cats_m4_describe(text, sizeof text, m4, &stopped);
	if (stopped.stop != CATS_M4_BREAKPOINT || stopped.breakpoint != CATS_HOST_EXIT)
		fail_msg("%s", text);
	memcpy(told, cats_m4_memory(m4, cats_elf_find(&elf, "told")->address, sizeof *told), sizeof *told);
	read_text(kind, m4, told->kind);
	read_text(what, m4, told->what);
	status = cats_m4_register(m4, 0);
	cats_m4_free(m4);
	return status;
}

static void kernels_equal_plain_c(void **state)
{
	char kind[TEXT_BYTES], what[TEXT_BYTES];
	struct told told;

	(void)state;
	if (run(kind, what, &told, KERNELS_NO_FAULT) != 0)
		fail_msg("%s, case %u: %s differs from plain C", kind, told.round, what);
	assert_true(told.cases >= 5 * ROUNDS);
}

static void faults_are_noticed(void **state)
{
	(void)state;
	for (uint32_t fault = KERNELS_NO_FAULT + 1; fault < KERNELS_FAULTS; fault++) {
		char kind[TEXT_BYTES], what[TEXT_BYTES];
		struct told told;

		if (run(kind, what, &told, (enum kernels_fault)fault) != 1)
			fail_msg("fault %u was not noticed in %u cases", fault, told.cases);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernels_equal_plain_c),
		cmocka_unit_test(faults_are_noticed),
	};

	seed = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
	printf("seed %u (an argument replaces it)\n", seed);
	return cmocka_run_group_tests(tests, open_image, close_image);
}
