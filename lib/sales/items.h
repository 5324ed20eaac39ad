/*
 * items.h: the items that a subscription is to have: the plan's price, and the metered
 * prices of the meters that the plan names.
 */
#ifndef SALES_ITEMS_H
#define SALES_ITEMS_H

#include "billing/operation.h"
#include "stripe/form.h"
#include "stripe/objects.h"

/* Adds, as prefix[first][price] and so on, the metered prices that go with the plan's price. A meter
 * that the subscription (NULL: none) bills already is left as it is. Nothing is
 * ever taken away: an item whose meter the plan does not name bills what was used until now, and
 * meters that no plan names are told nothing more. Removed or exchanged, Stripe would not bill it
 * (docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup, classic billing mode).
 */
void stripe_items_add_metered(struct stripe_form *form, const char *prefix, size_t first,
                              const struct billing *billing, const struct plan_price *price,
                              const struct stripe_subscription *subscription);

#endif
