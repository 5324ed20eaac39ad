/* session_links.c: links that open a session once, without a key. */
#include "callers/session_links.h"

#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/text.h"
#include "billing/audit.h"

/* The owner of a link that was used up. */
struct used_link {
	const char *link_id;
	const char *key_id;
	const char *customer_id;
};

enum { BOUND, MAKE, END, USE };

static const struct statement statements[] = {
        [BOUND] = {"session_link_bound",
                   .sql = "DELETE FROM session_links WHERE link_id IN (SELECT link_id "
                          "FROM session_links WHERE key_id IS NOT DISTINCT FROM $1 "
                          "AND customer_id IS NOT DISTINCT FROM $2 "
                          "ORDER BY created_at DESC, link_id OFFSET $3::bigint)"},
        [MAKE] = {"session_link_make",
                  .sql = "INSERT INTO session_links (link_id, digest, key_id, customer_id, "
                         "created_at, expires_at) SELECT $1, $2, k.key_id, c.customer_id, $5, "
                         "$6 FROM (SELECT) AS one "
                         "LEFT JOIN api_keys k ON k.key_id = $3 AND k.revoked_at IS NULL "
                         "AND k.customer_id IS NULL "
                         "LEFT JOIN customers c ON c.customer_id = $4 AND c.deleted_at IS NULL "
                         "WHERE k.key_id IS NOT NULL OR c.customer_id IS NOT NULL"},
        [END] = {"session_link_end", .sql = "DELETE FROM session_links WHERE link_id = $1"},
        /* When two requests use a link at the same time, one finds the row. */
        [USE] = {"session_link_use", ROWS_WITH(struct used_link, link_id, key_id, customer_id),
                 .sql = "DELETE FROM session_links WHERE digest = $1 AND expires_at > $2 "
                        "RETURNING link_id, key_id, customer_id"},
};

const struct statement_list session_link_statements = STATEMENT_LIST(statements);

/* Makes the row and its audit entry; `*made` is false when the owner does not exist. */
static enum fail
make(struct operation *operation, const char *key_id, const char *customer_id, int64_t minutes,
     struct session_link *out, bool *made)
{
	struct task *task = operation->task;
	const char *token = random_id(task->arena, "gbl_", 32);
	struct sha256 digest = digest_sha256(token, strlen(token));
	int64_t rows;

	out->link_id = random_id(task->arena, "lnk_", 12);
	out->expires_at = INSTANT_MS(operation->now_ms + minutes * 60 * SECOND_MS);
	out->url =
	        arena_printf(task->arena, "%s/%s/#link=%s", operation->billing->sales.base_url,
	                     key_id == NULL ? "account" : "console", token);
	TRY(db_begin(operation->db, task));
	TRY(db_run(operation->db, task, &statements[BOUND],
	           PARAMETERS(key_id, customer_id, param_int(task, LINKS_LIVE_MAX - 1)), NULL));
	TRY(db_run(operation->db, task, &statements[MAKE],
	           PARAMETERS(out->link_id, param_digest(task, &digest), key_id, customer_id,
	                      param_now(operation), param_time(task, out->expires_at)),
	           &rows));
	*made = rows > 0;
	if (!*made)
		return FAIL_NONE;
	TRY(audit_record(operation, "link_create", customer_id, out->link_id, key_id));
	return db_commit(operation->db, task);
}

enum fail
session_link_operator(struct operation *operation, const char *key_id, struct session_link *out)
{
	bool made;

	TRY(make(operation, key_id, NULL, LINK_OPERATOR_MINUTES, out, &made));
	if (made)
		return FAIL_NONE;
	return task_fail(operation->task, FAIL_NOT_FOUND, "operator_not_found",
	                 "There is no such operator with a live key.");
}

enum fail
session_link_customer(struct operation *operation, const char *customer_id, int64_t minutes,
                      struct session_link *out)
{
	bool made;

	TRY(make(operation, NULL, customer_id, minutes, out, &made));
	return made ? FAIL_NONE : fail_customer_not_found(operation->task);
}

enum fail
session_link_end(struct operation *operation, const char *link_id)
{
	return db_run(operation->db, operation->task, &statements[END], PARAMETERS(link_id),
	              NULL);
}

enum fail
session_link_open(struct operation *operation, const char *token, const char *user_agent,
                  struct session_opened *out)
{
	struct task *task = operation->task;
	struct sha256 digest = digest_sha256(token, strlen(token));
	struct used_link link = {0};
	enum fail kind;
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[USE],
	           PARAMETERS(param_digest(task, &digest), param_now(operation)), &link,
	           &found));
	kind = found ? session_open_linked(operation, link.key_id, link.customer_id, user_agent,
	                                   out)
	             : FAIL_UNAUTHENTICATED;
	if (kind == FAIL_UNAUTHENTICATED) {
		task_clear(task);
		return task_fail(task, FAIL_UNAUTHENTICATED, "link_invalid",
		                 "This link was used already, or it has expired. Ask for a "
		                 "new one.");
	}
	TRY(kind);
	return db_commit(operation->db, task);
}
