/* call_records.c: counts, lists and deletes recorded calls. */
#include "outbox/call_records.h"

#include "base/arena.h"
#include "billing/audit.h"
#include "outbox/locks.h"

enum { KEEP_DAYS = 90 };

/* Without keys and parameters, which may hold personal data. */
static const struct column columns[] =
        COLUMNS(struct stripe_call, call_id, kind, customer_id, subject, state, attempts,
                created_at, error, error_param, error_message);

#define ROW ROWS_OF(struct stripe_call, columns)

enum {
	FIGURES,
	LIST,
	DISMISS,
	RETRY_PARKED,
	PRUNE,
	FORGET,
	IS_PENDING,
	CANCELLATION_IS_OPEN,
	HAS_NEWER,
	NEWEST
};

extern const char outbox_call_retry_parked_sql[]; /* call_retry_parked.sql */
extern const char outbox_call_forget_sql[];       /* call_forget.sql */

static const struct statement statements[] = {
        [FIGURES] = {"stripe_call_figures",
                     ROWS_WITH(struct stripe_call_figures, pending, parked),
                     .sql = "SELECT (SELECT count(*) FROM stripe_calls "
                            "WHERE state = 'pending') AS pending, "
                            "(SELECT count(*) FROM stripe_calls "
                            "WHERE state = 'parked') AS parked"},
        [LIST] = {"stripe_call_list", ROW,
                  .sql = "SELECT call_id, kind, customer_id, subject, state, "
                         "attempts::bigint AS attempts, created_at, error, error_param, "
                         "error_message FROM stripe_calls WHERE state = $2 "
                         "ORDER BY CASE WHEN $2 = 'parked' THEN call_id END, call_id DESC "
                         "LIMIT $1::bigint"},
        [DISMISS] = {"stripe_call_dismiss", ROW,
                     .sql = "UPDATE stripe_calls SET state = 'failed' "
                            "WHERE call_id = $1::bigint AND state = 'parked' "
                            "RETURNING call_id, kind, customer_id, subject, state, "
                            "attempts::bigint AS attempts, created_at, error, error_param, "
                            "error_message"},
        [RETRY_PARKED] = {"stripe_call_retry_parked", .sql = outbox_call_retry_parked_sql},
        [PRUNE] = {"stripe_call_prune",
                   .sql = "DELETE FROM stripe_calls WHERE call_id IN (SELECT call_id FROM "
                          "stripe_calls WHERE finished_at <= $1 AND state <> 'parked' "
                          "ORDER BY finished_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)"},
        [FORGET] = {"stripe_call_forget", .sql = outbox_call_forget_sql},
        [IS_PENDING] =
                {"stripe_call_is_pending",
                 .sql = "SELECT FROM stripe_calls WHERE subject = $1 AND state = 'pending' "
                        "AND kind = COALESCE($2, kind) LIMIT 1"},
        /* No index by subject has the parked calls. A single snapshot sees a call that is parked, or sent
         * again, meanwhile. */
        [CANCELLATION_IS_OPEN] =
                {"stripe_call_cancellation_is_open",
                 .sql = "SELECT WHERE EXISTS (SELECT FROM stripe_calls WHERE subject = $1 "
                        "  AND kind = 'subscription_cancel' AND state = 'pending') "
                        "OR EXISTS (SELECT FROM stripe_calls WHERE subject = $1 "
                        "  AND kind = 'subscription_cancel' AND state = 'parked')"},
        [HAS_NEWER] = {"stripe_call_has_newer",
                       .sql = "SELECT FROM stripe_calls WHERE subject = $1 "
                              "AND kind = $2 AND call_id > $3::bigint LIMIT 1"},
        [NEWEST] = {"stripe_call_newest", ROWS_WITH(struct stripe_call, state, parameters),
                    .sql = "SELECT state, parameters FROM stripe_calls "
                           "WHERE customer_id = $1 AND subject = $2 AND kind = $3 "
                           "ORDER BY call_id DESC LIMIT 1"},
};

const struct statement_list stripe_call_record_statements = STATEMENT_LIST(statements);

enum fail
stripe_call_figures(struct operation *operation, struct stripe_call_figures *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[FIGURES], NO_PARAMETERS, out,
	              &found);
}

enum fail
stripe_call_list(struct operation *operation, const char *state, int64_t limit,
                 const struct stripe_call **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST],
	               PARAMETERS(param_int(operation->task, limit), state), (void *)out,
	               count);
}

enum fail
stripe_call_dismiss(struct operation *operation, int64_t call_id, const char *why)
{
	struct task *task = operation->task;
	struct stripe_call call;
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[DISMISS],
	           PARAMETERS(param_int(task, call_id)), &call, &found));
	if (!found)
		return task_fail(task, FAIL_NOT_FOUND, "call_not_found",
		                 "There is no parked call %lld (see: billingctl stripe calls).",
		                 (long long)call_id);
	TRY(audit_record(operation, "stripe_call_dismiss", call.customer_id,
	                 arena_printf(task->arena, "call:%lld", (long long)call_id), why));
	return db_commit(operation->db, task);
}

enum fail
stripe_call_retry(struct operation *operation, int64_t call_id, int64_t *count)
{
	const char *id = param_int(operation->task, call_id);

	return stripe_retry_parked(operation, &statements[RETRY_PARKED],
	                           PARAMETERS(id, param_now(operation)),
	                           call_id == 0 ? NULL : id, count);
}

enum fail
stripe_call_prune(struct operation *operation, int64_t *pruned)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[PRUNE],
	              PARAMETERS(param_in(operation, -KEEP_DAYS * DAY_MS),
	                         param_int(task, operation->batch)),
	              pruned);
}

enum fail
stripe_call_forget(struct operation *operation, const char *customer_id)
{
	return db_run(operation->db, operation->task, &statements[FORGET],
	              PARAMETERS(customer_id), NULL);
}

static enum fail
exists(struct operation *operation, int statement, struct parameters parameters, bool *out)
{
	int64_t count;

	TRY(db_run(operation->db, operation->task, &statements[statement], parameters, &count));
	*out = count > 0;
	return FAIL_NONE;
}

enum fail
stripe_call_is_pending(struct operation *operation, const char *kind, const char *subject,
                       bool *out)
{
	return exists(operation, IS_PENDING, PARAMETERS(subject, kind), out);
}

enum fail
stripe_call_cancellation_is_open(struct operation *operation,
                                 const char *stripe_subscription_id, bool *out)
{
	return exists(operation, CANCELLATION_IS_OPEN, PARAMETERS(stripe_subscription_id), out);
}

enum fail
stripe_call_has_newer(struct operation *operation, const struct stripe_call *call, bool *out)
{
	const char *call_id = param_int(operation->task, call->call_id);

	return exists(operation, HAS_NEWER, PARAMETERS(call->subject, call->kind, call_id),
	              out);
}

enum fail
stripe_call_newest(struct operation *operation, const char *kind, const char *customer_id,
                   const char *subject, struct stripe_call *out)
{
	bool found;

	*out = (struct stripe_call){0};
	return db_row(operation->db, operation->task, &statements[NEWEST],
	              PARAMETERS(customer_id, subject, kind), out, &found);
}
