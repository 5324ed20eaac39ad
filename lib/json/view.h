/*
 * view.h: reads JSON where it stands in a text, without building a tree of copies.
 *
 * The text must outlive its views. In a foreign text the last of repeated names counts, a lone
 * surrogate is read as U+FFFD, and a NUL ends a string.
 */
#pragma once

#include "base/failure.h"
#include "json/gate.h"

/* One value of a text; all zero: none, which has no type and no members. */
struct json_view {
	struct arena *arena;
	const char *text;
	const struct json_node *node;
};

/* The object that the text is, by the strict rules of gate.h. FAIL_INVALID "invalid_json" with
 * the reason; a name that occurs twice in an object is a bad field. */
enum fail json_view_open(struct task *task, const char *text, size_t length,
                         struct json_view *out) MUST_CHECK;

/* Like json_view_open() for a request's body, by JSON_BODY. */
enum fail json_view_open_body(struct task *task, const char *text, size_t length,
                              struct json_view *out) MUST_CHECK;

/* Like json_view_open() for text that need not be an object: then false, and no failure. */
bool json_view_try(struct arena *arena, const char *text, size_t length, struct json_view *out);

/* The value that the text is, of any type, by the strict rules; false with the reason. */
bool json_view_read(struct arena *arena, const char *text, size_t length, struct json_view *out,
                    struct json_refusal *refusal) MUST_CHECK;

/* Like json_view_read() by the rules for text of a service that we trust. NULL is no JSON. */
bool json_view_read_foreign(struct arena *arena, const char *text, size_t length,
                            struct json_view *out) MUST_CHECK;

bool json_view_is_null(const struct json_view *value);
bool json_view_is_object(const struct json_view *value);
bool json_view_is_list(const struct json_view *value);

/* The value itself, without coercion; false when it is of another type, or an integer that does not
 * fit. The string is a copy in the arena. */
bool json_view_text(const struct json_view *value, const char **out);
bool json_view_number(const struct json_view *value, int64_t *out);
bool json_view_double(const struct json_view *value, double *out);
bool json_view_truth(const struct json_view *value, bool *out);

/* A copy of the value's text, in the arena. */
const char *json_view_source(const struct json_view *value);

/* The member of an object, whatever its type; false, and none, when it is missing. */
bool json_view_member(const struct json_view *object, const char *name, struct json_view *out);

/* Typed members without coercion: false when missing, null, or of another type. */
bool json_view_string(const struct json_view *object, const char *name, const char **out);
bool json_view_int(const struct json_view *object, const char *name, int64_t *out);
bool json_view_bool(const struct json_view *object, const char *name, bool *out);
bool json_view_object(const struct json_view *object, const char *name, struct json_view *out);
bool json_view_list(const struct json_view *object, const char *name, struct json_view *out);

/* The value that a path leads to ("plans[2].features.maxDevices"); false, and none, when it is
 * missing. A name with a dot or a bracket in it cannot be found. */
bool json_view_find(const struct json_view *value, const char *path, struct json_view *out);

/* Follows a path as far as it leads; `*path` becomes the rest. */
struct json_view json_view_follow(const struct json_view *value, const char **path);

/* How many items a list has, or members an object, repeated names included; else 0. */
size_t json_view_count(const struct json_view *value);

/*
 * Walks an object, each name decoded:
 *	for (more = json_view_first_member(&object, &name, &value); more;
 *	     more = json_view_next_member(&name, &value))
 */
bool json_view_first_member(const struct json_view *object, const char **name,
                            struct json_view *value);
bool json_view_next_member(const char **name, struct json_view *value);

/*
 * Walks a list:
 *	for (more = json_view_first(&list, &item); more; more = json_view_next(&item))
 * False at the end, and at once when `list` is none.
 */
bool json_view_first(const struct json_view *list, struct json_view *item);
bool json_view_next(struct json_view *item);
