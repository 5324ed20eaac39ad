/* adopt.c: stores reports that another service received. */
#include "usage/adopt.h"

#include <string.h>

#include "base/arena.h"
#include "base/encoding.h"
#include "counting/fold.h"
#include "json/out.h"

/* Hex digits of a digest that tell any two reports apart. */
enum { NAME_DIGITS = 32 };

struct months_row {
	int64_t made;
};

extern const char usage_adopt_sql[]; /* adopt.sql */

enum { ADOPT, LOOK, MONTHS };

#define ROW ROWS_WITH(struct adopted_reports, customer_id, stored, known)

static const struct statement statements[] = {
        [ADOPT] = {"usage_adopt", ROW, .sql = usage_adopt_sql},
        [LOOK] = {"usage_adopt_look", ROW,
                  .sql = "SELECT x.customer_id, count(*) - count(n.report_id) AS stored, "
                         "count(n.report_id) AS known "
                         "FROM jsonb_to_recordset($1::jsonb) AS x (customer_id text, "
                         "report_id text) "
                         "JOIN customers c ON c.customer_id = x.customer_id "
                         "AND c.deleted_at IS NULL "
                         "LEFT JOIN usage_report_ids n ON n.customer_id = x.customer_id "
                         "AND n.report_id = x.report_id GROUP BY 1 "
                         "ORDER BY x.customer_id COLLATE \"C\""},
        /* The function makes months from 36 days before a time on. */
        [MONTHS] = {"usage_adopt_months", ROWS_WITH(struct months_row, made),
                    .sql = "SELECT usage_partitions_make(t.at, (date_part('year', t.gap) * 12 "
                           "+ date_part('month', t.gap) + 1)::bigint) AS made FROM (SELECT "
                           "$1::timestamptz + interval '36 days' AS at, "
                           "age($2::timestamptz, $1::timestamptz) AS gap) t"},
};

const struct statement_list usage_adopt_statements = STATEMENT_LIST(statements);

void
usage_adopt_name(struct task *task, struct usage_report *report, int64_t copy)
{
	const char *values =
	        arena_printf(task->arena, "%s\n%s\n%lld\n%lld\n%lld\n%lld", report->customer_id,
	                     report->instance_id, (long long)report->reported_at.ms,
	                     (long long)report->active_devices,
	                     (long long)report->total_devices, (long long)copy);
	struct sha256 digest = digest_sha256(values, strlen(values));

	report->report_id =
	        arena_printf(task->arena, "original:%.*s", NAME_DIGITS,
	                     hex_encode(task->arena, digest.bytes, sizeof(digest.bytes)));
}

struct instant
usage_kept_since(const struct operation *operation)
{
	int64_t today = operation->now_ms - operation->now_ms % DAY_MS;

	return INSTANT_MS(today - operation->billing->policy.usage_retention_days * DAY_MS);
}

enum fail
usage_adopt_months(struct operation *operation)
{
	struct task *task = operation->task;
	struct months_row row;
	bool found;

	return db_row(
	        operation->db, task, &statements[MONTHS],
	        PARAMETERS(param_time(task, usage_kept_since(operation)), param_now(operation)),
	        &row, &found);
}

static const char *
reports_text(struct task *task, const struct usage_report *reports, size_t count)
{
	struct json_out json = json_out_new(task->arena, 64 + count * 280);

	json_out_open(&json, NULL, '[');
	for (size_t i = 0; i < count; i++) {
		const struct usage_report *report = &reports[i];

		json_out_open(&json, NULL, '{');
		json_out_string(&json, "customer_id", report->customer_id);
		json_out_string(&json, "instance_id", report->instance_id);
		json_out_int(&json, "active_devices", report->active_devices);
		json_out_int(&json, "total_devices", report->total_devices);
		json_out_time(&json, "reported_at", report->reported_at);
		json_out_string(&json, "report_id", report->report_id);
		json_out_close(&json, '}');
	}
	json_out_close(&json, ']');
	return json.text.data;
}

/* The customers of which reports were stored. */
static struct string_list
changed_customers(struct task *task, const struct adopted_reports *rows, size_t count)
{
	const char **ids = arena_array(task->arena, count + 1, sizeof(*ids));
	size_t used = 0;

	for (size_t i = 0; i < count; i++)
		if (rows[i].stored > 0)
			ids[used++] = rows[i].customer_id;
	return (struct string_list){true, used, ids};
}

enum fail
usage_adopt(struct operation *operation, const struct usage_report *reports, size_t count,
            bool dry_run, const struct adopted_reports **out, size_t *customers)
{
	struct task *task = operation->task;
	int64_t lease_ms = operation->billing->policy.instance_lease_hours * HOUR_MS;
	const char *text = reports_text(task, reports, count);
	struct string_list changed;

	if (dry_run)
		return db_rows(operation->db, task, &statements[LOOK], PARAMETERS(text),
		               (void *)out, customers);
	TRY(db_rows(operation->db, task, &statements[ADOPT],
	            PARAMETERS(text, param_now(operation), param_int(task, lease_ms)),
	            (void *)out, customers));
	changed = changed_customers(task, *out, *customers);
	return changed.count == 0 ? FAIL_NONE : usage_fold_customers(operation, &changed);
}
