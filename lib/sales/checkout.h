/* checkout.h: opens Stripe's pages where a customer pays for a plan or manages its payments. */
#pragma once

#include "billing/purchase.h"

struct checkout_request {
	const char *customer_id;
	const char *plan;
	const char *price_id; /* one of the plan's prices; NULL: the first */
	/* When no price is given: */
	const char *interval;            /* "month" or "year"; NULL: any */
	int64_t interval_count;          /* 0: any, preferably one */
	const char *currency;            /* NULL: any */
	struct purchase_change purchase; /* without any: one of the plan, no add-on */
	const char *success_url;         /* NULL: a page of this service */
	const char *cancel_url;          /* likewise */
};

struct checkout_session {
	const char *session_id;
	const char *url; /* where the browser goes */
};

/*
 * Opens a checkout session at Stripe and closes those that the customer left open, so that at most one can
 * be paid. Creates Stripe's customer the first time. Waits for Stripe and commits in several steps: not to
 * be called within a transaction.
 *
 * FAIL_UNAVAILABLE "stripe_not_configured"; FAIL_INVALID for a plan, price or add-on that is not sold, for
 * a quantity of what is bought once, and for URLs of other origins; FAIL_NOT_FOUND; FAIL_CONFLICT
 * "subscription_exists"; FAIL_BUSY "operation_in_progress", "idempotency_in_progress"; FAIL_STRIPE.
 */
enum fail checkout_open(struct operation *operation, const struct checkout_request *request,
                        struct checkout_session *out) MUST_CHECK;

/* Opens a session of Stripe's customer portal, whose URL is to be opened at once. FAIL_CONFLICT
 * "checkout_needed" for a customer that Stripe does not know. */
enum fail checkout_portal(struct operation *operation, const char *customer_id,
                          const char *return_url, const char **url) MUST_CHECK;
