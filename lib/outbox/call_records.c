/*
 * call_records.c: what the operator sees of the calls, and how long they are kept.
 */
#include "outbox/call_records.h"

#include "outbox/locks.h"

enum { KEEP_DAYS = 90 };

/* Neither key nor parameters: they are nobody's to look at. */
static const struct column columns[] = {
        COLUMN(struct stripe_call, call_id),
        COLUMN(struct stripe_call, kind),
        COLUMN(struct stripe_call, customer_id),
        COLUMN(struct stripe_call, subject),
        COLUMN(struct stripe_call, state),
        COLUMN(struct stripe_call, attempts),
        COLUMN(struct stripe_call, created_at),
        COLUMN(struct stripe_call, error),
        COLUMN_END,
};

static const struct column figure_columns[] = {
        COLUMN(struct stripe_call_figures, pending),
        COLUMN(struct stripe_call_figures, parked),
        COLUMN_END,
};

#define ROW .columns = columns, .row_size = sizeof(struct stripe_call)

enum { FIGURES, LIST_PARKED, RETRY_PARKED, PRUNE };

static const struct statement statements[] = {
        [FIGURES] = {.name = "stripe_call_figures",
                     .columns = figure_columns,
                     .row_size = sizeof(struct stripe_call_figures),
                     .sql = "SELECT (SELECT count(*) FROM stripe_calls "
                            "WHERE state = 'pending') AS pending, "
                            "(SELECT count(*) FROM stripe_calls "
                            "WHERE state = 'parked') AS parked"},
        [LIST_PARKED] = {.name = "stripe_call_list_parked",
                         ROW,
                         .sql = "SELECT call_id, kind, customer_id, subject, state, "
                                "attempts::bigint AS attempts, created_at, error "
                                "FROM stripe_calls "
                                "WHERE state = 'parked' ORDER BY call_id LIMIT $1::bigint"},
        /* One creation of a customer at a time: the newest, if none is pending. */
        [RETRY_PARKED] =
                {.name = "stripe_call_retry_parked",
                 .sql = "UPDATE stripe_calls c SET state = 'pending', attempts = 0, "
                        "next_try_at = $2, finished_at = NULL, idempotency_key = "
                        "left(idempotency_key, 35) || '_' || attempts || '_' || "
                        "extract(epoch FROM now())::bigint "
                        "WHERE state = 'parked' AND ($1::bigint = 0 OR call_id = $1::bigint) "
                        "AND (kind <> 'customer_create' OR NOT EXISTS (SELECT FROM "
                        "  stripe_calls o WHERE o.customer_id = c.customer_id "
                        "  AND o.kind = c.kind AND (o.state = 'pending' "
                        "    OR o.state = 'parked' AND o.call_id > c.call_id)))"},
        [PRUNE] = {.name = "stripe_call_prune",
                   .sql = "DELETE FROM stripe_calls WHERE call_id IN (SELECT call_id FROM "
                          "stripe_calls WHERE finished_at <= $1 AND state <> 'parked' "
                          "ORDER BY finished_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)"},
};

const struct statement_list stripe_call_record_statements = {
        statements, sizeof(statements) / sizeof(*statements)};

enum fail
stripe_call_figures(struct operation *operation, struct stripe_call_figures *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[FIGURES], NO_PARAMETERS, out,
	              &found);
}

enum fail
stripe_call_list_parked(struct operation *operation, int64_t limit,
                        const struct stripe_call **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST_PARKED],
	               PARAMETERS(param_int(operation->task, limit)), (void *)out, count);
}

enum fail
stripe_call_retry(struct operation *operation, int64_t call_id, int64_t *count)
{
	TRY(db_begin(operation->db, operation->task));
	TRY(db_run(operation->db, operation->task, &statements[RETRY_PARKED],
	           PARAMETERS(param_int(operation->task, call_id),
	                      param_time(operation->task, INSTANT_MS(operation->now_ms))),
	           count));
	TRY(stripe_jobs_wake(operation));
	return db_commit(operation->db, operation->task);
}

enum fail
stripe_call_prune(struct operation *operation, int64_t *pruned)
{
	struct task *task = operation->task;

	return db_run(
	        operation->db, task, &statements[PRUNE],
	        PARAMETERS(param_time(task, INSTANT_MS(operation->now_ms - KEEP_DAYS * DAY_MS)),
	                   param_int(task, operation->batch)),
	        pruned);
}
