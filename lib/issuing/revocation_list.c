/* revocation_list.c: signs and stores the list of revoked licences. */
#include "issuing/revocation_list.h"

#include "base/arena.h"
#include "base/text.h"
#include "issuing/licenses.h"
#include "licensing/revocations.h"

enum { COMPACT_AT_ONCE = 500, COMPACT_ROUNDS_MAX = 1000 };

/* A list that another installation's key has signed is replaced after this time. While a key is
 * changed, hosts that do not have it yet leave its lists alone. */
#define FOREIGN_KEY_MS HOUR_MS

/* A revocation that is not listed after this time is a fault. */
#define LATE_MS (60 * SECOND_MS)

/* A licence, or the licences of a customer before a second, on the list. */
struct entry {
	const char *id;
	int64_t before_s;
};

enum {
	FIGURES,
	CURRENT,
	LOCK,
	PRUNE,
	SUPERSEDE,
	COMPACT,
	TAKE,
	JTIS,
	BEFORE,
	DISTRUSTED,
	STORE,
	DROP_OLDER
};

extern const char issuing_revocation_compact_sql[];   /* revocation_compact.sql */
extern const char issuing_revocation_supersede_sql[]; /* revocation_supersede.sql */

static const struct statement statements[] = {
        [FIGURES] =
                {"revocation_list_figures",
                 ROWS_WITH(struct revocation_list_figures, number, kid, issuer, distrusted,
                           issued_at, next_update_at, entries, bytes, unlisted_since,
                           behind_since),
                 .sql = "SELECT COALESCE(l.number, 0) AS number, l.kid, l.issuer, "
                        "EXISTS (SELECT FROM signing_keys k WHERE k.state = 'distrusted' "
                        "AND (k.kid = l.kid OR k.distrusted_at > l.issued_at)) AS distrusted, "
                        "l.issued_at, l.next_update_at, COALESCE(l.entries, 0) AS entries, "
                        "COALESCE(octet_length(l.token), 0)::bigint AS bytes, "
                        "(SELECT min(revoked_at) FROM license_revocations "
                        " WHERE list_number IS NULL) AS unlisted_since, "
                        "(SELECT min(found_at) FROM revocation_restores "
                        " WHERE resolved_at IS NULL) AS behind_since "
                        "FROM (SELECT) AS one LEFT JOIN LATERAL (SELECT number, kid, issuer, "
                        "issued_at, next_update_at, entries, token FROM "
                        "revocation_lists ORDER BY number DESC LIMIT 1) l ON true"},
        [CURRENT] = {"revocation_list_current",
                     ROWS_WITH(struct stored_list, number, kid, issued_at, token),
                     .sql = "SELECT number, kid, issued_at, token FROM revocation_lists "
                            "ORDER BY number DESC LIMIT 1"},
        [LOCK] = {"revocation_list_lock",
                  .sql = "SELECT WHERE pg_try_advisory_xact_lock(hashtextextended("
                         "'revocation-list', 0))"},
        [PRUNE] = {"revocation_list_prune",
                   .sql = "WITH expired AS (DELETE FROM revoked_before WHERE expires_at <= $1) "
                          "DELETE FROM license_revocations WHERE expires_at <= $1"},
        [SUPERSEDE] = {"revocation_supersede", .sql = issuing_revocation_supersede_sql},
        [COMPACT] = {"revocation_compact", .sql = issuing_revocation_compact_sql},
        /* Later revocations are for the list after this one. */
        [TAKE] = {"revocation_list_take",
                  .sql = "UPDATE license_revocations SET list_number = $1::bigint "
                         "WHERE list_number IS NULL"},
        [JTIS] = {"revocation_list_jtis", ROWS_WITH(struct entry, id),
                  .sql = "SELECT jti AS id FROM license_revocations "
                         "WHERE list_number IS NOT NULL ORDER BY jti"},
        [BEFORE] = {"revocation_list_before", ROWS_WITH(struct entry, id, before_s),
                    .sql = "SELECT customer_id AS id, "
                           "extract(epoch FROM before_at)::bigint AS before_s "
                           "FROM revoked_before ORDER BY customer_id"},
        [DISTRUSTED] = {"revocation_list_distrusted", ROWS_WITH(struct entry, id),
                        .sql = "SELECT kid AS id FROM signing_keys WHERE state = 'distrusted' "
                               "ORDER BY distrusted_at DESC, kid LIMIT 64"},
        [STORE] = {"revocation_list_store",
                   .sql = "INSERT INTO revocation_lists (number, kid, issuer, issued_at, "
                          "next_update_at, entries, token) "
                          "VALUES ($1::bigint, $2, $3, $4, $5, $6::bigint, $7)"},
        [DROP_OLDER] = {"revocation_list_drop_older",
                        .sql = "DELETE FROM revocation_lists WHERE number < $1::bigint"},
};

