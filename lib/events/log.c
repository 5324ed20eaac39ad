/* log.c: writes events, each in the transaction of the change that it tells of. */
#include "events/log.h"

enum { ADD, FORGET };

static const struct statement statements[] = {
        [ADD] = {"event_add", .sql = "WITH added AS (SELECT event_add($1, $2, $3::timestamptz, "
                                     "$4) AS sequence) "
                                     "SELECT sequence FROM added"},
        [FORGET] = {"events_forget", .sql = "SELECT events_forget($1) IS NULL AS forgotten"},
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
events_forget(struct operation *operation, const char *customer_id)
{
	return db_run(operation->db, operation->task, &statements[FORGET],
	              PARAMETERS(customer_id), NULL);
}
