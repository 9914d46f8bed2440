/* SPDX-License-Identifier: MIT */
/* RNG, WDT, and the resets of a chip: who causes them, what they keep, what the next program is told. */
#include <string.h>

#include "tests/cmocka.h"
#include "tests/emulator/chip_fixture.h"

#define POWER 0x40000000U
#define RESETREAS (POWER + 0x400U)
#define GPREGRET (POWER + 0x51CU)
#define RAM_POWER (POWER + 0x900U)
#define RNG 0x4000D000U
#define VALRDY (RNG + 0x100U)
#define WDT 0x40010000U
#define CRV(ticks) WRITE(WDT + 0x504U, (ticks)-1U)
#define FEED(n) WRITE(WDT + 0x600U + 4U * (n), 0x6E524635U)
#define START_WDT WRITE(WDT, 1)
#define AIRCR 0xE000ED0CU
#define SYSRESETREQ 0x05FA0004U
#define RETAINED 0x20010000U
#define TICK_CYCLES(n) ((uint64_t)(n)*15625U / 8U) /* of 32768 Hz */

struct seen {
	enum cats_reset causes[8];
	uint64_t times[8];
	uint32_t count;
};

static void see(void *context, uint64_t time, enum cats_reset cause)
{
	struct seen *s = context;

	assert_in_range(s->count, 0, 7);
	s->times[s->count] = time;
	s->causes[s->count++] = cause;
}

static void open_seen(struct chip_fixture *f, struct seen *s, bool fast)
{
	*s = (struct seen){.count = 0};
	chip_fixture_open(f, &(struct cats_chip_options){.fast = fast, .host = {.context = s, .reset = see}});
}

static void random_bytes_take_their_time(void **state)
{
	struct chip_fixture f, same;

	(void)state;
	chip_fixture_open(&f, NULL);
	CHIP_RUN(&f, WRITE(RNG, 1), AWAIT(VALRDY), READ(RNG + 0x508U));
	assert_in_range(f.ended - f.began, 158 * 64, 175 * 64);
	CHIP_RUN(&f, WRITE(VALRDY, 0), AWAIT(VALRDY), WRITE(VALRDY, 0), AWAIT(VALRDY), WRITE(VALRDY, 0), AWAIT(VALRDY),
		 READ(RNG + 0x508U));
	assert_in_range(f.ended - f.began, 64 * 64, 100 * 64);
	CHIP_RUN(&f, WRITE(RNG + 0x200U, 1), WRITE(RNG + 0x504U, 1), WRITE(VALRDY, 0), AWAIT(VALRDY), WRITE(VALRDY, 0),
		 LOOP(10000), READ(VALRDY), WRITE(RNG, 1), AWAIT(VALRDY), READ(RNG + 0x508U));
	assert_int_equal(f.told.read[0], 0); /* the shortcut has stopped it */
	chip_fixture_open(&same, NULL);
	CHIP_RUN(&same, WRITE(RNG, 1), AWAIT(VALRDY), LOOP(100000), READ(RNG + 0x508U), WRITE(RNG + 4U, 1),
		 WRITE(VALRDY, 0), LOOP(10000), READ(VALRDY));
	assert_int_equal(same.told.read[1], 0);
	chip_fixture_close(&same);
	chip_fixture_close(&f);
	CHIP_REFUSES("RNG: 0x00000002 written to 0x504", WRITE(RNG + 0x504U, 2));
}

/* 4096 bytes of two chips: no value is rare or frequent beyond chance, and the chips do not agree. */
static void random_bytes_are_the_seeds(void **state)
{
	uint32_t counts[2][256] = {{0}}, alike = 0;
	uint8_t bytes[2][512];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct chip_fixture f;

		chip_fixture_open(&f, &(struct cats_chip_options){.seed = 7U + i});
		CHIP_RUN(&f, WRITE(RNG, 1));
		for (uint32_t k = 0; k < 512; k++) {
			CHIP_RUN(&f, WRITE(VALRDY, 0), AWAIT(VALRDY), READ(RNG + 0x508U));
			bytes[i][k] = (uint8_t)f.told.read[0];
			counts[i][f.told.read[0] / 16U]++;
		}
		chip_fixture_close(&f);
	}
	for (uint32_t k = 0; k < 512; k++)
		alike += bytes[0][k] == bytes[1][k];
	assert_in_range(alike, 0, 12); /* expected 2, standard deviation 1.4 */
	for (uint32_t k = 0; k < 16; k++)
		assert_in_range(counts[0][k], 32 - 25, 32 + 25); /* standard deviation 5.5 */
}

