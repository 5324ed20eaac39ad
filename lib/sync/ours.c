/* ours.c: which parts of Stripe's objects are ours. */
#include "sync/ours.h"

#include "base/wire.h"

/* Chooses the item with the highest plan. A metered item may stand before it. */
static void
choose_item(const struct billing *billing, struct sold_subscription *out)
{
	const struct stripe_subscription *stripe = &out->stripe;

	if (stripe->item_count > 0)
		out->item = stripe->items[0];
	for (size_t i = 0; i < stripe->item_count; i++) {
		const struct price *price =
		        price_list_find(&billing->plan_prices, stripe->items[i].price_id);

		if (price == NULL)
			continue;
		out->plan_items++;
		if (out->plan != NULL && plans_rank(&billing->plans, price->sells) <=
		                                 plans_rank(&billing->plans, out->plan))
			continue;
		out->item = stripe->items[i];
		out->plan = price->sells;
		out->position = (int64_t)price->position;
	}
}

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

bool
sold_subscription_read(const struct operation *operation, const struct json_view *object,
                       struct sold_subscription *out)
{
	*out = (struct sold_subscription){0};
	if (!stripe_subscription_read(object, &out->stripe))
		return false;
	choose_item(operation->billing, out);
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
