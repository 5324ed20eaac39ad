/* plans_reader.c: reads one member of plans.json, or says in which line what is wrong. */
#include "plans/plans_reader.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/wire.h"
#include "json/view.h"

size_t
plans_line(const char *text, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset; i++)
		line += text[i] == '\n';
	return line;
}

/* The line of `where`, or of the object that lacks it. */
static size_t
line_of(const struct reader *reader, const char *where)
{
	const char *place = where;
	struct json_view nearest;

	if (reader->plan != NULL)
		place = arena_printf(reader->task->arena, "%s%s", reader->item,
		                     where + strlen(reader->plan));
	else if (text_starts_with(where, PLANS_ROOT "."))
		place = where + strlen(PLANS_ROOT ".");
	nearest = json_view_follow(&reader->root, &place);
	return plans_line(nearest.text, nearest.node->at);
}

enum fail
plans_refuse(const struct reader *reader, const char *where, const char *why)
{
	return task_fail(reader->task, FAIL_INVALID, "plans_invalid", "%s: line %zu: %s %s",
	                 reader->path, line_of(reader, where), where, why);
}

enum fail
plans_refuse_unknown(const struct reader *reader, const char *where,
                     const struct json_view *object, const char *const *known)
{
	struct json_view value;
	const char *name;

	for (bool more = json_view_first_member(object, &name, &value); more;
	     more = json_view_next_member(&name, &value)) {
		const char *const *k = known;

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
plans_read_member(const struct reader *reader, const char *where,
                  const struct json_view *object, const struct member *member, void *out)
{
	const char *path = arena_printf(reader->task->arena, "%s.%s", where, member->name);
	void *place = (char *)out + member->offset;
	struct json_view value;
	const char *string;
	int64_t number;

	switch (member->type) {
	case MEMBER_STRING:
		if (!json_view_string(object, member->name, &string) || *string == '\0')
			return plans_refuse(reader, path, "must be a string");
		*(const char **)place = string;
		return FAIL_NONE;
	case MEMBER_LIMIT:
		if (!json_view_member(object, member->name, &value)) {
			*(int64_t *)place = LICENSE_UNLIMITED;
			return FAIL_NONE;
		}
		break;
	case MEMBER_INT:
		break;
	}
	if (!json_view_int(object, member->name, &number) || number < 0 ||
	    number > WIRE_NUMBER_MAX)
		return plans_refuse(reader, path, "must be an integer from 0 to 2^53 - 1");
	*(int64_t *)place = number;
	return FAIL_NONE;
}
