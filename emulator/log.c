/* SPDX-License-Identifier: MIT */
/* Lines of all nodes. See log.h. */
#include "emulator/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"

#define BYTE_TIME (10 * CATS_TIME_US) /* at 1 Mbaud: start, 8, stop */

struct teller {
	const struct cats_clock *clock;
	char *text;
	size_t length, room;
	cats_time began; /* the line at hand: its first byte's start */
	cats_time boot;  /* what its clock showed at its stamps' 0, at most; CATS_TIME_MAX: not known */
};

struct kept {
	cats_time time;
	size_t number;
	char *text;
};

struct cats_log {
	uint32_t nodes;
	struct teller tellers[CATS_DEVICES_MAX];
	void (*line)(void *context, const struct cats_log_line *line);
	void *context;
	bool keeps;
	struct kept *kept;
	size_t kept_count, kept_room;
};

enum cats_status cats_log_create(struct cats_log **out, const struct cats_clock *const *clocks, uint32_t nodes,
				 bool keeps, void (*line)(void *context, const struct cats_log_line *line),
				 void *context, struct cats_error *error)
{
	struct cats_log *log = calloc(1, sizeof *log);

	*out = log;
	if (log == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "log: out of memory");
	log->nodes = nodes;
	log->keeps = keeps;
	log->line = line;
	log->context = context;
	for (uint32_t i = 0; i < nodes; i++)
		log->tellers[i] = (struct teller){.clock = clocks[i], .boot = CATS_TIME_MAX};
	return CATS_OK;
}

void cats_log_free(struct cats_log *log)
{
	if (log == NULL)
		return;
	for (uint32_t i = 0; i < log->nodes; i++)
		free(log->tellers[i].text);
	for (size_t i = 0; i < log->kept_count; i++)
		free(log->kept[i].text);
	free(log->kept);
	free(log);
}

bool cats_log_is_open(const struct cats_log *log, uint32_t node)
{
	return log->tellers[node].length > 0;
}

static enum cats_status keep(struct cats_log *log, cats_time time, const char *text, struct cats_error *error)
{
	char *copy = strdup(text);

	if (copy != NULL && log->kept_count == log->kept_room) {
		const size_t room = log->kept_room == 0 ? 256 : 2 * log->kept_room;
		struct kept *grown = realloc(log->kept, room * sizeof *grown);

		if (grown == NULL) {
			free(copy);
			copy = NULL;
		} else {
			log->kept = grown;
			log->kept_room = room;
		}
	}
	if (copy == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "log: out of memory");
	log->kept[log->kept_count] = (struct kept){time, log->kept_count, copy};
	log->kept_count++;
	return CATS_OK;
}

/* Behind `time_us node: `, with the stamp; NULL: the line has no such beginning. */
static const char *parse_head(uint64_t *stamp_us, const char *text)
{
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	*stamp_us = strtoull(text, &end, 10);
	if (*end != ' ' || *stamp_us > UINT64_C(1) << 40)
		return NULL;
	end++;
	end += *end == '?' ? 1U : strspn(end, "0123456789");
	return end[0] == ':' && end[1] == ' ' ? end + 2 : NULL;
}

/* A stamp is taken before its line's first byte begins. */
static cats_time time_of(struct teller *t, uint64_t stamp_us)
{
	const cats_time stamp = (cats_time)stamp_us * CATS_TIME_US;
	const cats_time boot = cats_clock_local(t->clock, t->began) - stamp;

	if (boot < t->boot)
		t->boot = boot;
	return cats_clock_global(t->clock, t->boot + stamp);
}

static enum cats_status end_line(struct cats_log *log, uint32_t node, bool whole, struct cats_error *error)
{
	struct teller *t = &log->tellers[node];
	struct cats_log_line line = {.node = node, .time = t->began, .whole = whole, .text = t->text};
	enum cats_status status = CATS_OK;
	uint64_t stamp_us;
	const char *text;

	t->text[t->length] = '\0';
	t->length = 0;
	text = parse_head(&stamp_us, t->text);
	if (text != NULL) {
		line.text = text;
		line.time = time_of(t, stamp_us);
	}
	if (log->keeps)
		status = keep(log, line.time, t->text, error);
	if (log->line != NULL)
		log->line(log->context, &line);
	return status;
}

static bool make_room(struct teller *t)
{
	const size_t room = t->room == 0 ? 256 : 2 * t->room;
	char *grown;

	if (t->length + 2 <= t->room)
		return true;
	grown = realloc(t->text, room);
	if (grown == NULL)
		return false;
	t->text = grown;
	t->room = room;
	return true;
}

enum cats_status cats_log_byte(struct cats_log *log, uint32_t node, cats_time time, uint8_t byte,
			       struct cats_error *error)
{
	struct teller *t = &log->tellers[node];

	if (!make_room(t))
		return cats_fail(error, CATS_ERR_MEMORY, "log: out of memory");
	if (t->length == 0)
		t->began = time - BYTE_TIME;
	if (byte == '\n')
		return end_line(log, node, true, error);
	if (t->length < CATS_LOG_LINE_BYTES)
		t->text[t->length++] = byte >= ' ' && byte < 0x7F ? (char)byte : '?';
	return CATS_OK;
}

enum cats_status cats_log_reset(struct cats_log *log, uint32_t node, struct cats_error *error)
{
	const enum cats_status status = cats_log_is_open(log, node) ? end_line(log, node, false, error) : CATS_OK;

	log->tellers[node].boot = CATS_TIME_MAX;
	return status;
}

static int by_time(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

enum cats_status cats_log_write(struct cats_log *log, const char *path, struct cats_error *error)
{
	char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);
	enum cats_status status;
	bool bad;

	if (out == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path);
	qsort(log->kept, log->kept_count, sizeof *log->kept, by_time);
	for (size_t i = 0; i < log->kept_count; i++)
		fprintf(out, "%12.3f  %s\n", cats_time_us(log->kept[i].time) / 1000, log->kept[i].text);
	bad = ferror(out) != 0;
	bad = fclose(out) != 0 || bad;
	status = bad ? cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path)
		     : cats_file_write(path, bytes, size, error);
	free(bytes);
	return status;
}
