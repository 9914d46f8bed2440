/* SPDX-License-Identifier: MIT */
/* Strict JSON on top of cJSON. Knows nothing of what the JSON means. See json.h. */
#include "io/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at `s` (Unicode 15, table 3-7), or 0. */
static size_t utf8_length(const uint8_t *s, size_t left)
{
	const uint8_t a = s[0];
	const size_t length = a < 0x80                ? 1
			      : a >= 0xc2 && a < 0xe0 ? 2
			      : (a & 0xf0) == 0xe0    ? 3
			      : a >= 0xf0 && a < 0xf5 ? 4
						      : 0;

	if (length == 0 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, beyond U+10FFFF. */
	if ((a == 0xe0 && s[1] < 0xa0) || (a == 0xed && s[1] > 0x9f) || (a == 0xf0 && s[1] < 0x90) ||
	    (a == 0xf4 && s[1] > 0x8f))
		return 0;
	return length;
}

/* cJSON ends strings at NUL, and takes any byte inside them: checked before it sees the text. */
static enum cats_status check_bytes(const char *text, size_t size, const char *name, struct cats_error *error)
{
	bool in_string = false;

	for (size_t i = 0; i < size;) {
		const uint8_t c = (uint8_t)text[i];
		const size_t length = utf8_length((const uint8_t *)text + i, size - i);
		if (length == 0)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: JSON byte %zu: not UTF-8; write the file again",
					 name, i);
		const bool space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
		if (c < 0x20 && (in_string || !space))
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: JSON byte %zu: control character 0x%02x; remove or escape it", name, i,
					 c);
		if (c == '"')
			in_string = !in_string;
		if (in_string && c == '\\') {
			if (size - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
				return cats_fail(error, CATS_ERR_FORMAT,
						 "%s: JSON byte %zu: the escape \\u0000 is not accepted; remove it",
						 name, i);
			i += size - i >= 2 && (text[i + 1] == '"' || text[i + 1] == '\\') ? 2 : 1;
			continue;
		}
		i += length;
	}
	return CATS_OK;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* The first key that an object has twice, or NULL. Sorting keeps it fast for any number of keys. *failed: no memory. */
static const char *repeated_key(const cJSON *object, bool *failed)
{
	const size_t count = (size_t)cJSON_GetArraySize(object);
	const char *repeated = NULL;

	if (count < 2)
		return NULL;
	const cJSON **items = malloc(count * sizeof *items);
	if (!items) {
		*failed = true;
		return NULL;
	}
	size_t n = 0;
	for (const cJSON *item = object->child; item && n < count; item = item->next)
		items[n++] = item;
	qsort(items, n, sizeof *items, compare_keys);
	for (size_t i = 1; i < n && !repeated; i++)
		if (strcmp(items[i - 1]->string, items[i]->string) == 0)
			repeated = items[i]->string;
	free(items);
	return repeated;
}

/* Recursion is bounded: cJSON refuses more than CJSON_NESTING_LIMIT levels. */
static enum cats_status check_tree(const cJSON *tree, const char *name, struct cats_error *error)
{
	bool failed = false;

	if (cJSON_IsNumber(tree) && !isfinite(tree->valuedouble))
		return cats_fail(error, CATS_ERR_FORMAT, "%s: %.100s: a number beyond the range of doubles", name,
				 tree->string ? tree->string : "JSON");
	if (cJSON_IsObject(tree)) {
		const char *key = repeated_key(tree, &failed);
		if (failed)
			return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for its keys", name);
		if (key)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: %.100s: the key is there twice; keep one", name,
					 key);
	}
	for (const cJSON *item = tree->child; item; item = item->next) {
		const enum cats_status status = check_tree(item, name, error);
		if (status != CATS_OK)
			return status;
	}
	return CATS_OK;
}

enum cats_status cats_json_parse(cJSON **out, const char *text, size_t size, const char *name, struct cats_error *error)
{
	*out = NULL;
	enum cats_status status = check_bytes(text, size, name, error);
	if (status != CATS_OK)
		return status;
	/* cJSON skips a byte order mark, RFC 8259 forbids writing one. */
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: begins with a byte order mark; remove its 3 bytes", name);

	const char *end = text;
	cJSON *tree = size ? cJSON_ParseWithLengthOpts(text, size, &end, false) : NULL;
	if (!tree)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: not valid JSON at byte %zu; correct it there", name,
				 (size_t)(end - text));
	for (; end < text + size && status == CATS_OK; end++)
		if (!strchr(" \t\r\n", *end))
			status = cats_fail(error, CATS_ERR_FORMAT, "%s: JSON byte %zu: text after the end; remove it",
					   name, (size_t)(end - text));
	if (status == CATS_OK && !cJSON_IsObject(tree))
		status = cats_fail(error, CATS_ERR_FORMAT, "%s: the JSON must be one object { … }", name);
	if (status == CATS_OK)
		status = check_tree(tree, name, error);
	if (status != CATS_OK) {
		cJSON_Delete(tree);
		return status;
	}
	*out = tree;
	return CATS_OK;
}

int cats_json_integer(uint64_t *out, const cJSON *item, uint64_t limit)
{
	if (!cJSON_IsNumber(item))
		return -1;
	const double value = item->valuedouble;
	if (!(value >= 0.0) || value > (double)limit || floor(value) != value)
		return -1;
	*out = (uint64_t)value;
	return 0;
}
