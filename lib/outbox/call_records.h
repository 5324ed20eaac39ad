/* call_records.h: counts, lists and deletes recorded calls of Stripe. */
#pragma once

#include "outbox/calls.h"

extern const struct statement_list stripe_call_record_statements;

struct stripe_call_figures {
	int64_t pending;
	int64_t parked; /* an operator must look at them */
};
enum fail stripe_call_figures(struct operation *operation,
                              struct stripe_call_figures *out) MUST_CHECK;

/* The calls in that state, without their keys and parameters: parked ones oldest first, others
 * newest first. */
enum fail stripe_call_list(struct operation *operation, const char *state, int64_t limit,
                           const struct stripe_call **out, size_t *count) MUST_CHECK;

/* Ends a parked call as failed, because an operator says why it need not be sent; audited.
 * FAIL_NOT_FOUND "call_not_found". */
enum fail stripe_call_dismiss(struct operation *operation, int64_t call_id,
                              const char *why) MUST_CHECK;

/* Makes a parked call pending again, with a new key, as Stripe keeps what it answered to the
 * old one; 0: all parked ones. Of several creations of one customer only the newest.
 * `*count`. */
enum fail stripe_call_retry(struct operation *operation, int64_t call_id,
                            int64_t *count) MUST_CHECK;

/* A job: deletes finished calls older than 90 days. */
enum fail stripe_call_prune(struct operation *operation, int64_t *pruned) MUST_CHECK;

/* When a customer is deleted: deletes calls that would create or change it at Stripe, and the
 * parameters of finished ones. Cancellations stay. */
enum fail stripe_call_forget(struct operation *operation, const char *customer_id) MUST_CHECK;

/* Whether a call of that kind (NULL: any) about Stripe's object is pending. Until it has an
 * outcome, what is fetched of the object must not be stored. */
enum fail stripe_call_is_pending(struct operation *operation, const char *kind,
                                 const char *subject, bool *out) MUST_CHECK;

/* Whether a cancellation of the subscription is pending, or parked until an operator sends it again or
 * dismisses it. Reads all parked calls. */
enum fail stripe_call_cancellation_is_open(struct operation *operation,
                                           const char *stripe_subscription_id,
                                           bool *out) MUST_CHECK;

/* Whether there is a later call of the same kind about the same object. */
enum fail stripe_call_has_newer(struct operation *operation, const struct stripe_call *call,
                                bool *out) MUST_CHECK;

/* The state and the parameters of the customer's newest call of that kind about Stripe's object;
 * all NULL without one. */
enum fail stripe_call_newest(struct operation *operation, const char *kind,
                             const char *customer_id, const char *subject,
                             struct stripe_call *out) MUST_CHECK;
