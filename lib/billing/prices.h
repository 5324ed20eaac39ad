/*
 * prices.h: what this installation sells through Stripe, and by which rules.
 */
#ifndef BILLING_PRICES_H
#define BILLING_PRICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

struct plans;

enum { STRIPE_PRICES_MAX = 96, STRIPE_METER_PRICES_MAX = 96 };

/* One of Stripe's prices and the plan that it buys. Prices at the same position of two plans bill
 * in the same interval: the first ones monthly, say, the second ones yearly. */
struct stripe_price {
	const char *price_id;
	const char *plan;
	size_t position;
};

/* One of Stripe's metered prices and the meter whose use it bills; positions as above. */
struct stripe_meter_price {
	const char *price_id;
	const char *meter;
	size_t position;
};

struct stripe_policy {
	bool configured; /* there is a key */
	bool live;       /* it is a live one: events of the other mode are none of ours */
	const char *webhook_secrets;
	struct stripe_price prices[STRIPE_PRICES_MAX];
	size_t price_count;
	struct stripe_meter_price meter_prices[STRIPE_METER_PRICES_MAX];
	size_t meter_price_count;
	const char *base_url;       /* its origin may always be returned to */
	const char *return_origins; /* further ones, separated by commas */
	bool downgrade_at_period_end;
	bool keep_trial;     /* checkout during a trial begins to bill at its end */
	bool cancel_second;  /* end a second subscription of a customer, not only report it */
	int64_t deadline_ms; /* all that one request may wait for Stripe */
	int64_t event_tries; /* then an event is parked */
};

/* Adds a plan's comma-separated prices. FAIL_INVALID "invalid_setting" with a sentence that begins
 * with `setting`: a price twice, no such plan, too many. */
enum fail stripe_policy_add(struct task *task, struct stripe_policy *policy,
                            const struct plans *plans, const char *setting, const char *plan,
                            const char *prices) MUST_CHECK;

/* Adds metered prices, "meter:price_id,...", by the same rules; each meter is one that a plan
 * names. */
enum fail stripe_policy_add_metered(struct task *task, struct stripe_policy *policy,
                                    const struct plans *plans, const char *setting,
                                    const char *prices) MUST_CHECK;

/* The plan that the price buys, or NULL. */
const struct stripe_price *stripe_policy_price(const struct stripe_policy *policy,
                                               const char *price_id);

/* The plan's price at the position, else its first one; NULL when it is not sold through Stripe. */
const struct stripe_price *stripe_policy_sells(const struct stripe_policy *policy,
                                               const char *plan, size_t position);

/* The meter whose use the price bills, or NULL. */
const char *stripe_policy_meter(const struct stripe_policy *policy, const char *price_id);

/* The meter's price at the position, else its first one; NULL when it has none. */
const char *stripe_policy_bills(const struct stripe_policy *policy, const char *meter,
                                size_t position);

/* NULL when Stripe may send a customer's browser there: an http(s) URL of BASE_URL's origin or a
 * listed one (RFC 6454); else why not. */
const char *stripe_policy_url_fault(const struct stripe_policy *policy, const char *url);

#endif
