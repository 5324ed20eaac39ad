/* render_usage.c: reports, days and limits as JSON. */
#include "api/render_usage.h"

#include <stdlib.h>

#include "api/render.h"
#include "base/arena.h"

static const struct column reported_columns[] =
        COLUMNS(struct usage_report, customer_id, instance_id, active_devices, total_devices);
static const struct column receipt_columns[] =
        COLUMNS(struct usage_report, reported_at, received_at, report_id);
static const struct column correction_columns[] =
        COLUMNS(struct usage_report, corrects, reason);

void
render_report(struct json_out *json, const char *name, const struct usage_report *report)
{
	json_out_open(json, name, '{');
	json_out_int(json, "id", report->usage_id);
	render_members(json, reported_columns, report);
	json_out_raw(json, "metrics", report->metrics);
	render_members(json, receipt_columns, report);
	if (report->corrects != 0)
		render_members(json, correction_columns, report);
	if (report->superseded_by != 0)
		json_out_int(json, "superseded_by", report->superseded_by);
	json_out_close(json, '}');
}

void
render_day(struct json_out *json, const struct usage_day *day)
{
	json_out_open(json, NULL, '{');
	json_out_string(json, "date", day->date);
	json_out_int(json, "reports", day->reports);
	json_out_int(json, "instances", day->instances);
	json_out_int(json, "active_devices_max", day->active_devices_max);
	json_out_raw(json, "active_devices_mean", day->active_devices_mean);
	json_out_int(json, "active_devices_peak", day->active_devices_peak);
	json_out_int(json, "total_devices_max", day->total_devices_max);
	json_out_raw(json, "total_devices_mean", day->total_devices_mean);
	json_out_int(json, "total_devices_peak", day->total_devices_peak);
	json_out_raw(json, "metrics", day->metrics);
	json_out_close(json, '}');
}

/* {current, max, percent_used}. `current` is decimal digits, as a sum may be longer than 64
 * bits. percent_used is null where the maximum is unlimited or 0. */
static void
render_level(struct json_out *json, const char *name, const char *current, int64_t max)
{
	json_out_open(json, name, '{');
	json_out_raw(json, "current", current);
	if (max == LICENSE_UNLIMITED)
		json_out_null(json, "max");
	else
		json_out_int(json, "max", max);
	if (max <= 0)
		json_out_null(json, "percent_used");
	else
		json_out_raw(json, "percent_used",
		             arena_printf(json->text.arena, "%.1f",
		                          100.0 * strtod(current, NULL) / (double)max));
	json_out_close(json, '}');
}

void
render_levels(struct json_out *json, struct operation *operation,
              const struct usage_levels *levels, const struct subscription *subscription,
              const struct entitlement_terms *terms)
{
	const struct plans *plans = &operation->billing->plans;
	struct usage_bounds bounds = usage_bounds(operation, subscription, terms);
	const char *current[PLAN_METRICS_MAX];
	struct task *task = operation->task;

	usage_metrics_current(task->arena, levels, plans, current);
	render_level(json, "devices", param_int(task, levels->active_devices),
	             bounds.max_devices);
	if (bounds.usage->non_production == PLAN_COUNTED_TOGETHER) {
		render_level(json, "instances", param_int(task, levels->instances),
		             bounds.usage->max_instances);
	} else {
		render_level(json, "instances",
		             param_int(task, levels->instances - levels->non_production),
		             bounds.usage->max_instances);
		render_level(json, "non_production", param_int(task, levels->non_production),
		             bounds.usage->non_production);
	}
	json_out_open(json, "metrics", '{');
	for (size_t i = 0; i < plans->metric_count; i++)
		render_level(json, plans->metrics[i].name, current[i],
		             bounds.usage->metric_max[i]);
	json_out_close(json, '}');
	json_out_time(json, "counted_until", levels->counted_until);
}
