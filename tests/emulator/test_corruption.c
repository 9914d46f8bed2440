/* SPDX-License-Identifier: MIT */
/* Flash that has lost bits: a byte of the firmware or of the shard, or a page of it. The firmware checks itself and
 * then the shard before its radio is on, so that whatever else happens nothing is ever sent.
 *
 * usage: test_corruption [SEED COUNT] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "tests/cmocka.h"
#include "tests/emulator/firmware_fixture.h"

static uint64_t seed = 1;
static uint32_t count = 60;

static struct cats_elf image;
static uint8_t whole[CATS_LAYOUT_FLASH_BYTES], damaged[CATS_LAYOUT_FLASH_BYTES];
static uint32_t firmware_bytes;
static size_t shard_bytes;
static uint32_t input_bytes;

static int load(void **state)
{
	struct firmware f;

	(void)state;
	firmware_load(&image);
	firmware_open(&f, &image);
	firmware_identify(&f, 0);
	shard_bytes = firmware_plant(&f, 3, 0);
	input_bytes = f.input_bytes;
	firmware_bytes = firmware_symbol(&f, "__image_end");
	memcpy(whole, cats_m4_memory(cats_chip_core(f.chip), 0, sizeof whole), sizeof whole);
	firmware_close(&f);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	cats_elf_free(&image);
	return 0;
}

/* ---- What becomes of it ---- */

enum fate {
	REFUSED, /* it says what is damaged, and stays alive */
	RESETS,  /* a fault or the watchdog resets it, again and again */
	STOPPED, /* it does what silicon does not define, which the emulator does not go on with */
	SILENT,  /* it hangs before the watchdog runs */
	WORKS,
	FATES
};
static const char *const fate_names[FATES] = {"refused", "resets", "stopped", "silent", "works"};

static bool run(struct firmware *f, uint64_t cycles)
{
	return cats_chip_run(f->chip, cats_chip_now(f->chip) + cycles).stop == CATS_M4_LIMIT;
}

/* A node whose flash is `damaged` is given an input; nothing may ever be sent. */
static enum fate live(const char *refusal)
{
	enum fate fate = SILENT;
	bool runs;
	struct firmware f;

	firmware_open_fast(&f, &image, seed);
	cats_m4_flash(cats_chip_core(f.chip), damaged);
	f.input_bytes = input_bytes;
	runs = run(&f, 50 * FIRMWARE_MS);
	if (runs && !firmware_says(&f, refusal))
		runs = run(&f, 2500 * FIRMWARE_MS);
	if (!runs)
		fate = STOPPED;
	else if (firmware_says(&f, "node: plan"))
		fate = WORKS;
	else if (firmware_says(&f, refusal))
		fate = REFUSED;
	else if (f.resets > 0)
		fate = RESETS;
	assert_int_equal(f.frames, 0);
	if (fate == SILENT)
		print_message("it has said: %s\n", f.log != NULL ? f.log : "nothing");
	firmware_close(&f);
	return fate;
}

/* ---- Damage ---- */

/* A byte, or every sixth time a page, of what lies in `from` … `to`, loses or gains bits. */
static void damage(uint32_t from, uint32_t to, uint64_t key)
{
	const uint32_t at = from + cats_random_below(key, 0, to - from);
	const uint8_t flips = (uint8_t)(1U + cats_random_below(key, 1, 255));

	memcpy(damaged, whole, sizeof damaged);
	if (cats_random_below(key, 2, 6) == 0)
		memset(damaged + at / CATS_LAYOUT_PAGE_BYTES * CATS_LAYOUT_PAGE_BYTES,
		       cats_random_below(key, 3, 2) == 0 ? 0xFF : 0, CATS_LAYOUT_PAGE_BYTES);
	else
		damaged[at] ^= flips;
}

static void try_range(uint32_t fates[FATES], uint32_t from, uint32_t to, const char *refusal, uint64_t label)
{
	memset(fates, 0, FATES * sizeof *fates);
	for (uint32_t i = 0; i < count; i++) {
		damage(from, to, cats_random_key(cats_random_key(seed, label), i));
		fates[live(refusal)]++;
	}
	for (uint32_t i = 0; i < FATES; i++)
		print_message("%s %u, ", fate_names[i], fates[i]);
	print_message("of %u, seed %" PRIu64 "\n", count, seed);
	assert_int_equal(fates[WORKS], 0);
}

static void whole_flash_works(void **state)
{
	(void)state;
	memcpy(damaged, whole, sizeof damaged);
	assert_int_equal(live("waiting: firmware"), WORKS);
}

/* Whatever start-up, checksum and log need cannot say so when it is damaged itself. */
static void a_damaged_firmware_sends_nothing(void **state)
{
	uint32_t fates[FATES];

	(void)state;
	try_range(fates, 0, firmware_bytes, "waiting: firmware: its checksum does not match its bytes", 1);
	assert_true(fates[REFUSED] > count / 2);
}

static void a_damaged_shard_is_refused(void **state)
{
	uint32_t fates[FATES];

	(void)state;
	try_range(fates, CATS_LAYOUT_SHARD, CATS_LAYOUT_SHARD + (uint32_t)shard_bytes, "0: waiting: shard: ", 2);
	assert_int_equal(fates[REFUSED], count);
}

int main(int arguments, char **argument)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_flash_works),
		cmocka_unit_test(a_damaged_firmware_sends_nothing),
		cmocka_unit_test(a_damaged_shard_is_refused),
	};

	if (arguments == 3) {
		seed = strtoull(argument[1], NULL, 10);
		count = (uint32_t)strtoul(argument[2], NULL, 10);
	}
	return cmocka_run_group_tests(tests, load, unload);
}
