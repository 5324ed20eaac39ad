/* chain.c: appends the entries of the audit trail to its chain. */
#include "audit/chain.h"

#include "base/arena.h"

enum { LOCK, BACKFILL, STATE, TAKE, HEAD, APPEND, LINKS, FIGURES };

#define ENTRY_COLUMNS                                                                          \
	"a.audit_id IS NOT NULL AS present, a.happened_at, a.actor, a.action, "                \
	"a.customer_id, a.subject, a.request_id, a.detail, a.value_before::text AS before, "   \
	"a.value_after::text AS after "

/* A row of TAKE and of LINKS. */
struct row {
	int64_t position;
	int64_t audit_id;
	const char *hash;
	struct instant chained_at;
	bool present;
	struct instant happened_at;
	const char *actor;
	const char *action;
	const char *customer_id;
	const char *subject;
	const char *request_id;
	const char *detail;
	const char *before;
	const char *after;
};

#define ROW                                                                                    \
	ROWS_WITH(struct row, position, audit_id, hash, chained_at, present, happened_at,      \
	          actor, action, customer_id, subject, request_id, detail, before, after)

static const struct statement statements[] = {
        [LOCK] = {"audit_chain_lock",
                  .sql = "SELECT WHERE pg_try_advisory_xact_lock(hashtextextended("
                         "'audit-chain', 0))"},
        /* Entries older than the chain, some at a time. */
        [BACKFILL] =
                {"audit_chain_backfill",
                 .sql = "WITH state AS (SELECT done_id, last_id FROM audit_backfill "
                        "WHERE done_id < last_id), "
                        "batch AS MATERIALIZED (SELECT a.audit_id FROM audit_log a, state s "
                        "WHERE a.audit_id > s.done_id AND a.audit_id <= s.last_id "
                        "ORDER BY a.audit_id LIMIT $1::bigint), "
                        "made AS (INSERT INTO audit_pending (audit_id) "
                        "SELECT audit_id FROM batch b WHERE NOT EXISTS ("
                        "SELECT FROM audit_chain c WHERE c.audit_id = b.audit_id) "
                        "ON CONFLICT DO NOTHING) "
                        "UPDATE audit_backfill f SET done_id = n.id, "
                        "ended_at = CASE WHEN n.id = f.last_id THEN $2::timestamptz END "
                        "FROM (SELECT CASE WHEN count(*) < $1::bigint "
                        "THEN (SELECT last_id FROM state) ELSE max(audit_id) END AS id "
                        "FROM batch) n WHERE f.done_id < f.last_id"},
        [STATE] = {"audit_chain_state", ROWS_WITH(struct audit_backfill, last_id, ended_at),
                   .sql = "SELECT last_id, ended_at FROM audit_backfill"},
        [TAKE] = {"audit_chain_take", ROW,
                  .sql = "SELECT 0::bigint AS position, p.audit_id, NULL::text AS hash, "
                         "$2::timestamptz AS chained_at, " ENTRY_COLUMNS
                         "FROM audit_pending p LEFT JOIN audit_log a USING (audit_id) "
                         "ORDER BY p.audit_id LIMIT $1::bigint"},
        [HEAD] = {"audit_chain_head", ROWS_WITH(struct audit_head, position, audit_id, hash),
                  .sql = "SELECT position, audit_id, encode(hash, 'hex') AS hash "
                         "FROM audit_chain ORDER BY position DESC LIMIT 1"},
        [APPEND] = {"audit_chain_append",
                    .sql = "WITH gone AS (DELETE FROM audit_pending "
                           "WHERE audit_id = ANY ($2::text[]::bigint[])) "
                           "INSERT INTO audit_chain (position, audit_id, hash, chained_at) "
                           "SELECT $1::bigint + number, id::bigint, decode(hash, 'hex'), "
                           "$4::timestamptz FROM unnest($2::text[], $3::text[]) "
                           "WITH ORDINALITY AS link (id, hash, number)"},
        [LINKS] = {"audit_chain_links", ROW,
                   .sql = "SELECT c.position, c.audit_id, encode(c.hash, 'hex') AS hash, "
                          "c.chained_at, " ENTRY_COLUMNS
                          "FROM audit_chain c LEFT JOIN audit_log a USING (audit_id) "
                          "WHERE c.position > $1::bigint ORDER BY c.position "
                          "LIMIT $2::bigint"},
        [FIGURES] = {"audit_chain_figures",
                     ROWS_WITH(struct audit_chain_figures, links, waiting, waiting_since,
                               first_at),
                     .sql = "SELECT COALESCE((SELECT max(position) FROM audit_chain), 0) AS "
                            "links, (SELECT count(*) FROM audit_pending) AS waiting, "
                            "(SELECT a.happened_at FROM audit_pending p "
                            "JOIN audit_log a USING (audit_id) "
                            "ORDER BY p.audit_id LIMIT 1) AS waiting_since, "
                            "(SELECT chained_at FROM audit_chain "
                            "ORDER BY position LIMIT 1) AS first_at"},
};

