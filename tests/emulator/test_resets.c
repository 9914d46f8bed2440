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

static struct script_fault fault_of(const struct chip_fixture *f)
{
	struct script_fault fault;

	memcpy(&fault, cats_m4_memory(cats_chip_core(f->chip), SCRIPT_FAULT, sizeof fault), sizeof fault);
	return fault;
}

/* A script that ends in a fault, whose handler puts down what it was and resets. */
static void expect_fault(struct script_line line, uint32_t cfsr, uint32_t pc, uint32_t bfar)
{
	struct script_fault fault;

	for (int fast = 0; fast < 2; fast++) {
		struct seen s = {.count = 0};
		struct chip_fixture f;

		chip_fixture_open(&f, &(struct cats_chip_options){.fast = fast != 0,
								  .handles_faults = true,
								  .host = {.context = &s, .reset = see}});
		CHIP_RUN(&f, WRITE(SCRIPT_FAULT, 0), WRITE(SCRIPT_FAULT + 4U, 0));
		assert_true(chip_fixture_start(&f, &line, 1)); /* the boot after */
		fault = fault_of(&f);
		assert_int_equal(s.count, 1);
		assert_int_equal(s.causes[0], CATS_RESET_SOFT);
		assert_int_equal(fault.seen, 1);
		assert_int_equal(fault.cfsr, cfsr);
		assert_int_equal(fault.hfsr, 1U << 30);
		assert_int_equal(fault.exc_return, 0xFFFFFFF9U);
		assert_int_equal(fault.bfar, bfar);
		if (pc != 0)
			assert_int_equal(fault.pc, pc);
		CHIP_RUN(&f, READ(0xE000ED28U), READ(RESETREAS)); /* it runs again */
		assert_int_equal(f.told.read[0], 0);
		assert_int_equal(f.told.read[1], 4);
		chip_fixture_close(&f);
	}
}

#define ERASED 0x000FD000U

static void faults_enter_their_handler(void **state)
{
	(void)state;
	expect_fault((struct script_line)READ(0x30000000U), 0x8200, 0, 0x30000000);
	expect_fault((struct script_line)WRITE(0x30000000U, 1), 0x400, 0, 0);
	expect_fault((struct script_line)WRITE(ERASED, 1), 0x400, 0, 0);
	expect_fault((struct script_line)CALL(ERASED + 1U), 0x10000, ERASED, 0);
	expect_fault((struct script_line)CALL(0x00200001U), 0x100, 0x00200000, 0);
	expect_fault((struct script_line)CALL(ERASED), 0x20000, ERASED, 0);
	expect_fault((struct script_line){SCRIPT_STACK, 0, 0x20000000U}, 0x1400, 0, 0);
}

/* The handler that goes on with a stack that is not there faults again. */
static void a_fault_of_the_handler_locks_up(void **state)
{
	struct chip_fixture f;
	struct seen s = {.count = 0};
	const struct script_line overflow = {SCRIPT_STACK, 0, 0x20000000U};

	(void)state;
	chip_fixture_open(&f,
			  &(struct cats_chip_options){.handles_faults = true, .host = {.context = &s, .reset = see}});
	CHIP_RUN(&f, WRITE(SCRIPT_FAULT, 1), WRITE(SCRIPT_FAULT + 4U, 0));
	assert_true(chip_fixture_start(&f, &overflow, 1));
	assert_int_equal(s.count, 1);
	assert_int_equal(s.causes[0], CATS_RESET_LOCKUP);
	assert_int_equal(fault_of(&f).seen, 0);
	CHIP_RUN(&f, READ(RESETREAS), READ(SCRIPT_FAULT));
	assert_int_equal(f.told.read[0], 8);
	assert_int_equal(f.told.read[1], 1); /* RAM is kept */
	chip_fixture_close(&f);
	CHIP_REFUSES("NVMC: a write to 0x000fd000 while CONFIG is 0", WRITE(ERASED, 1)); /* without the option */
}

/* What is there on silicon and not here is no fault of the program's. */
static void what_is_not_modelled_enters_no_handler(void **state)
{
	static const struct script_line lines[] = {READ(0xE0001004U), WRITE(0xE000EDFCU, 0), READ(0x40020000U)};

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct chip_fixture f;

		chip_fixture_open(&f, &(struct cats_chip_options){.handles_faults = true});
		assert_false(chip_fixture_start(&f, lines + i, 1));
		assert_int_equal(f.stopped.stop, CATS_M4_FAULT);
		assert_int_equal(f.stopped.fault, i < 2 ? CATS_M4_FAULT_REGISTER : CATS_M4_FAULT_PERIPHERAL);
		chip_fixture_close(&f);
	}
}

/* Cut after every single instruction of a script that writes flash: what was executed has happened, the rest has not.
 */
