/*
 * api_keys.h: the keys that open the API, of operators and of customers.
 *
 * A key is 256 random bits behind a prefix, shown once and stored as SHA-256:
 *	operators  gba_<64 hex>
 *	customers  <customer_id>_<64 hex>
 */
#pragma once

#include "operation/operation.h"
#include "json/out.h"

/* The scopes of a customer's key; a list is a set of these bits. */
enum scope { SCOPE_NONE = 0, SCOPE_LICENSE = 1, SCOPE_USAGE = 2, SCOPE_BILLING = 4 };
enum { SCOPE_ALL = SCOPE_LICENSE | SCOPE_USAGE | SCOPE_BILLING };

struct api_key {
	const char *key_id;
	const char *customer_id; /* NULL: an operator's */
	const char *role;        /* "owner", "viewer", "customer" */
	const char *name;
	const char *prefix; /* the key's first characters, to recognise it by */
	struct bytes digest;
	struct bytes file_key; /* see file_key.h; none: an operator's, or not presented yet */
	struct string_list scopes;
	struct instant created_at;
	struct instant last_used_at; /* the first use of a day */
	bool used_today;             /* and its file key is stored: nothing is to be recorded */
	struct instant revoked_at;
	const char *session_id; /* of a caller with a session, see sessions.h; else NULL */
	struct bytes session_digest;
};

/* A key that was just made. The secret is not stored and cannot be shown again. */
struct api_key_minted {
	struct api_key key;
	const char *secret;
};

extern const struct statement_list api_key_statements;

/* Whether the text has the form of a key. */
bool api_key_is_well_formed(const char *secret);

/* Whether such a key is an operator's; the first API_KEY_OPERATOR_SHOWN of its characters may be shown. */
enum { API_KEY_OPERATOR_SHOWN = 10 };
bool api_key_is_operators(const char *secret);

/* The set of the scopes that are named; unknown names are ignored. */
unsigned int api_key_scopes(const struct string_list *names);

/* The names of a set, as "license, usage", in the arena. */
const char *api_key_scopes_text(struct arena *arena, unsigned int scopes);

/* NULL when the name is a scope's, else why not; for tables of fields. */
const char *api_key_check_scope(const char *name);

/* The key with this digest, revoked or not; `*found` false when there is none. */
enum fail api_key_find(struct operation *operation, const struct sha256 *digest,
                       struct api_key *out, bool *found) MUST_CHECK;

/* Has the key looked up together with the next statement, see db_send_ahead(): `judge` gets a
 * struct api_key, revoked or not, or NULL. */
void api_key_find_ahead(struct operation *operation, const struct sha256 *digest,
                        enum fail (*judge)(void *context, struct task *task, const void *row),
                        void *context);

/* Records that the key is used today, and its file key where that is not known yet. To be called for
 * a key whose used_today is false. */
enum fail api_key_touch(struct operation *operation, const struct api_key *key,
                        const char *secret) MUST_CHECK;

/* The file key as a parameter of a statement; NULL when there is none. */
const char *api_key_param_file(struct task *task, const struct api_key *key);

/* Makes a key without storing it. `customer_id` NULL: an operator's. */
void api_key_make(struct operation *operation, const char *customer_id, const char *role,
                  const char *name, unsigned int scopes, struct api_key_minted *out);

/* A customer's keys that are not revoked, and those that are made within a day. */
enum { API_KEYS_LIVE_MAX = 20, API_KEYS_DAY_MAX = 100 };

/* Makes and stores a key, with its audit entry. FAIL_NOT_FOUND when there is no such customer;
 * FAIL_CONFLICT "operator_exists" for an operator's name in use, "too_many_keys" when the customer
 * has API_KEYS_LIVE_MAX; FAIL_LIMITED "too_many_keys_made" beyond API_KEYS_DAY_MAX. */
enum fail api_key_create(struct operation *operation, const char *customer_id, const char *role,
                         const char *name, unsigned int scopes,
                         struct api_key_minted *out) MUST_CHECK;

/* Keys of a customer, or the operators' with NULL; newest first, at most 1000. */
enum fail api_key_list(struct operation *operation, const char *customer_id,
                       const struct api_key **out, size_t *count) MUST_CHECK;

/* Revokes one key. FAIL_NOT_FOUND "key_not_found" when this owner has no such live key. */
enum fail api_key_revoke(struct operation *operation, const char *customer_id,
                         const char *key_id) MUST_CHECK;

/* Revokes all keys of a customer, within the caller's transaction. */
enum fail api_key_revoke_all(struct operation *operation, const char *customer_id) MUST_CHECK;

/* As the API and the events show it: without its secret and digest. */
void render_key(struct json_out *json, const char *name, const struct api_key *key);
const char *api_key_text(struct arena *arena, const struct api_key *key);
