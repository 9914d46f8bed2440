/* SPDX-License-Identifier: MIT */
/* RTC. */
#include "tests/cmocka.h"
#include "tests/emulator/chip_fixture.h"

#define CLOCK 0x40000000U
#define RTC0 0x4000B000U
#define RTC1 0x40011000U
#define EGU0 0x40014000U
#define PPI 0x4001F000U
#define SLOW_CLOCK WRITE(CLOCK + 8U, 1), AWAIT(CLOCK + 0x104U) /* the RC oscillator: 0.6 ms */
#define START(rtc) WRITE(rtc, 1)
#define COUNTER(rtc) READ((rtc) + 0x504U)
#define COMPARE(rtc, n) ((rtc) + 0x140U + 4U * (n))
#define CC(rtc, n, value) WRITE((rtc) + 0x540U + 4U * (n), value)
#define INTENSET(rtc, bits) WRITE((rtc) + 0x304U, bits)
#define EVTENSET(rtc, bits) WRITE((rtc) + 0x344U, bits)
#define TICK_TURNS 488U /* turns of a loop that a tick takes: 1953 cycles */

static void it_counts_slow_ticks(void **state)
{
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, SLOW_CLOCK, START(RTC0), LOOP(100 * TICK_TURNS), COUNTER(RTC0), WRITE(RTC0 + 4U, 1),
		 LOOP(10 * TICK_TURNS), COUNTER(RTC0), WRITE(RTC0 + 8U, 1), COUNTER(RTC0), WRITE(RTC0 + 0x508U, 9),
		 START(RTC0), LOOP(100 * TICK_TURNS), COUNTER(RTC0), WRITE(RTC0 + 0xCU, 1), COUNTER(RTC0));
	assert_in_range(f.told.read[0], 98, 101);
	assert_in_range(f.told.read[1] - f.told.read[0], 0, 1);
	assert_int_equal(f.told.read[2], 0);
	assert_in_range(f.told.read[3], 9, 10);
	assert_int_equal(f.told.read[4], 0xFFFFF0);
	chip_fixture_close(&f);
}

static void it_compares_ticks_and_overflows(void **state)
{
	struct chip_fixture f;
	uint64_t before;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, SLOW_CLOCK, CC(RTC1, 3, 50), INTENSET(RTC1, 1U << 19), INTERRUPT(17, COMPARE(RTC1, 3)),
		 START(RTC1), SLEEP);
	assert_int_equal(f.told.interrupts[17], 1);
	CHIP_RUN(&f, COUNTER(RTC1));
	assert_in_range(f.told.read[0], 50, 51);
	before = f.ended;
	CHIP_RUN(&f, WRITE(RTC1 + 0x308U, 1U << 19), INTENSET(RTC1, 1), INTERRUPT(17, RTC1 + 0x100U), SLEEP, SLEEP,
		 SLEEP, SLEEP, WRITE(RTC1 + 0x308U, 1));
	assert_int_equal(f.told.interrupts[17], 4);
	assert_in_range(f.ended - before, 3 * 1953, 5 * 1953);
	CHIP_RUN(&f, INTENSET(RTC1, 2), INTERRUPT(17, RTC1 + 0x104U), WRITE(RTC1 + 0xCU, 1), SLEEP, COUNTER(RTC1));
	assert_in_range(f.told.read[0], 0, 1);
	chip_fixture_close(&f);
}

/* A compare register that is written less than two ticks ahead is missed; an event that nothing wants does not happen;
 * the PPI hears of those that EVTEN names. */
static void it_is_as_particular_as_silicon(void **state)
{
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, SLOW_CLOCK, WRITE(RTC0 + 0x508U, 99), EVTENSET(RTC0, 1U << 16), START(RTC0),
		 LOOP(150 * TICK_TURNS), CC(RTC0, 0, 2), LOOP(200 * TICK_TURNS), READ(COMPARE(RTC0, 0)), COUNTER(RTC0),
		 CC(RTC0, 0, 5), LOOP(200 * TICK_TURNS), READ(COMPARE(RTC0, 0)));
	assert_int_equal(f.told.read[0], 0);
	assert_int_equal(f.told.read[1], 3);
	assert_int_equal(f.told.read[2], 1);
	CHIP_RUN(&f, WRITE(PPI + 0x510U, COMPARE(RTC1, 0)), WRITE(PPI + 0x514U, EGU0), WRITE(PPI + 0x504U, 1),
		 CC(RTC1, 0, 5), START(RTC1), LOOP(10 * TICK_TURNS), READ(COMPARE(RTC1, 0)), READ(EGU0 + 0x100U),
		 WRITE(RTC1 + 8U, 1), INTENSET(RTC1, 1U << 16), LOOP(10 * TICK_TURNS), READ(COMPARE(RTC1, 0)),
		 READ(EGU0 + 0x100U), WRITE(RTC1 + 8U, 1), EVTENSET(RTC1, 1U << 16), LOOP(10 * TICK_TURNS),
		 READ(EGU0 + 0x100U), READ(RTC1 + 0x340U));
	assert_int_equal(f.told.read[0], 0);
	assert_int_equal(f.told.read[1], 0);
	assert_int_equal(f.told.read[2], 1);
	assert_int_equal(f.told.read[3], 0);
	assert_int_equal(f.told.read[4], 1);
	assert_int_equal(f.told.read[5], 1U << 16);
	chip_fixture_close(&f);
}

/* Two fixed channels: RTC0 starts and clears TIMER0. */
static void it_rules_a_timer(void **state)
{
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, SLOW_CLOCK, WRITE(0x40008510U, 0), WRITE(0x40008508U, 3), CC(RTC0, 0, 10),
		 EVTENSET(RTC0, 1U << 16), WRITE(PPI + 0x504U, 1U << 31), START(RTC0), LOOP(12 * TICK_TURNS),
		 WRITE(0x40008040U, 1), READ(0x40008540U), WRITE(PPI + 0x504U, 1U << 30), CC(RTC0, 0, 20),
		 LOOP(10 * TICK_TURNS), WRITE(0x40008040U, 1), READ(0x40008540U));
	assert_in_range(f.told.read[0], 488, 3 * 488); /* ticks of 16 MHz since the compare */
	assert_in_range(f.told.read[1], 488, 4 * 488);
	chip_fixture_close(&f);
}

static void what_an_rtc_does_not_do_is_refused(void **state)
{
	(void)state;
	CHIP_REFUSES("RTC0: START while LFCLK does not run", START(RTC0));
	CHIP_REFUSES("RTC0: PRESCALER written while", SLOW_CLOCK, START(RTC0), WRITE(RTC0 + 0x508U, 1));
	CHIP_REFUSES("RTC0: 0x00001000 written to 0x508", WRITE(RTC0 + 0x508U, 0x1000));
	CHIP_REFUSES("RTC0: 0x00080000 written to 0x304", INTENSET(RTC0, 1U << 19));
	CHIP_REFUSES("RTC0: a read of 0x54c", READ(RTC0 + 0x54CU));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_counts_slow_ticks),
		cmocka_unit_test(it_compares_ticks_and_overflows),
		cmocka_unit_test(it_is_as_particular_as_silicon),
		cmocka_unit_test(it_rules_a_timer),
		cmocka_unit_test(what_an_rtc_does_not_do_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
