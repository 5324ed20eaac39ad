/* retention.c: makes and drops the months of reports. */
#include "usage/retention.h"

#include "base/arena.h"
#include "billing/audit.h"

enum { ROWS_AT_ONCE = 20000, MONTHS_MAX = 1200 };

struct counted {
	bool done;
	int64_t number;
};

static const struct column counted_columns[] = COLUMNS(struct counted, done, number);

#define ROW ROWS_OF(struct counted, counted_columns)

/* $1 now  $2 days. When the service's clock is ahead, the database's counts, so that no young
 * report is deleted. The cut is at the beginning of a day: a day with a part of its reports
 * could not be corrected. */
#define NOW "least($1::timestamptz, now())"
#define CUTOFF "date_trunc('day', " NOW ", 'UTC') - $2::bigint * interval '24 hours'"

enum { MAKE, DETACH, DROP, PRUNE_IDS, DELETE_OLD };

/* The functions come from a migration: statements that make and drop tables must name the
 * tables. */
static const struct statement statements[] = {
        [MAKE] = {"usage_partitions_make", ROW,
                  .sql = "SELECT true AS done, "
                         "usage_partitions_make($1::timestamptz, 3) AS number"},
        [DETACH] = {"usage_partition_detach", ROW,
                    .sql = "SELECT n IS NOT NULL AS done, n AS number "
                           "FROM usage_partition_detach(" CUTOFF ", " NOW ", $3::boolean) n"},
        [DROP] = {"usage_partitions_drop", ROW,
                  .sql = "SELECT true AS done, usage_partitions_drop() AS number"},
        /* Ids are kept as long as the months of their reports. */
        [PRUNE_IDS] = {"usage_prune_ids",
                       .sql = "DELETE FROM usage_report_ids WHERE (customer_id, report_id) IN "
                              "(SELECT customer_id, report_id FROM usage_report_ids "
                              "WHERE reported_at < date_trunc('month', " CUTOFF ", 'UTC') "
                              "ORDER BY reported_at LIMIT $3::bigint FOR UPDATE SKIP LOCKED)"},
        [DELETE_OLD] = {"usage_delete_old",
                        .sql = "DELETE FROM usage_reports WHERE reported_at < " CUTOFF
                               " AND usage_id IN (SELECT usage_id FROM usage_reports "
                               "  WHERE reported_at < " CUTOFF " LIMIT $3::bigint)"},
};

const struct statement_list usage_retention_statements = STATEMENT_LIST(statements);

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
usage_make_months(struct operation *operation, int64_t *made)
{
	struct counted row;

	TRY(count(operation, MAKE, PARAMETERS(param_now(operation)), &row));
	*made = row.number;
	return FAIL_NONE;
}

/* Detaches old months, with one short lock each, then drops them without a lock. */
static enum fail
drop_before(struct operation *operation, int64_t days, bool counted, int64_t *months,
            int64_t *reports)
{
	struct task *task = operation->task;
	const char *now = param_now(operation);
	struct counted row = {.done = true};

	*months = *reports = 0;
	while (row.done && *months < MONTHS_MAX) {
		TRY(count(operation, DETACH,
		          PARAMETERS(now, param_int(task, days), param_bool(counted)), &row));
		*months += row.done;
		*reports += row.number;
	}
	return count(operation, DROP, NO_PARAMETERS, &row);
}

enum fail
usage_drop_months(struct operation *operation, int64_t *dropped)
{
	int64_t reports;

	return drop_before(operation, operation->billing->policy.usage_retention_days, false,
	                   dropped, &reports);
}

/* Deletes at most ROWS_AT_ONCE rows that are older than so many days. */
static enum fail
delete_rows(struct operation *operation, int statement, int64_t days, int64_t *rows)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[statement],
	              PARAMETERS(param_now(operation), param_int(task, days),
	                         param_int(task, ROWS_AT_ONCE)),
	              rows);
}

enum fail
usage_prune_ids(struct operation *operation, int64_t *pruned)
{
	return delete_rows(operation, PRUNE_IDS,
	                   operation->billing->policy.usage_retention_days, pruned);
}

enum fail
usage_clean_up(struct operation *operation, int64_t days, int64_t *deleted)
{
	int64_t months, rows = ROWS_AT_ONCE;

	TRY(drop_before(operation, days, true, &months, deleted));
	while (rows == ROWS_AT_ONCE) {
		TRY(delete_rows(operation, DELETE_OLD, days, &rows));
		*deleted += rows;
	}
	return audit_record(operation, "usage_clean_up", NULL, NULL,
	                    arena_printf(operation->task->arena, "%lld days, %lld reports",
	                                 (long long)days, (long long)*deleted));
}
