/* SPDX-License-Identifier: MIT */
/* Line charts. See chart.h. Lengths are SVG user units, which browsers show as pixels. */
#define _POSIX_C_SOURCE 200809L
#include "report/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "report/axis.h"

/* Okabe and Ito 2008, "Color universal design"; yellow, too faint on white, is replaced by grey. */
static const char *const hues[CATS_CHART_HUES] = {
	"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#777777",
};

#define MARGIN 24.0
#define TITLE_HEIGHT 34.0       /* of the chart, when it has a title */
#define PANEL_TITLE_HEIGHT 24.0 /* of a panel, when it has one */
#define NUMBER_GAP 8.0          /* between a number and the axis */
#define LABEL_GAP 9.0           /* between the numbers and the baseline of the y label: its descenders are 4 long */
#define LABEL_HEIGHT 12.0       /* of the y label above its baseline */
#define Y_AXIS_WIDTH_LEAST 58.0 /* label, numbers */
#define X_AXIS_HEIGHT 50.0      /* numbers, label */
#define PANEL_GAP 18.0
#define LEGEND_LINE 23.0
#define LEGEND_SAMPLE 34.0
#define CHARACTER_WIDTH 7.0 /* of the legend's font, generously: SVG cannot ask */
#define TITLE_CHARACTER_WIDTH 9.5
#define MARKER 4.0
#define MAX_X_MARKS 12

struct box {
	double left, top, width, height;
};

/* All of the drawing that panels share. */
struct canvas {
	FILE *out;
	const struct cats_chart *chart;
	struct cats_axis x, y;
	double x_marks[MAX_X_MARKS]; /* the data's own x where they are few */
	int x_mark_count;            /* 0: the axis' marks */
	size_t columns, rows;        /* of panels */
	double panel_width, panel_height, panel_title, top;
	double y_axis_width; /* label, numbers */
};

/* ---- What can be drawn ---- */

static bool finite(double value)
{
	return fabs(value) <= CATS_AXIS_LIMIT; /* false for NaN */
}

static enum cats_status check_series(const struct cats_series *series, const char *path, struct cats_error *error)
{
	if (!series->name || series->count == 0 || series->hue > CATS_CHART_HUES)
		return cats_fail(error, CATS_ERR_USAGE, "%s: a series needs a name, a point and a hue up to %u", path,
				 CATS_CHART_HUES);
	for (size_t i = 0; i < series->count; i++) {
		const struct cats_point *p = &series->points[i];

		if (!finite(p->x) || !finite(p->y) || !finite(p->error) || p->error < 0.0)
			return cats_fail(error, CATS_ERR_USAGE,
					 "%s: series '%s', point %zu: values must be finite and below 1e100, errors "
					 "not negative",
					 path, series->name, i);
		if (i > 0 && p->x < series->points[i - 1].x)
			return cats_fail(error, CATS_ERR_USAGE, "%s: series '%s', point %zu: x must not descend", path,
					 series->name, i);
	}
	return CATS_OK;
}

static enum cats_status check(const struct cats_chart *chart, const char *path, struct cats_error *error)
{
	if (chart->panel_count == 0 || chart->panels[0].series_count == 0)
		return cats_fail(error, CATS_ERR_USAGE, "%s: a chart needs a panel with a series", path);
	if (!finite(chart->y_min) || !finite(chart->y_max) || chart->y_min > chart->y_max ||
	    (chart->y_min == chart->y_max && chart->y_min != 0.0))
		return cats_fail(error, CATS_ERR_USAGE, "%s: y_min must be below y_max, or both 0", path);
	for (size_t i = 0; i < chart->panel_count; i++) {
		const struct cats_chart_panel *panel = &chart->panels[i];
		const struct cats_chart_panel *first = &chart->panels[0];

		if (panel->series_count != first->series_count)
			return cats_fail(error, CATS_ERR_USAGE, "%s: panel %zu: needs the series of the first", path,
					 i);
		for (size_t s = 0; s < panel->series_count; s++) {
			const struct cats_series *series = &panel->series[s];
			const enum cats_status status = check_series(series, path, error);

			if (status)
				return status;
			if (strcmp(series->name, first->series[s].name) != 0)
				return cats_fail(error, CATS_ERR_USAGE, "%s: panel %zu: needs the series of the first",
						 path, i);
			if (series->hue == 0 && s >= CATS_CHART_HUES)
				return cats_fail(error, CATS_ERR_USAGE,
						 "%s: more than %u series: choose hues, or make panels", path,
						 CATS_CHART_HUES);
		}
	}
	return CATS_OK;
}

