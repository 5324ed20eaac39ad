/* revocation_restore.c: keeps the published revocation list in a file beside the database, and takes
 * it over into a database that was restored from a backup. */
#include "issuing/revocation_restore.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "billing/audit.h"
#include "issuing/licenses.h"
#include "issuing/revocation_list.h"
#include "licensing/revocations.h"

enum { FILE_MAX = REVOCATIONS_TOKEN_MAX + 8192 };

enum {
	TAKE_JTIS,
	REVOKE_JTIS,
	TAKE_BEFORE,
	REVOKE_BEFORE,
	TELL,
	DISTRUST,
	RECORD,
	LOST,
	RESOLVE
};

static const struct statement statements[] = {
        /* A licence that was issued after the backup has no row, so its end is not known. */
        [TAKE_JTIS] =
                {"revocation_restore_jtis",
                 .sql = "INSERT INTO license_revocations (jti, customer_id, issued_at, "
                        "expires_at, revoked_at) "
                        "SELECT p.jti, l.customer_id, l.issued_at, COALESCE(l.expires_at, $3), "
                        "$2 FROM unnest($1::text[]) AS p (jti) LEFT JOIN licenses l USING "
                        "(jti) "
                        "WHERE l.revoked_at IS NULL ON CONFLICT DO NOTHING"},
        [REVOKE_JTIS] = {"revocation_restore_revoke_jtis",
                         .sql = "UPDATE licenses SET revoked_at = $2, "
                                "revoke_reason = 'restored', token = NULL "
                                "WHERE jti = ANY ($1::text[]) AND revoked_at IS NULL"},
        [TAKE_BEFORE] =
                {"revocation_restore_before",
                 .sql = "INSERT INTO revoked_before AS b (customer_id, before_at, expires_at) "
                        "SELECT p.id, to_timestamp(p.before_s), $3 "
                        "FROM unnest($1::text[], $2::text[]::bigint[]) AS p (id, before_s) "
                        "ON CONFLICT (customer_id) DO UPDATE SET "
                        "before_at = GREATEST(b.before_at, EXCLUDED.before_at), "
                        "expires_at = GREATEST(b.expires_at, EXCLUDED.expires_at)"},
        [REVOKE_BEFORE] =
                {"revocation_restore_revoke_before",
                 .sql = "UPDATE licenses l SET revoked_at = $3, revoke_reason = 'restored', "
                        "token = NULL "
                        "FROM unnest($1::text[], $2::text[]::bigint[]) AS p (id, before_s) "
                        "WHERE l.customer_id = p.id AND l.revoked_at IS NULL "
                        "AND l.expires_at > $3 AND l.issued_at < to_timestamp(p.before_s)"},
        /* Events of after the backup are lost, and were perhaps delivered; so each customer is told
	 * in one event what is revoked. */
        [TELL] = {"revocation_restore_tell",
                  .sql = "SELECT licenses_revoked_tell(array_agg(l), $3) FROM licenses l "
                         "WHERE (l.jti = ANY ($1::text[]) OR l.customer_id = ANY ($2::text[])) "
                         "AND l.revoked_at = $3 AND l.revoke_reason = 'restored' "
                         "HAVING count(*) > 0"},
        /* Another key has to sign when the current one is among them; all hosts read the keys
	 * again. */
        [DISTRUST] = {"revocation_restore_distrust",
                      .sql = "WITH distrusted AS (UPDATE signing_keys "
                             "SET state = 'distrusted', distrusted_at = $2 "
                             "WHERE kid = ANY ($1::text[]) AND state <> 'distrusted' "
                             "RETURNING kid) "
                             "SELECT pg_notify('billing_jobs', '') FROM distrusted"},
        [RECORD] = {"revocation_restore_record",
                    .sql = "INSERT INTO revocation_restores (found_at, stored_number, "
                           "published_number) VALUES ($1, $2::bigint, $3::bigint)"},
        [LOST] = {"revocation_restore_lost",
                  ROWS_WITH(struct lost_revocation, customer_id, jti, plan, status),
                  .sql = "SELECT l.customer_id, l.jti, l.plan, s.status FROM licenses l "
                         "LEFT JOIN LATERAL (SELECT status FROM subscriptions "
                         "  WHERE customer_id = l.customer_id "
                         "  ORDER BY superseded, subscription_order(subscriptions, now()), "
                         "  subscription_id DESC LIMIT 1) s ON true "
                         "WHERE l.revoke_reason = 'restored' AND l.revoked_at >= ("
                         "  SELECT min(found_at) FROM revocation_restores "
                         "  WHERE resolved_at IS NULL) "
                         "UNION ALL SELECT NULL, r.jti, NULL, NULL FROM license_revocations r "
                         "WHERE r.customer_id IS NULL "
                         "UNION ALL SELECT b.customer_id, NULL, NULL, NULL "
                         "FROM revoked_before b WHERE NOT EXISTS ("
                         "  SELECT FROM customers c WHERE c.customer_id = b.customer_id) "
                         "ORDER BY customer_id, jti LIMIT 1000"},
        [RESOLVE] = {"revocation_restore_resolve",
                     .sql = "UPDATE revocation_restores SET resolved_at = $1 "
                            "WHERE resolved_at IS NULL"},
};

