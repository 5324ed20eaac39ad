/*
 * resolve.h: ends what is open between Stripe and us: changes to pass on, and requests whose
 * outcome nobody has seen.
 */
#ifndef SALES_RESOLVE_H
#define SALES_RESOLVE_H

#include "outbox/calls.h"

/* Settles one call that is due; `*done` is 1 if there was one. Can be stopped or killed at any
 * point. */
enum fail stripe_resolve_run(struct operation *operation, int64_t *done) MUST_CHECK;

/*
 * Sends the customer's creation and links what Stripe made of it, in the open transaction. A key
 * that Stripe may have forgotten is not used again before the customer was looked for.
 */
enum fail stripe_resolve_creation(struct operation *operation, const struct stripe_call *call,
                                  const char **stripe_customer_id) MUST_CHECK;

/*
 * Sends a change or the end of a subscription and stores what Stripe made of it, in the open
 * transaction, under the subscription's lock. Ending what has ended already is done.
 */
enum fail stripe_resolve_change(struct operation *operation,
                                const struct stripe_call *call) MUST_CHECK;

#endif
