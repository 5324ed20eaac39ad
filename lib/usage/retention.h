/*
 * retention.h: months of reports, made before they are needed and dropped when they are old.
 *
 * A month goes as a whole, which takes no longer for many reports than for few and holds nobody up.
 * The sums of days stay.
 */
#ifndef USAGE_RETENTION_H
#define USAGE_RETENTION_H

#include "billing/operation.h"

extern const struct statement_list usage_retention_statements;

/* Makes the months that reports may name from now on until three months ahead; `made` counts. */
enum fail usage_make_months(struct operation *operation, int64_t *made) MUST_CHECK;

/* Drops the months of which all is older than the policy's days; `dropped` counts months. */
enum fail usage_drop_months(struct operation *operation, int64_t *dropped) MUST_CHECK;

/* Forgets the ids of reports that are gone, some ten thousand at a time. */
enum fail usage_prune_ids(struct operation *operation, int64_t *pruned) MUST_CHECK;

/* Deletes all reports from before the day (UTC) so many days ago: months where that is possible,
 * single reports in the others. `deleted` counts reports. It can be repeated when it took too
 * long. */
enum fail usage_clean_up(struct operation *operation, int64_t days,
                         int64_t *deleted) MUST_CHECK;

#endif
