/* values.h: named values of plans and licences: features and limits. */
#pragma once

#include "base/failure.h"
#include "json/out.h"
#include "json/view.h"

/* A limit without a bound: null in plans.json. */
#define LICENSE_UNLIMITED ((int64_t)-1)

/* The most names of a list, and the most bytes of a name and of a text. */
enum { VALUES_MAX = 64, VALUE_NAME_MAX = 64, VALUE_TEXT_MAX = 200 };

/* A limit is always an integer, or LICENSE_UNLIMITED. */
enum value_kind { VALUE_FEATURE, VALUE_LIMIT };

enum value_type { VALUE_BOOLEAN, VALUE_INTEGER, VALUE_TEXT };

struct license_value {
	const char *name;
	enum value_type type;
	bool truth;       /* of a boolean */
	int64_t number;   /* of an integer */
	const char *text; /* of a text */
};

/* Features or limits, each name once. */
struct license_values {
	const struct license_value *items;
	size_t count;
};

/* "features", "limits". */
const char *value_kind_name(enum value_kind kind);

/* Whether it is a letter, then at most 63 letters and digits. */
bool value_is_name(const char *name);

/* Reads one value under the name. Returns NULL, or why it is refused ("must be ..."). The text is
 * a copy in the view's arena. */
const char *value_read(const struct json_view *view, enum value_kind kind, const char *name,
                       struct license_value *out);

/* Reads the members of an object. Returns NULL, or why the member `*bad` is refused; `*bad` is NULL
 * when it is the object itself. */
const char *values_read(const struct json_view *object, enum value_kind kind,
                        struct license_values *out, const char **bad);

/* Adds those of the limits that are absent, without a bound. */
void values_add_unbounded(struct arena *arena, struct license_values *limits,
                          const char *const *names, size_t count);

/* Writes a value as JSON under another name, which NULL leaves out. */
void value_write(struct json_out *json, const char *name, const struct license_value *value);

/* Writes the object as it is in a licence. Three limits are left out when they have no bound:
 * older verifiers refuse null there. */
void values_write(struct json_out *json, enum value_kind kind,
                  const struct license_values *values);

/* Adds them to the limits that were read from a licence. */
void values_add_left_out(struct arena *arena, struct license_values *limits);

/* The value of that name, or NULL. */
const struct license_value *values_find(const struct license_values *values, const char *name);

/* Whether a value grants more than another one of its name, or than none when `than` is NULL: a
 * boolean that is true, a greater integer, a limit without a bound, another text. A feature that is
 * absent grants nothing, a limit that is absent has no bound. */
bool value_is_more(enum value_kind kind, const struct license_value *value,
                   const struct license_value *than);

/* Whether one of the values grants more. */
bool values_are_more(enum value_kind kind, const struct license_values *values,
                     const struct license_values *than);
