/* perform.h: performs a recorded call within the request that wants it, while its customer is
 * locked. */
#pragma once

#include "billing/subscriptions.h"
#include "outbox/calls.h"

/* Records the call of a request that performs it itself. The Stripe jobs take over after the
 * time that such a request has. Otherwise as stripe_call_write(). */
enum fail call_prepare(struct operation *operation, const struct stripe_call *wanted,
                       struct stripe_call *out) MUST_CHECK;

/* Locks the customer. FAIL_BUSY "operation_in_progress" or "idempotency_in_progress" when another request has the lock, or
 * when the subscription is no longer as in `seen` (NULL: not compared), from which the caller
 * chose what to do. */
enum fail customer_lock_as_seen(struct operation *operation, const char *customer_id,
                                const struct subscription *seen) MUST_CHECK;

/* Locks the customer (see above), keeps the call from being dropped, acts and commits. When
 * `act` fails, its transaction is rolled back. When the lock fails, a call that this request
 * recorded is dropped, as it was never sent. */
enum fail call_perform(struct operation *operation, const struct stripe_call *call,
                       const struct subscription *seen,
                       enum fail (*act)(struct operation *operation,
                                        const struct stripe_call *call, void *context),
                       void *context) MUST_CHECK;
