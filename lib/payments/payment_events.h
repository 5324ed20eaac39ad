/* payment_events.h: the events of payments. */
#pragma once

#include "operation/operation.h"
#include "stripe/objects.h"

extern const struct statement_list payment_event_statements;

/* Writes what the state of a fetched invoice says of its payment, once each: payment.succeeded; or of an
 * open one payment.failed and payment.action_required for each attempt, when an event of Stripe's that is
 * in work says so. Joins the open transaction. */
enum fail payment_events_write(struct operation *operation, const char *customer_id,
                               const struct stripe_invoice *invoice) MUST_CHECK;
