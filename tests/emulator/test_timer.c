/* SPDX-License-Identifier: MIT */
/* TIMER, PPI and EGU. */
#include "tests/cmocka.h"
#include "tests/emulator/chip_fixture.h"

#define TIMER0 0x40008000U
#define TIMER1 0x40009000U
#define TIMER3 0x4001A000U
#define EGU0 0x40014000U
#define PPI 0x4001F000U

#define START(timer) WRITE(timer, 1)
#define STOP(timer) WRITE((timer) + 4U, 1)
#define CLEAR(timer) WRITE((timer) + 0xCU, 1)
#define CAPTURE(timer, n) WRITE((timer) + 0x40U + 4U * (n), 1)
#define COMPARE(timer, n) ((timer) + 0x140U + 4U * (n))
#define CC(timer, n) ((timer) + 0x540U + 4U * (n))
#define SHORTS(timer, bits) WRITE((timer) + 0x200U, bits)
#define BITMODE(timer, mode) WRITE((timer) + 0x508U, mode)
#define PRESCALER(timer, value) WRITE((timer) + 0x510U, value)
#define CHANNEL(n, event, task) WRITE(PPI + 0x510U + 8U * (n), event), WRITE(PPI + 0x514U + 8U * (n), task)
#define CHENSET(bits) WRITE(PPI + 0x504U, bits)

static void it_counts_what_the_prescaler_says(void **state)
{
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, BITMODE(TIMER0, 3), START(TIMER0), CAPTURE(TIMER0, 0), LOOP(16000), CAPTURE(TIMER0, 1),
		 READ(CC(TIMER0, 0)), READ(CC(TIMER0, 1)), STOP(TIMER0), LOOP(1000), CAPTURE(TIMER0, 2),
		 READ(CC(TIMER0, 2)), START(TIMER0), LOOP(16000), CAPTURE(TIMER0, 3), READ(CC(TIMER0, 3)));
	/* 4 cycles a turn; 64 cycles a tick, as out of reset. */
	assert_in_range(f.told.read[1] - f.told.read[0], 1000, 1004);
	assert_in_range(f.told.read[2] - f.told.read[1], 0, 4);
	assert_in_range(f.told.read[3] - f.told.read[2], 1000, 1004);
	CHIP_RUN(&f, STOP(TIMER0), PRESCALER(TIMER0, 0), BITMODE(TIMER0, 1), CLEAR(TIMER0), CAPTURE(TIMER0, 0),
		 READ(CC(TIMER0, 0)), START(TIMER0), LOOP(300), CAPTURE(TIMER0, 0), READ(CC(TIMER0, 0)));
	assert_int_equal(f.told.read[0], 0);
	assert_in_range(f.told.read[1], 300 - 256, 300 - 256 + 40); /* 8 bits, 16 MHz */
	chip_fixture_close(&f);
}

static void it_compares_to_the_cycle(void **state)
{
	struct chip_fixture f;
	uint64_t period;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, WRITE(CC(TIMER0, 1), 100), SHORTS(TIMER0, 1U << 1), WRITE(TIMER0 + 0x304U, 1U << 17),
		 INTERRUPT(8, COMPARE(TIMER0, 1)), START(TIMER0), SLEEP, SLEEP, SLEEP);
	assert_int_equal(f.told.interrupts[8], 3);
	assert_in_range(f.ended - f.began, 3 * 6400, 3 * 6400 + 1200);
	period = f.ended;
	CHIP_RUN(&f, SLEEP); /* it goes on by itself */
	period = f.ended - period;
	assert_in_range(period, 6300, 6500);
	CHIP_RUN(&f, WRITE(TIMER0 + 0x308U, 1U << 17), SHORTS(TIMER0, 1U << 9), WRITE(COMPARE(TIMER0, 1), 0),
		 AWAIT(COMPARE(TIMER0, 1)), LOOP(5000), CAPTURE(TIMER0, 2), READ(CC(TIMER0, 2)));
	assert_int_equal(f.told.read[0], 100); /* stopped there */
	chip_fixture_close(&f);
}

/* Written over the counter's present value, a compare register has to wait for the next round. */
static void equality_is_met_on_arrival_only(void **state)
{
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, BITMODE(TIMER0, 3), WRITE(CC(TIMER0, 0), 0), CLEAR(TIMER0), START(TIMER0), LOOP(1000),
		 READ(COMPARE(TIMER0, 0)), WRITE(CC(TIMER0, 0), 1), LOOP(1000), READ(COMPARE(TIMER0, 0)));
	assert_int_equal(f.told.read[0], 0);
	assert_int_equal(f.told.read[1], 0);
	chip_fixture_close(&f);
}

/* An event's task runs one cycle of 16 MHz later: TIMER1, at 16 MHz, is captured one tick after the compare that
 * started it. */
static void ppi_takes_one_cycle(void **state)
{
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, CHANNEL(0, COMPARE(TIMER0, 0), TIMER1), CHANNEL(1, COMPARE(TIMER0, 1), TIMER1 + 0x40U),
		 WRITE(PPI + 0x910U, EGU0 + 4U), CHENSET(3), WRITE(CC(TIMER0, 0), 1000), WRITE(CC(TIMER0, 1), 1123),
		 PRESCALER(TIMER0, 0), PRESCALER(TIMER1, 0), START(TIMER0), LOOP(2000), READ(CC(TIMER1, 0)),
		 READ(EGU0 + 0x104U), READ(EGU0 + 0x100U));
	assert_int_equal(f.told.read[0], 123); /* both delayed alike */
	assert_int_equal(f.told.read[1], 1);   /* the fork */
	assert_int_equal(f.told.read[2], 0);
	/* A compare that captures its own timer, which counts on meanwhile. */
	CHIP_RUN(&f, STOP(TIMER0), CLEAR(TIMER0), CHANNEL(2, COMPARE(TIMER0, 0), TIMER0 + 0x48U), CHENSET(4),
		 START(TIMER0), LOOP(2000), READ(CC(TIMER0, 2)));
	assert_int_equal(f.told.read[0], 1001);
	chip_fixture_close(&f);
}

