/* figures.c: trials, plans, renewals, and what needs an operator. */
#include "analytics/figures.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"

const struct column trial_week_columns[] =
        COLUMNS(struct trial_week, week, started, converted, expired, open, conversion);
const struct column plan_figures_columns[] =
        COLUMNS(struct plan_figures, plan, currency, mrr, committed, customers, arpu);
const struct column renewal_columns[] =
        COLUMNS(struct renewal, id, at, customer_id, company_name, email, kind, plan, ends,
                currency, mrr);
const struct column attention_columns[] = COLUMNS(struct attention, kind, customer_id,
                                                  company_name, email, subject, since, detail);
const struct column limit_level_columns[] =
        COLUMNS(struct limit_level, customer_id, company_name, email, limit, used, max, percent,
                measured_at);
const struct column summary_counts_columns[] =
        COLUMNS(struct summary_counts, customers, trials_open, trials_ending, past_due, ending,
                contracts, contracts_ending, uncounted);

extern const char analytics_trials_sql[];       /* trials.sql */
extern const char analytics_plan_figures_sql[]; /* plan_figures.sql */
extern const char analytics_renewals_sql[];     /* renewals.sql */
extern const char analytics_limits_sql[];       /* limits.sql */
extern const char analytics_attention_sql[];    /* attention.sql */
extern const char analytics_counts_sql[];       /* counts.sql */

enum { TRIALS, PLANS, RENEWALS, LIMITS, ATTENTION, COUNTS };

static const struct statement statements[] = {
        [TRIALS] = {"analytics_trials", ROWS_OF(struct trial_week, trial_week_columns),
                    .sql = analytics_trials_sql, .reads = true},
        [PLANS] = {"analytics_plans", ROWS_OF(struct plan_figures, plan_figures_columns),
                   .sql = analytics_plan_figures_sql},
        [RENEWALS] = {"analytics_renewals", ROWS_OF(struct renewal, renewal_columns),
                      .sql = analytics_renewals_sql},
        [LIMITS] = {"analytics_limits", ROWS_OF(struct limit_level, limit_level_columns),
                    .sql = analytics_limits_sql, .reads = true},
        [ATTENTION] = {"analytics_attention", ROWS_OF(struct attention, attention_columns),
                       .sql = analytics_attention_sql, .reads = true},
        [COUNTS] = {"analytics_counts", ROWS_OF(struct summary_counts, summary_counts_columns),
                    .sql = analytics_counts_sql},
};

const struct statement_list analytics_figure_statements = STATEMENT_LIST(statements);

enum fail
analytics_trials(struct operation *operation, const char *from, const char *to,
                 const struct trial_week **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[TRIALS],
	               PARAMETERS(from, to, param_now(operation)), (void *)out, count);
}

enum fail
analytics_plans(struct operation *operation, const struct plan_figures **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[PLANS], NO_PARAMETERS,
	               (void *)out, count);
}

enum fail
analytics_renewals(struct operation *operation, int64_t days, struct page *page,
                   const struct renewal **out, size_t *count)
{
	struct task *task = operation->task;
	int64_t after;

	if (page->id != NULL && !text_parse_int(page->id, &after))
		return page_fail(task);
	TRY(db_rows(operation->db, task, &statements[RENEWALS],
	            PARAMETERS(param_now(operation),
	                       param_time(task, INSTANT_MS(operation->now_ms + days * DAY_MS)),
	                       param_time(task, page->at), page->id, page_limit(task, page)),
	            (void *)out, count));
	if (page_has_next(page, count))
		page->next = page_cursor(task, (*out)[*count - 1].at, (*out)[*count - 1].id);
	return FAIL_NONE;
}

/* The cursor's place is a percent, a customer and a limit; its id has the last two as one text. */
enum fail
analytics_limits(struct operation *operation, int64_t above, struct page *page,
                 const struct limit_level **out, size_t *count)
{
	struct task *task = operation->task;
	const struct limit_level *last;
	const char *customer_id = page->id, *name = NULL;

	if (page->id != NULL) {
		name = strchr(page->id, ' ');
		if (name == NULL)
			return page_fail(task);
		customer_id =
		        arena_copy_bytes(task->arena, page->id, (size_t)(name - page->id));
		name++;
	}
	TRY(db_rows(operation->db, task, &statements[LIMITS],
	            PARAMETERS(param_int(task, above),
	                       page->id == NULL ? NULL : param_int(task, page->at.ms),
	                       customer_id, name, page_limit(task, page)),
	            (void *)out, count));
	if (!page_has_next(page, count))
		return FAIL_NONE;
	last = &(*out)[*count - 1];
	page->next =
	        page_cursor(task, INSTANT_MS(last->percent),
	                    arena_printf(task->arena, "%s %s", last->customer_id, last->limit));
	return FAIL_NONE;
}

enum fail
analytics_attention(struct operation *operation, const struct attention **out, size_t *count)
{
	return db_rows(
	        operation->db, operation->task, &statements[ATTENTION],
	        PARAMETERS(param_now(operation), param_int(operation->task, ATTENTION_MAX)),
	        (void *)out, count);
}

enum fail
analytics_counts(struct operation *operation, struct summary_counts *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[COUNTS],
	              PARAMETERS(param_now(operation)), out, &found);
}
