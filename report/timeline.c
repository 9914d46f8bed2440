/* SPDX-License-Identifier: MIT */
/* Timelines. See timeline.h. Lengths are SVG user units, which browsers show as pixels. */
#define _POSIX_C_SOURCE 200809L
#include "report/timeline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/file.h"
#include "report/axis.h"

#define MARGIN 20.0
#define WIDTH 1400.0 /* of the time axis */
#define TITLE_HEIGHT 30.0
#define LEGEND_HEIGHT 30.0
#define LEGEND_SQUARE 12.0
#define CHARACTER_WIDTH 6.6
#define ROW_HEIGHT 26.0
#define HIGH_LANE 14.0 /* of a row, from its top */
#define LOW_LANE 6.0   /* below it */
#define ROW_PAD 3.0    /* above the wide lane */
#define AXIS_HEIGHT 46.0
#define JOIN 0.15 /* gaps narrower than this are not drawn */
#define PHASE_FONT 10.0
#define PHASE_LEAST 11.0 /* a narrower band has no room for its name, which stands upright */

struct canvas {
	FILE *out;
	const struct cats_timeline *t;
	double left, top, height, width; /* of the rows and the time axis */
};

static size_t characters(const char *text)
{
	size_t count = 0;

	for (; text && *text; text++)
		count += ((unsigned char)*text & 0xC0U) != 0x80U;
	return count;
}

static double longest(const char *const *texts, size_t count)
{
	size_t most = 0;

	for (size_t i = 0; i < count; i++)
		most = characters(texts[i]) > most ? characters(texts[i]) : most;
	return (double)most * CHARACTER_WIDTH;
}

static enum cats_status check(const struct cats_timeline *t, const char *path, struct cats_error *error)
{
	if (t->row_count == 0 || !(t->from < t->to) || !(fabs(t->from) < CATS_AXIS_LIMIT) ||
	    !(fabs(t->to) < CATS_AXIS_LIMIT))
		return cats_fail(error, CATS_ERR_USAGE, "%s: a timeline needs a row and a stretch of time", path);
	for (size_t i = 0; i < t->bar_count; i++)
		if (t->bars[i].row >= t->row_count || t->bars[i].kind >= t->kind_count ||
		    !(t->bars[i].from <= t->bars[i].to))
			return cats_fail(error, CATS_ERR_USAGE,
					 "%s: bar %zu: needs a row and a kind of the timeline, and to end after it "
					 "begins",
					 path, i);
	return CATS_OK;
}

static void put_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '&')
			fputs("&amp;", out);
		else
			fputc((unsigned char)*text < 0x20 ? '?' : *text, out);
	}
}

static void put_text(FILE *out, double x, double y, const char *attributes, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
	put_escaped(out, text);
	fputs("</text>\n", out);
}

static double at_x(const struct canvas *c, double time)
{
	const double share = (time - c->t->from) / (c->t->to - c->t->from);

	return c->left + c->width * fmin(fmax(share, 0), 1);
}

/* Bands of two shades in turn, so that neighbours are told apart, with upright names above them. */
static void put_phases(const struct canvas *c)
{
	for (size_t i = 0; i < c->t->phase_count; i++) {
		const struct cats_timeline_phase *phase = &c->t->phases[i];
		const double x = at_x(c, phase->from), width = at_x(c, phase->to) - x;

		if (width <= 0)
			continue;
		fprintf(c->out, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" fill=\"%s\"/>\n", x,
			c->top - 4, width, c->height + 4, i % 2 ? "#EDF2F7" : "#DFE8F0");
		if (width < PHASE_LEAST)
			continue;
		fprintf(c->out, "<text class=\"phase\" transform=\"translate(%.1f %.1f) rotate(-90)\">",
			x + width / 2 + 3.5, c->top - 8);
		put_escaped(c->out, phase->name);
		fputs("</text>\n", c->out);
	}
}

static void put_rows(const struct canvas *c)
{
	for (size_t i = 0; i < c->t->row_count; i++) {
		const double y = c->top + (double)i * ROW_HEIGHT;

		put_text(c->out, c->left - 8, y + ROW_HEIGHT / 2 + 4, "class=\"row\" text-anchor=\"end\"",
			 c->t->rows[i]);
		fprintf(c->out, "<path class=\"rule\" d=\"M%.1f %.1fH%.1f\"/>\n", c->left, y + ROW_HEIGHT,
			c->left + c->width);
	}
}

