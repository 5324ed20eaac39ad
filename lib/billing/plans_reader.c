/*
 * plans_reader.c: reads one member of plans.json, or says in which line what is wrong.
 */
#include "billing/plans_reader.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_in.h"
#include "base/json_place.h"
#include "base/text.h"

/* The line on which `where`, or what should hold it, stands. */
static size_t
line_of(const struct reader *reader, const char *where)
{
	const char *place = where;

	if (reader->plan != NULL)
		place = arena_printf(reader->task->arena, "%s%s", reader->item,
		                     where + strlen(reader->plan));
	else if (text_starts_with(where, PLANS_ROOT "."))
		place = where + strlen(PLANS_ROOT ".");
	return json_place_line(reader->text,
	                       json_place_find(reader->text, reader->length, place));
}

enum fail
plans_refuse(const struct reader *reader, const char *where, const char *why)
{
	return task_fail(reader->task, FAIL_INVALID, "plans_invalid", "%s: line %zu: %s %s",
	                 reader->path, line_of(reader, where), where, why);
}

enum fail
plans_refuse_unknown(const struct reader *reader, const char *where, struct json_object *object,
                     const char *const *known)
{
	json_object_object_foreach(object, name, unused)
	{
		const char *const *k = known;

		(void)unused;
		while (*k != NULL && strcmp(*k, name) != 0)
			k++;
		if (*k == NULL)
			return plans_refuse(
			        reader, arena_printf(reader->task->arena, "%s.%s", where, name),
			        "is not a known member");
	}
	return FAIL_NONE;
}

enum fail
plans_read_member(const struct reader *reader, const char *where, struct json_object *object,
                  const struct member *member, void *out)
{
	const char *path = arena_printf(reader->task->arena, "%s.%s", where, member->name);
	void *place = (char *)out + member->offset;
	const char *string;
	int64_t number;

	switch (member->type) {
	case MEMBER_BOOL:
		return json_in_bool(object, member->name, place)
		               ? FAIL_NONE
		               : plans_refuse(reader, path, "must be true or false");
	case MEMBER_STRING:
		if (!json_in_string(object, member->name, &string) || *string == '\0')
			return plans_refuse(reader, path, "must be a string");
		*(const char **)place = arena_copy(reader->task->arena, string);
		return FAIL_NONE;
	case MEMBER_LIMIT:
		if (!json_object_object_get_ex(object, member->name, NULL)) {
			*(int64_t *)place = LICENSE_UNLIMITED;
			return FAIL_NONE;
		}
		break;
	case MEMBER_INT:
		break;
	}
	if (!json_in_int(object, member->name, &number) || number < 0)
		return plans_refuse(reader, path, "must be an integer of 0 or more");
	*(int64_t *)place = number;
	return FAIL_NONE;
}
