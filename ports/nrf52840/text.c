/* SPDX-License-Identifier: MIT */
/* Lines of the log. See text.h. */
#include "ports/nrf52840/text.h"

#include <string.h>

#include "ports/nrf52840/clock.h"
#include "ports/nrf52840/serial.h"

#define DIGITS_MAX 20U /* of a uint64_t */

static uint32_t node = CATS_LOG_NOBODY;

void cats_log_as(uint32_t number)
{
	node = number;
}

void cats_log_text(const char *text)
{
	const char *end = text;

	while (*end != 0)
		end++;
	cats_serial_write(text, (uint32_t)(end - text));
}

void cats_log_number(uint64_t number)
{
	char digits[DIGITS_MAX];
	uint32_t at = DIGITS_MAX;

	do {
		digits[--at] = (char)('0' + (char)(number % 10U));
		number /= 10U;
	} while (number != 0);
	cats_serial_write(digits + at, DIGITS_MAX - at);
}

void cats_log_signed(int32_t number)
{
	if (number < 0)
		cats_log_text("-");
	cats_log_number(number < 0 ? 0U - (uint32_t)number : (uint32_t)number);
}

void cats_log_hex(uint32_t number)
{
	static const char digit[] = "0123456789abcdef";
	char digits[8];

	for (uint32_t i = 0; i < 8U; i++)
		digits[i] = digit[number >> (28U - 4U * i) & 15U];
	cats_serial_write(digits, sizeof(digits));
}

void cats_log_begin(const char *text)
{
	cats_log_number(cats_clock_now_us());
	cats_log_text(" ");
	if (node == CATS_LOG_NOBODY)
		cats_log_text("?");
	else
		cats_log_number(node);
	cats_log_text(": ");
	cats_log_text(text);
}

void cats_log_end(void)
{
	cats_log_text("\n");
}

void cats_log(const char *text)
{
	cats_log_begin(text);
	cats_log_end();
}

void cats_log_field(const char *name, uint64_t number)
{
	cats_log_text(" ");
	cats_log_text(name);
	cats_log_text(" ");
	cats_log_number(number);
}
