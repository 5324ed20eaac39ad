/*
 * json_in.c: parsing with json-c behind the gate of json_gate.c, and members without coercion.
 */
#include "base/json_in.h"

#include <limits.h>

#include "base/arena.h"
#include "base/text.h"

static void
release_tree(void *object)
{
	json_object_put(object);
}

/* json-c's own verdict; NULL when it takes the text. */
static const char *
parse_tree(const char *text, size_t length, int depth, int flags, struct json_object **out)
{
	/* One level more than is allowed: json-c counts the scalars inside as a level. */
	struct json_tokener *tokener = json_tokener_new_ex(depth + 2);
	enum json_tokener_error error;

	if (!tokener)
		return "out of memory";
	json_tokener_set_flags(tokener, flags);
	*out = json_tokener_parse_ex(tokener, text, (int)length);
	error = json_tokener_get_error(tokener);
	/* A bare number may go on; the NUL says that it doesn't. */
	if (error == json_tokener_continue) {
		*out = json_tokener_parse_ex(tokener, "", 1);
		error = json_tokener_get_error(tokener);
	}
	json_tokener_free(tokener);
	return error == json_tokener_success ? NULL : json_tokener_error_desc(error);
}

enum fail
json_in_parse(struct task *task, const char *text, size_t length, struct json_object **out)
{
	size_t offset = 0;
	const char *why, *repeated;

	*out = NULL;
	why = json_in_gate_repeated(task->arena, text, length, &offset, &repeated);
	if (why) {
		(void)task_fail(task, FAIL_INVALID, "invalid_json",
		                "This isn't acceptable JSON: %s (at byte %zu).", why, offset);
		if (repeated)
			(void)task_fail_field(task, repeated, "is given twice");
		return task->failure.kind;
	}
	why = parse_tree(text, length, JSON_IN_DEPTH,
	                 JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8, out);
	if (why)
		return task_fail(task, FAIL_INVALID, "invalid_json",
		                 "This isn't acceptable JSON: %s.", why);
	if (*out)
		arena_defer(task->arena, release_tree, *out);
	return FAIL_NONE;
}

bool
json_in_parse_foreign(struct task *task, const char *text, size_t length,
                      struct json_object **out)
{
	*out = NULL;
	if (text == NULL || length > INT_MAX || !text_is_utf8(text, length))
		return false;
	if (parse_tree(text, length, JSON_IN_FOREIGN_DEPTH, JSON_TOKENER_STRICT, out) != NULL) {
		json_object_put(*out);
		*out = NULL;
		return false;
	}
	if (*out != NULL)
		arena_defer(task->arena, release_tree, *out);
	return true;
}

enum fail
json_in_parse_object(struct task *task, const char *text, size_t length,
                     struct json_object **out)
{
	TRY(json_in_parse(task, text, length, out));
	if (!json_object_is_type(*out, json_type_object))
		return task_fail(task, FAIL_INVALID, "invalid_json",
		                 "This isn't acceptable JSON: an object is expected.");
	return FAIL_NONE;
}

/* The member when it has exactly this type. json-c's getters would turn "12abc" into 12. */
static bool
member_of_type(const struct json_object *object, const char *name, enum json_type type,
               struct json_object **out)
{
	return json_object_object_get_ex(object, name, out) && json_object_is_type(*out, type);
}

bool
json_in_string(const struct json_object *object, const char *name, const char **out)
{
	struct json_object *member;

	if (!member_of_type(object, name, json_type_string, &member))
		return false;
	*out = json_object_get_string(member);
	return true;
}

bool
json_in_int(const struct json_object *object, const char *name, int64_t *out)
{
	struct json_object *member;

	if (!member_of_type(object, name, json_type_int, &member))
		return false;
	*out = json_object_get_int64(member);
	return true;
}

bool
json_in_bool(const struct json_object *object, const char *name, bool *out)
{
	struct json_object *member;

	if (!member_of_type(object, name, json_type_boolean, &member))
		return false;
	*out = json_object_get_boolean(member);
	return true;
}

bool
json_in_object(const struct json_object *object, const char *name, struct json_object **out)
{
	return member_of_type(object, name, json_type_object, out);
}
