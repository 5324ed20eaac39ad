/* fields.c: one loop over a table fills a struct from JSON or a query string. */
#include "json/fields.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

static const struct field *
find_field(const struct field *fields, const char *name)
{
	for (; fields->type != FIELD_STOP; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

/* Where the member lies in the struct. The caller's type is the one the table was made from. */
static void *
member(const struct field *field, void *out)
{
	return (char *)out + field->offset;
}

static void
set_absent(const struct field *field, void *out)
{
	if (field->type == FIELD_INT)
		*(int64_t *)member(field, out) = field->initial;
	if (field->type == FIELD_BOOL)
		*(bool *)member(field, out) = field->initial != 0;
}

/* Bounds and the field's own check of one string; NULL when it is fine. */
static const char *
string_fault(struct task *task, const struct field *field, const char *value)
{
	size_t length = text_characters(value);

	if (field->type != FIELD_LIST && length < (size_t)field->min)
		return field->min == 1
		               ? "must not be empty"
		               : arena_printf(task->arena, "must have at least %lld characters",
		                              (long long)field->min);
	if (field->type != FIELD_LIST && field->max > 0 && length > (size_t)field->max)
		return arena_printf(task->arena, "must have at most %lld characters",
		                    (long long)field->max);
	return field->check == NULL ? NULL : field->check(value);
}

static const char *
take_string(struct task *task, const struct field *field, const struct json_view *value,
            void *out)
{
	const char **string = member(field, out);

	return json_view_text(value, string) ? string_fault(task, field, *string)
	                                     : "must be a string";
}

static const char *
take_patch(struct task *task, const struct field *field, const struct json_view *value,
           void *out)
{
	struct patch_text *patch = member(field, out);

	patch->present = true;
	if (json_view_is_null(value))
		return field->not_null ? "must not be null" : NULL;
	if (!json_view_text(value, &patch->value))
		return field->not_null ? "must be a string" : "must be a string or null";
	return string_fault(task, field, patch->value);
}

static const char *
number_fault(struct task *task, const struct field *field, int64_t number)
{
	if (number < field->min)
		return arena_printf(task->arena, "must be at least %lld",
		                    (long long)field->min);
	if (field->max > 0 && number > field->max)
		return arena_printf(task->arena, "must be at most %lld", (long long)field->max);
	return NULL;
}

static const char *
take_int(struct task *task, const struct field *field, const struct json_view *value, void *out)
{
	int64_t *number = member(field, out);
	double size;

	if (json_view_number(value, number))
		return number_fault(task, field, *number);
	return json_view_double(value, &size) && fabs(size) >= 0x1p63 ? "is out of range"
	                                                              : "must be an integer";
}

static const char *
take_bool(struct task *task, const struct field *field, const struct json_view *value,
          void *out)
{
	(void)task;
	return json_view_truth(value, member(field, out)) ? NULL : "must be true or false";
}

static const char *
take_choice(struct task *task, const struct field *field, const struct json_view *value,
            void *out)
{
	struct choice *choice = member(field, out);

	(void)task;
	choice->present = json_view_truth(value, &choice->value);
	return choice->present ? NULL : "must be true or false";
}

/* The fault in a list's number of items, or NULL. */
static const char *
count_fault(struct task *task, const struct field *field, size_t count)
{
	if (count >= (size_t)field->min && (field->max == 0 || count <= (size_t)field->max))
		return NULL;
	return arena_printf(task->arena, "must have %lld to %lld items", (long long)field->min,
	                    (long long)field->max);
}

static const char *
take_list(struct task *task, const struct field *field, const struct json_view *value,
          void *out)
{
	size_t count = json_view_count(value), used = 0;
	const char **items, *fault;
	struct json_view item;

	if (!json_view_is_list(value))
		return "must be a list of strings";
	fault = count_fault(task, field, count);
	if (fault != NULL)
		return fault;
	items = arena_array(task->arena, count, sizeof(*items));
	for (bool more = json_view_first(value, &item); more; more = json_view_next(&item)) {
		if (!json_view_text(&item, &items[used]))
			return "must be a list of strings";
		fault = string_fault(task, field, items[used++]);
		if (fault != NULL)
			return fault;
	}
	*(struct string_list *)member(field, out) = (struct string_list){true, count, items};
	return NULL;
}

static const char *
take_time_text(const struct field *field, const char *string, void *out)
{
	struct instant *instant = member(field, out);

	instant->known = clock_parse(string, &instant->ms);
	return instant->known ? NULL : "must be an RFC 3339 time such as 2025-02-15T00:00:00Z";
}

static const char *
take_time(struct task *task, const struct field *field, const struct json_view *value,
          void *out)
{
	const char *string;

	(void)task;
	return take_time_text(field, json_view_text(value, &string) ? string : "", out);
}

static const char *
take_object(struct task *task, const struct field *field, const struct json_view *value,
            void *out)
{
	(void)task;
	if (!json_view_is_object(value))
		return "must be an object";
	*(struct any_object *)member(field, out) = (struct any_object){*value};
	return NULL;
}

static const char *
take_objects(struct task *task, const struct field *field, const struct json_view *value,
             void *out)
{
	size_t count = json_view_count(value);

	if (!json_view_is_list(value))
		return "must be a list of objects";
	*(struct object_list *)member(field, out) = (struct object_list){*value, count};
	return count_fault(task, field, count);
}

typedef const char *taker(struct task *, const struct field *, const struct json_view *,
                          void *);

static taker *const takers[] = {
        [FIELD_STRING] = take_string,   [FIELD_INT] = take_int,
        [FIELD_BOOL] = take_bool,       [FIELD_CHOICE] = take_choice,
        [FIELD_PATCH] = take_patch,     [FIELD_LIST] = take_list,
        [FIELD_TIME] = take_time,       [FIELD_OBJECT] = take_object,
        [FIELD_OBJECTS] = take_objects,
};

size_t
fields_size(const struct field *fields)
{
	while (fields->type != FIELD_STOP)
		fields++;
	return fields->offset;
}

static bool
has_older(const struct json_view *object, const struct field *field)
{
	struct json_view value;

	return field->older != NULL && json_view_member(object, field->older, &value);
}

enum fail
fields_from_json(struct task *task, const struct field *fields, const struct json_view *object,
                 void *out)
{
	struct json_view value;
	const char *name;

	if (!json_view_is_object(object))
		return task_fail(task, FAIL_INVALID, "invalid_request",
		                 "It must be an object.");
	for (const struct field *field = fields; field->type != FIELD_STOP; field++) {
		const char *fault = NULL;

		set_absent(field, out);
		if (json_view_member(object, field->name, &value) &&
		    !(field->nullable && json_view_is_null(&value)))
			fault = takers[field->type](task, field, &value, out);
		else if (field->required && !has_older(object, field))
			fault = "is required";
		if (fault != NULL)
			(void)task_fail_field(task, field->name, "%s", fault);
	}
	for (bool more = json_view_first_member(object, &name, &value); more;
	     more = json_view_next_member(&name, &value))
		if (find_field(fields, name) == NULL)
			(void)task_fail_field(task, name, "is not a known field");
	return task->failure.kind;
}

static int
hex_value(char digit)
{
	const char *digits = "0123456789abcdef";
	const char *found = digit == '\0' ? NULL : strchr(digits, digit | 0x20);

	return found == NULL || (digit < '0' || (digit > '9' && digit < 'A'))
	               ? -1
	               : (int)(found - digits);
}

char *
fields_percent_decode(struct arena *arena, const char *text, size_t length, bool plus_is_space)
{
	char *out = arena_alloc(arena, length + 1);
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		char byte = text[i];

		if (byte == '%') {
			int high = i + 2 < length ? hex_value(text[i + 1]) : -1;
			int low = i + 2 < length ? hex_value(text[i + 2]) : -1;

			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return NULL;
			byte = (char)(high * 16 + low);
			i += 2;
		} else if (byte == '+' && plus_is_space) {
			byte = ' ';
		}
		out[used++] = byte;
	}
	return text_is_utf8(out, used) && memchr(out, '\0', used) == NULL ? out : NULL;
}

/* One decoded value of a query string into its member. */
static const char *
take_query_value(struct task *task, const struct field *field, const char *value, void *out)
{
	if (field->type == FIELD_INT) {
		int64_t *number = member(field, out);

		return text_parse_int(value, number) ? number_fault(task, field, *number)
		                                     : "must be an integer";
	}
	if (field->type == FIELD_TIME)
		return take_time_text(field, value, out);
	if (field->type == FIELD_BOOL) {
		*(bool *)member(field, out) = strcmp(value, "true") == 0;
		return strcmp(value, "true") == 0 || strcmp(value, "false") == 0
		               ? NULL
		               : "must be true or false";
	}
	*(const char **)member(field, out) = value;
	return string_fault(task, field, value);
}

/* The pair "name=value" at `pair`. `seen` has a bit for each row. */
static void
take_pair(struct task *task, const struct field *fields, const char *pair, size_t length,
          uint64_t *seen, void *out)
{
	const char *equals = memchr(pair, '=', length);
	size_t name_length = equals == NULL ? length : (size_t)(equals - pair);
	const char *name = fields_percent_decode(task->arena, pair, name_length, true);
	const struct field *field = name == NULL ? NULL : find_field(fields, name);
	const char *value, *fault;
	uint64_t bit;

	if (field == NULL) {
		(void)task_fail_field(task, name == NULL ? "query" : name, "%s",
		                      name == NULL ? "has a name that is not well-formed"
		                                   : "is not a known parameter");
		return;
	}
	bit = UINT64_C(1) << (field - fields);
	value = equals == NULL
	                ? ""
	                : fields_percent_decode(task->arena, equals + 1,
	                                        length - name_length - 1, field->plus_is_space);
	if (value == NULL)
		fault = "is not well-formed";
	else if ((*seen & bit) != 0)
		fault = "is given twice";
	else
		fault = take_query_value(task, field, value, out);
	*seen |= bit;
	if (fault != NULL)
		(void)task_fail_field(task, field->name, "%s", fault);
}

enum fail
fields_from_query(struct task *task, const struct field *fields, const char *query, void *out)
{
	uint64_t seen = 0;

	for (const struct field *field = fields; field->type != FIELD_STOP; field++)
		set_absent(field, out);
	while (query != NULL && *query != '\0') {
		size_t span = strcspn(query, "&");

		if (span > 0)
			take_pair(task, fields, query, span, &seen, out);
		query += span + (query[span] == '&');
	}
	for (const struct field *field = fields; field->type != FIELD_STOP; field++)
		if (field->required && (seen & (UINT64_C(1) << (field - fields))) == 0)
			(void)task_fail_field(task, field->name, "is required");
	return task->failure.kind;
}