const struct statement_list audit_chain_statements = STATEMENT_LIST(statements);

/* "" is no value, "=..." is one. */
static const char *
marked(struct arena *arena, const char *value)
{
	return value == NULL ? "" : arena_printf(arena, "=%s", value);
}

static const char *
number(struct arena *arena, int64_t value)
{
	return arena_printf(arena, "%lld", (long long)value);
}

const char *
audit_link_hash(struct arena *arena, const char *before, const struct audit_link *link)
{
	const struct audit_entry *entry = &link->entry;
	const char *const parts[] = {
	        before,
	        number(arena, entry->position),
	        number(arena, link->chained_at.ms),
	        number(arena, entry->audit_id),
	        link->present ? "present" : "",
	        number(arena, entry->happened_at.ms),
	        marked(arena, entry->actor),
	        marked(arena, entry->action),
	        marked(arena, entry->customer_id),
	        marked(arena, entry->subject),
	        marked(arena, entry->request_id),
	        marked(arena, entry->detail),
	        marked(arena, entry->before),
	        marked(arena, entry->after),
	};
	struct sha256 digest = digest_strings(parts, sizeof(parts) / sizeof(*parts));

	return hex_encode(arena, digest.bytes, sizeof(digest.bytes));
}

static struct audit_link
link_of(const struct row *row)
{
	return (struct audit_link){
	        .entry = {row->audit_id, row->happened_at, row->actor, row->action,
	                  row->customer_id, row->subject, row->request_id, row->detail,
	                  row->before, row->after, row->position, row->hash},
	        .present = row->present,
	        .chained_at = row->chained_at,
	};
}

enum fail
audit_head_read(struct operation *operation, struct audit_head *out)
{
	bool found;

	*out = (struct audit_head){0};
	TRY(db_row(operation->db, operation->task, &statements[HEAD], NO_PARAMETERS, out,
	           &found));
	if (!found)
		out->hash = AUDIT_NO_HASH;
	return FAIL_NONE;
}

enum fail
audit_backfill_read(struct operation *operation, struct audit_backfill *out)
{
	bool found;

	*out = (struct audit_backfill){0};
	return db_row(operation->db, operation->task, &statements[STATE], NO_PARAMETERS, out,
	              &found);
}

enum fail
audit_links(struct operation *operation, int64_t behind, int64_t limit,
            const struct audit_link **out, size_t *count)
{
	struct task *task = operation->task;
	const struct row *rows;
	struct audit_link *links;

	TRY(db_rows(operation->db, task, &statements[LINKS],
	            PARAMETERS(param_int(task, behind), param_int(task, limit)), (void *)&rows,
	            count));
	links = arena_array(task->arena, *count + 1, sizeof(*links));
	for (size_t i = 0; i < *count; i++)
		links[i] = link_of(&rows[i]);
	*out = links;
	return FAIL_NONE;
}

enum fail
audit_chain_figures(struct operation *operation, struct audit_chain_figures *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[FIGURES], NO_PARAMETERS, out,
	              &found);
}

/* Appends the entries behind the head. */
static enum fail
append(struct operation *operation, const struct audit_head *head, const struct row *rows,
       size_t count)
{
	struct task *task = operation->task;
	const char **ids = arena_array(task->arena, count, sizeof(*ids));
	const char **hashes = arena_array(task->arena, count, sizeof(*hashes));
	const struct string_list id_list = {.present = true, .count = count, .items = ids};
	const struct string_list hash_list = {.present = true, .count = count, .items = hashes};
	const char *before = head->hash;

	for (size_t i = 0; i < count; i++) {
		struct audit_link link = link_of(&rows[i]);

		link.entry.position = head->position + 1 + (int64_t)i;
		before = hashes[i] = audit_link_hash(task->arena, before, &link);
		ids[i] = param_int(task, rows[i].audit_id);
	}
	return db_run(operation->db, task, &statements[APPEND],
	              PARAMETERS(param_int(task, head->position), param_list(task, &id_list),
	                         param_list(task, &hash_list), param_now(operation)),
	              NULL);
}

/* One process at a time appends; the others leave it to that one. */
enum fail
audit_chain_run(struct operation *operation, int64_t *done)
{
	struct task *task = operation->task;
	struct db *db = operation->db;
	const char *limit = param_int(task, operation->batch);
	struct audit_head head;
	const struct row *rows;
	int64_t locked;
	size_t count;

	TRY(db_begin(db, task));
	TRY(db_run(db, task, &statements[LOCK], NO_PARAMETERS, &locked));
	if (locked == 0)
		return db_commit(db, task);
	TRY(db_run(db, task, &statements[BACKFILL], PARAMETERS(limit, param_now(operation)),
	           NULL));
	TRY(db_rows(db, task, &statements[TAKE], PARAMETERS(limit, param_now(operation)),
	            (void *)&rows, &count));
	if (count > 0) {
		TRY(audit_head_read(operation, &head));
		TRY(append(operation, &head, rows, count));
	}
	*done = (int64_t)count;
	return db_commit(db, task);
}
