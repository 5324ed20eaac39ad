/* analytics.c: the figures of operators' first page: what comes in, trials, plans, use, renewals, and
 * what needs attention. */
#include "analytics/figures.h"
#include "analytics/revenue.h"
#include "analytics/usage.h"

#include "api/dates.h"
#include "api/handlers.h"
#include "api/table.h"

enum { TRIAL_DAYS_USUAL = 12 * 7, USAGE_DAYS_USUAL = 30, RENEWAL_DAYS_USUAL = 90 };

/* Percent. */
enum { ABOVE_LEAST = 50, ABOVE_USUAL = 80, ABOVE_MOST = 1000 };

static const struct definition trial_definitions[] = {
        {"week",
         "The Monday (UTC) of the week in which the trial began. A trial at Stripe that "
         "follows a trial of ours is part of it."},
        {"started", "converted + expired + open."},
        {"converted", "Trials whose customers have MRR, or had some since the trial began."},
        {"expired", "Trials that are over and have not converted."},
        {"open", "Trials that run and have not converted so far."},
        {"conversion",
         "converted / (converted + expired), rounded to four decimals; null while "
         "no trial is over."},
        {0},
};

static const struct definition plan_definitions[] = {
        {"mrr", DEFINITION_MRR},
        {"money", DEFINITION_MONEY},
        {"committed", "MRR without subscriptions whose end is scheduled. A contract counts to "
                      "its end, unless "
                      "it was ended before."},
        {"customers",
         "Customers with MRR by this plan. Those without a price are not counted."},
        {"arpu", "mrr / customers, rounded to six decimals; null without customers."},
        {0},
};

static const struct definition usage_definitions[] = {
        {"date", "A day (UTC) that is added up; 400 days at most are."},
        {"customers", "Customers whose instances reported the metric on that day."},
        {"total", "All reports of the day added up; of active_devices as `peak`."},
        {"peak", "The highest report of each instance, added up."},
        {"counted_at",
         "When the day was added up last: the present day every five minutes, the "
         "36 days before, to which late reports may come, ten minutes after their end and then "
         "once a day."},
        {0},
};

static const struct definition renewal_definitions[] = {
        {"mrr", DEFINITION_MRR},
        {"money", DEFINITION_MONEY},
        {"at", "When a contract ends, or the period of a subscription that is billed for three "
               "months or longer."},
        {"ends", "Whether it ends then: a contract, or a subscription whose end is scheduled."},
        {0},
};

static const struct definition limit_definitions[] = {
        {"limit", "devices, instances, non_production, metrics.* or a name of plans.json; the "
                  "limit that counts for the customer."},
        {"used",
         "How much of it is in use: sums over the month (UTC) for metrics that add up."},
        {"percent",
         "used / max, rounded down. Limits of which less than half is in use are not "
         "kept."},
        {"measured_at", "When that was so: within five minutes of a change."},
        {0},
};

static const struct definition attention_definitions[] = {
        {"payment_failed", "A subscription is past_due or unpaid; `detail` says which."},
        {"contract_ending", "A contract ends within 30 days; `since` is its end, `detail` its "
                            "plan."},
        {"unknown_price", "A customer pays at Stripe for a price that no plan has: map it."},
        {"uncounted",
         "A subscription bills what MRR cannot count; `detail` says what: price (tiers or "
         "packages, no amount for one), interval, currency (not the subscription's), discount "
         "(its coupon was deleted)."},
        {"event_parked", "An event of Stripe was given up; `detail` has the error."},
        {"call_parked", "A request to Stripe was given up; `detail` has the error."},
        {"meter_event_parked", "Use was not taken by Stripe's meter; `detail` has the error."},
        {"endpoint_disabled", "A webhook endpoint gets nothing more; `detail` says why."},
        {"address_waits", "A customer's new e-mail address waits for an operator."},
        {"limit", "Of each kind the oldest 100 are listed."},
        {0},
};

struct days_input {
	const char *from;
	const char *to;
};

const struct field trials_query[] = {
        FIELD(struct days_input, from, .check = date_check_day),
        FIELD(struct days_input, to, .check = date_check_day),
        FIELD_END(struct days_input),
};

struct usage_input {
	const char *metric;
	const char *from;
	const char *to;
};

const struct field usage_totals_query[] = {
        FIELD(struct usage_input, metric, .min = 1, .max = 64),
        FIELD(struct usage_input, from, .check = date_check_day),
        FIELD(struct usage_input, to, .check = date_check_day),
        FIELD_END(struct usage_input),
};

struct renewals_input {
	int64_t limit;
	const char *cursor;
	int64_t days;
};

const struct field renewals_query[] = {
        PAGE_FIELDS(struct renewals_input, PAGE_ROWS_MAX, PAGE_ROWS_USUAL),
        FIELD(struct renewals_input, days, .min = 1, .max = RENEWAL_DAYS_MAX,
              .initial = RENEWAL_DAYS_USUAL),
        FIELD_END(struct renewals_input),
};

struct limits_input {
	int64_t limit;
	const char *cursor;
	int64_t above;
};

