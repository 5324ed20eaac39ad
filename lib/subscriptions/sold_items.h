/* sold_items.h: which parts of Stripe's objects are ours: the item of a subscription that we sell,
 * and the customer that an object names. */
#pragma once

#include "operation/operation.h"
#include "stripe/event.h"
#include "stripe/objects.h"

/* An item that has a price of an add-on. */
struct sold_addon {
	const char *addon;
	struct stripe_item item;
};

/* A subscription at Stripe, and its item that has a price of one of our plans, else the only one at an
 * unknown price that bills no use, else its first one. Of several items with such prices the one with
 * the highest plan counts, but one of which none is bought (quantity 0) only if all are so. */
struct sold_subscription {
	struct stripe_subscription stripe;
	struct stripe_item item; /* its period is the subscription's where it has none */
	bool item_is_first; /* the item is neither ours nor the only one at an unknown price */
	const char *plan;   /* that its price buys; NULL: no price of our plans */
	int64_t position;   /* of that price in its plan */
	size_t plan_items;  /* how many items have a price of one of our plans */
	int64_t quantity;   /* of all items with that plan */
	struct sold_addon *addons; /* in Stripe's order; an add-on may have several items */
	size_t addon_count;
	/* Filled by price_plans_find(). */
	bool by_metadata; /* a plan is one that the price's or product's metadata names */
	struct stripe_item *unknown; /* items at a price that no plan has */
	size_t unknown_count;
};

/* False when the object is no subscription. Reads the items that the object shows. */
bool sold_subscription_read(const struct operation *operation, const struct json_view *object,
                            struct sold_subscription *out);

/* Counts one more item whose price sells one of our plans or add-ons; a plan counts if it is the
 * highest so far. */
void sold_subscription_add(const struct operation *operation, struct sold_subscription *out,
                           const struct stripe_item *item, const char *sells, int64_t position);

/* Without a plan, takes the only item at an unknown price that bills no use, if there is one. */
void sold_subscription_take_unknown(struct sold_subscription *out);

/* Reads the subscription and fetches the items that its object does not show: in flexible billing
 * mode a subscription can have a hundred. FAIL_STRIPE when the object is no subscription. */
enum fail sold_subscription_complete(struct operation *operation,
                                     const struct json_view *object,
                                     struct sold_subscription *out) MUST_CHECK;

/* The begin of its present period while the charge for that is on its way: of a card for about an hour, of a
 * direct debit for days. Unknown when it is paid, failed, sent to be paid later, or paused. */
struct instant sold_unpaid_from(const struct sold_subscription *subscription);

/* The text when it has the form of our customers' ids, else NULL. */
const char *own_customer_id(const char *named);

/* The customer of ours that the event names, or NULL. */
const char *event_customer_id(const struct event_ref *ref);
