/* SPDX-License-Identifier: MIT */
/* Serial lines: whole, in time, merged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emulator/log.h"
#include "emulator/sayings.h"
#include "io/file.h"
#include "tests/cmocka.h"

#define US CATS_TIME_US
#define BYTE (10 * US)

struct told {
	uint32_t count;
	uint32_t node[16];
	cats_time time[16];
	char text[16][64];
	bool whole[16];
};

static void on_line(void *context, const struct cats_log_line *line)
{
	struct told *t = context;

	assert_in_range(t->count, 0, 15);
	t->node[t->count] = line->node;
	t->time[t->count] = line->time;
	t->whole[t->count] = line->whole;
	snprintf(t->text[t->count++], sizeof t->text[0], "%s", line->text);
}

/* A line whose first byte begins at a time. */
static void say(struct cats_log *log, uint32_t node, cats_time at, const char *text)
{
	struct cats_error error = {0};

	for (; *text != '\0'; text++) {
		at += BYTE;
		assert_int_equal(cats_log_byte(log, node, at, (uint8_t)*text, &error), CATS_OK);
	}
}

static struct cats_log *create(struct told *told)
{
	static const struct cats_clock exact = {0, 0}, late = {-1000 * CATS_TIME_US, 0};
	static const struct cats_clock *const clocks[] = {&exact, &late};
	struct cats_error error = {0};
	struct cats_log *log;

	*told = (struct told){0};
	assert_int_equal(cats_log_create(&log, clocks, 2, true, on_line, told, &error), CATS_OK);
	return log;
}

/* A line that had to wait for the one before it is dated by its stamp, which the quickest line has tied to the clock.
 */
static void stamps_are_put_into_global_time(void **state)
{
	struct told t;
	struct cats_log *log = create(&t);

	(void)state;
	say(log, 0, 5000 * US, "100 0: waited\n");
	say(log, 0, 6000 * US, "2000 0: quick\n");
	say(log, 0, 9000 * US, "3000 0: waited again\n");
	assert_int_equal(t.count, 3);
	assert_int_equal(t.time[1], 6000 * US);
	assert_int_equal(t.time[2], 7000 * US);
	assert_string_equal(t.text[2], "waited again");
	assert_int_equal(cats_log_reset(log, 0, NULL), CATS_OK);
	say(log, 0, 20000 * US, "10 0: anew\n"); /* its clock began anew */
	assert_int_equal(t.time[3], 20000 * US);
	say(log, 1, 30000 * US, "29000 1: of another clock\n");
	assert_int_equal(t.time[4], 30000 * US);
	assert_int_equal(t.node[4], 1);
	cats_log_free(log);
}

static void what_is_no_stamped_line_is_kept_as_it_is(void **state)
{
	static const char *const texts[] = {
		"hello", "12 hello", "12 3 hello", "12 3:hello", "99999999999999999999 3: x", ""};
	struct told t;
	struct cats_log *log = create(&t);

	(void)state;
	for (uint32_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		say(log, 0, 1000 * US, texts[i]);
		say(log, 0, 2000 * US, "\n");
		assert_string_equal(t.text[i], texts[i]);
		assert_int_equal(t.time[i], texts[i][0] == '\0' ? 2000 * US : 1000 * US);
	}
	say(log, 0, 0, "5 ?: nobody\n");
	assert_string_equal(t.text[6], "nobody");
	say(log, 0, 0, "\x01\xFFhalf");
	assert_true(cats_log_is_open(log, 0));
	assert_int_equal(cats_log_reset(log, 0, NULL), CATS_OK);
	assert_false(cats_log_is_open(log, 0));
	assert_string_equal(t.text[7], "??half");
	assert_true(t.whole[6]);
	assert_false(t.whole[7]);
	cats_log_free(log);
}

static void an_endless_line_is_cut_off(void **state)
{
	struct told t;
	struct cats_log *log = create(&t);
	struct cats_error error = {0};

	(void)state;
	for (uint32_t i = 0; i < CATS_LOG_LINE_BYTES + 1000; i++)
		assert_int_equal(cats_log_byte(log, 0, BYTE, 'x', &error), CATS_OK);
	say(log, 0, 0, "\n");
	assert_int_equal(t.count, 1);
	cats_log_free(log);
}

static void the_file_is_in_the_order_of_time(void **state)
{
	char path[] = "/tmp/cats_log_XXXXXX";
	struct told t;
	struct cats_log *log = create(&t);
	struct cats_error error = {0};
	uint8_t *bytes;
	size_t size;

	(void)state;
	close(mkstemp(path));
	say(log, 0, 2000 * US, "1000 0: second\n");
	say(log, 1, 1500 * US, "500 1: first\n");
	assert_int_equal(cats_log_write(log, path, &error), CATS_OK);
	assert_int_equal(cats_file_read(&bytes, &size, path, 1000, &error), CATS_OK);
	assert_string_equal((const char *)bytes, "       1.500  500 1: first\n       2.000  1000 0: second\n");
	free(bytes);
	unlink(path);
	cats_log_free(log);
}

