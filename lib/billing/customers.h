/* customers.h: the customers, their e-mail addresses, and their ids at Stripe. */
#pragma once

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

/* Reads a customer. FAIL_NOT_FOUND "customer_not_found", also for a deleted one. */
enum fail customer_find(struct operation *operation, const char *customer_id,
                        struct customer *out) MUST_CHECK;

/* A page of the customers, newest first. */
enum fail customer_list(struct operation *operation, const struct customer_filter *filter,
                        struct page *page, const struct customer **out,
                        size_t *count) MUST_CHECK;

/* Changes the fields that are present. FAIL_NOT_FOUND; FAIL_CONFLICT "customer_exists" when
 * another customer has the e-mail address. */
enum fail customer_update(struct operation *operation, const char *customer_id,
                          const struct patch_text *email, const struct patch_text *company_name,
                          struct customer *out) MUST_CHECK;

/* The customer that an object of Stripe's belongs to, found by its subscription, by its
 * customer, or by `named` (our id in the object's metadata), in this order. A deleted customer
 * is found too, as Stripe may still hold objects of it. NULL when no customer has it. */
enum fail customer_of_stripe(struct operation *operation, const char *stripe_customer_id,
                             const char *stripe_subscription_id, const char *named,
                             const char **customer_id) MUST_CHECK;

/* Records the id that the customer has at Stripe, unless it has one already. */
enum fail customer_link_stripe(struct operation *operation, const char *customer_id,
                               const char *stripe_customer_id) MUST_CHECK;

/* Removes an id that Stripe no longer knows. */
enum fail customer_unlink_stripe(struct operation *operation,
                                 const char *stripe_customer_id) MUST_CHECK;

/* Locks the customer's row, also a deleted one's, until the transaction ends. */
enum fail customer_lock(struct operation *operation, const char *customer_id,
                        bool *deleted) MUST_CHECK;
