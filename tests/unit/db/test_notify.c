/* test_notify.c: sleeping until a notification comes, or a signal, or the connection is
 * lost. */
#include "support/database.h"

#include <signal.h>
#include <time.h>

#define LONG_MS ((int64_t)60000)

static struct task task;
static struct db *db, *other;
static volatile sig_atomic_t signalled;

static void
setup(void)
{
	task = suite_task();
	db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	other = database_open(database_url(), DATABASE_PATIENT_MS, false);
	database_script(other, &task, "SELECT 1");
	signalled = 0;
}

static void
teardown(void)
{
	db_free(db);
	db_free(other);
	suite_task_end(&task);
}

static void
listen(void)
{
	ck_assert_msg(db_listen(db, &task, "unit_test") == FAIL_NONE, "%s",
	              task.failure.message);
}

static void
notify(void)
{
	database_script(other, &task, "NOTIFY unit_test");
}

/* How long it slept, with every signal blocked. */
static int64_t
slept_ms(int64_t timeout_ms)
{
	int64_t started_us = clock_monotonic_us();
	sigset_t signals;

	sigfillset(&signals);
	db_sleep(db, timeout_ms, &signals);
	return (clock_monotonic_us() - started_us) / 1000;
}

/* The server's process for this connection; 0 when the connection turned out to be lost. */
static int64_t
backend(void)
{
	static const struct column columns[] = COLUMNS(struct database_number, number);
	static const struct statement statement = {.name = "test_backend",
	                                           .sql = "SELECT pg_backend_pid()::bigint AS "
	                                                  "number",
	                                           .columns = columns,
	                                           .row_size = sizeof(struct database_number)};
	struct database_number row = {.number = -1};
	bool found;
	enum fail kind = db_row(db, &task, &statement, NO_PARAMETERS, &row, &found);

	task_clear(&task);
	ck_assert(kind == FAIL_NONE || kind == FAIL_UNAVAILABLE);
	return kind == FAIL_NONE ? row.number : 0;
}

/* Each notification ends one sleep; several that came meanwhile end the same one. */
START_TEST(test_woken)
{
	listen();
	listen();
	for (int i = 0; i < 3; i++) {
		notify();
		notify();
		ck_assert_int_lt(slept_ms(LONG_MS), LONG_MS / 2);
		/* The second notification has been taken, or comes with the answer of a statement. */
		(void)backend();
		(void)slept_ms(20);
		ck_assert_int_ge(slept_ms(20), 19);
	}
}
END_TEST

/* A notification that came with the answer of a statement ends the sleep. */
START_TEST(test_came_with_an_answer)
{
	listen();
	notify();
	(void)backend();
	ck_assert_int_lt(slept_ms(LONG_MS), LONG_MS / 2);
	ck_assert_int_ge(slept_ms(20), 19);
}
END_TEST

START_TEST(test_only_when_committed)
{
	listen();
	database_script(other, &task, "BEGIN; NOTIFY unit_test");
	ck_assert_int_ge(slept_ms(20), 19);
	database_script(other, &task, "COMMIT");
	ck_assert_int_lt(slept_ms(LONG_MS), LONG_MS / 2);
	database_script(other, &task, "NOTIFY another_channel");
	ck_assert_int_ge(slept_ms(20), 19);
}
END_TEST

static void
on_signal(int signal)
{
	(void)signal;
	signalled = 1;
}

/* A signal that waits is delivered in the sleep, and only there: none is lost in between. */
START_TEST(test_signal)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked, before;
	int64_t started_us;

	sigemptyset(&action.sa_mask);
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
	listen();
	ck_assert_int_eq(raise(SIGUSR1), 0);
	ck_assert_int_eq(signalled, 0);
	started_us = clock_monotonic_us();
	db_sleep(db, LONG_MS, &before);
	ck_assert_int_eq(signalled, 1);
	ck_assert_int_lt((clock_monotonic_us() - started_us) / 1000, LONG_MS / 2);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	/* The connection is as it was. */
	notify();
	ck_assert_int_lt(slept_ms(LONG_MS), LONG_MS / 2);
}
END_TEST

/* The next use, or the one that notices the loss, connects again; LISTEN must be repeated. */
START_TEST(test_lost)
{
	int64_t first, second = 0;

	listen();
	first = backend();
	ck_assert_int_gt(first, 0);
	(void)database_number(
	        other, &task,
	        arena_printf(task.arena, "pg_terminate_backend(%lld)::int", (long long)first));
	ck_assert_int_lt(slept_ms(LONG_MS), LONG_MS / 2);
	for (int i = 0; i < 2 && second == 0; i++)
		second = backend();
	ck_assert_int_gt(second, 0);
	ck_assert_int_ne(second, first);
	listen();
	notify();
	ck_assert_int_lt(slept_ms(LONG_MS), LONG_MS / 2);
}
END_TEST

START_TEST(test_not_connected)
{
	ck_assert_int_ge(slept_ms(20), 19);
	ck_assert_int_ge(slept_ms(0), 0);
}
END_TEST

/* Behind PgBouncer in transaction mode there is no LISTEN: it only sleeps. */
START_TEST(test_unprepared)
{
	db_free(db);
	db = database_open(database_url(), DATABASE_PATIENT_MS, false);
	listen();
	notify();
	ck_assert_int_ge(slept_ms(20), 19);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("db notify");
	TCase *tcase = tcase_create("db notify");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_woken);
	tcase_add_test(tcase, test_came_with_an_answer);
	tcase_add_test(tcase, test_only_when_committed);
	tcase_add_test(tcase, test_signal);
	tcase_add_test(tcase, test_lost);
	tcase_add_test(tcase, test_not_connected);
	tcase_add_test(tcase, test_unprepared);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
