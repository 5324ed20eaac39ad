/* log.c: writes events, each in the transaction of the change that it tells of. */
#include "events/log.h"

enum { ADD };

static const struct statement statements[] = {
        [ADD] = {"event_add", .sql = "WITH added AS (SELECT event_add($1, $2, $3::timestamptz, "
                                     "$4) AS sequence) "
                                     "SELECT sequence FROM added"},
};

const struct statement_list event_log_statements = STATEMENT_LIST(statements);

enum fail
event_write(struct operation *operation, enum event_type type, const char *customer_id,
            const char *data)
{
	struct parameters parameters =
	        PARAMETERS(event_type_name(type), customer_id, param_now(operation), data);

	/* Transactions that write events of several customers take the rows of their sequences in
	 * one order. */
	if (db_depth(operation->db) > 0)
		return db_run_at_commit(operation->db, operation->task, &statements[ADD],
		                        parameters, customer_id == NULL ? "" : customer_id);
	return db_run(operation->db, operation->task, &statements[ADD], parameters, NULL);
}
