/* refusals.h: records uses of operators' keys that were refused. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list audit_refusal_statements;

/* So many refusals of a day (UTC) are recorded; a stranger can cause them. */
enum { AUDIT_REFUSALS_DAY_MAX = 1000 };

/* Records that the operation's actor was refused: `subject` is the key's id or first characters, or
 * NULL, `detail` says what was asked for. */
enum fail audit_refusal(struct operation *operation, const char *customer_id,
                        const char *subject, const char *detail) MUST_CHECK;
