/* corrections.c: replaces wrong reports by right ones. */
#include "usage/corrections.h"

#include "billing/audit.h"
#include "counting/fold.h"
#include "usage/report_row.h"
#include "json/out.h"

enum { FIND, LOCK_INSTANCE, STORE, SUPERSEDE, NEWEST };

static const struct statement statements[] = {
        [FIND] = {.name = "usage_correct_find",
                  USAGE_REPORT_ROW,
                  .sql = "SELECT " USAGE_REPORT_COLUMNS "FROM usage_reports r "
                         "WHERE r.usage_id = $2::bigint AND r.customer_id = $1 FOR UPDATE"},
        [LOCK_INSTANCE] = {"usage_correct_lock_instance",
                           .sql = "SELECT FROM instances WHERE customer_id = $1 "
                                  "AND instance_id = $2 FOR UPDATE"},
        [STORE] = {.name = "usage_correct_store",
                   USAGE_REPORT_ROW,
                   .sql = "INSERT INTO usage_reports AS r (customer_id, instance_id, "
                          "active_devices, total_devices, metrics, reported_at, received_at, "
                          "report_id, corrects, reason) "
                          "VALUES ($1, $2, $4::bigint, $5::bigint, $6::jsonb, "
                          "$3::timestamptz, $7::timestamptz, $8, $9::bigint, $10) "
                          "RETURNING " USAGE_REPORT_COLUMNS},
        [SUPERSEDE] = {"usage_correct_supersede",
                       .sql = "UPDATE usage_reports SET superseded_by = $2::bigint "
                              "WHERE usage_id = $1::bigint AND reported_at = $3::timestamptz"},
        [NEWEST] = {"usage_correct_newest",
                    .sql = "UPDATE instances SET latest_usage_id = $4::bigint, "
                           "active_devices = $5::bigint, total_devices = $6::bigint, "
                           "metrics = $7::jsonb WHERE customer_id = $1 AND instance_id = $2 "
                           "AND latest_usage_id = $3::bigint"},
};

const struct statement_list usage_correction_statements = STATEMENT_LIST(statements);

static enum fail
run(struct operation *operation, int statement, struct parameters parameters)
{
	return db_run(operation->db, operation->task, &statements[statement], parameters, NULL);
}

static enum fail
find(struct operation *operation, const char *customer_id, int64_t usage_id,
     struct usage_report *out)
{
	struct task *task = operation->task;
	bool found;

	TRY(db_row(operation->db, task, &statements[FIND],
	           PARAMETERS(customer_id, param_int(task, usage_id)), out, &found));
	if (!found)
		return task_fail(task, FAIL_NOT_FOUND, "report_not_found",
		                 "The customer has no such report, or no longer.");
	if (out->superseded_by != 0)
		return task_fail(task, FAIL_CONFLICT, "report_superseded",
		                 "The report was corrected by %lld before.",
		                 (long long)out->superseded_by);
	return FAIL_NONE;
}

/* Stores the correction in the place of the wrong report. */
static enum fail
store(struct operation *operation, const struct usage_report *wrong,
      const struct usage_correction *correction, struct usage_report *out)
{
	struct task *task = operation->task;
	int64_t active = correction->active_devices, total = correction->total_devices;
	const char *metrics = correction->metrics;
	bool found;

	if (active < 0)
		active = wrong->active_devices;
	if (total < 0)
		total = wrong->total_devices;
	if (active > total)
		return task_fail_field(task, "active_devices",
		                       "must not be more than total_devices");
	TRY(db_row(operation->db, task, &statements[STORE],
	           PARAMETERS(wrong->customer_id, wrong->instance_id,
	                      param_time(task, wrong->reported_at), param_int(task, active),
	                      param_int(task, total),
	                      metrics == NULL ? wrong->metrics : metrics, param_now(operation),
	                      wrong->report_id, param_int(task, wrong->usage_id),
	                      correction->reason),
	           out, &found));
	TRY(run(operation, SUPERSEDE,
	        PARAMETERS(param_int(task, wrong->usage_id), param_int(task, out->usage_id),
	                   param_time(task, wrong->reported_at))));
	return run(operation, NEWEST,
	           PARAMETERS(wrong->customer_id, wrong->instance_id,
	                      param_int(task, wrong->usage_id), param_int(task, out->usage_id),
	                      param_int(task, active), param_int(task, total), out->metrics));
}

/* The values of a report that the audit trail has. */
static const char *
values_of(struct task *task, const struct usage_report *report)
{
	struct json_out json = json_out_new(task->arena, 128);

	json_out_open(&json, NULL, '{');
	json_out_int(&json, "active_devices", report->active_devices);
	json_out_int(&json, "total_devices", report->total_devices);
	json_out_raw(&json, "metrics", report->metrics);
	json_out_close(&json, '}');
	return json.text.data;
}

enum fail
usage_correct(struct operation *operation, const char *customer_id,
              const struct usage_correction *correction, struct usage_report *out)
{
	struct task *task = operation->task;
	struct usage_report wrong = {0};

	TRY(db_begin(operation->db, task));
	TRY(find(operation, customer_id, correction->usage_id, &wrong));
	TRY(run(operation, LOCK_INSTANCE, PARAMETERS(customer_id, wrong.instance_id)));
	TRY(store(operation, &wrong, correction, out));
	TRY(usage_recount(operation, customer_id, wrong.instance_id, wrong.reported_at));
	TRY(audit_record_values(operation, "usage_correct", customer_id,
	                        param_int(task, wrong.usage_id), NULL, values_of(task, &wrong),
	                        values_of(task, out)));
	return db_commit(operation->db, task);
}
