/* sweep_pages.h: compares a page of Stripe's data with ours, reports each difference and
 * repairs it. */
#pragma once

#include "operation/operation.h"

/* A value that differs at Stripe. Texts live in the operation's arena. */
struct stripe_difference {
	const char *what; /* "event", "subscription", "plan", "status", "period_end", ... */
	const char *id;
	const char *customer_id; /* NULL: unknown */
	const char *ours;        /* NULL: nothing */
	const char *theirs;      /* likewise */
};

/* Receives each difference; `closure` is the caller's. */
struct stripe_reporter {
	void (*report)(const struct stripe_difference *difference, void *closure);
	void *closure;
};

/* A sweep under way: `part` and `after` say where the next step begins. */
struct stripe_sweep {
	bool dry_run;         /* report, but repair nothing */
	struct arena *memory; /* dry_run: lives as long as the sweep */
	struct stripe_reporter reporter;
	struct instant since;      /* events: the oldest to compare */
	struct instant started_at; /* subscriptions */
	int64_t part;
	char after[256]; /* the last id of the page before */
	int64_t differences;
	bool finished;
	const char **listed; /* dry_run: ids of the subscriptions in Stripe's list */
	size_t listed_count;
	size_t listed_capacity;
};

/* Steps of the sweeps: each compares one page. FAIL_STRIPE when Stripe cannot be reached. */
enum fail stripe_sweep_events(struct operation *operation,
                              struct stripe_sweep *sweep) MUST_CHECK;
enum fail stripe_sweep_subscriptions(struct operation *operation,
                                     struct stripe_sweep *sweep) MUST_CHECK;
