/* test_lost.c: connections that end or hang while idle, in a transaction and in COMMIT. */
#include "support/transaction_fixture.h"

#include <signal.h>

static const struct statement backend = {.name = "test_backend",
                                         .columns = number_columns,
                                         .row_size = sizeof(struct database_number),
                                         .sql = "SELECT pg_backend_pid()::bigint AS number"};

static int64_t
backend_pid(void)
{
	struct database_number row = {0};
	bool found;

	ck_assert_int_eq(db_row(db, &task, &backend, NO_PARAMETERS, &row, &found), FAIL_NONE);
	return row.number;
}

/* Ends the connection under test from the server's side, and waits until it has ended. */
static void
terminate(int64_t pid)
{
	(void)database_number(other, &task,
	                      arena_printf(task.arena,
	                                   "SELECT pg_terminate_backend(%d, 10000)::int",
	                                   (int)pid));
	ck_assert_int_eq(
	        database_number(
	                other, &task,
	                arena_printf(task.arena,
	                             "SELECT count(*) FROM pg_stat_activity WHERE pid = %d",
	                             (int)pid)),
	        0);
}

/* Outside of a transaction a closed connection is replaced without a failure. */
START_TEST(test_closed_while_idle)
{
	int64_t pid;

	open_mode(_i);
	terminate(backend_pid());
	ck_assert_msg(add("1") == FAIL_NONE, "%s", task.failure.message);
	terminate(backend_pid());
	begin();
	ck_assert_int_eq(add("2"), FAIL_NONE);
	commit();
	pid = backend_pid();
	terminate(pid);
	ck_assert_int_ne(backend_pid(), pid);
	ck_assert_int_eq(stored(), 110);
}
END_TEST

/* A transaction whose connection was lost runs no further statement. */
START_TEST(test_closed_in_a_transaction)
{
	open_mode(_i);
	begin();
	ck_assert_int_eq(add("1"), FAIL_NONE);
	terminate(backend_pid());
	ck_assert_int_eq(add("2"), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	ck_assert_int_eq(add("3"), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	ck_assert_int_eq(db_begin(db, &task), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	ck_assert_int_eq(db_commit(db, &task), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	ck_assert_int_eq(db_depth(db), 0);
	ck_assert_int_eq(add("4"), FAIL_NONE);
	ck_assert_int_eq(stored(), 10000);
}
END_TEST

/* A rollback to a savepoint does not mend a transaction whose connection is gone. */
START_TEST(test_closed_in_a_savepoint)
{
	open_mode(_i);
	begin();
	begin();
	terminate(backend_pid());
	ck_assert_int_eq(add("1"), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	db_rollback_to(db, 1);
	ck_assert_int_eq(add("2"), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	db_rollback_to(db, 0);
	ck_assert_int_eq(add("3"), FAIL_NONE);
	ck_assert_int_eq(stored(), 1000);
}
END_TEST

/* A COMMIT that is answered with the end of the connection has an unknown outcome. */
START_TEST(test_closed_in_commit)
{
	open_mode(_i);
	database_script(
	        other, &task,
	        "CREATE FUNCTION test_end() RETURNS trigger LANGUAGE plpgsql AS"
	        " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';"
	        "CREATE CONSTRAINT TRIGGER ends AFTER INSERT ON test_transactions"
	        " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION test_end()");
	begin();
	ck_assert_int_eq(add("1"), FAIL_NONE);
	ck_assert_int_eq(db_commit(db, &task), FAIL_UNCERTAIN);
	ck_assert_str_eq(task.failure.code, "outcome_unknown");
	failed(FAIL_UNCERTAIN);
	database_script(other, &task, "DROP FUNCTION test_end CASCADE");
	ck_assert_int_eq(db_depth(db), 0);
	ck_assert_int_eq(add("2"), FAIL_NONE);
	ck_assert_int_eq(stored(), 100);
}
END_TEST

/* A server hangs during COMMIT, which may still succeed later. */
START_TEST(test_silence_in_commit)
{
	int64_t start, pid;

	/* The server itself ends idle transactions after twice this time. */
	open_limited(_i, 1500);
	begin();
	ck_assert_int_eq(add("1"), FAIL_NONE);
	pid = backend_pid();
	ck_assert_int_eq(kill((pid_t)pid, SIGSTOP), 0);
	start = clock_monotonic_us();
	ck_assert_int_eq(db_commit(db, &task), FAIL_UNCERTAIN);
	ck_assert_int_lt(clock_monotonic_us() - start, 10000000);
	failed(FAIL_UNCERTAIN);
	ck_assert_int_eq(stored(), 0);
	ck_assert_int_eq(kill((pid_t)pid, SIGCONT), 0);
	for (int tries = 0; stored() == 0 && tries < 500; tries++)
		usleep(10000);
	ck_assert_int_eq(stored(), 10);
}
END_TEST

/* Without a transaction a statement that writes is its own COMMIT, one that reads is not. */
START_TEST(test_silence)
{
	int64_t pid;

	open_mode(_i);
	for (int writes = 0; writes < 2; writes++) {
		ck_assert_int_eq(add(writes ? "3" : "4"), FAIL_NONE);
		pid = backend_pid();
		ck_assert_int_eq(kill((pid_t)pid, SIGSTOP), 0);
		if (writes)
			ck_assert_int_eq(add("1"), FAIL_UNCERTAIN);
		else
			ck_assert_int_eq(db_run(db, &task, &backend, NO_PARAMETERS, NULL),
			                 FAIL_UNAVAILABLE);
		task_clear(&task);
		ck_assert_int_eq(kill((pid_t)pid, SIGCONT), 0);
	}
	ck_assert_int_eq(add("2"), FAIL_NONE);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("db_lost");
	TCase *tcase = tcase_create("lost");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_closed_while_idle, 0, 2);
	tcase_add_loop_test(tcase, test_closed_in_a_transaction, 0, 2);
	tcase_add_loop_test(tcase, test_closed_in_a_savepoint, 0, 2);
	tcase_add_loop_test(tcase, test_closed_in_commit, 0, 2);
	tcase_add_loop_test(tcase, test_silence_in_commit, 0, 2);
	tcase_add_loop_test(tcase, test_silence, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
