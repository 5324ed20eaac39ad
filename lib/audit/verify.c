/* verify.c: compares the audit trail with its chain, and the chain with its signed heads. */
#include "audit/verify.h"

#include <string.h>

#include "base/arena.h"

enum { LINKS_AT_ONCE = 1000, ENTRIES_AT_ONCE = 20000, ARENA_LIMIT = 64 * 1024 * 1024 };

/* A transaction that writes an entry does not take longer. */
static const int64_t slack_ms = HOUR_MS;

/* An entry without a link, and the greatest id that was looked at. */
struct loose_row {
	int64_t audit_id;
	int64_t looked_at;
	int64_t last_id;
};

enum { LOOSE };

static const struct statement statements[] = {
        /* Ids of entries that neither have a link nor wait for one, of the next so many entries; one row
         * more with the greatest id of these. */
        [LOOSE] = {"audit_verify_loose",
                   ROWS_WITH(struct loose_row, audit_id, looked_at, last_id), .reads = true,
                   .sql = "WITH taken AS MATERIALIZED (SELECT audit_id FROM audit_log "
                          "WHERE audit_id > $1::bigint ORDER BY audit_id LIMIT $2::bigint), "
                          "loose AS (SELECT audit_id FROM taken t "
                          "WHERE NOT EXISTS (SELECT FROM audit_chain c "
                          "  WHERE c.audit_id = t.audit_id) "
                          "AND NOT EXISTS (SELECT FROM audit_pending p "
                          "  WHERE p.audit_id = t.audit_id) "
                          "AND NOT EXISTS (SELECT FROM audit_backfill b "
                          "  WHERE b.ended_at IS NULL AND t.audit_id > b.done_id "
                          "  AND t.audit_id <= b.last_id) "
                          "ORDER BY audit_id LIMIT 1000) "
                          "SELECT audit_id, 0::bigint AS looked_at, 0::bigint AS last_id "
                          "FROM loose UNION ALL "
                          "SELECT 0::bigint, count(*), max(audit_id) FROM taken"},
};

const struct statement_list audit_verify_statements = STATEMENT_LIST(statements);

/* One verification. Rows are in the arena of `batch`, all else in that of `operation`. */
struct check {
	struct operation *operation;
	struct task batch;
	struct audit_verdict *out;
	struct audit_fault *faults;
	const struct audit_signed_head *heads;
	size_t heads_left;
	struct audit_backfill backfill;
	int64_t signed_heads;              /* whether they agree or not */
	char hash[2 * SHA256_SIZE + 1];    /* of the link before */
	struct instant chained_at;         /* of the newest link so far */
	struct instant earlier_chained_at; /* of the newest link that another round has made */
};

static void
add_fault(struct check *check, const char *fault, int64_t position, int64_t audit_id,
          const char *message)
{
	struct audit_verdict *out = check->out;

	if (out->found++ < AUDIT_FAULTS_MAX)
		check->faults[out->listed++] =
		        (struct audit_fault){fault, position, audit_id, message};
}

/* A head that was signed before the end of the backfill does not know when that is. */
static bool
backfill_agrees(const struct audit_backfill *backfill, const struct audit_signed_head *head)
{
	return head->backfill_id == backfill->last_id &&
	       (head->backfill_ended_ms == 0 ||
	        (backfill->ended_at.known && head->backfill_ended_ms == backfill->ended_at.ms));
}

/* The link at the position of the head has this hash. */
static void
check_head(struct check *check, const struct audit_signed_head *head, int64_t position,
           const char *hash)
{
	struct arena *arena = check->operation->task->arena;

	if (head->torn) {
		check->out->torn++;
		return;
	}
	if (head->fault != NULL) {
		add_fault(check, "head_line", 0, 0,
		          arena_printf(arena, "line %lld %s", (long long)head->line,
		                       head->fault));
		return;
	}
	check->signed_heads++;
	if (head->position != position || strcmp(head->hash, hash) != 0)
		add_fault(check, "head", head->position, 0,
		          arena_printf(arena, "the head in line %lld is another one",
		                       (long long)head->line));
	else if (!backfill_agrees(&check->backfill, head))
		add_fault(check, "backfill", head->position, 0,
		          arena_printf(arena,
		                       "audit_backfill differs from the head in line %lld",
		                       (long long)head->line));
	else
		check->out->heads++;
}

/* Compares the heads up to this position; the link there has this hash. */
static void
check_heads(struct check *check, int64_t position, const char *hash)
{
	for (; check->heads_left > 0 && check->heads->position <= position;
	     check->heads++, check->heads_left--)
		check_head(check, check->heads, position, hash);
}

/* An entry is written at most `slack_ms` before it is committed, and chained by the next round. */
static bool
is_backdated(const struct check *check, const struct audit_link *link)
{
	if (link->entry.audit_id <= check->backfill.last_id)
		return check->backfill.ended_at.known &&
		       check->chained_at.ms > check->backfill.ended_at.ms + slack_ms;
	return link->entry.happened_at.ms + slack_ms < check->earlier_chained_at.ms;
}

