/* figures.h: trials, plans, renewals, limits, and what needs an operator's attention. */
#pragma once

#include "db/page.h"
#include "operation/operation.h"

/* The most weeks, rows of attention, and days ahead that one request can ask for. */
enum { TRIAL_WEEKS_MAX = 53, ATTENTION_MAX = 100, RENEWAL_DAYS_MAX = 400 };

/* The trials that began in one week. */
struct trial_week {
	const char *week; /* its Monday, "2026-11-02" */
	int64_t started;
	int64_t converted;
	int64_t expired;
	int64_t open;
	const char *conversion; /* of those that are over, "0.2500"; NULL: none is */
};

struct plan_figures {
	const char *plan;
	const char *currency;
	const char *mrr;
	const char *committed;
	int64_t customers;
	const char *arpu; /* NULL: no customer */
};

struct renewal {
	const char *id;
	struct instant at;
	const char *customer_id;
	const char *company_name;
	const char *email;
	const char *kind; /* subscription or contract */
	const char *plan;
	bool ends;            /* it does not renew */
	const char *currency; /* NULL: no MRR */
	const char *mrr;
};

struct limit_level {
	const char *customer_id;
	const char *company_name;
	const char *email;
	const char *limit; /* as in limits/watch.h */
	const char *used;  /* decimal digits */
	int64_t max;
	int64_t percent; /* rounded down */
	struct instant measured_at;
};

/* One matter that needs an operator's attention. */
struct attention {
	const char *kind;
	const char *customer_id; /* NULL: of no customer */
	const char *company_name;
	const char *email;
	const char *subject; /* the id of what it is about */
	struct instant since;
	const char *detail; /* or NULL */
};

/* Numbers of all customers. */
struct summary_counts {
	int64_t customers;
	int64_t trials_open;
	int64_t trials_ending;    /* within seven days */
	int64_t past_due;         /* or unpaid */
	int64_t ending;           /* subscriptions whose end is scheduled */
	int64_t contracts;        /* that run */
	int64_t contracts_ending; /* within 30 days */
	int64_t uncounted;        /* subscriptions that bill what MRR cannot count */
};

extern const struct statement_list analytics_figure_statements;
extern const struct column trial_week_columns[], plan_figures_columns[], renewal_columns[],
        attention_columns[], summary_counts_columns[], limit_level_columns[];

/* The weeks from the day `from` to the day `to`, as "2026-11-01". */
enum fail analytics_trials(struct operation *operation, const char *from, const char *to,
                           const struct trial_week **out, size_t *count) MUST_CHECK;

/* The plans that have had MRR. */
enum fail analytics_plans(struct operation *operation, const struct plan_figures **out,
                          size_t *count) MUST_CHECK;

/* Renewals and ends within so many days, the next one first. */
enum fail analytics_renewals(struct operation *operation, int64_t days, struct page *page,
                             const struct renewal **out, size_t *count) MUST_CHECK;

/* Limits of which at least so many percent (50 or more) are in use, the highest share first. */
enum fail analytics_limits(struct operation *operation, int64_t above, struct page *page,
                           const struct limit_level **out, size_t *count) MUST_CHECK;

/* The oldest of each kind, ATTENTION_MAX at most. */
enum fail analytics_attention(struct operation *operation, const struct attention **out,
                              size_t *count) MUST_CHECK;

enum fail analytics_counts(struct operation *operation, struct summary_counts *out) MUST_CHECK;