static void groups_and_disabled_channels(void **state)
{
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, CHANNEL(0, EGU0 + 0x100U, EGU0 + 8U), CHANNEL(1, EGU0 + 0x104U, PPI + 4U), /* CHG[0].DIS */
		 WRITE(PPI + 0x800U, 1), CHENSET(2), WRITE(EGU0, 1), LOOP(10), READ(EGU0 + 0x108U), WRITE(PPI, 1),
		 READ(PPI + 0x500U), WRITE(EGU0, 1), LOOP(10), READ(EGU0 + 0x108U), WRITE(EGU0 + 4U, 1), LOOP(10),
		 READ(PPI + 0x500U), WRITE(PPI + 0x508U, 2), READ(PPI + 0x504U));
	assert_int_equal(f.told.read[0], 0);
	assert_int_equal(f.told.read[1], 3);
	assert_int_equal(f.told.read[2], 1);
	assert_int_equal(f.told.read[3], 2);
	assert_int_equal(f.told.read[4], 0);
	chip_fixture_close(&f);
}

/* TIMER0 leads to the radio, which says what it was asked for. */
static void fixed_channels_lead_where_they_should(void **state)
{
	struct chip_fixture f;

	(void)state;
	CHIP_REFUSES("RADIO: TASKS_TXEN", CHENSET(1U << 20), WRITE(CC(TIMER0, 0), 1), START(TIMER0), LOOP(1000));
	CHIP_REFUSES("RADIO: TASKS_RXEN", CHENSET(1U << 21), WRITE(CC(TIMER0, 0), 1), START(TIMER0), LOOP(1000));
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, CHENSET(1U << 22), WRITE(CC(TIMER0, 0), 1), START(TIMER0), LOOP(1000), READ(0x40001110U),
		 STOP(TIMER0), CLEAR(TIMER0), WRITE(CC(TIMER0, 1), 1), START(TIMER0), LOOP(1000), READ(0x40001110U));
	assert_int_equal(f.told.read[0], 0);
	assert_int_equal(f.told.read[1], 1); /* disabled as it was, it says so */
	chip_fixture_close(&f);
	CHIP_REFUSES("PPI: 0x40008000 written to 0x5b4", WRITE(PPI + 0x5B4U, TIMER0));
}

static void an_egu_interrupts(void **state)
{
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, INTERRUPT(20, EGU0 + 0x13CU), WRITE(EGU0 + 0x304U, 0x8000), WRITE(EGU0 + 0x3CU, 1), LOOP(10));
	assert_int_equal(f.told.interrupts[20], 1);
	chip_fixture_close(&f);
}

/* The same script at the same seed takes the same time to the cycle, and at full speed as well. */
static void chips_repeat(void **state)
{
	struct chip_fixture f[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		chip_fixture_open(f + i, &(struct cats_chip_options){.seed = 1, .fast = i == 2});
		CHIP_RUN(f + i, WRITE(CC(TIMER3, 5), 77), SHORTS(TIMER3, 1U << 5), WRITE(TIMER3 + 0x304U, 1U << 21),
			 INTERRUPT(26, COMPARE(TIMER3, 5)), START(TIMER3), LOOP(7777), SLEEP);
		assert_true(f[i].ended == f[0].ended);
		assert_int_equal(f[i].told.interrupts[26], f[0].told.interrupts[26]);
		assert_true(cats_m4_instructions(cats_chip_core(f[i].chip)) ==
			    cats_m4_instructions(cats_chip_core(f[0].chip)));
	}
	for (int i = 0; i < 3; i++)
		chip_fixture_close(f + i);
}

static void what_a_timer_does_not_do_is_refused(void **state)
{
	(void)state;
	CHIP_REFUSES("TIMER0: 0x510 written while the timer runs", START(TIMER0), PRESCALER(TIMER0, 0));
	CHIP_REFUSES("TIMER0: 0x508 written while the timer runs", START(TIMER0), BITMODE(TIMER0, 3));
	CHIP_REFUSES("TIMER0: 0x00000001 written to 0x504", WRITE(TIMER0 + 0x504U, 1));
	CHIP_REFUSES("TIMER0: 0x0000000a written to 0x510", PRESCALER(TIMER0, 10));
	CHIP_REFUSES("TIMER0: 0x00000001 written to 0x050", CAPTURE(TIMER0, 4));
	CHIP_REFUSES("TIMER0: 0x00000001 written to 0x550", WRITE(CC(TIMER0, 4), 1));
	CHIP_REFUSES("TIMER0: 0x00000010 written to 0x200", SHORTS(TIMER0, 0x10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_counts_what_the_prescaler_says),
		cmocka_unit_test(it_compares_to_the_cycle),
		cmocka_unit_test(equality_is_met_on_arrival_only),
		cmocka_unit_test(ppi_takes_one_cycle),
		cmocka_unit_test(groups_and_disabled_channels),
		cmocka_unit_test(fixed_channels_lead_where_they_should),
		cmocka_unit_test(an_egu_interrupts),
		cmocka_unit_test(chips_repeat),
		cmocka_unit_test(what_a_timer_does_not_do_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
