/* test_retention.c: months of reports are made in time and dropped as a whole, without
 * blocking. */
#include "support/usage_fixture.h"

#define MONTHS                                                                                 \
	"SELECT count(*) FROM pg_inherits WHERE inhparent = 'usage_reports'::regclass AND '' " \
	"<> "
#define DAYS "SELECT sum(reports) FROM usage_daily WHERE customer_id = "
#define IDS "SELECT count(*) FROM usage_report_ids WHERE customer_id = "

/* The tests use days of their own: no other rows in the database are as old as NOW_MS. */
static int64_t
later(int64_t days)
{
	operation.now_ms = NOW_MS + days * DAY_MS;
	return operation.now_ms;
}

START_TEST(test_months_are_made_ahead)
{
	int64_t made, before = count_of(MONTHS, "");

	fine(usage_make_months(&operation, &made));
	ck_assert_int_eq(made, 0);
	/* Tests of other programs may have made the next ones. */
	for (int64_t days = 31; made == 0; days += 28) {
		later(days);
		fine(usage_make_months(&operation, &made));
	}
	ck_assert_int_eq(made, 1);
	ck_assert_int_eq(count_of(MONTHS, ""), before + 1);
	/* The latest and the earliest time that a report may have. */
	(void)usage_send(USAGE_LATE_DAYS * DAY_MS, NULL, 1);
	(void)usage_send(-USAGE_AHEAD_MINUTES * 60 * SECOND_MS, NULL, 1);
	ck_assert_int_eq(count_of(REPORTS, ""), 2);
}
END_TEST

START_TEST(test_old_months_are_dropped)
{
	int64_t dropped, pruned, days = billing.policy.usage_retention_days;

	(void)usage_send(0, "old", 3);
	(void)usage_send(30 * DAY_MS, "older", 4);
	ck_assert_int_ge(usage_fold_all(), 2);
	fine(usage_drop_months(&operation, &dropped));
	ck_assert_int_eq(count_of(REPORTS, ""), 2);
	/* The month of NOW_MS ends some days later. It stays until all of it is old. */
	later(days);
	fine(usage_drop_months(&operation, &dropped));
	ck_assert_int_ge(dropped, 1);
	ck_assert_int_eq(count_of(REPORTS, ""), 1);
	fine(usage_prune_ids(&operation, &pruned));
	ck_assert_int_ge(pruned, 1);
	ck_assert_int_eq(count_of(IDS, ""), 1);
	later(days + 31);
	fine(usage_drop_months(&operation, &dropped));
	fine(usage_prune_ids(&operation, &pruned));
	ck_assert_int_eq(count_of(REPORTS, ""), 0);
	ck_assert_int_eq(count_of(IDS, ""), 0);
	ck_assert_int_eq(count_of(DAYS, ""), 2);
	ck_assert_int_eq(count_of("SELECT count(*) FROM pg_class WHERE relname ~ "
	                          "'^usage_reports_2' AND relkind = 'r' AND NOT "
	                          "relispartition AND '' <> ",
	                          ""),
	                 0);
	fine(usage_drop_months(&operation, &dropped));
	ck_assert_int_eq(dropped, 0);
}
END_TEST

/* A service whose clock is years ahead deletes no report that is young by the database's
 * clock. */
START_TEST(test_a_wrong_clock_deletes_nothing)
{
	int64_t dropped, pruned, made;

	operation.now_ms = clock_now_ms();
	fine(usage_make_months(&operation, &made));
	(void)usage_send(0, "young", 1);
	operation.now_ms += 3650 * DAY_MS;
	fine(usage_drop_months(&operation, &dropped));
	fine(usage_prune_ids(&operation, &pruned));
	ck_assert_int_eq(count_of(REPORTS, ""), 1);
	ck_assert_int_eq(count_of(IDS, ""), 1);
}
END_TEST

START_TEST(test_clean_up)
{
	int64_t deleted;

	later(0);
	(void)usage_send(0, "now", 1);
	(void)usage_send(2 * DAY_MS, "two", 1);
	(void)usage_send(20 * DAY_MS, "twenty", 1);
	(void)usage_send(34 * DAY_MS, "late", 1);
	ck_assert_int_ge(usage_fold_all(), 4);
	fine(usage_clean_up(&operation, 10, &deleted));
	ck_assert_int_ge(deleted, 2);
	ck_assert_int_eq(count_of(REPORTS, ""), 2);
	ck_assert_int_eq(count_of(DAYS, ""), 4);
	/* A report that was counted is not counted again after it was deleted. */
	{
		struct usage_report again = usage_sample(20 * DAY_MS, "twenty", 1);
		bool created;

		ck_assert_int_gt(usage_store(&operation, &again, &created), 0);
		ck_assert(!created && again.reported_at.ms == NOW_MS - 20 * DAY_MS);
	}
	ck_assert_int_eq(count_of(DAYS, ""), 4);
	/* Whole months are counted too. */
	later(200);
	fine(usage_clean_up(&operation, 100, &deleted));
	ck_assert_int_ge(deleted, 2);
	ck_assert_int_eq(count_of(REPORTS, ""), 0);
}
END_TEST

/* While a long transaction reads a month, the month is not dropped, so that no report has to
 * wait. */
START_TEST(test_a_month_in_use_is_left_for_later)
{
	struct db *reader = database_open(database_url(), DATABASE_PATIENT_MS, false);
	int64_t dropped, started_us;

	(void)usage_send(0, "old", 3);
	database_script(reader, &task, "BEGIN; SELECT count(*) FROM usage_reports");
	later(400);
	started_us = clock_monotonic_us();
	fine(usage_drop_months(&operation, &dropped));
	ck_assert_int_eq(dropped, 0);
	ck_assert_int_lt(clock_monotonic_us() - started_us, 8000000);
	ck_assert_int_eq(count_of(REPORTS, ""), 1);
	database_script(reader, &task, "COMMIT");
	fine(usage_drop_months(&operation, &dropped));
	ck_assert_int_ge(dropped, 1);
	ck_assert_int_eq(count_of(REPORTS, ""), 0);
	db_free(reader);
}
END_TEST

/* A crash between detaching and dropping a month leaves a table that the next run drops. */
START_TEST(test_half_dropped)
{
	int64_t dropped;

	(void)usage_send(0, "old", 3);
	later(400);
	change("SELECT usage_partition_detach('2999-01-01', '2025-06-01', false) WHERE '' <> ",
	       "");
	fine(usage_drop_months(&operation, &dropped));
	ck_assert_int_eq(count_of("SELECT count(*) FROM pg_class WHERE relname ~ "
	                          "'^usage_reports_2' AND relkind = 'r' AND NOT "
	                          "relispartition AND '' <> ",
	                          ""),
	                 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("usage_retention");
	TCase *tcase = usage_case("retention");

	tcase_add_test(tcase, test_months_are_made_ahead);
	tcase_add_test(tcase, test_old_months_are_dropped);
	tcase_add_test(tcase, test_a_wrong_clock_deletes_nothing);
	tcase_add_test(tcase, test_clean_up);
	tcase_add_test(tcase, test_a_month_in_use_is_left_for_later);
	tcase_add_test(tcase, test_half_dropped);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
