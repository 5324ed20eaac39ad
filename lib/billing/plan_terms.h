/* plan_terms.h: the terms in which plans were sold: stored whenever another plans.json comes into force,
 * and read by every process. */
#pragma once

#include "operation/operation.h"
#include "plans/plans_terms.h"

extern const struct statement_list plan_terms_statements;

/* Customers that have a plan now. */
struct plan_customers {
	const char
	        *plan; /* PLANS_TRIAL: they are in the trial; PLANS_ADDON and an add-on's id */
	int64_t customers;
};

/* Stores the terms of the file that differ from the newest ones that are stored, with an entry in the
 * audit trail for each plan. Only a process that serves calls this. */
enum fail plan_terms_record(struct operation *operation, struct plans *plans) MUST_CHECK;

/* Reads the stored terms into `plans`; they live in the task's arena. */
enum fail plan_terms_load(struct operation *operation, struct plans *plans) MUST_CHECK;

/* The terms of each plan that were in force last, and of the trial, with the names of the file that
 * `plans` was read from. */
enum fail plan_terms_in_force(struct operation *operation, const struct plans *plans,
                              struct sold_terms **out, size_t *out_count) MUST_CHECK;

/* How many customers have which plan: those whose subscription is a trial that is not over, active, or
 * past due. In the order of the names. */
enum fail plan_customers(struct operation *operation, const struct plan_customers **out,
                         size_t *count) MUST_CHECK;

/* The ids of the first `limit` customers of one plan. */
enum fail plan_customer_ids(struct operation *operation, const char *plan, int64_t limit,
                            const char *const **out, size_t *count) MUST_CHECK;
