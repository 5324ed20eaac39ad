/* known_keys.h: the public halves of the keys of webhooks, on which all hosts of a database agree. */
#pragma once

#include "operation/operation.h"
#include "webhooks/key.h"

extern const struct statement_list webhook_key_statements;

/* The old and the new key sign for a day after a change of the key. */
#define WEBHOOK_OVERLAP_MS DAY_MS

struct webhook_known_key {
	const char *public_key; /* "whpk_..." */
	struct instant added_at;
};

/* The keys that receivers may verify with, the newest, current one first: all that were current within the
 * last two days. */
enum fail webhook_known_keys(struct operation *operation, const struct webhook_known_key **out,
                             size_t *count) MUST_CHECK;

/* Loads the keys of the folder. Where neither the folder nor the database has one, it makes one.
 * FAIL_CONFLICT "webhook_key_missing" with the cure when it cannot, and "webhook_key_unknown" when the
 * folder's key is not the database's current one, nor becomes it. `keys` is empty after a failure. */
enum fail webhook_keys_open(struct operation *operation, const char *dir,
                            struct webhook_keys *keys) MUST_CHECK;

/* Makes the folder's key, or replaces it, and makes it the current one of the database. Call within a
 * transaction; the caller audits and commits. */
enum fail webhook_key_change(struct operation *operation, const char *dir,
                             struct webhook_keys *keys) MUST_CHECK;
