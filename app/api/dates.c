/* dates.c: months and days in the queries of figures. */
#include "api/dates.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"

const char *
date_check_month(const char *value)
{
	char time[CLOCK_TEXT_SIZE];
	int64_t ms;

	if (strlen(value) == 7 && value[0] != '0') {
		(void)snprintf(time, sizeof(time), "%s-01T00:00:00Z", value);
		if (clock_parse(time, &ms))
			return NULL;
	}
	return "must be a month such as 2025-02";
}

const char *
date_month(const struct operation *operation, const char *value, int back)
{
	char now[CLOCK_TEXT_SIZE];
	int year, month;

	if (value != NULL)
		return arena_printf(operation->task->arena, "%s-01", value);
	clock_format(operation->now_ms, now);
	year = (now[0] - '0') * 1000 + (now[1] - '0') * 100 + (now[2] - '0') * 10 + now[3] -
	       '0';
	month = year * 12 + (now[5] - '0') * 10 + now[6] - '0' - 1 - back;
	return arena_printf(operation->task->arena, "%04d-%02d-01", month / 12, month % 12 + 1);
}

const char *
date_check_day(const char *value)
{
	char time[CLOCK_TEXT_SIZE];
	int64_t ms;

	if (strlen(value) == 10) {
		(void)snprintf(time, sizeof(time), "%sT00:00:00Z", value);
		if (clock_parse(time, &ms))
			return NULL;
	}
	return "must be a date such as 2025-02-15";
}

const char *
date_day(const struct operation *operation, const char *value, int64_t back)
{
	char day[CLOCK_TEXT_SIZE];

	if (value != NULL)
		return value;
	clock_format(operation->now_ms - back * DAY_MS, day);
	return arena_copy_bytes(operation->task->arena, day, 10);
}

static int64_t
day_number(const char *day)
{
	char time[CLOCK_TEXT_SIZE];
	int64_t ms = 0;

	(void)snprintf(time, sizeof(time), "%.10sT00:00:00Z", day);
	(void)clock_parse(time, &ms);
	return ms / DAY_MS;
}

int64_t
date_days_between(const char *from, const char *to)
{
	return day_number(to) - day_number(from);
}
