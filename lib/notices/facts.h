/* facts.h: the values of a notice's placeholders, taken out of an event and kept as JSON. */
#pragma once

#include "events/reader.h"
#include "notices/templates.h"

struct notice_facts {
	const char *json; /* the values by the names of placeholders */
	struct instant
	        until; /* from then on the notice would say what is past; unknown: never */
};

/* The kind of notice that tells of the event; NOTICE_KINDS: none does. */
enum notice_kind notice_kind_of_event(const struct event *event);

/* Takes the notice's values out of the event's data. Members that are missing have no value. */
void notice_facts_read(struct arena *arena, enum notice_kind kind, const struct event *event,
                       struct notice_facts *out);

/* Sets the values that the JSON has. */
void notice_facts_values(struct arena *arena, const char *json, struct notice_values *values);
