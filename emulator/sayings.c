/* SPDX-License-Identifier: MIT */
/* Reading lines. See sayings.h. */
#include "emulator/sayings.h"

#include <string.h>

static bool word(const char **text, const char *expected)
{
	const size_t length = strlen(expected);

	if (strncmp(*text, expected, length) != 0)
		return false;
	*text += length;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Decimal digits, at most `most`. */
static bool number(uint64_t *out, const char **text, uint64_t most)
{
	uint64_t value = 0;
	const char *at = *text;

	for (; is_digit(*at); at++) {
		const uint64_t digit = (uint64_t)(*at - '0');

		if (value > (most - digit) / 10U)
			return false;
		value = 10U * value + digit;
	}
	if (at == *text)
		return false;
	*out = value;
	*text = at;
	return true;
}

static bool number_32(uint32_t *out, const char **text)
{
	uint64_t value = 0;
	const bool there = number(&value, text, UINT32_MAX);

	*out = (uint32_t)value;
	return there;
}

static bool signed_32(int32_t *out, const char **text)
{
	const bool negative = word(text, "-");
	uint64_t value = 0;

	if (!number(&value, text, negative ? UINT64_C(1) << 31 : INT32_MAX))
		return false;
	*out = (int32_t)(negative ? -(int64_t)value : (int64_t)value);
	return true;
}

/* " 5", " -5", or " -" for none. */
static bool output(int32_t *value, uint8_t *there, const char **text)
{
	*value = 0;
	*there = 0;
	if (!word(text, " "))
		return false;
	if ((*text)[0] == '-' && !is_digit((*text)[1])) {
		++*text;
		return true;
	}
	*there = 1;
	return signed_32(value, text);
}

static bool table(int32_t *outputs, uint8_t *there, uint32_t rows, uint32_t columns, const char *text)
{
	for (uint32_t i = 0; i < rows * columns; i++) {
		if (i > 0 && i % columns == 0 && !word(&text, " /"))
			return false;
		if (!output(&outputs[i], &there[i], &text))
			return false;
	}
	return *text == '\0';
}

bool cats_said_result(struct cats_said_result *out, int32_t *outputs, uint8_t *there, uint32_t rows, uint32_t columns,
		      const char *text)
{
	out->class_ = -1;
	if (!word(&text, " epoch ") || !number_32(&out->epoch, &text) || !word(&text, " inference ") ||
	    !number_32(&out->inference, &text))
		return false;
	if (word(&text, " class ") && !signed_32(&out->class_, &text))
		return false;
	return word(&text, " share ") && number(&out->arrived, &text, INT64_MAX) && word(&text, "/") &&
	       number(&out->expected, &text, INT64_MAX) && out->arrived <= out->expected && word(&text, " outputs") &&
	       table(outputs, there, rows, columns, text);
}

const char *const cats_slack_names[CATS_SLACKS] = {
	[CATS_SLACK_NEXT_BUFFER] = "next buffer",
	[CATS_SLACK_BEFORE_SENDING] = "before sending",
	[CATS_SLACK_AFTER_SENDING] = "after sending",
	[CATS_SLACK_ARMING] = "arming",
	[CATS_SLACK_READY] = "ready",
};

void cats_slack_clear(struct cats_said_slack *out)
{
	*out = (struct cats_said_slack){0};
	for (uint32_t i = 0; i < CATS_SLACKS; i++)
		out->least_us[i] = INT32_MAX;
}

void cats_slack_add(struct cats_said_slack *least, const struct cats_said_slack *other)
{
	for (uint32_t i = 0; i < CATS_SLACKS; i++)
		if (other->least_us[i] < least->least_us[i])
			least->least_us[i] = other->least_us[i];
	least->missed += other->missed;
	least->unready += other->unready;
}

/* " name " */
static bool named(const char **text, const char *name)
{
	return word(text, " ") && word(text, name) && word(text, " ");
}

bool cats_said_slack(struct cats_said_slack *out, const char *text)
{
	for (uint32_t i = 0; i < CATS_SLACKS; i++) {
		if (!named(&text, cats_slack_names[i]))
			return false;
		out->least_us[i] = INT32_MAX;
		if (text[0] == '-' && !is_digit(text[1]))
			text++;
		else if (!signed_32(&out->least_us[i], &text))
			return false;
	}
	return named(&text, "missed") && number_32(&out->missed, &text) && named(&text, "unready") &&
	       number_32(&out->unready, &text) && (*text == '\0' || *text == ' ');
}

bool cats_said_site(uint32_t *site, const char **text)
{
	return word(text, " ") && number_32(site, text) && word(text, ":");
}

bool cats_said_packet(uint16_t *sender, uint16_t *packet, const char **text)
{
	uint64_t from, which;
	const char *at = *text;

	if (!word(&at, " ") || !number(&from, &at, UINT16_MAX) || !word(&at, ".") || !number(&which, &at, UINT16_MAX))
		return false;
	*sender = (uint16_t)from;
	*packet = (uint16_t)which;
	*text = at;
	return true;
}
