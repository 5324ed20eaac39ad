/* stripe_customer.h: the customer at Stripe who pays for one of ours: created for the first
 * checkout, and anew when Stripe has lost it. */
#pragma once

#include "billing/customers.h"

/* Creates Stripe's customer for ours unless it exists. Not to be called within a transaction. A
 * crash in between creates no second one: key and parameters are committed first, and each
 * customer has at most one pending creation. */
enum fail stripe_customer_ensure(struct operation *operation, const struct customer *customer,
                                 const char **stripe_customer_id) MUST_CHECK;

/* Whether the operation has just failed because Stripe has no such customer: it was deleted and
 * the event was lost, or the database is another account's. */
bool stripe_customer_is_missing(const struct operation *operation, enum fail kind);

/* After that failure: fetches the customer, ends what has ended with it, and unlinks it, so that
 * stripe_customer_ensure() creates another one. FAIL_STRIPE when Stripe has it after all, or
 * "stripe_other_account". Not to be called within a transaction. */
enum fail stripe_customer_unlink_missing(struct operation *operation,
                                         const char *customer_id) MUST_CHECK;
