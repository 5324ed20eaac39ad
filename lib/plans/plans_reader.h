/* plans_reader.h: the functions that the parts of the reader of plans.json share. */
#pragma once

#include "plans/plans.h"
#include "json/view.h"

/* The name of the outermost object in messages. */
#define PLANS_ROOT "plans.json"

enum member_type { MEMBER_INT, MEMBER_LIMIT, MEMBER_STRING };

/* A member of an object and its place in a struct. A MEMBER_LIMIT that is absent is
 * unlimited. */
struct member {
	const char *name;
	size_t offset;
	enum member_type type;
};

/* The file that is read, for messages. They name a plan by its id `plan`; `item` is its place
 * in the file ("plans[0]"). */
struct reader {
	struct task *task;
	const char *path;
	struct json_view root;
	const char *plan;
	const char *item;
};

/* The line (from 1) of a byte of the text. */
size_t plans_line(const char *text, size_t offset);

/* FAIL_INVALID "plans_invalid" with the line of `where`, and `why`. */
enum fail plans_refuse(const struct reader *reader, const char *where,
                       const char *why) MUST_CHECK;

/* Refuses members that are not in the list, which NULL ends. */
enum fail plans_refuse_unknown(const struct reader *reader, const char *where,
                               const struct json_view *object,
                               const char *const *known) MUST_CHECK;

/* Reads one member of an object into its place in `out`. */
enum fail plans_read_member(const struct reader *reader, const char *where,
                            const struct json_view *object, const struct member *member,
                            void *out) MUST_CHECK;
