/* render.h: rows as JSON objects, by the tables of their columns. */
#pragma once

#include "db/columns.h"
#include "json/out.h"

/* The members that the table names, alone or as an object. The table has no COLUMN_BYTES. `name` is NULL
 * within an array. */
void render_members(struct json_out *json, const struct column *columns, const void *row);
void render_row(struct json_out *json, const char *name, const struct column *columns,
                const void *row);

/* A number that is null when it is 0, and JSON text that is null when it is NULL. */
void render_known(struct json_out *json, const char *name, int64_t value);
void render_object(struct json_out *json, const char *name, const char *text);
