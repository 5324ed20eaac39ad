/*
 * recurring.h: what a subscription at Stripe bills again and again, as text of JSON; migration 37 says
 * its form and computes the monthly value of it. Metered items are left out.
 */
#pragma once

#include "operation/operation.h"
#include "stripe/objects.h"

/* The currency of what it bills; NULL: not known. */
const char *recurring_currency(const struct stripe_subscription *subscription);

/* Fetches the discounts and coupons that the object shows by their ids alone: two requests at most for a
 * subscription with one coupon, three if that has an amount in several currencies, none without
 * discounts. */
enum fail recurring_complete(struct operation *operation,
                             struct stripe_subscription *subscription) MUST_CHECK;

/* The text. `discount_ids` are Stripe's ids of all discounts of the subscription, or of its customer's if
 * it inherits that (`inherited`). Items and discounts without a monthly value are counted as `uncounted`,
 * with `reasons`: price (no amount for one, but tiers or packages), interval, currency (another one),
 * discount (its coupon cannot be read, or what it takes off depends on others). `ours` is the text so far,
 * whose inherited discounts stay if the object does not show the customer; NULL: none. */
const char *recurring_text(struct arena *arena, const struct stripe_subscription *subscription,
                           const char *ours);

/* The text as far as a list tells it, which shows discounts by their ids alone: `ours` unless the list
 * tells all, or names other discounts of the subscription or its customer, or ours is not known (NULL). ""
 * is ours whatever the list tells of discounts. Other discounts of items are not noticed here: Stripe sends
 * an event of the subscription when these change. */
const char *recurring_listed(struct arena *arena,
                             const struct stripe_subscription *subscription, const char *ours);
