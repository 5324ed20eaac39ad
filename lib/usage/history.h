/* history.h: reads stored reports and the sums of days. */
#pragma once

#include "db/page.h"
#include "usage/report.h"

/* Which reports to list. */
struct usage_filter {
	const char *customer_id;
	const char *instance_id; /* NULL: of all */
	struct instant from;     /* inclusive */
	struct instant to;       /* exclusive */
};

/* One day (UTC) of a customer. Means are decimal numbers as text. */
struct usage_day {
	const char *date;
	int64_t reports;
	int64_t instances;
	int64_t active_devices_max; /* of any report */
	const char *active_devices_mean;
	int64_t active_devices_peak; /* the sum of each instance's maximum */
	int64_t total_devices_max;
	const char *total_devices_mean;
	int64_t total_devices_peak;
	const char *metrics;          /* {metric: sum} */
	struct instant counted_until; /* all that was received before is counted */
};

enum { USAGE_DAYS_MAX = 3660 };

extern const struct statement_list usage_history_statements;

/* Each is one round trip, unless nothing is found. FAIL_NOT_FOUND "customer_not_found". */

/* A page of the reports, newest first. Corrected reports are listed too, with the id of the
 * report that superseded them. */
enum fail usage_history(struct operation *operation, const struct usage_filter *filter,
                        struct page *page, const struct usage_report **out,
                        size_t *count) MUST_CHECK;

/* The newest report of all instances; `*found` is false when there is none. */
enum fail usage_latest(struct operation *operation, const char *customer_id,
                       struct usage_report *out, bool *found) MUST_CHECK;

/* Days that have reports, oldest first, at most USAGE_DAYS_MAX. `from` and `to` are dates
 * ("2025-02-15"), both inclusive, or NULL; `instance_id` NULL: of all. */
enum fail usage_daily(struct operation *operation, const char *customer_id,
                      const char *instance_id, const char *from, const char *to,
                      const struct usage_day **out, size_t *count) MUST_CHECK;
