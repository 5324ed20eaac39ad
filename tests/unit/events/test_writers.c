/* test_writers.c: changes of signing keys and overrides, and the end of a trial, write their events. */
#include "support/billing_fixture.h"

#include "accounts/override_change.h"
#include "issuing/signing_keys.h"

/* How many events of the type fulfil the condition. */
static int64_t
written(const char *type, const char *condition)
{
	return count_of(
	        arena_printf(task.arena,
	                     "SELECT count(*) FROM events WHERE type = '%s' AND (%s) AND ",
	                     type, condition),
	        " IS NOT NULL");
}

static void
is_key(const char *kid, const char *type, const char *state)
{
	ck_assert_int_eq(written(type, arena_printf(task.arena,
	                                            "customer_id IS NULL AND data ->> 'kid' = "
	                                            "'%s' AND data ->> 'state' = '%s'",
	                                            kid, state)),
	                 1);
}

START_TEST(test_signing_keys)
{
	struct instant until = INSTANT_MS(operation.now_ms + DAY_MS);
	const char *first = random_id(task.arena, "k", 8), *second, *third;

	second = random_id(task.arena, "k", 8);
	third = random_id(task.arena, "k", 8);
	change("DELETE FROM signing_keys WHERE ", " IS NOT NULL");
	fine(signing_key_add(&operation, first, "a"));
	is_key(first, "signing_key.added", "added");
	fine(signing_key_use(&operation, first, until));
	is_key(first, "signing_key.used", "current");
	fine(signing_key_add(&operation, second, "b"));
	fine(signing_key_use(&operation, second, until));
	is_key(first, "signing_key.retired", "retired");
	is_key(second, "signing_key.used", "current");
	fine(signing_key_distrust(&operation, first, "stolen"));
	is_key(first, "signing_key.distrusted", "distrusted");
	fine(signing_key_add(&operation, third, "c"));
	fine(signing_key_withdraw(&operation, third));
	is_key(third, "signing_key.retired", "retired");
	ck_assert_int_eq(written("signing_key.used", "data::text ~ 'pem|BEGIN'"), 0);
	/* A distrusted key changes the revocation lists that other tests make. */
	change("DELETE FROM signing_keys WHERE ", " IS NOT NULL");
}
END_TEST

static void
set_override(const char *features)
{
	struct json_view limits, values;
	struct any_object no_limits = {0}, all = {0};
	struct override_change wanted = {.customer_id = customer_id,
	                                 .features = &all,
	                                 .limits = &no_limits,
	                                 .reason = "a pilot of Jane Doe"};
	struct override_outcome outcome;

	ck_assert(json_view_try(task.arena, features, strlen(features), &values));
	ck_assert(json_view_try(task.arena, "{}", 2, &limits));
	all.object = values;
	no_limits.object = limits;
	fine(account_override(&operation, &wanted, &outcome));
}

START_TEST(test_overrides)
{
	const char *own = arena_printf(task.arena, "customer_id = '%s'", customer_id);

	set_override("{\"maxDevices\":99}");
	ck_assert_int_eq(written("override.set", own), 1);
	set_override("{}");
	ck_assert_int_eq(written("override.set", own), 2);
	ck_assert_int_eq(
	        written("override.set", arena_printf(task.arena,
	                                             "%s AND data::jsonb -> 'features' "
	                                             "= '{}'",
	                                             own)),
	        1);
	ck_assert_int_eq(written("override.set", "data::text ~ 'Jane'"), 0);
}
END_TEST

START_TEST(test_the_end_of_a_trial)
{
	const char *own = arena_printf(task.arena,
	                               "customer_id = '%s' AND data ->> 'status' = 'canceled'",
	                               customer_id);
	int64_t ended;

	operation.batch = 500;
	operation.now_ms = signed_up.subscription->trial_ends_at.ms + 1;
	for (int i = 0; i < 2; i++) {
		do
			fine(subscription_expire_trials(&operation, &ended));
		while (ended > 0);
		ck_assert_int_eq(written("trial.expired", own), 1);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("writers");
	TCase *tcase = fixture_case("writers");

	tcase_add_test(tcase, test_signing_keys);
	tcase_add_test(tcase, test_overrides);
	tcase_add_test(tcase, test_the_end_of_a_trial);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
