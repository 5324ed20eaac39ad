/* recurring.c: what a subscription at Stripe bills again and again, as text. */
#include "subscriptions/recurring.h"

#include "base/arena.h"
#include "base/text.h"
#include "outbox/fetch.h"
#include "json/out.h"

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

/* The array of items is another one afterwards: it may be shared. */
static void
take_discounts(struct arena *arena, struct stripe_subscription *subscription,
               const struct stripe_subscription *shown)
{
	struct stripe_item *items =
	        arena_array(arena, subscription->item_count + 1, sizeof(*items));

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
	bool all = are_shown(&subscription->discounts);

	for (size_t i = 0; i < subscription->item_count; i++)
		all = all && are_shown(&subscription->items[i].discounts);
	if (all)
		return FAIL_NONE;
	TRY(stripe_fetch(operation, "/v1/subscriptions/%s", subscription->id, expanded,
	                 &object));
	if (stripe_subscription_read(&object, &shown))
		take_discounts(operation->task->arena, subscription, &shown);
	return FAIL_NONE;
}

/* A coupon that was deleted goes on at Stripe, but nothing can be known of it. */
static enum fail
fetch_coupons(struct operation *operation, const struct stripe_discounts *discounts)
{
	for (size_t i = 0; i < discounts->count; i++) {
		struct stripe_discount *discount = &discounts->list[i];
		struct json_view coupon;
		enum fail kind;

		if (discount->coupon == NULL)
			continue;
		kind = stripe_fetch(operation, "/v1/coupons/%s", discount->coupon, NULL,
		                    &coupon);
		if (kind == FAIL_NONE)
			stripe_coupon_read(&coupon, discount);
		else if (kind != FAIL_NOT_FOUND)
			return kind;
		task_clear(operation->task);
	}
	return FAIL_NONE;
}

enum fail
recurring_complete(struct operation *operation, struct stripe_subscription *subscription)
{
	if (stripe_status_is_final(subscription->status))
		return FAIL_NONE;
	TRY(show_discounts(operation, subscription));
	for (size_t i = 0; i < subscription->item_count; i++)
		TRY(fetch_coupons(operation, &subscription->items[i].discounts));
	return fetch_coupons(operation, &subscription->discounts);
}

/* Why an item or a discount has no monthly value. */
enum reason { REASON_PRICE, REASON_INTERVAL, REASON_CURRENCY, REASON_DISCOUNT, REASONS };

static const char *const reason_names[REASONS] = {
        [REASON_PRICE] = "price",
        [REASON_INTERVAL] = "interval",
        [REASON_CURRENCY] = "currency",
        [REASON_DISCOUNT] = "discount",
};

struct uncounted {
	int64_t of[REASONS];
};

static void
write_uncounted(struct json_out *json, const struct uncounted *uncounted)
{
	int64_t count = 0;

	for (size_t i = 0; i < REASONS; i++)
		count += uncounted->of[i];
	if (count == 0)
		return;
	json_out_int(json, "uncounted", count);
	json_out_open(json, "reasons", '[');
	for (size_t i = 0; i < REASONS; i++)
		if (uncounted->of[i] > 0)
			json_out_string(json, NULL, reason_names[i]);
	json_out_close(json, ']');
}

/* Writes the discounts that last. */
static void
write_discounts(struct json_out *json, const struct stripe_discounts *discounts,
                const char *currency, struct uncounted *uncounted)
{
	json_out_open(json, "discounts", '[');
	for (size_t i = 0; i < discounts->count; i++) {
		const struct stripe_discount *discount = &discounts->list[i];

		if (!discount->known || discount->coupon != NULL) {
			uncounted->of[REASON_DISCOUNT]++;
			continue;
		}
		if (!discount->forever ||
		    (discount->percent == NULL && !text_equal(discount->currency, currency)))
			continue;
		json_out_open(json, NULL, '{');
		if (discount->percent != NULL)
			json_out_string(json, "percent", discount->percent);
		else
			json_out_string(json, "amount", discount->amount);
		json_out_close(json, '}');
	}
	json_out_close(json, ']');
}

static bool
is_interval(const char *interval, int64_t count)
{
	static const char *const known[] = {"day", "week", "month", "year"};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (text_equal(interval, known[i]))
			return count > 0;
	return false;
}

/* Why the item is not counted; REASONS: it is. */
static enum reason
reason_of(const struct stripe_item *item, const char *currency)
{
	if (item->unit_amount == NULL)
		return REASON_PRICE;
	if (!is_interval(item->interval, item->interval_count))
		return REASON_INTERVAL;
	return text_equal(item->currency, currency) ? REASONS : REASON_CURRENCY;
}

static void
write_items(struct json_out *json, const struct stripe_subscription *stripe,
            const char *currency, struct uncounted *uncounted)
{
	json_out_open(json, "items", '[');
	for (size_t i = 0; i < stripe->item_count; i++) {
		const struct stripe_item *item = &stripe->items[i];
		enum reason reason = reason_of(item, currency);

		if (item->metered)
			continue;
		if (reason != REASONS) {
			uncounted->of[reason]++;
			continue;
		}
		json_out_open(json, NULL, '{');
		json_out_string(json, "amount", item->unit_amount);
		json_out_int(json, "quantity", stripe_item_quantity(item));
		json_out_string(json, "interval", item->interval);
		json_out_int(json, "interval_count", item->interval_count);
		if (item->discounts.count > 0)
			write_discounts(json, &item->discounts, currency, uncounted);
		json_out_close(json, '}');
	}
	json_out_close(json, ']');
}

/* The first item that is not metered says how often the subscription is billed. */
static const struct stripe_item *
first_item(const struct stripe_subscription *stripe)
{
	static const struct stripe_item none = {0};

	for (size_t i = 0; i < stripe->item_count; i++)
		if (!stripe->items[i].metered)
			return &stripe->items[i];
	return &none;
}

const char *
recurring_text(struct arena *arena, const struct stripe_subscription *stripe)
{
	const struct stripe_item *item = first_item(stripe);
	const char *currency = stripe->currency != NULL ? stripe->currency : item->currency;
	struct json_out json = json_out_new(arena, 256 + 128 * stripe->item_count);
	struct uncounted uncounted = {0};

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "currency", currency);
	json_out_string(&json, "interval", item->interval);
	json_out_int(&json, "interval_count", item->interval_count);
	write_items(&json, stripe, currency, &uncounted);
	if (stripe->discounts.count > 0)
		write_discounts(&json, &stripe->discounts, currency, &uncounted);
	write_uncounted(&json, &uncounted);
	json_out_close(&json, '}');
	return json.text.data;
}

static bool
all_is_listed(const struct stripe_subscription *stripe)
{
	for (size_t i = 0; i < stripe->item_count; i++)
		if (!stripe_discounts_are_known(&stripe->items[i].discounts))
			return false;
	return stripe_discounts_are_known(&stripe->discounts) && !stripe->has_more_items;
}

const char *
recurring_listed(struct arena *arena, const struct stripe_subscription *stripe,
                 const char *ours)
{
	return ours == NULL || all_is_listed(stripe) ? recurring_text(arena, stripe) : ours;
}
