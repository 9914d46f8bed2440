/* SPDX-License-Identifier: MIT */
/* Timelines: bars are where the data say, near ones flow together, what cannot be drawn is refused. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "report/timeline.h"
#include "tests/cmocka.h"

static char path[] = "test_timeline-XXXXXX";

static const char *const rows[] = {"first", "second & <last>"};
static const struct cats_timeline_kind kinds[] = {{"busy", "#111111", false}, {"idle", "#222222", true}};
static const struct cats_timeline_bar bars[] = {
	{0, 0, 0, 25}, {0, 0, 25.001, 50}, {0, 0, 75, 100}, {1, 1, 0, 100}, {1, 0, 150, 160},
};
static const struct cats_timeline_phase phases[] = {{"a phase", 0, 50}, {"too narrow", 60, 60.1}};
static const struct cats_timeline plain = {
	.title = "a < b",
	.axis_label = "ms",
	.to = 100,
	.rows = rows,
	.row_count = 2,
	.kinds = kinds,
	.kind_count = 2,
	.bars = bars,
	.bar_count = 5,
	.phases = phases,
	.phase_count = 2,
};

static char *draw(const struct cats_timeline *timeline)
{
	uint8_t *bytes = NULL;
	size_t size;

	assert_int_equal(cats_timeline_write_svg(path, timeline, NULL), CATS_OK);
	assert_int_equal(cats_file_read(&bytes, &size, path, 1U << 20, NULL), CATS_OK);
	return (char *)bytes;
}

/* The bars of a colour, as (x, width) pairs; how many. */
static size_t read_bars(double xw[8][2], const char *svg, const char *colour)
{
	char start[64];
	const char *at;
	size_t count = 0;

	snprintf(start, sizeof start, "<path stroke=\"%s\" stroke-width=\"", colour);
	at = strstr(svg, start);
	at = at ? strstr(at, "d=\"") + 3 : "";
	for (char *end; *at == 'M' && count < 8; at = end) {
		xw[count][0] = strtod(at + 1, NULL);
		xw[count++][1] = strtod(strchr(at, 'h') + 1, &end);
	}
	return count;
}

static void bars_are_where_the_data_say(void **state)
{
	char *svg = draw(&plain);
	double busy[8][2], idle[8][2];

	(void)state;
	/* The bar beyond the end is not drawn, and a gap of a thousandth is none. */
	assert_int_equal(read_bars(busy, svg, "#111111"), 2);
	assert_int_equal(read_bars(idle, svg, "#222222"), 1);
	assert_true(fabs(busy[0][0] - idle[0][0]) < 0.02);
	assert_true(fabs(busy[0][1] - idle[0][1] / 2) < 0.02);
	assert_true(fabs(busy[1][0] - (idle[0][0] + 0.75 * idle[0][1])) < 0.02);
	assert_true(fabs(busy[1][1] - idle[0][1] / 4) < 0.02);
	free(svg);
}

static void texts_are_there_and_escaped(void **state)
{
	char *svg = draw(&plain);

	(void)state;
	assert_non_null(strstr(svg, ">a &lt; b<"));
	assert_non_null(strstr(svg, ">second &amp; &lt;last>"));
	assert_non_null(strstr(svg, ">a phase<"));
	assert_null(strstr(svg, "too narrow"));
	assert_non_null(strstr(svg, "</svg>\n"));
	free(svg);
}

static void what_cannot_be_drawn_is_refused(void **state)
{
	const struct cats_timeline_bar wild[] = {{2, 0, 0, 1}, {0, 2, 0, 1}, {0, 0, 2, 1}, {0, 0, NAN, 1}};
	struct cats_timeline t = plain;
	struct cats_error error = {0};

	(void)state;
	t.bar_count = 1;
	for (size_t i = 0; i < 4; i++) {
		t.bars = wild + i;
		assert_int_equal(cats_timeline_write_svg(path, &t, &error), CATS_ERR_USAGE);
		assert_non_null(strstr(error.text, "bar 0"));
	}
	t = plain;
	t.to = 0;
	assert_int_equal(cats_timeline_write_svg(path, &t, &error), CATS_ERR_USAGE);
	t.to = INFINITY;
	assert_int_equal(cats_timeline_write_svg(path, &t, &error), CATS_ERR_USAGE);
	t = plain;
	t.row_count = 0;
	assert_int_equal(cats_timeline_write_svg(path, &t, &error), CATS_ERR_USAGE);
}

static int make_path(void **state)
{
	(void)state;
	const int file = mkstemp(path);

	return file < 0 ? -1 : close(file);
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bars_are_where_the_data_say),
		cmocka_unit_test(texts_are_there_and_escaped),
		cmocka_unit_test(what_cannot_be_drawn_is_refused),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
