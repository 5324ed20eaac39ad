/* sessions.c: sessions of browsers: opened by a key or a link, listed, ended. */
#include "callers/sessions.h"

#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/text.h"
#include "billing/audit.h"

/* Times of a session, as parts of statements: $1 is the time now. */
#define LIVE "s.expires_at > $1 AND s.last_used_at > $1::timestamptz - interval '1 hour'"

/* The sessions of the caller: $2 is the key, $3 the customer, $4 whether all of them are meant. */
#define OWN                                                                                    \
	"s.customer_id IS NOT DISTINCT FROM $3 "                                               \
	"AND ($4::boolean OR s.key_id IS NOT DISTINCT FROM $2)"

enum {
	FIND,
	TOUCH,
	BOUND,
	OPEN,
	LIST,
	END,
	REPLACED,
	END_ALL,
	FORGET,
	FORGET_LINKS,
	PRUNE,
	PRUNE_LINKS
};

static const struct statement statements[] = {
        [FIND] = {"session_find",
                  ROWS_WITH(struct api_key, key_id, customer_id, role, name, digest, scopes,
                            used_today, revoked_at, session_id, session_digest),
                  .sql = "SELECT COALESCE(k.key_id, s.session_id) AS key_id, s.customer_id, "
                         "COALESCE(k.role, 'customer') AS role, k.name, k.digest, "
                         "COALESCE(k.scopes, '{license,usage,billing}') AS scopes, "
                         "s.last_used_at > $1::timestamptz - interval '1 minute' "
                         "AS used_today, CASE WHEN " LIVE " THEN k.revoked_at "
                         "ELSE s.expires_at END AS revoked_at, s.session_id, "
                         "s.digest AS session_digest "
                         "FROM sessions s LEFT JOIN api_keys k ON k.key_id = s.key_id "
                         "WHERE s.digest = $2"},
        [TOUCH] = {"session_touch", .unconfirmed = true,
                   .sql = "WITH key AS (UPDATE api_keys SET last_used_at = now() "
                          "WHERE key_id = $3 AND COALESCE(last_used_at < current_date, true)) "
                          "UPDATE sessions SET last_used_at = $1 WHERE session_id = $2 "
                          "AND last_used_at <= $1::timestamptz - interval '1 minute' "
                          "AND set_config('synchronous_commit', 'local', true) <> ''"},
        /* Ends those that were used least lately, so that there is room for one more. */
        [BOUND] = {"session_bound",
                   .sql = "DELETE FROM sessions WHERE session_id IN (SELECT session_id "
                          "FROM sessions WHERE key_id IS NOT DISTINCT FROM $1 "
                          "AND customer_id IS NOT DISTINCT FROM $2 "
                          "ORDER BY last_used_at DESC, session_id OFFSET $3::bigint)"},
        [OPEN] = {"session_open",
                  ROWS_WITH(struct session, session_id, key_id, customer_id, name, role,
                            created_at, last_used_at, expires_at, user_agent),
                  .sql = "WITH made AS (INSERT INTO sessions (session_id, digest, key_id, "
                         "customer_id, created_at, last_used_at, expires_at, user_agent) "
                         "SELECT $3, $4, k.key_id, c.customer_id, $1, $1, $2, $7 "
                         "FROM (SELECT) AS one "
                         "LEFT JOIN api_keys k ON k.key_id = $5 AND k.revoked_at IS NULL "
                         "LEFT JOIN customers c ON c.deleted_at IS NULL "
                         "AND c.customer_id = COALESCE(k.customer_id, $6) "
                         "WHERE ($5::text IS NULL) = (k.key_id IS NULL) "
                         "AND (COALESCE(k.customer_id, $6) IS NULL) = (c.customer_id IS NULL) "
                         "RETURNING *) "
                         "SELECT s.session_id, s.key_id, s.customer_id, k.name, "
                         "COALESCE(k.role, 'customer') AS role, s.created_at, s.last_used_at, "
                         "s.expires_at, s.user_agent "
                         "FROM made s LEFT JOIN api_keys k ON k.key_id = s.key_id"},
        [LIST] = {"session_list",
                  ROWS_WITH(struct session, session_id, key_id, customer_id, name, role,
                            created_at, last_used_at, expires_at, user_agent),
                  .sql = "SELECT s.session_id, s.key_id, s.customer_id, k.name, "
                         "COALESCE(k.role, 'customer') AS role, s.created_at, s.last_used_at, "
                         "s.expires_at, s.user_agent "
                         "FROM sessions s LEFT JOIN api_keys k ON k.key_id = s.key_id "
                         "WHERE " LIVE " AND k.revoked_at IS NULL AND " OWN
                         " ORDER BY s.last_used_at DESC, s.session_id LIMIT $5::bigint"},
        [END] = {"session_end",
                 .sql = "DELETE FROM sessions s WHERE s.session_id = $1 AND " OWN},
        [REPLACED] = {"session_replaced", ROWS_WITH(struct session, session_id, customer_id),
                      .sql = "DELETE FROM sessions WHERE digest = $1 "
                             "RETURNING session_id, customer_id"},
        [END_ALL] =
                {"session_end_all",
                 .sql = "DELETE FROM sessions s WHERE $1::timestamptz IS NOT NULL AND " OWN},
        [FORGET] = {"session_forget", .sql = "DELETE FROM sessions WHERE customer_id = $1"},
        [FORGET_LINKS] = {"session_forget_links",
                          .sql = "DELETE FROM session_links WHERE customer_id = $1"},
        [PRUNE] = {"session_prune",
                   .sql = "DELETE FROM sessions WHERE session_id IN (SELECT session_id FROM "
                          "sessions WHERE last_used_at <= $1::timestamptz - interval '1 hour' "
                          "OR expires_at <= $1 LIMIT $2::bigint)"},
        [PRUNE_LINKS] = {"session_prune_links",
                         .sql = "DELETE FROM session_links WHERE link_id IN (SELECT link_id "
                                "FROM session_links WHERE expires_at <= $1 LIMIT $2::bigint)"},
};

