/*
 * checkout_sessions.h: closes pages of Stripe's where a plan could be paid.
 */
#ifndef SALES_CHECKOUT_SESSIONS_H
#define SALES_CHECKOUT_SESSIONS_H

#include "billing/operation.h"

/* Closes the session; one that was paid or closed already is fine. FAIL_STRIPE. */
enum fail checkout_close(struct operation *operation, const char *session_id) MUST_CHECK;

/* Closes all that Stripe's customer has open but `ours` (NULL: all): a page that was left open
 * could still be paid. */
enum fail checkout_close_others(struct operation *operation, const char *stripe_customer_id,
                                const char *ours) MUST_CHECK;

#endif
