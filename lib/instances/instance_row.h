/* instance_row.h: how statements return whole rows of instances, and what several modules of this room
 * share. */
#pragma once

#include "events/log.h"
#include "instances/instances.h"
#include "limits/limits.h"

extern const struct column instance_columns[];

#define INSTANCE_ROW ROWS_OF(struct instance, instance_columns)
#define INSTANCE_COLUMNS                                                                       \
	"instance_id, kind, first_seen_at, last_seen_at, activated_at, lease_expires_at, "     \
	"released_at, latest_reported_at, version, active_devices, total_devices, "            \
	"metrics::text AS metrics"

/* The columns of the member `instance` of a struct. */
#define INSTANCE_MEMBERS                                                                       \
	instance.instance_id, instance.kind, instance.first_seen_at, instance.last_seen_at,    \
	        instance.activated_at, instance.lease_expires_at, instance.released_at,        \
	        instance.latest_reported_at, instance.version, instance.active_devices,        \
	        instance.total_devices, instance.metrics

/* An instance as the audit trail has it: a JSON object. */
const char *instance_audited(struct operation *operation, const struct instance *instance);

/* Writes an event of the instance as it is now. */
enum fail instance_event(struct operation *operation, enum event_type type,
                         const char *customer_id, const struct instance *instance) MUST_CHECK;

/* The instance as it is. */
enum fail instance_find(struct operation *operation, const char *customer_id,
                        const char *instance_id, struct instance *out, bool *found) MUST_CHECK;

extern const struct statement_list instance_transfer_statements;

/* Locks the customer until the transaction ends, and reads what its plan covers. FAIL_NOT_FOUND
 * "customer_not_found". Reports do not wait. */
enum fail instance_lock(struct operation *operation, const char *customer_id,
                        const struct plan_usage **usage) MUST_CHECK;

/* Counts a move, unless an operator makes it. FAIL_CONFLICT "move_limit". */
enum fail instance_count_move(struct operation *operation, const char *customer_id,
                              const struct plan_usage *usage) MUST_CHECK;
