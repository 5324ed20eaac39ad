/* subscription_sync_fixture.h: subscriptions of Stripe's to store. */
#pragma once

#include "support/stripe_fixture.h"

#include "billing/subscriptions.h"
#include "subscriptions/subscriptions.h"

/* Everything happens in one transaction, which is undone. */
static inline void
sync_setup(void)
{
	stripe_setup();
	fine(db_begin(operation.db, &task));
}

/* Its own customer of Stripe's has the id of ours: no two tests share one. */
static inline struct sold_subscription
subscription(const char *id, const char *status, int64_t created_day)
{
	return (struct sold_subscription){
	        .stripe = {.id = id,
	                   .customer = customer_id,
	                   .status = status,
	                   .trial_end = AT(10),
	                   .created = AT(created_day)},
	        .item = {.id = "si_1",
	                 .price_id = "price_s",
	                 .quantity = 1,
	                 .period_end = AT(20)},
	        .plan = "starter",
	        .quantity = 1,
	};
}

static inline bool
store(const struct sold_subscription *one)
{
	bool changed = false;

	fine(subscription_sync_store(&operation, customer_id, one, &changed));
	return changed;
}

static inline void
store_simple(const char *id, const char *status, int64_t created_day)
{
	struct sold_subscription one = subscription(id, status, created_day);

	(void)store(&one);
}
