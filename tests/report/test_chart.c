/* SPDX-License-Identifier: MIT */
/* Charts: what is drawn is where the data say, what cannot be drawn is refused by name, the file is well formed. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "report/chart.h"
#include "tests/cmocka.h"

static char path[] = "test_chart-XXXXXX";

static const struct cats_point rising[] = {{0, 80, 0}, {5, 85, 1}, {10, 90, 0}, {20, 100, 2}};
static const struct cats_point falling[] = {{0, 100, 0}, {20, 80, 0}};
static const struct cats_series two[] = {
	{.name = "up & <away>", .points = rising, .count = 4},
	{.name = "down", .points = falling, .count = 2, .dashed = true},
};
static const struct cats_chart_panel panel = {.series = two, .series_count = 2};
static const struct cats_chart plain = {.title = "a\tb < c",
					.x_label = "x",
					.y_label = "y",
					.panels = &panel,
					.panel_count = 1,
					.y_min = 80,
					.y_max = 100};

static char *draw(const struct cats_chart *chart)
{
	struct cats_error error = {0};
	uint8_t *bytes = NULL;
	size_t size = 0;

	assert_int_equal(cats_chart_write_svg(path, chart, &error), CATS_OK);
	assert_int_equal(cats_file_read(&bytes, &size, path, 1U << 20, &error), CATS_OK);
	assert_int_equal(strlen((char *)bytes), size);
	return (char *)bytes;
}

static size_t count(const char *text, const char *what)
{
	size_t found = 0;

	for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
		found++;
	return found;
}

/* Every element is closed, in order; & begins an entity. Enough of XML to notice a text that was not escaped. */
static int is_well_formed(const char *text)
{
	char open[32][16];
	size_t depth = 0;

	for (const char *at = strpbrk(text, "<&"); at; at = strpbrk(at + 1, "<&")) {
		const char *end = strchr(at, '>');
		const size_t name = strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

		if (*at == '&') {
			if (strncmp(at, "&amp;", 5) != 0 && strncmp(at, "&lt;", 4) != 0 && strncmp(at, "&gt;", 4) != 0)
				return 0;
		} else if (at[1] == '/') {
			if (depth == 0 || strncmp(open[depth - 1], at + 2, strlen(open[depth - 1])) != 0)
				return 0;
			depth--;
		} else if (name == 0 || name >= sizeof open[0] || !end || depth == 32) {
			return 0;
		} else if (end[-1] != '/') {
			memcpy(open[depth], at + 1, name);
			open[depth++][name] = '\0';
		}
	}
	return depth == 0;
}

static void texts_are_escaped(void **state)
{
	char *svg = draw(&plain);

	(void)state;
	assert_true(is_well_formed(svg));
	assert_int_equal(count(svg, "a?b &lt; c"), 2); /* as the document's title and as the chart's */
	assert_int_equal(count(svg, "up &amp; &lt;away&gt;"), 1);
	assert_int_equal(count(svg, "\t"), 0);
	*strstr(svg, "&lt;") = '<';
	assert_false(is_well_formed(svg));
	free(svg);
}

/* The polyline of the first series, in order; returns how many coordinates were read. */
static size_t first_line(const char *svg, double xy[8])
{
	const char *at = strstr(strstr(svg, "clip-path="), "<path d=\"M") + 9;
	size_t read = 0;

	while (read < 8 && (*at == 'M' || *at == 'L')) {
		char *end;

		xy[read++] = strtod(at + 1, &end);
		xy[read++] = strtod(end, &end);
		at = end;
	}
	return read;
}

static void points_are_where_the_data_are(void **state)
{
	char *svg = draw(&plain);
	double xy[8];
	double top, bottom;

	(void)state;
	assert_int_equal(first_line(svg, xy), 8);
	bottom = strtod(strstr(strstr(svg, "stroke=\"#E3E3E3\"") - 60, "y1=\"") + 4, NULL); /* 80, the lowest mark */
	top = xy[7];
	for (size_t i = 0; i < 4; i++) {
		const double x = xy[0] + (xy[6] - xy[0]) * rising[i].x / 20.0;
		const double y = bottom + (top - bottom) * (rising[i].y - 80.0) / 20.0;

		assert_true(fabs(xy[2 * i] - x) <= 0.11);
		assert_true(fabs(xy[2 * i + 1] - y) <= 0.11);
	}
	assert_true(xy[6] - xy[0] > 300.0 && bottom - top > 200.0);
	free(svg);
}

