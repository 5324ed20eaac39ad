/* public_sign_ups.h: judges sign-ups without a key of an operator before they cost much. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list public_sign_up_statements;

/* Before a licence is signed: FAIL_CONFLICT "customer_exists" when the address is a customer's; FAIL_LIMITED
 * "too_many_sign_ups", until the next hour, beyond the policy's sign_ups_per_hour. Counts nothing. */
enum fail public_sign_up_judge(struct operation *operation, const char *email_key) MUST_CHECK;

/* Counts the sign-up, after its licence is signed: the count's row stays locked until the caller's transaction
 * ends. FAIL_LIMITED as above. */
enum fail public_sign_up_count(struct operation *operation) MUST_CHECK;
