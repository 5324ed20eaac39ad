/* parked.c: lists, retries and settles parked meter events. */
#include "meters/parked.h"

#include "billing/audit.h"
#include "outbox/locks.h"

static const struct column columns[] = COLUMNS(struct meter_parked, meter_event_id, customer_id,
                                               day, metric, event_name, value, error);

#define ROW ROWS_OF(struct meter_parked, columns)
#define PARKED_COLUMNS                                                                         \
	"meter_event_id, customer_id, day::text AS day, metric, event_name, "                  \
	"value::text AS value, error"

enum { LIST, RETRY, SETTLE };

static const struct statement statements[] = {
        [LIST] = {"meter_parked_list", ROW,
                  .sql = "SELECT " PARKED_COLUMNS " FROM meter_events WHERE state = 'parked' "
                         "AND error IS DISTINCT FROM 'settled' "
                         "ORDER BY created_at, meter_event_id LIMIT $1::bigint"},
        /* Stripe refused it, so the time within which it may be sent begins anew. */
        [RETRY] = {"meter_parked_retry",
                   .sql = "UPDATE meter_events SET state = 'pending', next_try_at = $2, "
                          "first_try_at = NULL WHERE state = 'parked' AND value > 0 "
                          "AND error NOT IN ('outcome_unknown', 'settled') "
                          "AND ($1::text IS NULL OR meter_event_id = $1)"},
        /* It still counts as sent, or its use would be sent again. */
        [SETTLE] = {"meter_parked_settle", ROW,
                    .sql = "UPDATE meter_events SET error = 'settled' "
                           "WHERE meter_event_id = $1 AND state = 'parked' "
                           "AND error NOT IN ('outcome_unknown', 'settled') "
                           "RETURNING " PARKED_COLUMNS},
};

const struct statement_list meter_parked_statements = STATEMENT_LIST(statements);

enum fail
meter_parked_list(struct operation *operation, int64_t limit, const struct meter_parked **out,
                  size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST],
	               PARAMETERS(param_int(operation->task, limit)), (void *)out, count);
}

enum fail
meter_parked_retry(struct operation *operation, const char *meter_event_id, int64_t *count)
{
	return stripe_retry_parked(operation, &statements[RETRY],
	                           PARAMETERS(meter_event_id, param_now(operation)),
	                           meter_event_id, count);
}

enum fail
meter_parked_settle(struct operation *operation, const char *meter_event_id)
{
	struct task *task = operation->task;
	struct meter_parked row;
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[SETTLE], PARAMETERS(meter_event_id), &row,
	           &found));
	if (!found)
		return task_fail(task, FAIL_NOT_FOUND, "meter_event_not_found",
		                 "There is no parked meter event %s that could be settled.",
		                 meter_event_id);
	TRY(audit_record(operation, "meter_event_settle", row.customer_id, row.meter_event_id,
	                 row.value));
	return db_commit(operation->db, task);
}
