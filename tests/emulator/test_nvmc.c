/* SPDX-License-Identifier: MIT */
/* NVMC, FICR and UICR. */
#include <string.h>

#include "tests/cmocka.h"
#include "tests/emulator/chip_fixture.h"

#define NVMC 0x4001E000U
#define READY (NVMC + 0x400U)
#define CONFIG(mode) WRITE(NVMC + 0x504U, mode)
#define ERASE(address) WRITE(NVMC + 0x508U, address)
#define PAGE 0x000FD000U /* erased */
#define UICR 0x10001000U
#define FICR 0x10000000U
#define WORD_US 41U
#define ERASE_US 85000U

static void words_lose_bits_and_pages_regain_them(void **state)
{
	struct chip_fixture f;

	(void)state;
	for (int fast = 0; fast < 2; fast++) {
		chip_fixture_open(&f, &(struct cats_chip_options){.fast = fast != 0});
		CHIP_RUN(&f, READ(PAGE), CONFIG(1), WRITE(PAGE, 0x12345678), READ(PAGE), AWAIT(READY),
			 WRITE(PAGE, 0xFFFF00FF), LOOP(1), READ(PAGE), CONFIG(0), READ(NVMC + 0x504U));
		assert_int_equal(f.told.read[0], 0xFFFFFFFF);
		assert_int_equal(f.told.read[1], 0x12345678);
		assert_int_equal(f.told.read[2], 0x12340078); /* nothing became 1 */
		assert_int_equal(f.told.read[3], 0);
		assert_in_range(f.ended - f.began, 2 * 64 * WORD_US, 2 * 64 * WORD_US + 1500);
		CHIP_RUN(&f, CONFIG(2), ERASE(PAGE), AWAIT(READY), CONFIG(0), READ(PAGE), READ(PAGE - 4U));
		assert_int_equal(f.told.read[0], 0xFFFFFFFF);
		assert_in_range(f.ended - f.began, 64 * ERASE_US, 64 * ERASE_US + 1500);
		CHIP_RUN(&f, CONFIG(1), WRITE(PAGE, 1), AWAIT(READY), WRITE(PAGE, 0), AWAIT(READY), CONFIG(0));
		chip_fixture_close(&f);
	}
}

/* The processor stands still, the rest of the chip does not: a timer goes on counting and its interrupt waits. */
static void the_processor_stands_still(void **state)
{
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, WRITE(0x40008508U, 3), WRITE(0x40008540U, 50000), WRITE(0x40008304U, 1U << 16),
		 INTERRUPT(8, 0x40008140U), WRITE(0x40008000U, 1), CONFIG(2), ERASE(PAGE), AWAIT(READY),
		 WRITE(0x40008044U, 1), READ(0x40008544U));
	assert_int_equal(f.told.interrupts[8], 1);
	assert_in_range(f.told.read[0], ERASE_US, ERASE_US + 20);
	assert_in_range(cats_m4_cycles(cats_chip_core(f.chip)), 1, 20000);
	chip_fixture_close(&f);
}

static void a_run_may_end_inside(void **state)
{
	struct chip_fixture f;
	const struct script_line erase[] = {CONFIG(2), ERASE(PAGE), AWAIT(READY)};
	uint64_t began;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, CONFIG(1), WRITE(PAGE, 0x00FF00FF), CONFIG(0));
	began = cats_chip_now(f.chip);
	chip_fixture_load(&f, erase, 3);
	for (uint64_t until = began + 640; until < began + 64 * ERASE_US; until += 64000) {
		assert_false(chip_fixture_go_on(&f, until));
		assert_true(cats_chip_now(f.chip) <= until + 100);
	}
	assert_true(chip_fixture_go_on(&f, began + 64 * (ERASE_US + 100)));
	chip_fixture_close(&f);
}

static uint32_t word(const struct chip_fixture *f, uint32_t address)
{
	uint32_t value;

	memcpy(&value, cats_m4_memory(cats_chip_core(f->chip), address, 4), 4);
	return value;
}

