/*
 * json_in.h: reads JSON text that strangers wrote.
 *
 * A strict gate stands in front of json-c, which accepts too much: RFC 8259 and I-JSON (RFC
 * 7493), that is well-formed UTF-8, no duplicate names, no NUL, no lone surrogates, integers
 * that fit int64, finite numbers, at most JSON_IN_DEPTH levels.
 */
#ifndef BASE_JSON_IN_H
#define BASE_JSON_IN_H

#include <json-c/json.h>

#include "base/failure.h"

enum { JSON_IN_DEPTH = 16, JSON_IN_FOREIGN_DEPTH = 64, JSON_WANTED_MAX = 24 };

/* Why the gate refused; NULL when the text is acceptable. Pure, allocates nothing of its own
 * but a bounded set of names in the arena. `offset` gets the byte where it stopped. */
const char *json_in_gate(struct arena *arena, const char *text, size_t length, size_t *offset);

/* The same; `repeated` gets the name that occurs twice in an object when that is why, else NULL. */
const char *json_in_gate_repeated(struct arena *arena, const char *text, size_t length,
                                  size_t *offset, const char **repeated);

/*
 * The parsed value, owned by the arena. FAIL_INVALID "invalid_json" with the reason; a name that
 * occurs twice in an object is a bad field of it. Any JSON value is accepted; `null` gives NULL.
 */
enum fail json_in_parse(struct task *task, const char *text, size_t length,
                        struct json_object **out) MUST_CHECK;

/* The same, but the value must be an object. */
enum fail json_in_parse_object(struct task *task, const char *text, size_t length,
                               struct json_object **out) MUST_CHECK;

/*
 * Text of a service that we trust but that promises less than the gate asks: json-c's strict mode
 * alone, JSON_IN_FOREIGN_DEPTH levels. The last of repeated names counts, a lone surrogate becomes
 * U+FFFD, a string may hold a NUL (its C string ends there). False, and `out` NULL, when it is no
 * JSON in UTF-8 (strings go into the database) or `text` is NULL; no failure is recorded, as only
 * the caller knows whose fault it is. `null` gives true and NULL.
 */
bool json_in_parse_foreign(struct task *task, const char *text, size_t length,
                           struct json_object **out) MUST_CHECK;

/* A value that is looked for on the way through a text: names joined by dots lead to it from the
 * outermost object (a name with a dot in it leads nowhere). `at` is where it begins, 0 for nowhere. */
struct json_wanted {
	const char *path;
	size_t at;
};

/* Whether json_in_parse_foreign() would take the text, found without a tree (and without json-c's
 * laxness, which lets control characters stand in strings), and where `count` values, JSON_WANTED_MAX at most, stand in it. Of
 * repeated names the last counts here too. */
bool json_in_gate_foreign(struct arena *arena, const char *text, size_t length,
                          struct json_wanted *wanted, size_t count) MUST_CHECK;

/* Typed members without coercion: false when missing, null, or of another type. Strings live as
 * long as the tree. */
bool json_in_string(const struct json_object *object, const char *name, const char **out);
bool json_in_int(const struct json_object *object, const char *name, int64_t *out);
bool json_in_bool(const struct json_object *object, const char *name, bool *out);
bool json_in_object(const struct json_object *object, const char *name,
                    struct json_object **out);

#endif
