/* SPDX-License-Identifier: MIT */
/* Scripts of faults. See faults.h. */
#include "sim/faults.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "sim/lines.h"

#define FORM "must be INFERENCE MS kill NODE, … reboot NODE, or … freeze NODE MS"

struct parser {
	struct cats_lines lines;
	struct cats_faults *out;
	uint32_t nodes, capacity;
};

/* Room for one more. */
static enum cats_status grow(struct parser *p)
{
	const uint32_t capacity = p->capacity ? 2 * p->capacity : 16;
	struct cats_fault *list;

	if (p->out->count < p->capacity)
		return CATS_OK;
	list = realloc(p->out->list, capacity * sizeof *list);
	if (list == NULL)
		return cats_fail(p->lines.error, CATS_ERR_MEMORY, "%s: out of memory", p->lines.name);
	p->out->list = list;
	p->capacity = capacity;
	return CATS_OK;
}

static enum cats_status read_time(cats_time *out, const struct parser *p, const char *word)
{
	double ms = 0;
	const enum cats_status status = cats_lines_number(&ms, &p->lines, word, 0, 1e6);

	if (status == CATS_OK)
		*out = (cats_time)(ms * 1000 * (double)CATS_TIME_US);
	return status;
}

static enum cats_status read_kind(struct cats_fault *fault, const struct parser *p, char *const *words, uint32_t count)
{
	if (count == 4 && strcmp(words[2], "kill") == 0)
		fault->kind = CATS_FAULT_KILL;
	else if (count == 4 && strcmp(words[2], "reboot") == 0)
		fault->kind = CATS_FAULT_REBOOT;
	else if (count == 5 && strcmp(words[2], "freeze") == 0)
		fault->kind = CATS_FAULT_FREEZE;
	else
		return cats_lines_refuse(&p->lines, FORM);
	return CATS_OK;
}

static enum cats_status take(void *context, char *const *words, uint32_t count)
{
	struct parser *p = context;
	struct cats_fault fault = {0};
	enum cats_status status = count < 4 ? cats_lines_refuse(&p->lines, FORM) : read_kind(&fault, p, words, count);

	if (status == CATS_OK)
		status = cats_lines_count(&fault.inference, &p->lines, words[0], UINT32_MAX, "an inference");
	if (status == CATS_OK)
		status = read_time(&fault.after, p, words[1]);
	if (status == CATS_OK)
		status = cats_lines_count(&fault.node, &p->lines, words[3], p->nodes, "a node");
	if (status == CATS_OK && fault.kind == CATS_FAULT_FREEZE)
		status = read_time(&fault.lasting, p, words[4]);
	if (status == CATS_OK)
		status = grow(p);
	if (status == CATS_OK)
		p->out->list[p->out->count++] = fault;
	return status;
}

enum cats_status cats_faults_parse(struct cats_faults *out, char *text, size_t size, const char *name, uint32_t nodes,
				   struct cats_error *error)
{
	struct parser p = {.lines = {.name = name, .error = error}, .out = out, .nodes = nodes};
	enum cats_status status;

	*out = (struct cats_faults){0};
	status = cats_lines_read(&p.lines, text, size, take, &p);
	if (status < 0) {
		free(out->list);
		*out = (struct cats_faults){0};
	}
	return status;
}

enum cats_status cats_faults_open(struct cats_faults *out, const char *path, uint32_t nodes, struct cats_error *error)
{
	uint8_t *text;
	size_t size;
	enum cats_status status = cats_file_read(&text, &size, path, CATS_LINES_MAX_BYTES, error);

	*out = (struct cats_faults){0};
	if (status < 0)
		return status;
	status = cats_faults_parse(out, (char *)text, size, path, nodes, error);
	free(text);
	return status;
}
