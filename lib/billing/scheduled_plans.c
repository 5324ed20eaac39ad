/* scheduled_plans.c: smaller plans and purchases that begin with the next period. */
#include "billing/scheduled_plans.h"

#include "base/arena.h"

static const struct column columns[] =
        COLUMNS(struct scheduled_plan, customer_id, subscription_id, stripe_subscription_id,
                plan, quantity, addons, requested_for, begins_at);

enum { SCHEDULE, MOVE, DROP_SCHEDULED, POSTPONE, SCHEDULED };

/* Rows that are older than migration 058 have no scheduled_for, and an older billingd that schedules leaves
 * what stood there. The end of a period may move to an earlier time. */
#define REQUESTED_FOR                                                                          \
	"CASE WHEN scheduled_for > scheduled_at THEN scheduled_for "                           \
	"ELSE current_period_ends_at END"
#define BEGINS_AT "LEAST(" REQUESTED_FOR ", current_period_ends_at)"

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
        /* Only the time: the customer may have replaced the plan meanwhile. */
        [MOVE] = {"subscription_move_scheduled",
                  .sql = "UPDATE subscriptions SET scheduled_for = $3 "
                         "WHERE stripe_subscription_id = $1 AND scheduled_plan IS NOT NULL "
                         "AND " REQUESTED_FOR " = $2"},
        [DROP_SCHEDULED] = {"subscription_drop_scheduled",
                            .sql = "UPDATE subscriptions SET scheduled_plan = NULL "
                                   "WHERE stripe_subscription_id = $1 AND plan = $2 "
                                   "AND scheduled_at <= $3 AND scheduled_plan IS NOT NULL"},
        [POSTPONE] = {"subscription_postpone",
                      .sql = "UPDATE subscriptions SET scheduled_try_at = $2 "
                             "WHERE stripe_subscription_id = $1"},
        [SCHEDULED] = {"subscription_scheduled", ROWS_OF(struct scheduled_plan, columns),
                       .sql = "SELECT customer_id, subscription_id, "
                              "stripe_subscription_id, scheduled_plan AS plan, "
                              "scheduled_quantity AS quantity, "
                              "scheduled_addons::text AS addons, " REQUESTED_FOR
                              " AS requested_for, " BEGINS_AT " AS begins_at "
                              "FROM subscriptions WHERE scheduled_plan IS NOT NULL "
                              "AND " BEGINS_AT " <= $1 "
                              "AND (scheduled_try_at IS NULL OR scheduled_try_at <= $2) "
                              "ORDER BY " BEGINS_AT ", subscription_id LIMIT 1"},
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
subscription_move_scheduled(struct operation *operation, const struct scheduled_plan *due,
                            struct instant begins_at)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[MOVE],
	              PARAMETERS(due->stripe_subscription_id,
	                         param_time(task, due->requested_for),
	                         param_time(task, begins_at)),
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
