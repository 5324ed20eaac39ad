/* watch.c: writes events when a customer's use reaches its limits. */
#include "limits/watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "events/event_keys.h"
#include "json/out.h"
#include "json/view.h"

/* A step looks at so many customers, and of one that cannot be read again in an hour. */
enum { LOOKS = 20 };

#define FAILED_LATER_MS HOUR_MS

/* Names of limits that all plans have, as in the answers to reports. */
static const char devices[] = "maxDevices", over_suffix[] = "/over";

struct watched {
	const char *customer_id;
	const char *levels; /* NULL: no event is written of what is reached now */
};

extern const char limits_watch_looked_sql[]; /* watch_looked.sql */

enum { TAKE, LOOKED, LATER };

static const struct statement statements[] = {
        [TAKE] = {"usage_watch_take", ROWS_WITH(struct watched, customer_id, levels),
                  .sql = "WITH due AS MATERIALIZED (SELECT customer_id, levels "
                         "  FROM usage_watch WHERE check_at <= $1 "
                         "  ORDER BY check_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED) "
                         "SELECT customer_id, levels::text AS levels FROM due "
                         "ORDER BY customer_id"},
        [LOOKED] = {"usage_watch_looked", .sql = limits_watch_looked_sql},
        [LATER] = {"usage_watch_later",
                   .sql = "UPDATE usage_watch SET check_at = $2 WHERE customer_id = $1"},
};

const struct statement_list usage_watch_statements = STATEMENT_LIST(statements);

const char *
usage_metric_of(const struct plans *plans, const char *name)
{
	for (size_t i = 0; i < plans->count; i++)
		if (text_equal(plans->items[i].quantity.name, name) &&
		    plans->items[i].quantity.metric != NULL)
			return plans->items[i].quantity.metric;
	for (size_t i = 0; i < plans->addon_count; i++)
		if (text_equal(plans->addons[i].quantity.name, name) &&
		    plans->addons[i].quantity.metric != NULL)
			return plans->addons[i].quantity.metric;
	return NULL;
}

static void
add(struct usage_limit *out, size_t *count, struct usage_limit limit)
{
	if (limit.max != LICENSE_UNLIMITED)
		out[(*count)++] = limit;
}

static void
add_instances(struct task *task, const struct usage_levels *levels,
              const struct plan_usage *usage, struct usage_limit *out, size_t *count)
{
	bool together = usage->non_production == PLAN_COUNTED_TOGETHER;
	int64_t others = together ? 0 : levels->non_production;

	add(out, count,
	    (struct usage_limit){"instances", param_int(task, levels->instances - others),
	                         usage->max_instances, usage->instance_overage, false});
	if (!together)
		add(out, count,
		    (struct usage_limit){"non_production", param_int(task, others),
		                         usage->non_production, 0, false});
}

/* The numbers of plans.json that are bought by a metric. */
static void
add_names(struct operation *operation, const struct subscription *subscription,
          const struct entitlement_terms *terms, const char *const *metrics,
          struct usage_limit *out, size_t *count)
{
	const struct plans *plans = &operation->billing->plans;
	struct entitlement_values values;

	entitlements_values(operation->task->arena, operation->billing, subscription, terms,
	                    operation->now_ms, &values);
	for (size_t i = 0; i < plans->name_count; i++) {
		const char *name = plans->names[i].name, *metric = usage_metric_of(plans, name);
		size_t index = metric == NULL ? 0 : plans_metric(plans, metric);

		if (metric == NULL || plans->names[i].type != VALUE_INTEGER ||
		    strcmp(name, devices) == 0)
			continue;
		add(out, count,
		    (struct usage_limit){name, metrics[index],
		                         plans_integer(&values.features, &values.limits, name),
		                         -1, plans->metrics[index].kind == PLAN_METRIC_SUM});
	}
}

/* Lists the limits of which the use is known, without those that are unlimited. Returns how many. */
static size_t
limits_of(struct operation *operation, const struct usage_levels *levels,
          const struct subscription *subscription, const struct entitlement_terms *terms,
          struct usage_limit out[static USAGE_LIMITS_MAX])
{
	const struct plans *plans = &operation->billing->plans;
	struct usage_bounds bounds = usage_bounds(operation, subscription, terms);
	struct task *task = operation->task;
	const char *metrics[PLAN_METRICS_MAX];
	size_t count = 0;

	usage_metrics_current(task->arena, levels, plans, metrics);
	add(out, &count,
	    (struct usage_limit){"devices", param_int(task, levels->active_devices),
	                         bounds.max_devices, -1, false});
	add_instances(task, levels, bounds.usage, out, &count);
	for (size_t i = 0; i < plans->metric_count; i++)
		add(out, &count,
		    (struct usage_limit){
		            arena_printf(task->arena, "metrics.%s", plans->metrics[i].name),
		            metrics[i], bounds.usage->metric_max[i], -1,
		            plans->metrics[i].kind == PLAN_METRIC_SUM});
	add_names(operation, subscription, terms, metrics, out, &count);
	return count;
}

int64_t
usage_limit_share(const struct usage_limit *limit)
{
	double used = strtod(limit->current, NULL), max = (double)limit->max;

	if (max <= 0)
		return 0;
	return used >= max ? 100 : used * 100 >= max * 80 ? 80 : 0;
}

static bool
is_over(const struct usage_limit *limit)
{
	return limit->extra >= 0 &&
	       strtod(limit->current, NULL) > (double)(limit->max + limit->extra);
}