/* ---- Axes from data ---- */

static void note_x(struct canvas *canvas, double x)
{
	if (canvas->x_mark_count < 0)
		return;
	for (int i = 0; i < canvas->x_mark_count; i++)
		if (canvas->x_marks[i] == x)
			return;
	if (canvas->x_mark_count == MAX_X_MARKS)
		canvas->x_mark_count = -1; /* too many to mark each */
	else
		canvas->x_marks[canvas->x_mark_count++] = x;
}

/* Marks nearer to each other than their numbers are wide are no marks. */
static bool marks_fit(const struct canvas *canvas)
{
	const double least = (canvas->x.max - canvas->x.min) * 36.0 / canvas->panel_width;

	for (int i = 0; i < canvas->x_mark_count; i++)
		for (int j = 0; j < i; j++)
			if (fabs(canvas->x_marks[i] - canvas->x_marks[j]) < least)
				return false;
	return canvas->x_mark_count > 1;
}

/* At most, of .number's 12 pixels: advance widths of DejaVu Sans, the widest family that charts ask for. */
static double number_width(const char *number)
{
	double width = 0.0;

	for (; *number; number++)
		width += *number == '.' ? 3.9 : *number == '-' ? 4.4 : *number == '+' ? 10.1 : 7.7;
	return width;
}

static double y_axis_width(const struct cats_axis *axis)
{
	double widest = 0.0;

	for (int i = 0; i < axis->marks; i++) {
		char label[CATS_AXIS_LABEL_BYTES];

		widest = fmax(widest, number_width(cats_axis_label(label, axis, i)));
	}
	return fmax(Y_AXIS_WIDTH_LEAST, NUMBER_GAP + widest + LABEL_GAP + LABEL_HEIGHT);
}

static void fit_axes(struct canvas *canvas)
{
	const struct cats_chart *chart = canvas->chart;
	double x_low = INFINITY;
	double x_high = -INFINITY;
	double y_low = INFINITY;
	double y_high = -INFINITY;

	for (size_t i = 0; i < chart->panel_count; i++) {
		for (size_t s = 0; s < chart->panels[i].series_count; s++) {
			const struct cats_series *series = &chart->panels[i].series[s];

			for (size_t k = 0; k < series->count; k++) {
				const struct cats_point *p = &series->points[k];

				x_low = fmin(x_low, p->x);
				x_high = fmax(x_high, p->x);
				y_low = fmin(y_low, p->y - p->error);
				y_high = fmax(y_high, p->y + p->error);
				note_x(canvas, p->x);
			}
		}
	}
	canvas->x = x_low < x_high ? cats_axis_fixed(x_low, x_high, 6) : cats_axis_fit(x_low, x_high, 2);
	if (!marks_fit(canvas))
		canvas->x_mark_count = 0;
	if (chart->y_min < chart->y_max)
		canvas->y = cats_axis_fixed(chart->y_min, chart->y_max, 6);
	else
		canvas->y = cats_axis_fit(y_low, y_high, 6);
	canvas->y_axis_width = y_axis_width(&canvas->y);
}

/* ---- SVG ---- */

static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		default:
			fputc((unsigned char)*text < 0x20U || *text == 0x7F ? '?' : *text, out);
		}
	}
}

/* `attributes` are SVG, `text` is anything. */
static void put_label(FILE *out, double x, double y, const char *attributes, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
	put_text(out, text);
	fputs("</text>\n", out);
}

