/* customers.h: the customers, their e-mail addresses, and their ids at Stripe. */
#pragma once

#include "billing/customer_keys.h"
#include "db/page.h"
#include "operation/operation.h"

struct customer {
	const char *customer_id;
	const char *email;
	const char *company_name; /* NULL: none */
	const char *stripe_customer_id;
	const char *pending_email; /* waits for an operator; NULL: none */
	bool notices;              /* it gets notices by e-mail */
	struct instant created_at;
	struct instant updated_at;
	/* The subscription that counts, filled in by customer_list() alone; NULL: none. */
	const char *plan;
	const char *status;
};

/* A change of a customer. */
struct customer_change {
	struct patch_text email;
	struct patch_text company_name;
	struct choice notices;
	/* Another address than before only becomes `pending_email`, whether or not it is free. */
	bool email_pends;
};

/* Which customers to list. */
struct customer_filter {
	const char *email; /* exact but for case, or NULL */
	const char *query; /* start of an e-mail or a company's name, or NULL */
	/* The subscription that counts; the status may be "none". NULL: any. */
	const char *status;
	const char *plan;
	const char *stripe; /* a customer's or a subscription's id at Stripe, or NULL */
	bool pending_email; /* only those that wait for another address */
};

extern const struct statement_list customer_statements;

/* NULL when the name, or another text that a person typed, is visible (see unicode.h) and not
 * blank, else why not. */
const char *customer_check_name(const char *name);

/* FAIL_CONFLICT "customer_exists" */
enum fail fail_customer_exists(struct task *task);

/* Reads a customer. FAIL_NOT_FOUND "customer_not_found", also for a deleted one. */
enum fail customer_find(struct operation *operation, const char *customer_id,
                        struct customer *out) MUST_CHECK;

/* NULL when a subscription can have the status, or it is "none", else why not. */
const char *customer_check_status(const char *status);

/* A page of the customers, newest first. */
enum fail customer_list(struct operation *operation, const struct customer_filter *filter,
                        struct page *page, const struct customer **out,
                        size_t *count) MUST_CHECK;

/* Changes the fields that are present. FAIL_NOT_FOUND; FAIL_CONFLICT "customer_exists" when
 * another customer has the e-mail address. */
enum fail customer_update(struct operation *operation, const char *customer_id,
                          const struct customer_change *change,
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
