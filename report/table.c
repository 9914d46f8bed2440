/* SPDX-License-Identifier: MIT */
/* Tables. See table.h. */
#define _POSIX_C_SOURCE 200809L
#include "report/table.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct column {
	size_t width; /* in characters */
	bool number;
};

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* [columns] */
static const char *const *row_of(const struct cats_table *table, size_t row)
{
	return &table->cells[row * table->columns];
}

/* Code points, which is what a terminal's columns are for the scripts that tables are written in. `escaped` counts
 * the characters that Markdown needs a backslash for. */
static size_t width_of(const char *text, bool escaped)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xC0U) != 0x80U ? 1U + (escaped && *text == '|') : 0U;
	return width;
}

static bool begins_as_number(const char *text)
{
	if (*text == '+' || *text == '-')
		text++;
	return *text >= '0' && *text <= '9';
}

static struct column measure(const struct cats_table *table, size_t column, bool escaped)
{
	struct column result = {.width = width_of(table->header[column], escaped), .number = table->rows > 0};

	for (size_t row = 0; row < table->rows; row++) {
		const char *text = or_empty(row_of(table, row)[column]);
		const size_t width = width_of(text, escaped);

		result.width = width > result.width ? width : result.width;
		result.number = result.number && (*text == '\0' || begins_as_number(text));
	}
	if (escaped && result.width < 3)
		result.width = 3; /* a rule of Markdown has three dashes at least */
	return result;
}

static void put(FILE *out, const char *text, struct column column, bool escaped, bool last)
{
	const size_t blanks = column.width - width_of(text, escaped);

	if (column.number)
		fprintf(out, "%*s", (int)blanks, "");
	for (; *text; text++) {
		if (escaped && *text == '|')
			fputc('\\', out);
		fputc((unsigned char)*text < 0x20U || *text == 0x7F ? '?' : *text, out);
	}
	if (!column.number && !last)
		fprintf(out, "%*s", (int)blanks, "");
}

static void put_row(FILE *out, const char *const *texts, const struct column *columns, size_t count, bool markdown)
{
	for (size_t c = 0; c < count; c++) {
		const bool last = c + 1 == count && !markdown;

		fputs(markdown ? "| " : c ? "  " : "", out);
		put(out, or_empty(texts[c]), columns[c], markdown, last);
		fputs(markdown ? " " : "", out);
	}
	fputs(markdown ? "|\n" : "\n", out);
}

static void put_rule(FILE *out, const struct cats_table *table, const struct column *columns, bool markdown)
{
	for (size_t c = 0; c < table->columns; c++) {
		fputs(markdown ? "| " : c ? "  " : "", out);
		for (size_t i = 0; i + 1 < columns[c].width; i++)
			fputc('-', out);
		fputs(markdown && columns[c].number ? ":" : columns[c].width ? "-" : "", out);
		fputs(markdown ? " " : "", out);
	}
	fputs(markdown ? "|\n" : "\n", out);
}

static char *format_text(const struct cats_table *table, bool markdown)
{
	char *text = NULL;
	size_t size = 0;
	struct column *columns = calloc(table->columns ? table->columns : 1, sizeof *columns);
	FILE *out = columns ? open_memstream(&text, &size) : NULL;

	if (!out) {
		free(columns);
		return NULL;
	}
	for (size_t c = 0; c < table->columns; c++)
		columns[c] = measure(table, c, markdown);
	put_row(out, table->header, columns, table->columns, markdown);
	put_rule(out, table, columns, markdown);
	for (size_t row = 0; row < table->rows; row++)
		put_row(out, row_of(table, row), columns, table->columns, markdown);
	free(columns);
	const bool bad = ferror(out) != 0;
	if (fclose(out) || bad) {
		free(text);
		return NULL;
	}
	return text;
}

/* JSON's own grammar of a number, which strtod's is wider than. */
static bool is_number(const char *text)
{
	if (*text == '-')
		text++;
	const size_t whole = strspn(text, "0123456789");
	if (whole == 0 || (whole > 1 && *text == '0'))
		return false;
	text += whole;
	if (*text == '.') {
		const size_t fraction = strspn(text + 1, "0123456789");
		if (fraction == 0)
			return false;
		text += 1 + fraction;
	}
	return *text == '\0';
}

static bool add_row(cJSON *rows, const struct cats_table *table, size_t row)
{
	cJSON *object = cJSON_CreateObject();
	bool good = object && cJSON_AddItemToArray(rows, object);

	for (size_t c = 0; good && c < table->columns; c++) {
		const char *text = or_empty(row_of(table, row)[c]);

		/* The digits as they are: a double would print 0.1 + 0.2 where the table says 0.3. */
		good = (is_number(text) ? cJSON_AddRawToObject(object, table->header[c], text)
					: cJSON_AddStringToObject(object, table->header[c], text)) != NULL;
	}
	return good;
}

static char *format_json(const struct cats_table *table)
{
	cJSON *rows = cJSON_CreateArray();
	bool good = rows != NULL;

	for (size_t row = 0; good && row < table->rows; row++)
		good = add_row(rows, table, row);
	char *text = good ? cJSON_Print(rows) : NULL;
	cJSON_Delete(rows);
	if (!text)
		return NULL;
	const size_t size = strlen(text);
	char *line = realloc(text, size + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + size, "\n", 2);
	return line;
}

char *cats_table_format(const struct cats_table *table, enum cats_table_form form)
{
	return form == CATS_TABLE_JSON ? format_json(table) : format_text(table, form == CATS_TABLE_MARKDOWN);
}
