/*
 * event.h: what an event of Stripe's tells us to look at, whichever API version wrote it.
 *
 * Only a hint: what it is about is fetched before anything is believed. Unknown members, values and
 * types are never an error (docs.stripe.com/upgrades).
 */
#ifndef STRIPE_EVENT_H
#define STRIPE_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

struct arena;

/* What to fetch because of an event. */
struct event_ref {
	const char *family; /* "subscription", "invoice", "customer", "meter"; NULL: nothing */
	const char *subject;
	const char *customer;
	const char *customer_id;         /* as metadata names ours, unchecked; NULL: none */
	const char *client_reference_id; /* a session's, unchecked; NULL: none */
};

struct stripe_event {
	const char *id;
	const char *type;
	const char *api_version;
	bool livemode;
	struct instant created;
	struct event_ref ref;
};

/*
 * Snapshot and thin events; of thin ones only those about meters have a hint. The text is read where
 * it stands, by json_in_gate_foreign()'s rules; strings are copies in the arena. False when it is no
 * JSON object with an id and a type.
 */
bool stripe_event_read(struct arena *arena, const char *text, size_t length,
                       struct stripe_event *out);

#endif
