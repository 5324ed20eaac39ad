/* plan_change.c: the terms of a change from a subscription's plan to a requested one. */
#include "sales/plan_change.h"

#include "base/arena.h"
#include "base/text.h"
#include "billing/access.h"
#include "billing/customers.h"
#include "contracts/contracts.h"
#include "outbox/fetch.h"
#include "sales/items.h"
#include "sales/plan_compare.h"
#include "sync/objects.h"
#include "sync/price_plans.h"

/* A client may request the time of proration that a preview of the last hour named. With
 * another time it could choose its own discount. Clocks of several hosts may differ a
 * little. */
#define PREVIEW_LIFE_MS HOUR_MS
#define CLOCKS_APART_MS (60 * SECOND_MS)

enum fail
fail_nothing_to_change(struct operation *operation)
{
	return task_fail(operation->task, FAIL_CONFLICT, "nothing_to_change",
	                 "There is nothing to change.");
}

enum fail
fail_subscription_ended(struct operation *operation)
{
	return task_fail(operation->task, FAIL_CONFLICT, "subscription_ended",
	                 "The subscription has ended; start a checkout for a new one.");
}

enum fail
fail_checkout_needed(struct operation *operation)
{
	return task_fail(operation->task, FAIL_CONFLICT, "checkout_needed",
	                 "The customer has not bought anything yet; start a checkout.");
}

static bool
is_live_at_stripe(const struct subscription *subscription)
{
	return subscription != NULL && subscription->stripe_subscription_id != NULL &&
	       !stripe_status_is_final(subscription->status);
}

/* Only the vendor changes a contract that runs or is all that the customer has. */
static enum fail
refuse_contract(struct operation *operation, const struct subscription *newest)
{
	if (newest == NULL || !subscription_is_contract(newest) ||
	    text_equal(access_status(newest, operation->now_ms), "canceled"))
		return FAIL_NONE;
	return fail_contract_exists(operation);
}

enum fail
change_find(struct operation *operation, const char *customer_id, struct subscription *out)
{
	const struct subscription *newest;
	struct customer customer;
	bool found;

	TRY(customer_find(operation, customer_id, &customer));
	TRY(subscription_newest(operation, customer_id, &newest));
	TRY(refuse_contract(operation, newest));
	if (!is_live_at_stripe(newest) && customer.stripe_customer_id != NULL &&
	    operation->billing->sales.configured && operation->stripe != NULL) {
		TRY(db_begin(operation->db, operation->task));
		TRY(stripe_sync_bought(operation, customer.stripe_customer_id, customer_id,
		                       &found));
		TRY(db_commit(operation->db, operation->task));
	}
	return subscription_find(operation, customer_id, out);
}

enum fail
change_find_paid(struct operation *operation, const char *customer_id, struct subscription *out)
{
	TRY(change_find(operation, customer_id, out));
	if (subscription_is_contract(out))
		return fail_subscription_ended(operation);
	if (out->stripe_subscription_id == NULL)
		return fail_checkout_needed(operation);
	if (stripe_status_is_final(out->status))
		return fail_subscription_ended(operation);
	return out->hold_reason == NULL
	               ? FAIL_NONE
	               : task_fail(operation->task, FAIL_CONFLICT, "payment_reversed",
	                           "A payment was refunded or disputed, so this subscription "
	                           "ends.");
}

enum fail
change_fetch(struct operation *operation, const struct subscription *subscription,
             struct sold_subscription *out)
{
	struct json_view object;

	TRY(stripe_fetch(operation, "/v1/subscriptions/%s",
	                 subscription->stripe_subscription_id, "expand[0]=latest_invoice",
	                 &object));
	TRY(sold_subscription_complete(operation, &object, out));
	TRY(price_plans_find(operation, PRICES_PRODUCTS, out));
	return stripe_status_is_final(out->stripe.status) ? fail_subscription_ended(operation)
	                                                  : FAIL_NONE;
}

/* By our clock the current period may not have begun yet, or may have ended already. */
struct instant
change_terms_proration_at(const struct change_terms *terms, int64_t now_ms)
{
	const struct instant *start = &terms->sold.item.period_start,
	                     *end = &terms->sold.item.period_end;
	int64_t at_ms = now_ms / SECOND_MS * SECOND_MS;

	if (start->known && at_ms < start->ms)
		return *start;
	return end->known && at_ms > end->ms ? *end : INSTANT_MS(at_ms);
}

static enum fail
check_proration(struct operation *operation, struct instant at,
                const struct change_terms *terms)
{
	int64_t latest_ms = change_terms_proration_at(terms, operation->now_ms).ms;

	if (latest_ms < operation->now_ms + CLOCKS_APART_MS)
		latest_ms = operation->now_ms + CLOCKS_APART_MS;
	if (!at.known || (at.ms >= operation->now_ms - PREVIEW_LIFE_MS && at.ms <= latest_ms))
		return FAIL_NONE;
	return task_fail_field(operation->task, "proration_at",
	                       "must be of a preview of the last hour");
}

