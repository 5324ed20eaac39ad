/*
 * json_view.h: reads values where they stand in a text, without building a tree.
 *
 * For what also runs in other people's processes: json-c may crash there, or drop a member and
 * report success, when memory runs out. Here only decoded strings are allocated, in the arena.
 */
#ifndef BASE_JSON_VIEW_H
#define BASE_JSON_VIEW_H

#include <stdint.h>

#include "base/failure.h"

struct json_wanted;

/* One value, from its first byte; what follows it may be more of the text. */
struct json_view {
	struct arena *arena;
	const char *text;
	size_t length;
};

/* The object that the text is, behind the strict gate of json_in.h: FAIL_INVALID "invalid_json".
 * The text must outlive the view. */
enum fail json_view_open(struct task *task, const char *text, size_t length,
                         struct json_view *out) MUST_CHECK;

/* The same for text that need not be an object: false, without a failure of any task. */
bool json_view_try(struct arena *arena, const char *text, size_t length,
                   struct json_view *out) MUST_CHECK;

/* A value that json_in_gate_foreign() was to look for in the text; of no type when it was not found.
 * Only what stands alone may be asked of it: repeated names inside of it would be read otherwise. */
struct json_view json_view_wanted(struct arena *arena, const char *text, size_t length,
                                  const struct json_wanted *wanted);

/* The member of an object, whatever its type; false when there is none, or no object. */
bool json_view_member(const struct json_view *object, const char *name, struct json_view *out);

/* Typed members without coercion, as json_in.h has them: false when missing, null, or of another
 * type. Strings are copies in the arena. */
bool json_view_string(const struct json_view *object, const char *name, const char **out);
bool json_view_int(const struct json_view *object, const char *name, int64_t *out);
bool json_view_bool(const struct json_view *object, const char *name, bool *out);
bool json_view_object(const struct json_view *object, const char *name, struct json_view *out);

bool json_view_is_null(const struct json_view *value);
bool json_view_is_object(const struct json_view *value);

/* The string that the value is, decoded; false when it is none. A NUL in a foreign one ends it. */
bool json_view_text(const struct json_view *value, const char **out);

/* The integer that the value is; false when it is none, or does not fit. */
bool json_view_number(const struct json_view *value, int64_t *out);

/* The boolean that the value is; false when it is none. */
bool json_view_truth(const struct json_view *value, bool *out);

/*
 * Walks an object, each name decoded:
 *	for (more = json_view_first_member(&object, &name, &value); more;
 *	     more = json_view_next_member(&name, &value))
 */
bool json_view_first_member(const struct json_view *object, const char **name,
                            struct json_view *value);
bool json_view_next_member(const char **name, struct json_view *value);

/* How many members an object has; 0 when it is none. */
size_t json_view_members(const struct json_view *object);

/*
 * Walks a list:
 *	for (more = json_view_first(&list, &item); more; more = json_view_next(&item))
 * False at the end, and at once when `list` is none.
 */
bool json_view_is_list(const struct json_view *value);
bool json_view_first(const struct json_view *list, struct json_view *item);
bool json_view_next(struct json_view *item);

#endif
