/*
 * stripe_sweep.h: compares with Stripe what its events should have told us, and repairs it: no
 * event that was lost, by whomever, leaves us different for longer than until the next sweep.
 *
 * Two sweeps: the list of recent events, and the list of subscriptions. Each goes on page by page
 * from where it stopped, one process at a time in the whole installation.
 */
#ifndef BILLING_STRIPE_SWEEP_H
#define BILLING_STRIPE_SWEEP_H

#include "billing/operation.h"

struct json_object;

/* Something that Stripe has otherwise. Texts live in the operation's arena. */
struct stripe_difference {
	const char *what; /* "event", "subscription", "plan", "status", "period_end", ... */
	const char *id;
	const char *customer_id; /* NULL: unknown */
	const char *ours;        /* NULL: nothing */
	const char *theirs;      /* likewise */
};

/* Called for each; `closure` is the caller's. */
struct stripe_reporter {
	void (*report)(const struct stripe_difference *difference, void *closure);
	void *closure;
};

/* A sweep under way; `after` and `part` say where it is. */
struct stripe_sweep {
	bool dry_run;         /* look only */
	struct arena *memory; /* dry_run: lives as long as the sweep */
	struct stripe_reporter reporter;
	struct instant since;      /* events: the oldest to look at */
	struct instant started_at; /* subscriptions */
	int64_t part;
	char after[256]; /* the last id of the page before */
	int64_t differences;
	bool finished;
	struct json_object *listed; /* dry_run: the subscriptions that Stripe's list had */
};

extern const struct statement_list stripe_sweep_statements;

/* The events that a webhook endpoint must send us, ended by NULL. */
extern const char *const stripe_event_types[];

/* One page each. FAIL_STRIPE when Stripe cannot be reached. */
enum fail stripe_sweep_events(struct operation *operation,
                              struct stripe_sweep *sweep) MUST_CHECK;
enum fail stripe_sweep_subscriptions(struct operation *operation,
                                     struct stripe_sweep *sweep) MUST_CHECK;

/* A page of the sweep of that name when it is due (every so long) or under way; `*done` is 1 if
 * there was one. In a transaction, and by one process at a time. */
enum fail stripe_sweep_run(struct operation *operation, const char *name, int64_t every_ms,
                           enum fail (*step)(struct operation *operation,
                                             struct stripe_sweep *sweep),
                           int64_t *done) MUST_CHECK;

/* The jobs: a page of a sweep that is due or under way; `*done` is 1 if there was one. Events are
 * compared every quarter of an hour, subscriptions every night. */
enum fail stripe_sweep_run_events(struct operation *operation, int64_t limit,
                                  int64_t *done) MUST_CHECK;
enum fail stripe_sweep_run_subscriptions(struct operation *operation, int64_t limit,
                                         int64_t *done) MUST_CHECK;

/* Makes one due now, in the open transaction or one of its own. */
enum fail stripe_sweep_demand(struct operation *operation, const char *name) MUST_CHECK;

/* Makes all due now. */
enum fail stripe_sweep_request(struct operation *operation) MUST_CHECK;

/* When the last one of that name ("events", "subscriptions") was finished. */
enum fail stripe_sweep_last(struct operation *operation, const char *name,
                            struct instant *out) MUST_CHECK;

#endif
