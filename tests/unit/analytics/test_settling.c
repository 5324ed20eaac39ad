/* test_settling.c: the job books what is due for a few customers at once, and tells what waits. */
#include "support/stripe_fixture.h"

#include "analytics/revenue.h"

/* Customers of other tests have settled. */
static void
nothing_is_due(void)
{
	static const struct statement statement = {
	        .name = "test_not_due",
	        .sql = "UPDATE revenue_customers SET due_at = NULL WHERE due_at IS NOT NULL"};

	fine(db_run(operation.db, &task, &statement, NO_PARAMETERS, NULL));
}

/* Makes `count` customers whose changes were due a minute ago. */
static void
make_due(const char *count)
{
	static const struct statement statement = {
	        .name = "test_due",
	        .sql = "WITH made AS (INSERT INTO customers (customer_id, email) "
	               "SELECT 'cust_' || md5($1 || n), $1 || n || '@due.example' "
	               "FROM generate_series(1, $2::bigint) n RETURNING customer_id) "
	               "INSERT INTO revenue_customers (customer_id, due_at) "
	               "SELECT customer_id, $3::timestamptz FROM made"};

	fine(db_run(operation.db, &task, &statement,
	            PARAMETERS(random_id(task.arena, "due_", 8), count,
	                       param_time(&task, INSTANT_MS(NOW_MS - 60 * SECOND_MS))),
	            NULL));
}

START_TEST(test_a_step_settles_few_customers)
{
	struct revenue_figures figures;
	int64_t done = 0;

	nothing_is_due();
	make_due("60");
	operation.batch = 500;
	fine(revenue_figures(&operation, &figures));
	ck_assert(figures.overdue_since.known);
	ck_assert_int_eq(figures.overdue_since.ms, NOW_MS - 60 * SECOND_MS);
	fine(revenue_run(&operation, &done));
	ck_assert_int_eq(done, 50);
	fine(revenue_run(&operation, &done));
	ck_assert_int_eq(done, 10);
	fine(revenue_run(&operation, &done));
	ck_assert_int_eq(done, 0);
	fine(revenue_figures(&operation, &figures));
	ck_assert(!figures.overdue_since.known);
	ck_assert(figures.settled_at.known);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("settling");
	TCase *tcase = tcase_create("settling");

	tcase_add_checked_fixture(tcase, stripe_setup, fixture_teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_a_step_settles_few_customers);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
