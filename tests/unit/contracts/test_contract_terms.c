/* test_contract_terms.c: amendments and ends of contracts, and what they leave of licences and of a trial. */
#include "support/billing_fixture.h"

#include "contracts/contracts.h"

#include <string.h>

#define ENDS (300 * DAY_MS)

static struct subscription subscription;
static const struct contract_end at_once;

static struct contract
make(int64_t starts_ms, int64_t ends_ms)
{
	const struct contract_input input = {.plan = "enterprise",
	                                     .billing = CONTRACT_MANUAL,
	                                     .starts_at = INSTANT_MS(NOW_MS + starts_ms),
	                                     .ends_at = INSTANT_MS(NOW_MS + ends_ms)};
	struct contract out;

	fine(contract_create(&operation, customer_id, &input, &out));
	return out;
}

static struct issued_license
issue(void)
{
	struct issued_license license;

	fine(license_current(&operation, customer_id, &license, &subscription));
	return license;
}

static bool
is_revoked(const struct issued_license *license)
{
	return check(license->token, &(const char *){NULL}) == LICENSE_REVOKED;
}

static struct any_object
object(const char *text)
{
	struct any_object out;

	ck_assert(json_view_try(task.arena, text, strlen(text), &out.object));
	return out;
}

static void
amend(struct contract *contract, struct contract_input input)
{
	input.version = contract->version;
	fine(contract_amend(&operation, customer_id, contract->contract_id, &input, contract));
}

/* No licence outlives a shortened contract by more than its grace; a longer one keeps them. */
START_TEST(test_a_shortened_contract)
{
	struct contract contract = make(0, ENDS);
	struct issued_license license = issue();
	const struct contract_end soon = {.at = INSTANT_MS(NOW_MS + DAY_MS)};

	amend(&contract, (struct contract_input){.ends_at = INSTANT_MS(NOW_MS + 2 * ENDS)});
	ck_assert(!is_revoked(&license));
	operation.now_ms += SECOND_MS;
	if (_i == 0)
		fine(contract_end(&operation, customer_id, contract.contract_id, &soon,
		                  &contract));
	else
		amend(&contract, (struct contract_input){.ends_at = soon.at});
	ck_assert(is_revoked(&license));
	operation.now_ms += SECOND_MS;
	license = issue();
	ck_assert_int_le(license.expires_at.ms, soon.at.ms + 7 * DAY_MS);
	/* Terms that leave the end keep it. */
	amend(&contract, (struct contract_input){.note = {true, "x"}});
	ck_assert(!is_revoked(&license));
}
END_TEST

/* A licence that lets use exceed its numbers further than the contract does now is revoked. */
START_TEST(test_overage)
{
	struct contract contract = make(0, ENDS);
	struct issued_license license;

	amend(&contract, (struct contract_input){.overage = object("{\"maxDevices\":1.5}")});
	license = issue();
	ck_assert(says(&license, "\"overage\":{\"maxDevices\":1.5}"));
	amend(&contract, (struct contract_input){.overage = object("{\"maxDevices\":2}")});
	ck_assert(!is_revoked(&license));
	amend(&contract, (struct contract_input){
	                         .overage = object(_i == 0 ? "{}" : "{\"maxDevices\":1.1}")});
	ck_assert(is_revoked(&license));
}
END_TEST

/* The start of a contract may be long ago when its end changes. */
START_TEST(test_an_old_contract)
{
	struct contract contract = make(0, 900 * DAY_MS);

	operation.now_ms += 400 * DAY_MS;
	amend(&contract, (struct contract_input){.ends_at = INSTANT_MS(NOW_MS + 800 * DAY_MS)});
	ck_assert_int_eq(contract.terms.ends_at.ms, NOW_MS + 800 * DAY_MS);
}
END_TEST

/* An amendment may say no more than a new contract. */
START_TEST(test_days_of_an_amendment)
{
	const struct contract contract = make(0, ENDS);
	const struct contract_input input = {.version = 1, .days_until_due = 30};
	struct contract out;

	ck_assert_int_eq(
	        contract_amend(&operation, customer_id, contract.contract_id, &input, &out),
	        FAIL_INVALID);
	ck_assert_str_eq(task.failure.fields->field, "days_until_due");
}
END_TEST