const struct statement_list revocation_list_statements = STATEMENT_LIST(statements);

enum fail
revocation_list_figures(struct operation *operation, struct revocation_list_figures *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[FIGURES], NO_PARAMETERS, out,
	              &found);
}

const char *
revocation_list_fault(const struct operation *operation,
                      const struct revocation_list_figures *figures)
{
	int64_t now_ms = operation->now_ms;

	if (figures->number == 0)
		return "no list is signed yet";
	if (figures->behind_since.known)
		return "the database is behind the published list: it was restored from a "
		       "backup";
	if (figures->next_update_at.ms <= now_ms)
		return "the list is out of date";
	if (figures->unlisted_since.known && now_ms - figures->unlisted_since.ms > LATE_MS)
		return "a revocation has waited for a minute to be on the list";
	return figures->bytes > REVOCATIONS_TOKEN_MAX / 2
	               ? "the list has more than half of the size that verifiers read"
	               : NULL;
}

/* Reads the ids of a statement's rows. */
static enum fail
read_ids(struct operation *operation, int statement, const char *const **out, size_t *count)
{
	struct task *task = operation->task;
	const struct entry *rows;
	const char **ids;

	TRY(db_rows(operation->db, task, &statements[statement], NO_PARAMETERS, (void *)&rows,
	            count));
	ids = arena_array(task->arena, *count + 1, sizeof(*ids));
	for (size_t i = 0; i < *count; i++)
		ids[i] = rows[i].id;
	*out = ids;
	return FAIL_NONE;
}

static enum fail
read_before(struct operation *operation, struct revocations *list)
{
	struct task *task = operation->task;
	const struct entry *rows;
	struct revoked_before *before;

	TRY(db_rows(operation->db, task, &statements[BEFORE], NO_PARAMETERS, (void *)&rows,
	            &list->before_count));
	before = arena_array(task->arena, list->before_count + 1, sizeof(*before));
	for (size_t i = 0; i < list->before_count; i++)
		before[i] = (struct revoked_before){rows[i].id, rows[i].before_s};
	list->before = before;
	return FAIL_NONE;
}

/* Replaces the list entries of a customer with more than REVOCATIONS_NAMED_MAX revoked licences by one
 * `revoked_before` entry, some customers at a time, as a statement's time is limited. */
static enum fail
compact(struct operation *operation)
{
	struct task *task = operation->task;
	int64_t covered = COMPACT_AT_ONCE;

	for (int i = 0; i < COMPACT_ROUNDS_MAX && covered == COMPACT_AT_ONCE; i++)
		TRY(db_run(operation->db, task, &statements[COMPACT],
		           PARAMETERS(param_now(operation),
		                      param_int(task, REVOCATIONS_NAMED_MAX),
		                      param_int(task, COMPACT_AT_ONCE)),
		           &covered));
	return FAIL_NONE;
}

/* Makes the tables say what the list with this number has to name. */
static enum fail
prepare(struct operation *operation, int64_t number)
{
	struct task *task = operation->task;
	/* Verifiers allow for a late clock, so a licence stays listed a little longer. */
	const char *ended = param_in(operation, -LICENSE_LEEWAY_SECONDS * SECOND_MS);

	TRY(db_run(operation->db, task, &statements[PRUNE], PARAMETERS(ended), NULL));
	TRY(compact(operation));
	/* One entry is not enough while an older licence of the customer is in use. With more entries
	 * than an honest customer can have, the older licences are revoked, too. */
	TRY(db_run(operation->db, task, &statements[SUPERSEDE],
	           PARAMETERS(param_now(operation),
	                      param_int(task, license_in_use_max(operation))),
	           NULL));
	return db_run(operation->db, task, &statements[TAKE],
	              PARAMETERS(param_int(task, number)), NULL);
}

