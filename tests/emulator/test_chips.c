/* SPDX-License-Identifier: MIT */
/* Chips that hear each other: RADIO, TIMER, PPI and CCM of a sender and of receivers, through the medium. */
#include <string.h>

#include "emulator/chips.h"
#include "ports/m4/host.h"
#include "tests/cmocka.h"
#include "tests/images/air.h"

#define CHIPS 3U
#define US CATS_TIME_US
#define LONG_ENOUGH ((AIR_FRAMES + 2) * AIR_PERIOD_US * US)
#define RECORDS 64U

/* A sender, then receivers. */
struct fixture {
	struct cats_elf sender, receiver;
	const struct cats_elf *images[CHIPS];
	struct cats_topology topology;
	struct cats_chips_options options;
	struct cats_chips *chips;
	/* What chips told. */
	uint8_t serial[CHIPS][RECORDS * sizeof(struct air_record)];
	uint32_t serial_bytes[CHIPS];
	/* What the observer was told. */
	uint32_t sent, heard[CHIPS][3];
	cats_time starts[RECORDS], ends[RECORDS];
	cats_time spans[CHIPS][CATS_DRAWS];
	cats_time latest;
};

static void on_serial(void *context, uint32_t chip, cats_time time, uint8_t byte)
{
	struct fixture *f = context;

	(void)time;
	assert_in_range(f->serial_bytes[chip], 0, sizeof f->serial[chip] - 1);
	f->serial[chip][f->serial_bytes[chip]++] = byte;
}

static void on_sent(void *context, const struct cats_transmission *frame)
{
	struct fixture *f = context;

	assert_true(frame->end >= f->latest);
	f->latest = frame->end;
	assert_in_range(f->sent, 0, RECORDS - 1);
	f->starts[f->sent] = frame->start;
	f->ends[f->sent++] = frame->end;
}

static void on_heard(void *context, const struct cats_transmission *frame, uint32_t receiver,
		     enum cats_reception result, double dbm)
{
	struct fixture *f = context;

	assert_int_equal(frame->end, f->latest);
	assert_true(dbm < 0);
	f->heard[receiver][result]++;
}

static void on_span(void *context, uint32_t node, enum cats_draw draw, cats_time from, cats_time to)
{
	((struct fixture *)context)->spans[node][draw] += to - from;
}

static void load(struct cats_elf *elf, const char *path)
{
	struct cats_error error = {0};

	if (cats_elf_load(elf, path, &error) < 0)
		fail_msg("%s", error.text);
}

/* Everybody hears everybody well, nothing is lost, and clocks are as far off as they may be. */
static void prepare(struct fixture *f)
{
	*f = (struct fixture){.topology = {.nodes = CHIPS}};
	load(&f->sender, IMAGES "/sender.elf");
	load(&f->receiver, IMAGES "/receiver.elf");
	for (uint32_t i = 0; i < CHIPS; i++)
		f->images[i] = i == 0 ? &f->sender : &f->receiver;
	for (uint32_t i = 0; i < CHIPS * CHIPS; i++)
		f->topology.path_db[i] = 50;
	f->options = (struct cats_chips_options){
		.images = f->images,
		.medium = {.topology = &f->topology, .seed = 1},
		.drift_ppm = 40,
		.power_on = 300 * US,
		.observer = {f, on_span, on_sent, on_heard, NULL, NULL},
		.serial = on_serial,
		.context = f,
	};
}

static void create(struct fixture *f)
{
	struct cats_error error = {0};

	if (cats_chips_create(&f->chips, &f->options, &error) < 0)
		fail_msg("%s", error.text);
}

