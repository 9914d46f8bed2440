/* SPDX-License-Identifier: MIT */
/* Recordings are kept in memory until they are written. See recording.h. */
#include "deploy/recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "plan/integer.h"
#include "report/timeline.h"
#include "sim/pcapng.h"

/* In the order in which they are drawn. */
enum kind { ASLEEP, COMPUTING, LISTENING, RECEIVING, SENDING, LOST, KINDS };

static const struct cats_timeline_kind kinds[KINDS] = {
	[ASLEEP] = {"processor asleep", "#C3CCD4", true}, [COMPUTING] = {"computing", "#009E73", true},
	[LISTENING] = {"listening", "#A9D3F0", false},    [RECEIVING] = {"receiving", "#0072B2", false},
	[SENDING] = {"sending", "#E69F00", false},        [LOST] = {"frame not received", "#D55E00", false},
};

/* A text that grows. */
struct text {
	FILE *out;
	char *bytes;
	size_t size;
};

struct cats_recording {
	struct cats_recording_options options;
	struct text csv, pcapng;
	/* Of the first inference. */
	struct cats_timeline_bar *bars;
	size_t bar_count, bar_capacity;
	bool over, out_of_memory;
	uint32_t sites;
	struct cats_timeline_phase *phases; /* [sites] */
	char (*site_names)[CATS_SITE_NAME_BYTES];
};

static bool open_text(struct text *text, bool wanted)
{
	if (wanted)
		text->out = open_memstream(&text->bytes, &text->size);
	return !wanted || text->out != NULL;
}

static void free_text(struct text *text)
{
	if (text->out != NULL)
		fclose(text->out);
	free(text->bytes);
}

static enum cats_status may_write(const struct cats_recording_options *options, struct cats_error *error)
{
	const char *const paths[] = {options->csv, options->pcapng, options->timeline};
	enum cats_status status = CATS_OK;

	for (size_t i = 0; status == CATS_OK && i < sizeof paths / sizeof *paths; i++)
		if (paths[i] != NULL)
			status = cats_file_may_write(paths[i], error);
	return status;
}

enum cats_status cats_recording_create(struct cats_recording **out, const struct cats_recording_options *options,
				       struct cats_error *error)
{
	const enum cats_status status = may_write(options, error);
	struct cats_recording *r = NULL;

	if (status == CATS_OK)
		r = calloc(1, sizeof *r);
	*out = r;
	if (status < 0)
		return status;
	if (r == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "recording: out of memory");
	r->options = *options;
	r->sites = cats_integer_sites(options->config);
	r->phases = calloc(r->sites, sizeof *r->phases);
	r->site_names = calloc(r->sites, sizeof *r->site_names);
	if (!r->phases || !r->site_names || !open_text(&r->csv, options->csv != NULL) ||
	    !open_text(&r->pcapng, options->pcapng != NULL)) {
		cats_recording_free(r);
		*out = NULL;
		return cats_fail(error, CATS_ERR_MEMORY, "recording: out of memory");
	}
	for (uint32_t site = 0; site < r->sites; site++)
		cats_integer_site_name(r->site_names[site], options->config, site);
	if (r->csv.out != NULL)
		fputs("time_us,event,node,frame,sender,payload_bytes,air_us,result,dbm\n", r->csv.out);
	if (r->pcapng.out != NULL)
		cats_pcapng_begin(r->pcapng.out, options->nodes);
	return CATS_OK;
}

void cats_recording_free(struct cats_recording *r)
{
	if (r == NULL)
		return;
	free_text(&r->csv);
	free_text(&r->pcapng);
	free(r->bars);
	free(r->phases);
	free(r->site_names);
	free(r);
}

static void add_bar(struct cats_recording *r, uint32_t node, enum kind kind, cats_time from, cats_time to)
{
	if (r->over || r->options.timeline == NULL)
		return;
	if (r->bar_count == r->bar_capacity) {
		const size_t capacity = r->bar_capacity ? 2 * r->bar_capacity : 1024;
		struct cats_timeline_bar *bars = realloc(r->bars, capacity * sizeof *bars);

		if (bars == NULL) {
			r->out_of_memory = true;
			return;
		}
		r->bars = bars;
		r->bar_capacity = capacity;
	}
	r->bars[r->bar_count++] = (struct cats_timeline_bar){node, kind, cats_time_us(from), cats_time_us(to)};
}

static void on_span(void *context, uint32_t node, enum cats_draw draw, cats_time from, cats_time to)
{
	add_bar(context, node,
		draw == CATS_DRAW_CPU    ? COMPUTING
		: draw == CATS_DRAW_SEND ? SENDING
					 : LISTENING,
		from, to);
}

static void put_row(struct cats_recording *r, const struct cats_transmission *frame, const char *event, uint32_t node,
		    const char *result)
{
	fprintf(r->csv.out, "%.6f,%s,%u,%llu,%u,%u,%lld,%s,", cats_time_us(frame->start), event, node,
		(unsigned long long)frame->number, frame->sender, frame->bytes - CATS_RADIO_HEADER_BYTES,
		(long long)((frame->end - frame->start) / CATS_TIME_US), result);
}

