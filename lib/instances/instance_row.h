/* instance_row.h: how statements return whole rows of instances, and what several modules of this room
 * share. */
#pragma once

#include "instances/instances.h"
#include "usage/limits.h"

extern const struct column instance_columns[];

#define INSTANCE_ROW ROWS_OF(struct instance, instance_columns)
#define INSTANCE_COLUMNS                                                                       \
	"instance_id, kind, first_seen_at, last_seen_at, activated_at, lease_expires_at, "     \
	"released_at, latest_reported_at, active_devices, total_devices, "                     \
	"metrics::text AS metrics"

/* The columns of an instance as `name`, the member of a struct S. */
#define INSTANCE_MEMBERS(name)                                                                 \
	name.instance_id, name.kind, name.first_seen_at, name.last_seen_at, name.activated_at, \
	        name.lease_expires_at, name.released_at, name.latest_reported_at,              \
	        name.active_devices, name.total_devices, name.metrics

extern const struct statement_list instance_transfer_statements;

/* Locks the customer until the transaction ends, and reads what its plan covers. FAIL_NOT_FOUND
 * "customer_not_found". Reports do not wait. */
enum fail instance_lock(struct operation *operation, const char *customer_id,
                        const struct plan_usage **usage) MUST_CHECK;

/* Counts a move, unless an operator makes it. FAIL_CONFLICT "move_limit". */
enum fail instance_count_move(struct operation *operation, const char *customer_id,
                              const struct plan_usage *usage) MUST_CHECK;
