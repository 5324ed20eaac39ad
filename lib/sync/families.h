/*
 * families.h: the one table of Stripe's events that we act on. For each family it says which
 * events belong to it, where they name their object, and which function syncs the object.
 *
 * A new family needs a row in families.c, a reader in stripe/event.c, a function in
 * sync/objects.c, and a migration that allows its name in stripe_events.family.
 */
#pragma once

#include "stripe/event.h"
#include "sync/objects.h"

/* How a type of events is used. */
enum event_use {
	EVENT_READ = 1,   /* act on it when it comes */
	EVENT_SUBSCRIBED, /* and have our webhook endpoint receive it */
	EVENT_SWEPT       /* and look for lost ones in Stripe's list */
};

struct stripe_event_type {
	const char *name;
	enum event_use use;
};

/* EVENT_TYPES_LISTED is how many types Stripe lists at once. */
enum { EVENT_TYPES_MAX = 10, EVENT_TYPES_LISTED = 20 };

struct event_family {
	const char *name;   /* as stored with the event */
	const char *prefix; /* of all its types; NULL: only `types` */
	const char *object; /* that the event must be about; NULL: any */
	void (*read)(const struct json_view *event, struct event_ref *out);
	enum fail (*sync)(struct operation *operation, const struct sync_target *target,
	                  const char **customer_id, enum sync_result *out);
	struct stripe_event_type types[EVENT_TYPES_MAX];
};

/* Reads the event and what it is about: `ref` is empty when no family has it, or when its
 * object does not exist yet. False as stripe_event_read(). */
bool event_read(const struct json_view *event, struct stripe_event *out);

/* The family of that name, or NULL. */
const struct event_family *event_family(const char *name);

/* The types of at least that use, by their index; NULL behind the last. */
const char *event_type(enum event_use use, size_t index);
