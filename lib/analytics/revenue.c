/* revenue.c: what the customers are worth each month, and what has changed that. */
#include "analytics/revenue.h"

#include "base/text.h"

const struct column revenue_month_columns[] =
        COLUMNS(struct revenue_month, month, currency, start, opening, new, expansion,
                contraction, churn, reactivation, end, committed, quick_ratio, customers_start,
                customers_end, arpu, final);
const struct column revenue_movement_columns[] =
        COLUMNS(struct revenue_movement, id, happened_at, customer_id, company_name, email,
                kind, currency, amount, before, after, plan_before, plan);
/* The movements of one customer, newest first. */
const struct column revenue_change_columns[] =
        COLUMNS(struct revenue_movement, id, happened_at, kind, currency, amount, before, after,
                plan_before, plan);

/* Customers of a step: their rows are locked until all are settled. */
enum { SETTLED_AT_ONCE = 50 };

struct settled {
	int64_t count;
};

extern const char analytics_revenue_months_sql[];    /* revenue_months.sql */
extern const char analytics_revenue_movements_sql[]; /* revenue_movements.sql */

enum { MONTHS, MOVEMENTS, OF_CUSTOMER, RUN, FIGURES };

static const struct statement statements[] = {
        [MONTHS] = {"revenue_months", ROWS_OF(struct revenue_month, revenue_month_columns),
                    .sql = analytics_revenue_months_sql, .reads = true},
        [MOVEMENTS] = {"revenue_movements",
                       ROWS_OF(struct revenue_movement, revenue_movement_columns),
                       .sql = analytics_revenue_movements_sql},
        [OF_CUSTOMER] = {"revenue_of_customer",
                         ROWS_OF(struct revenue_movement, revenue_change_columns),
                         .sql = "SELECT movement_id::text AS id, happened_at, kind, currency, "
                                "trim_scale(amount)::text AS amount, "
                                "trim_scale(mrr_before)::text AS before, "
                                "trim_scale(mrr)::text AS after, plan_before, plan "
                                "FROM revenue_movements WHERE customer_id = $1 "
                                "ORDER BY movement_id DESC LIMIT $2::bigint"},
        [RUN] = {"revenue_run", ROWS_WITH(struct settled, count),
                 .sql = "SELECT revenue_run($1::bigint, $2::bigint) AS count"},
        [FIGURES] = {"revenue_figures",
                     ROWS_WITH(struct revenue_figures, overdue_since, settled_at),
                     .sql = "SELECT (SELECT min(due_at) FROM revenue_customers "
                            "  WHERE due_at <= $1::timestamptz) AS overdue_since, settled_at "
                            "FROM revenue_policy"},
};

const struct statement_list revenue_statements = STATEMENT_LIST(statements);

enum fail
revenue_months(struct operation *operation, const char *from, const char *to,
               const char *currency, const struct revenue_month **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[MONTHS],
	               PARAMETERS(from, to, currency, param_now(operation)), (void *)out,
	               count);
}

enum fail
revenue_movements(struct operation *operation, const struct revenue_filter *filter,
                  struct page *page, const struct revenue_movement **out, size_t *count)
{
	struct task *task = operation->task;
	int64_t before;

	if (page->id != NULL && !text_parse_int(page->id, &before))
		return page_fail(task);
	TRY(db_rows(operation->db, task, &statements[MOVEMENTS],
	            PARAMETERS(filter->month, filter->kind, filter->plan, filter->currency,
	                       page->id, page_limit(task, page)),
	            (void *)out, count));
	if (page_has_next(page, count))
		page->next = page_cursor(task, INSTANT_NONE, (*out)[*count - 1].id);
	return FAIL_NONE;
}

enum fail
revenue_of_customer(struct operation *operation, const char *customer_id, int64_t most,
                    const struct revenue_movement **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[OF_CUSTOMER],
	               PARAMETERS(customer_id, param_int(operation->task, most)), (void *)out,
	               count);
}

enum fail
revenue_run(struct operation *operation, int64_t *done)
{
	struct task *task = operation->task;
	struct settled settled;
	bool found;

	TRY(db_row(operation->db, task, &statements[RUN],
	           PARAMETERS(param_int(task, operation->billing->policy.past_due_grace_days),
	                      param_int(task, operation->batch < SETTLED_AT_ONCE
	                                              ? operation->batch
	                                              : SETTLED_AT_ONCE)),
	           &settled, &found));
	*done = settled.count;
	return FAIL_NONE;
}

enum fail
revenue_figures(struct operation *operation, struct revenue_figures *out)
{
	bool found;

	*out = (struct revenue_figures){0};
	return db_row(operation->db, operation->task, &statements[FIGURES],
	              PARAMETERS(param_now(operation)), out, &found);
}