static double at_x(const struct canvas *canvas, const struct box *box, double x)
{
	/* A little air on both sides, so that the first marker does not sit on the axis. */
	const double air = 10.0;

	return box->left + air + (x - canvas->x.min) / (canvas->x.max - canvas->x.min) * (box->width - 2.0 * air);
}

static double at_y(const struct canvas *canvas, const struct box *box, double y)
{
	return box->top + box->height - (y - canvas->y.min) / (canvas->y.max - canvas->y.min) * box->height;
}

static void put_y_axis(const struct canvas *canvas, const struct box *box)
{
	char label[CATS_AXIS_LABEL_BYTES];

	for (int i = 0; i < canvas->y.marks; i++) {
		const double y = at_y(canvas, box, cats_axis_mark(&canvas->y, i));

		fprintf(canvas->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#E3E3E3\"/>\n",
			box->left, y, box->left + box->width, y);
		put_label(canvas->out, box->left - NUMBER_GAP, y + 4.0, "class=\"number\" text-anchor=\"end\"",
			  cats_axis_label(label, &canvas->y, i));
	}
}

static void put_x_mark(const struct canvas *canvas, const struct box *box, double value, const char *label)
{
	const double x = at_x(canvas, box, value);
	const double y = box->top + box->height;

	fprintf(canvas->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#444444\"/>\n", x, y, x,
		y + 5.0);
	put_label(canvas->out, x, y + 19.0, "class=\"number\" text-anchor=\"middle\"", label);
}

static void put_x_axis(const struct canvas *canvas, const struct box *box)
{
	char label[CATS_AXIS_LABEL_BYTES];
	const double y = box->top + box->height;

	fprintf(canvas->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#444444\"/>\n", box->left,
		y, box->left + box->width, y);
	for (int i = 0; i < canvas->x_mark_count; i++) {
		snprintf(label, sizeof label, "%.6g", canvas->x_marks[i]);
		put_x_mark(canvas, box, canvas->x_marks[i], label);
	}
	for (int i = 0; canvas->x_mark_count == 0 && i < canvas->x.marks; i++)
		put_x_mark(canvas, box, cats_axis_mark(&canvas->x, i), cats_axis_label(label, &canvas->x, i));
}

static void put_marker(FILE *out, double x, double y, size_t shape, const char *colour, bool hollow)
{
	const char *fill = hollow ? "#FFFFFF" : colour;
	const double r = MARKER;

	switch (shape % 4) {
	case 0:
		fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"", x, y, r);
		break;
	case 1:
		fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"", x - 0.9 * r, y - 0.9 * r,
			1.8 * r, 1.8 * r);
		break;
	case 2:
		fprintf(out, "<path d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fZ\"", x, y - 1.25 * r, x + 1.15 * r, y + 0.85 * r,
			x - 1.15 * r, y + 0.85 * r);
		break;
	default:
		fprintf(out, "<path d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fL%.1f %.1fZ\"", x, y - 1.35 * r, x + 1.35 * r, y,
			x, y + 1.35 * r, x - 1.35 * r, y);
	}
	fprintf(out, " fill=\"%s\" stroke=\"%s\" stroke-width=\"1.5\"/>\n", fill, colour);
}

/* A series' hue also fixes its marker, so that a pair of one hue is told apart by its line and filling. */
static size_t hue_of(const struct cats_series *series, size_t place)
{
	return series->hue ? series->hue - 1U : place;
}

static void put_line_style(FILE *out, const char *colour, bool dashed)
{
	fprintf(out, " fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\"%s/>\n", colour,
		dashed ? " stroke-dasharray=\"6 4\"" : "");
}

static void put_error_bar(const struct canvas *canvas, const struct box *box, const struct cats_point *p,
			  const char *colour)
{
	const double x = at_x(canvas, box, p->x);
	const double high = at_y(canvas, box, p->y + p->error);
	const double low = at_y(canvas, box, p->y - p->error);

	fprintf(canvas->out,
		"<path d=\"M%.1f %.1fV%.1fM%.1f %.1fH%.1fM%.1f %.1fH%.1f\" fill=\"none\" stroke=\"%s\" "
		"stroke-width=\"1.2\"/>\n",
		x, high, low, x - 4.0, high, x + 4.0, x - 4.0, low, x + 4.0, colour);
}

