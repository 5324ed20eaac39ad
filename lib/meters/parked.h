/* parked.h: meter events that Stripe refused or that are too late to be corrected. An operator
 * must look at them. */
#pragma once

#include "operation/operation.h"

struct meter_parked {
	const char *meter_event_id;
	const char *customer_id;
	const char *day; /* "2025-02-15" */
	const char *metric;
	const char *event_name;
	const char *value; /* negative: more was sent than was used */
	const char *error;
};

extern const struct statement_list meter_parked_statements;

/* The events that were not settled, oldest first. */
enum fail meter_parked_list(struct operation *operation, int64_t limit,
                            const struct meter_parked **out, size_t *count) MUST_CHECK;

/* Has an event sent again, or with NULL all events. Events with a negative value and those that
 * the next comparison looks up ("outcome_unknown") stay parked. `*count`. */
enum fail meter_parked_retry(struct operation *operation, const char *meter_event_id,
                             int64_t *count) MUST_CHECK;

/* Records that the vendor has settled the event with the customer. Begins and commits a
 * transaction. FAIL_NOT_FOUND "meter_event_not_found". */
enum fail meter_parked_settle(struct operation *operation,
                              const char *meter_event_id) MUST_CHECK;
