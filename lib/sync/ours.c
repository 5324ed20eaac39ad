/* ours.c: which parts of Stripe's objects are ours. */
#include "sync/ours.h"

#include "base/wire.h"

/* Without an item that we sell the latest end of all items counts. */
static void
complete_period(struct sold_subscription *out)
{
	const struct stripe_subscription *stripe = &out->stripe;
	struct instant *end = &out->item.period_end;

	for (size_t i = 0; out->plan == NULL && i < stripe->item_count; i++) {
		struct instant other = stripe->items[i].period_end;

		if (other.known && (!end->known || other.ms > end->ms))
			*end = other;
	}
	if (!out->item.period_start.known)
		out->item.period_start = stripe->period_start;
	if (!end->known)
		*end = stripe->period_end;
}

void
sold_subscription_add(const struct operation *operation, struct sold_subscription *out,
                      const struct stripe_item *item, const char *plan, int64_t position)
{
	const struct plans *plans = &operation->billing->plans;

	out->plan_items++;
	if (out->plan != NULL && plans_rank(plans, plan) <= plans_rank(plans, out->plan))
		return;
	out->item = *item;
	out->plan = plan;
	out->position = position;
	complete_period(out);
}

bool
sold_subscription_read(const struct operation *operation, const struct json_view *object,
                       struct sold_subscription *out)
{
	const struct stripe_subscription *stripe = &out->stripe;

	*out = (struct sold_subscription){0};
	if (!stripe_subscription_read(object, &out->stripe))
		return false;
	if (stripe->item_count > 0)
		out->item = stripe->items[0];
	/* A metered item may stand before the plan's. */
	for (size_t i = 0; i < stripe->item_count; i++) {
		const struct price *price = price_list_find(&operation->billing->plan_prices,
		                                            stripe->items[i].price_id);

		if (price != NULL)
			sold_subscription_add(operation, out, &stripe->items[i], price->sells,
			                      (int64_t)price->position);
	}
	complete_period(out);
	return true;
}

const char *
own_customer_id(const char *named)
{
	return named != NULL && wire_is_customer_id(named) ? named : NULL;
}

/* We set both when we open a checkout; others may use the reference for something else. */
const char *
event_customer_id(const struct event_ref *ref)
{
	const char *reference = own_customer_id(ref->client_reference_id);

	return reference != NULL ? reference : own_customer_id(ref->customer_id);
}