const struct statement_list session_statements = STATEMENT_LIST(statements);

bool
session_is_well_formed(const char *token)
{
	return text_starts_with(token, "gbs_") && text_is_made_of(token + 4, TEXT_HEX, 64, 64);
}

enum fail
session_find(struct operation *operation, const struct sha256 *digest, struct api_key *out,
             bool *found)
{
	struct task *task = operation->task;

	return db_row(operation->db, task, &statements[FIND],
	              PARAMETERS(param_now(operation), param_digest(task, digest)), out, found);
}

void
session_find_ahead(struct operation *operation, const struct sha256 *digest,
                   enum fail (*judge)(void *context, struct task *task, const void *row),
                   void *context)
{
	struct arena *arena = operation->task->arena;
	const char **values = arena_array(arena, 2, sizeof(*values));
	struct db_ahead *ahead = arena_alloc(arena, sizeof(*ahead));

	values[0] = param_now(operation);
	values[1] = param_digest(operation->task, digest);
	*ahead = (struct db_ahead){&statements[FIND], {values, 2}, judge, context};
	db_send_ahead(operation->db, ahead);
}

enum fail
session_touch(struct operation *operation, const struct api_key *key)
{
	return db_run(operation->db, operation->task, &statements[TOUCH],
	              PARAMETERS(param_now(operation), key->session_id, key->key_id), NULL);
}

/* NULL for one that is no text. */
static const char *
shown_agent(struct arena *arena, const char *user_agent)
{
	if (user_agent == NULL || !text_is_utf8(user_agent, strlen(user_agent)))
		return NULL;
	return text_shortened(arena, user_agent, SESSION_AGENT_MAX);
}

static enum fail
open_row(struct operation *operation, const char *key_id, const char *customer_id,
         const char *user_agent, struct session_opened *out)
{
	struct task *task = operation->task;
	struct sha256 digest;
	bool found;

	out->token = random_id(task->arena, "gbs_", 32);
	digest = digest_sha256(out->token, strlen(out->token));
	TRY(db_run(operation->db, task, &statements[BOUND],
	           PARAMETERS(key_id, customer_id, param_int(task, SESSIONS_LIVE_MAX - 1)),
	           NULL));
	TRY(db_row(operation->db, task, &statements[OPEN],
	           PARAMETERS(param_now(operation), param_in(operation, SESSION_LIFE_MS),
	                      random_id(task->arena, "ses_", 12), param_digest(task, &digest),
	                      key_id, customer_id, shown_agent(task->arena, user_agent)),
	           &out->session, &found));
	if (!found)
		return task_fail(task, FAIL_UNAUTHENTICATED, "unauthenticated",
		                 "This key is not known, or it was revoked.");
	return session_find(operation, &digest, &out->key, &found);
}

static void
act_as(struct operation *operation, const struct api_key *key)
{
	operation->actor =
	        arena_printf(operation->task->arena, "%s:%s",
	                     key->customer_id == NULL ? "operator" : "customer", key->key_id);
}

