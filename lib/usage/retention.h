/*
 * retention.h: makes the partitions of reports, a month each, before they are needed, and drops
 * old ones.
 *
 * Dropping a month takes the same short time for many reports as for few, and blocks no other
 * statement. The sums of days stay.
 */
#pragma once

#include "operation/operation.h"

extern const struct statement_list usage_retention_statements;

/* A job: makes the months of the reports that may come until three months from now; `made`
 * counts. */
enum fail usage_make_months(struct operation *operation, int64_t *made) MUST_CHECK;

/* A job: drops months that are wholly older than the policy's days; `dropped` counts months. */
enum fail usage_drop_months(struct operation *operation, int64_t *dropped) MUST_CHECK;

/* A job: deletes the ids of reports that are gone, 20000 at a time. */
enum fail usage_prune_ids(struct operation *operation, int64_t *pruned) MUST_CHECK;

/* Deletes all reports from before the day (UTC) so many days ago: whole months where that is
 * possible, single reports in the others. `deleted` counts reports. It can be repeated when it
 * took too long. */
enum fail usage_clean_up(struct operation *operation, int64_t days,
                         int64_t *deleted) MUST_CHECK;
