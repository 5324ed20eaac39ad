/*
 * checkout.h: from the wish to buy a plan to Stripe's page where it is paid.
 */
#ifndef SALES_CHECKOUT_H
#define SALES_CHECKOUT_H

#include "billing/operation.h"

struct checkout_request {
	const char *customer_id;
	const char *plan;
	const char *price_id;    /* one of the plan's prices; NULL: the first */
	const char *success_url; /* NULL: a page of ours */
	const char *cancel_url;  /* likewise */
};

struct checkout_session {
	const char *session_id;
	const char *url; /* where the browser goes */
};

/*
 * Opens a checkout session at Stripe, closing any that the customer left open, so that at most
 * one can be paid. Makes Stripe's customer the first time. Waits for Stripe, and commits as it
 * goes: not to be called within a transaction.
 *
 * FAIL_UNAVAILABLE "stripe_not_configured"; FAIL_INVALID for a plan or price that is not sold and
 * for URLs of other origins; FAIL_NOT_FOUND; FAIL_CONFLICT "subscription_exists"; FAIL_BUSY
 * "operation_in_progress"; FAIL_STRIPE.
 */
enum fail checkout_open(struct operation *operation, const struct checkout_request *request,
                        struct checkout_session *out) MUST_CHECK;

/* A session of Stripe's customer portal, for this moment's click; commits as it goes too.
 * FAIL_CONFLICT "checkout_needed" for a customer that Stripe does not know. */
enum fail checkout_portal(struct operation *operation, const char *customer_id,
                          const char *return_url, const char **url) MUST_CHECK;

#endif
