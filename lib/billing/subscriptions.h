/*
 * subscriptions.h: what a customer has subscribed to: one row counts, others are history or
 * superseded.
 */
#ifndef BILLING_SUBSCRIPTIONS_H
#define BILLING_SUBSCRIPTIONS_H

#include "billing/operation.h"

struct subscription {
	int64_t subscription_id;
	const char *customer_id;
	const char *stripe_subscription_id; /* NULL: not known to Stripe */
	const char *plan;
	const char
	        *status; /* one of Stripe's, as stored: ask access_status() what counts now */
	struct instant trial_ends_at;
	struct instant current_period_ends_at;
	struct instant past_due_since;
	bool cancel_at_period_end;
	struct instant cancel_at;
	struct instant canceled_at; /* when that was asked for */
	struct instant ended_at;
	const char *stripe_price_id;
	const char *scheduled_plan; /* begins with the next period; NULL: none */
	int64_t version;
	struct instant created_at;
	struct instant updated_at;
};

extern const struct statement_list subscription_statements;

/* The subscription that counts; FAIL_NOT_FOUND "customer_not_found" or "subscription_not_found". */
enum fail subscription_find(struct operation *operation, const char *customer_id,
                            struct subscription *out) MUST_CHECK;

/* The same, but none is NULL and no failure; the customer is known to exist. */
enum fail subscription_newest(struct operation *operation, const char *customer_id,
                              const struct subscription **out) MUST_CHECK;

/*
 * Starts the trial of a customer that has no live subscription. FAIL_CONFLICT
 * "subscription_exists", or "trial_used" when this customer or e-mail had its trial; FAIL_NOT_FOUND.
 * In a transaction of its own or the caller's.
 */
enum fail subscription_start_trial(struct operation *operation, const char *customer_id,
                                   struct subscription *out) MUST_CHECK;

/* Ends the live subscription, if any, and keeps the newest one locked until the transaction ends,
 * so that no licence is issued from what it was. To be called within a transaction. */
enum fail subscription_cancel(struct operation *operation, const char *customer_id) MUST_CHECK;

/* Ends the trial that Stripe does not know, and nothing else; `*ended` is false when there was none
 * (any more). */
enum fail subscription_cancel_trial(struct operation *operation, const char *customer_id,
                                    bool *ended) MUST_CHECK;

/* Locks the newest subscription's row until the transaction ends. */
enum fail subscription_lock(struct operation *operation, const char *customer_id) MUST_CHECK;

/* A job: marks due trials as ended and skips those that another process is marking; `ended` counts.
 * Access does not depend on it. */
enum fail subscription_expire_trials(struct operation *operation, int64_t *ended) MUST_CHECK;

/* All subscriptions that Stripe still holds the customer to. */
enum fail subscription_open_at_stripe(struct operation *operation, const char *customer_id,
                                      const struct subscription **out,
                                      size_t *count) MUST_CHECK;

/* A smaller plan begins with the next period; NULL: no more. */
enum fail subscription_schedule(struct operation *operation, const char *stripe_subscription_id,
                                const char *plan) MUST_CHECK;

/* A change that was wished then has led to the plan, if it is the subscription's now: what was
 * scheduled before the wish is no more. */
enum fail subscription_overtake(struct operation *operation, const char *stripe_subscription_id,
                                const char *plan, struct instant wished_at) MUST_CHECK;

/* Its scheduled plan is not asked for before that time. */
enum fail subscription_postpone(struct operation *operation, const char *stripe_subscription_id,
                                struct instant until) MUST_CHECK;

/* Subscriptions whose scheduled plan is due before the time and not postponed, oldest first. */
enum fail subscription_scheduled(struct operation *operation, struct instant before,
                                 int64_t limit, const struct subscription **out,
                                 size_t *count) MUST_CHECK;

#endif
