/* limits.h: how much of its plan a customer uses. Limits refuse no report: the answer to a
 * report has the levels, so that the sender can warn its users in time. */
#pragma once

#include "usage/report.h"

/* The bounds of the customer's use. */
struct usage_bounds {
	int64_t max_devices; /* LICENSE_UNLIMITED: no bound is known */
	const struct plan_usage *usage;
};

extern const struct statement_list usage_limit_statements;

/* How much use the plan that counts now covers. In a trial, without a subscription, and with a plan
 * that plans.json lacks, it is the trial's, as in the licence. */
const struct plan_usage *usage_of_plan(const struct operation *operation,
                                       const struct subscription *subscription);

/* The bounds that count now: devices as in the customer's entitlements, the others of the plan. */
struct usage_bounds usage_bounds(const struct operation *operation,
                                 const struct subscription *subscription,
                                 const struct entitlement_terms *terms);

/* Reads a customer's levels, its newest subscription (plan is NULL without one) and its terms.
 * FAIL_NOT_FOUND. */
enum fail usage_levels_read(struct operation *operation, const char *customer_id,
                            struct usage_levels *out, struct subscription *subscription,
                            struct entitlement_terms *terms) MUST_CHECK;

/* The current values of all metrics of plans.json, in its order, as decimal digits in the arena.
 * `levels` may come from either statement. */
void usage_metrics_current(struct arena *arena, const struct usage_levels *levels,
                           const struct plans *plans, const char *out[static PLAN_METRICS_MAX]);