static void results_are_read(void **state)
{
	struct cats_said_result r;
	int32_t outputs[6];
	uint8_t there[6];

	(void)state;
	assert_true(cats_said_result(
		&r, outputs, there, 2, 3,
		" epoch 1 inference 4294967295 class 5 share 17/20 outputs 1 -2147483648 - / 2147483647 -0 -"));
	assert_int_equal(r.epoch, 1);
	assert_true(r.inference == UINT32_MAX);
	assert_int_equal(r.class_, 5);
	assert_int_equal(r.arrived, 17);
	assert_int_equal(r.expected, 20);
	assert_memory_equal(outputs, ((const int32_t[]){1, INT32_MIN, 0, INT32_MAX, 0, 0}), sizeof outputs);
	assert_memory_equal(there, ((const uint8_t[]){1, 1, 0, 1, 1, 0}), sizeof there);
	assert_true(cats_said_result(&r, outputs, there, 1, 1, " epoch 1 inference 2 share 0/0 outputs -"));
	assert_int_equal(r.class_, -1);
}

/* Every way in which a byte may be wrong: left out, doubled or another. */
static void other_results_are_not(void **state)
{
	static const char good[] = " epoch 1 inference 2 class 3 share 4/5 outputs 6 - / -7 8";
	struct cats_said_result r;
	int32_t outputs[4];
	uint8_t there[4];
	char text[sizeof good + 1];

	(void)state;
	assert_true(cats_said_result(&r, outputs, there, 2, 2, good));
	for (size_t i = 0; i < sizeof good - 1; i++) {
		memcpy(text, good, sizeof good);
		text[i] = 'x';
		assert_false(cats_said_result(&r, outputs, there, 2, 2, text));
		text[i] = '\0';
		assert_false(cats_said_result(&r, outputs, there, 2, 2, text));
	}
	assert_false(cats_said_result(&r, outputs, there, 1, 4, good));
	assert_false(cats_said_result(&r, outputs, there, 2, 1, good));
	assert_false(cats_said_result(&r, outputs, there, 1, 1, " epoch 1 inference 2 share 6/5 outputs 1"));
	assert_false(cats_said_result(&r, outputs, there, 1, 1, " epoch 4294967296 inference 2 share 5/5 outputs 1"));
	assert_false(cats_said_result(&r, outputs, there, 1, 1, " epoch 1 inference 2 share 5/5 outputs 2147483648"));
	assert_false(cats_said_result(&r, outputs, there, 1, 1, " epoch 1 inference 2 share 5/5 outputs -2147483649"));
}

static void slack_is_read(void **state)
{
	static const char good[] =
		" next buffer 17 before sending 38 after sending - arming 9 ready -3 missed 4 unready 1";
	struct cats_said_slack s, least;
	char text[128];

	(void)state;
	assert_true(cats_said_slack(&s, good));
	assert_memory_equal(s.least_us, ((const int32_t[]){17, 38, INT32_MAX, 9, -3}), sizeof s.least_us);
	assert_int_equal(s.missed, 4);
	assert_int_equal(s.unready, 1);
	for (size_t i = 0; i < sizeof good - 1; i++) {
		memcpy(text, good, sizeof good);
		text[i] = '?';
		assert_false(cats_said_slack(&least, text));
		text[i] = '\0';
		assert_false(cats_said_slack(&least, text));
	}
	snprintf(text, sizeof text, "%s and more", good);
	assert_true(cats_said_slack(&least, text));
	cats_slack_clear(&least);
	assert_int_equal(least.least_us[CATS_SLACK_ARMING], INT32_MAX);
	cats_slack_add(&least, &s);
	s.least_us[CATS_SLACK_READY] = 5;
	s.least_us[CATS_SLACK_AFTER_SENDING] = 6;
	cats_slack_add(&least, &s);
	assert_memory_equal(least.least_us, ((const int32_t[]){17, 38, 6, 9, -3}), sizeof least.least_us);
	assert_int_equal(least.missed, 8);
	assert_int_equal(least.unready, 2);
}

static void lacks_are_read(void **state)
{
	const char *text = " 3: 5.0 63.65535";
	uint32_t site;
	uint16_t sender, packet;

	(void)state;
	assert_true(cats_said_site(&site, &text));
	assert_int_equal(site, 3);
	assert_true(cats_said_packet(&sender, &packet, &text));
	assert_int_equal(sender, 5);
	assert_int_equal(packet, 0);
	assert_true(cats_said_packet(&sender, &packet, &text));
	assert_int_equal(sender, 63);
	assert_int_equal(packet, 65535);
	assert_false(cats_said_packet(&sender, &packet, &text));
	assert_int_equal(*text, '\0');
	text = " 3";
	assert_false(cats_said_site(&site, &text));
	text = " 5.65536";
	assert_false(cats_said_packet(&sender, &packet, &text));
	text = " 5";
	assert_false(cats_said_packet(&sender, &packet, &text));
	assert_string_equal(text, " 5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamps_are_put_into_global_time),
		cmocka_unit_test(what_is_no_stamped_line_is_kept_as_it_is),
		cmocka_unit_test(an_endless_line_is_cut_off),
		cmocka_unit_test(the_file_is_in_the_order_of_time),
		cmocka_unit_test(results_are_read),
		cmocka_unit_test(other_results_are_not),
		cmocka_unit_test(slack_is_read),
		cmocka_unit_test(lacks_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
