/* items.h: adds the items of a subscription that bill metered use. */
#pragma once

#include "operation/operation.h"
#include "stripe/form.h"
#include "stripe/objects.h"

/* Adds, as prefix[first][price] and so on, the metered prices that go with the plan's price. A
 * meter that the subscription (NULL: none) bills already is left out. No item
 * is ever removed or exchanged, because Stripe would not bill the use until then: an item whose
 * meter the plan does not name bills that use, and gets no more of it
 * (docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup, classic billing
 * mode). */
void stripe_items_add_metered(struct stripe_form *form, const char *prefix, size_t first,
                              const struct billing *billing, const struct price *price,
                              const struct stripe_subscription *subscription);

/* How many items that adds. */
size_t stripe_items_count_metered(const struct billing *billing, const struct price *price,
                                  const struct stripe_subscription *subscription);
