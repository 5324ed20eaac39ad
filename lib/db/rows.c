/* rows.c: binary results into structs, parameters into text. */
#include <endian.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "db/internal.h"

/* PostgreSQL counts microseconds from 2000-01-01, we milliseconds from 1970-01-01. */
static const int64_t epoch_ms = 946684800000;

/* pg_type.dat: bool 16, bytea 17, int8 20, text 25, text[] 1009, timestamptz 1184. */
static const Oid oids[] = {
        [COLUMN_TEXT] = 25,   [COLUMN_INT] = 20,   [COLUMN_BOOL] = 16,
        [COLUMN_TIME] = 1184, [COLUMN_BYTES] = 17, [COLUMN_LIST] = 1009,
};

Oid
db_column_oid(enum column_type type)
{
	return oids[type];
}

static int64_t
read_int64(const char *bytes)
{
	uint64_t big_endian;

	memcpy(&big_endian, bytes, sizeof(big_endian));
	return (int64_t)be64toh(big_endian);
}

static uint32_t
read_uint32(const char *bytes)
{
	uint32_t big_endian;

	memcpy(&big_endian, bytes, sizeof(big_endian));
	return be32toh(big_endian);
}

/* array_send(): dimensions, has-null, element type, then per dimension size and lower bound,
 * then each item with its length. Ours have one dimension and no NULLs. */
static struct string_list
read_list(struct task *task, const char *bytes, size_t length)
{
	struct string_list list = {.present = true};
	const char **items;
	size_t at = 20;

	if (length < at || read_uint32(bytes) != 1)
		return list;
	list.count = read_uint32(bytes + 12);
	items = arena_array(task->arena, list.count, sizeof(*items));
	for (size_t i = 0; i < list.count && at + 4 <= length; i++) {
		size_t size = read_uint32(bytes + at);

		at += 4;
		if (size > length - at)
			size = length - at;
		items[i] = arena_copy_bytes(task->arena, bytes + at, size);
		at += size;
	}
	list.items = items;
	return list;
}

static void
decode_value(struct task *task, enum column_type type, const PGresult *result, int row,
             int field, void *member)
{
	const char *bytes = PQgetvalue(result, row, field);
	size_t length = (size_t)PQgetlength(result, row, field);

	if (PQgetisnull(result, row, field) != 0)
		return;
	switch (type) {
	case COLUMN_TEXT: /* the result lives in the arena and ends each value with a NUL */
		*(const char **)member = bytes;
		break;
	case COLUMN_INT:
		*(int64_t *)member = read_int64(bytes);
		break;
	case COLUMN_BOOL:
		*(bool *)member = *bytes != 0;
		break;
	case COLUMN_TIME:
		/* Down to the millisecond, also before 2000. */
		*(struct instant *)member =
		        INSTANT_MS(((read_int64(bytes) + epoch_ms * 1000) -
		                    (((read_int64(bytes) % 1000) + 1000) % 1000)) /
		                   1000);
		break;
	case COLUMN_BYTES:
		*(struct bytes *)member = (struct bytes){(const uint8_t *)bytes, length};
		break;
	case COLUMN_LIST:
		*(struct string_list *)member = read_list(task, bytes, length);
		break;
	case COLUMN_STOP:
		break;
	}
}

/* Finds a schema that differs from the code. */
static enum fail
check_shape(struct task *task, const struct statement *statement, const PGresult *result)
{
	int field = 0;

	for (const struct column *c = statement->columns; c->type != COLUMN_STOP; c++, field++)
		if (field >= PQnfields(result) || PQftype(result, field) != oids[c->type])
			return task_fail(task, FAIL_INTERNAL, "internal_error",
			                 "statement %s: column %s is not as expected",
			                 statement->name, c->name);
	return FAIL_NONE;
}

enum fail
db_decode_rows(struct task *task, const struct statement *statement, const PGresult *result,
               void *out_rows, size_t *out_count)
{
	size_t count = (size_t)PQntuples(result);
	char *rows = NULL;

	*out_count = 0;
	if (statement->columns == NULL)
		return FAIL_NONE;
	TRY(check_shape(task, statement, result));
	rows = arena_array(task->arena, count, statement->row_size);
	for (size_t row = 0; row < count; row++) {
		char *item = rows + row * statement->row_size;
		int field = 0;

		for (const struct column *c = statement->columns; c->type != COLUMN_STOP; c++)
			decode_value(task, c->type, result, (int)row, field++,
			             item + c->offset);
	}
	memcpy(out_rows, &rows, sizeof(rows));
	*out_count = count;
	return FAIL_NONE;
}

const char *
param_int(struct task *task, int64_t value)
{
	struct text text = text_new(task->arena, 24);

	text_add_int(&text, value);
	return text.data;
}

const char *
param_bool(bool value)
{
	return value ? "t" : "f";
}

const char *
param_time(struct task *task, struct instant value)
{
	char *out;

	if (!value.known)
		return NULL;
	out = arena_alloc(task->arena, CLOCK_TEXT_SIZE);
	clock_format(value.ms, out);
	return out;
}

const char *
param_bytes(struct task *task, struct bytes value)
{
	/* snprintf() would take longer than sending the bytes. */
	struct text text = text_new(task->arena, 2 * value.length + 2);

	text_add(&text, "\\x");
	text_add(&text, hex_encode(task->arena, value.data, value.length));
	return text.data;
}

const char *
param_digest(struct task *task, const struct sha256 *digest)
{
	return param_bytes(task, (struct bytes){digest->bytes, sizeof(digest->bytes)});
}

/* An array literal: every item quoted, quotes and backslashes escaped. */
const char *
param_list(struct task *task, const struct string_list *list)
{
	struct text text = text_new(task->arena, 64);

	text_add_char(&text, '{');
	for (size_t i = 0; i < list->count; i++) {
		text_add(&text, i > 0 ? ",\"" : "\"");
		for (const char *byte = list->items[i]; *byte != '\0'; byte++) {
			if (*byte == '"' || *byte == '\\')
				text_add_char(&text, '\\');
			text_add_char(&text, *byte);
		}
		text_add_char(&text, '"');
	}
	text_add_char(&text, '}');
	return text.data;
}
