/* plans_values.h: reads features and limits of plans.json, and the table of their names. */
#pragma once

#include "plans/plans_reader.h"

/* Reads "features" or "limits" of a plan, of the trial or of an add-on. New names go into the table
 * `plans->names`; a name has one kind and one type in the whole file. */
enum fail plans_read_values(const struct reader *reader, const char *where,
                            const struct json_view *parent, enum value_kind kind,
                            struct plans *plans, struct license_values *out) MUST_CHECK;

/* Once all is read: a limit that only other plans have is without a bound. Refuses a table whose
 * values may be too long for a licence. */
enum fail plans_complete_values(const struct reader *reader, struct plans *plans) MUST_CHECK;

/* Bytes and names that a licence can have beside those of the file. */
struct plan_room {
	size_t bytes;
	size_t names;
};

struct plan_room plans_room(const struct plans *plans);

/* Whether there is room for one more value, which then takes it. */
bool plan_room_take(struct plan_room *room, const struct license_value *value);

/* Adds the limits of the table that are absent, without a bound. */
void plans_add_unbounded(struct arena *arena, const struct plans *plans,
                         struct license_values *limits);
