/* limits.c: how much of its plan a customer uses. */
#include "limits/limits.h"

#include <string.h>

#include "base/arena.h"
#include "billing/access.h"
#include "plans/plans_terms.h"
#include "json/view.h"

struct levels_row {
	const char *customer_id;
	struct subscription subscription;
	struct entitlement_terms terms;
	struct usage_levels levels;
};

static const struct column columns[] =
        COLUMNS(struct levels_row, customer_id, subscription.plan, subscription.status,
                subscription.trial_ends_at, subscription.bought_at, subscription.quantity,
                subscription.addons, subscription.contract_id, terms.contract, terms.overrides,
                levels.active_devices, levels.instances, levels.non_production, levels.month,
                levels.newest, levels.counted_until, levels.counted);

#define ROW ROWS_OF(struct levels_row, columns)

extern const char limits_levels_sql[]; /* levels.sql */
extern const char limits_before_sql[]; /* before.sql */

enum { LEVELS, BEFORE };

static const struct statement statements[] = {
        [LEVELS] = {"usage_levels", ROW, .reads = true, .sql = limits_levels_sql},
        [BEFORE] = {"usage_levels_before", ROW, .sql = limits_before_sql},
};

const struct statement_list usage_limit_statements = STATEMENT_LIST(statements);

/* The feature or limit that bounds the devices of a report. */
static const char devices[] = "maxDevices";

const struct plan_usage *
usage_of_plan(const struct operation *operation, const struct subscription *subscription)
{
	struct arena *arena = operation->task->arena;
	bool trial =
	        subscription->plan == NULL || access_is_trial(subscription, operation->now_ms);
	struct plan_terms *terms = arena_alloc(arena, sizeof(*terms));

	*terms = plans_terms(arena, &operation->billing->plans,
	                     trial ? PLANS_TRIAL : subscription->plan, subscription->bought_at);
	return &terms->usage;
}

struct usage_bounds
usage_bounds(const struct operation *operation, const struct subscription *subscription,
             const struct entitlement_terms *terms)
{
	struct entitlement_values values;

	entitlements_values(operation->task->arena, operation->billing, subscription, terms,
	                    operation->now_ms, &values);
	return (struct usage_bounds){plans_integer(&values.features, &values.limits, devices),
	                             usage_of_plan(operation, subscription)};
}

enum fail
usage_levels_read(struct operation *operation, const char *customer_id,
                  struct usage_levels *out, struct subscription *subscription,
                  struct entitlement_terms *terms)
{
	struct task *task = operation->task;
	struct levels_row row = {0};
	bool found;

	TRY(db_row(operation->db, task, &statements[LEVELS],
	           PARAMETERS(customer_id, param_now(operation),
	                      param_int(task, USAGE_PENDING_READ)),
	           &row, &found));
	if (found && !row.levels.counted)
		TRY(db_row(operation->db, task, &statements[BEFORE],
		           PARAMETERS(customer_id, param_now(operation)), &row, &found));
	if (!found)
		return fail_customer_not_found(task);
	*out = row.levels;
	*subscription = row.subscription;
	*terms = row.terms;
	entitlement_terms_unpack(task->arena, terms);
	return FAIL_NONE;
}

/* The object that one of the statements wrote; NULL is an empty one. */
static struct json_view
object_of(struct arena *arena, const char *text)
{
	struct json_view object = {0};

	if (text != NULL)
		(void)json_view_try(arena, text, strlen(text), &object);
	return object;
}

void
usage_metrics_current(struct arena *arena, const struct usage_levels *levels,
                      const struct plans *plans, const char *out[static PLAN_METRICS_MAX])
{
	const struct json_view month = object_of(arena, levels->month);
	const struct json_view newest = object_of(arena, levels->newest);

	for (size_t i = 0; i < plans->metric_count; i++) {
		const struct plan_metric *metric = &plans->metrics[i];
		bool sum = metric->kind == PLAN_METRIC_SUM;

		if (!json_view_string(sum ? &month : &newest, metric->name, &out[i]))
			out[i] = "0";
	}
}
