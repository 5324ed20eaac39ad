/* sessions.h: sessions of browsers. A session is opened by a key or by a link, and may do what that key
 * may. Its token is the value of a cookie that no script can read; the database has its digest. */
#pragma once

#include "callers/api_keys.h"

/* A session ends SESSION_LIFE_MS after its start, and after SESSION_IDLE_MS without a request. A use is
 * recorded once within SESSION_TOUCH_MS. */
#define SESSION_LIFE_MS (12 * HOUR_MS)
#define SESSION_IDLE_MS HOUR_MS
#define SESSION_TOUCH_MS (60 * SECOND_MS)

/* Live sessions of one key, or of one customer's links: a further one ends the one that was used least
 * lately. The first SESSION_AGENT_MAX characters of the User-Agent are kept. */
enum { SESSIONS_LIVE_MAX = 20, SESSION_AGENT_MAX = 120, SESSIONS_LISTED_MAX = 200 };

struct session {
	const char *session_id;
	const char *key_id;      /* NULL: opened by a customer's link */
	const char *customer_id; /* NULL: an operator's */
	const char *name;        /* of the key */
	const char *role;        /* "owner", "viewer" or "customer" */
	struct instant created_at;
	struct instant last_used_at; /* to the minute */
	struct instant expires_at;   /* at the latest */
	const char *user_agent;
};

/* A session that was just opened. The token is not stored and cannot be shown again. */
struct session_opened {
	const char *token;
	struct session session;
	struct api_key key; /* as session_find() gives it */
};

/* The sessions that a caller may see and end: those of its key, or of its customer's links (key_id
 * NULL). */
struct session_owner {
	const char *key_id;
	const char *customer_id;
	bool all; /* of all keys of the customer, or of all operators */
};

extern const struct statement_list session_statements;

/* Whether the text has the form of a session's token. */
bool session_is_well_formed(const char *token);

/* The rights of the live session with this digest: its key, with `session_id` set; `revoked_at` is known
 * when the session has ended or its key was revoked. For a customer's link key_id is the session's own
 * id. */
enum fail session_find(struct operation *operation, const struct sha256 *digest,
                       struct api_key *out, bool *found) MUST_CHECK;

/* As api_key_find_ahead(). */
void session_find_ahead(struct operation *operation, const struct sha256 *digest,
                        enum fail (*judge)(void *context, struct task *task, const void *row),
                        void *context);

/* Records that the session and its key are used. To be called for one whose used_today is false. */
enum fail session_touch(struct operation *operation, const struct api_key *key) MUST_CHECK;

/* Opens a session for a live key. `user_agent` may be NULL. FAIL_UNAUTHENTICATED "unauthenticated" when
 * there is no such live key. */
enum fail session_open(struct operation *operation, const struct sha256 *key_digest,
                       const char *user_agent, struct session_opened *out) MUST_CHECK;

/* Opens a session by a link, within the caller's transaction that has used the link up: of an operator's
 * key, or of the customer. */
enum fail session_open_linked(struct operation *operation, const char *key_id,
                              const char *customer_id, const char *user_agent,
                              struct session_opened *out) MUST_CHECK;

/* Ends the session with this digest, if there is one, within the caller's transaction that has opened
 * another one in the same browser. */
enum fail session_end_replaced(struct operation *operation,
                               const struct sha256 *digest) MUST_CHECK;

/* Live sessions, used last first, at most SESSIONS_LISTED_MAX. */
enum fail session_list(struct operation *operation, const struct session_owner *owner,
                       const struct session **out, size_t *count) MUST_CHECK;

/* Ends one. FAIL_NOT_FOUND "session_not_found" when this owner has no such session. */
enum fail session_end(struct operation *operation, const struct session_owner *owner,
                      const char *session_id) MUST_CHECK;

/* Ends all; `*ended` is how many. */
enum fail session_end_all(struct operation *operation, const struct session_owner *owner,
                          int64_t *ended) MUST_CHECK;

/* Deletes a customer's sessions and links, within the caller's transaction. */
enum fail session_forget(struct operation *operation, const char *customer_id) MUST_CHECK;

/* A job: deletes sessions and links that have ended. */
enum fail session_prune(struct operation *operation, int64_t *pruned) MUST_CHECK;
