/* test_licenses.c: a licence is issued again while its claims are current, and ends with what
 * it is for. */
#include "support/billing_fixture.h"

#define SUBSCRIPTION "UPDATE subscriptions SET version = version + 1, "

static struct subscription subscription;

/* The licence that the customer gets now. The time of issue tells which is the newest, so a
 * test that expects another licence lets a second pass. */
static struct issued_license
current(void)
{
	struct issued_license license = {0};

	fine(license_current(&operation, customer_id, &license, &subscription));
	return license;
}

START_TEST(test_kept)
{
	const struct issued_license *first = signed_up.license;
	struct issued_license license;

	ck_assert_ptr_nonnull(first);
	ck_assert_str_eq(first->reason, "sign_up");
	license = current();
	ck_assert_str_eq(license.token, first->token);
	ck_assert_str_eq(license.jti, first->jti);
	ck_assert(!license.fresh);
	ck_assert(says(&license, "\"isTrialMode\":true"));
	operation.now_ms = NOW_MS + DAY_MS - 1;
	ck_assert_str_eq(current().token, first->token);
	ck_assert_int_eq(count_of(LICENSES, ""), 1);
}
END_TEST

START_TEST(test_refreshed)
{
	struct issued_license license;

	operation.now_ms = NOW_MS + DAY_MS;
	license = current();
	ck_assert(license.fresh);
	ck_assert_str_eq(license.reason, "refreshed");
	ck_assert_str_ne(license.jti, signed_up.license->jti);
	ck_assert_str_eq(current().jti, license.jti);
	ck_assert_int_eq(count_of(LICENSES, ""), 2);
	/* The older one stays valid. */
	ck_assert_int_eq(check(signed_up.license->token, &(const char *){NULL}), LICENSE_VALID);
}
END_TEST

/* When the clock is behind the time of issue by more than the leeway, a new licence is
 * signed. */
START_TEST(test_clock_set_back)
{
	operation.now_ms = NOW_MS - 120 * SECOND_MS;
	ck_assert_str_eq(current().jti, signed_up.license->jti);
	operation.now_ms = NOW_MS - 121 * SECOND_MS;
	ck_assert_str_ne(current().jti, signed_up.license->jti);
}
END_TEST

/* A change of any claim, or of what the claims depend on, leads to a new licence. */
static const struct {
	const char *before, *behind, *says;
} changes[] = {
        {"UPDATE customers SET company_name = 'Other Corp' WHERE customer_id = ", "",
         "\"customerName\":\"Other Corp\""},
        {"UPDATE customers SET company_name = NULL WHERE customer_id = ", "", "@example.com\""},
        {SUBSCRIPTION "plan = 'professional', status = 'active' WHERE customer_id = ", "",
         "\"maxDevices\":50"},
        {SUBSCRIPTION "plan = 'enterprise', status = 'active' WHERE customer_id = ", "",
         "\"limits\":{}"},
        {SUBSCRIPTION "status = 'active' WHERE customer_id = ", "", "\"isTrialMode\":false"},
        {SUBSCRIPTION "status = 'past_due', past_due_since = now() WHERE customer_id = ", "",
         "\"status\":\"past_due\""},
        {SUBSCRIPTION "current_period_ends_at = '2031-01-01Z' WHERE customer_id = ", "",
         "2031-01-01T00:00:00.000Z"},
        {SUBSCRIPTION "status = 'canceled' WHERE customer_id = ", "",
         "\"status\":\"canceled\""},
};

START_TEST(test_changed)
{
	struct issued_license license;

	operation.now_ms = NOW_MS + SECOND_MS;
	change(changes[_i].before, changes[_i].behind);
	license = current();
	ck_assert(license.fresh);
	ck_assert_str_eq(license.reason, "changed");
	ck_assert(says(&license, changes[_i].says));
	ck_assert_str_eq(current().jti, license.jti);
}
END_TEST

static bool
awaits_payment(void)
{
	struct license_view view = {0};

	fine(license_view_read(&operation, NULL, customer_id, &view));
	return license_awaits_payment(&operation, &view);
}

/* A charge that is on its way bounds a licence that follows the paid period, and no other; once it is paid,
 * the next request has a licence of the whole period. */
