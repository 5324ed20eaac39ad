/* families.c: the one table of Stripe's events that we act on. */
#include "sync/families.h"

#include <string.h>

#include "base/text.h"

/* Types of the same family that are not listed are read too; the listed ones bring all that
 * they could tell. */
static const struct event_family families[] = {
        {.name = "subscription",
         .prefix = "checkout.session.",
         .object = "checkout.session",
         .read = event_read_session,
         .sync = stripe_sync_subscription,
         .types = {{"checkout.session.completed", EVENT_SWEPT},
                   {"checkout.session.async_payment_succeeded", EVENT_SWEPT},
                   {"checkout.session.async_payment_failed", EVENT_SWEPT},
                   {"checkout.session.expired", EVENT_SUBSCRIBED}}},
        {.name = "subscription",
         .prefix = "customer.subscription.",
         .object = "subscription",
         .read = event_read_subscription,
         .sync = stripe_sync_subscription,
         .types = {{"customer.subscription.created", EVENT_SWEPT},
                   {"customer.subscription.updated", EVENT_SWEPT},
                   {"customer.subscription.deleted", EVENT_SWEPT},
                   {"customer.subscription.paused", EVENT_SWEPT},
                   {"customer.subscription.resumed", EVENT_SWEPT},
                   {"customer.subscription.pending_update_applied", EVENT_SWEPT},
                   {"customer.subscription.pending_update_expired", EVENT_SWEPT},
                   {"customer.subscription.trial_will_end", EVENT_SUBSCRIBED}}},
        {.name = "customer",
         .object = "customer",
         .read = event_read_customer,
         .sync = stripe_sync_customer,
         .types = {{"customer.updated", EVENT_SWEPT},
                   {"customer.deleted", EVENT_SWEPT},
                   {"customer.created", EVENT_READ}}},
        {.name = "invoice",
         .prefix = "invoice.",
         .object = "invoice",
         .read = event_read_invoice,
         .sync = stripe_sync_invoice,
         .types = {{"invoice.finalized", EVENT_SWEPT},
                   {"invoice.paid", EVENT_SWEPT},
                   {"invoice.payment_failed", EVENT_SWEPT},
                   {"invoice.payment_action_required", EVENT_SWEPT},
                   {"invoice.finalization_failed", EVENT_SWEPT},
                   {"invoice.voided", EVENT_SWEPT},
                   {"invoice.marked_uncollectible", EVENT_SWEPT},
                   {"invoice.deleted", EVENT_SWEPT}}},
        {.name = "charge",
         .object = "charge",
         .read = event_read_charge,
         .sync = stripe_sync_charge,
         .types = {{"charge.refunded", EVENT_SWEPT}}},
        {.name = "dispute",
         .object = "dispute",
         .read = event_read_dispute,
         .sync = stripe_sync_dispute,
         .types = {{"charge.dispute.created", EVENT_SWEPT},
                   {"charge.dispute.funds_withdrawn", EVENT_SWEPT},
                   {"charge.dispute.closed", EVENT_SWEPT}}},
        /* Thin events, which have an endpoint of their own. */
        {.name = "meter",
         .prefix = "v1.billing.meter.",
         .read = event_read_meter,
         .sync = stripe_sync_meters},
};

enum { FAMILIES = sizeof(families) / sizeof(*families) };

static bool
has_type(const struct event_family *family, const char *type)
{
	if (family->prefix != NULL)
		return text_starts_with(type, family->prefix);
	for (size_t i = 0; family->types[i].name != NULL; i++)
		if (strcmp(family->types[i].name, type) == 0)
			return true;
	return false;
}

static const struct event_family *
family_of(const struct stripe_event *event)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (has_type(&families[i], event->type) &&
		    (families[i].object == NULL ||
		     text_equal(families[i].object, event->object)))
			return &families[i];
	return NULL;
}

bool
event_read(const struct json_view *event, struct stripe_event *out)
{
	const struct event_family *family;

	if (!stripe_event_read(event, out))
		return false;
	family = family_of(out);
	if (family == NULL)
		return true;
	out->ref.family = family->name;
	family->read(event, &out->ref);
	/* A session that made no subscription, or an upcoming invoice without an id. */
	if (out->ref.subject == NULL)
		out->ref = (struct event_ref){0};
	return true;
}

const struct event_family *
event_family(const char *name)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (text_equal(families[i].name, name))
			return &families[i];
	return NULL;
}

const char *
event_type(enum event_use use, size_t index)
{
	for (size_t i = 0; i < FAMILIES; i++)
		for (const struct stripe_event_type *type = families[i].types;
		     type->name != NULL; type++)
			if (type->use >= use && index-- == 0)
				return type->name;
	return NULL;
}
