/*
 * report.c: one report, one statement.
 */
#include "usage/report.h"

#include "base/arena.h"
#include "base/json_out.h"
#include "base/json_view.h"
#include "base/text.h"
#include "usage/sql.h"

#define MINUTE_MS (60 * SECOND_MS)
static const struct column view_columns[] =
        COLUMNS(struct usage_view, key.key_id, key.customer_id, key.role, key.digest,
                key.scopes, key.used_today, key.revoked_at, customer_id, subscription.plan,
                subscription.status, subscription.trial_ends_at, levels.active_devices,
                levels.instances, levels.month, levels.newest, usage_id);

static const struct column report_columns[] =
        COLUMNS(struct usage_report, usage_id, instance_id, active_devices, total_devices,
                metrics, reported_at, received_at);

/*
 * $1 digest  $2 customer  $3 instance  $4 active  $5 total  $6 metrics  $7 reported_at
 * $8 report_id or NULL  $9 now  $10 end of the lease
 *
 * Every part sees the rows as they were before, and what other parts return. Locks are taken in one
 * order everywhere: report ids, instances, days, metrics.
 */
#define REPORT_SQL                                                                             \
	"WITH caller AS MATERIALIZED ("                                                        \
	"  SELECT k.key_id, k.customer_id AS key_customer_id, k.role, k.digest, k.scopes, "    \
	"    COALESCE(k.last_used_at >= current_date, false) AS used_today, k.revoked_at, "    \
	"    c.customer_id FROM (SELECT) AS one "                                              \
	"  LEFT JOIN api_keys k ON k.digest = $1 "                                             \
	"  LEFT JOIN customers c ON c.customer_id = $2 AND c.deleted_at IS NULL), "            \
	"allowed AS MATERIALIZED ("                                                            \
	"  SELECT customer_id, nextval('usage_ids') AS usage_id FROM caller "                  \
	"  WHERE customer_id IS NOT NULL AND key_id IS NOT NULL AND revoked_at IS NULL "       \
	"  AND (role = 'owner' OR "                                                            \
	"    (key_customer_id = customer_id AND 'usage' = ANY (scopes)))), "                   \
	"named AS ("                                                                           \
	"  INSERT INTO usage_report_ids (customer_id, report_id, usage_id, reported_at) "      \
	"  SELECT customer_id, $8, usage_id, $7::timestamptz FROM allowed "                    \
	"  WHERE $8::text IS NOT NULL ON CONFLICT DO NOTHING RETURNING usage_id), "            \
	"fresh AS MATERIALIZED ("                                                              \
	"  SELECT customer_id, usage_id, ($7::timestamptz AT TIME ZONE 'UTC')::date AS day "   \
	"  FROM allowed WHERE $8::text IS NULL OR EXISTS (SELECT FROM named)), "               \
	"stored AS ("                                                                          \
	"  INSERT INTO usage_reports (usage_id, customer_id, instance_id, active_devices, "    \
	"    total_devices, metrics, reported_at, received_at, report_id) "                    \
	"  SELECT usage_id, customer_id, $3, $4::bigint, $5::bigint, $6::jsonb, "              \
	"    $7::timestamptz, $9::timestamptz, $8 FROM fresh), "                               \
	"seen AS ("                                                                            \
	"  INSERT INTO instances AS i (" USAGE_INSTANCE_COLUMNS ") "                           \
	"  SELECT customer_id, $3, least($7::timestamptz, $9::timestamptz), "                  \
	"    least($7::timestamptz, $9::timestamptz), $10::timestamptz, usage_id, "            \
	"    $7::timestamptz, $4::bigint, $5::bigint, $6::jsonb "                              \
	"  FROM fresh " USAGE_INSTANCE_CHANGES                                                 \
	"  RETURNING i.active_devices, i.lease_expires_at, i.metrics), "                       \
	"counted AS ("                                                                         \
	"  INSERT INTO usage_daily AS d (" USAGE_DAY_COLUMNS ") "                              \
	"  SELECT customer_id, day, $3, 1, $4::bigint, $4::bigint, $5::bigint, $5::bigint "    \
	"  FROM fresh, (SELECT count(*) FROM seen) AS behind " USAGE_DAY_CHANGES               \
	"  RETURNING 1), "                                                                     \
	"added AS ("                                                                           \
	"  INSERT INTO usage_daily_metrics AS m (" USAGE_METRIC_COLUMNS ") "                   \
	"  SELECT customer_id, day, $3, v.key, v.value::numeric, v.value::bigint "             \
	"  FROM fresh, (SELECT count(*) FROM counted) AS behind, "                             \
	"    jsonb_each_text($6::jsonb) v ORDER BY v.key " USAGE_METRIC_CHANGES "), "          \
	"fleet AS MATERIALIZED ("                                                              \
	"  SELECT active_devices, metrics FROM instances WHERE customer_id = $2 "              \
	"    AND lease_expires_at > $9::timestamptz "                                          \
	"    AND (instance_id <> $3 OR NOT EXISTS (SELECT FROM seen)) "                        \
	"  UNION ALL SELECT active_devices, metrics FROM seen "                                \
	"    WHERE lease_expires_at > $9::timestamptz), "                                      \
	"used AS ("                                                                            \
	"  SELECT metric, total FROM usage_daily_metrics WHERE customer_id = $2 "              \
	"    AND day >= date_trunc('month', $9::timestamptz AT TIME ZONE 'UTC') "              \
	"  UNION ALL SELECT v.key, v.value::numeric FROM fresh, jsonb_each_text($6::jsonb) v " \
	"    WHERE day >= date_trunc('month', $9::timestamptz AT TIME ZONE 'UTC')) "           \
	"SELECT k.key_id AS \"key.key_id\", k.key_customer_id AS \"key.customer_id\", "        \
	"k.role AS \"key.role\", k.digest AS \"key.digest\", k.scopes AS \"key.scopes\", "     \
	"k.used_today AS \"key.used_today\", k.revoked_at AS \"key.revoked_at\", "             \
	"k.customer_id, s.plan AS \"subscription.plan\", s.status AS "                         \
	"\"subscription.status\", "                                                            \
	"s.trial_ends_at AS \"subscription.trial_ends_at\", "                                  \
	"f.active_devices AS \"levels.active_devices\", f.instances AS \"levels.instances\", " \
	"u.month AS \"levels.month\", f.newest AS \"levels.newest\", "                         \
	"(SELECT usage_id FROM fresh) AS usage_id "                                            \
	"FROM caller k "                                                                       \
	"LEFT JOIN LATERAL (SELECT plan, status, trial_ends_at FROM subscriptions "            \
	"  WHERE customer_id = k.customer_id ORDER BY superseded, subscription_id DESC LIMIT " \
	"1) s ON "                                                                             \
	"true "                                                                                \
	"CROSS JOIN (SELECT COALESCE(sum(active_devices), 0)::bigint AS active_devices, "      \
	"  count(*) AS instances, (SELECT jsonb_object_agg(g.metric, g.total)::text FROM "     \
	"    (SELECT v.key AS metric, sum(v.value::numeric)::text AS total "                   \
	"    FROM fleet x, jsonb_each_text(x.metrics) v GROUP BY v.key) g) AS newest "         \
	"  FROM fleet) f "                                                                     \
	"CROSS JOIN (SELECT jsonb_object_agg(g.metric, g.total)::text AS month FROM "          \
	"  (SELECT metric, sum(total)::text AS total FROM used GROUP BY metric) g) u"

