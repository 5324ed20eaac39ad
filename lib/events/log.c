/* log.c: writes events, each in the transaction of the change that it tells of. */
#include "events/log.h"

enum { ADD, FORGET };

/* How far events_forget_some() came. */
struct forgotten {
	struct event_place until;
	int64_t events;
};

static const struct statement statements[] = {
        [ADD] = {"event_add", .sql = "WITH added AS (SELECT event_add($1, $2, $3::timestamptz, "
                                     "$4) AS sequence) "
                                     "SELECT sequence FROM added"},
        [FORGET] = {"events_forget",
                    ROWS_WITH(struct forgotten, until.position, until.number, events),
                    .sql = "SELECT reached_position AS \"until.position\", reached_number AS "
                           "\"until.number\", events "
                           "FROM events_forget_some($1, $2, $3, $4, $5, $6)"},
};

const struct statement_list event_log_statements = STATEMENT_LIST(statements);

enum fail
event_write(struct operation *operation, enum event_type type, const char *customer_id,
            const char *data)
{
	struct parameters parameters =
	        PARAMETERS(event_type_name(type), customer_id, param_now(operation), data);

	if (operation->without_events)
		return FAIL_NONE;
	/* Transactions that write events of several customers take the rows of their sequences in
	 * one order. */
	if (db_depth(operation->db) > 0)
		return db_run_at_commit(operation->db, operation->task, &statements[ADD],
		                        parameters, customer_id == NULL ? "" : customer_id);
	return db_run(operation->db, operation->task, &statements[ADD], parameters, NULL);
}

enum fail
events_forget(struct operation *operation, const char *customer_id, int64_t most,
              struct event_span *span, int64_t *events)
{
	struct task *task = operation->task;
	struct forgotten forgotten;
	bool found;

	TRY(db_row(operation->db, task, &statements[FORGET],
	           PARAMETERS(customer_id, param_int(task, span->after.position),
	                      param_int(task, span->after.number),
	                      param_int(task, span->until.position),
	                      param_int(task, span->until.number), param_int(task, most)),
	           &forgotten, &found));
	span->until = forgotten.until;
	*events = forgotten.events;
	return FAIL_NONE;
}
