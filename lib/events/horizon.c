/* horizon.c: how far readers of the log of events may read now, and what keeps them back. */
#include "events/horizon.h"

extern const char events_horizon_sql[]; /* horizon.sql */

static const struct statement statements[] = {
        {"event_horizon",
         ROWS_WITH(struct event_horizon, waiting, waiting_since, holder, months_missing),
         .sql = events_horizon_sql},
};

const struct statement_list event_horizon_statements = STATEMENT_LIST(statements);

enum fail
event_horizon_read(struct operation *operation, struct event_horizon *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[0], NO_PARAMETERS, out,
	              &found);
}
