/* SPDX-License-Identifier: MIT */
/* Tables of numbers as CSV. Knows nothing of series and splits. See csv.h. */
#include "io/csv.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/timeline.h"

#define UNREAD UINT32_MAX /* in `places`: nobody asked for this column of the file */

/* Cuts the text into fields, in place: what was read is overwritten by its unquoted form and a final zero. */
struct scanner {
	char *next, *end;
	size_t line; /* of `next`, from 1 */
	const char *name;
	struct cats_timeline timeline; /* of the first column, where that is left out */
	struct cats_error *error;
};

/* How a field ended. */
enum ending { END_COMMA, END_LINE, END_TEXT };

struct field {
	char *text;
	enum ending ending;
};

static enum cats_status fail_line(const struct scanner *s, const char *rule)
{
	return cats_fail(s->error, CATS_ERR_FORMAT, "%s: line %zu: %s", s->name, s->line, rule);
}

/* At `next` a field is over: consumes comma or line end. */
static enum cats_status read_ending(struct scanner *s, enum ending *ending)
{
	if (s->next == s->end) {
		*ending = END_TEXT;
		return CATS_OK;
	}
	const char c = *s->next++;
	if (c == ',') {
		*ending = END_COMMA;
		return CATS_OK;
	}
	if (c == '\r' && (s->next == s->end || *s->next++ != '\n'))
		return fail_line(s, "a carriage return must be followed by a line feed; convert the line ends");
	*ending = s->next == s->end ? END_TEXT : END_LINE; /* the last line's end is no further line's begin */
	s->line++;
	return CATS_OK;
}

static enum cats_status read_quoted(struct scanner *s, struct field *field)
{
	char *put = ++s->next;

	field->text = put;
	for (;;) {
		char *quote = memchr(s->next, '"', (size_t)(s->end - s->next));
		if (!quote)
			return fail_line(s, "a quoted field has no closing quote; add it");
		const size_t length = (size_t)(quote - s->next);
		memmove(put, s->next, length);
		for (size_t i = 0; i < length; i++)
			s->line += put[i] == '\n';
		put += length;
		s->next = quote + 1;
		if (s->next == s->end || *s->next != '"')
			break;
		*put++ = '"';
		s->next++;
	}
	if (s->next < s->end && !strchr(",\r\n", *s->next))
		return fail_line(s, "text follows a closing quote; double the quotes inside a field");
	const enum cats_status status = read_ending(s, &field->ending);
	*put = '\0'; /* put <= quote: nothing unread */
	return status;
}

static enum cats_status read_field(struct scanner *s, struct field *field)
{
	if (s->next < s->end && *s->next == '"')
		return read_quoted(s, field);

	field->text = s->next;
	while (s->next < s->end && *s->next != ',' && *s->next != '\r' && *s->next != '\n') {
		if (*s->next == '"')
			return fail_line(s, "a quote inside an unquoted field; quote the whole field");
		s->next++;
	}
	char *after = s->next;
	const enum cats_status status = read_ending(s, &field->ending);
	*after = '\0';
	return status;
}

/* The names of all columns of the file; names and *names are freed by the caller, the texts belong to the scanner. */
static enum cats_status read_header(struct scanner *s, char **names, uint32_t *count)
{
	struct field field = {.ending = END_COMMA};

