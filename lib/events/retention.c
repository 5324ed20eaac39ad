/* retention.c: keeps the log of events: its months, and the clock that gives positions. */
#include "events/retention.h"

#include "base/log.h"

enum { MONTHS_MAX = 1200 };

struct counted {
	bool done;
	int64_t number;
};

static const struct column counted_columns[] = COLUMNS(struct counted, done, number);

#define ROW ROWS_OF(struct counted, counted_columns)

/* When the service's clock is ahead, the database's counts, so that no young event is dropped. */
#define CUTOFF "least($1::timestamptz, now()) - $2::bigint * interval '24 hours'"

enum { MAKE, DETACH, DROP, DELETE_STRAYS, IS_YOUNGER, RAISE_BASE, RAISE_FLOOR };

static const struct statement statements[] = {
        [MAKE] = {"event_months_make", ROW,
                  .sql = "SELECT true AS done, "
                         "event_months_make(now(), 3) AS number"},
        [DETACH] = {"event_month_detach", ROW,
                    .sql = "SELECT event_month_detach(" CUTOFF ") AS done, "
                           "0::bigint AS number"},
        [DROP] = {"event_months_drop", ROW,
                  .sql = "SELECT true AS done, event_months_drop() AS number"},
        [DELETE_STRAYS] = {"event_strays_delete", ROW,
                           .sql = "SELECT true AS done, "
                                  "event_strays_delete(" CUTOFF ") AS number"},
        /* Positions come from transactions that have begun, so that those of this cluster are below
	 * its next one. */
        [IS_YOUNGER] = {"event_cluster_is_younger", ROW,
                        .sql = "SELECT greatest(floor, (SELECT max(position) FROM events)) >= "
                               "base + pg_snapshot_xmax(pg_current_snapshot())::text::bigint "
                               "AS done, 0::bigint AS number FROM event_clock"},
        [RAISE_BASE] = {"event_base_raise", ROW,
                        .sql = "SELECT true AS done, event_base_raise() AS number"},
        [RAISE_FLOOR] = {"event_floor_raise", ROW,
                         .sql = "SELECT CASE WHEN EXISTS (SELECT FROM events "
                                "WHERE position >= floor) THEN event_floor_raise() "
                                "ELSE false END AS done, 0::bigint AS number "
                                "FROM event_clock"},
};

const struct statement_list event_retention_statements = STATEMENT_LIST(statements);

static enum fail
count(struct operation *operation, int statement, struct parameters parameters,
      struct counted *out)
{
	bool found;

	*out = (struct counted){0};
	return db_row(operation->db, operation->task, &statements[statement], parameters, out,
	              &found);
}

enum fail
event_make_months(struct operation *operation, int64_t *made)
{
	struct counted row;

	TRY(count(operation, MAKE, NO_PARAMETERS, &row));
	*made = row.number;
	return FAIL_NONE;
}

enum fail
event_drop_months(struct operation *operation, int64_t *dropped)
{
	const char *now = param_now(operation);
	const char *days =
	        param_int(operation->task, operation->billing->policy.event_retention_days);
	struct counted row = {.done = true};

	for (int i = 0; i < MONTHS_MAX && row.done; i++)
		TRY(count(operation, DETACH, PARAMETERS(now, days), &row));
	TRY(count(operation, DELETE_STRAYS, PARAMETERS(now, days), &row));
	TRY(count(operation, DROP, NO_PARAMETERS, &row));
	*dropped = row.number;
	return FAIL_NONE;
}

enum fail
event_keep_clock(struct operation *operation, int64_t *raised)
{
	struct counted row;

	*raised = 0;
	TRY(count(operation, IS_YOUNGER, NO_PARAMETERS, &row));
	if (!row.done)
		return count(operation, RAISE_FLOOR, NO_PARAMETERS, &row);
	TRY(count(operation, RAISE_BASE, NO_PARAMETERS, &row));
	*raised = row.number;
	log_line(LOG_LEVEL_WARNING,
	         "the database has come into a younger cluster of PostgreSQL",
	         LOG_I("event_base_raised_by", row.number));
	return FAIL_NONE;
}
