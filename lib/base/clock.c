/* clock.c: wall time in milliseconds, durations in monotonic microseconds, RFC 3339 both
 * ways. */
#include "base/clock.h"

#include <string.h>
#include <time.h>

int64_t
clock_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar, and back. The year
 * starts in March here, so that the leap day is its last. */
static int64_t
days_from_date(int64_t year, int64_t month, int64_t day)
{
	int64_t shifted = month <= 2 ? year - 1 : year;
	int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
	int64_t year_of_era = shifted - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era =
	        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static void
date_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	int64_t shifted = days + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t day_of_era = shifted - era * 146097;
	int64_t year_of_era =
	        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) /
	        365;
	int64_t day_of_year =
	        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * day_of_year + 2) / 153;

	*day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
	*month = shifted_month + (shifted_month < 10 ? 3 : -9);
	*year = year_of_era + era * 400 + (*month <= 2);
}

static void
put_digits(char *out, int64_t number, size_t width)
{
	while (width > 0) {
		out[--width] = (char)('0' + number % 10);
		number /= 10;
	}
}

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z */
static const int64_t earliest_ms = -62135596800000;
static const int64_t latest_ms = CLOCK_END_S * SECOND_MS - 1;

void
clock_format(int64_t ms, char out[static CLOCK_TEXT_SIZE])
{
	int64_t clamped = ms < earliest_ms ? earliest_ms : ms > latest_ms ? latest_ms : ms;
	int64_t days = clamped / DAY_MS, rest = clamped % DAY_MS;
	int64_t year, month, day;

	if (rest < 0) {
		rest += DAY_MS;
		days--;
	}
	date_from_days(days, &year, &month, &day);
	memcpy(out, "0000-00-00T00:00:00.000Z", 25);
	put_digits(out, year, 4);
	put_digits(out + 5, month, 2);
	put_digits(out + 8, day, 2);
	put_digits(out + 11, rest / HOUR_MS, 2);
	put_digits(out + 14, rest / 60000 % 60, 2);
	put_digits(out + 17, rest / 1000 % 60, 2);
	put_digits(out + 20, rest % 1000, 3);
}

/* Reads exactly `width` digits and moves on. */
static bool
take_digits(const char **cursor, size_t width, int64_t *out)
{
	int64_t value = 0;

	for (size_t i = 0; i < width; i++, (*cursor)++) {
		if (**cursor < '0' || **cursor > '9')
			return false;
		value = value * 10 + (**cursor - '0');
	}
	*out = value;
	return true;
}

static bool
take_char(const char **cursor, const char *allowed)
{
	if (**cursor == '\0' || strchr(allowed, **cursor) == NULL)
		return false;
	(*cursor)++;
	return true;
}

/* ".5" to ".999999999", or nothing. Digits beyond the millisecond are cut off. */
static bool
take_fraction(const char **cursor, int64_t *out_ms)
{
	int64_t weight = 100;
	size_t digits = 0;

	*out_ms = 0;
	if (!take_char(cursor, "."))
		return true;
	for (; **cursor >= '0' && **cursor <= '9'; (*cursor)++, digits++, weight /= 10)
		*out_ms += (**cursor - '0') * weight;
	return digits >= 1 && digits <= 9;
}

/* "Z" or "+hh:mm", in milliseconds to subtract. */
static bool
take_offset(const char **cursor, int64_t *out_ms)
{
	int64_t hours, minutes, sign = **cursor == '-' ? -1 : 1;

	*out_ms = 0;
	if (take_char(cursor, "Zz"))
		return true;
	if (!take_char(cursor, "+-") || !take_digits(cursor, 2, &hours) ||
	    !take_char(cursor, ":") || !take_digits(cursor, 2, &minutes))
		return false;
	*out_ms = sign * (hours * HOUR_MS + minutes * 60000);
	return hours <= 23 && minutes <= 59;
}

static int64_t
days_in_month(int64_t year, int64_t month)
{
	static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

bool
clock_parse(const char *string, int64_t *out_ms)
{
	int64_t year, month, day, hour, minute, second, fraction, offset;

	if (!take_digits(&string, 4, &year) || !take_char(&string, "-") ||
	    !take_digits(&string, 2, &month) || !take_char(&string, "-") ||
	    !take_digits(&string, 2, &day) || !take_char(&string, "Tt ") ||
	    !take_digits(&string, 2, &hour) || !take_char(&string, ":") ||
	    !take_digits(&string, 2, &minute) || !take_char(&string, ":") ||
	    !take_digits(&string, 2, &second) || !take_fraction(&string, &fraction) ||
	    !take_offset(&string, &offset) || *string != '\0')
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 ||
	    day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60)
		return false;
	*out_ms = days_from_date(year, month, day) * DAY_MS + hour * HOUR_MS + minute * 60000 +
	          second * 1000 + fraction - offset;
	return true;
}