static enum fail
store(struct operation *operation, const struct revocations *list, const char *token)
{
	struct task *task = operation->task;
	const char *number = param_int(task, list->number);
	struct instant issued_at = INSTANT_MS(list->issued_at_s * SECOND_MS);
	int64_t entries = (int64_t)(list->count + list->before_count);

	TRY(db_run(operation->db, task, &statements[STORE],
	           PARAMETERS(number, license_keys_signing(&operation->billing->keys)->kid,
	                      list->issuer, param_time(task, issued_at),
	                      param_time(task, INSTANT_MS(list->next_update_s * SECOND_MS)),
	                      param_int(task, entries), token),
	           NULL));
	return db_run(operation->db, task, &statements[DROP_OLDER], PARAMETERS(number), NULL);
}

/* Verifiers refuse a list that is older than the one they have, so time never goes back, whatever
 * the clocks of several hosts say. */
enum fail
revocation_list_sign(struct operation *operation, const struct revocation_list_figures *before)
{
	const struct billing *billing = operation->billing;
	int64_t before_s = before->issued_at.known ? before->issued_at.ms / SECOND_MS : 0;
	int64_t now_s = operation->now_ms / SECOND_MS;
	struct revocations list = {
	        .issuer = billing->policy.issuer,
	        .number = before->number + 1,
	        .issued_at_s = now_s > before_s ? now_s : before_s,
	        .next_update_s = now_s + billing->policy.revocations_ttl_hours * 3600,
	};
	char *token;

	TRY(prepare(operation, list.number));
	TRY(read_ids(operation, JTIS, &list.jtis, &list.count));
	TRY(read_ids(operation, DISTRUSTED, &list.distrusted, &list.distrusted_count));
	TRY(read_before(operation, &list));
	TRY(revocations_sign(operation->task, license_keys_signing(&billing->keys), &list,
	                     &token));
	return store(operation, &list, token);
}

static bool
is_signed_by_another_key(const struct operation *operation,
                         const struct revocation_list_figures *figures)
{
	const struct license_keys *keys = &operation->billing->keys;

	if (text_equal(figures->kid, license_keys_signing(keys)->kid))
		return false;
	return license_keys_find(keys, figures->kid) != NULL ||
	       operation->now_ms - figures->issued_at.ms > FOREIGN_KEY_MS;
}

static bool
is_due(const struct operation *operation, const struct revocation_list_figures *figures)
{
	int64_t life = operation->billing->policy.revocations_ttl_hours * HOUR_MS;

	/* Another host has the private half of the current key. */
	if (license_keys_signing(&operation->billing->keys) == NULL)
		return false;
	return figures->number == 0 || figures->unlisted_since.known || figures->distrusted ||
	       figures->next_update_at.ms - operation->now_ms < life / 2 ||
	       !text_equal(figures->issuer, operation->billing->policy.issuer) ||
	       is_signed_by_another_key(operation, figures);
}

enum fail
revocation_list_lock(struct operation *operation, bool *locked)
{
	int64_t rows;

	TRY(db_run(operation->db, operation->task, &statements[LOCK], NO_PARAMETERS, &rows));
	*locked = rows > 0;
	return FAIL_NONE;
}

/* Signs a list if one is due and no other process is signing one. */
static enum fail
refresh(struct operation *operation, bool *was_due)
{
	struct task *task = operation->task;
	struct revocation_list_figures figures;
	bool locked;

	*was_due = false;
	TRY(revocation_list_figures(operation, &figures));
	if (!is_due(operation, &figures))
		return FAIL_NONE;
	TRY(db_begin(operation->db, task));
	TRY(revocation_list_lock(operation, &locked));
	if (!locked)
		return db_commit(operation->db, task);
	/* Another process may have signed one before this one had the lock. */
	TRY(revocation_list_figures(operation, &figures));
	*was_due = is_due(operation, &figures);
	if (*was_due)
		TRY(revocation_list_sign(operation, &figures));
	return db_commit(operation->db, task);
}

enum fail
revocation_list_run(struct operation *operation, int64_t *done)
{
	bool signed_now;

	TRY(refresh(operation, &signed_now));
	*done = signed_now ? 1 : 0;
	return FAIL_NONE;
}

enum fail
revocation_list_current(struct operation *operation, struct stored_list *out)
{
	struct task *task = operation->task;
	bool found, was_due;

	TRY(db_row(operation->db, task, &statements[CURRENT], NO_PARAMETERS, out, &found));
	if (found)
		return FAIL_NONE;
	TRY(refresh(operation, &was_due));
	TRY(db_row(operation->db, task, &statements[CURRENT], NO_PARAMETERS, out, &found));
	if (found)
		return FAIL_NONE;
	return task_fail(task, FAIL_UNAVAILABLE, "busy",
	                 "The revocation list is being signed at this moment; try again.");
}
