/*
 * batch.c: many reports, one statement, counted as single ones are.
 */
#include "usage/batch.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_out.h"
#include "base/text.h"
#include "usage/sql.h"

/* One row for each report that its customer exists for; usage_id is 0 unless it was stored. */
struct batch_row {
	int64_t index;
	int64_t usage_id;
	struct usage_report first;
};

static const struct column columns[] =
        COLUMNS(struct batch_row, index, usage_id, first.usage_id, first.instance_id,
                first.active_devices, first.total_devices, first.metrics, first.reported_at,
                first.received_at);

/* $1 the reports  $2 now  $3 the lease in milliseconds. Everything is written in the order of its
 * keys, so that two batches never wait for each other in a circle. */
static const struct statement statements[] = {
        {.name = "usage_report_batch",
         .columns = columns,
         .row_size = sizeof(struct batch_row),
         .sql = "WITH item AS MATERIALIZED ("
                "  SELECT index, nextval('usage_ids') AS usage_id, customer_id, instance_id, "
                "    active_devices, total_devices, metrics, reported_at, report_id, "
                "    (reported_at AT TIME ZONE 'UTC')::date AS day "
                "  FROM (SELECT index, customer_id, instance_id, active_devices, "
                "    total_devices, metrics, reported_at, report_id "
                "    FROM jsonb_to_recordset($1::jsonb) AS x (index bigint, "
                "      customer_id text, instance_id text, active_devices bigint, "
                "      total_devices bigint, metrics jsonb, reported_at timestamptz, "
                "      report_id text) "
                "    WHERE EXISTS (SELECT FROM customers c "
                "      WHERE c.customer_id = x.customer_id AND c.deleted_at IS NULL) "
                "    ORDER BY index) AS sent), "
                "named AS ("
                "  INSERT INTO usage_report_ids (customer_id, report_id, usage_id, "
                "    reported_at) "
                "  SELECT DISTINCT ON (customer_id, report_id) customer_id, report_id, "
                "    usage_id, reported_at FROM item WHERE report_id IS NOT NULL "
                "  ORDER BY customer_id, report_id, index "
                "  ON CONFLICT DO NOTHING RETURNING usage_id), "
                "fresh AS MATERIALIZED ("
                "  SELECT index, usage_id, customer_id, instance_id, active_devices, "
                "    total_devices, metrics, reported_at, report_id, day FROM item "
                "  WHERE report_id IS NULL OR usage_id IN (SELECT usage_id FROM named)), "
                "stored AS ("
                "  INSERT INTO usage_reports (usage_id, customer_id, instance_id, "
                "    active_devices, total_devices, metrics, reported_at, received_at, "
                "    report_id) "
                "  SELECT usage_id, customer_id, instance_id, active_devices, "
                "    total_devices, metrics, reported_at, $2::timestamptz, report_id "
                "  FROM fresh), "
                "seen AS ("
                "  INSERT INTO instances AS i (" USAGE_INSTANCE_COLUMNS ") "
                "  SELECT DISTINCT ON (customer_id, instance_id) customer_id, instance_id, "
                "    least(min(reported_at) OVER same, $2::timestamptz), "
                "    least(reported_at, $2::timestamptz), "
                "    reported_at + $3::bigint * interval '1 ms', usage_id, reported_at, "
                "    active_devices, total_devices, metrics FROM fresh "
                "  WINDOW same AS (PARTITION BY customer_id, instance_id) "
                "  ORDER BY customer_id, instance_id, reported_at DESC, usage_id DESC "
                "  " USAGE_INSTANCE_CHANGES " RETURNING 1), "
                "counted AS ("
                "  INSERT INTO usage_daily AS d (" USAGE_DAY_COLUMNS ") "
                "  SELECT customer_id, day, instance_id, count(*), max(active_devices), "
                "    sum(active_devices), max(total_devices), sum(total_devices) "
                "  FROM fresh, (SELECT count(*) FROM seen) AS behind GROUP BY 1, 2, 3 "
                "  ORDER BY 1, 2, 3 " USAGE_DAY_CHANGES " RETURNING 1), "
                "added AS ("
                "  INSERT INTO usage_daily_metrics AS m (" USAGE_METRIC_COLUMNS ") "
                "  SELECT customer_id, day, instance_id, v.key, sum(v.value::numeric), "
                "    max(v.value::bigint) FROM fresh, "
                "    (SELECT count(*) FROM counted) AS behind, jsonb_each_text(metrics) v "
                "  GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 " USAGE_METRIC_CHANGES ") "
                "SELECT t.index, f.usage_id, r.usage_id AS \"first.usage_id\", "
                "COALESCE(r.instance_id, t.instance_id) AS \"first.instance_id\", "
                "COALESCE(r.active_devices, t.active_devices) AS "
                "\"first.active_devices\", "
                "COALESCE(r.total_devices, t.total_devices) AS \"first.total_devices\", "
                "COALESCE(r.metrics, t.metrics)::text AS \"first.metrics\", "
                "r.reported_at AS \"first.reported_at\", "
                "COALESCE(r.received_at, r.reported_at) AS \"first.received_at\" "
                "FROM item t LEFT JOIN fresh f ON f.usage_id = t.usage_id "
                "LEFT JOIN LATERAL (SELECT n.usage_id, n.reported_at, o.instance_id, "
                "  o.active_devices, o.total_devices, o.metrics, o.received_at "
                "  FROM usage_report_ids n LEFT JOIN usage_reports o "
                "  ON o.usage_id = n.usage_id AND o.reported_at = n.reported_at "
                "  WHERE n.customer_id = t.customer_id AND n.report_id = t.report_id) r "
                "ON true ORDER BY t.index"},
};