const struct statement_list revocation_restore_statements = STATEMENT_LIST(statements);

/* The list in the file; `number` is 0 when there is none. */
struct published {
	int64_t number;
	int64_t issued_ms;
	const char *token;
	const char *pem; /* the public key that signed it; "" in a file of an older version */
};

static enum fail
read_published(struct task *task, const char *path, struct published *out)
{
	struct published read = {0};
	const char *cursor;
	char *text;
	size_t length;

	*out = (struct published){0};
	TRY(file_read(task, path, FILE_MAX, &text, &length));
	cursor = text;
	if (!text_take_int(&cursor, ' ', &read.number) ||
	    !text_take_int(&cursor, '\n', &read.issued_ms))
		return FAIL_NONE;
	length = strcspn(cursor, "\n");
	read.token = arena_copy_bytes(task->arena, cursor, length);
	read.pem = cursor[length] == '\0' ? "" : cursor + length + 1;
	*out = read;
	return FAIL_NONE;
}

enum fail
revocation_published_number(struct task *task, const char *path, int64_t *number)
{
	struct published published;

	TRY(read_published(task, path, &published));
	*number = published.number;
	return FAIL_NONE;
}

static enum fail
write_published(struct operation *operation, const struct stored_list *list)
{
	struct task *task = operation->task;
	const char *path = operation->billing->policy.revocations_file;
	const struct license_key *key = license_keys_find(&operation->billing->keys, list->kid);
	const char *text = arena_printf(task->arena, "%lld %lld\n%s\n%s",
	                                (long long)list->number, (long long)list->issued_at.ms,
	                                list->token, key == NULL ? "" : key->public_pem);

	return file_write(task, path, 0640, text, strlen(text), true);
}

static enum fail
take_jtis(struct operation *operation, const char *jtis, const char *until)
{
	struct task *task = operation->task;
	const char *now = param_now(operation);

	TRY(db_run(operation->db, task, &statements[TAKE_JTIS], PARAMETERS(jtis, now, until),
	           NULL));
	return db_run(operation->db, task, &statements[REVOKE_JTIS], PARAMETERS(jtis, now),
	              NULL);
}

static enum fail
take_before(struct operation *operation, const struct revocations *list, const char *customers,
            const char *until)
{
	struct task *task = operation->task;
	const char **seconds =
	        arena_array(task->arena, list->before_count + 1, sizeof(*seconds));
	const struct string_list times = {
	        .present = true, .count = list->before_count, .items = seconds};
	const char *before;

	for (size_t i = 0; i < list->before_count; i++)
		seconds[i] = param_int(task, list->before[i].before_s);
	before = param_list(task, &times);
	TRY(db_run(operation->db, task, &statements[TAKE_BEFORE],
	           PARAMETERS(customers, before, until), NULL));
	return db_run(operation->db, task, &statements[REVOKE_BEFORE],
	              PARAMETERS(customers, before, param_now(operation)), NULL);
}

/* Revokes the licences that the list names, and those that it covers. */
static enum fail
take_licenses(struct operation *operation, const struct revocations *list)
{
	struct task *task = operation->task;
	const char *until =
	        param_in(operation, operation->billing->policy.license_ttl_days * DAY_MS);
	const char **ids = arena_array(task->arena, list->before_count + 1, sizeof(*ids));
	const struct string_list customers = {
	        .present = true, .count = list->before_count, .items = ids};
	const struct string_list jtis = {
	        .present = true, .count = list->count, .items = list->jtis};
	const char *named = param_list(task, &jtis), *covered;

	for (size_t i = 0; i < list->before_count; i++)
		ids[i] = list->before[i].customer_id;
	covered = param_list(task, &customers);
	TRY(take_jtis(operation, named, until));
	TRY(take_before(operation, list, covered, until));
	return db_run(operation->db, task, &statements[TELL],
	              PARAMETERS(named, covered, param_now(operation)), NULL);
}

static enum fail
take_distrusted(struct operation *operation, const struct revocations *list)
{
	const struct string_list kids = {
	        .present = true, .count = list->distrusted_count, .items = list->distrusted};

	return db_run(operation->db, operation->task, &statements[DISTRUST],
	              PARAMETERS(param_list(operation->task, &kids), param_now(operation)),
	              NULL);
}

