/* signing_keys.h: the signing keys that all hosts of a database agree on: public halves and states.
 *
 * A key is added (published, it does not sign yet), then current (it signs; there is one), then
 * retired (its public half stays published until its last licence has expired). A distrusted key is
 * no longer published, and its licences are revoked. Private halves are in the hosts' KEYS_DIR alone.
 */
#pragma once

#include "operation/operation.h"

extern const struct statement_list signing_key_statements;

/* Published keys; a set of keys has room for LICENSE_KEYS_MAX. */
enum { SIGNING_KEYS_PUBLISHED_MAX = 32 };

struct signing_key {
	const char *kid;
	const char *public_pem;
	const char *state; /* "added", "current", "retired", "distrusted" */
	struct instant added_at;
	struct instant used_at;
	struct instant retired_at;
	struct instant publish_until; /* at least; none: not retired */
	struct instant distrusted_at;
	struct instant imported_at; /* from an earlier service; none: ours alone */
	bool published;
};

/* All keys: the current one first, then the added one, then the others, the newest first. */
enum fail signing_key_list(struct operation *operation, const struct signing_key **out,
                           size_t *count) MUST_CHECK;

/* The one of these keys with this kid, or in this state; NULL when there is none. */
const struct signing_key *signing_key_find(const struct signing_key *keys, size_t count,
                                           const char *kid);
const struct signing_key *signing_key_in(const struct signing_key *keys, size_t count,
                                         const char *state);

/* Makes the keys of the folder known to the database: the one that signs there becomes the current
 * one of a database that has none. Others only if live licences are signed with them. */
enum fail signing_keys_register(struct operation *operation, const char *dir) MUST_CHECK;

/*
 * The set of keys of a process: all published keys of the database, the current one first. It can
 * sign if the folder has its private half. Of a database without keys, the set of the folder.
 * Failures as license_keys_load(); the set is empty then.
 */
enum fail signing_keys_load(struct operation *operation, const char *dir,
                            struct license_keys *out) MUST_CHECK;

/* Faults of a host's keys that an operator has to mend. */
struct signing_key_figures {
	bool missing;    /* KEYS_DIR lacks the private half of the current key */
	int64_t unknown; /* keys of this process that the database does not publish */
};

enum fail signing_key_figures(struct operation *operation,
                              struct signing_key_figures *out) MUST_CHECK;

/* Removes the files in the folder of keys that are no longer published, also of those that another
 * host has withdrawn or distrusted. The key that signs there stays. */
enum fail signing_keys_tidy(struct operation *operation, const char *dir) MUST_CHECK;

/* A file that signing_keys_tidy() would remove; NULL when there is none. */
enum fail signing_keys_leftover(struct operation *operation, const char *dir,
                                const char **name) MUST_CHECK;

/* A text that differs when the keys or their states differ. */
enum fail signing_keys_version(struct operation *operation, const char **out) MUST_CHECK;

/* Changes of the keys, each with an entry in the audit trail. Call them within a transaction that
 * signing_keys_lock() has begun. */
enum fail signing_keys_lock(struct operation *operation) MUST_CHECK;
enum fail signing_key_add(struct operation *operation, const char *kid,
                          const char *public_pem) MUST_CHECK;
/* Makes the key the current one; the one before stays published until `publish_until`. */
enum fail signing_key_use(struct operation *operation, const char *kid,
                          struct instant publish_until) MUST_CHECK;
/* Ends the publication of a key that never signed. */
enum fail signing_key_withdraw(struct operation *operation, const char *kid) MUST_CHECK;
enum fail signing_key_distrust(struct operation *operation, const char *kid,
                               const char *why) MUST_CHECK;

/* Publishes the public half of a key of an earlier service until then at least, so that its licences
 * stay valid; a key that is known keeps its state. `*changed` is false when it was imported
 * before. */
enum fail signing_key_import(struct operation *operation, const struct license_key *key,
                             struct instant publish_until, bool *changed) MUST_CHECK;
