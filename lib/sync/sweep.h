/*
 * sweep.h: compares our data with Stripe's and repairs it, so that a lost event matters only
 * until the next sweep.
 *
 * Two sweeps compare the list of recent events and the list of subscriptions. Each continues
 * page by page where it stopped, in one process at a time of all hosts.
 */
#pragma once

#include "sync/sweep_pages.h"

extern const struct statement_list stripe_sweep_statements;

/* Runs a step of the sweep of that name when it is due (`every_ms` after the last) or under
 * way, in a transaction of its own; `*done` is 1 if it was. When the sweep was changed meanwhile,
 * nothing of the step is kept, and `*done` is 0. */
enum fail stripe_sweep_run(struct operation *operation, const char *name, int64_t every_ms,
                           enum fail (*step)(struct operation *operation,
                                             struct stripe_sweep *sweep),
                           int64_t *done) MUST_CHECK;

/* The jobs: events are compared every quarter of an hour, subscriptions every night. */
enum fail stripe_sweep_run_events(struct operation *operation, int64_t *done) MUST_CHECK;
enum fail stripe_sweep_run_subscriptions(struct operation *operation, int64_t *done) MUST_CHECK;

/* Makes the sweep of that name (NULL: all) due now. */
enum fail stripe_sweep_make_due(struct operation *operation, const char *name) MUST_CHECK;

/* Makes all sweeps due now, in a transaction of its own, and wakes the Stripe jobs. */
enum fail stripe_sweep_make_all_due(struct operation *operation) MUST_CHECK;

/* Up to when the last finished sweep of that name ("events", "subscriptions") has compared. */
enum fail stripe_sweep_last(struct operation *operation, const char *name,
                            struct instant *out) MUST_CHECK;