/* Power that goes during an erasure leaves some of a page; what was written before is there. */
static void power_may_go_meanwhile(void **state)
{
	struct chip_fixture f;
	const struct script_line erase[] = {CONFIG(2), ERASE(PAGE), AWAIT(READY)};
	const struct script_line write[] = {CONFIG(1), WRITE(PAGE, 0), AWAIT(READY)};

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, CONFIG(1), WRITE(PAGE, 0), WRITE(PAGE + 4U, 0), CONFIG(0));
	chip_fixture_load(&f, erase, 3);
	assert_false(chip_fixture_go_on(&f, cats_chip_now(f.chip) + 64 * ERASE_US / 2));
	cats_chip_reset(f.chip, CATS_RESET_POWER);
	assert_true(word(&f, PAGE) != 0 && word(&f, PAGE) != UINT32_MAX);
	assert_true(word(&f, PAGE) != word(&f, PAGE + 4U));
	assert_int_equal(word(&f, PAGE + 8U), UINT32_MAX);
	assert_int_equal(word(&f, PAGE - 4U), UINT32_MAX);
	assert_true(chip_fixture_go_on(&f, cats_chip_now(f.chip) + 64000));
	CHIP_RUN(&f, CONFIG(2), ERASE(PAGE), AWAIT(READY));
	assert_int_equal(word(&f, PAGE), UINT32_MAX);
	chip_fixture_load(&f, write, 3);
	assert_false(chip_fixture_go_on(&f, cats_chip_now(f.chip) + 64 * WORD_US / 2));
	cats_chip_reset(f.chip, CATS_RESET_POWER);
	assert_true(word(&f, PAGE) != 0 && word(&f, PAGE) != UINT32_MAX);
	chip_fixture_close(&f);
}

/* Code that is written, run, erased, written as another function and run again. */
static void new_code_runs(void **state)
{
	struct chip_fixture f;

	(void)state;
	for (int fast = 0; fast < 2; fast++) {
		chip_fixture_open(&f, &(struct cats_chip_options){.fast = fast != 0});
		CHIP_RUN(&f, CONFIG(1), WRITE(PAGE, 0x47702007), AWAIT(READY), /* movs r0, #7; bx lr */
			 CALL(PAGE + 1U), CONFIG(2), ERASE(PAGE), AWAIT(READY), CONFIG(1), WRITE(PAGE, 0x47702009),
			 AWAIT(READY), CALL(PAGE + 1U), WRITE(PAGE, 0x47702001), AWAIT(READY), CALL(PAGE + 1U));
		assert_int_equal(f.told.read[0], 7);
		assert_int_equal(f.told.read[1], 9);
		assert_int_equal(f.told.read[2], 1);
		chip_fixture_close(&f);
	}
}

/* A word within a function that has been run: bits fall, and it does something else. */
static void a_function_changes(void **state)
{
	struct chip_fixture f;

	(void)state;
	for (int fast = 0; fast < 2; fast++) {
		chip_fixture_open(&f, &(struct cats_chip_options){.fast = fast != 0});
		CHIP_RUN(&f, CONFIG(1), WRITE(PAGE, 0xBF002007), /* movs r0, #7; nop */
			 WRITE(PAGE + 4U, 0x47703007),           /* adds r0, #7; bx lr */
			 AWAIT(READY), CALL(PAGE + 1U), WRITE(PAGE + 4U, 0x47703003), AWAIT(READY), CALL(PAGE + 1U));
		assert_int_equal(f.told.read[0], 14);
		assert_int_equal(f.told.read[1], 10);
		chip_fixture_close(&f);
	}
}

static void flash_persists_over_resets(void **state)
{
	static const enum cats_reset causes[] = {CATS_RESET_SOFT, CATS_RESET_PIN, CATS_RESET_POWER};
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, CONFIG(1), WRITE(PAGE, 42), WRITE(UICR + 0x80U, 43), AWAIT(READY));
	for (size_t i = 0; i < 3; i++) {
		cats_chip_reset(f.chip, causes[i]);
		assert_true(chip_fixture_go_on(&f, cats_chip_now(f.chip) + 64000));
		CHIP_RUN(&f, READ(PAGE), READ(UICR + 0x80U), READ(UICR + 0x84U), READ(NVMC + 0x504U));
		assert_int_equal(f.told.read[0], 42);
		assert_int_equal(f.told.read[1], 43);
		assert_int_equal(f.told.read[2], UINT32_MAX);
		assert_int_equal(f.told.read[3], 0);
	}
	CHIP_RUN(&f, CONFIG(2), WRITE(NVMC + 0x514U, 1), AWAIT(READY), READ(UICR + 0x80U));
	assert_int_equal(f.told.read[0], UINT32_MAX);
	chip_fixture_close(&f);
}

