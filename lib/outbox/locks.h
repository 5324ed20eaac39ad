/* locks.h: locks on an object of Stripe's and on a customer's subscription, across all hosts,
 * and the notification that wakes the Stripe jobs. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list stripe_lock_statements;

/* Locks one object of Stripe's until the transaction ends: taken before the object is fetched,
 * held until it is stored. FAIL_UNAVAILABLE when the wait exceeds a statement's time limit. */
enum fail stripe_lock(struct operation *operation, const char *object_id) MUST_CHECK;

/* Locks a customer's changes until the transaction ends. Does not wait: FAIL_BUSY
 * "operation_in_progress" or "idempotency_in_progress". */
enum fail stripe_lock_customer(struct operation *operation, const char *customer_id) MUST_CHECK;

/* Wakes the Stripe jobs when the transaction commits. */
enum fail stripe_jobs_wake(struct operation *operation) MUST_CHECK;

/* Runs a statement that makes work due, and wakes the Stripe jobs, in a transaction of its own.
 * `*count`: the rows that it has changed. */
enum fail stripe_jobs_make_due(struct operation *operation, const struct statement *statement,
                               struct parameters parameters, int64_t *count) MUST_CHECK;

/* The attempts of parked rows begin anew: `subject` is the id of one, NULL: all. Audited. */
enum fail stripe_retry_parked(struct operation *operation, const struct statement *statement,
                              struct parameters parameters, const char *subject,
                              int64_t *count) MUST_CHECK;

/* Wakes the Stripe jobs, to be called after the commit. Notifies only when their process has
 * looked for work since the last notification: it sets `stripe_idle`, which all processes share,
 * before it looks. */
enum fail stripe_jobs_wake_once(struct operation *operation) MUST_CHECK;
