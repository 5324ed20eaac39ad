/* test_purchase.c: quantities and add-ons of subscriptions and requests. */
#include "support/suite.h"

#include "billing/purchase.h"
#include "json/view.h"

static struct task task;
static struct plans plans;

static void
setup(void)
{
	static const struct license_value sso = {
	        .name = "sso", .type = VALUE_BOOLEAN, .truth = true};
	static const struct license_value users = {
	        .name = "users", .type = VALUE_INTEGER, .number = 2};

	task = suite_task();
	plans = (struct plans){
	        .count = 1,
	        .addon_count = 3,
	        .items = {{.id = "team", .quantity = {.name = "users", .per = 5}}},
	        .addons = {{.id = "sso", .features = {&sso, 1}},
	                   {.id = "more", .quantity = {.name = "projects", .per = 10}},
	                   {.id = "both",
	                    .quantity = {.name = "projects", .per = 1},
	                    .limits = {&users, 1}}}};
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static struct purchase
read_purchase(int64_t quantity, const char *addons)
{
	struct purchase out;

	purchase_read(task.arena, &plans, quantity, addons, &out);
	return out;
}

START_TEST(test_stored)
{
	struct purchase one = read_purchase(3, "{\"more\": 2, \"sso\": 1, \"gone\": 4}");

	ck_assert_int_eq(one.quantity, 3);
	ck_assert_str_eq(purchase_addons_text(task.arena, &plans, &one),
	                 "{\"sso\":1,\"more\":2}");
	one = read_purchase(1, NULL);
	ck_assert_str_eq(purchase_addons_text(task.arena, &plans, &one), "{}");
	one = read_purchase(1, "{\"more\": -2, \"sso\": \"1\"}");
	ck_assert_str_eq(purchase_addons_text(task.arena, &plans, &one), "{}");
}
END_TEST

START_TEST(test_comparison)
{
	struct purchase less = read_purchase(2, "{\"sso\":1}"),
	                more = read_purchase(2, "{\"sso\":1,\"more\":1}"),
	                other = read_purchase(9, "{}"), lesser;

	ck_assert(purchase_has_more(&more, &less) && !purchase_has_more(&less, &more));
	ck_assert(purchase_has_more(&other, &more) && purchase_has_more(&more, &other));
	ck_assert(purchase_is_equal(&less, &less) && !purchase_is_equal(&less, &more));
	lesser = purchase_lesser(&more, &other);
	ck_assert_int_eq(lesser.quantity, 2);
	ck_assert_str_eq(purchase_addons_text(task.arena, &plans, &lesser), "{}");
}
END_TEST

static enum fail
read_change(const char *text, struct purchase_change *out)
{
	struct json_view object;

	*out = (struct purchase_change){.quantity = 0};
	ck_assert(json_view_try(task.arena, text, strlen(text), &object));
	return purchase_change_read(&task, &plans, &object, out);
}

START_TEST(test_request)
{
	struct purchase before = read_purchase(2, "{\"sso\":1,\"more\":7}"), after;
	struct purchase_change change, again = {.quantity = 0};

	ck_assert_int_eq(read_change("{\"more\":0,\"both\":100000}", &change), FAIL_NONE);
	after = purchase_changed(&before, &change);
	ck_assert_str_eq(purchase_addons_text(task.arena, &plans, &after),
	                 "{\"sso\":1,\"both\":100000}");
	ck_assert_int_eq(after.quantity, 2);
	ck_assert_str_eq(purchase_change_text(task.arena, &plans, &change),
	                 "{\"more\":0,\"both\":100000}");
	purchase_change_parse(task.arena, &plans,
	                      purchase_change_text(task.arena, &plans, &change), &again);
	ck_assert_mem_eq(&again, &change, sizeof(change));
	/* Without add-ons nothing is named. */
	change = (struct purchase_change){.quantity = 5};
	ck_assert_ptr_null(purchase_change_text(task.arena, &plans, &change));
	after = purchase_changed(&before, &change);
	ck_assert_int_eq(after.quantity, 5);
	ck_assert_int_eq(after.addons[1], 7);
}
END_TEST

static const char *const hostile[] = {
        "{\"gold\":1}",   "{\"team\":1}",    "{\"sso\":2}",       "{\"more\":-1}",
        "{\"more\":1.5}", "{\"more\":null}", "{\"more\":100001}", "{\"more\":\"1\"}",
        "{\"more\":{}}",  "{\"\":1}",        "{\"more\":1e3}",
};

START_TEST(test_hostile_request)
{
	struct purchase_change change;

	ck_assert_int_eq(read_change(hostile[_i], &change), FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "invalid_request");
}
END_TEST

START_TEST(test_bought_once)
{
	const struct plan once = {.id = "solo"};

	ck_assert_int_eq(
	        purchase_check_quantity(&task, &once, &(struct purchase_change){.quantity = 1}),
	        FAIL_NONE);
	ck_assert_int_eq(purchase_check_quantity(&task, &plans.items[0],
	                                         &(struct purchase_change){.quantity = 9}),
	                 FAIL_NONE);
	ck_assert_int_eq(
	        purchase_check_quantity(&task, &once, &(struct purchase_change){.quantity = 2}),
	        FAIL_INVALID);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("purchases");
	TCase *tcase = tcase_create("purchases");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_stored);
	tcase_add_test(tcase, test_comparison);
	tcase_add_test(tcase, test_request);
	tcase_add_loop_test(tcase, test_hostile_request, 0, (int)ROWS(hostile));
	tcase_add_test(tcase, test_bought_once);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
