/* batch.c: stores many reports by one statement. */
#include "usage/batch.h"

#include <string.h>

#include "base/text.h"
#include "json/out.h"

/* One row for each report whose customer exists; usage_id is 0 unless it was stored, `too_many` as in
 * struct usage_view. */
struct batch_row {
	int64_t index;
	int64_t usage_id;
	bool too_many;
	struct usage_report first;
};

extern const char usage_batch_sql[]; /* batch.sql */

static const struct statement statements[] = {
        {"usage_report_batch",
         ROWS_WITH(struct batch_row, index, usage_id, too_many, first.usage_id,
                   first.instance_id, first.active_devices, first.total_devices, first.metrics,
                   first.reported_at, first.received_at),
         .sql = usage_batch_sql},
};

const struct statement_list usage_batch_statements = STATEMENT_LIST(statements);

static const char *
batch_text(struct task *task, const struct usage_item *items, size_t count)
{
	struct json_out json = json_out_new(task->arena, 64 + count * 340);

	json_out_open(&json, NULL, '[');
	for (size_t i = 0; i < count; i++) {
		const struct usage_report *report = &items[i].report;

		json_out_open(&json, NULL, '{');
		json_out_int(&json, "index", (int64_t)i);
		json_out_string(&json, "customer_id", report->customer_id);
		json_out_string(&json, "instance_id", report->instance_id);
		json_out_int(&json, "active_devices", report->active_devices);
		json_out_int(&json, "total_devices", report->total_devices);
		json_out_raw(&json, "metrics", report->metrics);
		json_out_time(&json, "reported_at", report->reported_at);
		json_out_string(&json, "report_id", report->report_id);
		json_out_string(&json, "version", report->version);
		json_out_close(&json, '}');
	}
	json_out_close(&json, ']');
	return json.text.data;
}

/* The earlier item of the batch that was stored under the same report_id, or NULL. */
static const struct usage_item *
earlier_item(const struct usage_item *items, size_t index)
{
	const struct usage_report *report = &items[index].report;

	for (size_t i = 0; i < index; i++)
		if (items[i].status == USAGE_CREATED &&
		    text_equal(items[i].report.report_id, report->report_id) &&
		    strcmp(items[i].report.customer_id, report->customer_id) == 0)
			return &items[i];
	return NULL;
}

static enum fail
fill_item(struct operation *operation, struct usage_item *items, size_t index,
          const struct batch_row *row)
{
	struct usage_report *report = &items[index].report, first = row->first;
	const struct usage_item *earlier;

	if (row->usage_id != 0) {
		items[index].status = USAGE_CREATED;
		report->usage_id = row->usage_id;
		report->received_at = INSTANT_MS(operation->now_ms);
		return FAIL_NONE;
	}
	if (row->too_many && row->first.usage_id == 0) {
		items[index].status = USAGE_TOO_MANY;
		return FAIL_NONE;
	}
	items[index].status = USAGE_DUPLICATE;
	earlier = earlier_item(items, index);
	if (earlier != NULL) {
		*report = earlier->report;
		return FAIL_NONE;
	}
	if (row->first.usage_id == 0)
		return usage_find_first(operation, report);
	first.customer_id = report->customer_id;
	first.report_id = report->report_id;
	*report = first;
	return FAIL_NONE;
}

enum fail
usage_report_batch(struct operation *operation, struct usage_item *items, size_t count)
{
	struct task *task = operation->task;
	int64_t lease_ms = operation->billing->policy.instance_lease_hours * HOUR_MS;
	const struct batch_row *rows;
	size_t row_count;
	bool known = false;

	if (count == 0)
		return FAIL_NONE;
	TRY(db_rows(
	        operation->db, task, &statements[0],
	        PARAMETERS(batch_text(task, items, count), param_now(operation),
	                   param_int(task, lease_ms),
	                   param_int(task, operation->billing->policy.new_instances_per_day)),
	        (void *)&rows, &row_count));
	for (size_t i = 0; i < count; i++)
		items[i].status = USAGE_NO_CUSTOMER;
	for (size_t i = 0; i < row_count; i++) {
		TRY(usage_fail_behind(operation, fill_item(operation, items,
		                                           (size_t)rows[i].index, &rows[i])));
		known = known || rows[i].usage_id == 0;
	}
	return known ? db_confirm(operation->db, task) : FAIL_NONE;
}
