/* key_use.h: the signing keys that must stay published because live licences need them. */
#pragma once

#include "operation/operation.h"

/* A key that signed licences which have not expired. */
struct key_use {
	const char *kid;
	struct instant last_expires_at;
};

extern const struct statement_list key_use_statements;

/* Finds a key that live licences need but `keys` lacks. Distrusted keys are not needed. */
enum fail key_use_find_missing(struct operation *operation, const struct license_keys *keys,
                               struct key_use *out, bool *found) MUST_CHECK;
