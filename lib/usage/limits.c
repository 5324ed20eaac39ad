/*
 * limits.c: how much of its plan a customer uses.
 */
#include "usage/limits.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_view.h"
#include "billing/access.h"

struct levels_row {
	const char *customer_id;
	struct subscription subscription;
	struct usage_levels levels;
};

static const struct column columns[] =
        COLUMNS(struct levels_row, customer_id, subscription.plan, subscription.status,
                subscription.trial_ends_at, levels.active_devices, levels.instances,
                levels.month, levels.newest);

static const struct statement statements[] = {
        {.name = "usage_levels",
         .columns = columns,
         .row_size = sizeof(struct levels_row),
         .sql = "SELECT c.customer_id, s.plan AS \"subscription.plan\", "
                "s.status AS \"subscription.status\", "
                "s.trial_ends_at AS \"subscription.trial_ends_at\", "
                "f.active_devices AS \"levels.active_devices\", "
                "f.instances AS \"levels.instances\", u.month AS \"levels.month\", "
                "n.newest AS \"levels.newest\" FROM customers c "
                "LEFT JOIN LATERAL (SELECT plan, status, trial_ends_at FROM subscriptions "
                "  WHERE customer_id = c.customer_id ORDER BY superseded, subscription_id DESC "
                "LIMIT 1) s "
                "ON true "
                "CROSS JOIN LATERAL (SELECT COALESCE(sum(active_devices), 0)::bigint AS "
                "  active_devices, count(*) AS instances FROM instances "
                "  WHERE customer_id = c.customer_id AND lease_expires_at > $2::timestamptz) f "
                "CROSS JOIN LATERAL (SELECT jsonb_object_agg(g.metric, g.total)::text AS "
                "newest "
                "  FROM (SELECT v.key AS metric, sum(v.value::numeric)::text AS total "
                "    FROM instances i, jsonb_each_text(i.metrics) v "
                "    WHERE i.customer_id = c.customer_id "
                "    AND i.lease_expires_at > $2::timestamptz GROUP BY v.key) g) n "
                "CROSS JOIN LATERAL (SELECT jsonb_object_agg(g.metric, g.total)::text AS month "
                "  FROM (SELECT metric, sum(total)::text AS total FROM usage_daily_metrics "
                "    WHERE customer_id = c.customer_id "
                "    AND day >= date_trunc('month', $2::timestamptz AT TIME ZONE 'UTC') "
                "    GROUP BY metric) g) u "
                "WHERE c.customer_id = $1 AND c.deleted_at IS NULL"},
};

const struct statement_list usage_limit_statements = {statements, 1};

struct usage_bounds
usage_bounds(const struct operation *operation, const struct subscription *subscription)
{
	const struct plans *plans = &operation->billing->plans;
	const struct plan *plan =
	        subscription->plan == NULL || access_is_trial(subscription, operation->now_ms)
	                ? NULL
	                : plans_find(plans, subscription->plan);

	if (plan == NULL)
		return (struct usage_bounds){plans->trial_features.max_devices,
		                             &plans->trial_usage};
	return (struct usage_bounds){plan->features.max_devices, &plan->usage};
}

enum fail
usage_levels_read(struct operation *operation, const char *customer_id,
                  struct usage_levels *out, struct subscription *subscription)
{
	struct task *task = operation->task;
	struct levels_row row = {0};
	bool found;

	TRY(db_row(operation->db, task, &statements[0],
	           PARAMETERS(customer_id, param_time(task, INSTANT_MS(operation->now_ms))),
	           &row, &found));
	if (!found)
		return task_fail(task, FAIL_NOT_FOUND, "customer_not_found",
		                 "There is no such customer.");
	*out = row.levels;
	*subscription = row.subscription;
	return FAIL_NONE;
}

const char *
usage_metric_current(struct task *task, const struct usage_levels *levels,
                     const struct plan_metric *metric)
{
	const char *text = metric->kind == PLAN_METRIC_SUM ? levels->month : levels->newest;
	struct json_view object;
	const char *value;

	if (text == NULL || !json_view_try(task->arena, text, strlen(text), &object) ||
	    !json_view_string(&object, metric->name, &value))
		return "0";
	return value;
}
