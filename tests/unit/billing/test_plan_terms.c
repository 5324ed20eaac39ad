/* test_plan_terms.c: the terms of plans are stored when a file comes into force, and count for those who
 * bought under it. */
#include "support/billing_fixture.h"

#include "billing/plan_terms.h"
#include "billing/purchase.h"

static struct plans *plans = &billing.plans;

/* The file changes: professional has so many devices. */
static void
come_into_force(int64_t devices)
{
	struct plan *plan = &plans->items[1];

	plan->features = values_with(task.arena, plan->features, "maxDevices", devices);
	fine(plan_terms_record(&operation, plans));
	fine(plan_terms_load(&operation, plans));
}

static int64_t
rows_of(const char *plan)
{
	return count_of(arena_printf(task.arena,
	                             "SELECT count(*) FROM plan_terms WHERE plan = '%s' "
	                             "AND '' <> ",
	                             plan),
	                "");
}

static int64_t
devices_of_license(void)
{
	struct issued_license license;
	struct subscription subscription;
	const char *payload = NULL, *place;

	fine(license_current(&operation, customer_id, &license, &subscription));
	ck_assert_int_eq(check(license.token, &payload), LICENSE_VALID);
	place = strstr(payload, "\"maxDevices\":");
	return strtoll(place + strlen("\"maxDevices\":"), NULL, 10);
}

static void
buy(const char *plan)
{
	change(arena_printf(
	               task.arena,
	               "UPDATE subscriptions SET version = version + 1, plan = '%s', status = "
	               "'active', current_period_ends_at = '2035-01-01' WHERE customer_id = ",
	               plan),
	       "");
}

/* The period begins anew, and terms from now on are of a later moment. */
static void
renew(void)
{
	change("UPDATE subscriptions SET version = version + 1, current_period_ends_at = "
	       "current_period_ends_at + interval '1 month' WHERE customer_id = ",
	       "");
}

static void
setup(void)
{
	fixture_setup();
	change("DELETE FROM plan_terms WHERE '' <> ", "");
}

START_TEST(test_terms_are_stored_once)
{
	come_into_force(50);
	ck_assert_int_eq(rows_of("professional"), 1);
	ck_assert_int_eq(rows_of(""), 1);
	come_into_force(50);
	ck_assert_int_eq(rows_of("professional"), 1);
	come_into_force(40);
	come_into_force(60);
	ck_assert_int_eq(rows_of("professional"), 3);
	ck_assert_int_eq(rows_of("starter"), 1);
	for (int i = 0; i < 40; i++)
		come_into_force(i);
	ck_assert_int_eq(rows_of("professional"), 32);
}
END_TEST

/* A changed file reaches the licence at once, or with the next period. */
START_TEST(test_reductions)
{
	bool waits = _i == 1;

	plans->keeps_sold = waits;
	come_into_force(50);
	buy("professional");
	ck_assert_int_eq(devices_of_license(), 50);
	come_into_force(70);
	ck_assert_int_eq(devices_of_license(), 70);
	come_into_force(40);
	ck_assert_int_eq(devices_of_license(), waits ? 50 : 40);
	renew();
	ck_assert_int_eq(devices_of_license(), 40);
}
END_TEST

/* The licence of a plan that the file lost says what the plan last gave. */
START_TEST(test_a_lost_plan_licenses_its_customers)
{
	come_into_force(50);
	buy("professional");
	plans->items[1] = plans->items[2];
	plans->count--;
	fine(plan_terms_record(&operation, plans));
	fine(plan_terms_load(&operation, plans));
	ck_assert_int_eq(devices_of_license(), 50);
	renew();
	ck_assert_int_eq(devices_of_license(), 50);
}
END_TEST