const struct field limits_query[] = {
        PAGE_FIELDS(struct limits_input, PAGE_ROWS_MAX, PAGE_ROWS_USUAL),
        FIELD(struct limits_input, above, .min = ABOVE_LEAST, .max = ABOVE_MOST,
              .initial = ABOVE_USUAL),
        FIELD_END(struct limits_input),
};

/* The days of the input, or the last `usual` ones. */
static enum fail
find_days(struct operation *operation, struct days_input *days, int64_t usual, int64_t most,
          const char *sentence)
{
	int64_t between;

	days->to = date_day(operation, days->to, 0);
	days->from = date_day(operation, days->from, usual);
	between = date_days_between(days->from, days->to);
	if (between < 0)
		return task_fail_field(operation->task, "to", "must not be before from");
	if (between >= most)
		return task_fail_field(operation->task, "from", "%s", sentence);
	return FAIL_NONE;
}

static void
write_counts(struct json_out *json, const void *counts)
{
	render_row(json, "counts", summary_counts_columns, counts);
}

enum fail
get_summary(struct call *call)
{
	struct operation *operation = &call->operation;
	const char *month = date_month(operation, NULL, 0);
	const struct revenue_month *rows;
	struct summary_counts counts;
	const struct table table = {
	        .file = "summary",
	        .list = "currencies",
	        .columns = revenue_month_columns,
	        .row_size = sizeof(*rows),
	        .definitions = revenue_month_definitions,
	        .write = write_counts,
	        .closure = &counts,
	};
	size_t count;

	TRY(revenue_months(operation, month, month, NULL, &rows, &count));
	TRY(analytics_counts(operation, &counts));
	return table_answer(call, &table, rows, count);
}

enum fail
get_trials(struct call *call)
{
	struct days_input days = *(const struct days_input *)call->query;
	const struct trial_week *rows;
	const struct table table = {
	        .file = "trials",
	        .list = "weeks",
	        .columns = trial_week_columns,
	        .row_size = sizeof(*rows),
	        .definitions = trial_definitions,
	};
	size_t count;

	TRY(find_days(&call->operation, &days, TRIAL_DAYS_USUAL, (int64_t)TRIAL_WEEKS_MAX * 7,
	              "must be at most 53 weeks before to"));
	TRY(analytics_trials(&call->operation, days.from, days.to, &rows, &count));
	return table_answer(call, &table, rows, count);
}

enum fail
get_plan_figures(struct call *call)
{
	const struct plan_figures *rows;
	const struct table table = {
	        .file = "plans",
	        .list = "plans",
	        .columns = plan_figures_columns,
	        .row_size = sizeof(*rows),
	        .definitions = plan_definitions,
	};
	size_t count;

	TRY(analytics_plans(&call->operation, &rows, &count));
	return table_answer(call, &table, rows, count);
}

enum fail
get_usage_totals(struct call *call)
{
	const struct usage_input *input = call->query;
	struct days_input days = {input->from, input->to};
	const struct usage_total *rows;
	const struct table table = {
	        .file = "usage",
	        .list = "days",
	        .columns = usage_total_columns,
	        .row_size = sizeof(*rows),
	        .definitions = usage_definitions,
	};
	size_t count;

	TRY(find_days(&call->operation, &days, USAGE_DAYS_USUAL, USAGE_TOTAL_DAYS_MAX,
	              "must be at most 400 days before to"));
	TRY(analytics_usage(&call->operation,
	                    input->metric == NULL ? "active_devices" : input->metric, days.from,
	                    days.to, &rows, &count));
	return table_answer(call, &table, rows, count);
}

enum fail
list_limits(struct call *call)
{
	const struct limits_input *input = call->query;
	struct operation *operation = &call->operation;
	const struct limit_level *rows;
	struct page page;
	const struct table table = {
	        .file = "limits",
	        .list = "limits",
	        .columns = limit_level_columns,
	        .row_size = sizeof(*rows),
	        .definitions = limit_definitions,
	        .page = &page,
	};
	size_t count;

	TRY(page_read(operation->task, input->limit, input->cursor, &page));
	TRY(analytics_limits(operation, input->above, &page, &rows, &count));
	return table_answer(call, &table, rows, count);
}

enum fail
list_renewals(struct call *call)
{
	const struct renewals_input *input = call->query;
	struct operation *operation = &call->operation;
	const struct renewal *rows;
	struct page page;
	const struct table table = {
	        .file = "renewals",
	        .list = "renewals",
	        .columns = renewal_columns,
	        .row_size = sizeof(*rows),
	        .definitions = renewal_definitions,
	        .page = &page,
	};
	size_t count;

	TRY(page_read(operation->task, input->limit, input->cursor, &page));
	TRY(analytics_renewals(operation, input->days, &page, &rows, &count));
	return table_answer(call, &table, rows, count);
}

enum fail
get_attention(struct call *call)
{
	const struct attention *rows;
	const struct table table = {
	        .file = "attention",
	        .list = "items",
	        .columns = attention_columns,
	        .row_size = sizeof(*rows),
	        .definitions = attention_definitions,
	};
	size_t count;

	TRY(analytics_attention(&call->operation, &rows, &count));
	return table_answer(call, &table, rows, count);
}
