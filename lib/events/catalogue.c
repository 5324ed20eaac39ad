/* catalogue.c: the table of the types of events. */
#include "events/catalogue.h"

#include <string.h>

struct entry {
	const char *name;
	bool customers; /* a customer may see its own */
};

/* clang-format off */
static const struct entry entries[EVENT_TYPES] = {
	[EVENT_CUSTOMER_CREATED] =              {"customer.created", true},
	[EVENT_CUSTOMER_UPDATED] =              {"customer.updated", true},
	[EVENT_CUSTOMER_DELETED] =              {"customer.deleted", true},
	[EVENT_TRIAL_STARTED] =                 {"trial.started", true},
	[EVENT_TRIAL_ENDING] =                  {"trial.ending", true},
	[EVENT_TRIAL_EXPIRED] =                 {"trial.expired", true},
	[EVENT_TRIAL_CONVERTED] =               {"trial.converted", true},
	[EVENT_SUBSCRIPTION_ACTIVATED] =        {"subscription.activated", true},
	[EVENT_SUBSCRIPTION_PLAN_CHANGED] =     {"subscription.plan_changed", true},
	[EVENT_SUBSCRIPTION_CANCEL_SCHEDULED] = {"subscription.cancel_scheduled", true},
	[EVENT_SUBSCRIPTION_RESUMED] =          {"subscription.resumed", true},
	[EVENT_SUBSCRIPTION_CANCELED] =         {"subscription.canceled", true},
	[EVENT_SUBSCRIPTION_PAST_DUE] =         {"subscription.past_due", true},
	[EVENT_SUBSCRIPTION_RECOVERED] =        {"subscription.recovered", true},
	[EVENT_SUBSCRIPTION_PAUSED] =           {"subscription.paused", true},
	[EVENT_CONTRACT_CREATED] =              {"contract.created", true},
	[EVENT_CONTRACT_AMENDED] =              {"contract.amended", true},
	[EVENT_CONTRACT_ENDING] =               {"contract.ending", true},
	[EVENT_CONTRACT_ENDED] =                {"contract.ended", true},
	[EVENT_PAYMENT_FAILED] =                {"payment.failed", true},
	[EVENT_PAYMENT_ACTION_REQUIRED] =       {"payment.action_required", true},
	[EVENT_PAYMENT_SUCCEEDED] =             {"payment.succeeded", true},
	[EVENT_REFUND_CREATED] =                {"refund.created", true},
	[EVENT_DISPUTE_OPENED] =                {"dispute.opened", true},
	[EVENT_DISPUTE_CLOSED] =                {"dispute.closed", true},
	[EVENT_LICENSE_ISSUED] =                {"license.issued", true},
	[EVENT_LICENSE_ROTATED] =               {"license.rotated", true},
	[EVENT_LICENSE_REVOKED] =               {"license.revoked", true},
	[EVENT_LICENSE_EXPIRING] =              {"license.expiring", true},
	[EVENT_LICENSE_EXPIRED] =               {"license.expired", true},
	[EVENT_INSTANCE_ACTIVATED] =            {"instance.activated", true},
	[EVENT_INSTANCE_RELEASED] =             {"instance.released", true},
	[EVENT_INSTANCE_LOST] =                 {"instance.lost", true},
	[EVENT_INSTANCE_MANY] =                 {"instance.many", true},
	[EVENT_INSTANCE_OVER_LIMIT] =           {"instance.over_limit", true},
	[EVENT_USAGE_THRESHOLD] =               {"usage.threshold", true},
	[EVENT_OVERRIDE_SET] =                  {"override.set", false},
	[EVENT_KEY_CREATED] =                   {"key.created", true},
	[EVENT_KEY_REVOKED] =                   {"key.revoked", true},
	[EVENT_SIGNING_KEY_ADDED] =             {"signing_key.added", false},
	[EVENT_SIGNING_KEY_USED] =              {"signing_key.used", false},
	[EVENT_SIGNING_KEY_RETIRED] =           {"signing_key.retired", false},
	[EVENT_SIGNING_KEY_DISTRUSTED] =        {"signing_key.distrusted", false},
	[EVENT_STRIPE_PARKED] =                 {"stripe.parked", false},
	[EVENT_STRIPE_UNKNOWN_PRICE] =          {"stripe.unknown_price", false},
	[EVENT_ENDPOINT_DISABLED] =             {"endpoint.disabled", false},
};
/* clang-format on */

const char *
event_type_name(enum event_type type)
{
	return entries[type].name;
}

bool
event_type_is_customers(enum event_type type)
{
	return entries[type].customers;
}

bool
event_type_find(const char *name, enum event_type *out)
{
	for (size_t i = 0; i < EVENT_TYPES; i++) {
		if (strcmp(entries[i].name, name) != 0)
			continue;
		*out = (enum event_type)i;
		return true;
	}
	return false;
}

const char *
event_type_check(const char *name)
{
	enum event_type type;

	return event_type_find(name, &type) ? NULL : "is not a type of event";
}