	*count = 0;
	while (field.ending == END_COMMA) {
		if (*count == CATS_CSV_MAX_COLUMNS)
			return cats_fail(s->error, CATS_ERR_FORMAT,
					 "%s: header: has more than %d columns; cut the file", s->name,
					 CATS_CSV_MAX_COLUMNS);
		const enum cats_status status = read_field(s, &field);
		if (status != CATS_OK)
			return status;
		if (strlen(field.text) > CATS_CSV_MAX_NAME_BYTES || field.text[0] == '\0')
			return cats_fail(s->error, CATS_ERR_FORMAT,
					 "%s: header: the name of column %u must have 1 to %d bytes; the first line "
					 "names the columns",
					 s->name, *count + 1, CATS_CSV_MAX_NAME_BYTES);
		names[(*count)++] = field.text;
	}
	if (field.ending == END_TEXT)
		return cats_fail(s->error, CATS_ERR_FORMAT, "%s: has a header and no rows; add some", s->name);
	return CATS_OK;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum cats_status check_unique(char *const *names, uint32_t count, const struct scanner *s)
{
	char **sorted = malloc(count * sizeof *sorted);
	enum cats_status status = CATS_OK;

	if (!sorted)
		return cats_fail(s->error, CATS_ERR_MEMORY, "%s: no memory for its header", s->name);
	memcpy(sorted, names, count * sizeof *sorted);
	qsort(sorted, count, sizeof *sorted, compare_names);
	for (uint32_t i = 1; i < count && status == CATS_OK; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			status = cats_fail(s->error, CATS_ERR_FORMAT,
					   "%s: header: column '%s' is there twice; rename one", s->name, sorted[i]);
	free(sorted);
	return status;
}

/* A decimal number with nothing but blanks around it. Not strtod's hexadecimal, infinity and NaN. */
static bool parse_number(float *out, const char *text)
{
	char *end;

	text += strspn(text, " \t");
	const size_t length = strspn(text, "+-.0123456789eE");
	const double value = strtod(text, &end);
	if (length == 0 || end != text + length || end[strspn(end, " \t")] != '\0')
		return false;
	*out = (float)value;
	return isfinite(*out);
}

/* Which columns of the file go where: places[file column] is a column of `out`, or UNREAD. */
static enum cats_status choose(struct cats_csv *out, uint32_t *places, char *const *names, uint32_t count,
			       const char *const *wanted, size_t wanted_count, const struct scanner *s)
{
	for (uint32_t i = 0; i < count; i++)
		places[i] = wanted_count ? UNREAD : i;
	for (size_t w = 0; w < wanted_count; w++) {
		uint32_t i = 0;
		while (i < count && strcmp(names[i], wanted[w]) != 0)
			i++;
		if (i == count)
			return cats_fail(s->error, CATS_ERR_FORMAT,
					 "%s: header: there is no column '%s'; name one of the %u that are there, the "
					 "first is '%.60s'",
					 s->name, wanted[w], count, names[0]);
		if (places[i] != UNREAD)
			return cats_fail(s->error, CATS_ERR_USAGE, "%s: column '%s' is asked for twice; name it once",
					 s->name, wanted[w]);
		places[i] = (uint32_t)w;
	}
	out->columns = wanted_count ? (uint32_t)wanted_count : count;
	return CATS_OK;
}

static enum cats_status copy_names(struct cats_csv *out, const uint32_t *places, char *const *names, uint32_t count,
				   const struct scanner *s)
{
	out->names = calloc(out->columns, sizeof *out->names);
	for (uint32_t i = 0; out->names && i < count; i++) {
		if (places[i] == UNREAD)
			continue;
		const size_t bytes = strlen(names[i]) + 1;
		char *copy = malloc(bytes);
		if (!copy)
			return cats_fail(s->error, CATS_ERR_MEMORY, "%s: no memory for its header", s->name);
		out->names[places[i]] = memcpy(copy, names[i], bytes);
	}
	return out->names ? CATS_OK : cats_fail(s->error, CATS_ERR_MEMORY, "%s: no memory for its header", s->name);
}

static enum cats_status fail_value(const struct scanner *s, size_t line, const char *column, const char *text)
{
	if (text[strspn(text, " \t")] == '\0')
		return cats_fail(s->error, CATS_ERR_FORMAT,
				 "%s: line %zu: column '%s': the value is missing; fill it in, or cut the file there",
				 s->name, line, column);
	return cats_fail(s->error, CATS_ERR_FORMAT,
			 "%s: line %zu: column '%s': '%.40s' is not a number within float32; correct it, or choose "
			 "other columns",
			 s->name, line, column, text);
}

/* The first column of a row, left out: a time stamp perhaps. */
static enum cats_status check_time(struct scanner *s, size_t line, const char *column, const char *text)
{
	static const char *const rules[] = {
		[CATS_TIME_NO_STAMP] = "is no time stamp as those before it are; correct it",
		[CATS_TIME_TWICE] = "is there twice; remove one of the rows",
		[CATS_TIME_BACKWARDS] = "is before the row above; sort the rows by time",
		[CATS_TIME_GAP] = "is not one step after the row above, as the first two rows are; fill in the rows "
				  "that are missing, or cut the file there",
	};
	const enum cats_timeline_rule rule = cats_timeline_next(&s->timeline, text);

	if (rule == CATS_TIME_FINE)
		return CATS_OK;
	return cats_fail(s->error, CATS_ERR_FORMAT, "%s: line %zu: column '%s': '%.40s' %s", s->name, line, column,
			 text, rules[rule]);
}

/* One row of `count` fields into out->values[row]. *ending: whether more follow. */
static enum cats_status read_row(struct cats_csv *out, struct scanner *s, const uint32_t *places, char *const *names,
				 uint32_t count, enum ending *ending)
{
	const size_t line = s->line;
	float *row = out->values + out->rows * out->columns;
	struct field field = {.ending = END_COMMA};

	for (uint32_t i = 0; i < count; i++) {
		if (field.ending != END_COMMA)
			return cats_fail(s->error, CATS_ERR_FORMAT,
					 "%s: line %zu: has %u fields, the header has %u; complete the row", s->name,
					 line, i, count);
		const enum cats_status status = read_field(s, &field);
		if (status != CATS_OK)
			return status;
		const bool short_row = field.ending != END_COMMA && i + 1 < count;
		if (places[i] != UNREAD && !short_row && !parse_number(&row[places[i]], field.text))
			return fail_value(s, line, names[i], field.text);
		if (i == 0 && places[i] == UNREAD && !short_row) {
			const enum cats_status even = check_time(s, line, names[i], field.text);
			if (even != CATS_OK)
				return even;
		}
	}
	if (field.ending == END_COMMA)
		return cats_fail(s->error, CATS_ERR_FORMAT,
				 "%s: line %zu: has more fields than the header's %u; quote fields with commas",
				 s->name, line, count);
	*ending = field.ending;
	out->rows++;
	return CATS_OK;
}

static enum cats_status read_rows(struct cats_csv *out, struct scanner *s, const uint32_t *places, char *const *names,
				  uint32_t count)
{
	enum ending ending = END_LINE;
	size_t capacity = 0; /* rows */

	while (ending == END_LINE) {
		if (out->rows == capacity) {
			capacity = capacity ? capacity * 2 : 64;
			float *larger = realloc(out->values, capacity * out->columns * sizeof *larger);
			if (!larger)
				return cats_fail(s->error, CATS_ERR_MEMORY, "%s: no memory for %zu rows", s->name,
						 capacity);
			out->values = larger;
		}
		const enum cats_status status = read_row(out, s, places, names, count, &ending);
		if (status != CATS_OK)
			return status;
	}
	return CATS_OK;
}

/* Whether the first field of the row at hand is something else than a number. Leaves the text as it is. */
static bool begins_with_text(const struct scanner *s)
{
	const bool quoted = *s->next == '"';
	const char *text = s->next + quoted;
	const size_t left = (size_t)(s->end - text);
	char start[64];
	size_t length = 0;
	float number;

	while (length < left && length + 1 < sizeof start && !strchr(quoted ? "\"" : ",\r\n", text[length]))
		length++;
	memcpy(start, text, length);
	start[length] = '\0';
	return start[strspn(start, " \t")] != '\0' && !parse_number(&number, start);
}

static enum cats_status read_table(struct cats_csv *out, struct scanner *s, char **names, uint32_t *places,
				   const char *const *wanted, size_t wanted_count)
{
	uint32_t count;
	enum cats_status status = read_header(s, names, &count);

	if (status == CATS_OK)
		status = check_unique(names, count, s);
	if (status == CATS_OK)
		status = choose(out, places, names, count, wanted, wanted_count, s);
	if (status != CATS_OK)
		return status;
	if (wanted_count == 0 && count > 1 && begins_with_text(s)) {
		places[0] = UNREAD;
		for (uint32_t i = 1; i < count; i++)
			places[i] = i - 1;
		out->columns = count - 1;
	}
	status = copy_names(out, places, names, count, s);
	return status == CATS_OK ? read_rows(out, s, places, names, count) : status;
}

enum cats_status cats_csv_parse(struct cats_csv *out, const char *const *wanted, size_t wanted_count, char *text,
				size_t size, const char *name, struct cats_error *error)
{
	struct scanner s = {.next = text, .end = text + size, .line = 1, .name = name, .error = error};

	*out = (struct cats_csv){0};
	if (size > CATS_CSV_MAX_BYTES)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: is %zu bytes long, at most %zu are accepted", name, size,
				 CATS_CSV_MAX_BYTES);
	const char *nul = size ? memchr(text, '\0', size) : NULL;
	if (nul)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: byte %zu: is NUL, so this is no text; convert it to UTF-8", name,
				 (size_t)(nul - text));
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* a byte order mark, as spreadsheets write it */
		s.next += 3;

