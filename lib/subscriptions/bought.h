/* bought.h: what a subscription at Stripe buys, without what is not paid for. */
#pragma once

#include "billing/purchase.h"
#include "subscriptions/sold_items.h"
#include "subscriptions/subscriptions.h"

struct bought {
	const char *plan; /* NULL: neither a price of ours nor a row */
	struct purchase purchase;
};

/* Finds what the items buy. Items at unknown prices keep the plan and quantity of our row (NULL: there
 * is none). */
void bought_find(const struct operation *operation, const struct sold_subscription *sold,
                 const struct synced_subscription *row, struct bought *out);

/* Whether the subscription owes the money of a change of our row: of its last one, or of one since the
 * payment that has failed by the row. Stripe then has the new items already, unless the change waits for
 * its payment (docs.stripe.com/billing/subscriptions/pending-updates). */
bool bought_is_unpaid(const struct stripe_subscription *stripe,
                      const struct synced_subscription *row);

/* Takes back what the last change has added to the row: the greater plan, the greater quantities. */
void bought_take_back(const struct operation *operation, const struct synced_subscription *row,
                      struct bought *bought);