const struct statement_list usage_batch_statements = {statements, 1};

static const char *
batch_text(struct task *task, const struct usage_item *items, size_t count)
{
	struct json_out json = json_out_new(task->arena, 64 + count * 320);

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
		json_out_close(&json, '}');
	}
	json_out_close(&json, ']');
	return json.text.data;
}

/* An earlier item of the batch that was stored under the same name, or NULL. */
static const struct usage_item *
earlier_twin(const struct usage_item *items, size_t index)
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
settle(struct operation *operation, struct usage_item *items, size_t index,
       const struct batch_row *row)
{
	struct usage_report *report = &items[index].report;
	const struct usage_item *twin;

	if (row->usage_id != 0) {
		items[index].status = USAGE_CREATED;
		report->usage_id = row->usage_id;
		report->received_at = INSTANT_MS(operation->now_ms);
		return FAIL_NONE;
	}
	items[index].status = USAGE_DUPLICATE;
	twin = earlier_twin(items, index);
	if (twin != NULL) {
		*report = twin->report;
		return FAIL_NONE;
	}
	if (row->first.usage_id == 0)
		return usage_find_first(operation, report);
	{
		struct usage_report first = row->first;

		first.customer_id = report->customer_id;
		first.report_id = report->report_id;
		*report = first;
	}
	return FAIL_NONE;
}

enum fail
usage_report_batch(struct operation *operation, struct usage_item *items, size_t count)
{
	struct task *task = operation->task;
	int64_t lease_ms = operation->billing->policy.instance_lease_hours * HOUR_MS;
	const struct batch_row *rows;
	size_t row_count;

	if (count == 0)
		return FAIL_NONE;
	TRY(db_rows(operation->db, task, &statements[0],
	            PARAMETERS(batch_text(task, items, count),
	                       param_time(task, INSTANT_MS(operation->now_ms)),
	                       param_int(task, lease_ms)),
	            (void *)&rows, &row_count));
	for (size_t i = 0; i < count; i++)
		items[i].status = USAGE_NO_CUSTOMER;
	for (size_t i = 0; i < row_count; i++)
		TRY(settle(operation, items, (size_t)rows[i].index, &rows[i]));
	return FAIL_NONE;
}