/* The chip runs until its next program asks for a script. */
static void await_boot(struct chip_fixture *f)
{
	assert_true(chip_fixture_go_on(f, cats_chip_now(f->chip) + UINT64_C(64000000)));
}

static void an_unfed_watchdog_resets(void **state)
{
	struct chip_fixture f;
	struct seen s;
	const struct script_line hang[] = {CRV(3277), WRITE(WDT + 0x508U, 3), START_WDT, FEED(0), SLEEP};
	const struct script_line fed[] = {
		CRV(3277), WRITE(WDT + 0x508U, 3), START_WDT, LOOP(1000000), FEED(1),      READ(WDT + 0x404U),
		FEED(0),   LOOP(1000000),          FEED(0),   FEED(1),       LOOP(1000000)};

	(void)state;
	for (int fast = 0; fast < 2; fast++) {
		open_seen(&f, &s, fast != 0);
		assert_true(chip_fixture_start(&f, hang, 5)); /* which is the boot after */
		assert_int_equal(s.count, 1);
		assert_int_equal(s.causes[0], CATS_RESET_WATCHDOG);
		assert_in_range(s.times[0] - f.began, TICK_CYCLES(3279), TICK_CYCLES(3279) + 1500);
		CHIP_RUN(&f, READ(RESETREAS), WRITE(RESETREAS, 2), READ(RESETREAS), READ(WDT + 0x400U),
			 READ(WDT + 0x504U));
		assert_int_equal(f.told.read[0], 2);
		assert_int_equal(f.told.read[1], 0);
		assert_int_equal(f.told.read[2], 0); /* it has stopped itself */
		assert_int_equal(f.told.read[3], UINT32_MAX);
		chip_fixture_run(&f, fed, sizeof fed / sizeof fed[0]);
		assert_int_equal(f.told.read[0], 1); /* the other register's turn */
		assert_int_equal(s.count, 1);
		chip_fixture_close(&f);
	}
}

/* It warns two ticks before: enough to put something down. */
static void a_watchdog_warns(void **state)
{
	struct chip_fixture f;
	struct seen s;
	const struct script_line hang[] = {CRV(100),
					   WRITE(WDT + 0x304U, 1),
					   INTERRUPT(16, WDT + 0x100U),
					   START_WDT,
					   SLEEP,
					   FEED(0),
					   WRITE(RETAINED, 77),
					   SLEEP};

	(void)state;
	open_seen(&f, &s, false);
	assert_true(chip_fixture_start(&f, hang, 8));
	assert_int_equal(s.causes[0], CATS_RESET_WATCHDOG);
	assert_in_range(s.times[0] - f.began, TICK_CYCLES(102), TICK_CYCLES(102) + 1500);
	CHIP_RUN(&f, READ(RETAINED));
	assert_int_equal(f.told.read[0], 77);
	chip_fixture_close(&f);
}

