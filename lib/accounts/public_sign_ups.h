/* public_sign_ups.h: judges sign-ups without a key of an operator before they cost much. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list public_sign_up_statements;

/* Counts the sign-up, in a statement of its own. FAIL_CONFLICT "customer_exists" when the address is a
 * customer's, which counts nothing; FAIL_LIMITED "too_many_sign_ups", until the next hour, beyond the policy's
 * sign_ups_per_hour. */
enum fail public_sign_up_admit(struct operation *operation, const char *email) MUST_CHECK;
