/*
 * enqueue.h: what Stripe must be told because of a change here, written in the transaction
 * that makes the change and sent by the jobs process: no request waits, nothing is forgotten.
 */
#ifndef OUTBOX_ENQUEUE_H
#define OUTBOX_ENQUEUE_H

#include "billing/customers.h"

/* The parameters of an end at once that is no mistake's: where use is metered, what was used is
 * billed with it; Stripe would drop it (docs.stripe.com/api/subscriptions/cancel, invoice_now). */
const char *stripe_cancel_parameters(const struct operation *operation);

/* Ends the subscription at Stripe; `parameters` of the deletion, encoded, or "". Once: a waiting one
 * is enough. */
enum fail stripe_cancel_enqueue(struct operation *operation, const char *customer_id,
                                const char *stripe_subscription_id,
                                const char *parameters) MUST_CHECK;

/* Ends all that Stripe still holds the customer to. */
enum fail stripe_cancel_enqueue_all(struct operation *operation,
                                    const char *customer_id) MUST_CHECK;

/* Closes all of the customer's open checkout pages, if Stripe knows the customer. */
enum fail stripe_checkout_close_enqueue(struct operation *operation, const char *customer_id,
                                        const char *stripe_customer_id) MUST_CHECK;

/* The parameters of a customer of Stripe's that is to be made for ours. */
const char *stripe_customer_parameters(const struct operation *operation,
                                       const struct customer *customer);

/* Tells Stripe the customer's e-mail and name, if Stripe knows the customer. */
enum fail stripe_customer_update_enqueue(struct operation *operation,
                                         const struct customer *customer) MUST_CHECK;

#endif