static void put_series(const struct canvas *canvas, const struct box *box, const struct cats_series *series,
		       size_t place)
{
	const size_t hue = hue_of(series, place);

	fputs("<path d=\"", canvas->out);
	for (size_t i = 0; i < series->count; i++)
		fprintf(canvas->out, "%c%.1f %.1f", i ? 'L' : 'M', at_x(canvas, box, series->points[i].x),
			at_y(canvas, box, series->points[i].y));
	fputs("\"", canvas->out);
	put_line_style(canvas->out, hues[hue], series->dashed);
	for (size_t i = 0; i < series->count; i++)
		if (series->points[i].error > 0.0)
			put_error_bar(canvas, box, &series->points[i], hues[hue]);
	/* Loss curves have hundreds of points: there the line is the message. */
	for (size_t i = 0; series->count <= 30 && i < series->count; i++)
		put_marker(canvas->out, at_x(canvas, box, series->points[i].x), at_y(canvas, box, series->points[i].y),
			   hue, hues[hue], series->dashed);
}

static struct box box_of(const struct canvas *canvas, size_t panel)
{
	const size_t column = panel % canvas->columns;
	const size_t row = panel / canvas->columns;

	return (struct box){
		.left = MARGIN + canvas->y_axis_width + (double)column * (canvas->panel_width + canvas->y_axis_width),
		.top = canvas->top + canvas->panel_title +
		       (double)row * (canvas->panel_height + canvas->panel_title + X_AXIS_HEIGHT + PANEL_GAP),
		.width = canvas->panel_width,
		.height = canvas->panel_height,
	};
}

static void put_panel(const struct canvas *canvas, size_t index)
{
	const struct cats_chart_panel *panel = &canvas->chart->panels[index];
	const struct box box = box_of(canvas, index);
	const double middle = box.top + box.height / 2.0;
	const double axis_x = box.left - canvas->y_axis_width + LABEL_HEIGHT;
	char turn[96];

	if (panel->title)
		put_label(canvas->out, box.left, box.top - 10.0, "class=\"panel\"", panel->title);
	put_y_axis(canvas, &box);
	put_x_axis(canvas, &box);
	if (canvas->chart->x_label)
		put_label(canvas->out, box.left + box.width / 2.0, box.top + box.height + 40.0,
			  "class=\"label\" text-anchor=\"middle\"", canvas->chart->x_label);
	snprintf(turn, sizeof turn, "class=\"label\" text-anchor=\"middle\" transform=\"rotate(-90 %.1f %.1f)\"",
		 axis_x, middle);
	if (canvas->chart->y_label && index % canvas->columns == 0)
		put_label(canvas->out, axis_x, middle, turn, canvas->chart->y_label);
	/* Markers on the border stay whole; only what lies beyond a fixed range is cut. */
	fprintf(canvas->out,
		"<clipPath id=\"panel%zu\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>"
		"</clipPath>\n<g clip-path=\"url(#panel%zu)\">\n",
		index, box.left, box.top - 7.0, box.width, box.height + 14.0, index);
	for (size_t s = 0; s < panel->series_count; s++)
		put_series(canvas, &box, &panel->series[s], s);
	fputs("</g>\n", canvas->out);
}

static size_t characters(const char *text)
{
	size_t count = 0;

	for (; text && *text; text++)
		count += ((unsigned char)*text & 0xC0U) != 0x80U;
	return count;
}

static double legend_width(const struct cats_chart *chart)
{
	size_t longest = 0;

	for (size_t s = 0; s < chart->panels[0].series_count; s++) {
		const size_t count = characters(chart->panels[0].series[s].name);

		longest = count > longest ? count : longest;
	}
	return LEGEND_SAMPLE + 9.0 + (double)longest * CHARACTER_WIDTH;
}