/* Whether the request names another interval than the present one. */
static bool
requests_interval(const struct plan_change *change, const struct price_terms *present)
{
	return change->interval != NULL &&
	       (!text_equal(change->interval, present->interval) ||
	        (change->interval_count != 0
	                 ? change->interval_count
	                 : present->interval_count) != present->interval_count);
}

/* The price that the plan's item has, which may be one that is no longer sold, or a negotiated one. */
static const struct price *
present_price(struct arena *arena, const struct sold_subscription *sold)
{
	struct price *price = arena_alloc(arena, sizeof(*price));

	*price = (struct price){sold->item.price_id, sold->plan, (size_t)sold->position};
	return price;
}

/* Whether PLANS_FILE lists other terms of the item's price than Stripe has. */
static bool
is_listed_otherwise(const struct billing *billing, const struct stripe_item *item)
{
	const struct price *price = price_list_find(&billing->plan_prices, item->price_id);
	const struct price_terms present = stripe_item_terms(item);
	struct price_terms listed;

	if (price == NULL)
		return false;
	listed = price_terms_of(&billing->plans, price);
	return listed.interval != NULL && !price_terms_match(&listed, &present);
}

/* Without a price by the present terms: finds it by its position, unless PLANS_FILE tells that its terms
 * are others. The customer would pay for another interval than the one that he has. */
static enum fail
choose_by_position(struct operation *operation, const struct plan_change *change,
                   struct change_terms *out)
{
	const struct billing *billing = operation->billing;
	const struct price_terms present = stripe_item_terms(&out->sold.item),
	                         any = {.currency = present.currency};

	out->price = price_list_for(&billing->plan_prices, change->new_plan,
	                            (size_t)out->sold.position);
	if (present.interval == NULL ||
	    price_terms_of(&billing->plans, out->price).interval == NULL ||
	    is_listed_otherwise(billing, &out->sold.item))
		return FAIL_NONE;
	if (price_list_for_terms(&billing->plan_prices, &billing->plans, change->new_plan, &any,
	                         SIZE_MAX) == NULL)
		return task_fail_field(operation->task, change->field,
		                       "is not sold in the subscription's currency");
	return task_fail_field(operation->task, "interval",
	                       "must be named: this plan is not sold by the present one");
}

/* Chooses the price of the requested plan: by the requested interval, else by the present one. The
 * present plan keeps its price. A price that PLANS_FILE does not list is found by its position. */
static enum fail
choose_price(struct operation *operation, const struct plan_change *change,
             struct change_terms *out)
{
	const struct billing *billing = operation->billing;
	const struct price_terms present = stripe_item_terms(&out->sold.item);
	struct price_terms wanted = present;
	size_t position = (size_t)out->sold.position;

	out->changes_interval = requests_interval(change, &present);
	if (!out->changes_interval && text_equal(out->sold.plan, change->new_plan)) {
		out->price = present_price(operation->task->arena, &out->sold);
		return FAIL_NONE;
	}
	if (out->changes_interval) {
		wanted.interval = change->interval;
		wanted.interval_count = change->interval_count;
		position = SIZE_MAX;
	}
	out->price = wanted.interval == NULL
	                     ? NULL
	                     : price_list_for_terms(&billing->plan_prices, &billing->plans,
	                                            change->new_plan, &wanted, position);
	if (out->price == NULL && out->changes_interval)
		return task_fail_field(operation->task, "interval",
		                       "is not one by which this plan is sold");
	return out->price == NULL ? choose_by_position(operation, change, out) : FAIL_NONE;
}

/* Finds the prices of the add-ons that are new, or all if they are billed by another interval. */
static enum fail
find_addon_prices(struct operation *operation, struct change_terms *out)
{
	const struct billing *billing = operation->billing;
	struct price_terms terms = price_terms_of(&billing->plans, out->price);
	struct purchase needed = out->addons.after;
	size_t count;

	if (!out->changes_interval)
		for (size_t i = 0; i < plans_known_addons(&billing->plans); i++)
			if (!addon_change_is_new(&billing->plans, &out->addons, i))
				needed.addons[i] = 0;
	if (terms.interval == NULL && !out->changes_interval)
		terms = stripe_item_terms(&out->sold.item);
	if (out->sold.item.currency != NULL)
		terms.currency = out->sold.item.currency;
	TRY(addon_prices_find(operation, &terms, &needed, &out->addons.prices));
	count = addon_change_count(&billing->plans, &out->addons) +
	        stripe_items_count_metered(billing, out->price, &out->sold.stripe);
	if (count <= PURCHASE_ITEMS_MAX || count <= out->sold.stripe.item_count)
		return FAIL_NONE;
	return task_fail_field(operation->task, "addons", "a subscription has %d items at most",
	                       PURCHASE_ITEMS_MAX);
}

static bool
bills_use(const struct billing *billing, const struct stripe_subscription *subscription)
{
	for (size_t i = 0; i < subscription->item_count; i++)
		if (price_list_find(&billing->meter_prices, subscription->items[i].price_id) !=
		    NULL)
			return true;
	return false;
}

