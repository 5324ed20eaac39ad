/*
 * parked.h: meter events that Stripe refused, or that it is too late to tell, until somebody
 * has dealt with them.
 */
#ifndef METERS_PARKED_H
#define METERS_PARKED_H

#include "billing/operation.h"

struct meter_parked {
	const char *meter_event_id;
	const char *customer_id;
	const char *day; /* "2025-02-15" */
	const char *metric;
	const char *event_name;
	const char *value; /* negative: more was told than was used */
	const char *error;
};

extern const struct statement_list meter_parked_statements;

/* Oldest first, without those that were settled. */
enum fail meter_parked_list(struct operation *operation, int64_t limit,
                            const struct meter_parked **out, size_t *count) MUST_CHECK;

/* Tells it again; NULL: all that can be. Neither what is negative nor what is looked up by the
 * next comparison anyway ("outcome_unknown"). `*count`. */
enum fail meter_parked_retry(struct operation *operation, const char *meter_event_id,
                             int64_t *count) MUST_CHECK;

/* Somebody has squared it with the customer: it no longer waits for anybody. Begins and commits a
 * transaction. FAIL_NOT_FOUND "meter_event_not_found". */
enum fail meter_parked_settle(struct operation *operation,
                              const char *meter_event_id) MUST_CHECK;

#endif
