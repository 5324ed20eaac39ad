/*
 * test_license_rights.c: whatever takes a right away revokes the licences that grant it, and a
 * customer's licences are bounded.
 */
#include "support/billing_fixture.h"

#include <string.h>

#include "base/arena.h"
#include "contracts/contracts.h"
#include "issuing/license_rights.h"
#include "plans/plans_terms.h"

#define SUBSCRIPTION "UPDATE subscriptions SET version = version + 1, "

static struct subscription subscription;

/* Makes the subscription what a payment would, and issues a licence of it. */
static struct issued_license
issue_on(const char *plan)
{
	struct issued_license license;

	change(arena_printf(task.arena,
	                    SUBSCRIPTION "plan = '%s', status = 'active', "
	                                 "current_period_ends_at = '2035-01-01', "
	                                 "past_due_since = NULL WHERE customer_id = ",
	                    plan),
	       "");
	operation.now_ms += SECOND_MS;
	fine(license_current(&operation, customer_id, &license, &subscription));
	return license;
}

/* The subscription changes, as a statement of the caller says. */
static void
take_away(const char *set)
{
	change(arena_printf(task.arena, SUBSCRIPTION "%s WHERE customer_id = ", set), "");
	operation.now_ms += SECOND_MS;
	fine(license_revoke_excess(&operation, customer_id));
}

static bool
is_revoked(const struct issued_license *license)
{
	return check(license->token, &(const char *){NULL}) == LICENSE_REVOKED;
}

/* clang-format off */
static const struct {
	const char *set;
	const char *reason; /* NULL: nothing is revoked */
	bool starter, professional, enterprise; /* whether its licence is revoked */
} changes[] = {
	{"status = 'canceled'", "access_ended", true, true, true},
	{"status = 'unpaid'", "access_ended", true, true, true},
	{"status = 'paused'", "access_ended", true, true, true},
	{"status = 'past_due', past_due_since = '2000-01-01'", "access_ended", true, true, true},
	{"status = 'past_due', past_due_since = '2100-01-01'", NULL, false, false, false},
	{"pause_ends_access_at = '2020-01-01'", "access_ended", true, true, true},
	{"pause_ends_access_at = '2034-01-01'", NULL, false, false, false},
	{"pause_behavior = 'void'", NULL, false, false, false},
	{"hold_reason = 'disputed', hold_ends_access_at = '2020-01-01'", "access_ended", true, true, true},
	{"price_ends_access_at = '2020-01-01'", "access_ended", true, true, true},
	{"pause_ends_access_at = '2020-01-01', pause_resumes_at = '2020-01-01'", NULL, false, false, false},
	{"plan = 'starter'", "plan_reduced", false, true, true},
	{"plan = 'professional'", "plan_reduced", false, false, true},
	{"plan = 'enterprise'", NULL, false, false, false},
	{"cancel_at_period_end = true", NULL, false, false, false},
	{"cancel_at = '2034-01-01'", NULL, false, false, false},
	{"scheduled_plan = 'starter'", NULL, false, false, false},
};
/* clang-format on */

START_TEST(test_what_takes_rights_away_revokes)
{
	struct issued_license starter = issue_on("starter"),
	                      professional = issue_on("professional"),
	                      enterprise = issue_on("enterprise");

	take_away(changes[_i].set);
	ck_assert(is_revoked(&starter) == changes[_i].starter);
	ck_assert(is_revoked(&professional) == changes[_i].professional);
	ck_assert(is_revoked(&enterprise) == changes[_i].enterprise);
	ck_assert_int_eq(count_of("SELECT count(*) FROM audit_log WHERE action = "
	                          "'license_revoke' AND customer_id = ",
	                          ""),
	                 changes[_i].reason == NULL ? 0 : 1);
	if (changes[_i].reason != NULL)
		ck_assert_int_gt(
		        count_of(LICENSES, arena_printf(task.arena, " AND revoke_reason = '%s'",
		                                        changes[_i].reason)),
		        0);
	/* The next licence is a new one, and good. */
	fine(license_current(&operation, customer_id, &starter, &subscription));
	ck_assert(!is_revoked(&starter));
}
END_TEST

/* No transaction ends the grace of a failed payment: a job revokes, once. */
START_TEST(test_unpaid_beyond_grace)
{
	struct issued_license license = issue_on("professional");
	int64_t customers = -1;

	operation.batch = 500;
	change(arena_printf(task.arena,
	                    SUBSCRIPTION "status = 'past_due', past_due_since = "
	                                 "to_timestamp(%lld) WHERE customer_id = ",
	                    (long long)(operation.now_ms / SECOND_MS)),
	       "");
	fine(license_revoke_unpaid(&operation, &customers));
	ck_assert(!is_revoked(&license));
	operation.now_ms += 7 * DAY_MS + SECOND_MS;
	fine(license_revoke_unpaid(&operation, &customers));
	ck_assert(is_revoked(&license));
	fine(license_current(&operation, customer_id, &license, &subscription));
	fine(license_revoke_unpaid(&operation, &customers));
	ck_assert(!is_revoked(&license));
}
END_TEST

