/*
 * sweep.h: compares with Stripe what its events should have told us, and repairs it: no
 * event that was lost, by whomever, leaves us different for longer than until the next sweep.
 *
 * Two sweeps: the list of recent events, and the list of subscriptions. Each goes on page by page
 * from where it stopped, one process at a time in the whole installation.
 */
#ifndef SYNC_SWEEP_H
#define SYNC_SWEEP_H

#include "sync/sweep_pages.h"

extern const struct statement_list stripe_sweep_statements;

/* A page of the sweep of that name when it is due (every so long) or under way; `*done` is 1 if
 * there was one. In a transaction, and by one process at a time. */
enum fail stripe_sweep_run(struct operation *operation, const char *name, int64_t every_ms,
                           enum fail (*step)(struct operation *operation,
                                             struct stripe_sweep *sweep),
                           int64_t *done) MUST_CHECK;

/* The jobs: a page of a sweep that is due or under way; `*done` is 1 if there was one. Events are
 * compared every quarter of an hour, subscriptions every night. */
enum fail stripe_sweep_run_events(struct operation *operation, int64_t *done) MUST_CHECK;
enum fail stripe_sweep_run_subscriptions(struct operation *operation, int64_t *done) MUST_CHECK;

/* Makes one due now, in the open transaction or one of its own. */
enum fail stripe_sweep_make_due(struct operation *operation, const char *name) MUST_CHECK;

/* Makes all due now. */
enum fail stripe_sweep_make_all_due(struct operation *operation) MUST_CHECK;

/* When the last one of that name ("events", "subscriptions") was finished. */
enum fail stripe_sweep_last(struct operation *operation, const char *name,
                            struct instant *out) MUST_CHECK;

#endif
