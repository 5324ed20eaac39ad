/* catalogue.h: the types of events: their names, the objects that they tell of, and who may see
 * them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* In the order of the table in catalogue.c. */
enum event_type {
	EVENT_CUSTOMER_CREATED,
	EVENT_CUSTOMER_UPDATED,
	EVENT_CUSTOMER_DELETED,
	EVENT_TRIAL_STARTED,
	EVENT_TRIAL_ENDING,
	EVENT_TRIAL_EXPIRED,
	EVENT_TRIAL_CONVERTED,
	EVENT_SUBSCRIPTION_ACTIVATED,
	EVENT_SUBSCRIPTION_PLAN_CHANGED,
	EVENT_SUBSCRIPTION_CANCEL_SCHEDULED,
	EVENT_SUBSCRIPTION_RESUMED,
	EVENT_SUBSCRIPTION_CANCELED,
	EVENT_SUBSCRIPTION_PAST_DUE,
	EVENT_SUBSCRIPTION_RECOVERED,
	EVENT_SUBSCRIPTION_PAUSED,
	EVENT_CONTRACT_CREATED,
	EVENT_CONTRACT_AMENDED,
	EVENT_CONTRACT_ENDING,
	EVENT_CONTRACT_ENDED,
	EVENT_PAYMENT_FAILED,
	EVENT_PAYMENT_ACTION_REQUIRED,
	EVENT_PAYMENT_SUCCEEDED,
	EVENT_REFUND_CREATED,
	EVENT_DISPUTE_OPENED,
	EVENT_DISPUTE_CLOSED,
	EVENT_LICENSE_ISSUED,
	EVENT_LICENSE_ROTATED,
	EVENT_LICENSE_REVOKED,
	EVENT_LICENSE_EXPIRING,
	EVENT_LICENSE_EXPIRED,
	EVENT_INSTANCE_ACTIVATED,
	EVENT_INSTANCE_RELEASED,
	EVENT_INSTANCE_LOST,
	EVENT_INSTANCE_MANY,
	EVENT_INSTANCE_OVER_LIMIT,
	EVENT_USAGE_THRESHOLD,
	EVENT_OVERRIDE_SET,
	EVENT_KEY_CREATED,
	EVENT_KEY_REVOKED,
	EVENT_SIGNING_KEY_ADDED,
	EVENT_SIGNING_KEY_USED,
	EVENT_SIGNING_KEY_RETIRED,
	EVENT_SIGNING_KEY_DISTRUSTED,
	EVENT_STRIPE_PARKED,
	EVENT_STRIPE_UNKNOWN_PRICE,
	EVENT_ENDPOINT_DISABLED,
	EVENT_TYPES
};

/* "customer.created" */
const char *event_type_name(enum event_type type);

/* The object that `data` shows, as the API names it: "customer". */
const char *event_type_object(enum event_type type);

/* Whether a customer may see the event when it is its own; operators see all. */
bool event_type_is_customers(enum event_type type);

/* The type with that name. False: there is none. */
bool event_type_find(const char *name, enum event_type *out);

/* For an input's field: NULL when there is such a type, else why not. */
const char *event_type_check(const char *name);
