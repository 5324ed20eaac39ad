/* test_new_instances.c: the new instances that a customer's reports name in a day are bounded. */
#include "support/usage_fixture.h"

#include "usage/batch.h"

#define INSTANCES "SELECT count(*) FROM instances WHERE customer_id = "
#define IDS "SELECT count(*) FROM usage_report_ids WHERE customer_id = "

enum { MOST = 2 };

static void
setup(void)
{
	usage_setup();
	billing.policy.new_instances_per_day = MOST;
}

static struct usage_report
report_of(const char *instance_id, const char *report_id)
{
	struct usage_report report = usage_sample(0, report_id, 1);

	report.instance_id = instance_id;
	return report;
}

/* Whether the report is stored; otherwise it is refused until tomorrow. */
static bool
send(const char *instance_id, const char *report_id)
{
	struct usage_report report = report_of(instance_id, report_id);
	bool created;

	task_clear(&task);
	if (usage_store(&operation, &report, &created) > 0)
		return true;
	ck_assert_int_eq(task.failure.kind, FAIL_LIMITED);
	ck_assert_str_eq(task.failure.code, "too_many_instances");
	ck_assert_int_gt(task.failure.retry_after_s, 0);
	ck_assert_int_le(task.failure.retry_after_s, DAY_MS / SECOND_MS);
	return false;
}

START_TEST(test_of_a_day)
{
	ck_assert(send("a", NULL) && send("b", NULL));
	ck_assert(!send("c", "c-1") && !send("c", NULL));
	/* Reports of known instances are taken. */
	ck_assert(send("a", "a-1") && send("b", NULL) && send("a", NULL));
	ck_assert_int_eq(count_of(REPORTS, ""), 5);
	ck_assert_int_eq(count_of(INSTANCES, ""), MOST);
	ck_assert_int_eq(count_of(IDS, ""), 1);
	operation.now_ms += DAY_MS;
	ck_assert(send("c", "c-1") && send("d", NULL) && !send("e", NULL) && send("a", NULL));
	ck_assert_int_eq(count_of(INSTANCES, ""), 4);
	/* A host whose request is of the day before does not empty the count. */
	operation.now_ms -= DAY_MS;
	ck_assert(!send("f", NULL));
	operation.now_ms += DAY_MS;
	ck_assert(!send("g", NULL));
	task_clear(&task);
}
END_TEST

/* The first reports of a batch are taken. */
START_TEST(test_of_a_batch)
{
	struct usage_item items[] = {
	        {.report = report_of("z", "1")},  {.report = report_of("known", "2")},
	        {.report = report_of("y", "3")},  {.report = report_of("x", "4")},
	        {.report = report_of("z", NULL)}, {.report = report_of("known", "0")}};
	static const enum usage_status wanted[] = {USAGE_CREATED,  USAGE_CREATED,
	                                           USAGE_TOO_MANY, USAGE_TOO_MANY,
	                                           USAGE_CREATED,  USAGE_DUPLICATE};

	ck_assert(send("known", "0"));
	fine(usage_report_batch(&operation, items, 6));
	for (size_t i = 0; i < 6; i++)
		ck_assert_int_eq(items[i].status, wanted[i]);
	ck_assert_int_eq(count_of(REPORTS, ""), 4);
	ck_assert_int_eq(count_of(INSTANCES, ""), MOST);
	ck_assert_int_eq(count_of(IDS, ""), 3);
	/* Reports with an id of a stored one stay its duplicates. */
	ck_assert_int_gt(items[5].report.usage_id, 0);
	fine(usage_report_batch(&operation, &items[2], 2));
	ck_assert(items[2].status == USAGE_TOO_MANY && items[3].status == USAGE_TOO_MANY);
	operation.now_ms += DAY_MS;
	fine(usage_report_batch(&operation, &items[2], 2));
	ck_assert(items[2].status == USAGE_CREATED && items[3].status == USAGE_CREATED);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("usage_new_instances");
	TCase *tcase = tcase_create("bound");

	tcase_set_timeout(tcase, 300);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, setup, fixture_teardown);
	tcase_add_test(tcase, test_of_a_day);
	tcase_add_test(tcase, test_of_a_batch);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
