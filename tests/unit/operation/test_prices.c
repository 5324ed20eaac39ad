/* test_prices.c: Stripe's prices of plans and meters. */
#include <string.h>

#include "support/suite.h"

#include "operation/operation.h"

static struct task task;
static struct billing billing;

static void
setup(void)
{
	task = suite_task();
	billing = (struct billing){0};
	ck_assert_int_eq(plans_load(&task, "conf/plans.json", &billing.plans), FAIL_NONE);
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static enum fail
add_plans(const char *value)
{
	return prices_add_plans(&task, &billing, "SETTING", value);
}

static enum fail
add_plan(const char *plan, const char *value)
{
	return prices_add_plan(&task, &billing, "SETTING", plan, value);
}

static enum fail
add_meters(const char *value)
{
	return prices_add_meters(&task, &billing, "SETTING", value);
}

static void
sells(const struct price_list *list, const char *sold, size_t position, const char *price_id)
{
	const struct price *price = price_list_for(list, sold, position);

	if (price_id == NULL) {
		ck_assert_ptr_null(price);
		return;
	}
	ck_assert_ptr_nonnull(price);
	ck_assert_str_eq(price->price_id, price_id);
	ck_assert_str_eq(price->sells, sold);
}

static void
sells_by(const char *plan, const char *interval, size_t near, const char *price_id)
{
	const struct price *price =
	        price_list_for_terms(&billing.plan_prices, &billing.plans, plan,
	                             &(struct price_terms){.interval = interval}, near);

	if (price_id == NULL) {
		ck_assert_ptr_null(price);
		return;
	}
	ck_assert_ptr_nonnull(price);
	ck_assert_str_eq(price->price_id, price_id);
}

/* The plan's prices in PLANS_FILE. */
static void
list_prices(const char *plan, size_t count, const char *const *intervals)
{
	for (size_t i = 0; i < billing.plans.count; i++) {
		struct plan *item = &billing.plans.items[i];

		if (strcmp(item->id, plan) != 0)
			continue;
		item->price_count = count;
		for (size_t k = 0; k < count; k++)
			item->prices[k] = (struct plan_price){.interval = intervals[k],
			                                      .interval_count = 1,
			                                      .currency = "usd"};
	}
}

START_TEST(test_intervals)
{
	ck_assert_int_eq(
	        add_plans("starter:s0,starter:s1,starter:s2,starter:s3,professional:p0,"
	                  "professional:p1,enterprise:e0,enterprise:e1"),
	        FAIL_NONE);
	list_prices("starter", 3, (const char *const[]){"month", "year", "month"});
	list_prices("professional", 1, (const char *const[]){"year"});
	sells_by("starter", "month", 0, "s0");
	sells_by("starter", "year", 0, "s1");
	sells_by("starter", "month", 2, "s2");
	/* Behind the listed prices only older ones stand. */
	sells_by("starter", "month", 3, "s0");
	sells_by("professional", "month", 0, NULL);
	sells_by("professional", "year", 1, "p0");
	/* A plan without listed prices has the intervals of the others. */
	sells_by("enterprise", "year", 0, "e1");
	sells_by("enterprise", "month", 2, "e0");
	sells_by("enterprise", "week", 0, NULL);
	sells_by("gold", "month", 0, NULL);
}
END_TEST

START_TEST(test_plans)
{
	const struct price_list *list = &billing.plan_prices;
	const struct price *price;

	ck_assert_int_eq(
	        add_plans(" starter:price_a1 ,,professional:price_b1,starter:price_a2,"),
	        FAIL_NONE);
	ck_assert_uint_eq(list->count, 3);
	price = price_list_find(list, "price_a2");
	ck_assert_ptr_nonnull(price);
	ck_assert_str_eq(price->sells, "starter");
	ck_assert_uint_eq(price->position, 1);
	ck_assert_ptr_null(price_list_find(list, "price_A1"));
	ck_assert_ptr_null(price_list_find(list, "price_a"));
	ck_assert_ptr_null(price_list_find(list, ""));
	ck_assert_ptr_null(price_list_find(list, NULL));
	sells(list, "starter", 0, "price_a1");
	sells(list, "starter", 1, "price_a2");
	/* A plan without a yearly price is sold at its first one. */
	sells(list, "starter", 7, "price_a1");
	sells(list, "professional", 1, "price_b1");
	sells(list, "enterprise", 0, NULL);
	sells(list, "Starter", 0, NULL);
}
END_TEST

/* Any plan of plans.json can be sold, not only the three of the older settings. */
START_TEST(test_a_fourth_plan)
{
	billing.plans.items[billing.plans.count] = billing.plans.items[0];
	billing.plans.items[billing.plans.count++].id = "platinum";
	ck_assert_int_eq(add_plans("platinum:price_d,starter:price_a"), FAIL_NONE);
	sells(&billing.plan_prices, "platinum", 0, "price_d");
}
END_TEST

/* The message begins with the setting and names what the operator must look for. */
static void
refused(enum fail kind, const char *what)
{
	ck_assert_int_eq(kind, FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "invalid_setting");
	ck_assert_ptr_eq(strstr(task.failure.message, "SETTING: "), task.failure.message);
	ck_assert_msg(strstr(task.failure.message, what) != NULL, "%s", task.failure.message);
	task_clear(&task);
}

START_TEST(test_plans_refused)
{
	static const char *const wrong[][2] = {
	        {"price_b", "'price_b' is not a plan"},
	        {"starter:", "'starter:' is not a plan"},
	        {":price_b", "':price_b' is not a plan"},
	        {"starter:price_b,starter:price_b", "price_b stands twice"},
	        {"professional:price_c,professional:price_a", "price_a stands twice"},
	        {"platinum:price_d", "no plan or add-on 'platinum'"},
	};

	ck_assert_int_eq(add_plans("starter:price_a"), FAIL_NONE);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		refused(add_plans(wrong[i][0]), wrong[i][1]);
}
END_TEST

/* The older settings, which name the prices of one plan. */
START_TEST(test_one_plan)
{
	ck_assert_int_eq(add_plan("starter", " price_a1 ,,price_a2,"), FAIL_NONE);
	ck_assert_int_eq(add_plan("professional", "price_b1"), FAIL_NONE);
	ck_assert_int_eq(add_plan("enterprise", ""), FAIL_NONE);
	ck_assert_uint_eq(billing.plan_prices.count, 3);
	sells(&billing.plan_prices, "starter", 0, "price_a1");
	sells(&billing.plan_prices, "starter", 1, "price_a2");
	sells(&billing.plan_prices, "professional", 0, "price_b1");
	refused(add_plan("enterprise", "price_c,price_a1"), "price_a1 stands twice");
	refused(add_plan("platinum", "price_d"), "platinum");
	ck_assert_int_eq(add_plan("platinum", " , "), FAIL_NONE);
}
END_TEST

/* The old and the new form of the setting must not contradict each other. */
START_TEST(test_one_plan_beside_plans)
{
	ck_assert_int_eq(add_plans("starter:price_a1,starter:price_a2"), FAIL_NONE);
	ck_assert_int_eq(add_plan("starter", "price_a1, price_a2"), FAIL_NONE);
	ck_assert_int_eq(add_plan("starter", " "), FAIL_NONE);
	ck_assert_int_eq(add_plan("professional", "price_b1"), FAIL_NONE);
	ck_assert_uint_eq(billing.plan_prices.count, 3);
	refused(add_plan("starter", "price_a1"), "other prices of the plan starter");
	refused(add_plan("starter", "price_a2,price_a1"), "other prices of the plan starter");
	refused(add_plan("starter", "price_a1,price_a2,price_a1"), "remove SETTING");
	refused(add_plan("enterprise", "price_a1"), "price_a1 stands twice");
}
END_TEST

START_TEST(test_too_many_prices)
{
	for (int i = 0; i < PRICES_MAX; i++)
		ck_assert_int_eq(add_plans(arena_printf(task.arena, "starter:price_%d", i)),
		                 FAIL_NONE);
	refused(add_plans("starter:one_more"), "too many");
	ck_assert_uint_eq(billing.plan_prices.count, PRICES_MAX);
}
END_TEST

START_TEST(test_meters)
{
	static const char *const wrong[][2] = {{"price_x", "'price_x' is not a meter"},
	                                       {"calls:", "'calls:' is not a meter"},
	                                       {":price_x", "':price_x' is not a meter"},
	                                       {"other:price_x", "the meter 'other'"},
	                                       {"calls:price_a", "price_a stands twice"},
	                                       {"calls:price_m", "price_m stands twice"}};
	const struct price_list *list = &billing.meter_prices;

	billing.plans.items[1].usage.meters[0] = "storage";
	billing.plans.items[1].usage.meters[1] = "calls";
	ck_assert_int_eq(add_plans("starter:price_a"), FAIL_NONE);
	ck_assert_int_eq(add_meters("calls:price_m, storage:price_s,calls:price_y,"),
	                 FAIL_NONE);
	ck_assert_str_eq(price_list_find(list, "price_y")->sells, "calls");
	ck_assert_str_eq(price_list_find(list, "price_s")->sells, "storage");
	ck_assert_ptr_null(price_list_find(list, "price_a"));
	sells(list, "calls", 0, "price_m");
	sells(list, "calls", 1, "price_y");
	sells(list, "storage", 1, "price_s");
	sells(list, "other", 0, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		refused(add_meters(wrong[i][0]), wrong[i][1]);
	refused(add_plans("starter:price_m"), "price_m stands twice");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("prices");
	TCase *tcase = tcase_create("prices");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_plans);
	tcase_add_test(tcase, test_intervals);
	tcase_add_test(tcase, test_a_fourth_plan);
	tcase_add_test(tcase, test_plans_refused);
	tcase_add_test(tcase, test_one_plan);
	tcase_add_test(tcase, test_one_plan_beside_plans);
	tcase_add_test(tcase, test_meters);
	tcase_add_test(tcase, test_too_many_prices);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
