/* audit.h: the audit trail: each change of a customer, written in the transaction that makes
 * it. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list audit_statements;

/* Whether a customer's own key makes the change. */
bool audit_is_customers(const struct operation *operation);

/* Writes one entry. `subject` is the id of the thing (a key, a licence) or NULL; `detail` holds
 * no personal data and no secret, or is NULL. */
enum fail audit_record(struct operation *operation, const char *action, const char *customer_id,
                       const char *subject, const char *detail) MUST_CHECK;

/* As audit_record(), with the changed object before and after: JSON texts, NULL where there is none. */
enum fail audit_record_values(struct operation *operation, const char *action,
                              const char *customer_id, const char *subject, const char *detail,
                              const char *before, const char *after) MUST_CHECK;

/* The most changes of a customer that its own keys may make within a day (UTC). */
enum { AUDIT_DAY_MAX = 20000 };

/* Records a change that a customer can make as often as it likes; FAIL_LIMITED "too_many_changes" beyond
 * AUDIT_DAY_MAX, and the transaction has to be rolled back. Operators are not bounded. Not for a change
 * that has a bound of its own, and never for one that ends the access of a stolen key: a thief could use
 * the bound up and so prevent it. */
enum fail audit_change(struct operation *operation, const char *action, const char *customer_id,
                       const char *subject, const char *detail) MUST_CHECK;

/* As audit_change(), with the values of audit_record_values(). */
enum fail audit_change_values(struct operation *operation, const char *action,
                              const char *customer_id, const char *subject, const char *detail,
                              const char *before, const char *after) MUST_CHECK;

/* The most sessions that one key of a customer may open within a day (UTC). */
enum { AUDIT_SIGN_INS_DAY_MAX = 2000 };

/* Records a sign-in by a key. FAIL_LIMITED "too_many_changes" beyond AUDIT_SIGN_INS_DAY_MAX, and the
 * transaction has to be rolled back. An operator's key (customer_id NULL) is not bounded. */
enum fail audit_sign_in(struct operation *operation, const char *customer_id,
                        const char *key_id, const char *session_id) MUST_CHECK;

/* The most payment requests that a customer's own keys may make within a day: requests that change
 * something at Stripe, its copy of the customer's name too. */
enum { PAYMENTS_DAY_MAX = 500 };

/* Counts a payment request before anything of it is stored or sent. FAIL_LIMITED
 * "too_many_changes" beyond PAYMENTS_DAY_MAX. Operators and jobs are not bounded. */
enum fail audit_admit_payment(struct operation *operation, const char *customer_id) MUST_CHECK;

/* A job: deletes the counts of earlier days. */
enum fail audit_prune_counts(struct operation *operation, int64_t *pruned) MUST_CHECK;
