/* usage.c: the use of all customers by days. */
#include "analytics/usage.h"

const struct column usage_total_columns[] =
        COLUMNS(struct usage_total, date, customers, total, peak, counted_at);

extern const char analytics_usage_totals_sql[]; /* usage_totals.sql */
extern const char analytics_usage_count_sql[];  /* usage_count.sql */

enum { DAYS, COUNT };

static const struct statement statements[] = {
        [DAYS] = {"analytics_usage_days", ROWS_OF(struct usage_total, usage_total_columns),
                  .sql = analytics_usage_totals_sql},
        [COUNT] = {"analytics_usage_count", .sql = analytics_usage_count_sql},
};

const struct statement_list analytics_usage_statements = STATEMENT_LIST(statements);

enum fail
analytics_usage(struct operation *operation, const char *metric, const char *from,
                const char *to, const struct usage_total **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[DAYS],
	               PARAMETERS(metric, from, to), (void *)out, count);
}

enum fail
analytics_usage_run(struct operation *operation, int64_t *done)
{
	*done = 0;
	return db_run(operation->db, operation->task, &statements[COUNT],
	              PARAMETERS(param_now(operation)), NULL);
}
