/* SPDX-License-Identifier: MIT */
/* Intel HEX. See ihex.h. */
#include "io/ihex.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES 16U
#define RECORD_BYTES_MAX 255U
#define AROUND 5U /* length, two of address, type, checksum */
/* ':' and two digits a byte, a line's end. */
#define LINE_CHARACTERS (1U + 2U * (RECORD_BYTES + AROUND) + 1U)

enum type { DATA, END, SEGMENT_ADDRESS, SEGMENT_START, LINEAR_ADDRESS, LINEAR_START };

/* ---- Writing ---- */

static char *put_byte(char *to, uint8_t byte)
{
	static const char digits[] = "0123456789ABCDEF";

	*to++ = digits[byte >> 4];
	*to++ = digits[byte & 15U];
	return to;
}

static char *put_record(char *to, enum type type, uint16_t address, const uint8_t *bytes, uint32_t count)
{
	const uint8_t head[4] = {(uint8_t)count, (uint8_t)(address >> 8), (uint8_t)address, (uint8_t)type};
	uint8_t sum = 0;

	*to++ = ':';
	for (uint32_t i = 0; i < sizeof head + count; i++) {
		const uint8_t byte = i < sizeof head ? head[i] : bytes[i - sizeof head];

		sum = (uint8_t)(sum + byte);
		to = put_byte(to, byte);
	}
	to = put_byte(to, (uint8_t)-sum);
	*to++ = '\n';
	return to;
}

/* Records end where the upper half of the address changes. */
static uint32_t record_bytes(const struct cats_ihex_range *range, uint32_t done)
{
	const uint32_t left = range->size - done, to_boundary = 0x10000U - ((range->address + done) & 0xFFFFU);
	const uint32_t count = left < RECORD_BYTES ? left : RECORD_BYTES;

	return count < to_boundary ? count : to_boundary;
}

static char *put_range(char *to, uint32_t *upper, const struct cats_ihex_range *range)
{
	for (uint32_t done = 0; done < range->size;) {
		const uint32_t address = range->address + done, count = record_bytes(range, done);
		const uint8_t half[2] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16)};

		if (address >> 16 != *upper)
			to = put_record(to, LINEAR_ADDRESS, 0, half, sizeof half);
		*upper = address >> 16;
		to = put_record(to, DATA, (uint16_t)address, range->bytes + done, count);
		done += count;
	}
	return to;
}

char *cats_ihex_format(size_t *length, const struct cats_ihex_range *ranges, size_t count)
{
	uint32_t upper = 0; /* without a record of type 4 */
	size_t lines = 1;
	char *text, *to;

	/* Besides whole records each range may have a shorter one at its end and at each change of the upper half, and
	 * a record of type 4 there. */
	for (size_t i = 0; i < count; i++)
		lines += ranges[i].size / RECORD_BYTES + 2 + 2 * ((size_t)ranges[i].size / 0x10000U + 2);
	text = malloc(lines * LINE_CHARACTERS + 1);
	if (text == NULL)
		return NULL;
	to = text;
	for (size_t i = 0; i < count; i++)
		to = put_range(to, &upper, ranges + i);
	to = put_record(to, END, 0, NULL, 0);
	*to = '\0';
	*length = (size_t)(to - text);
	return text;
}

/* ---- Reading ---- */

struct record {
	uint8_t bytes[RECORD_BYTES_MAX + AROUND]; /* length, address, type, data, checksum */
	uint32_t count;                           /* of data */
};

struct reading {
	const char *at, *end, *name;
	size_t line;
	uint8_t *memory, *named; /* named: a bit for each byte */
	uint32_t bytes, base;
	bool over; /* the end was read */
	struct cats_error *error;
};

static enum cats_status refuse(const struct reading *r, const char *rule)
{
	return cats_fail(r->error, CATS_ERR_FORMAT, "%s: line %zu: Intel HEX: %s", r->name, r->line, rule);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes behind the colon, up to the line's end at `stop`. */
static enum cats_status read_record(struct record *out, const struct reading *r, const char *stop)
{
	uint32_t count = 0;
	uint8_t sum = 0;

	for (const char *c = r->at + 1; c < stop; c += 2) {
		const int high = digit(c[0]), low = c + 1 < stop ? digit(c[1]) : -1;

		if (high < 0 || low < 0)
			return refuse(r, "not a pair of hexadecimal digits");
		if (count == sizeof out->bytes)
			return refuse(r, "longer than a record can be");
		out->bytes[count] = (uint8_t)(high << 4 | low);
		sum = (uint8_t)(sum + out->bytes[count++]);
	}
	if (count < AROUND || count - AROUND != out->bytes[0])
		return refuse(r, "its length is not that of the line");
	if (sum != 0)
		return refuse(r, "wrong checksum");
	out->count = out->bytes[0];
	return CATS_OK;
}

static enum cats_status take_data(struct reading *r, const struct record *record)
{
	const uint64_t address = (uint64_t)r->base + ((uint32_t)record->bytes[1] << 8 | record->bytes[2]);

	if (address + record->count > r->bytes)
		return refuse(r, "data outside the memory");
	for (uint32_t i = 0; i < record->count; i++) {
		const uint32_t at = (uint32_t)address + i;

		if (r->named[at / 8] >> at % 8 & 1U)
			return refuse(r, "an address that had data before");
		r->named[at / 8] |= (uint8_t)(1U << at % 8);
		r->memory[at] = record->bytes[4 + i];
	}
	return CATS_OK;
}

static enum cats_status take_record(struct reading *r, const struct record *record)
{
	switch (record->bytes[3]) {
	case DATA:
		return take_data(r, record);
	case END:
		r->over = true;
		return record->count == 0 ? CATS_OK : refuse(r, "an end with data");
	case LINEAR_ADDRESS:
		if (record->count != 2)
			return refuse(r, "an upper half of an address that has not 2 bytes");
		r->base = (uint32_t)record->bytes[4] << 24 | (uint32_t)record->bytes[5] << 16;
		return CATS_OK;
	case SEGMENT_START:
	case LINEAR_START:
		return CATS_OK;
	default:
		return refuse(r, "a record of a type other than 0, 1, 3, 4 and 5");
	}
}

static enum cats_status read_line(struct reading *r)
{
	const char *stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
	const char *next = stop != NULL ? stop + 1 : r->end;
	enum cats_status status = CATS_OK;
	struct record record = {0};

	if (stop == NULL)
		stop = r->end;
	if (stop > r->at && stop[-1] == '\r')
		stop--;
	if (stop > r->at) {
		if (r->over)
			return refuse(r, "text behind the end");
		if (*r->at != ':')
			return refuse(r, "does not begin with a colon");
		status = read_record(&record, r, stop);
		if (status == CATS_OK)
			status = take_record(r, &record);
	}
	r->at = next;
	r->line++;
	return status;
}

enum cats_status cats_ihex_parse(uint8_t *memory, uint32_t bytes, const char *text, size_t length, const char *name,
				 struct cats_error *error)
{
	struct reading r = {
		.at = text,
		.end = text + length,
		.name = name,
		.line = 1,
		.memory = memory,
		.named = calloc(bytes / 8U + 1U, 1),
		.bytes = bytes,
		.error = error,
	};
	enum cats_status status = CATS_OK;

	if (r.named == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", name);
	while (status == CATS_OK && r.at < r.end)
		status = read_line(&r);
	if (status == CATS_OK && !r.over)
		status = refuse(&r, "no record of the end: the file was cut short");
	free(r.named);
	return status;
}
