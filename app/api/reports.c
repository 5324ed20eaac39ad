/* reports.c: answers that are a list of rows with definitions, as JSON or as CSV. */
#include "api/reports.h"

#include <stdio.h>
#include <string.h>

#include "api/csv.h"
#include "base/arena.h"

static enum fail
answer_csv(struct call *call, const struct report *report, const void *rows, size_t count)
{
	struct task *task = call->operation.task;
	struct text csv = text_new(task->arena, 256 + count * 200);

	csv_names(&csv, report->columns);
	for (size_t i = 0; i < count; i++)
		csv_row(&csv, task, report->columns, (const char *)rows + i * report->row_size);
	csv_answer(call, &csv, report->file, report->page == NULL ? NULL : report->page->next);
	return FAIL_NONE;
}

enum fail
report_answer(struct call *call, const struct report *report, const void *rows, size_t count)
{
	struct json_out json;

	if (csv_is_wanted(call))
		return answer_csv(call, report, rows, count);
	json = answer_begin(call, 2048 + count * 400);
	json_out_open(&json, report->list, '[');
	for (size_t i = 0; i < count; i++)
		render_row(&json, NULL, report->columns,
		           (const char *)rows + i * report->row_size);
	json_out_close(&json, ']');
	if (report->write != NULL)
		report->write(&json, report->closure);
	if (report->page != NULL) {
		json_out_int(&json, "limit", report->page->limit);
		json_out_string(&json, "next_cursor", report->page->next);
	}
	json_out_open(&json, "definition", '{');
	for (const struct definition *one = report->definitions; one->name != NULL; one++)
		json_out_string(&json, one->name, one->sentence);
	json_out_close(&json, '}');
	return answer_end(call, 200, &json);
}

const char *
report_check_month(const char *value)
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
report_month(const struct operation *operation, const char *value, int back)
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
report_check_day(const char *value)
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
report_day(const struct operation *operation, const char *value, int64_t back)
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
report_days_between(const char *from, const char *to)
{
	return day_number(to) - day_number(from);
}

const char *
report_check_currency(const char *value)
{
	return strlen(value) == 3 && strspn(value, "abcdefghijklmnopqrstuvwxyz") == 3
	               ? NULL
	               : "must be a currency such as usd";
}
