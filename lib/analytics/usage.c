/* usage.c: the use of all customers by days. */
#include "analytics/usage.h"

const struct column usage_total_columns[] =
        COLUMNS(struct usage_total, date, customers, total, peak, counted_at);

extern const char analytics_usage_count_sql[]; /* usage_count.sql */

enum { DAYS, COUNT };

static const struct statement statements[] = {
        [DAYS] = {"analytics_usage_days", ROWS_OF(struct usage_total, usage_total_columns),
                  .sql = "SELECT to_char(d.day, 'YYYY-MM-DD') AS date, "
                         "COALESCE(u.customers, 0) AS customers, "
                         "trim_scale(COALESCE(u.total, 0))::text AS total, "
                         "trim_scale(COALESCE(u.peak, 0))::text AS peak, d.counted_at "
                         "FROM analytics_usage_days d LEFT JOIN analytics_usage u "
                         "ON u.day = d.day AND u.metric = $1 "
                         "WHERE d.day >= $2::date AND d.day <= $3::date ORDER BY d.day"},
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
	return db_run(operation->db, operation->task, &statements[COUNT],
	              PARAMETERS(param_now(operation)), done);
}
