/*
 * customers.h: who signed up.
 */
#ifndef BILLING_CUSTOMERS_H
#define BILLING_CUSTOMERS_H

#include "billing/operation.h"
#include "db/page.h"

struct customer {
	const char *customer_id;
	const char *email;
	const char *company_name; /* NULL: none */
	const char *stripe_customer_id;
	struct instant created_at;
	struct instant updated_at;
};

/* Which customers to list. */
struct customer_filter {
	const char *email; /* exact but for case, or NULL */
	const char *query; /* start of an e-mail or a company's name, or NULL */
};

extern const struct statement_list customer_statements;

/* NULL when the text can be an e-mail address (RFC 5321 in spirit), else why not. */
const char *customer_check_email(const char *email);

/* NULL when the name has no control characters and is not blank, else why not. */
const char *customer_check_name(const char *name);

/* FAIL_NOT_FOUND "customer_not_found", also for a deleted one. */
enum fail customer_find(struct operation *operation, const char *customer_id,
                        struct customer *out) MUST_CHECK;

/* Newest first. */
enum fail customer_list(struct operation *operation, const struct customer_filter *filter,
                        struct page *page, const struct customer **out,
                        size_t *count) MUST_CHECK;

/* Changes what is present. FAIL_NOT_FOUND, FAIL_CONFLICT "customer_exists" (the e-mail). */
enum fail customer_update(struct operation *operation, const char *customer_id,
                          const struct patch_text *email, const struct patch_text *company_name,
                          struct customer *out) MUST_CHECK;

/*
 * Whose a subscription or a customer of Stripe's is: by the subscription that we mirror, by the
 * linked customer, by `hint` (our id as the object's metadata has it), in this order. Deleted
 * customers too: what Stripe still holds of them counts. NULL when it is nobody's.
 */
enum fail customer_of_stripe(struct operation *operation, const char *stripe_customer_id,
                             const char *stripe_subscription_id, const char *hint,
                             const char **customer_id) MUST_CHECK;

/* Notes which customer of Stripe's this one is; an earlier link stays. */
enum fail customer_link_stripe(struct operation *operation, const char *customer_id,
                               const char *stripe_customer_id) MUST_CHECK;

/* Stripe no longer knows that customer. */
enum fail customer_unlink_stripe(struct operation *operation,
                                 const char *stripe_customer_id) MUST_CHECK;

/* Locks the customer's row until the transaction ends; a deleted one too. */
enum fail customer_lock(struct operation *operation, const char *customer_id,
                        bool *deleted) MUST_CHECK;

#endif
