/* SPDX-License-Identifier: MIT */
/* Executables: what is refused and by which rule; no truncation and no damaged byte does harm. */
#include "io/elf.h"

#include <stdlib.h>
#include <string.h>

#include "emulator/m4.h"
#include "io/file.h"
#include "tests/cmocka.h"

static uint8_t *bytes;
static size_t size;

static int read_image(void **state)
{
	struct cats_error error = {0};

	(void)state;
	if (cats_file_read(&bytes, &size, IMAGES "/hello.elf", 1U << 20, &error) < 0)
		fail_msg("%s", error.text);
	return 0;
}

static int free_image(void **state)
{
	(void)state;
	free(bytes);
	return 0;
}

/* Reads the first `length` bytes with one of them changed, and makes a core of it if that works. */
static enum cats_status try(size_t length, size_t at, uint8_t flip, struct cats_error *error)
{
	uint8_t *copy = malloc(length + 1U);
	enum cats_status status;
	struct cats_elf elf;
	struct cats_m4 *m4;

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	if (at < length)
		copy[at] ^= flip;
	status = cats_elf_take(&elf, copy, length, "damaged.elf", error);
	if (status != CATS_OK)
		return status;
	(void)cats_elf_find(&elf, "main");
	(void)cats_elf_function_at(&elf, 0x100);
	status = cats_m4_create(&m4, &elf, &(struct cats_m4_options){0}, error);
	if (status == CATS_OK) {
		(void)cats_m4_run(m4, 10000);
		cats_m4_free(m4);
	}
	cats_elf_free(&elf);
	return status;
}

static void expect_refusal(size_t length, size_t at, uint8_t flip, const char *rule)
{
	struct cats_error error = {0};

	if (try(length, at, flip, &error) == CATS_OK)
		fail_msg("taken, though %s", rule);
	if (!strstr(error.text, rule))
		fail_msg("\"%s\" does not say \"%s\"", error.text, rule);
}

/* Offsets of the System V ABI, figure 4-3: e_type 16, e_machine 18, e_phoff 28, e_shoff 32, e_phentsize 42, e_phnum 44,
 * e_shentsize 46. */
static void every_rule_has_its_name(void **state)
{
	struct cats_error error = {0};

	(void)state;
	assert_int_equal(try(size, size, 0, &error), CATS_OK);
	expect_refusal(51, 51, 0, "header: the file is shorter than its 52 bytes");
	expect_refusal(size, 0, 1, "e_ident");
	expect_refusal(size, 4, 3, "e_ident");
	expect_refusal(size, 5, 3, "e_ident");
	expect_refusal(size, 16, 1, "e_type: must be 2");
	expect_refusal(size, 18, 1, "e_machine: must be 40");
	expect_refusal(size, 31, 0x40, "program headers: must lie inside");
	expect_refusal(size, 35, 0x40, "section headers: must lie inside");
	expect_refusal(size, 42, 1, "e_phentsize: must be 32");
	expect_refusal(size, 46, 1, "e_shentsize: must be 40");
}

/* The first program header: p_offset 4, p_paddr 12, p_filesz 16 from its start. */
static void segments_lie_in_file_and_flash(void **state)
{
	const size_t header = bytes[28] | (size_t)bytes[29] << 8;

	(void)state;
	expect_refusal(size, header + 7, 0x10, "segment: its bytes must lie inside the file");
	expect_refusal(size, header + 18, 0x10, "segment: its bytes must lie inside the file");
	expect_refusal(size, header + 15, 0x20, "do not lie in flash");
}

static void no_truncation_does_harm(void **state)
{
	(void)state;
	for (size_t length = 0; length < size; length += length < 256 ? 1 : 61)
		(void)try(length, length, 0, NULL);
}

/* All bytes of the header, one in 211 of the rest. */
static void no_damaged_byte_does_harm(void **state)
{
	(void)state;
	for (size_t at = 0; at < size; at += at < 256 ? 1 : 211)
		for (uint32_t bit = 0; bit < 8; bit += 3)
			(void)try(size, at, (uint8_t)(1U << bit), NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_has_its_name),
		cmocka_unit_test(segments_lie_in_file_and_flash),
		cmocka_unit_test(no_truncation_does_harm),
		cmocka_unit_test(no_damaged_byte_does_harm),
	};

	return cmocka_run_group_tests(tests, read_image, free_image);
}
