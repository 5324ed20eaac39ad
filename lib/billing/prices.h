/*
 * prices.h: Stripe's prices of the plans and meters that this installation sells.
 */
#ifndef BILLING_PRICES_H
#define BILLING_PRICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

struct plans;

enum { PLAN_PRICES_MAX = 96, METER_PRICES_MAX = 96 };

/* One of Stripe's prices and the plan that it buys. Prices at the same position of two plans bill
 * in the same interval: the first ones monthly, say, the second ones yearly. */
struct plan_price {
	const char *price_id;
	const char *plan;
	size_t position;
};

/* One of Stripe's metered prices and the meter whose use it bills; positions as above. */
struct meter_price {
	const char *price_id;
	const char *meter;
	size_t position;
};

struct price_list {
	struct plan_price plan_prices[PLAN_PRICES_MAX];
	size_t plan_price_count;
	struct meter_price meter_prices[METER_PRICES_MAX];
	size_t meter_price_count;
};

/* Adds a plan's comma-separated prices. FAIL_INVALID "invalid_setting" with a sentence that begins
 * with `setting`: a price twice, no such plan, too many. */
enum fail price_list_add(struct task *task, struct price_list *list, const struct plans *plans,
                         const char *setting, const char *plan, const char *prices) MUST_CHECK;

/* Adds metered prices, "meter:price_id,...", by the same rules; each meter is one that a plan
 * names. */
enum fail price_list_add_metered(struct task *task, struct price_list *list,
                                 const struct plans *plans, const char *setting,
                                 const char *prices) MUST_CHECK;

/* The plan that the price buys, or NULL. */
const struct plan_price *price_list_find(const struct price_list *list, const char *price_id);

/* The plan's price at the position, else its first one; NULL when it is not sold through Stripe. */
const struct plan_price *price_list_for_plan(const struct price_list *list, const char *plan,
                                             size_t position);

/* The meter whose use the price bills, or NULL. */
const char *price_list_meter_of(const struct price_list *list, const char *price_id);

/* The meter's price at the position, else its first one; NULL when it has none. */
const char *price_list_for_meter(const struct price_list *list, const char *meter,
                                 size_t position);

#endif
