/* audit.h: the audit trail: each change of a customer, written in the transaction that makes
 * it. */
#pragma once

#include "billing/operation.h"

extern const struct statement_list audit_statements;

/* Writes one entry. `subject` is the id of the thing (a key, a licence) or NULL; `detail` holds
 * no personal data and no secret, or is NULL. */
enum fail audit_record(struct operation *operation, const char *action, const char *customer_id,
                       const char *subject, const char *detail) MUST_CHECK;
