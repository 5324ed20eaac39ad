/* seconds.h: live subscriptions of a customer beside what counts. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list subscription_second_statements;

/* Reports the customer's second subscriptions, in the audit trail and the log. If the policy says so, one
 * beside another or beside a contract that runs is cancelled, and one beside a contract that is to begin
 * ends then. */
enum fail subscription_seconds_report(struct operation *operation,
                                      const char *customer_id) MUST_CHECK;

/* How many customers have a second live subscription. */
enum fail subscription_sync_duplicates(struct operation *operation, int64_t *count) MUST_CHECK;
