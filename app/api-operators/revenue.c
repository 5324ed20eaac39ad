/* revenue.c: what the customers are worth each month, and the movements behind it. */
#include "analytics/revenue.h"

#include "api/dates.h"
#include "api/handlers.h"
#include "api/table.h"
#include "base/money.h"
#include "base/text.h"

/* A table of months covers a year, with the present month. */
enum { MONTHS_BACK = 11 };

const struct definition revenue_month_definitions[] = {
        {"mrr", DEFINITION_MRR},
        {"money", DEFINITION_MONEY},
        {"start", "MRR at the end of the month before, and `opening`."},
        {"opening", "MRR of subscriptions that had begun before their prices were known here; "
                    "it is part of `start`."},
        {"new", "MRR of customers that had none in this currency before."},
        {"expansion", "What the MRR of customers rose by, from more than zero."},
        {"contraction", "What the MRR of customers fell by, to more than zero."},
        {"churn",
         "MRR of customers that have none any more: their access has ended, dated when it "
         "ended, or nothing is paid for it, as in a pause or for a plan without a price. A "
         "customer "
         "that is back within an hour never left: that is one movement."},
        {"reactivation", "MRR of customers that had left and are back."},
        {"end", "start + new + expansion - contraction - churn + reactivation."},
        {"committed", "MRR at the end without subscriptions whose end is scheduled. A contract "
                      "counts to its end, unless it was ended before."},
        {"quick_ratio", "(new + expansion + reactivation) / (contraction + churn), rounded to "
                        "two decimals; null when nothing went."},
        {"customers_start", "Customers with MRR in this currency at the start."},
        {"customers_end", "Customers with MRR in this currency at the end."},
        {"arpu", "end / customers_end, rounded to six decimals; null without customers."},
        {"final",
         "Whether the month ended an hour ago or earlier and all that was due until an "
         "hour after its end is booked: its numbers stay as they are."},
        {0},
};

static const struct definition movement_definitions[] = {
        {"mrr", DEFINITION_MRR},
        {"money", DEFINITION_MONEY},
        {"kind", "new: the customer had no MRR in this currency before; expansion, "
                 "contraction: it changed; churn: access has ended, or nothing is paid for it; "
                 "reactivation: the customer is back; opening: the subscription had begun "
                 "before its price was known."},
        {"amount", "after - before, so that all amounts of a month are its change."},
        {"happened_at", "When it happened: an end of access by date is dated at that date."},
        {0},
};

struct revenue_input {
	const char *from;
	const char *to;
	const char *currency;
};

static const char *
check_currency(const char *value)
{
	return money_is_currency(value) ? NULL : "must be a currency such as usd";
}

const struct field revenue_query[] = {
        FIELD(struct revenue_input, from, .check = date_check_month),
        FIELD(struct revenue_input, to, .check = date_check_month),
        FIELD(struct revenue_input, currency, .check = check_currency),
        FIELD_END(struct revenue_input),
};

struct movements_input {
	int64_t limit;
	const char *cursor;
	const char *month;
	const char *kind;
	const char *plan;
	const char *currency;
};

static const char *
check_kind(const char *value)
{
	static const char *const kinds[] = {"opening",     "new",   "expansion",
	                                    "contraction", "churn", "reactivation"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (text_equal(kinds[i], value))
			return NULL;
	return "must be new, expansion, contraction, churn, reactivation or opening";
}

const struct field movements_query[] = {
        PAGE_FIELDS(struct movements_input, PAGE_ROWS_MAX, PAGE_ROWS_USUAL),
        FIELD(struct movements_input, month, .check = date_check_month),
        FIELD(struct movements_input, kind, .check = check_kind),
        FIELD(struct movements_input, plan, .min = 1, .max = 100),
        FIELD(struct movements_input, currency, .check = check_currency),
        FIELD_END(struct movements_input),
};

/* Months since the year 0, of a day as text. */
static int64_t
month_number(const char *day)
{
	int64_t year = 0, month = 0;

	for (size_t i = 0; i < 4; i++)
		year = year * 10 + day[i] - '0';
	for (size_t i = 5; i < 7; i++)
		month = month * 10 + day[i] - '0';
	return year * 12 + month;
}

enum fail
get_revenue(struct call *call)
{
	const struct revenue_input *input = call->query;
	struct operation *operation = &call->operation;
	const char *to = date_month(operation, input->to, 0);
	const char *from = date_month(operation, input->from, MONTHS_BACK);
	const struct revenue_month *rows;
	const struct table table = {
	        .file = "revenue",
	        .list = "months",
	        .columns = revenue_month_columns,
	        .row_size = sizeof(*rows),
	        .definitions = revenue_month_definitions,
	};
	int64_t months = month_number(to) - month_number(from) + 1;
	size_t count;

	if (months < 1)
		return task_fail_field(operation->task, "to", "must not be before from");
	if (months > REVENUE_MONTHS_MAX)
		return task_fail_field(operation->task, "from",
		                       "must be at most 120 months before to");
	TRY(revenue_months(operation, from, to, input->currency, &rows, &count));
	return table_answer(call, &table, rows, count);
}

enum fail
list_movements(struct call *call)
{
	const struct movements_input *input = call->query;
	struct operation *operation = &call->operation;
	const struct revenue_filter filter = {
	        .month = date_month(operation, input->month, 0),
	        .kind = input->kind,
	        .plan = input->plan,
	        .currency = input->currency,
	};
	const struct revenue_movement *rows;
	struct page page;
	const struct table table = {
	        .file = "movements",
	        .list = "movements",
	        .columns = revenue_movement_columns,
	        .row_size = sizeof(*rows),
	        .definitions = movement_definitions,
	        .page = &page,
	};
	size_t count;

	TRY(page_read(operation->task, input->limit, input->cursor, &page));
	TRY(revenue_movements(operation, &filter, &page, &rows, &count));
	return table_answer(call, &table, rows, count);
}
