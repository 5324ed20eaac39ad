/* second_subscriptions.h: live subscriptions of a customer beside the one that counts. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list second_subscription_statements;

/* Reports the customer's second subscriptions, in the audit trail and the log. If the policy says so, one
 * beside another or beside a contract that runs is cancelled, and one beside a contract that is to begin
 * ends then. */
enum fail second_subscriptions_report(struct operation *operation,
                                      const char *customer_id) MUST_CHECK;

/* How many customers have a second live subscription. */
enum fail second_subscriptions_count(struct operation *operation, int64_t *count) MUST_CHECK;
