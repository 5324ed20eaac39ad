/*
 * meters.h: metered use, told to Stripe as meter events (docs.stripe.com/billing/subscriptions/
 * usage-based).
 *
 * A plan may name a meter for a metric (plans.json). Each day (UTC) of a customer is worth the sum
 * that its instances reported, or of a level the sum of their highest ones. When the day is over its
 * value is told; what changes afterwards is told as a difference, and what was too much is taken
 * back. Nothing is told twice: a row stands here before Stripe hears of it, its id is Stripe's
 * `identifier`, and an outcome that is unknown when Stripe may have forgotten it is looked up.
 */
#ifndef METERS_METERS_H
#define METERS_METERS_H

#include "sync/sweep.h"

/* How many rows wait, and how many need somebody to look at them. */
struct meter_figures {
	int64_t pending;
	int64_t parked;
};

extern const struct statement_list meter_statements, meter_compare_statements;

/* A sweep's step: writes down what differs between the days and what was told of them. */
enum fail meter_enqueue(struct operation *operation, struct stripe_sweep *sweep) MUST_CHECK;

/* Tells Stripe one event, or takes one back; `*done` is 1 if there was one. Can be killed at any
 * point. FAIL_STRIPE when Stripe cannot be reached. */
enum fail meter_send_run(struct operation *operation, int64_t *done) MUST_CHECK;

/*
 * A sweep's step: compares what was told of some customers with what Stripe has counted, and
 * settles what is unknown. Stripe counts some time after it has accepted: what was told within the
 * hour is left for the next comparison.
 */
enum fail meter_compare(struct operation *operation, struct stripe_sweep *sweep) MUST_CHECK;

/* The jobs: the sweeps "meter_days", every ten minutes, and "meters", every night. */
enum fail meter_run_enqueue(struct operation *operation, int64_t *done) MUST_CHECK;
enum fail meter_run_compare(struct operation *operation, int64_t *done) MUST_CHECK;

enum fail meter_figures(struct operation *operation, struct meter_figures *out) MUST_CHECK;

#endif
