/* csv.c: answers of the API as CSV, safe to open in a spreadsheet. */
#include "api/csv.h"

#include <string.h>

#include "base/arena.h"

/* RFC 9110, section 12.5.1, as far as two formats need it: CSV if the client names it. */
bool
csv_is_wanted(struct call *call)
{
	const char *accept = call->request->headers.accept;
	const char *vary = response_header_value(call->response, "Vary");
	const char *item;
	size_t length;

	response_header(call->response, "Vary", vary == NULL ? "Accept" : "Origin, Accept");
	while (accept != NULL && text_next_item(&accept, &item, &length))
		if (length >= strlen("text/csv") && strncmp(item, "text/csv", 8) == 0 &&
		    (length == 8 || strchr("; \t", item[8]) != NULL))
			return true;
	return false;
}

/* Whether a spreadsheet may take the text for a formula (owasp.org, CSV Injection). */
static bool
is_formula(const char *value)
{
	static const char *const wide[] = {"\uff1d", "\uff0b", "\uff0d", "\uff20"};

	for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++)
		if (text_starts_with(value, wide[i]))
			return true;
	return *value != '\0' && strchr("=+-@\t\r\n", *value) != NULL;
}

void
csv_text(struct text *csv, const char *value)
{
	text_add_char(csv, '"');
	if (value != NULL && is_formula(value))
		text_add_char(csv, '\'');
	for (; value != NULL && *value != '\0'; value++) {
		if (*value == '"')
			text_add_char(csv, '"');
		text_add_char(csv, *value);
	}
	text_add_char(csv, '"');
}

void
csv_names(struct text *csv, const struct column *columns)
{
	for (const struct column *column = columns; column->type != COLUMN_STOP; column++) {
		text_add(csv, column == columns ? "" : ",");
		text_add(csv, column->name);
	}
	text_add(csv, "\r\n");
}

static bool
is_decimal(const char *value)
{
	const char *digits = value + (*value == '-');
	size_t whole = strspn(digits, "0123456789");

	if (whole == 0)
		return false;
	if (digits[whole] == '.')
		whole += 1 + strspn(digits + whole + 1, "0123456789");
	return digits[whole] == '\0';
}

static void
add_member(struct text *csv, struct task *task, const struct column *column, const void *member)
{
	const char *text;

	if (column->type == COLUMN_INT)
		text_add_int(csv, *(const int64_t *)member);
	else if (column->type == COLUMN_BOOL)
		text_add(csv, *(const bool *)member ? "true" : "false");
	else if (column->type == COLUMN_TIME) {
		text = param_time(task, *(const struct instant *)member);
		text_add(csv, text == NULL ? "" : text);
	} else if (column->type == COLUMN_TEXT) {
		text = *(const char *const *)member;
		if (text != NULL && is_decimal(text))
			text_add(csv, text);
		else if (text != NULL)
			csv_text(csv, text);
	}
}

void
csv_row(struct text *csv, struct task *task, const struct column *columns, const void *row)
{
	for (const struct column *column = columns; column->type != COLUMN_STOP; column++) {
		text_add(csv, column == columns ? "" : ",");
		add_member(csv, task, column, (const char *)row + column->offset);
	}
	text_add(csv, "\r\n");
}

void
csv_answer(struct call *call, const struct text *csv, const char *file, const char *next)
{
	struct arena *arena = call->operation.task->arena;

	call->response->status = 200;
	call->response->body = csv->data;
	call->response->length = csv->length;
	response_header(call->response, "Content-Type", "text/csv; charset=utf-8");
	response_header(call->response, "Content-Disposition",
	                arena_printf(arena, "attachment; filename=\"%s.csv\"", file));
	if (next != NULL)
		response_header(call->response, "X-Next-Cursor", next);
}