enum { REPORT, FIRST };

static const struct statement statements[] = {
        [REPORT] = {.name = "usage_report",
                    .columns = view_columns,
                    .row_size = sizeof(struct usage_view),
                    .sql = REPORT_SQL},
        /* What was stored under this name, now or at any time: the report itself may have been
	 * deleted since. Not a part of the statement above, which would have to open every month
	 * for what is seldom asked. */
        [FIRST] = {.name = "usage_first_report",
                   .columns = report_columns,
                   .row_size = sizeof(struct usage_report),
                   .sql = "SELECT n.usage_id, r.instance_id, r.active_devices, "
                          "r.total_devices, r.metrics::text AS metrics, n.reported_at, "
                          "COALESCE(r.received_at, n.reported_at) AS received_at "
                          "FROM usage_report_ids n LEFT JOIN usage_reports r "
                          "ON r.usage_id = n.usage_id AND r.reported_at = n.reported_at "
                          "WHERE n.customer_id = $1 AND n.report_id = $2"},
};

const struct statement_list usage_statements = {statements,
                                                sizeof(statements) / sizeof(*statements)};

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

	return db_row(
	        operation->db, task, &statements[REPORT],
	        PARAMETERS(param_digest(task, digest), report->customer_id, report->instance_id,
	                   param_int(task, report->active_devices),
	                   param_int(task, report->total_devices), report->metrics,
	                   param_time(task, report->reported_at), report->report_id,
	                   param_time(task, INSTANT_MS(operation->now_ms)),
	                   param_time(task, INSTANT_MS(report->reported_at.ms + lease_ms))),
	        view, &found);
}

enum fail
usage_outcome(struct operation *operation, const struct usage_view *view,
              struct usage_report *report, bool *created)
{
	if (view->customer_id == NULL)
		return task_fail(operation->task, FAIL_NOT_FOUND, "customer_not_found",
		                 "There is no such customer.");
	*created = view->usage_id != 0;
	if (!*created)
		return usage_find_first(operation, report);
	report->usage_id = view->usage_id;
	report->received_at = INSTANT_MS(operation->now_ms);
	return FAIL_NONE;
}
