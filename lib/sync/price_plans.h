/* price_plans.h: which plan a price of Stripe's buys, where STRIPE_PRICES does not name it. An
 * operator's mapping counts first, then `metadata.plan` of the price, then that of its
 * product. */
#pragma once

#include "subscriptions/sold_items.h"

/* Where a plan is looked for, each in addition to those before. */
enum price_sources {
	PRICES_MAPPED,   /* an operator's mapping */
	PRICES_METADATA, /* and the price's metadata, which the subscription's object has */
	PRICES_PRODUCTS /* and its product's metadata, which is fetched when nothing else helps */
};

extern const struct statement_list price_plan_statements;

/* Completes the plan of a subscription by prices that STRIPE_PRICES does not name, and lists those
 * that remain unknown. A product that the key may not read has no plan. */
enum fail price_plans_find(struct operation *operation, enum price_sources sources,
                           struct sold_subscription *subscription) MUST_CHECK;

/* A price's plan as an operator gives it, and the subscriptions that it concerns. */
struct price_mapping {
	const char *price_id;
	const char *plan; /* NULL: the price is none of ours */
	const char *plan_before;
	bool known_before;
	int64_t subscriptions; /* at this price that have a plan by now */
	int64_t waiting;       /* that are recorded as unknown */
};

/* Reads the present mapping of `price_id`, and the subscriptions that a change concerns. */
enum fail price_mapping_read(struct operation *operation, const char *price_id,
                             struct price_mapping *out) MUST_CHECK;

/* Whether the mapping may be made, or with `remove` removed: FAIL_INVALID "unknown_plan",
 * FAIL_CONFLICT "price_in_settings", FAIL_NOT_FOUND "price_not_mapped". */
enum fail price_mapping_check(struct operation *operation, const struct price_mapping *mapping,
                              bool remove) MUST_CHECK;

/* Makes or removes the mapping, and has all subscriptions at the price synced; audited. When the
 * price is none of ours these give no access from now on. When the mapping is removed the sync ends
 * access, unless it finds another plan. Fails as price_mapping_check(). Begins and commits a
 * transaction. */
enum fail price_mapping_change(struct operation *operation, const struct price_mapping *mapping,
                               bool remove) MUST_CHECK;