/* One path for all bars of a row and kind: lines as wide as the lane is high, half the bytes of rectangles. */
static void put_bars(const struct canvas *c, uint32_t row, uint32_t kind)
{
	const struct cats_timeline_kind *of = &c->t->kinds[kind];
	const double height = of->low ? LOW_LANE : HIGH_LANE;
	const double y = c->top + row * ROW_HEIGHT + ROW_PAD + (of->low ? HIGH_LANE : 0) + height / 2;
	double from = NAN, to = NAN;
	bool any = false;

	for (size_t i = 0; i <= c->t->bar_count; i++) {
		const struct cats_timeline_bar *bar = i < c->t->bar_count ? &c->t->bars[i] : NULL;
		double x;

		if (bar && (bar->row != row || bar->kind != kind || bar->to < c->t->from || bar->from > c->t->to))
			continue;
		x = bar ? at_x(c, bar->from) : INFINITY;
		if (x - to <= JOIN) {
			to = fmax(to, at_x(c, bar->to));
			continue;
		}
		if (!isnan(from)) {
			if (!any)
				fprintf(c->out, "<path stroke=\"%s\" stroke-width=\"%.0f\" d=\"", of->colour, height);
			fprintf(c->out, "M%.2f %.1fh%.2f", from, y, fmax(to - from, 0.1));
			any = true;
		}
		if (bar) {
			from = x;
			to = at_x(c, bar->to);
		}
	}
	if (any)
		fputs("\"/>\n", c->out);
}

static void put_axis(const struct canvas *c)
{
	const struct cats_axis axis = cats_axis_fixed(c->t->from, c->t->to, 12);
	const double y = c->top + c->height;
	char label[CATS_AXIS_LABEL_BYTES];

	for (int i = 0; i < axis.marks; i++) {
		const double x = at_x(c, cats_axis_mark(&axis, i));

		fprintf(c->out, "<path class=\"mark\" d=\"M%.1f %.1fV%.1f\"/>\n", x, c->top - 4, y + 5);
		put_text(c->out, x, y + 18, "class=\"axis\" text-anchor=\"middle\"", cats_axis_label(label, &axis, i));
	}
	if (c->t->axis_label)
		put_text(c->out, c->left + c->width / 2, y + 36, "class=\"axis\" text-anchor=\"middle\"",
			 c->t->axis_label);
}

static void put_legend(const struct canvas *c, double y)
{
	double x = c->left;

	for (size_t i = 0; i < c->t->kind_count; i++) {
		fprintf(c->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x,
			y - LEGEND_SQUARE + 1, LEGEND_SQUARE, LEGEND_SQUARE, c->t->kinds[i].colour);
		put_text(c->out, x + LEGEND_SQUARE + 6, y, "class=\"row\"", c->t->kinds[i].name);
		x += LEGEND_SQUARE + 30 + (double)characters(c->t->kinds[i].name) * CHARACTER_WIDTH;
	}
}

static double phase_names_height(const struct cats_timeline *t)
{
	size_t most = 0;

	for (size_t i = 0; i < t->phase_count; i++)
		most = characters(t->phases[i].name) > most ? characters(t->phases[i].name) : most;
	return (double)most * PHASE_FONT * 0.62 + 14;
}

static void draw(struct canvas *c)
{
	const double head = MARGIN + TITLE_HEIGHT + LEGEND_HEIGHT;

	c->left = MARGIN + longest(c->t->rows, c->t->row_count) + 10;
	c->width = WIDTH;
	c->top = head + phase_names_height(c->t);
	c->height = (double)c->t->row_count * ROW_HEIGHT;
	fprintf(c->out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n"
		"<style>text{font-family:sans-serif;fill:#222222}.title{font-size:17px;font-weight:bold}"
		".row,.axis{font-size:12px}.phase{font-size:%.0fpx;fill:#555555}"
		".rule{stroke:#FFFFFF;stroke-width:1}.mark{stroke:#000000;stroke-opacity:0.12}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#FFFFFF\"/>\n",
		c->left + c->width + MARGIN + 10, c->top + c->height + AXIS_HEIGHT + MARGIN / 2,
		c->left + c->width + MARGIN + 10, c->top + c->height + AXIS_HEIGHT + MARGIN / 2, PHASE_FONT);
	if (c->t->title)
		put_text(c->out, c->left, MARGIN + 16, "class=\"title\"", c->t->title);
	put_legend(c, MARGIN + TITLE_HEIGHT + 14);
	put_phases(c);
	put_rows(c);
	put_axis(c);
	for (uint32_t row = 0; row < c->t->row_count; row++)
		for (uint32_t kind = 0; kind < c->t->kind_count; kind++)
			put_bars(c, row, kind);
	fputs("</svg>\n", c->out);
}

enum cats_status cats_timeline_write_svg(const char *path, const struct cats_timeline *timeline,
					 struct cats_error *error)
{
	struct canvas canvas = {.t = timeline};
	char *text = NULL;
	size_t size = 0;
	enum cats_status status = check(timeline, path, error);
	bool bad;

	if (status)
		return status;
	canvas.out = open_memstream(&text, &size);
	if (!canvas.out)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for the timeline", path);
	draw(&canvas);
	bad = ferror(canvas.out) != 0;
	if (fclose(canvas.out) || bad)
		status = cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for the timeline", path);
	else
		status = cats_file_write(path, text, size, error);
	free(text);
	return status;
}
