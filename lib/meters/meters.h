/*
 * meters.h: metered use, sent to Stripe as meter events
 * (docs.stripe.com/billing/subscriptions/usage-based).
 *
 * A plan may name a meter for a metric (plans.json). A customer's day (UTC) is worth the sum
 * of what its instances reported; for a level, the sum of their highest reports. When the day
 * is over, its worth is sent. A later increase is sent as a difference; a decrease cancels
 * what was sent. No use is sent twice: the row is recorded first, its id is Stripe's
 * `identifier`, and when Stripe may have forgotten an identifier whose outcome is unknown,
 * Stripe's sums decide.
 */
#pragma once

#include "sync/sweep.h"

struct meter_figures {
	int64_t pending;
	int64_t parked; /* an operator must look at them */
};

extern const struct statement_list meter_day_statements, meter_send_statements,
        meter_compare_statements;

/* A job, every ten minutes (the sweep "meter_days"): records events for days whose use differs
 * from what was sent. */
enum fail meter_run_enqueue(struct operation *operation, int64_t *done) MUST_CHECK;

/* A job: sends or cancels one recorded event. It can be killed at any point. FAIL_STRIPE when
 * Stripe cannot be reached. */
enum fail meter_send_run(struct operation *operation, int64_t *done) MUST_CHECK;

/* A job, every night (the sweep "meters"): runs meter_compare(). */
enum fail meter_run_compare(struct operation *operation, int64_t *done) MUST_CHECK;

/* A sweep's step: compares what was sent for some customers with what Stripe has counted, and
 * resolves events whose outcome is unknown. Stripe counts with a delay: days with events of the
 * last hour are left for the next comparison. */
enum fail meter_compare(struct operation *operation, struct stripe_sweep *sweep) MUST_CHECK;

enum fail meter_figures(struct operation *operation, struct meter_figures *out) MUST_CHECK;
