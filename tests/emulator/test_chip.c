/* SPDX-License-Identifier: MIT */
/* What all peripherals of a chip share, CLOCK, POWER and PPI. */
#include "tests/cmocka.h"
#include "tests/emulator/chip_fixture.h"

#define CLOCK 0x40000000U
#define HFCLKSTARTED (CLOCK + 0x100U)

static void crystal_starts_in_its_time(void **state)
{
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, READ(CLOCK + 0x40CU), WRITE(CLOCK, 1), READ(HFCLKSTARTED), AWAIT(HFCLKSTARTED),
		 READ(CLOCK + 0x40CU));
	assert_int_equal(f.told.read[0], 0x10000);
	assert_int_equal(f.told.read[1], 0);
	assert_int_equal(f.told.read[2], 0x10001);
	assert_in_range(f.ended - f.began, 360 * 64, 380 * 64);
	CHIP_RUN(&f, WRITE(HFCLKSTARTED, 0), WRITE(CLOCK, 1), AWAIT(HFCLKSTARTED)); /* it runs: at once */
	assert_in_range(f.ended - f.began, 1, 1000);
	/* Longer debounced: 1024 µs instead of 256. */
	CHIP_RUN(&f, WRITE(HFCLKSTARTED, 0), WRITE(CLOCK + 4U, 1), READ(CLOCK + 0x40CU), WRITE(CLOCK + 0x528U, 0x40),
		 WRITE(CLOCK, 1), AWAIT(HFCLKSTARTED));
	assert_int_equal(f.told.read[0], 0x10000);
	assert_in_range(f.ended - f.began, 1128 * 64, 1148 * 64);
	chip_fixture_close(&f);
}

/* An event interrupts once if its handler clears it, and again and again if not. */
static void interrupts_are_levels(void **state)
{
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, INTERRUPT(0, HFCLKSTARTED), WRITE(CLOCK + 0x304U, 1), WRITE(CLOCK, 1), SLEEP, READ(HFCLKSTARTED),
		 READ(CLOCK + 0x308U), LOOP(100));
	assert_int_equal(f.told.interrupts[0], 1);
	assert_int_equal(f.told.read[0], 0);
	assert_int_equal(f.told.read[1], 1);
	assert_in_range(f.ended - f.began, 360 * 64, 380 * 64);
	CHIP_RUN(&f, WRITE(CLOCK + 0x308U, 1), WRITE(CLOCK, 1), LOOP(100), READ(HFCLKSTARTED));
	assert_int_equal(f.told.interrupts[0], 0);
	assert_int_equal(f.told.read[0], 1);
	chip_fixture_load(&f, (const struct script_line[]){INTERRUPT(0, 0), WRITE(CLOCK + 0x304U, 1), LOOP(1)}, 3);
	assert_false(chip_fixture_go_on(&f, cats_chip_now(f.chip) + 640000));
	assert_int_equal(f.stopped.stop, CATS_M4_LIMIT);
	assert_in_range(f.told.interrupts[0], 1000, 20000);
	chip_fixture_close(&f);
}

/* An event that is cleared and not read back is still there when the handler returns. */
static void clearing_takes_its_time(void **state)
{
	struct chip_fixture f;

	(void)state;
	for (int fast = 0; fast < 2; fast++) {
		chip_fixture_open(&f, &(struct cats_chip_options){.fast = fast != 0});
		CHIP_RUN(&f, INTERRUPT(0, HFCLKSTARTED + 1U), WRITE(CLOCK + 0x304U, 1), WRITE(CLOCK, 1), LOOP(10000));
		assert_int_equal(f.told.interrupts[0], 2);
		CHIP_RUN(&f, INTERRUPT(0, HFCLKSTARTED), WRITE(CLOCK, 1), LOOP(10000), WRITE(CLOCK, 1), LOOP(10000));
		assert_int_equal(f.told.interrupts[0], 2);
		chip_fixture_close(&f);
	}
}

static void what_is_not_modelled_is_refused_by_name(void **state)
{
	(void)state;
	CHIP_REFUSES("CLOCK/POWER: an access of 1 bytes to 0x578", {SCRIPT_READ_8, CLOCK + 0x578U, 0});
	CHIP_REFUSES("CLOCK/POWER: a read of 0x13c", READ(CLOCK + 0x13CU));
	CHIP_REFUSES("CLOCK/POWER: 0x00000001 written to 0x010", WRITE(CLOCK + 0x010U, 1));
	CHIP_REFUSES("CLOCK/POWER: HFXODEBOUNCE: 0", WRITE(CLOCK + 0x528U, 0));
	CHIP_REFUSES("no peripheral is modelled at 0x40013000", READ(0x40013000U));
	CHIP_REFUSES("CLOCK/POWER: 0x00000000 written to the task at 0x000", WRITE(CLOCK, 0));
	CHIP_REFUSES("CLOCK/POWER: 0x00000001 written to the event at 0x100", WRITE(HFCLKSTARTED, 1));
	CHIP_REFUSES("CLOCK/POWER: an access of 1 bytes to 0x51c", {SCRIPT_WRITE_8, CLOCK + 0x51CU, 1});
	CHIP_REFUSES("CLOCK/POWER: an access of 2 bytes to 0x51c", {SCRIPT_WRITE_16, CLOCK + 0x51CU, 1});
	CHIP_REFUSES("CLOCK/POWER: 0x00000100 written to 0x304", WRITE(CLOCK + 0x304U, 0x100));
	CHIP_REFUSES("PPI: 0x40000200 written to 0x510: no modelled event", WRITE(0x4001F510U, 0x40000200U));
	CHIP_REFUSES("PPI: 0x40000100 written to 0x514: no modelled task", WRITE(0x4001F514U, HFCLKSTARTED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crystal_starts_in_its_time),
		cmocka_unit_test(interrupts_are_levels),
		cmocka_unit_test(clearing_takes_its_time),
		cmocka_unit_test(what_is_not_modelled_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
