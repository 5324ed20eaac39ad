/* checkout_sessions.h: closes checkout sessions, so that they cannot be paid any more. */
#pragma once

#include "operation/operation.h"

/* Closes the session. One that was paid or closed already is no failure. FAIL_STRIPE. */
enum fail checkout_close(struct operation *operation, const char *session_id) MUST_CHECK;

/* Closes all open sessions of Stripe's customer but `ours` (NULL: all). */
enum fail checkout_close_others(struct operation *operation, const char *stripe_customer_id,
                                const char *ours) MUST_CHECK;