/* All items of a subscription have one interval, and a metered item that is exchanged no longer
 * bills the use until then. A scheduled change has no interval. */
static enum fail
check_interval(struct operation *operation, const struct change_terms *terms)
{
	if (!terms->changes_interval)
		return FAIL_NONE;
	if (bills_use(operation->billing, &terms->sold.stripe))
		return task_fail(operation->task, FAIL_CONFLICT, "interval_fixed",
		                 "A subscription that bills use keeps its interval.");
	if (!terms->is_upgrade && operation->billing->sales.downgrade_at_period_end)
		return task_fail(operation->task, FAIL_CONFLICT, "interval_fixed",
		                 "A smaller plan begins with the next period, in the present "
		                 "interval.");
	return FAIL_NONE;
}

/* Another item may bill use, or something that is none of ours: it must stay. A quantity cannot be
 * given to one of several items of the plan. */
static enum fail
check_item(struct operation *operation, const struct sold_subscription *sold,
           const struct purchase_change *purchase)
{
	return !sold->item_is_first && (sold->plan_items < 2 || purchase->quantity == 0)
	               ? FAIL_NONE
	               : task_fail(operation->task, FAIL_CONFLICT, "price_unclear",
	                           "It is not clear which price of this subscription is its "
	                           "plan's; only the vendor can change it.");
}

bool
change_terms_are_present(const struct change_terms *terms)
{
	return text_equal(terms->sold.plan, terms->price->sells) && !terms->changes_interval &&
	       purchase_is_equal(&terms->addons.before, &terms->addons.after);
}

bool
change_terms_owe(const struct change_terms *terms)
{
	const struct stripe_subscription *now = &terms->sold.stripe;

	return text_equal(now->status, "past_due") || text_equal(now->status, "unpaid") ||
	       now->unpaid_invoice != NULL || (now->invoice_waits && !terms->is_upgrade);
}

enum fail
change_terms_check_paid(struct operation *operation, const struct change_terms *terms)
{
	if (!change_terms_owe(terms))
		return FAIL_NONE;
	return task_fail(operation->task, FAIL_CONFLICT, "payment_due",
	                 "A payment is due; pay the open invoice first.");
}

enum fail
change_terms_find(struct operation *operation, const struct plan_change *change,
                  struct change_terms *out)
{
	const struct billing *billing = operation->billing;
	const struct plans *plans = &billing->plans;
	struct comparison comparison;

	TRY(stripe_is_configured(operation));
	if (price_list_for(&billing->plan_prices, change->new_plan, 0) == NULL) {
		(void)task_fail_field(operation->task, change->field,
		                      "is not a plan that is sold online");
		return FAIL_INVALID;
	}
	TRY(purchase_check_quantity(operation->task, plans_find(plans, change->new_plan),
	                            &change->purchase));
	TRY(change_find_paid(operation, change->customer_id, &out->subscription));
	TRY(change_fetch(operation, &out->subscription, &out->sold));
	TRY(check_item(operation, &out->sold, &change->purchase));
	TRY(check_proration(operation, change->proration_at, out));
	TRY(choose_price(operation, change, out));
	plan_change_find_purchase(plans, change, out);
	TRY(find_addon_prices(operation, out));
	comparison = plan_change_compare(billing, change, out);
	TRY(plan_change_check_mixed(operation, &comparison));
	out->is_upgrade = plan_change_is_upgrade(&comparison);
	out->proration = out->is_upgrade ? "always_invoice" : "create_prorations";
	out->proration_at = change->proration_at;
	return check_interval(operation, out);
}

/* Without the item's id Stripe would add the price to the old one; without the quantity it
 * would set it to 1 (docs.stripe.com/billing/subscriptions/change-price). */
void
change_terms_add_items(struct stripe_form *form, const char *prefix,
                       const struct billing *billing, const struct change_terms *terms)
{
	struct arena *arena = form->text.arena;
	size_t next = 1;

	stripe_form_string(form, arena_printf(arena, "%s[0][id]", prefix), terms->sold.item.id);
	stripe_form_string(form, arena_printf(arena, "%s[0][price]", prefix),
	                   terms->price->price_id);
	if (terms->sold.item.quantity >= 0)
		stripe_form_int(form, arena_printf(arena, "%s[0][quantity]", prefix),
		                terms->addons.after.quantity);
	addon_change_items(form, prefix, &next, &billing->plans, &terms->addons);
	stripe_items_add_metered(form, prefix, next, billing, terms->price,
	                         &terms->sold.stripe);
}

void
change_terms_add_anchor(struct stripe_form *form, const char *key,
                        const struct billing *billing, const struct change_terms *terms)
{
	if (!terms->changes_interval || !terms->sold.stripe.flexible)
		return;
	if (billing->sales.anchor_is_object)
		key = arena_printf(form->text.arena, "%s[type]", key);
	stripe_form_string(form, key, "now");
}
