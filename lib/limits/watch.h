/*
 * watch.h: writes events when a customer's use reaches 80 and 100 % of a limit, and when more instances are
 * in use than its plan covers.
 *
 * The fold marks the customers whose use has changed, a trigger those whose limits have (migration 38). The
 * jobs look at each of these at most every five minutes. An event of a share is written again after the use
 * fell below it, but once a day (UTC) at most; for a sum over the month once a month.
 */
#pragma once

#include "limits/limits.h"

extern const struct statement_list usage_watch_statements;

/* A limit of a customer, and how much of it is in use. */
struct usage_limit {
	const char *name;    /* "devices", "instances", "non_production", or as in plans.json */
	const char *current; /* decimal digits */
	int64_t max;
	int64_t extra; /* how many more instances may be activated; -1: it is no limit of instances */
	bool monthly; /* the use of the month (UTC) */
};

enum { USAGE_LIMITS_MAX = 3 + PLAN_METRICS_MAX + PLAN_NAMES_MAX };

/* The share that is reached: 100, 80 or 0 percent. */
int64_t usage_limit_share(const struct usage_limit *limit);

/* The metric by whose use a feature or limit of plans.json is bought, or NULL. */
const char *usage_metric_of(const struct plans *plans, const char *name);

/* A job: looks at the customers that are marked; `*done` counts. */
enum fail usage_watch_run(struct operation *operation, int64_t *done) MUST_CHECK;
