/* render.c: rows as JSON objects, by the tables of their columns. */
#include "db/render.h"

static void
render_list(struct json_out *json, const char *name, const struct string_list *list)
{
	json_out_open(json, name, '[');
	for (size_t i = 0; i < list->count; i++)
		json_out_string(json, NULL, list->items[i]);
	json_out_close(json, ']');
}

void
render_members(struct json_out *json, const struct column *columns, const void *row)
{
	for (const struct column *column = columns; column->type != COLUMN_STOP; column++) {
		const void *member = (const char *)row + column->offset;

		if (column->type == COLUMN_TEXT)
			json_out_string(json, column->name, *(const char *const *)member);
		else if (column->type == COLUMN_INT)
			json_out_int(json, column->name, *(const int64_t *)member);
		else if (column->type == COLUMN_BOOL)
			json_out_bool(json, column->name, *(const bool *)member);
		else if (column->type == COLUMN_TIME)
			json_out_time(json, column->name, *(const struct instant *)member);
		else if (column->type == COLUMN_LIST)
			render_list(json, column->name, member);
	}
}

void
render_row(struct json_out *json, const char *name, const struct column *columns,
           const void *row)
{
	json_out_open(json, name, '{');
	render_members(json, columns, row);
	json_out_close(json, '}');
}

void
render_known(struct json_out *json, const char *name, int64_t value)
{
	if (value == 0)
		json_out_null(json, name);
	else
		json_out_int(json, name, value);
}

void
render_object(struct json_out *json, const char *name, const char *text)
{
	if (text == NULL)
		json_out_null(json, name);
	else
		json_out_raw(json, name, text);
}
