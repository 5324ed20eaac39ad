/*
 * key_use.h: which signing keys must go on being published, as live licences depend on them.
 */
#ifndef BILLING_KEY_USE_H
#define BILLING_KEY_USE_H

#include "billing/operation.h"

/* A key that signed licences which have not expired. */
struct key_use {
	const char *kid;
	struct instant last_expires_at;
};

extern const struct statement_list key_use_statements;

/* All of them, in no particular order. */
enum fail key_use_list(struct operation *operation, const struct key_use **out,
                       size_t *count) MUST_CHECK;

/* The first key that live licences need and `keys` lacks, or does not keep long enough: in `out`,
 * with `*found`. */
enum fail key_use_find_missing(struct operation *operation, const struct license_keys *keys,
                               struct key_use *out, bool *found) MUST_CHECK;

#endif
