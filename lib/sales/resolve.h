/* resolve.h: resolves calls of Stripe's API that are still pending: changes to push, and
 * requests whose outcome is unknown. */
#pragma once

#include "outbox/calls.h"

/* Resolves one call that is due; `*done` is 1 if there was one. The process may be killed at
 * any point. */
enum fail stripe_resolve_run(struct operation *operation, int64_t *done) MUST_CHECK;

/* Sends the creation of a customer and links the customer that Stripe created, in the open
 * transaction. When Stripe may have forgotten the idempotency key, looks for the customer
 * first. */
enum fail stripe_resolve_creation(struct operation *operation, const struct stripe_call *call,
                                  const char **stripe_customer_id) MUST_CHECK;

/* Sends a change or the cancellation of a subscription and stores the resulting state, in the
 * open transaction, under the subscription's lock. Cancelling a subscription that has ended
 * succeeds. */
enum fail stripe_resolve_change(struct operation *operation,
                                const struct stripe_call *call) MUST_CHECK;