/* The time of an early end comes without an event: the job revokes then, once. */
START_TEST(test_early_end)
{
	static const char *const sets[][2] = {
	        {"pause_ends_access_at = ", ""},
	        {"hold_reason = 'refunded', hold_ends_access_at = ", ""},
	        {"price_ends_access_at = ", ""},
	        {"pause_ends_access_at = ", ", pause_resumes_at = '2020-01-01'"}};
	struct issued_license license = issue_on("professional");
	char ends[CLOCK_TEXT_SIZE];
	int64_t customers = -1;

	operation.batch = 500;
	clock_format(operation.now_ms + DAY_MS, ends);
	take_away(arena_printf(task.arena, "%s'%s'%s", sets[_i][0], ends, sets[_i][1]));
	fine(license_revoke_unpaid(&operation, &customers));
	ck_assert(!is_revoked(&license));
	operation.now_ms += DAY_MS;
	fine(license_revoke_unpaid(&operation, &customers));
	ck_assert(is_revoked(&license) == (_i < 3));
	fine(license_current(&operation, customer_id, &license, &subscription));
	fine(license_revoke_unpaid(&operation, &customers));
	ck_assert(!is_revoked(&license));
}
END_TEST

/* A subscription beside a contract that counts takes no right away when its time comes, and is not looked
 * at again and again. */
START_TEST(test_beside_a_contract)
{
	static const char *const sets[] = {"status = 'past_due', past_due_since = ",
	                                   ("status = 'active', hold_reason = 'refunded', "
	                                    "hold_ends_access_at = "),
	                                   "status = 'active', pause_ends_access_at = "};
	const struct contract_input input = {.plan = "enterprise",
	                                     .billing = CONTRACT_MANUAL,
	                                     .ends_at = INSTANT_MS(NOW_MS + 60 * DAY_MS)};
	struct issued_license license;
	struct contract contract;
	char at[CLOCK_TEXT_SIZE];
	int64_t customers = -1;

	operation.batch = 500;
	fine(contract_create(&operation, customer_id, &input, &contract));
	operation.now_ms += SECOND_MS;
	fine(license_current(&operation, customer_id, &license, &subscription));
	clock_format(operation.now_ms + SECOND_MS, at);
	change(arena_printf(task.arena,
	                    SUBSCRIPTION "stripe_subscription_id = 'sub_' || customer_id, "
	                                 "%s'%s' WHERE contract_id IS NULL "
	                                 "AND customer_id = ",
	                    sets[_i], at),
	       "");
	operation.now_ms += 8 * DAY_MS;
	/* Customers of other tests. */
	fine(license_revoke_unpaid(&operation, &customers));
	fine(license_revoke_unpaid(&operation, &customers));
	ck_assert_int_eq(customers, 0);
	ck_assert(!is_revoked(&license));
	/* The contract ends: now the subscription counts. */
	operation.now_ms = NOW_MS + 60 * DAY_MS;
	fine(license_revoke_unpaid(&operation, &customers));
	ck_assert(is_revoked(&license));
}
END_TEST

/* The file takes 50 devices from the plan: an earlier licence is more, whether it is stored with what it
 * has, or was issued before that was stored. */
START_TEST(test_reduced_file)
{
	struct issued_license license = issue_on("starter");
	struct plans before = billing.plans;
	struct sold_terms sold = {.plan = "starter"};
	struct license_value *values;
	size_t count = before.items[0].features.count;

	ck_assert_str_eq(before.items[0].id, "starter");
	ck_assert(plans_present_terms(task.arena, &before, "starter", &sold.terms));
	fine(plans_load(&task, "conf/plans.json", &billing.plans));
	values = arena_array(task.arena, count, sizeof(*values));
	for (size_t i = 0; i < count; i++) {
		values[i] = before.items[0].features.items[i];
		if (strcmp(values[i].name, "maxDevices") == 0)
			values[i].number--;
	}
	billing.plans.items[0].features.items = values;
	billing.plans.sold = &sold;
	billing.plans.sold_count = 1;
	if (_i == 1)
		change("UPDATE licenses SET grants = NULL WHERE customer_id = ", "");
	take_away("quantity = 1");
	ck_assert(is_revoked(&license));
}
END_TEST