static void on_sent(void *context, const struct cats_transmission *frame)
{
	struct cats_recording *r = context;

	if (r->csv.out != NULL) {
		put_row(r, frame, "sent", frame->sender, "");
		fprintf(r->csv.out, "%.1f\n", CATS_TRANSMIT_DBM);
	}
	if (r->pcapng.out != NULL)
		cats_pcapng_packet(r->pcapng.out, frame, frame->sender, CATS_RECEIVED, CATS_TRANSMIT_DBM);
}

static void on_heard(void *context, const struct cats_transmission *frame, uint32_t receiver,
		     enum cats_reception result, double dbm)
{
	static const char *const names[] = {
		[CATS_RECEIVED] = "ok", [CATS_RECEIVED_BROKEN] = "crc", [CATS_NOT_RECEIVED] = "missed"};
	struct cats_recording *r = context;

	if (r->csv.out != NULL) {
		put_row(r, frame, "heard", receiver, names[result]);
		fprintf(r->csv.out, "%.1f\n", dbm);
	}
	if (r->pcapng.out != NULL && result != CATS_NOT_RECEIVED)
		cats_pcapng_packet(r->pcapng.out, frame, receiver, result, dbm);
	add_bar(r, receiver, result == CATS_RECEIVED ? RECEIVING : LOST, frame->start, frame->end);
}

static void on_gather(void *context, uint32_t node, uint32_t site, cats_time from, cats_time to)
{
	struct cats_recording *r = context;
	struct cats_timeline_phase *phase = &r->phases[site];

	(void)node;
	if (r->over)
		return;
	if (phase->name == NULL)
		*phase = (struct cats_timeline_phase){r->site_names[site], cats_time_us(from), cats_time_us(to)};
	if (cats_time_us(from) < phase->from)
		phase->from = cats_time_us(from);
	if (cats_time_us(to) > phase->to)
		phase->to = cats_time_us(to);
}

static void on_inference(void *context, cats_time from, cats_time to)
{
	struct cats_recording *r = context;

	for (uint32_t node = 0; node < r->options.nodes; node++)
		add_bar(r, node, ASLEEP, from, to);
	r->over = true;
}

struct cats_observer cats_recording_observer(struct cats_recording *recording)
{
	return (struct cats_observer){
		.context = recording,
		.span = on_span,
		.sent = on_sent,
		.heard = on_heard,
		.gather = on_gather,
		.inference = on_inference,
	};
}

static enum cats_status write_text(struct text *text, const char *path, struct cats_error *error)
{
	bool bad;

	if (text->out == NULL)
		return CATS_OK;
	bad = ferror(text->out) != 0;
	bad = fclose(text->out) != 0 || bad;
	text->out = NULL;
	if (bad)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path);
	return cats_file_write(path, text->bytes, text->size, error);
}

static int by_start(const void *a, const void *b)
{
	const struct cats_timeline_bar *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Times in milliseconds from the inference's beginning. */
static void shift_times(struct cats_recording *r, double from)
{
	for (size_t i = 0; i < r->bar_count; i++) {
		r->bars[i].from = (r->bars[i].from - from) / 1000;
		r->bars[i].to = (r->bars[i].to - from) / 1000;
	}
	for (uint32_t site = 0; site < r->sites; site++) {
		r->phases[site].from = (r->phases[site].from - from) / 1000;
		r->phases[site].to = (r->phases[site].to - from) / 1000;
	}
}

static size_t used_phases(struct cats_recording *r)
{
	size_t used = 0;

	for (uint32_t site = 0; site < r->sites; site++)
		if (r->phases[site].name != NULL)
			r->phases[used++] = r->phases[site];
	return used;
}

static enum cats_status write_timeline(struct cats_recording *r, struct cats_error *error)
{
	char names[CATS_DEVICES_MAX][16];
	const char *rows[CATS_DEVICES_MAX];
	struct cats_timeline timeline = {
		.title = r->options.title,
		.axis_label = "ms since the input is there",
		.rows = rows,
		.row_count = r->options.nodes,
		.kinds = kinds,
		.kind_count = KINDS,
	};

	if (!r->over || r->bar_count < r->options.nodes)
		return cats_fail(error, CATS_ERR_USAGE, "%s: no inference came to its end", r->options.timeline);
	for (uint32_t i = 0; i < r->options.nodes; i++) {
		snprintf(names[i], sizeof names[i], "node %u", i);
		rows[i] = names[i];
	}
	/* The last bars are those of sleep, from the inference's beginning to its end. */
	timeline.to = (r->bars[r->bar_count - 1].to - r->bars[r->bar_count - 1].from) / 1000;
	timeline.phase_count = used_phases(r);
	shift_times(r, r->bars[r->bar_count - 1].from);
	qsort(r->bars, r->bar_count, sizeof *r->bars, by_start);
	timeline.bars = r->bars;
	timeline.bar_count = r->bar_count;
	timeline.phases = r->phases;
	return cats_timeline_write_svg(r->options.timeline, &timeline, error);
}

enum cats_status cats_recording_write(struct cats_recording *r, struct cats_error *error)
{
	enum cats_status status = write_text(&r->csv, r->options.csv, error);

	if (status == CATS_OK)
		status = write_text(&r->pcapng, r->options.pcapng, error);
	if (status == CATS_OK && r->out_of_memory)
		return cats_fail(error, CATS_ERR_MEMORY, "recording: out of memory");
	return status == CATS_OK && r->options.timeline != NULL ? write_timeline(r, error) : status;
}
