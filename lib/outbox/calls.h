/*
 * calls.h: requests that change something at Stripe, each recorded before it is sent.
 *
 * The row with the idempotency key and the parameters is committed before the first attempt,
 * so that a crash, a time-out or a double click never causes the same change twice. The row
 * stays pending until its outcome is known. The Stripe jobs resolve what a request could not
 * finish.
 */
#pragma once

#include "operation/operation.h"
#include "stripe/client.h"

/* The kinds of calls; what becomes of each is in lib/sales/resolve.c. */
#define STRIPE_CUSTOMER_CREATE "customer_create"
#define STRIPE_CUSTOMER_UPDATE "customer_update"
#define STRIPE_CHECKOUT "checkout"
#define STRIPE_CHECKOUT_CLOSE "checkout_close"
#define STRIPE_END "subscription_end" /* with its period, or that is taken back */
#define STRIPE_CHANGE "subscription_change"
#define STRIPE_CONTRACT "contract" /* a contract's subscription, made or brought in line */
#define STRIPE_CANCEL "subscription_cancel"
#define STRIPE_NOTHING "nothing" /* nothing was sent: see stripe_call_record_nothing() */

/* Stripe keeps a key for at least 24 h. An older call must not simply be sent again. */
#define STRIPE_KEY_LIFE_MS (23 * HOUR_MS)

struct stripe_call {
	int64_t call_id;
	const char *kind;
	const char *customer_id;
	const char *subject; /* the object that it changes, or NULL */
	bool deletes;        /* sent as DELETE, else as POST */
	const char *path;
	const char *parameters;
	const char *plan; /* that the change leads to, or NULL */
	const char *idempotency_key;
	struct bytes request; /* digest of the client's request */
	const char *state;    /* pending, done, failed, parked */
	int64_t attempts;
	struct instant created_at;
	const char *result_id;
	const char *error;       /* Stripe's code, or ours */
	const char *error_param; /* Stripe's; only stripe_call_list() reads these two */
	const char *error_message;
	bool is_new;    /* this operation has inserted it */
	bool by_client; /* the operation's intent (the client's key) stands for it */
};

extern const struct statement_list stripe_call_statements;

/*
 * Inserts the call. The Stripe jobs send it after `delay_ms` (0: at once), unless the
 * operation commits first and then sends it itself.
 *
 * Instead of a second call for one intent (the client's Idempotency-Key) within
 * STRIPE_KEY_LIFE_MS, the first one is returned, in whatever state: FAIL_UNPROCESSABLE
 * "idempotency_key_reused" when its request was another. A customer's pending creation is
 * returned likewise.
 */
enum fail stripe_call_write(struct operation *operation, const struct stripe_call *wanted,
                            int64_t delay_ms, struct stripe_call *out) MUST_CHECK;

/* The call that was recorded for this operation's intent before; `*found` is false without one.
 * FAIL_UNPROCESSABLE as above. */
enum fail stripe_call_known(struct operation *operation, struct stripe_call *out,
                            bool *found) MUST_CHECK;

/* Finds the call likewise, but a call that has failed does not count: `*begun` is false, and
 * `out->state` is "failed" (NULL without any call). */
enum fail stripe_call_find_begun(struct operation *operation, struct stripe_call *out,
                                 bool *begun) MUST_CHECK;

/* Records that the operation's intent, if any, needed no request to Stripe, in the transaction
 * that does what was wanted: a repeated request then finds it done. FAIL_BUSY when another
 * request with the same intent was faster. */
enum fail stripe_call_record_nothing(struct operation *operation, const char *customer_id,
                                     const char *subject) MUST_CHECK;

/* Records that Stripe carried the call out, in the transaction that stores its effect.
 * `result_id` may be NULL. */
enum fail stripe_call_done(struct operation *operation, const struct stripe_call *call,
                           const struct stripe_answer *answer,
                           const char *result_id) MUST_CHECK;

/* Rolls back, and records that the call was refused or that its outcome is unknown; the Stripe jobs resolve
 * the latter. A refused call has failed when a client waits for it, else it is parked. Returns the answer's
 * failure. */
enum fail stripe_call_failed(struct operation *operation, const struct stripe_call *call,
                             const struct stripe_answer *answer) MUST_CHECK;

/* Whether Stripe replays a server error for this key: it will never answer anything else to the
 * key, although the request may have been carried out
 * (docs.stripe.com/api/idempotent_requests). */
bool stripe_call_key_spent(const struct stripe_answer *answer);

/* Locks the call of an earlier request until the transaction ends, so that it is not dropped.
 * FAIL_BUSY when it has been dropped. Does nothing for a call that is new. */
enum fail stripe_call_hold(struct operation *operation,
                           const struct stripe_call *call) MUST_CHECK;

/* Deletes a call that was never sent, unless another request has locked it. */
enum fail stripe_call_drop(struct operation *operation,
                           const struct stripe_call *call) MUST_CHECK;

/* Takes a call that is due, locked until the transaction ends, which has no id by that; `*found` is
 * false without one. */
enum fail stripe_call_take(struct operation *operation, struct stripe_call *out,
                           bool *found) MUST_CHECK;

/* Has the call sent again after the next of growing delays, or parks it after the last one.
 * With `counts` false the attempt does not count, and the delay is a minute. */
enum fail stripe_call_postpone(struct operation *operation, const struct stripe_call *call,
                               const char *error, bool counts) MUST_CHECK;

/* Ends a pending call whose outcome no longer matters, or was looked up. */
enum fail stripe_call_end(struct operation *operation, const struct stripe_call *call,
                          const char *state, const char *error) MUST_CHECK;

/* A new idempotency key with 128 random bits. */
const char *stripe_call_key(struct operation *operation);

/* The delay after that many failed attempts, in milliseconds; 0: there is no further attempt. */
int64_t stripe_retry_delay_ms(int64_t attempts, int64_t attempts_max);
