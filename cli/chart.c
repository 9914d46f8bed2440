/* SPDX-License-Identifier: MIT */
/* cats chart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "io/csv.h"
#include "report/chart.h"

#define SERIES_MAX CATS_CHART_HUES

struct arguments {
	struct cats_common common;
	const char *x, *y, *out, *title, *x_label, *y_label;
	char *names[SERIES_MAX];
	const char *files[SERIES_MAX];
	size_t series;
};

enum own_option {
	OPT_X = CATS_OPTION_OWN,
	OPT_Y,
	OPT_OUT,
	OPT_TITLE,
	OPT_X_LABEL,
	OPT_Y_LABEL,
};

static const struct argp_option option_list[] = {
	{"x", OPT_X, "COLUMN", 0, "Of the tables, in ascending order", 1},
	{"y", OPT_Y, "COLUMN", 0, "Of the tables", 1},
	{"out", OPT_OUT, "FILE", 0, "The SVG file", 1},
	{"title", OPT_TITLE, "TEXT", 0, "Above the chart", 1},
	{"x-label", OPT_X_LABEL, "TEXT", 0, "Otherwise the column's name", 1},
	{"y-label", OPT_Y_LABEL, "TEXT", 0, "Likewise", 1},
	CATS_COMMON_OPTIONS,
	{0},
};

/* Cuts "A=B" in two: B, or A where there is no "=". */
static char *cut(char *text)
{
	char *equals = strchr(text, '=');

	if (equals == NULL)
		return text;
	*equals = '\0';
	return equals + 1;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (cats_common_option(&a->common, key, text, state))
		return 0;
	switch (key) {
	case OPT_X:
		a->x = text;
		return 0;
	case OPT_Y:
		a->y = text;
		return 0;
	case OPT_OUT:
		a->out = text;
		return 0;
	case OPT_TITLE:
		a->title = text;
		return 0;
	case OPT_X_LABEL:
		a->x_label = text;
		return 0;
	case OPT_Y_LABEL:
		a->y_label = text;
		return 0;
	case ARGP_KEY_ARG:
		if (a->series == SERIES_MAX)
			argp_error(state, "\"%s\": at most %u lines", text, SERIES_MAX);
		a->names[a->series] = text;
		a->files[a->series++] = cut(text);
		return 0;
	case ARGP_KEY_END:
		if (a->x == NULL || a->y == NULL || a->out == NULL || a->series == 0)
			argp_error(state, "--x, --y, --out and NAME=FILE.csv are needed");
		for (size_t s = 0; s < a->series; s++)
			if (strcmp(a->out, a->files[s]) == 0)
				argp_error(state, "--out: \"%s\" is a table to draw, which it would overwrite", a->out);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The points of one line: its table's columns x and y. */
static enum cats_status read_line(struct cats_series *out, const char *name, const char *file, const char *x,
				  const char *y, struct cats_error *error)
{
	const char *const wanted[] = {x, y};
	struct cats_csv table;
	struct cats_point *points;
	enum cats_status status = cats_csv_read(&table, wanted, 2, file, error);

	*out = (struct cats_series){.name = name};
	if (status < 0)
		return status;
	points = calloc(table.rows, sizeof *points);
	for (size_t i = 0; points != NULL && i < table.rows; i++)
		points[i] = (struct cats_point){.x = (double)table.values[2 * i], .y = (double)table.values[2 * i + 1]};
	*out = (struct cats_series){.name = name, .points = points, .count = table.rows};
	cats_csv_free(&table);
	return points != NULL ? CATS_OK : cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", file);
}

static enum cats_status draw(const struct arguments *a, struct cats_error *error)
{
	struct cats_series series[SERIES_MAX] = {0};
	const struct cats_chart_panel panel = {.series = series, .series_count = a->series};
	const struct cats_chart chart = {
		.title = a->title,
		.x_label = a->x_label != NULL ? a->x_label : a->x,
		.y_label = a->y_label != NULL ? a->y_label : a->y,
		.panels = &panel,
		.panel_count = 1,
	};
	enum cats_status status = CATS_OK;

	for (size_t s = 0; status == CATS_OK && s < a->series; s++)
		status = read_line(&series[s], a->names[s], a->files[s], a->x, a->y, error);
	if (status == CATS_OK)
		status = cats_chart_write_svg(a->out, &chart, error);
	for (size_t s = 0; s < a->series; s++)
		free((void *)(uintptr_t)series[s].points);
	return status;
}

int cats_command_chart(int argc, char **argv)
{
	static const struct argp argp = {option_list,
					 parse,
					 "NAME=FILE.csv...",
					 "Draws a column of several tables over another: one line a table.",
					 NULL,
					 NULL,
					 NULL};
	struct arguments a = {0};
	struct cats_error error = {0};
	cJSON *object;
	enum cats_status status;

	cats_arguments(&argp, argc, argv, &a);
	status = draw(&a, &error);
	if (status < 0)
		return cats_report_failure(status, &error);
	object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "chart", a.out);
	return cats_print_result(object, &a.common);
}
