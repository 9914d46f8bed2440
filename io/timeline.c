/* SPDX-License-Identifier: MIT */
/* Even time. See timeline.h. */
#include "io/timeline.h"

/* Two or four digits at *text, which moves on behind them. */
static bool take_number(int64_t *out, const char **text, int digits)
{
	*out = 0;
	for (int i = 0; i < digits; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		*out = *out * 10 + (**text - '0');
	}
	return true;
}

static bool take(const char **text, char wanted)
{
	if (**text != wanted)
		return false;
	(*text)++;
	return true;
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_in(int64_t year, int64_t month)
{
	static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to the first of a month, in years that four digits can write. */
static int64_t days_before(int64_t year, int64_t month)
{
	const int64_t past = year - 1; /* whole years since the (proleptic) year 1 */
	int64_t days = past * 365 + past / 4 - past / 100 + past / 400 - 719162;

	for (int64_t m = 1; m < month; m++)
		days += days_in(year, m);
	return days;
}

static bool take_time(int64_t *seconds, const char **text)
{
	int64_t hour, minute, second = 0;

	if (!take_number(&hour, text, 2) || !take(text, ':') || !take_number(&minute, text, 2))
		return false;
	if (take(text, ':') && !take_number(&second, text, 2))
		return false;
	*seconds = hour * 3600 + minute * 60 + second;
	return hour < 24 && minute < 60 && second < 60;
}

bool cats_moment_parse(struct cats_moment *out, const char *text)
{
	int64_t year, month, day, time = 0;

	if (!take_number(&year, &text, 4) || !take(&text, '-') || !take_number(&month, &text, 2) || !take(&text, '-') ||
	    !take_number(&day, &text, 2))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in(year, month))
		return false;
	if ((take(&text, ' ') || take(&text, 'T')) && !take_time(&time, &text))
		return false;
	(void)take(&text, 'Z');
	if (*text != '\0')
		return false;
	out->month = 12 * year + month - 1;
	out->within = (day - 1) * 86400 + time;
	out->seconds = days_before(year, month) * 86400 + out->within;
	return true;
}

static bool is_even(const struct cats_timeline *line, const struct cats_moment *now)
{
	const struct cats_moment *a = &line->first, *b = &line->second, *last = &line->last;
	const bool monthly = b->month > a->month && b->within == a->within;

	if (now->seconds - last->seconds == b->seconds - a->seconds)
		return true;
	return monthly && now->within == a->within && now->month - last->month == b->month - a->month;
}

enum cats_timeline_rule cats_timeline_next(struct cats_timeline *line, const char *text)
{
	struct cats_moment now;
	enum cats_timeline_rule rule = CATS_TIME_FINE;

	if (line->unknown)
		return CATS_TIME_FINE;
	if (!cats_moment_parse(&now, text)) {
		line->unknown = line->rows == 0;
		return line->unknown ? CATS_TIME_FINE : CATS_TIME_NO_STAMP;
	}
	if (line->rows == 0)
		line->first = now;
	else if (now.seconds == line->last.seconds)
		rule = CATS_TIME_TWICE;
	else if (now.seconds < line->last.seconds)
		rule = CATS_TIME_BACKWARDS;
	else if (line->rows == 1)
		line->second = now;
	else if (!is_even(line, &now))
		rule = CATS_TIME_GAP;
	line->last = now;
	line->rows++;
	return rule;
}
