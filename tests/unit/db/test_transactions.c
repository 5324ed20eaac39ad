/* test_transactions.c: a transaction is reported as committed only when it was. */
#include "support/transaction_fixture.h"

static const struct statement slow = {.name = "test_slow", .sql = "SELECT pg_sleep(20)"};

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

/* Rolling back to a savepoint undoes a failure inside it; the transaction goes on. */
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

/* Deferred constraints are checked at COMMIT. */
START_TEST(test_commit_is_refused)
{
	open_mode(_i);
	ck_assert_int_eq(add("1"), FAIL_NONE);
	begin();
	database_script(db, &task, "SET CONSTRAINTS ALL DEFERRED");
	ck_assert_int_eq(add("1"), FAIL_NONE);
	ck_assert_int_eq(add("2"), FAIL_NONE);
	ck_assert_int_eq(db_commit(db, &task), FAIL_CONFLICT);
	failed(FAIL_CONFLICT);
	ck_assert_int_eq(db_depth(db), 0);
	ck_assert_int_eq(stored(), 10);
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

/* A statement that waits for a locked row fails within its time limit. */
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
	tcase_add_loop_test(tcase, test_time_limit_in_a_transaction, 0, 2);
	tcase_add_loop_test(tcase, test_lock_limit, 0, 2);
	tcase_add_loop_test(tcase, test_prepared_or_not, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
