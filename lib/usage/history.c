/* history.c: reads stored reports and the sums of days. */
#include "usage/history.h"

#include "base/text.h"
#include "billing/customers.h"
#include "usage/report_row.h"

/* The bounds of reported_at are given alone too, so that PostgreSQL skips the months
 * outside. */
#define RANGE                                                                                  \
	"reported_at >= COALESCE($2::timestamptz, '-infinity') "                               \
	"AND reported_at < COALESCE($3::timestamptz, 'infinity') "                             \
	"AND reported_at <= COALESCE($4::timestamptz, 'infinity') "                            \
	"AND (reported_at, usage_id) < (COALESCE($4::timestamptz, 'infinity'), $5::bigint) "
#define KNOWN "EXISTS (SELECT FROM customers WHERE customer_id = $1 AND deleted_at IS NULL) "
#define NEWEST_FIRST "ORDER BY reported_at DESC, usage_id DESC "

extern const char usage_history_days_sql[];   /* history_days.sql */
extern const char usage_history_before_sql[]; /* history_before.sql */

static const struct column day_columns[] =
        COLUMNS(struct usage_day, date, reports, instances, active_devices_max,
                active_devices_mean, active_devices_peak, total_devices_max, total_devices_mean,
                total_devices_peak, metrics, counted_until);

enum { HISTORY, INSTANCE_HISTORY, LATEST, DAILY, DAILY_BEFORE };

static const struct statement statements[] = {
        [HISTORY] = {.name = "usage_history",
                     USAGE_REPORT_ROW,
                     .sql = "SELECT " USAGE_REPORT_COLUMNS "FROM usage_reports r "
                            "WHERE customer_id = $1 AND " KNOWN "AND " RANGE NEWEST_FIRST
                            "LIMIT $6::bigint"},
        [INSTANCE_HISTORY] = {.name = "usage_instance_history",
                              USAGE_REPORT_ROW,
                              .sql = "SELECT " USAGE_REPORT_COLUMNS "FROM usage_reports r "
                                     "WHERE customer_id = $1 AND instance_id = $7 AND " KNOWN
                                     "AND " RANGE NEWEST_FIRST "LIMIT $6::bigint"},
        [LATEST] = {.name = "usage_latest",
                    USAGE_REPORT_ROW,
                    .sql = "SELECT " USAGE_REPORT_COLUMNS "FROM usage_reports r "
                           "WHERE customer_id = $1 AND " KNOWN
                           "AND superseded_by IS NULL " NEWEST_FIRST "LIMIT 1"},
        [DAILY] = {"usage_days", ROWS_OF(struct usage_day, day_columns), .reads = true,
                   .sql = usage_history_days_sql},
        [DAILY_BEFORE] = {"usage_days_before", ROWS_OF(struct usage_day, day_columns),
                          .reads = true, .sql = usage_history_before_sql},
};

const struct statement_list usage_history_statements = STATEMENT_LIST(statements);

/* For statements that give no rows of an unknown customer, and found none: tells the two reasons
 * apart. */
static enum fail
require_customer(struct operation *operation, const char *customer_id)
{
	struct customer customer;

	return customer_find(operation, customer_id, &customer);
}

static enum fail
select_page(struct operation *operation, const struct usage_filter *filter,
            const struct page *page, int64_t page_id, const struct usage_report **out,
            size_t *count)
{
	struct task *task = operation->task;
	const char *from = param_time(task, filter->from);
	const char *to = param_time(task, filter->to);
	const char *before = param_time(task, page->at);
	const char *before_id = param_int(task, page_id);
	const char *limit = page_limit(task, page);

	if (filter->instance_id == NULL)
		return db_rows(
		        operation->db, task, &statements[HISTORY],
		        PARAMETERS(filter->customer_id, from, to, before, before_id, limit),
		        (void *)out, count);
	return db_rows(operation->db, task, &statements[INSTANCE_HISTORY],
	               PARAMETERS(filter->customer_id, from, to, before, before_id, limit,
	                          filter->instance_id),
	               (void *)out, count);
}

enum fail
usage_history(struct operation *operation, const struct usage_filter *filter, struct page *page,
              const struct usage_report **out, size_t *count)
{
	struct task *task = operation->task;
	int64_t page_id = 0;

	if (page->id != NULL && !text_parse_int(page->id, &page_id))
		return page_fail(task);
	TRY(select_page(operation, filter, page, page_id, out, count));
	if (*count == 0)
		return require_customer(operation, filter->customer_id);
	if (page_has_next(page, count))
		page->next = page_cursor(task, (*out)[*count - 1].reported_at,
		                         param_int(task, (*out)[*count - 1].usage_id));
	return FAIL_NONE;
}

enum fail
usage_latest(struct operation *operation, const char *customer_id, struct usage_report *out,
             bool *found)
{
	TRY(db_row(operation->db, operation->task, &statements[LATEST], PARAMETERS(customer_id),
	           out, found));
	return *found ? FAIL_NONE : require_customer(operation, customer_id);
}

enum fail
usage_daily(struct operation *operation, const char *customer_id, const char *instance_id,
            const char *from, const char *to, const struct usage_day **out, size_t *count)
{
	struct task *task = operation->task;
	const char *now = param_now(operation), *most = param_int(task, USAGE_DAYS_MAX);

	TRY(db_rows(operation->db, task, &statements[DAILY],
	            PARAMETERS(customer_id, instance_id, from, to, most, now,
	                       param_int(task, USAGE_PENDING_READ)),
	            (void *)out, count));
	if (*count > 0)
		return FAIL_NONE;
	TRY(db_rows(operation->db, task, &statements[DAILY_BEFORE],
	            PARAMETERS(customer_id, instance_id, from, to, most, now), (void *)out,
	            count));
	return *count > 0 ? FAIL_NONE : require_customer(operation, customer_id);
}