	char **names = malloc(CATS_CSV_MAX_COLUMNS * sizeof *names);
	uint32_t *places = malloc(CATS_CSV_MAX_COLUMNS * sizeof *places);
	enum cats_status status = CATS_ERR_MEMORY;
	if (names && places)
		status = read_table(out, &s, names, places, wanted, wanted_count);
	else
		status = cats_fail(error, status, "%s: no memory for its header", name);
	free(places);
	free(names);
	if (status != CATS_OK)
		cats_csv_free(out);
	return status;
}

enum cats_status cats_csv_read(struct cats_csv *out, const char *const *wanted, size_t wanted_count, const char *path,
			       struct cats_error *error)
{
	uint8_t *bytes;
	size_t size;

	*out = (struct cats_csv){0};
	enum cats_status status = cats_file_read(&bytes, &size, path, CATS_CSV_MAX_BYTES, error);
	if (status != CATS_OK)
		return status;
	status = cats_csv_parse(out, wanted, wanted_count, (char *)bytes, size, path, error);
	free(bytes);
	return status;
}

void cats_csv_free(struct cats_csv *csv)
{
	for (uint32_t i = 0; csv->names && i < csv->columns; i++)
		free(csv->names[i]);
	free(csv->names);
	free(csv->values);
	*csv = (struct cats_csv){0};
}
