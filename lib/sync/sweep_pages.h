/*
 * sweep_pages.h: compares a page of what Stripe has with what we have, tells each difference,
 * and repairs it.
 */
#ifndef SYNC_SWEEP_PAGES_H
#define SYNC_SWEEP_PAGES_H

#include "billing/operation.h"

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
	const char **listed; /* dry_run: the subscriptions that Stripe's list had */
	size_t listed_count;
	size_t listed_capacity;
};

/* One page each. FAIL_STRIPE when Stripe cannot be reached. */
enum fail stripe_sweep_events(struct operation *operation,
                              struct stripe_sweep *sweep) MUST_CHECK;
enum fail stripe_sweep_subscriptions(struct operation *operation,
                                     struct stripe_sweep *sweep) MUST_CHECK;

#endif
