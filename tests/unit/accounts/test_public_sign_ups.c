/* test_public_sign_ups.c: sign-ups without a key of an operator are bounded by the hour, and judged before a licence
 * is signed. */
#include "support/billing_fixture.h"

#include "accounts/public_sign_ups.h"

#define COUNTED "SELECT COALESCE(max(sign_ups), 0) FROM sign_up_counts WHERE ''::text <> "

enum { MOST = 2 };

static void
setup(void)
{
	fixture_setup();
	billing.policy.sign_ups_per_hour = MOST;
	change("DELETE FROM sign_up_counts WHERE ''::text <> ", "");
}

static bool
admit(const char *email)
{
	enum fail kind = public_sign_up_judge(&operation, email);

	/* Sign-ups that come at once are judged before the others are counted. */
	ck_assert_int_eq(public_sign_up_judge(&operation, email), kind);
	if (kind == FAIL_LIMITED) {
		task_clear(&task);
		ck_assert_int_eq(public_sign_up_count(&operation), FAIL_LIMITED);
	} else {
		kind = public_sign_up_count(&operation);
	}

	if (kind == FAIL_NONE)
		return true;
	ck_assert_int_eq(kind, FAIL_LIMITED);
	ck_assert_str_eq(task.failure.code, "too_many_sign_ups");
	ck_assert_int_gt(task.failure.retry_after_s, 0);
	ck_assert_int_le(task.failure.retry_after_s, HOUR_MS / SECOND_MS);
	task_clear(&task);
	return false;
}

START_TEST(test_of_an_hour)
{
	ck_assert(admit("a@example.org") && admit("b@example.org") && !admit("c@example.org"));
	operation.now_ms += HOUR_MS;
	ck_assert(admit("c@example.org") && admit("d@example.org"));
	/* A host whose request is of the hour before does not empty the count. */
	operation.now_ms -= HOUR_MS;
	ck_assert(!admit("e@example.org"));
	operation.now_ms += HOUR_MS;
	ck_assert(!admit("e@example.org"));
	/* A count of the far future is the mistake of a clock. */
	change("UPDATE sign_up_counts SET hour = 'infinity', sign_ups = 1000 WHERE ''::text "
	       "<> ",
	       "");
	ck_assert(admit("e@example.org"));
}
END_TEST

START_TEST(test_an_address_that_is_taken)
{
	const char *email = signed_up.customer.email;
	struct sign_up out = {.is_public = true};

	refused(account_sign_up(&operation, email, NULL, &out), FAIL_CONFLICT,
	        "customer_exists");
	email = arena_printf(task.arena, "A%s", email + 1);
	refused(account_sign_up(&operation, email, NULL, &out), FAIL_CONFLICT,
	        "customer_exists");
	ck_assert_int_eq(count_of(COUNTED, ""), 0);
}
END_TEST

static enum fail
refuse_to_sign(void *context)
{
	(*(int *)context)++;
	return task_fail(&task, FAIL_UNAVAILABLE, "busy", "Many licences are signed.");
}

/* The bound of workers that sign holds for sign-ups too. One that it refuses is not counted. */
START_TEST(test_signing_is_bounded)
{
	struct sign_up out = {.is_public = true};
	int asked = 0;

	operation.before_signing = refuse_to_sign;
	operation.signing_context = &asked;
	refused(account_sign_up(&operation, "new@example.org", NULL, &out), FAIL_UNAVAILABLE,
	        "busy");
	ck_assert_int_eq(asked, 1);
	ck_assert_int_eq(count_of(COUNTED, ""), 0);
	operation.before_signing = NULL;
	fine(account_sign_up(&operation, "new@example.org", NULL, &out));
	ck_assert_int_eq(count_of(COUNTED, ""), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("public_sign_ups");
	TCase *tcase = tcase_create("public");

	tcase_set_timeout(tcase, 300);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, setup, fixture_teardown);
	tcase_add_test(tcase, test_of_an_hour);
	tcase_add_test(tcase, test_an_address_that_is_taken);
	tcase_add_test(tcase, test_signing_is_bounded);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