/* The name under which the share is remembered; that of a monthly limit ends with the month. */
static const char *
remembered_name(const struct operation *operation, const struct usage_limit *limit)
{
	char now[CLOCK_TEXT_SIZE];

	if (!limit->monthly)
		return limit->name;
	clock_format(operation->now_ms, now);
	return arena_printf(operation->task->arena, "%s %.7s", limit->name, now);
}

/* {name, limit, in_use, threshold}, of which the first three are those of "over_limit" in the answers to
 * changes of plans. */
static const char *
data_of(struct operation *operation, const struct usage_limit *limit, int64_t percent)
{
	struct json_out json = json_out_new(operation->task->arena, 128);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "name", limit->name);
	json_out_int(&json, "limit", limit->max);
	json_out_raw(&json, "in_use", limit->current);
	if (percent > 0)
		json_out_int(&json, "threshold", percent);
	json_out_close(&json, '}');
	return json.text.data;
}

static enum fail
tell(struct operation *operation, const char *customer_id, enum event_type type,
     const struct usage_limit *limit, int64_t percent)
{
	char now[CLOCK_TEXT_SIZE];
	const char *key;

	clock_format(operation->now_ms, now);
	key = arena_printf(operation->task->arena, "%s %s %lld %.*s", event_type_name(type),
	                   limit->name, (long long)percent, limit->monthly ? 7 : 10, now);
	return event_write_once(operation, type, customer_id, key,
	                        data_of(operation, limit, percent), NULL);
}

/* The share of the limit that had an event at the last look. */
static int64_t
told_before(const struct json_view *levels, const char *name)
{
	int64_t out = 0;

	return levels != NULL && json_view_int(levels, name, &out) ? out : 0;
}

/* Compares a limit with the last look, tells what is more, and remembers what is reached now. */
static enum fail
compare(struct operation *operation, const struct watched *watched,
        const struct json_view *before, const struct usage_limit *limit, struct json_out *now)
{
	const char *name = remembered_name(operation, limit);
	const char *over = arena_printf(operation->task->arena, "%s%s", name, over_suffix);
	int64_t share = usage_limit_share(limit);

	if (share > 0)
		json_out_int(now, name, share);
	if (is_over(limit))
		json_out_int(now, over, 1);
	if (before == NULL)
		return FAIL_NONE;
	if (share > told_before(before, name))
		TRY(tell(operation, watched->customer_id, EVENT_USAGE_THRESHOLD, limit, share));
	if (is_over(limit) && told_before(before, over) == 0)
		TRY(tell(operation, watched->customer_id, EVENT_INSTANCE_OVER_LIMIT, limit, 0));
	return FAIL_NONE;
}

/* The limits as watch_looked.sql takes them. */
static const char *
levels_text(struct arena *arena, const struct usage_limit *limits, size_t count)
{
	struct json_out json = json_out_new(arena, 64 + 96 * count);

	json_out_open(&json, NULL, '[');
	for (size_t i = 0; i < count; i++) {
		json_out_open(&json, NULL, '{');
		json_out_string(&json, "name", limits[i].name);
		json_out_raw(&json, "used", limits[i].current);
		json_out_int(&json, "max", limits[i].max);
		json_out_close(&json, '}');
	}
	json_out_close(&json, ']');
	return json.text.data;
}

/* A customer that was deleted is looked at no more. */
static enum fail
look(struct operation *operation, const struct watched *watched)
{
	struct task *task = operation->task;
	struct json_out now = json_out_new(task->arena, 256);
	struct usage_limit limits[USAGE_LIMITS_MAX];
	struct json_view before = {0};
	struct usage_levels levels;
	struct subscription subscription;
	struct entitlement_terms terms;
	size_t count = 0;
	enum fail kind = usage_levels_read(operation, watched->customer_id, &levels,
	                                   &subscription, &terms);

	if (kind == FAIL_NOT_FOUND)
		task_clear(task);
	else if (kind != FAIL_NONE)
		return kind;
	else
		count = limits_of(operation, &levels, &subscription, &terms, limits);
	if (watched->levels != NULL)
		(void)json_view_try(task->arena, watched->levels, strlen(watched->levels),
		                    &before);
	json_out_open(&now, NULL, '{');
	for (size_t i = 0; i < count; i++)
		TRY(compare(operation, watched, watched->levels == NULL ? NULL : &before,
		            &limits[i], &now));
	json_out_close(&now, '}');
	return db_run(operation->db, task, &statements[LOOKED],
	              PARAMETERS(watched->customer_id, param_now(operation), now.text.data,
	                         levels_text(task->arena, limits, count)),
	              NULL);
}

static enum fail
put_off(struct operation *operation, const struct watched *watched, enum fail kind)
{
	if (kind == FAIL_UNAVAILABLE || kind == FAIL_UNCERTAIN)
		return kind;
	task_clear(operation->task);
	db_rollback_to(operation->db, 0);
	return db_run(operation->db, operation->task, &statements[LATER],
	              PARAMETERS(watched->customer_id, param_in(operation, FAILED_LATER_MS)),
	              NULL);
}

enum fail
usage_watch_run(struct operation *operation, int64_t *done)
{
	struct task *task = operation->task;
	const struct watched *rows;
	enum fail kind;
	size_t count;

	TRY(db_begin(operation->db, task));
	TRY(db_rows(operation->db, task, &statements[TAKE],
	            PARAMETERS(param_now(operation), param_int(task, LOOKS)), (void *)&rows,
	            &count));
	*done = (int64_t)count;
	for (size_t i = 0; i < count; i++) {
		kind = look(operation, &rows[i]);
		if (kind != FAIL_NONE)
			return put_off(operation, &rows[i], kind);
	}
	return db_commit(operation->db, task);
}