static void every_chip_has_its_own_number(void **state)
{
	uint32_t ids[2] = {0};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct chip_fixture f;

		chip_fixture_open(&f, &(struct cats_chip_options){.seed = i});
		CHIP_RUN(&f, READ(FICR + 0x60U), READ(FICR + 0x100U), READ(FICR + 0x10U), READ(FICR + 0x14U),
			 READ(FICR + 0x130U), READ(FICR + 0x134U), READ(FICR + 0xA8U));
		ids[i] = f.told.read[0];
		assert_int_equal(f.told.read[1], 0x52840);
		assert_int_equal(f.told.read[2] * f.told.read[3], 1U << 20);
		assert_int_equal(f.told.read[4], 8);
		assert_int_equal(f.told.read[5], 3);
		assert_in_range(f.told.read[6], 1, 0xFFFF);
		cats_chip_reset(f.chip, CATS_RESET_POWER);
		assert_true(chip_fixture_go_on(&f, cats_chip_now(f.chip) + 64000));
		CHIP_RUN(&f, READ(FICR + 0x60U));
		assert_int_equal(f.told.read[0], ids[i]);
		chip_fixture_close(&f);
	}
	assert_true(ids[0] != ids[1]);
}

static void what_flash_does_not_do_is_refused(void **state)
{
	(void)state;
	CHIP_REFUSES("NVMC: a write to 0x000fd000 while CONFIG is 0", WRITE(PAGE, 1));
	CHIP_REFUSES("NVMC: a write to 0x000fd000 while CONFIG is 2", CONFIG(2), WRITE(PAGE, 1));
	CHIP_REFUSES("NVMC: a write to 0x10001080 while CONFIG is 0", WRITE(UICR + 0x80U, 1));
	CHIP_REFUSES("NVMC: a write of 1 bytes to 0x000fd000", CONFIG(1), {SCRIPT_WRITE_8, PAGE, 1});
	CHIP_REFUSES("NVMC: a write of 2 bytes to 0x000fd002", CONFIG(1), {SCRIPT_WRITE_16, PAGE + 2U, 1});
	CHIP_REFUSES("NVMC: the word at 0x000fd000 is written more than 2 times", CONFIG(1), WRITE(PAGE, 7),
		     WRITE(PAGE, 3), WRITE(PAGE, 1));
	CHIP_REFUSES("NVMC: an erasure while CONFIG is 1", CONFIG(1), ERASE(PAGE));
	CHIP_REFUSES("NVMC: ERASEPAGE: no page begins at 0x000fd004", CONFIG(2), ERASE(PAGE + 4U));
	CHIP_REFUSES("NVMC: 0x00100000 written to 0x508", CONFIG(2), ERASE(0x100000));
	CHIP_REFUSES("NVMC: 0x00000003 written to 0x504", CONFIG(3));
	CHIP_REFUSES("NVMC: a read of 0x408", READ(NVMC + 0x408U));
	CHIP_REFUSES("FICR: 0x00000001 written to 0x060", WRITE(FICR + 0x60U, 1));
	CHIP_REFUSES("FICR: a read of 0x450", READ(FICR + 0x450U));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_lose_bits_and_pages_regain_them),
		cmocka_unit_test(the_processor_stands_still),
		cmocka_unit_test(a_run_may_end_inside),
		cmocka_unit_test(power_may_go_meanwhile),
		cmocka_unit_test(new_code_runs),
		cmocka_unit_test(a_function_changes),
		cmocka_unit_test(flash_persists_over_resets),
		cmocka_unit_test(every_chip_has_its_own_number),
		cmocka_unit_test(what_flash_does_not_do_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
