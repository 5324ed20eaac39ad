/*
 * test_prices.c: Stripe's prices of plans and meters.
 */
#include "support/suite.h"

#include "billing/plans.h"
#include "billing/prices.h"

static struct task task;
static struct plans plans;
static struct price_list list;

static void
setup(void)
{
	task = suite_task();
	ck_assert_int_eq(plans_load(&task, "conf/plans.json", &plans), FAIL_NONE);
	list = (struct price_list){0};
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static enum fail
add(const char *plan, const char *prices)
{
	return price_list_add(&task, &list, &plans, "SETTING", plan, prices);
}

static void
sells(const char *plan, size_t position, const char *price_id)
{
	const struct plan_price *price = price_list_for_plan(&list, plan, position);

	if (price_id == NULL) {
		ck_assert_ptr_null(price);
		return;
	}
	ck_assert_ptr_nonnull(price);
	ck_assert_str_eq(price->price_id, price_id);
	ck_assert_str_eq(price->plan, plan);
}

START_TEST(test_prices)
{
	const struct plan_price *price;

	ck_assert_int_eq(add("starter", " price_a1 ,,price_a2,"), FAIL_NONE);
	ck_assert_int_eq(add("professional", "price_b1"), FAIL_NONE);
	ck_assert_int_eq(add("enterprise", ""), FAIL_NONE);
	ck_assert_uint_eq(list.plan_price_count, 3);
	price = price_list_find(&list, "price_a2");
	ck_assert_ptr_nonnull(price);
	ck_assert_str_eq(price->plan, "starter");
	ck_assert_uint_eq(price->position, 1);
	ck_assert_ptr_null(price_list_find(&list, "price_A1"));
	ck_assert_ptr_null(price_list_find(&list, "price_a"));
	ck_assert_ptr_null(price_list_find(&list, ""));
	ck_assert_ptr_null(price_list_find(&list, NULL));
	sells("starter", 0, "price_a1");
	sells("starter", 1, "price_a2");
	/* A plan without a yearly price is sold at its first one. */
	sells("starter", 7, "price_a1");
	sells("professional", 1, "price_b1");
	sells("enterprise", 0, NULL);
	sells("Starter", 0, NULL);
}
END_TEST

/* The names that the operator must look for stand in the message. */
static void
refused(enum fail kind, const char *what)
{
	ck_assert_int_eq(kind, FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "invalid_setting");
	ck_assert_ptr_eq(strstr(task.failure.message, "SETTING: "), task.failure.message);
	ck_assert_msg(strstr(task.failure.message, what) != NULL, "%s", task.failure.message);
	task_clear(&task);
}

START_TEST(test_prices_refused)
{
	ck_assert_int_eq(add("starter", "price_a"), FAIL_NONE);
	refused(add("starter", "price_b,price_b"), "price_b");
	refused(add("professional", "price_c,price_a"), "price_a");
	refused(add("platinum", "price_d"), "platinum");
	ck_assert_int_eq(add("platinum", " , "), FAIL_NONE);
}
END_TEST

START_TEST(test_too_many_prices)
{
	for (int i = 0; i < PLAN_PRICES_MAX; i++)
		ck_assert_int_eq(add("starter", arena_printf(task.arena, "price_%d", i)),
		                 FAIL_NONE);
	refused(add("starter", "one_more"), "too many");
	ck_assert_uint_eq(list.plan_price_count, PLAN_PRICES_MAX);
}
END_TEST

START_TEST(test_metered_prices)
{
	static const char *const wrong[][2] = {{"price_x", "'price_x' is not a meter"},
	                                       {"calls:", "'calls:' is not a meter"},
	                                       {":price_x", "':price_x' is not a meter"},
	                                       {"other:price_x", "the meter 'other'"},
	                                       {"calls:price_a", "price_a stands twice"},
	                                       {"calls:price_m", "price_m stands twice"}};

	plans.items[1].usage.meters[0] = "storage";
	plans.items[1].usage.meters[1] = "calls";
	ck_assert_int_eq(add("starter", "price_a"), FAIL_NONE);
	ck_assert_int_eq(price_list_add_metered(&task, &list, &plans, "SETTING",
	                                        "calls:price_m, storage:price_s,calls:"
	                                        "price_y,"),
	                 FAIL_NONE);
	ck_assert_str_eq(price_list_meter_of(&list, "price_y"), "calls");
	ck_assert_str_eq(price_list_meter_of(&list, "price_s"), "storage");
	ck_assert_ptr_null(price_list_meter_of(&list, "price_a"));
	ck_assert_ptr_null(price_list_meter_of(&list, NULL));
	ck_assert_str_eq(price_list_for_meter(&list, "calls", 0), "price_m");
	ck_assert_str_eq(price_list_for_meter(&list, "calls", 1), "price_y");
	ck_assert_str_eq(price_list_for_meter(&list, "storage", 1), "price_s");
	ck_assert_ptr_null(price_list_for_meter(&list, "other", 0));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		refused(price_list_add_metered(&task, &list, &plans, "SETTING", wrong[i][0]),
		        wrong[i][1]);
	refused(add("starter", "price_m"), "price_m stands twice");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("prices");
	TCase *tcase = tcase_create("prices");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_prices);
	tcase_add_test(tcase, test_prices_refused);
	tcase_add_test(tcase, test_metered_prices);
	tcase_add_test(tcase, test_too_many_prices);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
