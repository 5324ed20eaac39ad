/* test_values.c: the audit trail has each changed object as it was and as it is. */
#include "support/usage_fixture.h"

#include "billing/subscriptions.h"
#include "instances/instances.h"
#include "issuing/license_rights.h"
#include "sales/changes.h"

/* How many entries of the action fulfil the condition. */
static int64_t
entries(const char *action, const char *condition)
{
	return count_of(
	        "SELECT count(*) FROM audit_log WHERE customer_id = ",
	        arena_printf(task.arena, " AND action = '%s' AND (%s)", action, condition));
}

static void
recorded(const char *action, const char *condition)
{
	ck_assert_int_eq(entries(action, "true"), 1);
	ck_assert_msg(entries(action, condition) == 1, "%s: %s", action, condition);
}

#define BEFORE(name) "value_before ->> '" name "'"
#define AFTER(name) "value_after ->> '" name "'"

START_TEST(test_cancelled_trial)
{
	fine(change_cancel(&operation, customer_id, CANCEL_NOW));
	recorded("trial_cancel",
	         BEFORE("status") " = 'trialing' AND " AFTER(
	                 "status") " = 'canceled' "
	                           "AND value_before - 'status' = value_after - 'status'");
	recorded("license_revoke", BEFORE("count") " = '1'");
}
END_TEST

START_TEST(test_expired_trial)
{
	int64_t ended;

	operation.batch = 500;
	operation.now_ms += (billing.plans.trial_days + 1) * DAY_MS;
	fine(subscription_expire_trials(&operation, &ended));
	recorded("trial_expired",
	         BEFORE("status") " = 'trialing' AND " AFTER(
	                 "status") " = 'canceled' AND " AFTER("trial_ends_at") " LIKE '20%Z' "
	                                                                       "AND "
	                                                                       "value_before - "
	                                                                       "'status' = "
	                                                                       "value_after - "
	                                                                       "'status'");
}
END_TEST

START_TEST(test_started_trial)
{
	struct subscription subscription;

	change("DELETE FROM licenses WHERE customer_id = ", "");
	change("DELETE FROM subscriptions WHERE customer_id = ", "");
	change("DELETE FROM trial_redemptions WHERE customer_id = ", "");
	change("DELETE FROM trial_skeletons WHERE ", " IS NOT NULL");
	fine(subscription_start_trial(&operation, customer_id, &subscription));
	recorded("trial_start",
	         "value_before IS NULL AND " AFTER("status") " = 'trialing' AND " AFTER(
	                 "trial_ends_at") " IS NOT NULL");
}
END_TEST

/* Each licence is named with its states, the newest first, and the token never. */
START_TEST(test_revoked_licences)
{
	fine(account_revoke_licenses(&operation, customer_id, "late"));
	recorded("license_revoke",
	         "value_before #>> '{licenses,0,revoked_at}' IS NULL "
	         "AND value_before #>> '{licenses,0,jti}' = value_after #>> '{licenses,0,jti}' "
	         "AND value_after::text || value_before::text NOT LIKE '%late%' "
	         "AND value_after #>> '{licenses,0,revoked_at}' LIKE '20%Z' "
	         "AND value_before::text NOT LIKE '%token%' AND " AFTER("count") " = '1'");
}
END_TEST

START_TEST(test_many_revoked_licences)
{
	change("INSERT INTO licenses (jti, customer_id, kid, plan, reason, fingerprint, "
	       "issued_at, "
	       "expires_at) SELECT 'lic_many' || n || customer_id, customer_id, 'kid', "
	       "'trial', "
	       "'refreshed', '', now(), '2100-01-01' FROM customers, generate_series(1, 60) n "
	       "WHERE customer_id = ",
	       "");
	fine(account_revoke_licenses(&operation, customer_id, "late"));
	recorded("license_revoke",
	         AFTER("count") " = '61' AND "
	                        "jsonb_array_length(value_after -> 'licenses') = 50");
}
END_TEST

START_TEST(test_rotated_licence)
{
	struct subscription subscription;
	struct issued_license license;

	operation.actor = "customer:test";
	fine(license_rotate(&operation, customer_id, &license, &subscription));
	recorded("license_rotate", AFTER("count") " = '1' AND value_after #>> "
	                                          "'{licenses,0,revoke_reason}' = 'rotated'");
}
END_TEST

static void
activate(const char *id, const char *kind)
{
	const struct instance_lease lease = {.customer_id = customer_id,
	                                     .instance_id = id,
	                                     .kind = kind,
	                                     .end_ms = operation.now_ms + HOUR_MS};
	struct instance instance;
	bool fresh;

	fine(instance_activate(&operation, &lease, &instance, &fresh));
}

START_TEST(test_instances)
{
	struct instance instance;

	activate("a", NULL);
	recorded("instance_activate",
	         "value_before IS NULL AND " AFTER("state") " = 'active' AND " AFTER(
	                 "kind") " = 'production'");
	activate("a", NULL);
	recorded("instance_activate", "true");
	activate("a", "staging");
	recorded("instance_kind",
	         BEFORE("kind") " = 'production' AND " AFTER("kind") " = 'staging'");
	fine(instance_transfer(&operation, customer_id, "a", "b", &instance));
	recorded(
	        "instance_transfer",
	        BEFORE("state") " = 'active' AND " AFTER("state") " = 'released' AND " BEFORE(
	                "instance_id") " = 'a' AND " BEFORE("lease_expires_at") " > " AFTER("le"
	                                                                                    "as"
	                                                                                    "e_"
	                                                                                    "ex"
	                                                                                    "pi"
	                                                                                    "re"
	                                                                                    "s_"
	                                                                                    "a"
	                                                                                    "t") " AND detail = 'b'");
	operation.now_ms += 2 * HOUR_MS;
	fine(instance_release(&operation, customer_id, "b", &instance));
	recorded("instance_release",
	         BEFORE("state") " = 'expired' AND " AFTER("state") " = 'released'");
	activate("b", "production");
	ck_assert_int_eq(
	        entries("instance_activate",
	                BEFORE("state") " = 'released' AND " BEFORE("kind") " = 'staging'"),
	        1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("audited values");
	TCase *tcase = tcase_create("values");

	tcase_set_timeout(tcase, 300);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, usage_setup, fixture_teardown);
	tcase_add_test(tcase, test_cancelled_trial);
	tcase_add_test(tcase, test_expired_trial);
	tcase_add_test(tcase, test_started_trial);
	tcase_add_test(tcase, test_revoked_licences);
	tcase_add_test(tcase, test_many_revoked_licences);
	tcase_add_test(tcase, test_rotated_licence);
	tcase_add_test(tcase, test_instances);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
