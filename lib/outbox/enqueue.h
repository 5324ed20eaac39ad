/* enqueue.h: records requests to Stripe that follow from a change here, in the transaction of
 * that change. The Stripe jobs send them, so no client waits and none is lost. */
#pragma once

#include "billing/customers.h"
#include "stripe/objects.h"

/* A call of STRIPE_END with these parameters wants the end with the period. */
#define STRIPE_ENDS_WITH_PERIOD "cancel_at_period_end=true"

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

/* The parameters that end the subscription with what is paid. */
const char *stripe_end_parameters(struct arena *arena,
                                  const struct stripe_subscription *subscription);

/* Whether the subscription has ended or ends with what is paid. */
bool stripe_ends_with_period(const struct stripe_subscription *subscription);

/* Has the subscription end with its period at Stripe; or, with `ends` false, at `other_end` as
 * before, or not at all when that is unknown. lib/sales/resolve.c fetches the subscription and
 * sends what is missing. */
enum fail stripe_end_enqueue(struct operation *operation, const char *customer_id,
                             const char *stripe_subscription_id, bool ends,
                             struct instant other_end) MUST_CHECK;

/* Whether the newest such call ends the subscription, and is not finished: it is pending, or waits
 * for an operator. */
enum fail stripe_end_is_under_way(struct operation *operation, const char *customer_id,
                                  const char *stripe_subscription_id, bool *out) MUST_CHECK;

/* Closes all of the customer's open checkout pages, if Stripe knows the customer. */
enum fail stripe_checkout_close_enqueue(struct operation *operation, const char *customer_id,
                                        const char *stripe_customer_id) MUST_CHECK;

/* The parameters that create Stripe's customer for ours. */
const char *stripe_customer_parameters(const struct operation *operation,
                                       const struct customer *customer);

/* Creates the customer at Stripe. Does nothing while another such call is pending. */
enum fail stripe_customer_create_enqueue(struct operation *operation,
                                         const struct customer *customer) MUST_CHECK;

/* Has the subscription of a contract brought to what the contract's newest terms say:
 * lib/sales/contract_billing.c. */
enum fail stripe_contract_enqueue(struct operation *operation, const char *customer_id,
                                  const char *contract_id) MUST_CHECK;

/* Updates the customer's e-mail and name at Stripe, if Stripe knows the customer. */
enum fail stripe_customer_update_enqueue(struct operation *operation,
                                         const struct customer *customer) MUST_CHECK;
