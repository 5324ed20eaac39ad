/* scheduled_plans.c: smaller plans and purchases that begin with the next period. */
#include "billing/scheduled_plans.h"

#include "base/arena.h"

static const struct column columns[] =
        COLUMNS(struct scheduled_plan, customer_id, subscription_id, stripe_subscription_id,
                plan, quantity, addons, requested_for, begins_at);

enum { SCHEDULE, DROP_SCHEDULED, POSTPONE, SCHEDULED };

/* The end of a period may move to an earlier time. Rows that are older than migration 058 have no
 * scheduled_for. */
#define BEGINS_AT "LEAST(s.scheduled_for, s.current_period_ends_at)"

static const struct statement statements[] = {
        [SCHEDULE] = {"subscription_schedule",
                      .sql = "UPDATE subscriptions SET scheduled_plan = $2, "
                             "scheduled_quantity = $4::bigint, scheduled_addons = $5::jsonb, "
                             "scheduled_for = COALESCE($6::timestamptz, "
                             "  current_period_ends_at), "
                             "scheduled_at = $3, scheduled_try_at = NULL, updated_at = $3 "
                             "WHERE stripe_subscription_id = $1 "
                             "AND (scheduled_plan, scheduled_quantity, scheduled_addons, "
                             "  scheduled_for) IS DISTINCT FROM ($2, $4::bigint, $5::jsonb, "
                             "  COALESCE($6::timestamptz, current_period_ends_at))"},
        [DROP_SCHEDULED] = {"subscription_drop_scheduled",
                            .sql = "UPDATE subscriptions SET scheduled_plan = NULL "
                                   "WHERE stripe_subscription_id = $1 AND plan = $2 "
                                   "AND scheduled_at <= $3 AND scheduled_plan IS NOT NULL"},
        [POSTPONE] = {"subscription_postpone",
                      .sql = "UPDATE subscriptions SET scheduled_try_at = $2 "
                             "WHERE stripe_subscription_id = $1"},
        [SCHEDULED] = {"subscription_scheduled", ROWS_OF(struct scheduled_plan, columns),
                       .sql = "SELECT s.customer_id, s.subscription_id, "
                              "s.stripe_subscription_id, s.scheduled_plan AS plan, "
                              "s.scheduled_quantity AS quantity, "
                              "s.scheduled_addons::text AS addons, COALESCE(s.scheduled_for, "
                              "  s.current_period_ends_at) AS requested_for, " BEGINS_AT
                              " AS begins_at "
                              "FROM subscriptions s WHERE s.scheduled_plan IS NOT NULL "
                              "AND " BEGINS_AT " <= $1 "
                              "AND (s.scheduled_try_at IS NULL OR s.scheduled_try_at <= $2) "
                              "ORDER BY " BEGINS_AT ", s.subscription_id LIMIT 1"},
};

const struct statement_list scheduled_plan_statements = STATEMENT_LIST(statements);

enum fail
subscription_schedule(struct operation *operation, const char *stripe_subscription_id,
                      const char *plan, const struct purchase_change *change,
                      struct instant begins_at)
{
	struct task *task = operation->task;
	const char *quantity = NULL, *addons = NULL;

	if (plan != NULL && change != NULL) {
		quantity = change->quantity == 0 ? NULL : param_int(task, change->quantity);
		addons = purchase_change_text(task->arena, &operation->billing->plans, change);
	}
	return db_run(operation->db, task, &statements[SCHEDULE],
	              PARAMETERS(stripe_subscription_id, plan, param_now(operation), quantity,
	                         addons, param_time(task, begins_at)),
	              NULL);
}

enum fail
subscription_drop_scheduled(struct operation *operation, const char *stripe_subscription_id,
                            const char *plan, struct instant requested_at)
{
	return db_run(operation->db, operation->task, &statements[DROP_SCHEDULED],
	              PARAMETERS(stripe_subscription_id, plan,
	                         param_time(operation->task, requested_at)),
	              NULL);
}

enum fail
subscription_postpone(struct operation *operation, const char *stripe_subscription_id,
                      struct instant until)
{
	return db_run(operation->db, operation->task, &statements[POSTPONE],
	              PARAMETERS(stripe_subscription_id, param_time(operation->task, until)),
	              NULL);
}

enum fail
subscription_scheduled(struct operation *operation, struct instant before,
                       struct scheduled_plan *out, bool *found)
{
	struct task *task = operation->task;

	return db_row(operation->db, task, &statements[SCHEDULED],
	              PARAMETERS(param_time(task, before), param_now(operation)), out, found);
}
