/* SPDX-License-Identifier: MIT */
/* The kernels made for the Cortex-M4 equal plain C bit for bit on the emulated core, in the random cases that the
 * host's kernels are held to, with every unaligned access that silicon refuses refused; faults in them, and one changed
 * constant in an instruction of each, are noticed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/m4.h"
#include "ports/m4/host.h"
#include "tests/cmocka.h"
#include "tests/images/kernels.h"

#define ROUNDS 10U
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

	if (cats_m4_create(&m4, &elf, &(struct cats_m4_options){0}, &error) < 0)
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

/* Constants in the kernels' instructions: 16 and 32-bit words as they lie in memory, the second a mutant of the first.
 */
static const struct mutant {
	const char *function;
	uint16_t first, second, mutant; /* halfwords of the instruction; what the second becomes */
} mutants[] = {
	{"cats_m4_products", 0xFA2F, 0xF282, 0xF292},         /* SXTB16 r2, r2: rotated by 8 */
	{"cats_m4_scores", 0xF304, 0x040E, 0x040D},           /* SSAT r4, #15: #14 */
	{"cats_m4_exponentials", 0xF3A5, 0x050A, 0x0509},     /* USAT16 r5, #10: #9 */
	{"cats_m4_values", 0xF304, 0x0407, 0x0406},           /* SSAT r4, #8: #7 */
	{"cats_m4_widen", 0xF004, 0x24FF, 0x14FF},            /* AND r4, #0xFF00FF00: #0x00FF00FF */
	{"cats_m4_finish_residual", 0xEB04, 0x2403, 0x2443},  /* ADD r4, r4, r3, LSL #8: #9 */
	{"cats_m4_finish_symmetric", 0xEA4F, 0x6808, 0x58C8}, /* LSL r8, #24: #23 */
	{"cats_m4_finish_relu", 0xF38C, 0x0C07, 0x0C06},      /* USAT r12, #7: #6 */
	{"cats_m4_finish_table", 0xF38C, 0x0C08, 0x0C07},     /* USAT r12, #8: #7 */
};

/* The second halfword of the first such instruction. */
static uint8_t *find_instruction(const struct mutant *mutant)
{
	const struct cats_elf_symbol *symbol = cats_elf_find(&elf, mutant->function);

	assert_non_null(symbol);
	for (size_t i = 0; i < elf.segment_count; i++) {
		const struct cats_elf_segment *s = elf.segments + i;

		if (symbol->address < s->address || symbol->address + symbol->size > s->address + s->size)
			continue;
		for (uint32_t at = 0; at + 4 <= symbol->size; at += 2) {
			const uint32_t offset = symbol->address - s->address + at;
			uint16_t words[2];

			memcpy(words, s->bytes + offset, sizeof words);
			if (words[0] == mutant->first && words[1] == mutant->second)
				return elf.bytes + (s->bytes - elf.bytes) + offset + 2;
		}
	}
	fail_msg("%s has no instruction %04X %04X", mutant->function, mutant->first, mutant->second);
	return NULL;
}

static void a_changed_constant_is_noticed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof mutants / sizeof mutants[0]; i++) {
		uint8_t *place = find_instruction(mutants + i);
		char kind[TEXT_BYTES], what[TEXT_BYTES];
		struct told told;

		memcpy(place, &mutants[i].mutant, 2);
		if (run(kind, what, &told, KERNELS_NO_FAULT) != 1)
			fail_msg("the changed constant of %s was not noticed", mutants[i].function);
		memcpy(place, &mutants[i].second, 2);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernels_equal_plain_c),
		cmocka_unit_test(faults_are_noticed),
		cmocka_unit_test(a_changed_constant_is_noticed),
	};

	seed = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
	printf("seed %u (an argument replaces it)\n", seed);
	return cmocka_run_group_tests(tests, open_image, close_image);
}