START_TEST(test_payment_on_its_way)
{
	const int64_t end = 2051222400 + 7 * DAY_MS / SECOND_MS;
	struct issued_license license, bounded;

	operation.now_ms = NOW_MS + SECOND_MS;
	billing.policy.paid_through = _i == 0;
	change(SUBSCRIPTION "status = 'active', current_period_ends_at = '2035-01-01Z' "
	                    "WHERE customer_id = ",
	       "");
	license = current();
	change(arena_printf(task.arena,
	                    SUBSCRIPTION "period_unpaid_from = to_timestamp(%lld) "
	                                 "WHERE customer_id = ",
	                    (long long)(NOW_MS / SECOND_MS)),
	       "");
	bounded = current();
	ck_assert(bounded.fresh == billing.policy.paid_through);
	ck_assert(awaits_payment() == billing.policy.paid_through);
	ck_assert_str_eq(current().jti, bounded.jti);
	if (billing.policy.paid_through) {
		ck_assert_str_eq(bounded.reason, "changed");
		ck_assert_int_eq(license.expires_at.ms / SECOND_MS, end);
		ck_assert_int_eq(bounded.expires_at.ms / SECOND_MS,
		                 NOW_MS / SECOND_MS + 7 * DAY_MS / SECOND_MS);
	}
	change(SUBSCRIPTION "period_unpaid_from = NULL WHERE customer_id = ", "");
	license = current();
	ck_assert(license.fresh == billing.policy.paid_through && !awaits_payment());
	if (billing.policy.paid_through)
		ck_assert_int_eq(license.expires_at.ms / SECOND_MS, end);
	ck_assert_int_eq(check(bounded.token, &(const char *){NULL}), LICENSE_VALID);
}
END_TEST

START_TEST(test_rules_changed)
{
	struct issued_license license;

	operation.now_ms = NOW_MS + SECOND_MS;
	if (_i == 0)
		billing.plans.version++;
	if (_i == 1)
		billing.keys = other_keys;
	if (_i == 2)
		billing.policy.issuer = "https://other.example.com";
	if (_i == 3)
		billing.policy.license_ttl_days = 30;
	if (_i == 4)
		billing.plans.trial_features =
		        values_with(task.arena, billing.plans.trial_features, "maxDevices", 11);
	license = current();
	ck_assert_str_eq(license.reason, "changed");
	ck_assert_int_eq(check(license.token, &(const char *){NULL}), LICENSE_VALID);
	ck_assert_str_eq(current().jti, license.jti);
}
END_TEST

/* At the moment the trial ends its licence has ended, and the next one says so, before any job
 * runs. */
START_TEST(test_trial_ends)
{
	struct issued_license license;

	operation.now_ms = NOW_MS + 14 * DAY_MS - 1;
	license = current();
	ck_assert(says(&license, "\"status\":\"trialing\""));
	ck_assert_int_le(license.expires_at.ms, NOW_MS + 14 * DAY_MS);
	operation.now_ms = NOW_MS + 14 * DAY_MS;
	license = current();
	ck_assert_str_eq(license.reason, "changed");
	ck_assert(says(&license, "\"status\":\"canceled\""));
	ck_assert_int_le(license.expires_at.ms, operation.now_ms + DAY_MS);
	ck_assert_int_eq(count_of("SELECT count(*) FROM subscriptions WHERE status = 'trialing'"
	                          " AND customer_id = ",
	                          ""),
	                 1);
}
END_TEST

START_TEST(test_missing)
{
	struct issued_license license;

	refused(license_current(&operation, "cust_00000000000000000000000000000000", &license,
	                        &subscription),
	        FAIL_NOT_FOUND, "customer_not_found");
	change(SUBSCRIPTION "status = 'active' WHERE customer_id = ", "");
	billing.policy.paid_through = true;
	refused(license_current(&operation, customer_id, &license, &subscription),
	        FAIL_CONFLICT, "license_end_unknown");
	change("DELETE FROM subscriptions WHERE customer_id = ", "");
	refused(license_current(&operation, customer_id, &license, &subscription),
	        FAIL_NOT_FOUND, "subscription_not_found");
	refused(license_rotate(&operation, customer_id, &license, &subscription),
	        FAIL_NOT_FOUND, "subscription_not_found");
	fine(account_delete(&operation, customer_id));
	refused(license_current(&operation, customer_id, &license, &subscription),
	        FAIL_NOT_FOUND, "customer_not_found");
	refused(account_revoke_licenses(&operation, customer_id, NULL), FAIL_NOT_FOUND,
	        "customer_not_found");
}
END_TEST