/* Issues a licence after a change of the company's name. */
static enum fail
rename_and_issue(int number, struct issued_license *license)
{
	change(arena_printf(
	               task.arena,
	               "UPDATE customers SET company_name = 'Acme %d' WHERE customer_id = ",
	               number),
	       "");
	return license_current(&operation, customer_id, license, &subscription);
}

START_TEST(test_licences_of_an_hour)
{
	struct issued_license license;
	int64_t began_ms = operation.now_ms;

	for (int i = 1; i < 60; i++) {
		operation.now_ms += SECOND_MS;
		fine(rename_and_issue(i, &license));
	}
	ck_assert_int_eq(rename_and_issue(60, &license), FAIL_LIMITED);
	ck_assert_int_eq(task.failure.retry_after_s, 3600 - 59 + 1);
	refused(FAIL_LIMITED, FAIL_LIMITED, "too_many_licenses");
	ck_assert_int_eq(count_of(LICENSES, ""), 60);
	operation.now_ms = began_ms + HOUR_MS;
	fine(rename_and_issue(60, &license));
}
END_TEST

START_TEST(test_rotations_of_an_hour)
{
	struct issued_license first, license;

	operation.now_ms += SECOND_MS;
	fine(license_rotate(&operation, customer_id, &first, &subscription));
	for (int i = 1; i < 10; i++) {
		operation.now_ms += SECOND_MS;
		fine(license_rotate(&operation, customer_id, &license, &subscription));
	}
	refused(license_rotate(&operation, customer_id, &first, &subscription), FAIL_LIMITED,
	        "too_many_licenses");
	/* The refused rotation has revoked nothing. */
	ck_assert(!is_revoked(&license));
	fine(license_current(&operation, customer_id, &first, &subscription));
	ck_assert_str_eq(first.jti, license.jti);
	operation.now_ms = NOW_MS + HOUR_MS + SECOND_MS;
	fine(license_rotate(&operation, customer_id, &license, &subscription));
}
END_TEST

/* One licence for each day of a licence's life and a hundred more; the oldest are revoked. */
START_TEST(test_licences_in_use)
{
	struct issued_license license;

	billing.policy.license_ttl_days = 1;
	for (int i = 1; i <= 105; i++) {
		operation.now_ms += 61 * SECOND_MS;
		fine(rename_and_issue(i, &license));
	}
	ck_assert_int_eq(count_of(LICENSES, " AND revoked_at IS NULL"), 101);
	ck_assert_int_eq(count_of(LICENSES, " AND revoke_reason = 'superseded'"), 5);
	/* Each is told, behind the licence that came in its place. */
	ck_assert_int_eq(
	        count_of("SELECT count(*) FROM licenses l JOIN events e "
	                 "ON e.customer_id = l.customer_id AND e.type = 'license.revoked' "
	                 "AND e.data -> 'licenses' -> 0 ->> 'jti' = l.jti "
	                 "JOIN events n ON n.customer_id = l.customer_id "
	                 "AND n.type = 'license.issued' AND n.sequence = e.sequence - 1 "
	                 "WHERE e.data ->> 'count' = '1' AND l.customer_id = ",
	                 " AND l.revoke_reason = 'superseded'"),
	        5);
	ck_assert_int_eq(check(signed_up.license->token, &(const char *){NULL}),
	                 LICENSE_REVOKED);
	ck_assert(!is_revoked(&license));
}
END_TEST

/* A host whose clock is a minute behind issues no licence that is older than the newest. */
START_TEST(test_time_of_issue)
{
	struct issued_license first, second;

	operation.now_ms += HOUR_MS;
	fine(rename_and_issue(1, &first));
	operation.now_ms -= 60 * SECOND_MS;
	fine(rename_and_issue(2, &second));
	ck_assert_int_eq(second.issued_at.ms, first.issued_at.ms);
	ck_assert(says(&second, "Acme 2"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("license_rights");
	TCase *tcase = fixture_case("license_rights");

	tcase_add_loop_test(tcase, test_what_takes_rights_away_revokes, 0, ROWS(changes));
	tcase_add_test(tcase, test_unpaid_beyond_grace);
	tcase_add_loop_test(tcase, test_early_end, 0, 4);
	tcase_add_loop_test(tcase, test_beside_a_contract, 0, 3);
	tcase_add_loop_test(tcase, test_reduced_file, 0, 2);
	tcase_add_test(tcase, test_licences_of_an_hour);
	tcase_add_test(tcase, test_rotations_of_an_hour);
	tcase_add_test(tcase, test_licences_in_use);
	tcase_add_test(tcase, test_time_of_issue);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