static void every_point_error_and_mark_is_drawn(void **state)
{
	char *svg = draw(&plain);

	(void)state;
	assert_int_equal(count(svg, "<circle"), 4 + 1); /* the points of the first series, and its legend */
	assert_int_equal(count(svg, "stroke-width=\"1.5\""), 4 + 2 + 2);
	assert_int_equal(count(svg, "stroke-width=\"1.2\""), 2); /* error bars */
	assert_int_equal(count(svg, "stroke-dasharray"), 2);     /* the second series, and its legend */
	assert_int_equal(count(svg, ">0</text>"), 1);            /* x is marked where the data are */
	assert_int_equal(count(svg, ">5</text>"), 1);
	assert_int_equal(count(svg, ">20</text>"), 1);
	assert_int_equal(count(svg, ">15</text>"), 0);
	assert_int_equal(count(svg, ">100</text>"), 1);
	assert_int_equal(count(svg, "fill=\"#FFFFFF\""), 1 + 3); /* background, hollow markers */
	free(svg);
}

static void the_same_chart_gives_the_same_bytes(void **state)
{
	char *once = draw(&plain);
	char *again = draw(&plain);

	(void)state;
	assert_string_equal(once, again);
	free(once);
	free(again);
}

static void panels_share_axes_and_legend(void **state)
{
	const struct cats_chart_panel panels[3] = {
		{.title = "one", .series = two, .series_count = 2},
		{.title = "two", .series = two, .series_count = 2},
		{.title = "three", .series = two, .series_count = 2},
	};
	struct cats_chart chart = plain;

	(void)state;
	chart.panels = panels;
	chart.panel_count = 3;
	chart.y_min = chart.y_max = 0;
	char *svg = draw(&chart);
	assert_true(is_well_formed(svg));
	assert_int_equal(count(svg, ">down</text>"), 1);
	assert_int_equal(count(svg, ">three</text>"), 1);
	assert_int_equal(count(svg, "<circle"), 3 * 4 + 1);
	assert_int_equal(count(svg, ">y</text>"), 2); /* once a row */
	assert_int_equal(count(svg, ">105</text>"), 3);
	free(svg);
}

/* Of .number's 12 pixels in DejaVu Sans, whose advance widths are in its table hmtx, in 1/2048 of its size. */
static double width_of(const char *number, size_t length)
{
	double units = 0;

	for (size_t i = 0; i < length; i++) {
		static const char marks[] = ".-+e";
		static const double of_marks[] = {651, 739, 1716, 1260};
		const char *mark = strchr(marks, number[i]);

		units += mark != NULL ? of_marks[mark - marks] : 1303;
	}
	return units * 12 / 2048;
}

/* From the y label's baseline to the least x that a number of the y axis reaches. Nothing is left of the picture. */
static double room_beside_numbers(const char *svg, size_t *most_characters)
{
	const char *label = strstr(svg, "rotate(-90 ");
	double leftmost = HUGE_VAL;

	*most_characters = 0;
	assert_non_null(label);
	for (const char *at = strstr(svg, "\"number\" text-anchor=\"end\">"); at;
	     at = strstr(at + 1, "\"number\" text-anchor=\"end\">")) {
		const char *element = at;
		const char *number = strchr(at, '>') + 1;
		const size_t length = strcspn(number, "<");

		while (*element != '<')
			element--;
		const double x = strtod(strstr(element, "x=\"") + 3, NULL) - width_of(number, length);

		leftmost = x < leftmost ? x : leftmost;
		*most_characters = length > *most_characters ? length : *most_characters;
	}
	const double baseline = strtod(label + 11, NULL);

	assert_true(baseline >= 12.0); /* the label's own height, 13 pixels of which some are below its baseline */
	return leftmost - baseline;
}

/* 13 pixels have descenders of some 3. */
static void numbers_however_wide_leave_the_label_alone(void **state)
{
	static const double tops[] = {1, 123456, -1234567.5, 3e-7, -1.5e20};
	static const size_t least_characters[] = {3, 6, 8, 5, 6};

	(void)state;
	for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
		const struct cats_point points[] = {{0, 0, 0}, {1, tops[i], 0}};
		const struct cats_series series = {.name = "s", .points = points, .count = 2};
		const struct cats_chart_panel panels[2] = {{.series = &series, .series_count = 1},
							   {.series = &series, .series_count = 1}};
		struct cats_chart chart = {.y_label = "label", .panels = panels, .panel_count = 2};
		size_t characters;
		char *svg = draw(&chart);

		assert_true(room_beside_numbers(svg, &characters) >= 3.0);
		free(svg);
		assert_true(characters >= least_characters[i]);
	}
}

