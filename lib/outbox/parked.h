/* parked.h: writes the event that tells operators what was given up at Stripe and waits for them. */
#pragma once

#include "operation/operation.h"

/* An event of Stripe's, a call or a meter event that was given up. */
struct stripe_parked {
	const char *kind;    /* "event", "call" or "meter_event" */
	const char *id;      /* for `billingctl stripe retry`: "evt_...", "call:7", "mev_..." */
	const char *type;    /* of the event, the call, or the meter */
	const char *subject; /* the object at Stripe that it is about, or NULL */
	const char *customer_id; /* or NULL */
	const char *error;
};

/* Writes stripe.parked within the open transaction. */
enum fail stripe_parked_tell(struct operation *operation,
                             const struct stripe_parked *parked) MUST_CHECK;
