/*
 * subscriptions.h: our copies of Stripe's subscriptions, and which one of a customer counts.
 *
 * Every subscription at Stripe has a row. One row of a customer counts: the one whose status
 * gives most, then the older of two that run or the newer of two that ended, and Stripe's
 * before a trial of ours. The choice depends on the rows alone, not on the order in which they
 * arrived.
 */
#pragma once

#include "operation/operation.h"
#include "subscriptions/sold_items.h"

extern const struct statement_list subscription_sync_statements;

/* A row, as the comparison with Stripe needs it. */
struct synced_subscription {
	const char *customer_id;
	const char *stripe_subscription_id;
	const char *plan;
	const char *status;
	struct instant current_period_ends_at;
	struct instant period_unpaid_from; /* as sold_unpaid_from() */
	struct instant trial_ends_at;
	bool cancel_at_period_end;
	struct instant cancel_at;
	const char *pause_behavior; /* of pause_collection, or NULL */
	struct instant pause_resumes_at;
	int64_t quantity;   /* of the plan */
	const char *addons; /* {add-on: quantity} as JSON text */
	bool superseded;
	const char *contract_id; /* NULL: it is no contract's */
	const char *recurring;   /* recurring.h; NULL: not known yet */
	bool must_end; /* a refund or dispute ends access (reversals.h); subscription_sync_find() only */
};

/* Stores the subscription as fetched, in the open transaction, and chooses which one counts.
 * `*changed` tells whether the row has changed. A second live subscription is reported (audit
 * trail and log) and cancelled if the policy says so. FAIL_CONFLICT "unknown_price" for a new
 * subscription without one of our prices. */
enum fail subscription_sync_store(struct operation *operation, const char *customer_id,
                                  const struct sold_subscription *subscription,
                                  bool *changed) MUST_CHECK;

/* Ends our row, if there is one, of a subscription that Stripe does not have. */
enum fail subscription_sync_gone(struct operation *operation,
                                 const char *stripe_subscription_id) MUST_CHECK;

/* The row of Stripe's subscription; `*found`. */
enum fail subscription_sync_find(struct operation *operation,
                                 const char *stripe_subscription_id,
                                 struct synced_subscription *out, bool *found) MUST_CHECK;

/* The rows that have not ended, of one customer of Stripe's (NULL: of all), in the order of
 * their ids after `after` ("": from the first). */
enum fail subscription_sync_open(struct operation *operation, const char *stripe_customer_id,
                                 const char *after, int64_t limit,
                                 const struct synced_subscription **out,
                                 size_t *count) MUST_CHECK;

/* Records that these subscriptions were in Stripe's list; `at` is when the comparison began. */
enum fail subscription_sync_seen(struct operation *operation, const struct string_list *ids,
                                 struct instant at) MUST_CHECK;

/* The rows that have not ended and were not in Stripe's list since then, in the order of their
 * ids after `after`. */
enum fail subscription_sync_unseen(struct operation *operation, struct instant since,
                                   const char *after, int64_t limit,
                                   const struct synced_subscription **out,
                                   size_t *count) MUST_CHECK;
