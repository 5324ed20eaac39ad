/* test_retention.c: months of events are made ahead and dropped when they are old, and an event of a time
 * that has no month is kept. */
#include "support/billing_fixture.h"

#include "events/log.h"
#include "events/reader.h"
#include "events/retention.h"
#include "issuing/key_revocation.h"

static void
run(const char *sql)
{
	struct db *other = database_open(database_url(), DATABASE_PATIENT_MS, false);

	database_script(other, &task, sql);
	db_free(other);
}

static int64_t
number(const char *sql)
{
	struct db *other = database_open(database_url(), DATABASE_PATIENT_MS, false);
	int64_t found = database_number(other, &task, sql);

	db_free(other);
	return found;
}

/* An event of the time of the operation, in whole months from the database's. */
static void
write_at(int months)
{
	fine(event_write(&operation, EVENT_KEY_CREATED, customer_id, "{}"));
	run(arena_printf(task.arena,
	                 "UPDATE events SET created_at = date_trunc('month', now(), 'UTC') + "
	                 "interval '%d months' WHERE customer_id = '%s' AND number = "
	                 "(SELECT max(number) FROM events)",
	                 months, customer_id));
}

static int64_t
events_of_customer(void)
{
	const struct event_filter filter = {.customer_id = customer_id};
	struct event_batch batch;

	fine(event_batch_read(&operation, &filter, (struct event_cursor){0}, 100, &batch));
	return (int64_t)batch.count;
}

static void
setup(void)
{
	struct instant now;

	fine(db_clock(operation.db, &task, &now));
	operation.now_ms = now.ms;
	run("UPDATE events SET created_at = now()");
}

START_TEST(test_months_ahead)
{
	int64_t made;

	fine(event_make_months(&operation, &made));
	ck_assert_int_eq(made, 0);
	/* A clock that is set years ahead loses no event, and the jobs make no month for it. */
	write_at(60);
	ck_assert_int_eq(number("SELECT count(*) FROM events_default"), 1);
	ck_assert_int_eq(events_of_customer(), 5);
	fine(event_make_months(&operation, &made));
	ck_assert_int_eq(made, 0);
	/* Once that month comes, the event moves into it. */
	ck_assert_int_eq(number("event_months_make(now() + interval '60 months', 0)"), 2);
	ck_assert_int_eq(number("SELECT count(*) FROM events_default"), 0);
	ck_assert_int_eq(events_of_customer(), 5);
}
END_TEST

START_TEST(test_old_months_are_dropped)
{
	int64_t dropped;

	ck_assert_int_eq(number("event_months_make(now() - interval '20 months', 1)"), 3);
	write_at(-20);
	write_at(-1);
	write_at(-50);
	ck_assert_int_eq(events_of_customer(), 7);
	ck_assert_int_eq(number("SELECT count(*) FROM events_default"), 1);
	/* A service whose clock is ahead drops no young event. */
	operation.now_ms += 1000 * DAY_MS;
	fine(event_drop_months(&operation, &dropped));
	ck_assert_int_eq(dropped, 3);
	ck_assert_int_eq(events_of_customer(), 5);
	fine(event_drop_months(&operation, &dropped));
	ck_assert_int_eq(dropped, 0);
}
END_TEST

/* The jobs notice a cluster whose transaction ids are lower, and only then raise the base. */
START_TEST(test_the_clock_is_kept)
{
	int64_t raised;

	fine(event_keep_clock(&operation, &raised));
	ck_assert_int_eq(raised, 0);
	ck_assert_int_gt(number("SELECT floor FROM event_clock"),
	                 number("SELECT max(position) FROM events"));
	run("UPDATE events SET position = position + 100000");
	fine(event_keep_clock(&operation, &raised));
	ck_assert_int_gt(raised, 90000);
	ck_assert_int_eq(events_of_customer(), 4);
	fine(event_keep_clock(&operation, &raised));
	ck_assert_int_eq(raised, 0);
}
END_TEST

START_TEST(test_a_deleted_customer)
{
	fine(account_delete(&operation, customer_id));
	ck_assert_int_eq(count_of("SELECT count(*) FROM events WHERE data::text ~ "
	                          "'(Acme|example.com)' AND customer_id = ",
	                          ""),
	                 0);
	ck_assert_int_eq(count_of("SELECT count(*) FROM events WHERE customer_id = ", ""), 8);
}
END_TEST

/* Licences of a distrusted key: one event, which a customer may see. */
START_TEST(test_a_distrusted_key)
{
	int64_t done;

	change("UPDATE licenses SET expires_at = now() + interval '1 day' WHERE customer_id = ",
	       "");
	run(arena_printf(
	        task.arena,
	        "INSERT INTO signing_keys (kid, public_pem, state, added_at, distrusted_at) "
	        "SELECT kid, kid, 'distrusted', now(), now() FROM licenses "
	        "WHERE customer_id = '%s'",
	        customer_id));
	operation.batch = 10;
	do
		fine(signing_key_revoke_distrusted(&operation, &done));
	while (done > 0);
	ck_assert_int_eq(count_of("SELECT count(*) FROM events WHERE type = 'license.revoked' "
	                          "AND sequence = 5 AND (data->>'count')::int = 1 "
	                          "AND data#>>'{licenses,0,revoke_reason}' = 'key_distrusted' "
	                          "AND customer_id = ",
	                          ""),
	                 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("event_retention");
	TCase *tcase = fixture_case("event_retention");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, test_months_ahead);
	tcase_add_test(tcase, test_old_months_are_dropped);
	tcase_add_test(tcase, test_the_clock_is_kept);
	tcase_add_test(tcase, test_a_deleted_customer);
	tcase_add_test(tcase, test_a_distrusted_key);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
