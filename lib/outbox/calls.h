/*
 * calls.h: what we ask of Stripe, written down before it is asked.
 *
 * A change of Stripe's objects is a row first: its idempotency key and its parameters are
 * committed before the first attempt, so that a crash, a time-out or a double click never makes two
 * of one. A row stays pending until its outcome is known; what a request could not finish, the
 * jobs process settles.
 */
#ifndef OUTBOX_CALLS_H
#define OUTBOX_CALLS_H

#include "billing/operation.h"
#include "stripe/client.h"

/* The kinds of calls; what becomes of each is in lib/sales/resolve.c. */
#define STRIPE_CUSTOMER_CREATE "customer_create"
#define STRIPE_CUSTOMER_UPDATE "customer_update"
#define STRIPE_CHECKOUT "checkout"
#define STRIPE_CHECKOUT_CLOSE "checkout_close"
#define STRIPE_CHANGE "subscription_change"
#define STRIPE_CANCEL "subscription_cancel"
#define STRIPE_NOTHING "nothing" /* Stripe was not asked: see stripe_call_record_nothing() */

/* After this long Stripe may have forgotten the key (24 h at least): look before asking again. */
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
	struct bytes request; /* digest of what the client asked for */
	const char *state;    /* pending, done, failed, parked */
	int64_t attempts;
	struct instant created_at;
	const char *result_id;
	const char *error;
	bool is_new;    /* written by this very operation */
	bool by_client; /* it is what the client's intent is about */
};

extern const struct statement_list stripe_call_statements;

/*
 * Writes the call down. A request that runs it itself commits this first, and gives the time after
 * which the jobs process takes over as `delay_ms`; for the jobs process at once it is 0.
 *
 * When the operation has an intent (the client's Idempotency-Key) that is known already and not
 * older than Stripe's memory (STRIPE_KEY_LIFE_MS), that call is returned instead, whatever its state: FAIL_UNPROCESSABLE "idempotency_key_reused" when
 * it asked for something else. The same for a customer's pending creation.
 */
enum fail stripe_call_write(struct operation *operation, const struct stripe_call *wanted,
                            int64_t delay_ms, struct stripe_call *out) MUST_CHECK;

/* The call that this operation's intent has made before; `*found` is false without one.
 * FAIL_UNPROCESSABLE as above. */
enum fail stripe_call_known(struct operation *operation, struct stripe_call *out,
                            bool *found) MUST_CHECK;

/* The same, but a call that has failed does not count: `*begun` is false, and `out->state` is
 * "failed" (NULL without any call). */
enum fail stripe_call_find_begun(struct operation *operation, struct stripe_call *out,
                                 bool *begun) MUST_CHECK;

/* Binds what the open transaction does to the operation's intent, if it has one, although Stripe is
 * not asked: when the answer is lost, the intent is known, as "nothing" and done. FAIL_BUSY when a
 * twin was faster. */
enum fail stripe_call_record_nothing(struct operation *operation, const char *customer_id,
                                     const char *subject) MUST_CHECK;

/* Asks Stripe, with the operation's deadline. Never fails: see `out->outcome`. */
void stripe_call_send(struct operation *operation, const struct stripe_call *call,
                      struct stripe_answer *out);

/* The outcome is known, in the open transaction with its effect; `result_id` may be NULL. */
enum fail stripe_call_done(struct operation *operation, const struct stripe_call *call,
                           const struct stripe_answer *answer,
                           const char *result_id) MUST_CHECK;

/*
 * It was not done, or nobody knows: ends the transaction and writes down which, so that the jobs
 * process settles what is unknown. What was refused has failed when a client heard it, and is
 * parked when nobody did. Returns the answer's failure.
 */
enum fail stripe_call_failed(struct operation *operation, const struct stripe_call *call,
                             const struct stripe_answer *answer) MUST_CHECK;

/* Stripe keeps the error that the key's first request ended with, whatever that had done before, and
 * gives nothing else to this key (docs.stripe.com/api/idempotent_requests). */
bool stripe_call_key_spent(const struct stripe_answer *answer);

/* Keeps the call of an earlier request from being dropped until the transaction ends, and is busy
 * when it was: the customer's turn comes first. Its own call needs no request to hold. */
enum fail stripe_call_hold(struct operation *operation,
                           const struct stripe_call *call) MUST_CHECK;

/* Forgets a call that was never sent, because something else came first, and that nobody holds. */
enum fail stripe_call_drop(struct operation *operation,
                           const struct stripe_call *call) MUST_CHECK;

/* Forgets what was to be made or changed for the customer, and the parameters of what was; ends of
 * subscriptions stay. */
enum fail stripe_call_forget(struct operation *operation, const char *customer_id) MUST_CHECK;

/* Whether a call of that kind (NULL: any) about the object waits for its outcome: until then what
 * is fetched must not be stored over what is about to be. */
enum fail stripe_call_is_pending(struct operation *operation, const char *kind,
                                 const char *subject, bool *out) MUST_CHECK;

/* The same of a customer's calls, whatever they are about. */
enum fail stripe_call_has_pending(struct operation *operation, const char *kind,
                                  const char *customer_id, bool *out) MUST_CHECK;

/* One that is due, locked, in the open transaction; `*found`. */
enum fail stripe_call_take(struct operation *operation, struct stripe_call *out,
                           bool *found) MUST_CHECK;

/* Tries it again later: the next of a growing row of delays, parked at their end; with `counts`
 * false in a minute, for it is not the call's fault. A call that has ended stays as it is. */
enum fail stripe_call_postpone(struct operation *operation, const struct stripe_call *call,
                               const char *error, bool counts) MUST_CHECK;

/* Whether a later call of that kind about the same object stands there. */
enum fail stripe_call_has_newer(struct operation *operation, const struct stripe_call *call,
                                bool *out) MUST_CHECK;

/* Ends a call whose outcome no longer matters, or was looked up. */
enum fail stripe_call_end(struct operation *operation, const struct stripe_call *call,
                          const char *state, const char *error) MUST_CHECK;

/* A fresh idempotency key (128 random bits). */
const char *stripe_call_key(struct operation *operation);

/* When the n-th try failed: how long until the next, in milliseconds; 0: there is none. */
int64_t stripe_retry_delay_ms(int64_t tries, int64_t tries_max);

#endif
