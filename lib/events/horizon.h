/* horizon.h: how far readers of the log of events may read now, and what keeps them back. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list event_horizon_statements;

/* An event that readers cannot get for longer is a fault. */
enum { EVENT_WAIT_MAX_S = 60 };

struct event_horizon {
	int64_t waiting; /* events that are committed and not due, 1000 at most */
	struct instant
	        waiting_since; /* when the oldest of them was written; none: there is none */
	const char *holder; /* the open transaction that they wait for, described; NULL: none */
	int64_t months_missing; /* of this month and the next one */
};

enum fail event_horizon_read(struct operation *operation, struct event_horizon *out) MUST_CHECK;