static void long_lines_have_no_markers(void **state)
{
	struct cats_point points[300];
	const struct cats_series series = {.name = "loss", .points = points, .count = 300};
	const struct cats_chart_panel one = {.series = &series, .series_count = 1};
	const struct cats_chart chart = {.panels = &one, .panel_count = 1};

	(void)state;
	for (size_t i = 0; i < 300; i++)
		points[i] = (struct cats_point){.x = (double)i, .y = exp(-(double)i / 100.0)};
	char *svg = draw(&chart);
	assert_true(is_well_formed(svg));
	assert_int_equal(count(svg, "<circle"), 1); /* the legend's */
	assert_int_equal(count(svg, ">250</text>"), 1);
	free(svg);
}

static void refuses(const struct cats_chart *chart, const char *rule)
{
	struct cats_error error = {0};
	char *before = draw(&plain);
	uint8_t *after = NULL;
	size_t size = 0;

	assert_int_equal(cats_chart_write_svg(path, chart, &error), CATS_ERR_USAGE);
	assert_non_null(strstr(error.text, rule));
	assert_non_null(strstr(error.text, path));
	assert_int_equal(cats_file_read(&after, &size, path, 1U << 20, &error), CATS_OK);
	assert_string_equal(before, (char *)after); /* what was there stays */
	free(before);
	free(after);
}

static void refuses_points(const struct cats_point *points, size_t n, const char *rule)
{
	const struct cats_series series = {.name = "s", .points = points, .count = n};
	const struct cats_chart_panel one = {.series = &series, .series_count = 1};

	refuses(&(struct cats_chart){.panels = &one, .panel_count = 1}, rule);
}

static void what_cannot_be_drawn_is_refused(void **state)
{
	struct cats_series many[9];
	struct cats_chart_panel panels[2] = {panel, panel};
	struct cats_chart chart = plain;

	(void)state;
	refuses_points(NULL, 0, "needs a name, a point");
	refuses_points((const struct cats_point[]){{0, NAN, 0}}, 1, "finite");
	refuses_points((const struct cats_point[]){{INFINITY, 0, 0}}, 1, "finite");
	refuses_points((const struct cats_point[]){{0, 1e101, 0}}, 1, "1e100");
	refuses_points((const struct cats_point[]){{0, 0, -1}}, 1, "not negative");
	refuses_points((const struct cats_point[]){{1, 0, 0}, {0, 0, 0}}, 2, "descend");
	refuses(&(struct cats_chart){0}, "needs a panel");
	chart.y_min = 101;
	refuses(&chart, "y_min must be below y_max");
	for (size_t i = 0; i < 9; i++)
		many[i] = two[0];
	panels[0] = (struct cats_chart_panel){.series = many, .series_count = 9};
	refuses(&(struct cats_chart){.panels = panels, .panel_count = 1}, "more than 8 series");
	panels[0] = panel;
	panels[1] = (struct cats_chart_panel){.series = two, .series_count = 1};
	refuses(&(struct cats_chart){.panels = panels, .panel_count = 2}, "panel 1: needs the series of the first");
	many[0] = two[1];
	panels[1] = (struct cats_chart_panel){.series = many, .series_count = 2};
	refuses(&(struct cats_chart){.panels = panels, .panel_count = 2}, "panel 1: needs the series of the first");
}

static void a_file_that_cannot_be_written_is_named(void **state)
{
	struct cats_error error = {0};

	(void)state;
	assert_int_equal(cats_chart_write_svg("no-such-folder/chart.svg", &plain, &error), CATS_ERR_IO);
	assert_non_null(strstr(error.text, "no-such-folder/chart.svg"));
}

static int make_file(void **state)
{
	const int file = mkstemp(path);

	(void)state;
	return file < 0 || close(file);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_escaped),
		cmocka_unit_test(points_are_where_the_data_are),
		cmocka_unit_test(every_point_error_and_mark_is_drawn),
		cmocka_unit_test(the_same_chart_gives_the_same_bytes),
		cmocka_unit_test(panels_share_axes_and_legend),
		cmocka_unit_test(numbers_however_wide_leave_the_label_alone),
		cmocka_unit_test(long_lines_have_no_markers),
		cmocka_unit_test(what_cannot_be_drawn_is_refused),
		cmocka_unit_test(a_file_that_cannot_be_written_is_named),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
