/* test_replay.c: the events of a range of time are sent again, each once, and no others are read. */
#include "support/billing_fixture.h"

#include "webhooks/deliveries.h"
#include "webhooks/endpoints.h"

extern const char webhooks_replay_sql[];

#define ENDPOINT "we_0123456789abcdef01234567"

/* Events of a month: BEFORE, then WITHIN, then AFTER, a second apart, but for some of the same moment. Within
 * the range the later ones have the lower positions. */
enum { BEFORE = 1500, WITHIN = 2300, AFTER = 500 };

/* The begin of this month, in seconds; each test reads it once. */
static int64_t month_s;

static const char *
at(int64_t n)
{
	return arena_printf(task.arena, "to_timestamp(%lld)", (long long)(month_s + n));
}

static void
script(const char *sql)
{
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);

	database_script(db, &task, sql);
	db_free(db);
}

static int64_t
number(const char *query)
{
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);
	int64_t out = database_number(db, &task, query);

	db_free(db);
	return out;
}

/* Events n seconds into the month, for each n of an SQL expression. */
static void
insert(const char *position, const char *seconds, int first, int last)
{
	script(arena_printf(task.arena,
	                    "INSERT INTO events SELECT %s, nextval('event_numbers'), "
	                    "gen_random_uuid(), 'customer.updated', NULL, n, %s + "
	                    "make_interval(secs => %s), '{}' FROM generate_series(%d, %d) n; "
	                    "ANALYZE events",
	                    position, at(0), seconds, first, last));
}

static void
setup(void)
{
	month_s = number(
	        "SELECT extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'UTC') "
	        "AT TIME ZONE 'UTC')::bigint AS number");
	script("DELETE FROM webhook_deliveries; DELETE FROM webhook_endpoints; "
	       "INSERT INTO webhook_keys VALUES ('whpk_' || repeat('A', 43) || '=', now()) "
	       "ON CONFLICT DO NOTHING; "
	       "INSERT INTO webhook_endpoints (endpoint_id, url, state, secret, seal_key, "
	       "position, "
	       "number, created_at, updated_at) VALUES ('" ENDPOINT
	       "', 'https://example.com/', "
	       "'enabled', '', 'whpk_' || repeat('A', 43) || '=', 1, 1, now(), now())");
	insert(arena_printf(task.arena, "CASE WHEN n > %d THEN 3 WHEN n > %d THEN 1 ELSE 2 END",
	                    BEFORE + WITHIN, BEFORE + WITHIN / 2),
	       arena_printf(task.arena, "CASE WHEN n BETWEEN %d AND %d THEN %d ELSE n END",
	                    BEFORE + 990, BEFORE + 1010, BEFORE + 990),
	       1, BEFORE + WITHIN + AFTER);
}

static void
teardown(void)
{
	script("DELETE FROM webhook_deliveries; DELETE FROM webhook_endpoints; "
	       "DELETE FROM events WHERE customer_id IS NULL AND data::text = '{}'");
}

static struct instant
second(int n)
{
	return INSTANT_MS((month_s + n) * SECOND_MS);
}

START_TEST(test_each_event_of_a_range_once)
{
	struct instant from = second(BEFORE + 1), to = second(BEFORE + WITHIN + 1);
	const char *cursor = NULL;
	int64_t replayed = 0, all = 0;

	for (int page = 0; page < 3; page++) {
		fine(webhook_replay_range(&operation, ENDPOINT, from, to, cursor, &replayed,
		                          &cursor));
		all += replayed;
		ck_assert_int_eq(replayed, page < 2 ? WEBHOOK_REPLAY_MAX : WITHIN % 1000);
		ck_assert_int_eq(cursor == NULL, page == 2);
	}
	ck_assert_int_eq(all, WITHIN);
	ck_assert_int_eq(number("SELECT count(*) FROM webhook_deliveries"), WITHIN);
	ck_assert_int_eq(number(arena_printf(task.arena,
	                                     "SELECT count(*) FROM webhook_deliveries "
	                                     "WHERE event_at > %s AND event_at <= %s",
	                                     at(BEFORE), at(BEFORE + WITHIN))),
	                 WITHIN);
}
END_TEST

/* A page may have none of the types; the next one goes on. */
START_TEST(test_types_of_the_endpoint)
{
	const char *cursor = NULL;
	int64_t replayed = -1;

	script("UPDATE webhook_endpoints SET types = '{customer.created}'");
	script(arena_printf(
	        task.arena,
	        "UPDATE events SET type = 'customer.created' WHERE customer_id IS NULL "
	        "AND sequence IN (%d, %d)",
	        BEFORE + 1500, BEFORE + WITHIN + 1));
	fine(webhook_replay_range(&operation, ENDPOINT, second(BEFORE + 1),
	                          second(BEFORE + WITHIN + 1), NULL, &replayed, &cursor));
	ck_assert_int_eq(replayed, 0);
	fine(webhook_replay_range(&operation, ENDPOINT, second(BEFORE + 1),
	                          second(BEFORE + WITHIN + 1), cursor, &replayed, &cursor));
	ck_assert_int_eq(replayed, 1);
	fine(webhook_replay_range(&operation, ENDPOINT, second(BEFORE + 1),
	                          second(BEFORE + WITHIN + 1), cursor, &replayed, &cursor));
	ck_assert_int_eq(replayed, 0);
	ck_assert_ptr_null(cursor);
}
END_TEST

/* An index has the events in the order of time: a plan for parameters of any value reads one page of the log,
 * wherever in the month the range is. In a small log the planner would rather sort. */
START_TEST(test_nothing_else_is_read)
{
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);

	database_script(
	        db, &task,
	        arena_printf(
	                task.arena,
	                "SET plan_cache_mode = force_generic_plan; SET enable_sort = off; "
	                "CREATE FUNCTION pg_temp.plan(command text) RETURNS jsonb "
	                "LANGUAGE plpgsql AS $f$ DECLARE plan jsonb; BEGIN "
	                "EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || command INTO plan; "
	                "RETURN plan; END $f$; "
	                "PREPARE replay (text, uuid, timestamptz, timestamptz, timestamptz, "
	                "bigint, timestamptz) AS %s",
	                webhooks_replay_sql));
	ck_assert_int_le(
	        database_number(
	                db, &task,
	                arena_printf(
	                        task.arena,
	                        "SELECT sum((n ->> 'Actual Rows')::bigint + COALESCE((n ->> "
	                        "'Rows Removed by Filter')::bigint, 0))::bigint AS number "
	                        "FROM jsonb_path_query(pg_temp.plan('EXECUTE replay ("
	                        "''" ENDPOINT "'', NULL, %s, %s, NULL, 0, now())'), "
	                        "'strict $.**?(@.\"Relation Name\" starts with "
	                        "\"events_\")') AS n",
	                        at(BEFORE), at(BEFORE + 20))),
	        1100);
	db_free(db);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replay");
	TCase *tcase = fixture_case("replay");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_each_event_of_a_range_once);
	tcase_add_test(tcase, test_types_of_the_endpoint);
	tcase_add_test(tcase, test_nothing_else_is_read);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
