/*
 * test_transactions.c: nothing counts as stored that is not, and lost connections are noticed.
 */
#include "database.h"

#include <signal.h>

enum { TIMEOUT_MS = 400 };

static struct task task;
static struct db *db;    /* the one under test */
static struct db *other; /* looks on, and plays the operator */

static const struct column number_columns[] = {COLUMN(struct database_number, number),
                                               COLUMN_END};
static const struct statement insert = {
        .name = "test_insert", .sql = "INSERT INTO test_transactions VALUES ($1::bigint)"};
static const struct statement backend = {.name = "test_backend",
                                         .columns = number_columns,
                                         .row_size = sizeof(struct database_number),
                                         .sql = "SELECT pg_backend_pid()::bigint AS number"};
static const struct statement slow = {.name = "test_slow", .sql = "SELECT pg_sleep(20)"};

static void
setup(void)
{
	task = suite_task();
	other = database_open(database_url(), 30000, false);
	database_script(
	        other, &task,
	        "DROP TABLE IF EXISTS test_transactions;"
	        "DROP FUNCTION IF EXISTS test_end;"
	        "CREATE TABLE test_transactions (n bigint CONSTRAINT test_transactions_once"
	        " UNIQUE DEFERRABLE INITIALLY IMMEDIATE)");
	db = NULL;
}

static void
teardown(void)
{
	db_free(db);
	database_script(other, &task, "DROP TABLE test_transactions");
	db_free(other);
	suite_task_end(&task);
}

/* Looped over: with prepared statements, and without. Connected and used. */
static void
open_limited(int unprepared, int64_t timeout_ms)
{
	db = database_open(database_url(), timeout_ms, unprepared == 0);
	ck_assert_int_eq(db_run(db, &task, &insert, PARAMETERS("100"), NULL), FAIL_NONE);
	database_script(other, &task, "DELETE FROM test_transactions");
}

static void
open_mode(int unprepared)
{
	open_limited(unprepared, TIMEOUT_MS);
}

static void
begin(void)
{
	ck_assert_msg(db_begin(db, &task) == FAIL_NONE, "%s", task.failure.message);
}

static void
commit(void)
{
	ck_assert_msg(db_commit(db, &task) == FAIL_NONE, "%s", task.failure.message);
}

static enum fail
add(const char *number)
{
	return db_run(db, &task, &insert, PARAMETERS(number), NULL);
}

/* The failure so far is this one, and is dealt with. */
static void
failed(enum fail kind)
{
	ck_assert_msg(task.failure.kind == kind, "%d: %s", (int)task.failure.kind,
	              task.failure.message);
	task_clear(&task);
}

/* What others see of the table, as one decimal number: the sum of 10^n. */
static int64_t
stored(void)
{
	return database_number(other, &task,
	                       "SELECT COALESCE(sum(10 ^ n), 0) FROM test_transactions");
}

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

START_TEST(test_commit_and_rollback)
{
	open_mode(_i);
	begin();
	ck_assert_int_eq(db_depth(db), 1);
	ck_assert_int_eq(add("1"), FAIL_NONE);
	ck_assert_int_eq(stored(), 0);
	commit();
	ck_assert_int_eq(db_depth(db), 0);
	ck_assert_int_eq(stored(), 10);
	begin();
	ck_assert_int_eq(add("2"), FAIL_NONE);
	db_rollback_to(db, 0);
	ck_assert_int_eq(db_depth(db), 0);
	ck_assert_int_eq(stored(), 10);
	db_rollback_to(db, 0);
	ck_assert_int_eq(add("3"), FAIL_NONE);
	ck_assert_int_eq(stored(), 1010);
}
END_TEST

START_TEST(test_savepoints)
{
	open_mode(_i);
	begin();
	ck_assert_int_eq(add("1"), FAIL_NONE);
	begin();
	ck_assert_int_eq(add("2"), FAIL_NONE);
	begin();
	ck_assert_int_eq(add("3"), FAIL_NONE);
	ck_assert_int_eq(db_depth(db), 3);
	db_rollback_to(db, 1);
	ck_assert_int_eq(db_depth(db), 1);
	ck_assert_int_eq(add("4"), FAIL_NONE);
	begin();
	ck_assert_int_eq(add("5"), FAIL_NONE);
	commit();
	begin();
	begin();
	ck_assert_int_eq(add("6"), FAIL_NONE);
	db_rollback_to(db, 2);
	ck_assert_int_eq(add("7"), FAIL_NONE);
	commit();
	ck_assert_int_eq(stored(), 0);
	commit();
	ck_assert_int_eq(stored(), 10110010);
}
END_TEST

/* A refusal inside a savepoint is undone with it, and only with it. */
START_TEST(test_failure_in_a_savepoint)
{
	open_mode(_i);
	begin();
	ck_assert_int_eq(add("1"), FAIL_NONE);
	begin();
	ck_assert_int_eq(add("2"), FAIL_NONE);
	ck_assert_int_eq(add("1"), FAIL_CONFLICT);
	failed(FAIL_CONFLICT);
	/* Until then the transaction takes nothing more. */
	ck_assert_int_ne(add("3"), FAIL_NONE);
	task_clear(&task);
	db_rollback_to(db, 1);
	ck_assert_int_eq(add("4"), FAIL_NONE);
	commit();
	ck_assert_int_eq(stored(), 10010);
}
END_TEST