static void run(struct fixture *f, cats_time until)
{
	struct cats_error error = {0};

	if (cats_chips_run(f->chips, until, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(cats_chips_time(f->chips), until);
}

static void finish(struct fixture *f)
{
	cats_chips_free(f->chips);
	cats_elf_free(&f->sender);
	cats_elf_free(&f->receiver);
}

static struct air_record record(const struct fixture *f, uint32_t chip, uint32_t i)
{
	struct air_record r;

	assert_true((i + 1) * sizeof r <= f->serial_bytes[chip]);
	memcpy(&r, f->serial[chip] + i * sizeof r, sizeof r);
	return r;
}

static uint32_t records(const struct fixture *f, uint32_t chip)
{
	return f->serial_bytes[chip] / sizeof(struct air_record);
}

static void frames_come_through_sealed_and_opened(void **state)
{
	struct fixture f;

	(void)state;
	prepare(&f);
	create(&f);
	run(&f, LONG_ENOUGH);
	assert_int_equal(f.sent, AIR_FRAMES);
	assert_int_equal(cats_chips_frames(f.chips), AIR_FRAMES);
	for (uint32_t chip = 1; chip < CHIPS; chip++) {
		assert_int_equal(f.heard[chip][CATS_RECEIVED], AIR_FRAMES);
		assert_int_equal(records(&f, chip), AIR_FRAMES);
		for (uint32_t k = 0; k < AIR_FRAMES; k++) {
			const struct air_record r = record(&f, chip, k);

			assert_int_equal(r.k, k);
			assert_int_equal(r.length, air_length(k) + 4);
			assert_true(r.authentic && r.crc_right);
		}
	}
	finish(&f);
}

/* A receiver's timer captures what the sender's clock says, but for both clocks' drift and the timer's microsecond. */
static void time_passes_alike(void **state)
{
	struct fixture f;
	cats_time length = 0;

	(void)state;
	prepare(&f);
	create(&f);
	run(&f, LONG_ENOUGH);
	for (uint32_t k = 1; k < AIR_FRAMES; k++) {
		const cats_time first = f.starts[k - 1], second = f.starts[k];
		const struct cats_clock *sender = cats_chips_clock(f.chips, 0);

		assert_in_range(cats_clock_local(sender, second) - cats_clock_local(sender, first),
				AIR_PERIOD_US * US - 1, AIR_PERIOD_US * US + 1);
		assert_int_equal(f.ends[k] - f.starts[k], cats_radio_air(air_length(k) + 4));
		length += f.ends[k] - f.starts[k];
	}
	for (uint32_t chip = 1; chip < CHIPS; chip++) {
		const struct cats_clock *receiver = cats_chips_clock(f.chips, chip);
		const uint32_t captured =
			record(&f, chip, AIR_FRAMES - 1).captured_us - record(&f, chip, 0).captured_us;
		const cats_time passed =
			cats_clock_local(receiver, f.starts[AIR_FRAMES - 1]) - cats_clock_local(receiver, f.starts[0]);

		assert_true(passed != f.starts[AIR_FRAMES - 1] - f.starts[0]);
		assert_in_range(captured, passed / US - 1, passed / US + 1);
	}
	assert_int_equal(cats_chips_air(f.chips), length + f.ends[0] - f.starts[0]);
	finish(&f);
}

/* What is drawn is what was done. */
static void time_is_accounted_for(void **state)
{
	struct fixture f;
	cats_time spent[CATS_DRAWS], air = 0;

	(void)state;
	prepare(&f);
	create(&f);
	run(&f, LONG_ENOUGH);
	for (uint32_t k = 0; k < AIR_FRAMES; k++)
		air += cats_radio_air(air_length(k) + 4);
	cats_chips_spent(spent, f.chips, 0);
	assert_int_equal(spent[CATS_DRAW_HEAR], 0);
	/* Ramp-up 40 us, and 4 us after an END that is 0.7 us before the air's. */
	assert_int_equal(spent[CATS_DRAW_SEND], air + AIR_FRAMES * (44 * US - 45));
	assert_in_range(f.spans[0][CATS_DRAW_SEND], spent[CATS_DRAW_SEND] - 40, spent[CATS_DRAW_SEND] + 40);
	assert_in_range(spent[CATS_DRAW_CPU], 1, spent[CATS_DRAW_BASE] / 20); /* it sleeps */
	assert_in_range(f.spans[0][CATS_DRAW_CPU], spent[CATS_DRAW_CPU] * 9 / 10, spent[CATS_DRAW_CPU]);
	cats_chips_spent(spent, f.chips, 1);
	assert_in_range(spent[CATS_DRAW_HEAR], LONG_ENOUGH - 1000 * US, LONG_ENOUGH - 300 * US);
	assert_int_equal(spent[CATS_DRAW_SEND], 0);
	finish(&f);
}

static void frames_that_the_medium_loses_are_lost(void **state)
{
	struct fixture f;

	(void)state;
	prepare(&f);
	f.options.medium.link_loss = 0.4;
	create(&f);
	run(&f, LONG_ENOUGH);
	for (uint32_t chip = 1; chip < CHIPS; chip++) {
		assert_int_equal(f.heard[chip][CATS_RECEIVED] + f.heard[chip][CATS_NOT_RECEIVED], AIR_FRAMES);
		assert_in_range(f.heard[chip][CATS_RECEIVED], 5, AIR_FRAMES - 2);
		assert_int_equal(records(&f, chip), f.heard[chip][CATS_RECEIVED]);
		for (uint32_t i = 0; i < records(&f, chip); i++)
			assert_true(record(&f, chip, i).authentic); /* also those that were not expected */
	}
	assert_true(f.serial_bytes[1] != f.serial_bytes[2] || memcmp(f.serial[1], f.serial[2], f.serial_bytes[1]) != 0);
	finish(&f);
}

static void settings(struct fixture *f, uint32_t chip, uint32_t address, uint32_t frequency)
{
	const uint32_t words[2] = {address, frequency};
	struct cats_error error = {0};

	assert_int_equal(
		cats_m4_write(cats_chip_core(cats_chips_at(f->chips, chip)), AIR_SETTINGS, words, sizeof words, &error),
		CATS_OK);
}

static void another_address_or_frequency_is_not_heard(void **state)
{
	struct fixture f;

	(void)state;
	prepare(&f);
	create(&f);
	settings(&f, 1, AIR_ADDRESS ^ 0x100U, AIR_FREQUENCY);
	settings(&f, 2, AIR_ADDRESS, AIR_FREQUENCY + 2);
	run(&f, LONG_ENOUGH);
	assert_int_equal(f.sent, AIR_FRAMES);
	for (uint32_t chip = 1; chip < CHIPS; chip++) {
		assert_int_equal(records(&f, chip), 0);
		assert_int_equal(f.heard[chip][CATS_RECEIVED] + f.heard[chip][CATS_NOT_RECEIVED], 0);
	}
	finish(&f);
}

/* Two senders that begin within microseconds: equally loud, nobody is understood; on other channels, each is. */
static void senders_disturb_each_other(void **state)
{
	struct fixture f;

	(void)state;
	for (uint32_t apart = 0; apart < 2; apart++) {
		prepare(&f);
		f.options.power_on = 0;
		f.images[1] = &f.sender;
		create(&f);
		if (apart == 1)
			settings(&f, 1, AIR_ADDRESS, AIR_FREQUENCY + 2);
		run(&f, LONG_ENOUGH);
		assert_int_equal(f.sent, 2 * AIR_FRAMES);
		for (uint32_t i = 0; i < records(&f, 2); i++)
			assert_int_equal(record(&f, 2, i).authentic, apart);
		assert_int_equal(f.heard[2][CATS_RECEIVED], apart * AIR_FRAMES);
		finish(&f);
	}
}

/* The sender's power goes in the middle of a frame, which begins 406 to 706 us after the ramp-up's time by the
 * crystal's start and that of power, and lasts 532; and comes back. */
static void a_frame_is_cut_off(void **state)
{
	struct fixture f;
	const uint32_t whole = 9;
	const cats_time cut = ((whole + 1) * AIR_PERIOD_US + 800) * US;
	cats_time spent[CATS_DRAWS];

	(void)state;
	prepare(&f);
	create(&f);
	run(&f, cut);
	assert_int_equal(f.sent, whole);
	cats_chips_cut_power(f.chips, 0);
	run(&f, cut + 10000 * US);
	assert_int_equal(f.sent, whole + 1);
	for (uint32_t chip = 1; chip < CHIPS; chip++) {
		const struct air_record r = record(&f, chip, whole);

		assert_int_equal(f.heard[chip][CATS_RECEIVED], whole);
		assert_int_equal(f.heard[chip][CATS_RECEIVED_BROKEN], 1);
		assert_int_equal(records(&f, chip), whole + 1);
		assert_int_equal(r.k, whole);
		assert_false(r.authentic || r.crc_right);
	}
	cats_chips_give_power(f.chips, 0);
	run(&f, cut + 10000 * US + LONG_ENOUGH);
	assert_int_equal(f.sent, whole + 1 + AIR_FRAMES);
	cats_chips_spent(spent, f.chips, 0);
	assert_in_range(spent[CATS_DRAW_BASE], cut - 300 * US + LONG_ENOUGH - 40 * US, cut + LONG_ENOUGH + 40 * US);
	assert_int_equal(record(&f, 1, whole + 1).k, 0);
	assert_true(record(&f, 1, whole + 1).authentic);
	finish(&f);
}

/* Power that goes after so many instructions, wherever that is, and comes back: the sender begins again. */
static void power_goes_at_an_instruction(void **state)
{
	(void)state;
	for (uint64_t more = 1; more < 4000; more += 371) {
		const bool by_itself = more % 4U < 2U;
		struct fixture f;
		uint64_t before;

		prepare(&f);
		f.options.fast = more % 2U == 0;
		create(&f);
		run(&f, 3 * AIR_PERIOD_US * US);
		before = cats_m4_instructions(cats_chip_core(cats_chips_at(f.chips, 0)));
		cats_chips_cut_power_after(f.chips, 0, before + more, by_itself ? LONG_ENOUGH : CATS_TIME_MAX);
		run(&f, LONG_ENOUGH);
		assert_true(cats_m4_instructions(cats_chip_core(cats_chips_at(f.chips, 0))) == before + more);
		assert_in_range(f.sent, 1, AIR_FRAMES - 1);
		f.sent = 0;
		if (!by_itself)
			cats_chips_give_power(f.chips, 0);
		run(&f, 3 * LONG_ENOUGH);
		assert_int_equal(f.sent, AIR_FRAMES);
		finish(&f);
	}
}

static void a_reset_begins_again(void **state)
{
	struct fixture f;

	(void)state;
	prepare(&f);
	create(&f);
	run(&f, 5 * AIR_PERIOD_US * US);
	cats_chips_pull_reset(f.chips, 1);
	run(&f, LONG_ENOUGH);
	assert_int_equal(records(&f, 1), AIR_FRAMES);
	assert_int_equal(records(&f, 2), AIR_FRAMES);
	assert_true(record(&f, 1, AIR_FRAMES - 1).captured_us < record(&f, 2, AIR_FRAMES - 1).captured_us - 9000);
	finish(&f);
}

/* The same to the instruction, however time is cut into runs; another with another seed. */
static void runs_are_reproducible(void **state)
{
	struct fixture f[3];
	uint64_t instructions[3][CHIPS];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		prepare(&f[i]);
		f[i].options.medium.seed = i < 2 ? 7 : 8;
		f[i].options.medium.link_loss = 0.2;
		create(&f[i]);
		run(&f[i], LONG_ENOUGH);
		for (uint32_t chip = 0; chip < CHIPS; chip++)
			instructions[i][chip] = cats_m4_instructions(cats_chip_core(cats_chips_at(f[i].chips, chip)));
	}
	assert_memory_equal(instructions[0], instructions[1], sizeof instructions[0]);
	assert_memory_equal(f[0].serial_bytes, f[1].serial_bytes, sizeof f[0].serial_bytes);
	assert_memory_equal(f[0].serial, f[1].serial, sizeof f[0].serial);
	assert_memory_not_equal(instructions[0], instructions[2], sizeof instructions[0]);
	assert_memory_not_equal(f[0].serial, f[2].serial, sizeof f[0].serial);
	for (uint32_t i = 0; i < 3; i++)
		finish(&f[i]);
}

static void a_chip_that_stops_is_named(void **state)
{
	struct fixture f;
	struct cats_error error = {0};

	(void)state;
	prepare(&f);
	create(&f);
	settings(&f, 2, AIR_ADDRESS, 101);
	assert_int_equal(cats_chips_run(f.chips, LONG_ENOUGH, &error), CATS_ERR_MISMATCH);
	if (strstr(error.text, "node 2 at ") != error.text || !strstr(error.text, "RADIO: FREQUENCY: 0x00000065"))
		fail_msg("%s", error.text);
	finish(&f);
}

/* An image that ends stays where it is, and the others go on. */
static void a_chip_that_exits_is_silent(void **state)
{
	struct fixture f;
	struct cats_elf hello;

	(void)state;
	prepare(&f);
	load(&hello, IMAGES "/hello.elf");
	f.images[2] = &hello;
	create(&f);
	run(&f, LONG_ENOUGH);
	assert_non_null(cats_chips_stopped(f.chips, 2));
	assert_int_equal(cats_chips_stopped(f.chips, 2)->stop, CATS_M4_BREAKPOINT);
	assert_null(cats_chips_stopped(f.chips, 1));
	assert_int_equal(records(&f, 1), AIR_FRAMES);
	finish(&f);
	cats_elf_free(&hello);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_through_sealed_and_opened),
		cmocka_unit_test(time_passes_alike),
		cmocka_unit_test(time_is_accounted_for),
		cmocka_unit_test(frames_that_the_medium_loses_are_lost),
		cmocka_unit_test(another_address_or_frequency_is_not_heard),
		cmocka_unit_test(senders_disturb_each_other),
		cmocka_unit_test(a_frame_is_cut_off),
		cmocka_unit_test(power_goes_at_an_instruction),
		cmocka_unit_test(a_reset_begins_again),
		cmocka_unit_test(runs_are_reproducible),
		cmocka_unit_test(a_chip_that_stops_is_named),
		cmocka_unit_test(a_chip_that_exits_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
