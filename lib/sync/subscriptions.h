/*
 * subscriptions.h: the subscriptions as Stripe has them, and which of a customer's counts.
 *
 * All that Stripe holds is mirrored. One row counts: the one that gives most, then the older of
 * two that run and the newer of two that ended, Stripe's before a trial of ours. The choice depends
 * on the rows alone, so whatever order they came in, it is the same.
 */
#ifndef SYNC_SUBSCRIPTIONS_H
#define SYNC_SUBSCRIPTIONS_H

#include "billing/operation.h"
#include "sync/ours.h"

extern const struct statement_list subscription_sync_statements;

/* A mirrored subscription, as the comparison with Stripe needs it. */
struct synced_subscription {
	const char *customer_id;
	const char *stripe_subscription_id;
	const char *plan;
	const char *status;
	struct instant current_period_ends_at;
	struct instant trial_ends_at;
	bool cancel_at_period_end;
	struct instant cancel_at;
	bool superseded;
};

/*
 * Stores the subscription as fetched, in the open transaction, and chooses anew. `*changed` tells
 * whether anything was different. A second live one is reported (audit trail and log) and, by
 * the policy, ended. FAIL_CONFLICT "unknown_price" when it was never seen and no price is ours.
 */
enum fail subscription_sync_store(struct operation *operation, const char *customer_id,
                                  const struct sold_subscription *subscription,
                                  bool *changed) MUST_CHECK;

/* Stripe has no such subscription (any more): ended, if it was mirrored. */
enum fail subscription_sync_gone(struct operation *operation,
                                 const char *stripe_subscription_id) MUST_CHECK;

/* The mirrored row, or `*found` false. */
enum fail subscription_sync_find(struct operation *operation,
                                 const char *stripe_subscription_id,
                                 struct synced_subscription *out, bool *found) MUST_CHECK;

/* Mirrored subscriptions that have not ended, of one customer of Stripe's (NULL: of all), in the
 * order of their ids after `after` ("": from the first). */
enum fail subscription_sync_open(struct operation *operation, const char *stripe_customer_id,
                                 const char *after, int64_t limit,
                                 const struct synced_subscription **out,
                                 size_t *count) MUST_CHECK;

/* Notes that Stripe's list had these; `at` is when the comparison began. */
enum fail subscription_sync_seen(struct operation *operation, const struct string_list *ids,
                                 struct instant at) MUST_CHECK;

/* Mirrored subscriptions that have not ended here and were not in Stripe's list since then, in the
 * order of their ids after `after`. */
enum fail subscription_sync_unseen(struct operation *operation, struct instant since,
                                   const char *after, int64_t limit,
                                   const struct synced_subscription **out,
                                   size_t *count) MUST_CHECK;

/* How many customers have a second live subscription. */
enum fail subscription_sync_duplicates(struct operation *operation, int64_t *count) MUST_CHECK;

#endif
