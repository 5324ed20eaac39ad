/* catalogue.c: THE table of events. */
#include "events/catalogue.h"

#include <string.h>

struct entry {
	const char *name;
	const char *object;
	bool customers; /* a customer may see its own */
};

/* clang-format off */
static const struct entry entries[EVENT_TYPES] = {
	[EVENT_CUSTOMER_CREATED] =              {"customer.created", "customer", true},
	[EVENT_CUSTOMER_UPDATED] =              {"customer.updated", "customer", true},
	[EVENT_CUSTOMER_DELETED] =              {"customer.deleted", "customer", true},
	[EVENT_TRIAL_STARTED] =                 {"trial.started", "subscription", true},
	[EVENT_TRIAL_ENDING] =                  {"trial.ending", "subscription", true},
	[EVENT_TRIAL_EXPIRED] =                 {"trial.expired", "subscription", true},
	[EVENT_TRIAL_CONVERTED] =               {"trial.converted", "subscription", true},
	[EVENT_SUBSCRIPTION_ACTIVATED] =        {"subscription.activated", "subscription", true},
	[EVENT_SUBSCRIPTION_PLAN_CHANGED] =     {"subscription.plan_changed", "subscription", true},
	[EVENT_SUBSCRIPTION_CANCEL_SCHEDULED] = {"subscription.cancel_scheduled", "subscription", true},
	[EVENT_SUBSCRIPTION_RESUMED] =          {"subscription.resumed", "subscription", true},
	[EVENT_SUBSCRIPTION_CANCELED] =         {"subscription.canceled", "subscription", true},
	[EVENT_SUBSCRIPTION_PAST_DUE] =         {"subscription.past_due", "subscription", true},
	[EVENT_SUBSCRIPTION_RECOVERED] =        {"subscription.recovered", "subscription", true},
	[EVENT_SUBSCRIPTION_PAUSED] =           {"subscription.paused", "subscription", true},
	[EVENT_CONTRACT_CREATED] =              {"contract.created", "contract", true},
	[EVENT_CONTRACT_AMENDED] =              {"contract.amended", "contract", true},
	[EVENT_CONTRACT_ENDING] =               {"contract.ending", "contract", true},
	[EVENT_CONTRACT_ENDED] =                {"contract.ended", "contract", true},
	[EVENT_PAYMENT_FAILED] =                {"payment.failed", "invoice", true},
	[EVENT_PAYMENT_ACTION_REQUIRED] =       {"payment.action_required", "invoice", true},
	[EVENT_PAYMENT_SUCCEEDED] =             {"payment.succeeded", "invoice", true},
	[EVENT_REFUND_CREATED] =                {"refund.created", "reversal", true},
	[EVENT_DISPUTE_OPENED] =                {"dispute.opened", "reversal", true},
	[EVENT_DISPUTE_CLOSED] =                {"dispute.closed", "reversal", true},
	[EVENT_LICENSE_ISSUED] =                {"license.issued", "license", true},
	[EVENT_LICENSE_ROTATED] =               {"license.rotated", "license", true},
	[EVENT_LICENSE_REVOKED] =               {"license.revoked", "license", true},
	[EVENT_LICENSE_EXPIRING] =              {"license.expiring", "license", true},
	[EVENT_LICENSE_EXPIRED] =               {"license.expired", "license", true},
	[EVENT_INSTANCE_ACTIVATED] =            {"instance.activated", "instance", true},
	[EVENT_INSTANCE_RELEASED] =             {"instance.released", "instance", true},
	[EVENT_INSTANCE_LOST] =                 {"instance.lost", "instance", true},
	[EVENT_INSTANCE_MANY] =                 {"instance.many", "instance", true},
	[EVENT_INSTANCE_OVER_LIMIT] =           {"instance.over_limit", "instance", true},
	[EVENT_USAGE_THRESHOLD] =               {"usage.threshold", "usage", true},
	[EVENT_OVERRIDE_SET] =                  {"override.set", "override", false},
	[EVENT_KEY_CREATED] =                   {"key.created", "key", true},
	[EVENT_KEY_REVOKED] =                   {"key.revoked", "key", true},
	[EVENT_SIGNING_KEY_ADDED] =             {"signing_key.added", "signing_key", false},
	[EVENT_SIGNING_KEY_USED] =              {"signing_key.used", "signing_key", false},
	[EVENT_SIGNING_KEY_RETIRED] =           {"signing_key.retired", "signing_key", false},
	[EVENT_SIGNING_KEY_DISTRUSTED] =        {"signing_key.distrusted", "signing_key", false},
	[EVENT_STRIPE_PARKED] =                 {"stripe.parked", "stripe_record", false},
	[EVENT_STRIPE_UNKNOWN_PRICE] =          {"stripe.unknown_price", "stripe_price", false},
	[EVENT_ENDPOINT_DISABLED] =             {"endpoint.disabled", "webhook_endpoint", false},
};
/* clang-format on */

const char *
event_type_name(enum event_type type)
{
	return entries[type].name;
}

const char *
event_type_object(enum event_type type)
{
	return entries[type].object;
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