/* Reads the published list by the keys of the database. A database that was restored to before a change
 * of the key does not know the key; then the one beside the list counts. */
static enum token_verdict
read_list(struct operation *operation, const struct published *published,
          struct revocations *list)
{
	struct task *task = operation->task;
	struct task reading = task_attempt(task);
	int64_t now_s = operation->now_ms / SECOND_MS;
	struct license_keys beside = {0};
	enum token_verdict verdict = revocations_read(task, &operation->billing->keys,
	                                              published->token, now_s, 0, NULL, list);

	if (verdict != LICENSE_UNKNOWN_KEY ||
	    license_keys_public_from_pem(&reading, published->pem, &beside) != FAIL_NONE)
		return verdict;
	verdict = revocations_read(task, &beside, published->token, now_s, 0, NULL, list);
	license_keys_release(&beside);
	return verdict;
}

/* Revokes what the published list revokes. A list that cannot be read any more, as its key is not
 * known, only counts as a later one. */
static enum fail
take_over(struct operation *operation, const struct published *published)
{
	struct revocations list;
	enum token_verdict verdict = read_list(operation, published, &list);

	if (verdict != LICENSE_VALID && verdict != LICENSE_EXPIRED &&
	    verdict != LICENSE_NOT_YET_VALID) {
		log_line(LOG_LEVEL_ERROR, "the published revocation list cannot be read",
		         LOG_S("code", token_verdict_code(verdict)));
		return FAIL_NONE;
	}
	TRY(take_distrusted(operation, &list));
	return take_licenses(operation, &list);
}

static enum fail
restore(struct operation *operation, const struct published *published,
        struct revocation_list_figures *figures)
{
	struct task *task = operation->task;
	const char *numbers =
	        arena_printf(task->arena, "list %lld was published, the database has %lld",
	                     (long long)published->number, (long long)figures->number);

	TRY(take_over(operation, published));
	TRY(db_run(operation->db, task, &statements[RECORD],
	           PARAMETERS(param_now(operation), param_int(task, figures->number),
	                      param_int(task, published->number)),
	           NULL));
	TRY(audit_record(operation, "database_restored", NULL, NULL, numbers));
	log_line(LOG_LEVEL_ERROR, "the database is behind the published revocation list",
	         LOG_I("published", published->number), LOG_I("stored", figures->number));
	figures->number = published->number;
	figures->issued_at = INSTANT_MS(published->issued_ms);
	return revocation_list_sign(operation, figures);
}

static bool
is_behind(const struct revocation_list_figures *figures, const struct published *published)
{
	return published->number > figures->number ||
	       (published->number == figures->number && published->number > 0 &&
	        published->issued_ms != figures->issued_at.ms);
}

/* Restores under the lock of the list; the file may be one that another host has seen to. */
static enum fail
restore_if_behind(struct operation *operation, const struct published *published)
{
	struct task *task = operation->task;
	struct revocation_list_figures figures;
	bool locked;

	TRY(db_begin(operation->db, task));
	TRY(revocation_list_lock(operation, &locked));
	if (locked) {
		TRY(revocation_list_figures(operation, &figures));
		if (is_behind(&figures, published))
			TRY(restore(operation, published, &figures));
	}
	return db_commit(operation->db, task);
}

enum fail
revocation_publish_run(struct operation *operation, int64_t *done)
{
	const char *path = operation->billing->policy.revocations_file;
	struct task reading = task_attempt(operation->task);
	struct revocation_list_figures figures;
	struct published published;
	struct stored_list list;

	/* Another host signs the list, or a key has to be put in place first. */
	if (license_keys_signing(&operation->billing->keys) == NULL)
		return FAIL_NONE;
	TRY(revocation_list_figures(operation, &figures));
	/* A file that cannot be read has no list; writing it tells of a fault. */
	if (read_published(&reading, path, &published) != FAIL_NONE)
		published = (struct published){0};
	if (is_behind(&figures, &published))
		TRY(restore_if_behind(operation, &published));
	else if (published.number == figures.number)
		return FAIL_NONE;
	TRY(revocation_list_current(operation, &list));
	if (list.number <= published.number)
		return FAIL_NONE;
	*done = 1;
	return write_published(operation, &list);
}

enum fail
revocation_restore_list(struct operation *operation, const struct lost_revocation **out,
                        size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LOST], NO_PARAMETERS,
	               (void *)out, count);
}

enum fail
revocation_restore_resolve(struct operation *operation)
{
	int64_t resolved;

	TRY(db_begin(operation->db, operation->task));
	TRY(db_run(operation->db, operation->task, &statements[RESOLVE],
	           PARAMETERS(param_now(operation)), &resolved));
	if (resolved > 0)
		TRY(audit_record(operation, "restore_resolved", NULL, NULL, NULL));
	return db_commit(operation->db, operation->task);
}
