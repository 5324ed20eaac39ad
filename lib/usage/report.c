/* report.c: stores one report with all that follows from it, by one statement. */
#include "usage/report_row.h"

#include "base/arena.h"
#include "base/text.h"
#include "json/out.h"
#include "json/view.h"

#define MINUTE_MS (60 * SECOND_MS)

const struct column usage_report_columns[] = COLUMNS(
        struct usage_report, usage_id, customer_id, instance_id, active_devices, total_devices,
        metrics, reported_at, received_at, report_id, corrects, reason, superseded_by);

extern const char usage_report_sql[]; /* report.sql */

enum { REPORT, FIRST };

static const struct statement statements[] = {
        [REPORT] = {"usage_report",
                    ROWS_WITH(struct usage_view, key.key_id, key.customer_id, key.role,
                              key.digest, key.scopes, key.used_today, key.revoked_at,
                              customer_id, subscription.plan, subscription.status,
                              subscription.trial_ends_at, subscription.bought_at,
                              subscription.quantity, subscription.addons,
                              subscription.contract_id, terms.contract, terms.overrides,
                              levels.active_devices, levels.instances, levels.non_production,
                              levels.month, levels.newest, levels.counted_until, levels.counted,
                              too_many, usage_id),
                    .sql = usage_report_sql},
        /* The report that was stored under this id. The report itself may have been deleted
	 * since. This is no part of report.sql, which would then open every month for a rare
	 * case. */
        [FIRST] = {"usage_first_report",
                   ROWS_WITH(struct usage_report, usage_id, instance_id, active_devices,
                             total_devices, metrics, reported_at, received_at),
                   .sql = "SELECT n.usage_id, r.instance_id, r.active_devices, "
                          "r.total_devices, r.metrics::text AS metrics, n.reported_at, "
                          "COALESCE(r.received_at, n.reported_at) AS received_at "
                          "FROM usage_report_ids n LEFT JOIN usage_reports r "
                          "ON r.usage_id = n.usage_id AND r.reported_at = n.reported_at "
                          "WHERE n.customer_id = $1 AND n.report_id = $2"},
};

const struct statement_list usage_statements = STATEMENT_LIST(statements);

const char *
usage_check_time(struct instant reported_at, int64_t now_ms)
{
	if (reported_at.ms < now_ms - USAGE_LATE_DAYS * DAY_MS)
		return "must not be more than 35 days ago";
	if (reported_at.ms > now_ms + USAGE_AHEAD_MINUTES * MINUTE_MS)
		return "must not be more than 5 minutes ahead";
	return NULL;
}

enum fail
usage_metrics_read(struct task *task, const struct plans *plans,
                   const struct any_object *metrics, const char **out)
{
	struct json_out json = json_out_new(task->arena, 128);
	struct json_view value;
	const char *name;

	json_out_open(&json, NULL, '{');
	for (bool more = json_view_first_member(&metrics->object, &name, &value); more;
	     more = json_view_next_member(&name, &value)) {
		const char *field = arena_printf(task->arena, "metrics.%s", name);
		int64_t number = 0;
		bool fine = json_view_number(&value, &number);

		if (plans_metric(plans, name) == plans->metric_count)
			(void)task_fail_field(task, field, "is not a known metric");
		else if (!fine || number < 0 || number > WIRE_NUMBER_MAX)
			(void)task_fail_field(task, field, "must be an integer from 0 to %lld",
			                      (long long)WIRE_NUMBER_MAX);
		else
			json_out_int(&json, name, number);
	}
	json_out_close(&json, '}');
	*out = json.text.data;
	return task->failure.kind;
}

enum fail
usage_find_first(struct operation *operation, struct usage_report *report)
{
	struct usage_report first = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[FIRST],
	           PARAMETERS(report->customer_id, report->report_id), &first, &found));
	if (!found)
		return task_fail(operation->task, FAIL_UNAVAILABLE, "busy",
		                 "The same report is being stored at this moment; try again.");
	first.customer_id = report->customer_id;
	first.report_id = report->report_id;
	if (first.instance_id == NULL) {
		first.instance_id = report->instance_id;
		first.active_devices = report->active_devices;
		first.total_devices = report->total_devices;
		first.metrics = report->metrics;
	}
	*report = first;
	return FAIL_NONE;
}

enum fail
usage_report(struct operation *operation, const struct sha256 *digest,
             const struct usage_report *report, struct usage_view *view)
{
	struct task *task = operation->task;
	int64_t lease_ms = operation->billing->policy.instance_lease_hours * HOUR_MS;
	bool found;

	TRY(db_row(
	        operation->db, task, &statements[REPORT],
	        PARAMETERS(param_digest(task, digest), report->customer_id, report->instance_id,
	                   param_int(task, report->active_devices),
	                   param_int(task, report->total_devices), report->metrics,
	                   param_time(task, report->reported_at), report->report_id,
	                   param_now(operation),
	                   param_time(task, INSTANT_MS(report->reported_at.ms + lease_ms)),
	                   param_int(task, USAGE_PENDING_OF_REPORT), report->version,
	                   param_int(task, operation->billing->policy.new_instances_per_day)),
	        view, &found));
	entitlement_terms_unpack(task->arena, &view->terms);
	return FAIL_NONE;
}

enum fail
usage_fail_instances(struct operation *operation)
{
	return fail_until_tomorrow(operation, "too_many_instances",
	                           "The customer's reports named too many new instances today; "
	                           "try again tomorrow.");
}

enum fail
usage_fail_behind(struct operation *operation, enum fail kind)
{
	if (kind != FAIL_UNAVAILABLE || db_depth(operation->db) > 0)
		return kind;
	task_clear(operation->task);
	return task_fail(operation->task, FAIL_UNCERTAIN, "outcome_unknown",
	                 "The reports may be stored, but the database does not tell at the "
	                 "moment; send them again with the same report_id.");
}

enum fail
usage_outcome(struct operation *operation, const struct usage_view *view,
              struct usage_report *report, bool *created)
{
	if (view->customer_id == NULL)
		return fail_customer_not_found(operation->task);
	if (view->too_many)
		return usage_fail_instances(operation);
	*created = view->usage_id != 0;
	if (!*created) {
		TRY(db_confirm(operation->db, operation->task));
		return usage_find_first(operation, report);
	}
	report->usage_id = view->usage_id;
	report->received_at = INSTANT_MS(operation->now_ms);
	return FAIL_NONE;
}
