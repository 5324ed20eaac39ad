/* outcomes.h: answers that are gathered, and recorded together. */
#pragma once

#include "net/posts.h"
#include "operation/operation.h"
#include "webhooks/lane.h"
#include "webhooks/verdict.h"

enum { OUTCOMES_MAX = 128 };

struct outcome {
	struct outcome *next;
	struct delivery *delivery;
	struct post_answer answer;
};

/* The attempts that were recorded, and what became of their deliveries. */
struct webhook_counts {
	int64_t attempts[WEBHOOK_RESULTS];
	int64_t failed; /* deliveries given up; tests are not counted */
};

/* In the order in which they came. They stay until they are recorded. */
struct outcomes {
	struct outcome *first;
	struct outcome *last;
	size_t count;
	int64_t since_us;    /* clock_monotonic_us(): when the first one came */
	bool begins_to_fail; /* an endpoint that was well has failed */
	struct webhook_counts counts;
};

/* Takes the delivery over. */
void outcomes_add(struct outcomes *outcomes, struct delivery *delivery,
                  const struct post_answer *answer);

/* Enough answers wait, or the first one has waited long enough, or an endpoint begins to fail: it gets
 * fewer requests once that is recorded. */
bool outcomes_are_due(const struct outcomes *outcomes);

/* Records all, and how the endpoints are doing. After a failure they are still there. */
enum fail outcomes_write(struct outcomes *outcomes, struct operation *operation) MUST_CHECK;

/* Forgets those that are not recorded: their deliveries are sent again when the lease is over. */
void outcomes_clear(struct outcomes *outcomes);
