/* test_standby.c: synchronous replication to a standby that is away, and comes back. */
#include "support/transaction_fixture.h"

static const struct statement reading = {.name = "test_reading", .sql = "SELECT 1"};
static const struct statement local = {
        .name = "test_local",
        .unconfirmed = true,
        .sql = "INSERT INTO test_transactions SELECT $1::bigint "
               "WHERE set_config('synchronous_commit', 'local', true) <> ''"};

/* Commits wait for a standby of this name, which does not exist; "": they wait for none. */
static void
set_standby(const char *name)
{
	database_script(other, &task,
	                arena_printf(task.arena,
	                             "ALTER SYSTEM SET synchronous_standby_names = '%s'",
	                             name));
	database_script(other, &task, "SELECT pg_reload_conf()");
	/* The postmaster passes the change on; a new connection has it at once or soon. */
	for (int tries = 0; tries < 1000; tries++) {
		struct db *fresh = database_open(database_url(), 1000, false);
		bool known = database_number(
		        fresh, &task,
		        arena_printf(
		                task.arena,
		                "(current_setting('synchronous_standby_names') = '%s')::int",
		                name));

		db_free(fresh);
		if (known)
			return;
		usleep(2000);
	}
	ck_abort_msg("the setting is not known");
}

static void
standby_setup(void)
{
	setup();
	ck_assert_int_eq(setenv("PGOPTIONS", "-c synchronous_commit=on", 1), 0);
	db = database_open(database_url(), 2000, true);
	ck_assert_int_eq(add("9"), FAIL_NONE);
	db_free(db);
	set_standby("nobody");
	db = database_open(database_url(), 2000, true);
	ck_assert_int_eq(db_connect(db, &task), FAIL_NONE);
}

static void
standby_teardown(void)
{
	set_standby("");
	teardown();
}

/* Backends that wait for the standby. */
static int64_t
waiting(void)
{
	return database_number(other, &task,
	                       "SELECT count(*) FROM pg_stat_activity WHERE wait_event = "
	                       "'SyncRep'");
}

static void
refused(void)
{
	int64_t start_us = clock_monotonic_us();

	ck_assert_int_eq(db_begin(db, &task), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	ck_assert_int_eq(add("2"), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	/* A wait for the standby would last until the statement's time is over. */
	ck_assert_int_lt(clock_monotonic_us() - start_us, 1500000);
}

/* A wait ends with the caller's time. Afterwards changes are refused at once, reading goes on,
 * and no backend is left waiting. */
START_TEST(test_standby_away)
{
	int64_t start_us = clock_monotonic_us();

	db_set_deadline(db, start_us + 800000);
	if (_i == 0) {
		begin();
		ck_assert_int_eq(add("1"), FAIL_NONE);
		ck_assert_int_eq(db_commit(db, &task), FAIL_UNCERTAIN);
	} else {
		ck_assert_int_eq(add("1"), FAIL_UNCERTAIN);
	}
	ck_assert_str_eq(task.failure.code, "outcome_unknown");
	failed(FAIL_UNCERTAIN);
	ck_assert_int_lt(clock_monotonic_us() - start_us, 5000000);
	db_set_deadline(db, 0);
	refused();
	ck_assert_int_eq(db_run(db, &task, &reading, NO_PARAMETERS, NULL), FAIL_NONE);
	ck_assert_int_eq(db_run(db, &task, &local, PARAMETERS("3"), NULL), FAIL_NONE);
	ck_assert_int_eq(waiting(), 0);
	ck_assert_int_eq(stored(), 1000001010);
}
END_TEST

/* A commit is confirmed only by a standby that has it. */
START_TEST(test_confirming)
{
	ck_assert_int_eq(db_confirm(db, &task), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	ck_assert_int_eq(waiting(), 0);
	refused();
	set_standby("");
	for (int tries = 0; add("4") != FAIL_NONE && tries < 5000; tries++) {
		failed(FAIL_UNAVAILABLE);
		usleep(2000);
	}
	ck_assert_int_eq(stored(), 1000010000);
	ck_assert_int_eq(db_confirm(db, &task), FAIL_NONE);
	begin();
	commit();
}
END_TEST

/* The end of a piece of work waits for the standby unless one of its commits has: that of a
 * transaction or of a statement that changed no row has not. */
START_TEST(test_confirming_work)
{
	static const struct statement nothing = {.name = "test_change_nothing",
	                                         .sql = "DELETE FROM test_transactions "
	                                                "WHERE n < 0"};

	ck_assert_int_eq(db_run(db, &task, &nothing, NO_PARAMETERS, NULL), FAIL_NONE);
	begin();
	ck_assert_int_eq(db_run(db, &task, &nothing, NO_PARAMETERS, NULL), FAIL_NONE);
	commit();
	if (_i == 0) {
		ck_assert_int_eq(db_confirm_work(db, &task), FAIL_UNAVAILABLE);
		failed(FAIL_UNAVAILABLE);
		ck_assert_int_eq(db_confirm_work(db, &task), FAIL_UNAVAILABLE);
	} else {
		begin();
		ck_assert_int_eq(db_confirm(db, &task), FAIL_NONE);
		ck_assert_int_eq(db_commit(db, &task), FAIL_UNCERTAIN);
	}
	task_clear(&task);
	ck_assert_int_eq(waiting(), 0);
}
END_TEST

/* A commit that changed rows makes the question needless, until the next piece of work. */
START_TEST(test_confirmed_work)
{
	set_standby("");
	db_set_deadline(db, 0);
	if (_i == 0) {
		ck_assert_int_eq(add("5"), FAIL_NONE);
	} else {
		begin();
		ck_assert_int_eq(add("5"), FAIL_NONE);
		commit();
	}
	set_standby("nobody");
	ck_assert_int_eq(db_confirm_work(db, &task), FAIL_NONE);
	/* The server knows the setting a little later than its sessions. */
	do
		db_set_deadline(db, 0);
	while (db_confirm_work(db, &task) == FAIL_NONE);
	failed(FAIL_UNAVAILABLE);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("db_standby");
	TCase *tcase = tcase_create("standby");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, standby_setup, standby_teardown);
	tcase_add_loop_test(tcase, test_standby_away, 0, 2);
	tcase_add_test(tcase, test_confirming);
	tcase_add_loop_test(tcase, test_confirming_work, 0, 2);
	tcase_add_loop_test(tcase, test_confirmed_work, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
