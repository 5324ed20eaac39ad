/* addon_items.h: the add-ons of a purchase as items of a checkout or a subscription. */
#pragma once

#include "billing/purchase.h"
#include "stripe/form.h"
#include "subscriptions/sold_items.h"

/* The prices of add-ons, in the order of PLANS_FILE; NULL where none is needed. */
struct addon_prices {
	const struct price *of[PLAN_ADDONS_MAX];
};

/* Finds the prices of the add-ons of a purchase, by the terms of the plan's price. FAIL_INVALID with a
 * bad field "addons.<add-on>" for each that is not sold by them. */
enum fail addon_prices_find(struct operation *operation, const struct price_terms *terms,
                            const struct purchase *purchase,
                            struct addon_prices *out) MUST_CHECK;

/* Adds the add-ons of a purchase as new items, from prefix[*next] on. */
void addon_items_add(struct stripe_form *form, const char *prefix, size_t *next,
                     const struct addon_prices *prices, const struct purchase *purchase);

/* A change of the add-ons of a subscription. */
struct addon_change {
	const struct sold_subscription *sold;
	struct purchase before, after;
	struct addon_prices prices; /* of those that are new, or get another price */
	bool reprices;              /* all get another price: the interval changes */
};

/* Whether the subscription has no item of the add-on, not even one of which none is bought. */
bool addon_change_is_new(const struct plans *plans, const struct addon_change *change,
                         size_t i);

/* How many items the subscription has after the change, without those that begin to bill use. */
size_t addon_change_count(const struct plans *plans, const struct addon_change *change);

/* Adds the items that the change adds, changes and deletes, from prefix[*next] on. */
void addon_change_items(struct stripe_form *form, const char *prefix, size_t *next,
                        const struct plans *plans, const struct addon_change *change);
