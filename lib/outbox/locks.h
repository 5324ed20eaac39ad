/*
 * locks.h: what keeps those apart who deal with the same object of Stripe's or change the same
 * customer's subscription, on whatever host, and what wakes the jobs process.
 */
#ifndef OUTBOX_LOCKS_H
#define OUTBOX_LOCKS_H

#include "billing/operation.h"

extern const struct statement_list stripe_lock_statements;

/* Serialises what happens to one object of Stripe's: from before it is fetched until what was
 * fetched is stored. Until the transaction ends; FAIL_UNAVAILABLE after a statement's time. */
enum fail stripe_lock(struct operation *operation, const char *object_id) MUST_CHECK;

/* Keeps a customer's changes apart. FAIL_BUSY "operation_in_progress" at once. */
enum fail stripe_lock_customer(struct operation *operation, const char *customer_id) MUST_CHECK;

/* Wakes the jobs process when the transaction commits. */
enum fail stripe_jobs_wake(struct operation *operation) MUST_CHECK;

/*
 * The same after the commit, unless it has been woken and has not looked for work since: many who
 * store work at once wake it once. It sets `stripe_idle`, which all processes share, before it looks.
 */
enum fail stripe_jobs_wake_once(struct operation *operation) MUST_CHECK;

#endif
