/*
 * revenue.h: what the customers are worth each month (MRR), and what has changed that.
 *
 * Triggers of migration 37 book each change as a movement, in the transaction that makes it; what
 * happens by its date alone is booked by revenue_run(). The functions here read the sums of movements.
 * Amounts are decimals as text, in minor units of their currency.
 */
#pragma once

#include "db/page.h"
#include "operation/operation.h"

/* Months of a range, at most. */
enum { REVENUE_MONTHS_MAX = 120 };

/* A month of one currency. start + new + expansion - contraction - churn + reactivation = end, and start
 * is the end of the month before, plus `opening`. */
struct revenue_month {
	const char *month; /* "2026-11" */
	const char *currency;
	const char *start;
	const char *opening; /* of subscriptions whose prices became known, in `start` */
	const char *new;
	const char *expansion;
	const char *contraction;
	const char *churn;
	const char *reactivation;
	const char *end;
	const char *committed;   /* `end` without what is scheduled to end */
	const char *quick_ratio; /* what came over what went; NULL: nothing went */
	int64_t customers_start;
	int64_t customers_end;
	const char *arpu; /* of a customer; NULL: there is none */
	bool final;       /* nothing changes these numbers any more */
};

struct revenue_movement {
	const char *id;
	struct instant happened_at;
	const char *customer_id;
	const char *company_name; /* or NULL */
	const char *email;        /* NULL: the customer was deleted */
	const char *kind;
	const char *currency;
	const char *amount; /* negative for a contraction and for churn */
	const char *before;
	const char *after;
	const char *plan_before; /* NULL: none */
	const char *plan;
};

struct revenue_figures {
	struct instant overdue_since; /* of the oldest change by its date that is not booked */
	struct instant settled_at;    /* all that was due by then is booked */
};

/* Which movements; NULL: any. */
struct revenue_filter {
	const char *month; /* "2026-11-01" */
	const char *kind;
	const char *plan;
	const char *currency;
};

extern const struct statement_list revenue_statements;
extern const struct column revenue_month_columns[], revenue_movement_columns[],
        revenue_change_columns[];

/* The months from `from` to `to`, as "2026-11-01", of one currency or (NULL) of each. */
enum fail revenue_months(struct operation *operation, const char *from, const char *to,
                         const char *currency, const struct revenue_month **out,
                         size_t *count) MUST_CHECK;

/* A page of movements, newest first. */
enum fail revenue_movements(struct operation *operation, const struct revenue_filter *filter,
                            struct page *page, const struct revenue_movement **out,
                            size_t *count) MUST_CHECK;

/* The newest movements of a customer, without its names: the members of revenue_change_columns. */
enum fail revenue_of_customer(struct operation *operation, const char *customer_id,
                              int64_t most, const struct revenue_movement **out,
                              size_t *count) MUST_CHECK;

enum fail revenue_figures(struct operation *operation, struct revenue_figures *out) MUST_CHECK;

/* A job: books what is due by its date, for some customers at once, and adds up what was booked. */
enum fail revenue_run(struct operation *operation, int64_t *done) MUST_CHECK;