/* Stripe bills by three years at most. A contract that is billed elsewhere may be of any period. */
START_TEST(test_intervals_of_stripe)
{
	static const struct {
		const char *billing, *interval;
		int count;
		bool accepted;
	} cases[] = {{CONTRACT_STRIPE, "year", 3, true},
	             {CONTRACT_STRIPE, "year", 4, false},
	             {CONTRACT_STRIPE, "month", 36, true},
	             {CONTRACT_MANUAL, "year", 4, true}};
	const struct contract_terms terms = {.starts_at = INSTANT_MS(NOW_MS),
	                                     .ends_at = INSTANT_MS(NOW_MS + ENDS),
	                                     .currency = "eur",
	                                     .interval = cases[_i].interval,
	                                     .interval_count = cases[_i].count};

	ck_assert(contract_terms_check(&task, cases[_i].billing, NULL, &terms, NOW_MS) ==
	          (cases[_i].accepted ? FAIL_NONE : FAIL_INVALID));
	if (!cases[_i].accepted)
		ck_assert_str_eq(task.failure.fields->field, "interval_count");
}
END_TEST

/* A subscription that follows the contract stands in the way of a longer one alone. */
START_TEST(test_a_subscription_follows)
{
	struct contract contract = make(0, ENDS);
	const struct contract_input longer = {.ends_at = INSTANT_MS(NOW_MS + 2 * ENDS)};

	change("INSERT INTO subscriptions (customer_id, stripe_subscription_id, plan, status, "
	       "trial_ends_at, created_at, updated_at) SELECT customer_id, 'sub_' || "
	       "customer_id, "
	       "'starter', 'trialing', now(), now(), now() FROM customers WHERE customer_id = ",
	       "");
	amend(&contract, (struct contract_input){.ends_at = INSTANT_MS(NOW_MS + DAY_MS)});
	refused(contract_amend(&operation, customer_id, contract.contract_id, &longer,
	                       &contract),
	        FAIL_CONFLICT, "subscription_exists");
}
END_TEST

static int64_t
trial_days(void)
{
	return count_of(
	        arena_printf(task.arena,
	                     "SELECT round((extract(epoch FROM trial_ends_at) - %lld) / "
	                     "86400) FROM subscriptions WHERE contract_id IS NULL "
	                     "AND customer_id = ",
	                     (long long)FORGE_NOW_S),
	        "");
}

/* Contracts that never began give a trial its days back, in whatever order they are ended. */
START_TEST(test_ends_in_any_order)
{
	struct contract contracts[2] = {make(5 * DAY_MS, 6 * DAY_MS),
	                                make(8 * DAY_MS, 9 * DAY_MS)};
	const int64_t days = 14;

	ck_assert_int_eq(trial_days(), 5);
	fine(contract_end(&operation, customer_id, contracts[_i].contract_id, &at_once,
	                  &contracts[_i]));
	ck_assert_int_eq(trial_days(), _i == 0 ? 8 : 5);
	fine(contract_end(&operation, customer_id, contracts[1 - _i].contract_id, &at_once,
	                  &contracts[1 - _i]));
	ck_assert_int_eq(trial_days(), days);
}
END_TEST

/* A contract that Stripe does not bill yet has not shortened the trial, so it bounds nothing. */
START_TEST(test_a_contract_that_is_not_billed)
{
	struct contract contract = make(5 * DAY_MS, 6 * DAY_MS), other = make(8 * DAY_MS, ENDS);

	change(arena_printf(task.arena,
	                    "UPDATE subscriptions SET status = 'incomplete' WHERE contract_id "
	                    "= '%s' AND customer_id = ",
	                    other.contract_id),
	       "");
	fine(contract_end(&operation, customer_id, contract.contract_id, &at_once, &contract));
	ck_assert_int_eq(trial_days(), 14);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("contract_terms");
	TCase *tcase = fixture_case("contract_terms");

	tcase_add_loop_test(tcase, test_a_shortened_contract, 0, 2);
	tcase_add_loop_test(tcase, test_overage, 0, 2);
	tcase_add_test(tcase, test_an_old_contract);
	tcase_add_test(tcase, test_days_of_an_amendment);
	tcase_add_loop_test(tcase, test_intervals_of_stripe, 0, 4);
	tcase_add_test(tcase, test_a_subscription_follows);
	tcase_add_loop_test(tcase, test_ends_in_any_order, 0, 2);
	tcase_add_test(tcase, test_a_contract_that_is_not_billed);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
