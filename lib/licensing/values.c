/* values.c: reads, writes and compares named values of plans and licences. */
#include "licensing/values.h"

#include <string.h>

#include "base/arena.h"
#include "base/wire.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Older verifiers refuse null in these limits and take an absent one for unbounded. */
static const char *const left_out[] = {"maxUsers", "maxAlertRules", "maxDashboards"};

enum { LEFT_OUT = sizeof(left_out) / sizeof(*left_out) };

const char *
value_kind_name(enum value_kind kind)
{
	return kind == VALUE_FEATURE ? "features" : "limits";
}

bool
value_is_name(const char *name)
{
	return text_is_made_of(name, LETTERS "0123456789", 1, VALUE_NAME_MAX) &&
	       strchr(LETTERS, *name) != NULL;
}

static bool
is_text(const char *text)
{
	size_t length = strlen(text);

	for (const char *at = text; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return false;
	return length >= 1 && length <= VALUE_TEXT_MAX;
}

static const char *
read_limit(const struct json_view *view, struct license_value *out)
{
	out->type = VALUE_INTEGER;
	out->number = LICENSE_UNLIMITED;
	if (json_view_is_null(view) || (json_view_number(view, &out->number) &&
	                                out->number >= 0 && out->number <= WIRE_NUMBER_MAX))
		return NULL;
	return "must be an integer from 0 to 2^53 - 1, or null for no bound";
}

const char *
value_read(const struct json_view *view, enum value_kind kind, const char *name,
           struct license_value *out)
{
	*out = (struct license_value){.name = name, .type = VALUE_BOOLEAN};
	if (!value_is_name(name))
		return "must have a name of at most 64 letters and digits, a letter first";
	if (kind == VALUE_LIMIT)
		return read_limit(view, out);
	if (json_view_truth(view, &out->truth))
		return NULL;
	out->type = VALUE_INTEGER;
	if (json_view_number(view, &out->number) && out->number >= 0 &&
	    out->number <= WIRE_NUMBER_MAX)
		return NULL;
	out->type = VALUE_TEXT;
	if (json_view_text(view, &out->text) && is_text(out->text))
		return NULL;
	return "must be true, false, an integer from 0 to 2^53 - 1, or a text of 1 to 200 "
	       "bytes on one line";
}

const char *
values_read(const struct json_view *object, enum value_kind kind, struct license_values *out,
            const char **bad)
{
	size_t given = json_view_count(object), count = 0;
	struct license_value *items;
	struct json_view view;
	const char *why;

	*bad = NULL;
	if (!json_view_is_object(object))
		return "must be an object";
	if (given > VALUES_MAX)
		return "has more than 64 names";
	items = arena_array(object->arena, given, sizeof(*items));
	for (bool more = json_view_first_member(object, bad, &view); more;
	     more = json_view_next_member(bad, &view)) {
		why = value_read(&view, kind, *bad, &items[count++]);
		if (why != NULL)
			return why;
	}
	*out = (struct license_values){items, count};
	return NULL;
}

void
values_add_unbounded(struct arena *arena, struct license_values *limits,
                     const char *const *names, size_t count)
{
	struct license_value *items = arena_array(arena, limits->count + count, sizeof(*items));
	size_t filled = limits->count;

	if (filled > 0)
		memcpy(items, limits->items, filled * sizeof(*items));
	for (size_t i = 0; i < count; i++)
		if (values_find(limits, names[i]) == NULL)
			items[filled++] = (struct license_value){.name = names[i],
			                                         .type = VALUE_INTEGER,
			                                         .number = LICENSE_UNLIMITED};
	*limits = (struct license_values){items, filled};
}

void
values_add_left_out(struct arena *arena, struct license_values *limits)
{
	values_add_unbounded(arena, limits, left_out, LEFT_OUT);
}

void
value_write(struct json_out *json, const char *name, const struct license_value *value)
{
	if (value->type == VALUE_BOOLEAN)
		json_out_bool(json, name, value->truth);
	else if (value->type == VALUE_TEXT)
		json_out_string(json, name, value->text);
	else if (value->number == LICENSE_UNLIMITED)
		json_out_null(json, name);
	else
		json_out_int(json, name, value->number);
}

static bool
is_left_out(const struct license_value *value)
{
	if (value->type != VALUE_INTEGER || value->number != LICENSE_UNLIMITED)
		return false;
	for (size_t i = 0; i < LEFT_OUT; i++)
		if (strcmp(left_out[i], value->name) == 0)
			return true;
	return false;
}

void
values_write(struct json_out *json, enum value_kind kind, const struct license_values *values)
{
	json_out_open(json, value_kind_name(kind), '{');
	for (size_t i = 0; i < values->count; i++)
		if (!is_left_out(&values->items[i]))
			value_write(json, values->items[i].name, &values->items[i]);
	json_out_close(json, '}');
}

const struct license_value *
values_find(const struct license_values *values, const char *name)
{
	for (size_t i = 0; i < values->count; i++)
		if (strcmp(values->items[i].name, name) == 0)
			return &values->items[i];
	return NULL;
}

static bool
number_is_more(int64_t number, int64_t than)
{
	return than != LICENSE_UNLIMITED && (number == LICENSE_UNLIMITED || number > than);
}

bool
value_is_more(enum value_kind kind, const struct license_value *value,
              const struct license_value *than)
{
	bool comparable = than != NULL && than->type == value->type;

	if (kind == VALUE_LIMIT)
		return than != NULL && number_is_more(value->number, than->number);
	if (value->type == VALUE_BOOLEAN)
		return value->truth && !(comparable && than->truth);
	if (value->type == VALUE_INTEGER)
		return comparable ? number_is_more(value->number, than->number)
		                  : value->number != 0;
	return !comparable || strcmp(value->text, than->text) != 0;
}

bool
values_are_more(enum value_kind kind, const struct license_values *values,
                const struct license_values *than)
{
	for (size_t i = 0; i < values->count; i++)
		if (value_is_more(kind, &values->items[i],
		                  values_find(than, values->items[i].name)))
			return true;
	/* A limit that only the others have is without a bound here. */
	for (size_t i = 0; kind == VALUE_LIMIT && i < than->count; i++)
		if (than->items[i].number != LICENSE_UNLIMITED &&
		    values_find(values, than->items[i].name) == NULL)
			return true;
	return false;
}
