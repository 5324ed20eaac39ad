/* adopt.h: stores reports that another service received, many at a time, and counts them in the
 * sums at once. */
#pragma once

#include "usage/report.h"

/* The outcome of one customer's reports. A customer that does not exist here has no row. */
struct adopted_reports {
	const char *customer_id;
	int64_t stored;
	int64_t known; /* were stored before */
};

extern const struct statement_list usage_adopt_statements;

/* Sets the report's id to one that follows from its values and from `copy`, which tells equal
 * reports apart. So a report that comes again is recognised. */
void usage_adopt_name(struct task *task, struct usage_report *report, int64_t copy);

/* The beginning of the first day of which reports are kept. */
struct instant usage_kept_since(const struct operation *operation);

/* Makes the months of reports since then. */
enum fail usage_adopt_months(struct operation *operation) MUST_CHECK;

/* Stores reports without metrics, each of which has an id, in the open transaction; the sums have them
 * when it commits. With `dry_run` it only looks which are here. */
enum fail usage_adopt(struct operation *operation, const struct usage_report *reports,
                      size_t count, bool dry_run, const struct adopted_reports **out,
                      size_t *customers) MUST_CHECK;