/* A lost plan that is bought in a quantity keeps its quantity, and the add-ons beside it. */
START_TEST(test_a_lost_plan_with_a_quantity)
{
	plans->items[1].quantity =
	        (struct plan_quantity){"maxDevices", VALUE_FEATURE, 50, NULL};
	plans->addons[0] =
	        (struct plan_addon){.id = "more",
	                            .name = "More",
	                            .quantity = {"maxDevices", VALUE_FEATURE, 7, NULL}};
	plans->addon_count = 1;
	come_into_force(50);
	buy("professional");
	change("UPDATE subscriptions SET version = version + 1, quantity = 3, addons = "
	       "'{\"more\": 2}' WHERE customer_id = ",
	       "");
	ck_assert_int_eq(devices_of_license(), 3 * 50 + 14);
	plans->items[1] = plans->items[2];
	plans->count--;
	fine(plan_terms_record(&operation, plans));
	fine(plan_terms_load(&operation, plans));
	renew();
	ck_assert_int_eq(devices_of_license(), 3 * 50 + 14);
}
END_TEST

/* The devices of a licence whose subscription has `count` of the add-on "more". */
static int64_t
devices_with(int count)
{
	change(arena_printf(task.arena,
	                    "UPDATE subscriptions SET version = version + 1, addons = "
	                    "'{\"more\": %d}' WHERE customer_id = ",
	                    count),
	       "");
	return devices_of_license();
}

/* An add-on that the file lost gives what it last gave, is not sold, and is never stored again. */
START_TEST(test_a_lost_addon)
{
	struct purchase_change change = {0};
	struct json_view wanted;
	const char *texts[] = {"{\"more\": 0}", "{\"more\": 1}"};

	plans->addons[0] =
	        (struct plan_addon){.id = "more",
	                            .name = "More",
	                            .quantity = {"maxDevices", VALUE_FEATURE, 7, NULL}};
	plans->addon_count = 1;
	come_into_force(50);
	buy("professional");
	ck_assert_int_eq(devices_with(2), 50 + 14);
	plans->addon_count = 0;
	come_into_force(50);
	ck_assert_uint_eq(plans->gone_count, 1);
	ck_assert_ptr_null(plans_find_addon(plans, "more"));
	ck_assert_int_eq(devices_with(2), 50 + 14);
	ck_assert_int_eq(devices_with(3), 50 + 21);
	ck_assert_int_eq(rows_of("+more"), 1);
	for (int i = 0; i < 2; i++) {
		ck_assert(json_view_try(task.arena, texts[i], strlen(texts[i]), &wanted));
		ck_assert_int_eq(purchase_change_read(&task, plans, &wanted, &change),
		                 i == 0 ? FAIL_NONE : FAIL_INVALID);
	}
	task_clear(&task);
	/* It comes back with other terms. */
	plans->addons[0].quantity.per = 1;
	plans->addons[0].id = "more";
	plans->addon_count = 1;
	come_into_force(50);
	ck_assert_uint_eq(plans->gone_count, 0);
	ck_assert_int_eq(devices_with(3), 50 + 3);
}
END_TEST

START_TEST(test_customers)
{
	const struct plan_customers *found;
	const char *const *ids;
	int64_t in_trial = 0;
	size_t count;

	fine(plan_customers(&operation, &found, &count));
	for (size_t i = 0; i < count; i++)
		if (strcmp(found[i].plan, PLANS_TRIAL) == 0)
			in_trial = found[i].customers;
	ck_assert_int_ge(in_trial, 1);
	buy("enterprise");
	fine(plan_customer_ids(&operation, "enterprise", 1000, &ids, &count));
	ck_assert_uint_ge(count, 1);
	for (size_t i = 0; i < count; i++)
		if (strcmp(ids[i], customer_id) == 0)
			return;
	ck_abort_msg("the customer is not listed");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("plan_terms");
	TCase *tcase = tcase_create("plan_terms");

	tcase_set_timeout(tcase, 300);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, setup, fixture_teardown);
	tcase_add_test(tcase, test_terms_are_stored_once);
	tcase_add_loop_test(tcase, test_reductions, 0, 2);
	tcase_add_test(tcase, test_a_lost_plan_licenses_its_customers);
	tcase_add_test(tcase, test_a_lost_plan_with_a_quantity);
	tcase_add_test(tcase, test_a_lost_addon);
	tcase_add_test(tcase, test_customers);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