enum fail
session_open_linked(struct operation *operation, const char *key_id, const char *customer_id,
                    const char *user_agent, struct session_opened *out)
{
	TRY(open_row(operation, key_id, customer_id, user_agent, out));
	act_as(operation, &out->key);
	/* Each link was made by an operator or with a notice, and opens one session. */
	return audit_record(operation, "session_open", out->session.customer_id,
	                    out->session.session_id, "by a link");
}

enum fail
session_open(struct operation *operation, const struct sha256 *key_digest,
             const char *user_agent, struct session_opened *out)
{
	struct task *task = operation->task;
	struct api_key key = {0};
	bool found;

	TRY(api_key_find(operation, key_digest, &key, &found));
	if (!found || key.revoked_at.known)
		return task_fail(task, FAIL_UNAUTHENTICATED, "unauthenticated",
		                 "This key is not known, or it was revoked.");
	TRY(db_begin(operation->db, task));
	TRY(open_row(operation, key.key_id, key.customer_id, user_agent, out));
	act_as(operation, &out->key);
	TRY(audit_sign_in(operation, key.customer_id, key.key_id, out->session.session_id));
	return db_commit(operation->db, task);
}

enum fail
session_list(struct operation *operation, const struct session_owner *owner,
             const struct session **out, size_t *count)
{
	struct task *task = operation->task;

	return db_rows(operation->db, task, &statements[LIST],
	               PARAMETERS(param_now(operation), owner->key_id, owner->customer_id,
	                          param_bool(owner->all), param_int(task, SESSIONS_LISTED_MAX)),
	               (void *)out, count);
}

enum fail
session_end(struct operation *operation, const struct session_owner *owner,
            const char *session_id)
{
	struct task *task = operation->task;
	int64_t ended;

	TRY(db_begin(operation->db, task));
	TRY(db_run(operation->db, task, &statements[END],
	           PARAMETERS(session_id, owner->key_id, owner->customer_id,
	                      param_bool(owner->all)),
	           &ended));
	if (ended == 0)
		return task_fail(task, FAIL_NOT_FOUND, "session_not_found",
		                 "There is no such session.");
	/* Ends are as many as sign-ins, which are bounded. */
	TRY(audit_record(operation, "session_end", owner->customer_id, session_id, NULL));
	return db_commit(operation->db, task);
}

enum fail
session_end_replaced(struct operation *operation, const struct sha256 *digest)
{
	struct task *task = operation->task;
	struct session replaced = {0};
	bool found;

	TRY(db_row(operation->db, task, &statements[REPLACED],
	           PARAMETERS(param_digest(task, digest)), &replaced, &found));
	/* It may be another caller's. Sign-ins are counted when they open a session. */
	return found ? audit_record(operation, "session_end", replaced.customer_id,
	                            replaced.session_id, "replaced by another sign-in")
	             : FAIL_NONE;
}

enum fail
session_end_all(struct operation *operation, const struct session_owner *owner, int64_t *ended)
{
	struct task *task = operation->task;

	TRY(db_begin(operation->db, task));
	TRY(db_run(operation->db, task, &statements[END_ALL],
	           PARAMETERS(param_now(operation), owner->key_id, owner->customer_id,
	                      param_bool(owner->all)),
	           ended));
	if (*ended > 0)
		TRY(audit_record(operation, "session_end_all", owner->customer_id,
		                 owner->key_id,
		                 arena_printf(task->arena, "%lld ended", (long long)*ended)));
	return db_commit(operation->db, task);
}

enum fail
session_forget(struct operation *operation, const char *customer_id)
{
	struct task *task = operation->task;

	/* A link that is being used holds its row, and its session is seen when that is done. */
	TRY(db_run(operation->db, task, &statements[FORGET_LINKS], PARAMETERS(customer_id),
	           NULL));
	return db_run(operation->db, task, &statements[FORGET], PARAMETERS(customer_id), NULL);
}

enum fail
session_prune(struct operation *operation, int64_t *pruned)
{
	struct task *task = operation->task;
	int64_t links = 0;

	TRY(db_run(operation->db, task, &statements[PRUNE],
	           PARAMETERS(param_now(operation), param_int(task, operation->batch)),
	           pruned));
	TRY(db_run(operation->db, task, &statements[PRUNE_LINKS],
	           PARAMETERS(param_now(operation), param_int(task, operation->batch)),
	           &links));
	*pruned += links;
	return FAIL_NONE;
}
