/* key_revocation.h: revokes the licences of distrusted keys. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list key_revocation_statements;

/* A job: revokes the licences of distrusted keys. `*done` counts them. */
enum fail signing_key_revoke_distrusted(struct operation *operation, int64_t *done) MUST_CHECK;