START_TEST(test_revoke)
{
	struct issued_license license;

	fine(account_revoke_licenses(&operation, customer_id, "lost laptop"));
	ck_assert_int_eq(check(signed_up.license->token, &(const char *){NULL}),
	                 LICENSE_REVOKED);
	ck_assert_int_eq(count_of(LICENSES, " AND token IS NOT NULL"), 0);
	ck_assert_int_eq(count_of(LICENSES, " AND revoke_reason = 'lost laptop'"), 1);
	ck_assert_int_eq(
	        count_of("SELECT count(*) FROM audit_log WHERE action = 'license_revoke'"
	                 " AND request_id = 'unit-test' AND customer_id = ",
	                 ""),
	        1);
	license = current();
	ck_assert(says(&license, "\"status\":\"canceled\""));
	ck_assert_int_eq(license.expires_at.ms / 1000, (NOW_MS + DAY_MS) / 1000);
}
END_TEST

START_TEST(test_rotate)
{
	struct issued_license rotated;

	operation.now_ms = NOW_MS + SECOND_MS;
	fine(license_rotate(&operation, customer_id, &rotated, &subscription));
	ck_assert_str_eq(rotated.reason, "rotated");
	ck_assert_str_eq(subscription.status, "trialing");
	ck_assert_int_eq(subscription.version, 1);
	ck_assert_int_eq(check(signed_up.license->token, &(const char *){NULL}),
	                 LICENSE_REVOKED);
	ck_assert_int_eq(check(rotated.token, &(const char *){NULL}), LICENSE_VALID);
	ck_assert_str_eq(current().token, rotated.token);
}
END_TEST

/* When the subscription changes between reading and storing, the licence is about the new
 * state. */
START_TEST(test_a_changed_subscription_is_noticed_when_storing)
{
	struct license_view view = {0};
	struct issued_license license;

	operation.now_ms = NOW_MS + 2 * DAY_MS;
	fine(license_view_read(&operation, NULL, customer_id, &view));
	change(SUBSCRIPTION "plan = 'professional', status = 'active' WHERE customer_id = ",
	       "");
	fine(license_issue(&operation, &view, &license));
	ck_assert_str_eq(license.plan, "professional");
	ck_assert(says(&license, "\"status\":\"active\""));
	ck_assert_int_eq(count_of(LICENSES, ""), 2);
}
END_TEST

/* The history, and the deletion of old tokens. */
START_TEST(test_records)
{
	const struct issued_license *history;
	struct issued_license second;
	struct instant last;
	struct page page = {.limit = 10};
	int64_t forgotten = -1;
	size_t count;

	operation.now_ms = NOW_MS + 2 * DAY_MS;
	fine(license_rotate(&operation, customer_id, &second, &subscription));
	fine(license_history(&operation, customer_id, &page, &history, &count));
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(history[0].jti, second.jti);
	ck_assert_str_eq(history[1].jti, signed_up.license->jti);
	ck_assert_str_eq(history[1].revoke_reason, "rotated");
	ck_assert_ptr_null(history[0].token);
	page.at = history[0].issued_at;
	page.id = history[0].jti;
	fine(license_history(&operation, customer_id, &page, &history, &count));
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(history[0].jti, signed_up.license->jti);
	fine(license_last_of_key(&operation, second.kid, &last));
	ck_assert(last.known && last.ms >= second.expires_at.ms);
	fine(license_last_of_key(&operation, "none", &last));
	ck_assert(!last.known);
	operation.now_ms += DAY_MS + 1;
	operation.batch = 50;
	for (int i = 0; i < 1000 && forgotten != 0; i++)
		fine(license_forget_tokens(&operation, &forgotten));
	ck_assert_int_eq(count_of(LICENSES, " AND token IS NOT NULL"), 0);
	ck_assert_int_eq(check(second.token, &(const char *){NULL}), LICENSE_VALID);
	ck_assert_str_eq(current().reason, "refreshed");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("licenses_db");
	TCase *tcase = fixture_case("licenses");

	tcase_add_test(tcase, test_kept);
	tcase_add_test(tcase, test_refreshed);
	tcase_add_test(tcase, test_clock_set_back);
	tcase_add_loop_test(tcase, test_changed, 0, ROWS(changes));
	tcase_add_loop_test(tcase, test_payment_on_its_way, 0, 2);
	tcase_add_loop_test(tcase, test_rules_changed, 0, 5);
	tcase_add_test(tcase, test_trial_ends);
	tcase_add_test(tcase, test_missing);
	tcase_add_test(tcase, test_revoke);
	tcase_add_test(tcase, test_rotate);
	tcase_add_test(tcase, test_a_changed_subscription_is_noticed_when_storing);
	tcase_add_test(tcase, test_records);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
