/* SPDX-License-Identifier: MIT */
/* Lines and words. See lines.h. */
#include "sim/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum cats_status cats_lines_refuse(const struct cats_lines *lines, const char *rule)
{
	return cats_fail(lines->error, CATS_ERR_FORMAT, "%s: line %u: %s", lines->name, lines->line, rule);
}

enum cats_status cats_lines_count(uint32_t *out, const struct cats_lines *lines, const char *word, uint32_t bound,
				  const char *what)
{
	char *end;

	errno = 0;
	const unsigned long value = strtoul(word, &end, 10);

	if (*word < '0' || *word > '9' || *end != '\0' || errno != 0 || value >= bound)
		return cats_fail(lines->error, CATS_ERR_FORMAT, "%s: line %u: \"%s\" is not %s from 0 to %u",
				 lines->name, lines->line, word, what, bound - 1U);
	*out = (uint32_t)value;
	return CATS_OK;
}

enum cats_status cats_lines_number(double *out, const struct cats_lines *lines, const char *word, double least,
				   double most)
{
	char *end;

	/* strtod also takes nan, inf and hexadecimal. */
	*out = strtod(word, &end);
	if (word[strspn(word, "+-.0123456789eE")] != '\0' || end == word || *end != '\0' ||
	    !(*out >= least && *out <= most))
		return cats_fail(lines->error, CATS_ERR_FORMAT, "%s: line %u: \"%s\" is not a number from %g to %g",
				 lines->name, lines->line, word, least, most);
	return CATS_OK;
}

/* Cuts a line, ended by a NUL, into words. */
static uint32_t cut(char *words[CATS_LINES_MAX_WORDS], char *line)
{
	uint32_t count = 0;

	line[strcspn(line, "#\r")] = '\0';
	for (char *at = line + strspn(line, " \t"); *at != '\0' && count < CATS_LINES_MAX_WORDS;
	     at += strspn(at, " \t")) {
		words[count++] = at;
		at += strcspn(at, " \t");
		if (*at != '\0')
			*at++ = '\0';
	}
	return count;
}

enum cats_status cats_lines_read(struct cats_lines *lines, char *text, size_t size,
				 enum cats_status (*take)(void *context, char *const *words, uint32_t count),
				 void *context)
{
	enum cats_status status = CATS_OK;

	if (memchr(text, '\0', size) != NULL)
		return cats_fail(lines->error, CATS_ERR_FORMAT, "%s: has a NUL byte: it must be text", lines->name);
	text[size] = '\0';
	lines->line = 0;
	for (char *line = text; status == CATS_OK && line != NULL;) {
		char *words[CATS_LINES_MAX_WORDS] = {0};
		char *end = strchr(line, '\n');
		uint32_t count;

		if (end != NULL)
			*end++ = '\0';
		lines->line++;
		count = cut(words, line);
		if (count > 0)
			status = take(context, words, count);
		line = end;
	}
	return status;
}
