/* recurring_fetch.c: fetches the discounts and coupons that a subscription at Stripe names. */
#include "subscriptions/recurring.h"

#include "base/arena.h"
#include "base/text.h"
#include "outbox/fetch.h"

/* Fetches an object that MRR alone needs. Access does not depend on it: `*found` is false when Stripe does
 * not have it any more, or does not let our key read it. */
static enum fail
fetch_for_mrr(struct operation *operation, const char *format, const char *id,
              const char *query, struct json_view *out, bool *found)
{
	enum fail kind = stripe_fetch(operation, format, id, query, out);

	*found = kind == FAIL_NONE;
	if (!*found && stripe_is_away(operation, kind))
		return kind;
	task_clear(operation->task);
	return FAIL_NONE;
}

static const char expanded[] = "expand[0]=discounts&expand[1]=items.data.discounts";

/* Whether the discounts were expanded, though perhaps not their coupons. */
static bool
are_shown(const struct stripe_discounts *discounts)
{
	for (size_t i = 0; i < discounts->count; i++)
		if (!discounts->list[i].known)
			return false;
	return true;
}

static const struct stripe_item *
item_named(const struct stripe_subscription *subscription, const char *id)
{
	for (size_t i = 0; i < subscription->item_count; i++)
		if (text_equal(subscription->items[i].id, id))
			return &subscription->items[i];
	return NULL;
}

/* The array of items is another one afterwards: it may be shared. `shown` does not have the customer, whose
 * discount stays. */
static void
take_discounts(struct arena *arena, struct stripe_subscription *subscription,
               const struct stripe_subscription *shown)
{
	struct stripe_item *items =
	        arena_array(arena, subscription->item_count + 1, sizeof(*items));

	if (!subscription->inherits)
		subscription->discounts = shown->discounts;
	for (size_t i = 0; i < subscription->item_count; i++) {
		const struct stripe_item *item = &subscription->items[i];
		const struct stripe_item *other = item_named(shown, item->id);

		items[i] = *item;
		if (other != NULL)
			items[i].discounts = other->discounts;
	}
	subscription->items = items;
}

static enum fail
show_discounts(struct operation *operation, struct stripe_subscription *subscription)
{
	struct stripe_subscription shown;
	struct json_view object;
	bool found, all = are_shown(&subscription->discounts);

	for (size_t i = 0; i < subscription->item_count; i++)
		all = all && are_shown(&subscription->items[i].discounts);
	if (all)
		return FAIL_NONE;
	TRY(fetch_for_mrr(operation, "/v1/subscriptions/%s", subscription->id, expanded,
	                  &object, &found));
	if (found && stripe_subscription_read(&object, &shown))
		take_discounts(operation->task->arena, subscription, &shown);
	return FAIL_NONE;
}

/* A coupon shows its amounts in other currencies only when it is asked for them. */
static enum fail
fetch_amount(struct operation *operation, const char *id, const char *currency,
             struct stripe_discount *discount)
{
	struct json_view coupon;
	bool found;

	if (!discount->forever || discount->percent != NULL ||
	    text_equal(discount->currency, currency))
		return FAIL_NONE;
	TRY(fetch_for_mrr(operation, "/v1/coupons/%s", id, "expand[0]=currency_options",
	                  &coupon, &found));
	if (found)
		stripe_coupon_read_amount(&coupon, currency, discount);
	return FAIL_NONE;
}

/* A coupon that was deleted goes on at Stripe, but nothing can be known of it that its discount does not
 * show; nor can it of a coupon that our key may not read. */
static enum fail
fetch_coupons(struct operation *operation, const struct stripe_discounts *discounts,
              const char *currency)
{
	for (size_t i = 0; i < discounts->count; i++) {
		struct stripe_discount *discount = &discounts->list[i];
		const char *id = discount->coupon;
		struct json_view coupon;
		bool found;

		if (id == NULL)
			continue;
		TRY(fetch_for_mrr(operation, "/v1/coupons/%s", id, "expand[0]=applies_to",
		                  &coupon, &found));
		if (found)
			stripe_coupon_read(&coupon, discount);
		TRY(fetch_amount(operation, id, currency, discount));
	}
	return FAIL_NONE;
}

enum fail
recurring_complete(struct operation *operation, struct stripe_subscription *subscription)
{
	const char *currency = recurring_currency(subscription);

	if (stripe_status_is_final(subscription->status))
		return FAIL_NONE;
	TRY(show_discounts(operation, subscription));
	for (size_t i = 0; i < subscription->item_count; i++)
		TRY(fetch_coupons(operation, &subscription->items[i].discounts, currency));
	return fetch_coupons(operation, &subscription->discounts, currency);
}
