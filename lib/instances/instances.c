/* instances.c: the instances that a customer runs. */
#include "instances/instances.h"

#include "billing/audit.h"
#include "billing/customers.h"
#include "usage/limits.h"

/* The result of an activation; `instance.instance_id` is NULL when there was no room. */
struct activation {
	bool in_use;
	int64_t others;
	struct instance instance;
};

static const struct column instance_columns[] =
        COLUMNS(struct instance, instance_id, first_seen_at, last_seen_at, activated_at,
                lease_expires_at, released_at, latest_reported_at, active_devices,
                total_devices, metrics);

#define INSTANCE_COLUMNS                                                                       \
	"instance_id, first_seen_at, last_seen_at, activated_at, lease_expires_at, "           \
	"released_at, latest_reported_at, active_devices, total_devices, "                     \
	"metrics::text AS metrics"
#define ROW ROWS_OF(struct instance, instance_columns)

enum { LIST, LOCK, ACTIVATE, RELEASE };

extern const char instances_activate_sql[]; /* activate.sql */

static const struct statement statements[] = {
        [LIST] = {"instance_list", ROW,
                  .sql = "SELECT " INSTANCE_COLUMNS " FROM instances WHERE customer_id = $1 "
                         "AND instance_id > COALESCE($2, '') AND EXISTS (SELECT FROM customers "
                         "WHERE customer_id = $1 AND deleted_at IS NULL) "
                         "ORDER BY instance_id LIMIT $3::bigint"},
        /* Activations of one customer run one after the other; reports do not wait. */
        [LOCK] = {"instance_lock", ROWS_WITH(struct subscription, plan, status, trial_ends_at),
                  .sql = "SELECT s.plan, s.status, s.trial_ends_at FROM customers c "
                         "LEFT JOIN LATERAL (SELECT plan, status, trial_ends_at "
                         "  FROM subscriptions WHERE customer_id = c.customer_id "
                         "  ORDER BY superseded, subscription_id DESC LIMIT 1) s ON true "
                         "WHERE c.customer_id = $1 AND c.deleted_at IS NULL "
                         "FOR NO KEY UPDATE OF c"},
        [ACTIVATE] = {"instance_activate",
                      ROWS_WITH(struct activation, in_use, others, instance.instance_id,
                                instance.first_seen_at, instance.last_seen_at,
                                instance.activated_at, instance.lease_expires_at,
                                instance.released_at, instance.latest_reported_at,
                                instance.active_devices, instance.total_devices,
                                instance.metrics),
                      .sql = instances_activate_sql},
        [RELEASE] = {"instance_release", ROW,
                     .sql = "UPDATE instances SET "
                            "released_at = COALESCE(released_at, $3::timestamptz), "
                            "lease_expires_at = least(lease_expires_at, $3::timestamptz) "
                            "WHERE customer_id = $1 AND instance_id = $2 "
                            "RETURNING " INSTANCE_COLUMNS},
};

const struct statement_list instance_statements = STATEMENT_LIST(statements);

const char *
instance_state(const struct instance *instance, int64_t now_ms)
{
	if (instance->lease_expires_at.ms > now_ms)
		return "active";
	return instance->released_at.known ? "released" : "expired";
}

enum fail
instance_list(struct operation *operation, const char *customer_id, struct page *page,
              const struct instance **out, size_t *count)
{
	struct task *task = operation->task;

	TRY(db_rows(operation->db, task, &statements[LIST],
	            PARAMETERS(customer_id, page->id, page_limit(task, page)), (void *)out,
	            count));
	if (*count == 0) {
		struct customer customer;

		return customer_find(operation, customer_id, &customer);
	}
	if (page_has_next(page, count))
		page->next = page_cursor(task, INSTANT_MS(0), (*out)[*count - 1].instance_id);
	return FAIL_NONE;
}

static enum fail
no_room(struct operation *operation, const struct plan_usage *usage, int64_t others)
{
	return task_fail(operation->task, FAIL_CONFLICT, "instance_limit",
	                 "The plan covers %lld instances and %lld more, and %lld are in use: "
	                 "release one, or wait until its lease ends.",
	                 (long long)usage->max_instances, (long long)usage->instance_overage,
	                 (long long)others);
}

enum fail
instance_activate(struct operation *operation, const char *customer_id, const char *instance_id,
                  int64_t lease_hours, struct instance *out, bool *fresh)
{
	struct task *task = operation->task;
	int64_t lease_end_ms = operation->now_ms + lease_hours * HOUR_MS;
	struct subscription subscription = {0};
	struct activation activation = {0};
	const struct plan_usage *usage;
	const char *room = NULL;
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[LOCK], PARAMETERS(customer_id),
	           &subscription, &found));
	if (!found)
		return fail_customer_not_found(task);
	usage = usage_bounds(operation, &subscription).usage;
	if (usage->max_instances != LICENSE_UNLIMITED)
		room = param_int(task, usage->max_instances + usage->instance_overage);
	TRY(db_row(operation->db, task, &statements[ACTIVATE],
	           PARAMETERS(customer_id, instance_id, param_now(operation),
	                      param_time(task, INSTANT_MS(lease_end_ms)), room),
	           &activation, &found));
	if (activation.instance.instance_id == NULL)
		return no_room(operation, usage, activation.others);
	*fresh = !activation.in_use;
	*out = activation.instance;
	if (*fresh)
		TRY(audit_change(operation, "instance_activate", customer_id, instance_id,
		                 NULL));
	return db_commit(operation->db, task);
}

enum fail
instance_release(struct operation *operation, const char *customer_id, const char *instance_id,
                 struct instance *out)
{
	struct task *task = operation->task;
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[RELEASE],
	           PARAMETERS(customer_id, instance_id, param_now(operation)), out, &found));
	if (!found)
		return task_fail(task, FAIL_NOT_FOUND, "instance_not_found",
		                 "The customer has no such instance.");
	TRY(audit_change(operation, "instance_release", customer_id, instance_id, NULL));
	return db_commit(operation->db, task);
}
