/*
 * report.h: the usage reports of customers' instances, each counted exactly once.
 *
 * One statement writes a report and all that follows from it (its id, the instance that sent
 * it, its row in usage_pending), so that either all of it is stored or nothing. Its cost depends
 * on nothing else that is stored; fold.h adds it to the sums later.
 */
#pragma once

#include "base/wire.h"
#include "billing/subscriptions.h"
#include "callers/api_keys.h"
#include "entitlements/entitlements.h"

/* The answer to a report counts so many pending ones at most; other answers more. */
enum {
	USAGE_LATE_DAYS = 35,
	USAGE_AHEAD_MINUTES = 5,
	USAGE_PENDING_OF_REPORT = 50,
	USAGE_PENDING_READ = 2000
};

struct usage_report {
	int64_t usage_id;
	const char *customer_id;
	const char *instance_id;
	int64_t active_devices;
	int64_t total_devices;
	const char *metrics; /* a JSON object of integers */
	struct instant reported_at;
	struct instant received_at;
	const char *report_id; /* the sender's name for it, or NULL */
	int64_t corrects;      /* the report that this one replaces, or 0 */
	const char *reason;    /* of a correction */
	int64_t superseded_by; /* the correction that replaces this one, or 0 */
	const char *version;   /* of the product there, or NULL; only the instance keeps it */
};

/* How much a customer uses at this moment. */
struct usage_levels {
	int64_t active_devices; /* of all instances in use, each by its newest report */
	int64_t instances;      /* in use */
	int64_t non_production; /* of these, the ones of other kinds */
	const char *month;      /* {metric: sum of this month (UTC), as text} */
	const char *newest; /* {metric: sum of the newest values of all instances, as text} */
	/* All that was received before is counted. It is the time of reading, unless very much is
	 * pending (USAGE_PENDING_OF_REPORT). */
	struct instant counted_until;
	bool counted; /* false: not all is that migration 022 found; usage_levels_read() counts it */
};

/* The answer of the statement that stores a report. */
struct usage_view {
	struct api_key key;               /* the caller's; key_id is NULL when there is none */
	const char *customer_id;          /* NULL: no such customer */
	struct subscription subscription; /* plan is NULL without one */
	struct entitlement_terms terms;
	struct usage_levels levels;
	bool too_many;    /* the instance is new, and the day's bound of new ones is reached */
	int64_t usage_id; /* of the report when it was stored, else 0 */
};

extern const struct statement_list usage_statements;

/* NULL when a report may name this time, else why not. */
const char *usage_check_time(struct instant reported_at, int64_t now_ms);

/* Writes the report's metrics as JSON. Names that plans.json lacks and values other than
 * integers from 0 to WIRE_NUMBER_MAX become bad fields "metrics.<name>" of the task, and are left
 * out. */
enum fail usage_metrics_read(struct task *task, const struct plans *plans,
                             const struct any_object *metrics, const char **out) MUST_CHECK;

/* Stores a checked report if the key with this digest may do so: an owner's, or one of the
 * customer with the scope. Otherwise nothing is written, and the caller of this function
 * refuses the request by `view->key`. */
enum fail usage_report(struct operation *operation, const struct sha256 *digest,
                       const struct usage_report *report, struct usage_view *view) MUST_CHECK;

/* FAIL_LIMITED "too_many_instances", until tomorrow. */
enum fail usage_fail_instances(struct operation *operation);

/* The failure `kind` of what follows the statement that stores reports. That has been committed unless a
 * transaction is open, so FAIL_UNAVAILABLE, which says that nothing was done, becomes FAIL_UNCERTAIN
 * "outcome_unknown". */
enum fail usage_fail_behind(struct operation *operation, enum fail kind) MUST_CHECK;

/* The outcome of usage_report(). `report` becomes the stored one: this, with `*created`, or the
 * first of its report_id. FAIL_NOT_FOUND "customer_not_found", FAIL_LIMITED
 * "too_many_instances" beyond the policy's new_instances_per_day. */
enum fail usage_outcome(struct operation *operation, const struct usage_view *view,
                        struct usage_report *report, bool *created) MUST_CHECK;

/* Replaces `report` by the one that was stored first under its customer and report_id. When
 * that was deleted since, only its id and times are known. FAIL_UNAVAILABLE "busy" when it is
 * being deleted at this moment. */
enum fail usage_find_first(struct operation *operation, struct usage_report *report) MUST_CHECK;
