/* enqueue.h: records requests to Stripe that follow from a change here, in the transaction of
 * that change. The jobs process sends them, so no client waits and none is lost. */
#pragma once

#include "billing/customers.h"

/* The parameters of an immediate cancellation. Where use is metered they have Stripe bill it,
 * which it would otherwise drop (docs.stripe.com/api/subscriptions/cancel, invoice_now). */
const char *stripe_cancel_parameters(const struct operation *operation);

/* Cancels the subscription at Stripe, with encoded `parameters` or "". Does nothing while
 * another cancellation of it is pending. */
enum fail stripe_cancel_enqueue(struct operation *operation, const char *customer_id,
                                const char *stripe_subscription_id,
                                const char *parameters) MUST_CHECK;

/* Cancels all of the customer's subscriptions that have not ended at Stripe. */
enum fail stripe_cancel_enqueue_all(struct operation *operation,
                                    const char *customer_id) MUST_CHECK;

/* Has the subscription end with its period at Stripe, or go on. */
enum fail stripe_end_enqueue(struct operation *operation, const char *customer_id,
                             const char *stripe_subscription_id, bool ends) MUST_CHECK;

/* Closes all of the customer's open checkout pages, if Stripe knows the customer. */
enum fail stripe_checkout_close_enqueue(struct operation *operation, const char *customer_id,
                                        const char *stripe_customer_id) MUST_CHECK;

/* The parameters that create Stripe's customer for ours. */
const char *stripe_customer_parameters(const struct operation *operation,
                                       const struct customer *customer);

/* Updates the customer's e-mail and name at Stripe, if Stripe knows the customer. */
enum fail stripe_customer_update_enqueue(struct operation *operation,
                                         const struct customer *customer) MUST_CHECK;
