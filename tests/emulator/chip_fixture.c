/* SPDX-License-Identifier: MIT */
/* See chip_fixture.h. */
#include "tests/emulator/chip_fixture.h"

#include <stdio.h>
#include <string.h>

#include "ports/m4/host.h"
#include "tests/cmocka.h"

#define PATIENCE (UINT64_C(10000000) * CATS_CYCLES_PER_US)

static void describe(char text[1024], const struct chip_fixture *f)
{
	cats_chip_describe(text, 1024, f->chip, &f->stopped);
}

void chip_fixture_open(struct chip_fixture *f, const struct cats_chip_options *options)
{
	const struct cats_chip_options defaults = {.seed = 1};
	struct cats_error error = {0};

	*f = (struct chip_fixture){.chip = NULL};
	if (cats_elf_load(&f->elf, IMAGES "/script.elf", &error) < 0 ||
	    cats_chip_create(&f->chip, &f->elf, options ? options : &defaults, &error) < 0)
		fail_msg("%s", error.text);
	assert_true(chip_fixture_go_on(f, cats_chip_now(f->chip) + PATIENCE));
}

void chip_fixture_close(struct chip_fixture *f)
{
	cats_chip_free(f->chip);
	cats_elf_free(&f->elf);
}

bool chip_fixture_go_on(struct chip_fixture *f, uint64_t until)
{
	struct cats_m4 *m4 = cats_chip_core(f->chip);

	f->stopped = cats_chip_run(f->chip, until);
	f->ended = cats_chip_now(f->chip);
	memcpy(&f->told, cats_m4_memory(m4, cats_elf_find(&f->elf, "told")->address, sizeof f->told), sizeof f->told);
	return f->stopped.stop == CATS_M4_BREAKPOINT && f->stopped.breakpoint == CATS_HOST_SERVE;
}

void chip_fixture_load(struct chip_fixture *f, const struct script_line *lines, size_t count)
{
	struct script_line script[SCRIPT_LINES] = {{SCRIPT_END, 0, 0}};
	struct cats_error error = {0};

	assert_in_range(count, 0, SCRIPT_LINES);
	memcpy(script, lines, count * sizeof *lines);
	if (cats_m4_write(cats_chip_core(f->chip), cats_elf_find(&f->elf, "script")->address, script, sizeof script,
			  &error) < 0)
		fail_msg("%s", error.text);
	f->began = cats_chip_now(f->chip);
}

bool chip_fixture_start(struct chip_fixture *f, const struct script_line *lines, size_t count)
{
	chip_fixture_load(f, lines, count);
	return chip_fixture_go_on(f, f->began + PATIENCE);
}

void chip_fixture_run(struct chip_fixture *f, const struct script_line *lines, size_t count)
{
	char text[1024];

	if (chip_fixture_start(f, lines, count))
		return;
	describe(text, f);
	fail_msg("the script did not end: %s", text);
}

void chip_fixture_refuses(const char *text, const struct script_line *lines, size_t count)
{
	struct chip_fixture f;
	char said[1024];

	chip_fixture_open(&f, NULL);
	if (chip_fixture_start(&f, lines, count))
		fail_msg("not refused: %s", text);
	describe(said, &f);
	if (f.stopped.fault != CATS_M4_FAULT_PERIPHERAL || !strstr(said, text))
		fail_msg("instead of \"%s\": %s", text, said);
	assert_int_equal(cats_chip_run(f.chip, cats_chip_now(f.chip) + 1000).fault, CATS_M4_FAULT_PERIPHERAL);
	chip_fixture_close(&f);
}