static void put_legend(const struct canvas *canvas, double left, double top)
{
	const struct cats_chart_panel *panel = &canvas->chart->panels[0];

	for (size_t s = 0; s < panel->series_count; s++) {
		const struct cats_series *series = &panel->series[s];
		const size_t hue = hue_of(series, s);
		const double y = top + ((double)s + 0.5) * LEGEND_LINE;

		fprintf(canvas->out, "<path d=\"M%.1f %.1fH%.1f\"", left, y, left + LEGEND_SAMPLE);
		put_line_style(canvas->out, hues[hue], series->dashed);
		put_marker(canvas->out, left + LEGEND_SAMPLE / 2.0, y, hue, hues[hue], series->dashed);
		put_label(canvas->out, left + LEGEND_SAMPLE + 9.0, y + 4.5, "class=\"label\"", series->name);
	}
}

static void lay_out(struct canvas *canvas)
{
	const struct cats_chart *chart = canvas->chart;
	const bool single = chart->panel_count == 1;

	canvas->columns = chart->panels_a_row ? chart->panels_a_row : 2;
	if (canvas->columns > chart->panel_count)
		canvas->columns = chart->panel_count;
	canvas->rows = (chart->panel_count + canvas->columns - 1) / canvas->columns;
	canvas->panel_width = single ? 540.0 : 340.0;
	canvas->panel_height = single ? 330.0 : 220.0;
	for (size_t i = 0; i < chart->panel_count; i++)
		if (chart->panels[i].title)
			canvas->panel_title = PANEL_TITLE_HEIGHT;
	canvas->top = MARGIN + (chart->title ? TITLE_HEIGHT : 0.0);
}

static void draw(const struct canvas *canvas)
{
	const struct box last = box_of(canvas, canvas->columns * canvas->rows - 1);
	const struct box first = box_of(canvas, 0);
	const double legend = last.left + last.width + 26.0;
	const double width = fmax(legend + legend_width(canvas->chart),
				  first.left + (double)characters(canvas->chart->title) * TITLE_CHARACTER_WIDTH) +
			     MARGIN;
	const double legend_height = (double)canvas->chart->panels[0].series_count * LEGEND_LINE;
	const double height = fmax(last.top + last.height + X_AXIS_HEIGHT, first.top + legend_height) + MARGIN / 2.0;

	fprintf(canvas->out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
		"role=\"img\" font-family=\"system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\">\n",
		width, height, width, height);
	if (canvas->chart->title) {
		fputs("<title>", canvas->out);
		put_text(canvas->out, canvas->chart->title);
		fputs("</title>\n", canvas->out);
	}
	fputs("<style>text{fill:#222222}.title{font-size:17px;font-weight:600}.panel{font-size:14px;font-weight:600}"
	      ".label{font-size:13px}.number{font-size:12px}</style>\n"
	      "<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n",
	      canvas->out);
	if (canvas->chart->title)
		put_label(canvas->out, first.left, MARGIN + 15.0, "class=\"title\"", canvas->chart->title);
	for (size_t i = 0; i < canvas->chart->panel_count; i++)
		put_panel(canvas, i);
	put_legend(canvas, legend, first.top);
	fputs("</svg>\n", canvas->out);
}

enum cats_status cats_chart_write_svg(const char *path, const struct cats_chart *chart, struct cats_error *error)
{
	struct canvas canvas = {.chart = chart};
	char *text = NULL;
	size_t size = 0;
	enum cats_status status = check(chart, path, error);

	if (status)
		return status;
	canvas.out = open_memstream(&text, &size);
	if (!canvas.out)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for the chart", path);
	lay_out(&canvas);
	fit_axes(&canvas);
	draw(&canvas);
	const bool bad = ferror(canvas.out) != 0;
	if (fclose(canvas.out) || bad)
		status = cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for the chart", path);
	else
		status = cats_file_write(path, text, size, error);
	free(text);
	return status;
}
