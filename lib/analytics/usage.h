/* usage.h: the use of all customers by days. A job adds it up, so that no request reads the reports. */
#pragma once

#include "operation/operation.h"

enum { USAGE_TOTAL_DAYS_MAX = 400 };

struct usage_total {
	const char *date;
	int64_t customers; /* that have reported */
	const char *total; /* of all reports; of active devices as `peak` */
	const char *peak;  /* of each instance its highest report */
	struct instant counted_at;
};

extern const struct statement_list analytics_usage_statements;
extern const struct column usage_total_columns[];

/* The days from `from` to `to` that are counted; a day without a report of the metric has zeros. */
enum fail analytics_usage(struct operation *operation, const char *metric, const char *from,
                          const char *to, const struct usage_total **out,
                          size_t *count) MUST_CHECK;

/* A job: adds up one day that is due. `*done` is 0: the next day waits for the next step, so that
 * other jobs are not delayed. */
enum fail analytics_usage_run(struct operation *operation, int64_t *done) MUST_CHECK;
