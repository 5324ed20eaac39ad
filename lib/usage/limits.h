/* limits.h: how much of its plan a customer uses. Limits refuse no report: the answer to a
 * report has the levels, so that the sender can warn its users in time. */
#pragma once

#include "usage/report.h"

/* The bounds of the customer's plan. */
struct usage_bounds {
	int64_t max_devices; /* LICENSE_UNLIMITED: no bound is known */
	const struct plan_usage *usage;
};

extern const struct statement_list usage_limit_statements;

/* The bounds of the plan that counts now. In a trial, without a subscription, and with a plan
 * that plans.json lacks, they are the trial's, as in the licence. */
struct usage_bounds usage_bounds(const struct operation *operation,
                                 const struct subscription *subscription);

/* Reads a customer's levels, and its newest subscription (plan is NULL without one).
 * FAIL_NOT_FOUND. */
enum fail usage_levels_read(struct operation *operation, const char *customer_id,
                            struct usage_levels *out,
                            struct subscription *subscription) MUST_CHECK;

/* The current values of all metrics of plans.json, in its order, as decimal digits in the arena.
 * `levels` may come from either statement. */
void usage_metrics_current(struct arena *arena, const struct usage_levels *levels,
                           const struct plans *plans, const char *out[static PLAN_METRICS_MAX]);