/* Positions that the chain lacks before this link. */
static bool
check_gap(struct check *check, int64_t position)
{
	struct audit_verdict *out = check->out;
	bool found = out->position + 1 < position;

	for (out->position++; out->position < position; out->position++)
		add_fault(check, "link_missing", out->position, 0, NULL);
	return found;
}

static void
check_link(struct check *check, const struct audit_link *link)
{
	const struct audit_entry *entry = &link->entry;
	/* Behind a gap the hash before is not known. */
	bool gap = check_gap(check, entry->position);
	const char *hash = audit_link_hash(check->batch.arena, check->hash, link);

	/* Time that goes back makes no link older. */
	if (link->chained_at.ms > check->chained_at.ms) {
		check->earlier_chained_at = check->chained_at;
		check->chained_at = link->chained_at;
	}
	if (!link->present)
		add_fault(check, "removed", entry->position, entry->audit_id, NULL);
	else if (!gap && strcmp(hash, entry->hash) != 0)
		add_fault(check, "changed", entry->position, entry->audit_id, NULL);
	else if (is_backdated(check, link))
		add_fault(check, "backdated", entry->position, entry->audit_id, NULL);
	memcpy(check->hash, entry->hash, sizeof(check->hash));
	check->out->links++;
	check_heads(check, entry->position, entry->hash);
}

static enum fail
check_links(struct check *check)
{
	struct operation reading = *check->operation;
	const struct audit_link *links;
	size_t count;

	reading.task = &check->batch;
	do {
		TRY(audit_links(&reading, check->out->position, LINKS_AT_ONCE, &links, &count));
		for (size_t i = 0; i < count; i++)
			check_link(check, &links[i]);
		arena_reset(check->batch.arena);
	} while (count == LINKS_AT_ONCE);
	return FAIL_NONE;
}

static enum fail
check_entries(struct check *check)
{
	struct db *db = check->operation->db;
	int64_t behind = 0, looked_at;

	do {
		struct task *task = &check->batch;
		const struct loose_row *rows;
		size_t count;

		looked_at = 0;
		TRY(db_rows(
		        db, task, &statements[LOOSE],
		        PARAMETERS(param_int(task, behind), param_int(task, ENTRIES_AT_ONCE)),
		        (void *)&rows, &count));
		for (size_t i = 0; i < count; i++) {
			if (rows[i].audit_id != 0)
				add_fault(check, "inserted", 0, rows[i].audit_id, NULL);
			looked_at += rows[i].looked_at;
			behind = rows[i].last_id > behind ? rows[i].last_id : behind;
		}
		check->out->entries += looked_at;
		arena_reset(check->batch.arena);
	} while (looked_at == ENTRIES_AT_ONCE);
	return FAIL_NONE;
}

/* The first link had to be signed within a day. */
static void
check_signed(struct check *check, struct instant first_at)
{
	if (check->signed_heads == 0 && first_at.known &&
	    check->operation->now_ms - first_at.ms > AUDIT_HEAD_DAYS_MAX * DAY_MS)
		add_fault(check, "no_head", 0, 0, "there is no signed head");
}

static enum fail
check_all(struct check *check)
{
	struct audit_verdict *out = check->out;
	struct arena *arena = check->operation->task->arena;
	struct operation reading = *check->operation;
	struct audit_chain_figures figures;

	reading.task = &check->batch;
	TRY(audit_backfill_read(&reading, &check->backfill));
	TRY(audit_chain_figures(&reading, &figures));
	out->waiting = figures.waiting;
	/* Heads of an empty chain, and lines that are none. */
	check_heads(check, 0, check->hash);
	TRY(check_links(check));
	check_heads(check, INT64_MAX, "");
	check_signed(check, figures.first_at);
	out->hash = arena_copy(arena, check->hash);
	return check_entries(check);
}

enum fail
audit_verify(struct operation *operation, const struct audit_head_keys *keys, const char *heads,
             struct audit_verdict *out)
{
	struct task *task = operation->task;
	struct check check = {
	        .operation = operation,
	        .batch = {.arena = arena_new(ARENA_LIMIT), .request_id = task->request_id},
	        .out = out,
	        .faults = arena_array(task->arena, AUDIT_FAULTS_MAX, sizeof(*check.faults)),
	        .hash = AUDIT_NO_HASH,
	};
	enum fail kind;

	*out = (struct audit_verdict){.faults = check.faults};
	audit_heads_read(task, keys, heads, &check.heads, &check.heads_left);
	kind = check_all(&check);
	if (kind != FAIL_NONE)
		kind = task_fail(task, kind, check.batch.failure.code, "%s",
		                 check.batch.failure.message);
	arena_free(check.batch.arena);
	return kind;
}
