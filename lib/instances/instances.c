/* instances.c: the instances that a customer runs. */
#include "instances/instance_row.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "db/render.h"
#include "issuing/bound_licenses.h"
#include "issuing/license_revocation.h"

/* The result of an activation; `instance.instance_id` is NULL when there was no room. */
struct activation {
	bool is_new; /* nothing else writes its event */
	bool in_use;
	int64_t others; /* of its group */
	const char *kind;
	const char *was_kind; /* NULL: it was not known */
	struct instant was_until;
	struct instant was_released_at;
	struct instance instance;
};

static const char production[] = "production";

const struct column instance_columns[] =
        COLUMNS(struct instance, instance_id, kind, first_seen_at, last_seen_at, activated_at,
                lease_expires_at, released_at, latest_reported_at, version, active_devices,
                total_devices, metrics);

#define ROW INSTANCE_ROW

enum { LIST, LOCK, ACTIVATE, RELEASE };

extern const char instances_activate_sql[]; /* activate.sql */

static const struct statement statements[] = {
        [LIST] = {"instance_list", ROW,
                  .sql = "SELECT " INSTANCE_COLUMNS " FROM instances WHERE customer_id = $1 "
                         "AND instance_id > COALESCE($2, '') AND EXISTS (SELECT FROM customers "
                         "WHERE customer_id = $1 AND deleted_at IS NULL) "
                         "ORDER BY instance_id LIMIT $3::bigint"},
        /* Activations of one customer run one after the other; reports do not wait. */
        [LOCK] = {"instance_lock",
                  ROWS_WITH(struct subscription, plan, status, trial_ends_at, bought_at,
                            contract_id),
                  .sql = "SELECT s.plan, s.status, s.trial_ends_at, s.bought_at, s.contract_id "
                         "FROM customers c "
                         "LEFT JOIN LATERAL (SELECT plan, status, trial_ends_at, "
                         "    COALESCE(bought_at, created_at) AS bought_at, contract_id "
                         "  FROM subscriptions WHERE customer_id = c.customer_id "
                         "  ORDER BY superseded, subscription_order(subscriptions, $2)"
                         ", subscription_id DESC LIMIT 1) s ON true "
                         "WHERE c.customer_id = $1 AND c.deleted_at IS NULL "
                         "FOR NO KEY UPDATE OF c"},
        [ACTIVATE] = {"instance_activate",
                      ROWS_WITH(struct activation, is_new, in_use, others, kind, was_kind,
                                was_until, was_released_at, INSTANCE_MEMBERS),
                      .sql = instances_activate_sql},
        [RELEASE] = {"instance_release", ROW,
                     .sql = "UPDATE instances SET "
                            "released_at = COALESCE(released_at, $3::timestamptz), "
                            "lease_expires_at = least(lease_expires_at, $3::timestamptz) "
                            "WHERE customer_id = $1 AND instance_id = $2 "
                            "RETURNING " INSTANCE_COLUMNS},
};

const struct statement_list instance_statements = STATEMENT_LIST(statements);

/* "active", "released" or "expired". */
static const char *
state_of(const struct instance *instance, int64_t now_ms)
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
no_room(struct task *task, const struct plan_usage *usage, const struct activation *activation)
{
	static const char code[] = "instance_limit";
	bool together = usage->non_production == PLAN_COUNTED_TOGETHER;
	long long in_use = activation->others;

	if (!together && strcmp(activation->kind, production) != 0)
		return task_fail(task, FAIL_CONFLICT, code,
		                 "The plan covers %lld instances for staging and development, "
		                 "and %lld are in use: release one, or wait until its lease "
		                 "ends.",
		                 (long long)usage->non_production, in_use);
	return task_fail(task, FAIL_CONFLICT, code,
	                 "The plan covers %lld %s and %lld more, and %lld are in use: "
	                 "release one, or wait until its lease ends.",
	                 (long long)usage->max_instances,
	                 together ? "instances" : "production instances",
	                 (long long)usage->instance_overage, in_use);
}

enum fail
instance_lock(struct operation *operation, const char *customer_id,
              const struct plan_usage **usage)
{
	struct subscription subscription = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[LOCK],
	           PARAMETERS(customer_id, param_now(operation)), &subscription, &found));
	*usage = usage_of_plan(operation, &subscription);
	return found ? FAIL_NONE : fail_customer_not_found(operation->task);
}

static enum fail
activate(struct operation *operation, const struct instance_lease *lease,
         const struct plan_usage *usage, struct activation *out)
{
	struct task *task = operation->task;
	bool together = usage->non_production == PLAN_COUNTED_TOGETHER;
	const char *room = NULL, *room_of_others = NULL;
	bool found;

	if (usage->max_instances != LICENSE_UNLIMITED)
		room = param_int(task, usage->max_instances + usage->instance_overage);
	if (!together)
		room_of_others = param_int(task, usage->non_production);
	return db_row(operation->db, task, &statements[ACTIVATE],
	              PARAMETERS(lease->customer_id, lease->instance_id, param_now(operation),
	                         param_time(task, INSTANT_MS(lease->end_ms)), lease->kind, room,
	                         room_of_others, param_bool(together),
	                         param_int(task, USAGE_PENDING_READ)),
	              out, &found);
}

