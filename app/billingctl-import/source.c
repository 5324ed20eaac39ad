/* source.c: reads the database of the original service in one snapshot, some rows at a time. */
#include "billingctl-import/source.h"

#include "base/arena.h"
#include "db/server.h"

/* A sort of many million reports takes its time. */
static const int64_t source_timeout_ms = 1800000;

/* A column without zone is read in the session's; one with a zone has its own. */
#define USABLE(time)                                                                           \
	"(" time ")::timestamptz >= '1990-01-01' AND (" time ")::timestamptz < '9999-01-01'"
#define TIME(time, name) "CASE WHEN " USABLE(time) " THEN (" time ")::timestamptz END AS " name
#define ODD(time) "CASE WHEN NOT (" USABLE(time) ") THEN (" time ")::text END"
/* A column that the table may lack. */
#define MEMBER(row, name) "to_jsonb(" row ")->>'" name "'"

struct no_row {
	const char *value;
};

struct zone_row {
	bool known;
};

enum { SNAPSHOT, KNOWS_ZONE, ZONE, COUNT };

static const struct statement statements[] = {
        [SNAPSHOT] = {"source_snapshot",
                      .sql = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"},
        [KNOWS_ZONE] = {"source_knows_zone", ROWS_WITH(struct zone_row, known),
                        .sql = "SELECT EXISTS (SELECT FROM pg_timezone_names "
                               "WHERE name = $1) AS known"},
        [ZONE] = {"source_zone", ROWS_WITH(struct no_row, value),
                  .sql = "SELECT set_config('TimeZone', $1, true) || "
                         "set_config('cursor_tuple_fraction', '1', true) AS value"},
        [COUNT] = {"source_count",
                   ROWS_WITH(struct source_figures, customers, subscriptions, reports),
                   .sql = "SELECT (SELECT count(*) FROM customers) AS customers, "
                          "(SELECT count(*) FROM subscriptions) AS subscriptions, "
                          "(SELECT count(*) FROM usage_reports) AS reports"},
};

/* For each table the statements that begin it and that fetch its next rows. */
static const struct statement tables[][2] = {
        [SOURCE_CUSTOMERS] =
                {{"source_customers",
                  .sql = "DECLARE source_customers NO SCROLL CURSOR FOR "
                         "SELECT c.customer_id::text AS customer_id, c.email::text AS email, "
                         "c.company_name::text AS company_name, "
                         "c.stripe_customer_id::text AS stripe_customer_id, " TIME(
                                 MEMBER("c", "created_at"),
                                 "created_at") ", " TIME(MEMBER("c", "updated_at"),
                                                         "updated_at") " FROM customers c "
                                                                       "ORDER BY EXISTS "
                                                                       "(SELECT FROM "
                                                                       "subscriptions s "
                                                                       "WHERE s.customer_id = "
                                                                       "c.customer_id "
                                                                       "AND s.status::text IN "
                                                                       "('active', 'past_due', "
                                                                       "'trialing')) DESC, "
                                                                       "created_at NULLS LAST, "
                                                                       "c.customer_id::text "
                                                                       "COLLATE \"C\""},
                 {"source_next_customers",
                  ROWS_WITH(struct source_customer, customer_id, email, company_name,
                            stripe_customer_id, created_at, updated_at),
                  .sql = "FETCH 1000 FROM source_customers", .reads = true}},
        [SOURCE_SUBSCRIPTIONS] =
                {{"source_subscriptions",
                  .sql =
                          "DECLARE source_subscriptions NO SCROLL CURSOR FOR "
                          "SELECT s.customer_id::text AS customer_id, "
                          "c.email::text AS email, "
                          "s.stripe_subscription_id::text AS "
                          "stripe_subscription_id, "
                          "s.plan::text AS plan, s.status::text AS "
                          "status, " TIME("s.trial_ends_at", "trial_ends_at") ", " TIME(
                                  "s.current_period_ends_at",
                                  "current_period_ends_at") ", "
                                                            "COALESCE(" ODD(
                                                                    "s."
                                                                    "tr"
                                                                    "ia"
                                                                    "l_"
                                                                    "en"
                                                                    "ds"
                                                                    "_a"
                                                                    "t") ", " ODD("s.current_"
                                                                                  "period_ends_"
                                                                                  "at") ") AS "
                                                                                        "odd,"
                                                                                        " " TIME(MEMBER(
                                                                                                         "s",
                                                                                                         "cre"
                                                                                                         "ate"
                                                                                                         "d_"
                                                                                                         "a"
                                                                                                         "t"),
                                                                                                 "created_"
                                                                                                 "at") ","
                                                                                                       " " TIME(MEMBER(
                                                                                                                        "s",
                                                                                                                        "updated_at"),
                                                                                                                "updated_at") " FROM subscriptions s "
                                                                                                                              "LEFT JOIN customers c ON c.customer_id = s.customer_id "
                                                                                                                              "ORDER BY s.customer_id::text COLLATE \"C\""},
                 {"source_next_subscriptions",
                  ROWS_WITH(struct source_subscription, customer_id, email,
                            stripe_subscription_id, plan, status, trial_ends_at,
                            current_period_ends_at, odd, created_at, updated_at),
                  .sql =
                          "FETCH 1000 FROM source_subscriptions",
                  .reads = true}},
        [SOURCE_REPORTS] =
                {{"source_reports",
                  .sql =
                          "DECLARE source_reports NO SCROLL CURSOR FOR "
                          "SELECT customer_id, instance_id, active_devices, total_devices, "
                          "reported_at, row_number() OVER (PARTITION BY customer_id, "
                          "instance_id, reported_at, active_devices, total_devices) AS copy "
                          "FROM (SELECT u.customer_id::text COLLATE \"C\" AS customer_id, "
                          "u.instance_id::text COLLATE \"C\" AS instance_id, "
                          "u.active_devices::bigint AS active_devices, "
                          "u.total_devices::bigint AS total_devices, "
                          "CASE WHEN " USABLE(
                                  "u.reported_at") " THEN "
                                                   "date_trunc('milliseconds', "
                                                   "u.reported_at::timestamptz) END "
                                                   "AS reported_at FROM usage_reports u) r "
                                                   "ORDER BY customer_id, instance_id, "
                                                   "reported_at, active_devices, "
                                                   "total_devices"},
                 {"source_next_reports",
                  ROWS_WITH(struct source_report, customer_id, instance_id, active_devices,
                            total_devices, reported_at, copy),
                  .sql =
                          "FETCH 2000 FROM source_reports",
                  .reads = true}},
};

/* A failure of the other database, in its own words. */
static enum fail
explain(struct import *import, struct task *task, enum fail kind)
{
	const char *why = db_last_error(import->source);

	if (kind == FAIL_NONE || kind == FAIL_INVALID)
		return kind;
	if (*why == '\0')
		why = task->failure.message;
	why = arena_copy(import->ctl->task.arena, why);
	task_clear(task);
	return task_fail(task, FAIL_UNAVAILABLE, "original_unreadable",
	                 "The database of the original cannot be read: %s", why);
}

static enum fail
set_zone(struct import *import)
{
	struct task *task = &import->ctl->task;
	const char *zone = ctl_option(import->ctl, "--timezone");
	struct zone_row known = {.known = true};
	struct no_row row;
	bool found;

	if (zone != NULL)
		TRY(db_row(import->source, task, &statements[KNOWS_ZONE], PARAMETERS(zone),
		           &known, &found));
	if (!known.known)
		return ctl_usage(import->ctl, "there is no time zone %s", zone);
	return db_row(import->source, task, &statements[ZONE],
	              PARAMETERS(zone == NULL ? "UTC" : zone), &row, &found);
}

static enum fail
begin(struct import *import, struct source_figures *out)
{
	struct task *task = &import->ctl->task;
	bool found;

	TRY(db_begin(import->source, task));
	TRY(db_run(import->source, task, &statements[SNAPSHOT], NO_PARAMETERS, NULL));
	TRY(set_zone(import));
	return db_row(import->source, task, &statements[COUNT], NO_PARAMETERS, out, &found);
}

enum fail
source_open(struct import *import, struct source_figures *out)
{
	struct task *task = &import->ctl->task;
	struct db_options options = {.prepared = true,
	                             .statement_timeout_ms = source_timeout_ms,
	                             .application_name = "billingctl import"};
	const char *why;

	TRY(source_url(import->ctl, &options.url));
	why = server_unreachable(task->arena, &options);
	if (why != NULL)
		return task_fail(task, FAIL_UNAVAILABLE, "original_unavailable",
		                 "The database of the original cannot be reached: %s", why);
	import->source = db_new(&options);
	return explain(import, task, begin(import, out));
}

enum fail
source_rows(struct import *import, enum source_table table)
{
	struct task *task = &import->ctl->task;

	return explain(import, task,
	               db_run(import->source, task, &tables[table][0], NO_PARAMETERS, NULL));
}

enum fail
source_next(struct import *import, enum source_table table, void *out_rows, size_t *count)
{
	return explain(import, &import->step,
	               db_rows(import->source, &import->step, &tables[table][1], NO_PARAMETERS,
	                       out_rows, count));
}
