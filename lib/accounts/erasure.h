/* erasure.h: takes personal data out of the events of deleted customers, some at a time. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list erasure_statements;

/* At most ERASURE_EVENTS events of a customer are erased in one transaction. */
enum { ERASURE_EVENTS = 2000 };

/* Erases the first events of the customer in the open transaction that deletes it, and leaves the others to
 * account_erase_run(). */
enum fail account_erase_begin(struct operation *operation, const char *customer_id) MUST_CHECK;

/* A job: erases the next events of one deleted customer; `erased` counts them. */
enum fail account_erase_run(struct operation *operation, int64_t *erased) MUST_CHECK;
