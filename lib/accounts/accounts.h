/* accounts.h: sign-up, change, deletion and revocation of a whole customer, each all or
 * nothing. */
#pragma once

#include "issuing/licenses.h"

extern const struct statement_list account_statements;

/* The rows of a sign-up. The caller sets is_public: it is without a key of an operator. Subscription and licence
 * are NULL when this e-mail address had its trial before. */
struct sign_up {
	bool is_public;
	struct customer customer;
	const struct subscription *subscription;
	const struct issued_license *license;
	struct api_key_minted key;
};

/* Creates customer, trial, licence, key and audit entry in one statement. FAIL_CONFLICT
 * "customer_exists"; for a public one FAIL_LIMITED "too_many_sign_ups". */
enum fail account_sign_up(struct operation *operation, const char *email,
                          const char *company_name, struct sign_up *out) MUST_CHECK;

/* Anonymises the customer, cancels (at Stripe too), revokes licences and keys.
 * FAIL_NOT_FOUND. */
enum fail account_delete(struct operation *operation, const char *customer_id) MUST_CHECK;

/* Cancels the subscription and revokes every live licence, in one transaction; the Stripe jobs
 * cancel at Stripe. FAIL_NOT_FOUND. */
enum fail account_revoke_licenses(struct operation *operation, const char *customer_id,
                                  const char *reason) MUST_CHECK;

/* Changes the fields that are present and pushes them to Stripe. Failures as
 * customer_update(). */
enum fail account_update(struct operation *operation, const char *customer_id,
                         const struct customer_change *change, struct customer *out) MUST_CHECK;
