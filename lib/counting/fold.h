/*
 * fold.h: adds what reports left in usage_pending to the sums, many at a time.
 *
 * A report's row there and its share of the sums change places in one transaction, so that every
 * snapshot counts it exactly once: sums are read as what is folded plus what is pending. The lock
 * of a customer's row in usage_fleets lets one process at a time fold that customer; any number of
 * processes fold different ones, and each can be killed at any point. Transactions lock in one
 * order: report ids, instances, usage_fleets, the days of instances, the days of customers. The job locks instances
 * too, behind usage_fleets, but waits for none (lost.c).
 */
#pragma once

#include "operation/operation.h"

/* Reports that a step of usage_fold_run() folds at most. */
enum { USAGE_FOLD_ROWS_MAX = 2000 };

/* The reports that wait to be folded. */
struct usage_figures {
	int64_t pending;
	struct instant pending_since; /* unknown: nothing is pending */
};

extern const struct statement_list usage_fold_statements;

/* A job: folds some pending rows, and ends the share of instances whose lease has ended. */
enum fail usage_fold_run(struct operation *operation, int64_t *done) MUST_CHECK;

/* Folds all that is pending of these customers, in the open transaction. */
enum fail usage_fold_customers(struct operation *operation,
                               const struct string_list *customers) MUST_CHECK;

/* A job: counts some days older than migration 022 in the sums of customers. */
enum fail usage_backfill_run(struct operation *operation, int64_t *done) MUST_CHECK;

/* Counts the day of an instance anew from its reports, pending ones included. Within a
 * transaction. */
enum fail usage_recount(struct operation *operation, const char *customer_id,
                        const char *instance_id, struct instant at) MUST_CHECK;

enum fail usage_figures(struct operation *operation, struct usage_figures *out) MUST_CHECK;
