/*
 * event.h: reads what an event of Stripe's is about, whichever API version wrote it.
 *
 * An event is only a reason to fetch its object: its other values are never believed. Unknown
 * members, values and types are never an error (docs.stripe.com/upgrades).
 */
#pragma once

#include "base/clock.h"
#include "json/view.h"

/* The object that an event is about. */
struct event_ref {
	const char *family;              /* see sync/families.h; NULL: nothing that we keep */
	const char *subject;             /* Stripe's id of the object */
	const char *customer;            /* Stripe's id, or NULL */
	const char *customer_id;         /* as metadata names ours, unchecked; or NULL */
	const char *client_reference_id; /* of a checkout session, unchecked; or NULL */
};

struct stripe_event {
	const char *id;
	const char *type;
	const char *object; /* the kind of object in it; NULL in thin events */
	const char *api_version;
	const char *account; /* the connected account that it is about, or NULL */
	bool livemode;
	struct instant created;
	struct event_ref ref; /* event_read() fills it */
};

/* Reads snapshot and thin events. False when it is no object with an id and a type. */
bool stripe_event_read(const struct json_view *event, struct stripe_event *out);

/* Where each kind of event names its object. `subject` stays NULL when there is none yet. */
void event_read_session(const struct json_view *event, struct event_ref *out);
void event_read_subscription(const struct json_view *event, struct event_ref *out);
void event_read_invoice(const struct json_view *event, struct event_ref *out);
void event_read_customer(const struct json_view *event, struct event_ref *out);
void event_read_charge(const struct json_view *event, struct event_ref *out);
void event_read_dispute(const struct json_view *event, struct event_ref *out);
void event_read_meter(const struct json_view *event, struct event_ref *out);