static void power_goes_at_any_instruction(void **state)
{
	const struct script_line lines[] = {WRITE(0x4001E504U, 1), WRITE(ERASED, 0x55), AWAIT(0x4001E400U),
					    WRITE(ERASED + 4U, 0x66)};
	uint64_t until = UINT64_MAX / 2;
	uint32_t empty = 0, first = 0, both = 0;

	(void)state;
	for (uint64_t n = 1; both == 0; n++) {
		struct chip_fixture f;
		uint64_t before;
		uint32_t words[2];

		chip_fixture_open(&f, &(struct cats_chip_options){.fast = n % 2U != 0});
		chip_fixture_load(&f, lines, 4);
		before = cats_m4_instructions(cats_chip_core(f.chip));
		f.stopped = cats_chip_run_instructions(f.chip, until, n);
		assert_int_equal(f.stopped.stop, CATS_M4_INSTRUCTIONS);
		assert_true(cats_m4_instructions(cats_chip_core(f.chip)) == before + n);
		memcpy(words, cats_m4_memory(cats_chip_core(f.chip), ERASED, 8), 8);
		empty += words[0] == UINT32_MAX;
		first += words[0] == 0x55 && words[1] == UINT32_MAX;
		both += words[1] == 0x66;
		assert_true(words[0] == 0x55 || (words[0] == UINT32_MAX && words[1] == UINT32_MAX));
		cats_chip_reset(f.chip, CATS_RESET_POWER);
		await_boot(&f);
		chip_fixture_close(&f);
		assert_in_range(n, 1, 2000);
	}
	assert_in_range(empty, 100, 1000);
	assert_in_range(first, 10, 1000);
}

/* That a chip sleeps, or waits for its flash, does not put off the end of a run by instructions. */
static void a_cut_does_not_wait(void **state)
{
	const struct script_line lines[] = {WRITE(0x4001E504U, 2), WRITE(0x4001E508U, ERASED), AWAIT(0x4001E400U),
					    SLEEP};
	struct chip_fixture f;
	struct cats_m4 *m4;

	(void)state;
	chip_fixture_open(&f, NULL);
	m4 = cats_chip_core(f.chip);
	CHIP_RUN(&f, WRITE(0x4001E504U, 1), WRITE(ERASED, 0));
	chip_fixture_load(&f, lines, 4);
	assert_false(chip_fixture_go_on(&f, f.began + 64000)); /* in the erasure */
	assert_int_equal(f.stopped.stop, CATS_M4_LIMIT);
	f.stopped = cats_chip_run_instructions(f.chip, UINT64_MAX / 2, 0);
	assert_int_equal(f.stopped.stop, CATS_M4_INSTRUCTIONS);
	assert_in_range(cats_chip_now(f.chip) - f.began, 64000, 65000);
	assert_false(chip_fixture_go_on(&f, f.began + 64 * 100000)); /* asleep for ever */
	assert_int_equal(f.stopped.stop, CATS_M4_LIMIT);
	f.stopped = cats_chip_run_instructions(f.chip, UINT64_MAX / 2, 0);
	assert_int_equal(f.stopped.stop, CATS_M4_INSTRUCTIONS);
	assert_in_range(cats_m4_instructions(m4), 1, 100000);
	chip_fixture_close(&f);
}

/* A run in pieces of any number of instructions executes what one run does. */
static void pieces_make_a_whole(void **state)
{
	const struct script_line lines[] = {LOOP(300), WRITE(RETAINED, 5), READ(RETAINED), LOOP(10)};
	uint64_t whole = 0;

	(void)state;
	for (uint64_t n = 0; n < 14; n++) {
		struct chip_fixture f;
		uint64_t pieces = 0, before;

		chip_fixture_open(&f, &(struct cats_chip_options){.fast = n % 2U != 0});
		chip_fixture_load(&f, lines, 4);
		before = cats_m4_instructions(cats_chip_core(f.chip));
		do {
			f.stopped = cats_chip_run_instructions(f.chip, UINT64_MAX / 2, n == 0 ? 1000000 : n);
			pieces++;
		} while (f.stopped.stop == CATS_M4_INSTRUCTIONS);
		assert_int_equal(f.stopped.stop, CATS_M4_BREAKPOINT);
		if (n == 0)
			whole = cats_m4_instructions(cats_chip_core(f.chip)) - before;
		assert_true(cats_m4_instructions(cats_chip_core(f.chip)) - before == whole);
		assert_true(n == 0 || pieces == (whole + n - 1U) / n);
		chip_fixture_close(&f);
	}
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
		cmocka_unit_test(faults_enter_their_handler),
		cmocka_unit_test(a_fault_of_the_handler_locks_up),
		cmocka_unit_test(what_is_not_modelled_enters_no_handler),
		cmocka_unit_test(power_goes_at_any_instruction),
		cmocka_unit_test(a_cut_does_not_wait),
		cmocka_unit_test(pieces_make_a_whole),
		cmocka_unit_test(what_a_watchdog_does_not_do_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
