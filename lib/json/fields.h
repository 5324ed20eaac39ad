/*
 * fields.h: fills a struct from a JSON object or a query string by a table, and names every bad
 * field at once.
 *
 *	struct create_customer { const char *email; const char *company_name; };
 *	static const struct field create_customer_fields[] = {
 *		FIELD(struct create_customer, email, .required = true, .max = 254),
 *		FIELD(struct create_customer, company_name, .min = 1, .max = 200),
 *		FIELD_END(struct create_customer),
 *	};
 */
#pragma once

#include <stdint.h>

#include "base/clock.h"
#include "base/failure.h"
#include "json/view.h"

enum field_type {
	FIELD_STOP,
	FIELD_STRING,
	FIELD_INT,
	FIELD_BOOL,
	FIELD_CHOICE,
	FIELD_PATCH,
	FIELD_LIST,
	FIELD_TIME,
	FIELD_OBJECT,
	FIELD_OBJECTS
};

/* A string of a PATCH: absent, null (clears it), or a value. */
struct patch_text {
	bool present;
	const char *value;
};

/* True, false, or absent. */
struct choice {
	bool present;
	bool value;
};

/* A list of strings. */
struct string_list {
	bool present;
	size_t count;
	const char *const *items;
};

/* An object whose members are not known beforehand, or none. Lives as long as the text. */
struct any_object {
	struct json_view object;
};

/* A list of objects, each for a table of its own; likewise. An item that is none only fails where
 * it is read. */
struct object_list {
	struct json_view list;
	size_t count;
};

struct field {
	const char *name;
	size_t offset;
	enum field_type type;
	bool required;
	const char *older;  /* of a body: without the field this other one is required */
	bool nullable;      /* null counts as absent */
	bool not_null;      /* FIELD_PATCH: null is refused */
	bool plus_is_space; /* in a query; else a + is one, as in addresses and times */
	int64_t min;        /* characters of a string, value of a number, items of a list */
	int64_t max;        /* 0: no bound */
	int64_t initial;    /* the value of an absent number or bool */
	/* NULL when the string (or each item of the list) is fine, else why not. */
	const char *(*check)(const char *value);
};

/* The type is derived from the member, so that a wrong one does not compile. */
/* clang-format off */
#define FIELD(S, member, ...)                                                           \
	{                                                                               \
		.name = #member, .offset = offsetof(S, member),                         \
		.type = _Generic(((S *)0)->member, const char *: FIELD_STRING,          \
		                 int64_t: FIELD_INT, bool: FIELD_BOOL,                  \
		                 struct choice: FIELD_CHOICE,                           \
		                 struct patch_text: FIELD_PATCH,                        \
		                 struct string_list: FIELD_LIST,                        \
		                 struct instant: FIELD_TIME,                            \
		                 struct any_object: FIELD_OBJECT,                       \
		                 struct object_list: FIELD_OBJECTS),                    \
		__VA_ARGS__                                                             \
	}
/* Ends the table of a struct S, and says how large S is. */
#define FIELD_END(S) {.type = FIELD_STOP, .offset = sizeof(S)}
/* clang-format on */

/* The size of the struct that the table fills, as its end says. */
size_t fields_size(const struct field *fields);

/* Fills `out` from the object; FAIL_INVALID when it is none. Unknown members, wrong types,
 * bounds and checks each become a
 * field error; FAIL_INVALID "invalid_request" after all were looked at. Strings are copied to
 * the arena. */
enum fail fields_from_json(struct task *task, const struct field *fields,
                           const struct json_view *object, void *out) MUST_CHECK;

/* Fills the struct from a query, "a=b&c=d" (percent-decoded); a name that is unknown or given twice is a
 * field error. */
enum fail fields_from_query(struct task *task, const struct field *fields, const char *query,
                            void *out) MUST_CHECK;

/* Percent-decodes into the arena; NULL on a bad escape, a NUL or invalid UTF-8. */
char *fields_percent_decode(struct arena *arena, const char *text, size_t length,
                            bool plus_is_space);
