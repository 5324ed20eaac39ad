/* sold_items.c: which parts of Stripe's objects are ours. */
#include "subscriptions/sold_items.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/wire.h"
#include "outbox/fetch.h"
#include "stripe/client.h"
#include "stripe/form.h"

enum { ITEM_PAGES_MAX = 5, ITEM_PAGE = 100 };

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

/* Whether the item counts more than the one that was chosen so far: what is bought before an item of
 * which none is, then the higher plan. */
static bool
counts_more(const struct plans *plans, const struct sold_subscription *out,
            const struct stripe_item *item, const char *plan)
{
	const bool is_bought = stripe_item_quantity(item) > 0;

	if (out->plan == NULL || is_bought != (out->quantity > 0))
		return out->plan == NULL || is_bought;
	return plans_rank(plans, plan) > plans_rank(plans, out->plan);
}

static void
add_plan(const struct operation *operation, struct sold_subscription *out,
         const struct stripe_item *item, const char *plan, int64_t position)
{
	const struct plans *plans = &operation->billing->plans;

	out->plan_items++;
	if (!counts_more(plans, out, item, plan)) {
		if (text_equal(plan, out->plan))
			out->quantity += stripe_item_quantity(item);
		return;
	}
	out->item = *item;
	out->item_is_first = false;
	out->plan = plan;
	out->position = position;
	out->quantity = stripe_item_quantity(item);
	complete_period(out);
}

void
sold_subscription_add(const struct operation *operation, struct sold_subscription *out,
                      const struct stripe_item *item, const char *sells, int64_t position)
{
	if (plans_known_addon(&operation->billing->plans, sells) == NULL)
		add_plan(operation, out, item, sells, position);
	else
		out->addons[out->addon_count++] = (struct sold_addon){sells, *item};
}

void
sold_subscription_take_unknown(struct sold_subscription *out)
{
	const struct stripe_item *only = NULL;
	size_t count = 0;

	for (size_t i = 0; i < out->unknown_count; i++)
		if (!out->unknown[i].metered) {
			only = &out->unknown[i];
			count++;
		}
	if (out->plan != NULL || count != 1)
		return;
	out->item = *only;
	out->item_is_first = false;
	complete_period(out);
}

static const struct price *
price_sold(const struct billing *billing, const struct stripe_item *item)
{
	const struct price *price = price_list_find(&billing->plan_prices, item->price_id);

	return price != NULL ? price : price_list_find(&billing->addon_prices, item->price_id);
}

/* Chooses the item with the highest plan. A metered item may stand before it. */
static void
choose_item(const struct operation *operation, struct sold_subscription *out)
{
	const struct stripe_subscription *stripe = &out->stripe;

	out->item = stripe->item_count > 0 ? stripe->items[0] : (struct stripe_item){0};
	out->item_is_first = true;
	out->plan = NULL;
	out->plan_items = 0;
	out->quantity = 0;
	out->addons = arena_array(operation->task->arena, stripe->item_count + 1,
	                          sizeof(*out->addons));
	out->addon_count = 0;
	for (size_t i = 0; i < stripe->item_count; i++) {
		const struct price *price = price_sold(operation->billing, &stripe->items[i]);

		if (price != NULL)
			sold_subscription_add(operation, out, &stripe->items[i], price->sells,
			                      (int64_t)price->position);
	}
	complete_period(out);
}

bool
sold_subscription_read(const struct operation *operation, const struct json_view *object,
                       struct sold_subscription *out)
{
	*out = (struct sold_subscription){0};
	if (!stripe_subscription_read(object, &out->stripe))
		return false;
	choose_item(operation, out);
	return true;
}

enum fail
sold_subscription_complete(struct operation *operation, const struct json_view *object,
                           struct sold_subscription *out)
{
	struct stripe_subscription *stripe = &out->stripe;
	const char *last;
	bool more;

	if (!sold_subscription_read(operation, object, out))
		return stripe_answer_unusable(operation->task);
	more = stripe->has_more_items && stripe->item_count > 0;
	for (int pages = 0; more && pages < ITEM_PAGES_MAX; pages++) {
		struct stripe_form form = stripe_form_new(operation->task->arena);
		struct json_view data;

		last = stripe->items[stripe->item_count - 1].id;
		if (last == NULL)
			return stripe_answer_unusable(operation->task);
		stripe_form_string(&form, "subscription", stripe->id);
		stripe_form_int(&form, "limit", ITEM_PAGE);
		stripe_form_string(&form, "starting_after", last);
		TRY(stripe_fetch_list(operation, "/v1/subscription_items", NULL, form.text.data,
		                      &data, &more));
		stripe_items_append(stripe, &data);
	}
	choose_item(operation, out);
	return FAIL_NONE;
}

/* Whether the latest invoice charges for the period that began then. That of a later change does not, but that
 * of a change that begins a period, as of its interval, is made when the period begins. */
static bool
charges_for_period(const struct stripe_subscription *stripe, struct instant begin)
{
	const struct instant created = stripe->invoice_created;

	if (!created.known || !begin.known)
		return false;
	return stripe->invoice_is_of_change ? llabs(created.ms - begin.ms) < 60 * SECOND_MS
	                                    : created.ms < begin.ms + DAY_MS;
}

struct instant
sold_unpaid_from(const struct sold_subscription *subscription)
{
	const struct stripe_subscription *stripe = &subscription->stripe;
	struct instant from = subscription->item.period_start;
	bool waits = text_equal(stripe->status, "active") && stripe->invoice_waits &&
	             !stripe->sends_invoices && stripe->pause_behavior == NULL;

	return waits && charges_for_period(stripe, from) ? from : INSTANT_NONE;
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
