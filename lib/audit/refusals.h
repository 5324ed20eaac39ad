/* refusals.h: records uses of operators' keys that were refused. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list audit_refusal_statements;

/* At most AUDIT_REFUSALS_DAY_MAX refusals of a day (UTC) are recorded of each known key, and of all unknown
 * keys together; a stranger can cause the latter. */
enum { AUDIT_REFUSALS_DAY_MAX = 1000 };

/* Records that the operation's actor was refused: `key_id` is the key that was used, NULL for an
 * unknown one, `subject` is its id or first characters, or NULL, `detail` says what was asked for.
 * The day's last entry says that it is the last. `recorded` is false beyond it. */
enum fail audit_refusal(struct operation *operation, const char *key_id,
                        const char *customer_id, const char *subject, const char *detail,
                        bool *recorded) MUST_CHECK;