static void resets_keep_what_silicon_keeps(void **state)
{
	struct chip_fixture f;
	struct seen s;
	const struct script_line soft[] = {START_WDT, WRITE(GPREGRET, 5), WRITE(RETAINED, 99),
					   WRITE(AIRCR, SYSRESETREQ), LOOP(100)};

	(void)state;
	open_seen(&f, &s, false);
	CHIP_RUN(&f, READ(RESETREAS), READ(RETAINED), READ(POWER + 0x10CU), READ(POWER + 0x110U), READ(POWER + 0x538U),
		 READ(RAM_POWER), READ(RAM_POWER + 0x80U));
	assert_int_equal(f.told.read[0], 0);
	assert_int_equal(f.told.read[1], 0x01010101U * CATS_M4_PAINT);
	assert_int_equal(f.told.read[2], 1); /* erratum 36 */
	assert_int_equal(f.told.read[3], 1);
	assert_true(f.told.read[4] != 0);
	assert_int_equal(f.told.read[5], 0xFFFF);
	assert_int_equal(f.told.read[6], 0xFFFF);
	assert_true(chip_fixture_start(&f, soft, 5));
	assert_int_equal(s.causes[0], CATS_RESET_SOFT);
	CHIP_RUN(&f, READ(RESETREAS), READ(RETAINED), READ(GPREGRET), READ(WDT + 0x400U), FEED(0), READ(AIRCR));
	assert_int_equal(f.told.read[0], 4);
	assert_int_equal(f.told.read[1], 99);
	assert_int_equal(f.told.read[2], 5);
	assert_int_equal(f.told.read[3], 1); /* the watchdog goes on */
	cats_chip_reset(f.chip, CATS_RESET_PIN);
	await_boot(&f);
	CHIP_RUN(&f, READ(RESETREAS), READ(GPREGRET), READ(WDT + 0x400U), WRITE(RESETREAS, 0xFFFFFFFE),
		 READ(RESETREAS));
	assert_int_equal(f.told.read[0] & 1U, 1);
	assert_true((f.told.read[0] & ~1U) != 0); /* erratum 136 */
	assert_int_equal(f.told.read[1], 0);
	assert_int_equal(f.told.read[2], 0);
	assert_int_equal(f.told.read[3], 1);
	cats_chip_reset(f.chip, CATS_RESET_POWER);
	await_boot(&f);
	CHIP_RUN(&f, READ(RESETREAS), READ(RETAINED));
	assert_int_equal(f.told.read[0], 0);
	assert_int_equal(f.told.read[1], 0x01010101U * CATS_M4_PAINT);
	assert_int_equal(s.count, 3);
	chip_fixture_close(&f);
}

/* A reset in the middle of an interrupt, with others pending: the next program knows nothing of them. */
static void resets_forget_interrupts(void **state)
{
	struct chip_fixture f;
	struct seen s;
	const struct script_line storm[] = {WRITE(POWER + 0x304U, 1), INTERRUPT(0, 0), WRITE(POWER, 1), LOOP(100000)};

	(void)state;
	open_seen(&f, &s, false);
	chip_fixture_load(&f, storm, 4);
	assert_false(chip_fixture_go_on(&f, cats_chip_now(f.chip) + 64000));
	assert_true(f.told.interrupts[0] > 100);
	cats_chip_reset(f.chip, CATS_RESET_PIN);
	await_boot(&f);
	CHIP_RUN(&f, READ(0xE000E200U), READ(0xE000E300U), READ(0xE000E100U), LOOP(1000));
	assert_int_equal(f.told.read[0], 0);
	assert_int_equal(f.told.read[1], 0);
	assert_int_equal(f.told.read[2], 0);
	assert_int_equal(f.told.interrupts[0], 0);
	chip_fixture_close(&f);
}

static void what_a_watchdog_does_not_do_is_refused(void **state)
{
	(void)state;
	CHIP_REFUSES("WDT: 0x504 written while the watchdog runs", CRV(100), START_WDT, CRV(101));
	CHIP_REFUSES("WDT: 0x508 written while the watchdog runs", START_WDT, WRITE(WDT + 0x508U, 3));
	CHIP_REFUSES("WDT: RR[1] written, which RREN does not enable", START_WDT, FEED(1));
	CHIP_REFUSES("WDT: RR[0]: 0x00000001", START_WDT, WRITE(WDT + 0x600U, 1));
	CHIP_REFUSES("WDT: CRV: 14 is less than 15", WRITE(WDT + 0x504U, 14));
	CHIP_REFUSES("WDT: RREN: 0x00000000", WRITE(WDT + 0x508U, 0));
	CHIP_REFUSES("WDT: CONFIG: 0x00000000", WRITE(WDT + 0x50CU, 0));
	CHIP_REFUSES("CLOCK/POWER: RAM switched off", WRITE(RAM_POWER + 8U, 1));
	CHIP_REFUSES("CLOCK/POWER: LFCLKSRC written while", WRITE(POWER + 8U, 1), WRITE(POWER + 0x518U, 1));
	CHIP_REFUSES("CLOCK/POWER: 0x00000001 written to 0x500", WRITE(POWER + 0x500U, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_bytes_take_their_time),
		cmocka_unit_test(random_bytes_are_the_seeds),
		cmocka_unit_test(an_unfed_watchdog_resets),
		cmocka_unit_test(a_watchdog_warns),
		cmocka_unit_test(resets_keep_what_silicon_keeps),
		cmocka_unit_test(resets_forget_interrupts),
		cmocka_unit_test(what_a_watchdog_does_not_do_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