START_TEST(test_commit_of_a_failed_transaction)
{
	open_mode(_i);
	begin();
	ck_assert_int_eq(add("1"), FAIL_NONE);
	ck_assert_int_eq(add("abc"), FAIL_INVALID);
	task_clear(&task);
	ck_assert_int_eq(db_commit(db, &task), FAIL_INTERNAL);
	failed(FAIL_INTERNAL);
	ck_assert_int_eq(db_depth(db), 0);
	ck_assert_int_eq(stored(), 0);
	ck_assert_int_eq(add("2"), FAIL_NONE);
	ck_assert_int_eq(stored(), 100);
}
END_TEST

/* Some rules are only checked at the end. */
START_TEST(test_commit_is_refused)
{
	open_mode(_i);
	ck_assert_int_eq(add("1"), FAIL_NONE);
	begin();
	database_script(db, &task, "SET CONSTRAINTS ALL DEFERRED");
	ck_assert_int_eq(add("1"), FAIL_NONE);
	ck_assert_int_eq(add("2"), FAIL_NONE);
	ck_assert_int_eq(db_commit(db, &task), FAIL_CONFLICT);
	ck_assert_str_eq(db_constraint(db), "test_transactions_once");
	failed(FAIL_CONFLICT);
	ck_assert_int_eq(db_depth(db), 0);
	ck_assert_int_eq(stored(), 10);
}
END_TEST

/* Outside of a transaction nobody notices that the server had closed the connection. */
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

/* Inside, what was done is gone: nothing more may run as if it were still there. */
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

/* Nobody knows what became of a COMMIT that was answered with the end of the connection. */
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

/* A server that hangs while it has the COMMIT: it may well come about later. */
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

START_TEST(test_time_limit_in_a_transaction)
{
	open_mode(_i);
	begin();
	ck_assert_int_eq(add("1"), FAIL_NONE);
	ck_assert_int_eq(db_run(db, &task, &slow, NO_PARAMETERS, NULL), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	ck_assert_int_ne(db_commit(db, &task), FAIL_NONE);
	task_clear(&task);
	ck_assert_int_eq(stored(), 0);
	ck_assert_int_eq(add("2"), FAIL_NONE);
}
END_TEST

/* Whoever waits for a row in use gives up in time. */
START_TEST(test_lock_limit)
{
	open_mode(_i);
	ck_assert_int_eq(db_begin(other, &task), FAIL_NONE);
	database_script(other, &task, "INSERT INTO test_transactions VALUES (1)");
	ck_assert_int_eq(add("1"), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	ck_assert_int_eq(db_commit(other, &task), FAIL_NONE);
	ck_assert_int_eq(add("1"), FAIL_CONFLICT);
	failed(FAIL_CONFLICT);
}
END_TEST

START_TEST(test_prepared_or_not)
{
	static const struct statement counting = {
	        .name = "test_counting",
	        .columns = number_columns,
	        .row_size = sizeof(struct database_number),
	        .sql = "SELECT count(*) AS number FROM pg_prepared_statements "
	               "WHERE name LIKE 'test_%'"};
	struct database_number row = {0};
	bool found;

	open_mode(_i);
	ck_assert_int_eq(add("1"), FAIL_NONE);
	ck_assert_int_eq(add("2"), FAIL_NONE);
	ck_assert_int_eq(db_row(db, &task, &counting, NO_PARAMETERS, &row, &found), FAIL_NONE);
	ck_assert_int_eq(row.number, _i == 0 ? 2 : 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("transactions");
	TCase *tcase = tcase_create("transactions");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_commit_and_rollback, 0, 2);
	tcase_add_loop_test(tcase, test_savepoints, 0, 2);
	tcase_add_loop_test(tcase, test_failure_in_a_savepoint, 0, 2);
	tcase_add_loop_test(tcase, test_commit_of_a_failed_transaction, 0, 2);
	tcase_add_loop_test(tcase, test_commit_is_refused, 0, 2);
	tcase_add_loop_test(tcase, test_closed_while_idle, 0, 2);
	tcase_add_loop_test(tcase, test_closed_in_a_transaction, 0, 2);
	tcase_add_loop_test(tcase, test_closed_in_a_savepoint, 0, 2);
	tcase_add_loop_test(tcase, test_closed_in_commit, 0, 2);
	tcase_add_loop_test(tcase, test_silence_in_commit, 0, 2);
	tcase_add_loop_test(tcase, test_silence, 0, 2);
	tcase_add_loop_test(tcase, test_time_limit_in_a_transaction, 0, 2);
	tcase_add_loop_test(tcase, test_lock_limit, 0, 2);
	tcase_add_loop_test(tcase, test_prepared_or_not, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