static const struct column shown_columns[] =
        COLUMNS(struct instance, first_seen_at, last_seen_at, activated_at, lease_expires_at,
                released_at, latest_reported_at, version, active_devices, total_devices);

void
render_instance(struct json_out *json, const char *name, const struct instance *instance,
                int64_t now_ms)
{
	json_out_open(json, name, '{');
	json_out_string(json, "instance_id", instance->instance_id);
	json_out_string(json, "state", state_of(instance, now_ms));
	json_out_string(json, "kind", instance->kind);
	render_members(json, shown_columns, instance);
	json_out_raw(json, "metrics", instance->metrics);
	json_out_close(json, '}');
}

enum fail
instance_event(struct operation *operation, enum event_type type, const char *customer_id,
               const struct instance *instance)
{
	struct json_out json = json_out_new(operation->task->arena, 512);

	render_instance(&json, NULL, instance, operation->now_ms);
	return event_write(operation, type, customer_id, json.text.data);
}

const char *
instance_audited(struct operation *operation, const struct instance *instance)
{
	struct json_out json = json_out_new(operation->task->arena, 128);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "instance_id", instance->instance_id);
	json_out_string(&json, "state", state_of(instance, operation->now_ms));
	json_out_string(&json, "kind", instance->kind);
	json_out_time(&json, "lease_expires_at", instance->lease_expires_at);
	json_out_time(&json, "released_at", instance->released_at);
	json_out_close(&json, '}');
	return json.text.data;
}

/* The instance before the activation, or NULL. */
static const char *
audited_before(struct operation *operation, const struct activation *activation)
{
	struct instance before = activation->instance;

	if (activation->was_kind == NULL)
		return NULL;
	before.kind = activation->was_kind;
	before.lease_expires_at = activation->was_until;
	before.released_at = activation->was_released_at;
	return instance_audited(operation, &before);
}

/* Records an activation and a change of the kind, of which the latter is bounded. */
static enum fail
record(struct operation *operation, const char *customer_id, const struct plan_usage *usage,
       const struct activation *activation)
{
	const char *was = activation->was_kind, *kind = activation->instance.kind;
	const char *id = activation->instance.instance_id, *change;
	bool is_moved = was != NULL && strcmp(was, kind) != 0;
	const char *before, *after;

	if (activation->in_use && !is_moved)
		return FAIL_NONE;
	before = audited_before(operation, activation);
	after = instance_audited(operation, &activation->instance);
	if (!activation->in_use)
		TRY(audit_change_values(operation, "instance_activate", customer_id, id,
		                        strcmp(kind, production) == 0 ? NULL : kind, before,
		                        after));
	if (!is_moved)
		return FAIL_NONE;
	change = arena_printf(operation->task->arena, "%s -> %s", was, kind);
	TRY(instance_count_move(operation, customer_id, usage));
	return audit_change_values(operation, "instance_kind", customer_id, id, change, before,
	                           after);
}

enum fail
instance_activate(struct operation *operation, const struct instance_lease *lease,
                  struct instance *out, bool *fresh)
{
	struct task *task = operation->task;
	struct activation activation = {0};
	const struct plan_usage *usage = NULL;

	TRY(db_begin(operation->db, task));
	TRY(instance_lock(operation, lease->customer_id, &usage));
	TRY(activate(operation, lease, usage, &activation));
	if (activation.instance.instance_id == NULL)
		return no_room(task, usage, &activation);
	TRY(record(operation, lease->customer_id, usage, &activation));
	if (activation.is_new)
		TRY(instance_event(operation, EVENT_INSTANCE_ACTIVATED, lease->customer_id,
		                   &activation.instance));
	*fresh = !activation.in_use;
	*out = activation.instance;
	return db_commit(operation->db, task);
}

enum fail
instance_release(struct operation *operation, const char *customer_id, const char *instance_id,
                 struct instance *out)
{
	struct task *task = operation->task;
	const struct plan_usage *usage = NULL;
	struct instance before;
	int64_t revoked = 0;
	enum fail kind;
	bool found;

	TRY(db_begin(operation->db, task));
	kind = instance_lock(operation, customer_id, &usage);
	if (kind != FAIL_NOT_FOUND)
		TRY(kind);
	else
		task_clear(task); /* what is asked for is the instance */
	TRY(instance_find(operation, customer_id, instance_id, &before, &found));
	if (!found)
		return task_fail(task, FAIL_NOT_FOUND, "instance_not_found",
		                 "The customer has no such instance.");
	TRY(db_row(operation->db, task, &statements[RELEASE],
	           PARAMETERS(customer_id, instance_id, param_now(operation)), out, &found));
	TRY(bound_license_revoke(operation, customer_id, instance_id, "instance_released",
	                         &revoked));
	/* The machine may go on until its licence ends, so that a release moves the activation. */
	if (revoked > 0) {
		TRY(license_record_revocation(operation, customer_id, "instance_released"));
		TRY(instance_count_move(operation, customer_id, usage));
	}
	if (!before.released_at.known)
		TRY(instance_event(operation, EVENT_INSTANCE_RELEASED, customer_id, out));
	if (!before.released_at.known || revoked > 0)
		TRY(audit_change_values(operation, "instance_release", customer_id, instance_id,
		                        NULL, instance_audited(operation, &before),
		                        instance_audited(operation, out)));
	return db_commit(operation->db, task);
}
