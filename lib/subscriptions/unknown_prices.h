/* unknown_prices.h: subscriptions of customers at a price that no plan has (price_plans.h). They are
 * paid, and the price grants nothing until an operator says what it buys. */
#pragma once

#include "subscriptions/sold_items.h"

extern const struct statement_list unknown_price_statements;

/* Records which unknown prices the subscription has now: none when it has ended or its plan is
 * known. Ends access when an operator has removed the mapping of such a price, and gives it back
 * when the plan is known. In the open transaction; `*changed` tells whether there was a new one. */
enum fail unknown_prices_record(struct operation *operation, const char *customer_id,
                                const struct sold_subscription *subscription,
                                bool *changed) MUST_CHECK;

/* Whether the subscription has an unknown price in that status already. */
enum fail unknown_prices_are_recorded(struct operation *operation,
                                      const struct sold_subscription *subscription,
                                      bool *recorded) MUST_CHECK;

/* Forgets the unknown prices of a subscription that Stripe does not have. */
enum fail unknown_prices_gone(struct operation *operation,
                              const char *stripe_subscription_id) MUST_CHECK;

/* Stores events that sync subscriptions which were not in Stripe's list since then: they have
 * ended. */
enum fail unknown_prices_sync_unseen(struct operation *operation,
                                     struct instant since) MUST_CHECK;

struct unknown_price {
	const char *price_id;
	const char *stripe_subscription_id;
	const char *customer_id;
	const char *status;
	const char *plan; /* that the subscription keeps from before; NULL: none */
	struct instant first_seen_at;
};

/* The subscriptions at an unknown price, oldest first. */
enum fail unknown_prices_list(struct operation *operation, int64_t limit,
                              const struct unknown_price **out, size_t *count) MUST_CHECK;

/* How many subscriptions have an unknown price. */
enum fail unknown_prices_count(struct operation *operation, int64_t *subscriptions) MUST_CHECK;

/* How many of them keep the plan that they had before. */
enum fail unknown_prices_count_kept(struct operation *operation,
                                    int64_t *subscriptions) MUST_CHECK;
