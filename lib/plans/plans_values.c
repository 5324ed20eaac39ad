/* plans_values.c: reads features and limits of plans.json. */
#include "plans/plans_values.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"

/* Bytes that features and limits may have in a licence, whatever their values: half of the longest
 * token, whose payload is coded in base64. */
enum { LICENSED_MAX = 8000, NUMBER_LENGTH = 16, SEPARATORS = 4 };

static const char *const type_names[] = {
        [VALUE_BOOLEAN] = "true or false",
        [VALUE_INTEGER] = "an integer",
        [VALUE_TEXT] = "a text",
};

const struct plan_name *
plans_name(const struct plans *plans, const char *name)
{
	for (size_t i = 0; i < plans->name_count; i++)
		if (strcmp(plans->names[i].name, name) == 0)
			return &plans->names[i];
	return NULL;
}

/* Enters a value's name into the table. Returns NULL, or why the value is refused. */
static const char *
enter(struct arena *arena, struct plans *plans, enum value_kind kind,
      const struct license_value *value, const char *path)
{
	const struct plan_name *before = plans_name(plans, value->name);

	if (before != NULL && before->kind != kind)
		return arena_printf(arena, "has a name that %s has too", before->first);
	if (before != NULL && before->type != value->type)
		return arena_printf(arena, "must be %s, as %s is", type_names[before->type],
		                    before->first);
	if (before != NULL)
		return NULL;
	if (plans->name_count == PLAN_NAMES_MAX)
		return "is one name too many; features and limits have at most 64 names";
	plans->names[plans->name_count++] =
	        (struct plan_name){value->name, kind, value->type, path};
	return NULL;
}

enum fail
plans_read_values(const struct reader *reader, const char *where,
                  const struct json_view *parent, enum value_kind kind, struct plans *plans,
                  struct license_values *out)
{
	struct arena *arena = reader->task->arena;
	const char *path = arena_printf(arena, "%s.%s", where, value_kind_name(kind));
	struct json_view object;
	const char *why, *bad;

	(void)json_view_member(parent, value_kind_name(kind), &object);
	why = values_read(&object, kind, out, &bad);
	if (why != NULL)
		return plans_refuse(
		        reader, bad == NULL ? path : arena_printf(arena, "%s.%s", path, bad),
		        why);
	for (size_t i = 0; i < out->count; i++) {
		const char *member = arena_printf(arena, "%s.%s", path, out->items[i].name);

		why = enter(arena, plans, kind, &out->items[i], member);
		if (why != NULL)
			return plans_refuse(reader, member, why);
	}
	return FAIL_NONE;
}

/* The most bytes that a value of that name takes in JSON: a quote in a text becomes two bytes. */
static size_t
longest(const char *name, enum value_type type)
{
	return strlen(name) + SEPARATORS +
	       (type == VALUE_TEXT ? 2 * VALUE_TEXT_MAX : NUMBER_LENGTH);
}

struct plan_room
plans_room(const struct plans *plans)
{
	struct plan_room room = {LICENSED_MAX, PLAN_NAMES_MAX - plans->name_count};

	for (size_t i = 0; i < plans->name_count; i++)
		room.bytes -= longest(plans->names[i].name, plans->names[i].type);
	return room;
}

bool
plan_room_take(struct plan_room *room, const struct license_value *value)
{
	size_t length = longest(value->name, value->type);

	if (room->names == 0 || length > room->bytes)
		return false;
	room->names--;
	room->bytes -= length;
	return true;
}

void
plans_add_unbounded(struct arena *arena, const struct plans *plans,
                    struct license_values *limits)
{
	const char *names[PLAN_NAMES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < plans->name_count; i++)
		if (plans->names[i].kind == VALUE_LIMIT)
			names[count++] = plans->names[i].name;
	values_add_unbounded(arena, limits, names, count);
}

enum fail
plans_complete_values(const struct reader *reader, struct plans *plans)
{
	struct arena *arena = reader->task->arena;
	size_t length = 0;

	for (size_t i = 0; i < plans->name_count; i++)
		length += longest(plans->names[i].name, plans->names[i].type);
	if (length > LICENSED_MAX)
		return plans_refuse(reader, "plans",
		                    "has features that may be too long for a licence; use "
		                    "fewer texts or names");
	for (size_t i = 0; i < plans->count; i++)
		plans_add_unbounded(arena, plans, &plans->items[i].limits);
	plans_add_unbounded(arena, plans, &plans->trial_limits);
	return FAIL_NONE;
}

int64_t
plans_integer(const struct license_values *features, const struct license_values *limits,
              const char *name)
{
	const struct license_value *value = values_find(features, name);

	if (value == NULL)
		value = values_find(limits, name);
	return value != NULL && value->type == VALUE_INTEGER ? value->number
	                                                     : LICENSE_UNLIMITED;
}
