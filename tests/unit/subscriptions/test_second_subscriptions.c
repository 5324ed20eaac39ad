/* test_second_subscriptions.c: subscriptions of Stripe's beside a contract are reported, and end if the policy says
 * so. */
#include "support/subscription_sync_fixture.h"

#include "contracts/contracts.h"
#include "subscriptions/second_subscriptions.h"

static struct contract contract;

static void
make(int64_t starts_days)
{
	const struct contract_input input = {.plan = "enterprise",
	                                     .billing = CONTRACT_MANUAL,
	                                     .starts_at = AT(starts_days),
	                                     .ends_at = AT(300)};

	fine(contract_create(&operation, customer_id, &input, &contract));
}

/* A subscription whose period ends after 20 days: with it, at another time, or not. */
static void
renewed(const char *id, bool ends_with_period, struct instant cancel_at)
{
	struct sold_subscription one = subscription(id, "active", 0);

	one.stripe.cancel_at_period_end = ends_with_period;
	one.stripe.cancel_at = cancel_at;
	ck_assert(store(&one));
}

/* How many calls want this of sub_a. */
static int64_t
planned(const char *kind, const char *parameters)
{
	static const struct statement statement = {
	        .name = "test_planned",
	        STRIPE_NUMBER,
	        .sql = "SELECT count(*) AS number FROM stripe_calls WHERE customer_id = $1 AND "
	               "subject = 'sub_a' AND kind = $2 AND parameters LIKE $3 "
	               "AND state = 'pending'"};

	return stripe_number(&statement, PARAMETERS(customer_id, kind, parameters));
}

static int64_t
duplicates(void)
{
	int64_t out;

	fine(second_subscriptions_count(&operation, &out));
	return out;
}

/* The customer renews, in Stripe's portal, a subscription that was to end before the contract begins. */
START_TEST(test_renewed_before_a_contract)
{
	int64_t before = duplicates();

	billing.sales.cancel_second = _i == 1;
	renewed("sub_a", true, INSTANT_NONE);
	make(30);
	ck_assert_int_eq(audited("second_subscription"), 0);
	renewed("sub_a", false, INSTANT_NONE);
	ck_assert_int_eq(audited("second_subscription"), 1);
	ck_assert_int_eq(duplicates(), before + 1);
	renewed("sub_a", false, AT(31));
	ck_assert_int_eq(audited("second_subscription"), 2);
	ck_assert_int_eq(planned("subscription_end", "cancel_at=%"), _i);
	ck_assert_int_eq(planned("subscription_cancel", "%"), 0);
	renewed("sub_a", false, AT(30));
	ck_assert_int_eq(audited("second_subscription"), 2);
	ck_assert_int_eq(duplicates(), before);
}
END_TEST

/* It goes on while the contract runs. */
START_TEST(test_beside_a_running_contract)
{
	billing.sales.cancel_second = _i == 1;
	make(0);
	renewed("sub_a", false, AT(100));
	ck_assert_int_eq(audited("second_subscription"), 1);
	ck_assert_int_eq(planned("subscription_cancel", "prorate=true%"), _i);
	ck_assert_int_eq(planned("subscription_end", "%"), 0);
}
END_TEST

/* A period that was not paid for is not credited. */
START_TEST(test_unpaid_beside_a_contract)
{
	struct sold_subscription one = subscription("sub_a", "past_due", 0);

	billing.sales.cancel_second = true;
	make(0);
	ck_assert(store(&one));
	ck_assert_int_eq(planned("subscription_cancel", "%"), 1);
	ck_assert_int_eq(planned("subscription_cancel", "%prorate%"), 0);
}
END_TEST

/* A contract whose end is set may be followed by a subscription. */
START_TEST(test_after_a_contract)
{
	const struct contract_end end = {.at = AT(10)};

	billing.sales.cancel_second = true;
	make(0);
	fine(contract_end(&operation, customer_id, contract.contract_id, &end, &contract));
	renewed("sub_a", false, INSTANT_NONE);
	ck_assert_int_eq(audited("second_subscription"), 0);
}
END_TEST

/* The end is moved on after the customer has bought what follows: that stays. */
START_TEST(test_an_earlier_end)
{
	const struct contract_end end = {.at = AT(20)};
	const struct contract_input earlier = {.version = 2, .ends_at = AT(10)};
	int64_t before = duplicates();

	billing.sales.cancel_second = true;
	make(0);
	fine(contract_end(&operation, customer_id, contract.contract_id, &end, &contract));
	renewed("sub_a", false, INSTANT_NONE);
	fine(contract_amend(&operation, customer_id, contract.contract_id, &earlier,
	                    &contract));
	renewed("sub_a", false, AT(200));
	ck_assert_int_eq(audited("second_subscription"), 0);
	ck_assert_int_eq(duplicates(), before);
	ck_assert_int_eq(planned("subscription_cancel", "%"), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("seconds");
	TCase *tcase = tcase_create("seconds");

	tcase_add_checked_fixture(tcase, sync_setup, fixture_teardown);
	tcase_add_loop_test(tcase, test_renewed_before_a_contract, 0, 2);
	tcase_add_loop_test(tcase, test_beside_a_running_contract, 0, 2);
	tcase_add_test(tcase, test_unpaid_beside_a_contract);
	tcase_add_test(tcase, test_after_a_contract);
	tcase_add_test(tcase, test_an_earlier_end);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
