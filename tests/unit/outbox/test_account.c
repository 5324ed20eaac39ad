/* test_account.c: the account of the key against the one that the data is of. */
#include "support/stripe_flow_fixture.h"

#include "outbox/account.h"
#include "outbox/fetch.h"

#define ACCOUNT(id) BODY("{'id':'" id "','object':'account'}")

/* How each comparison ends; "" is no failure. */
static const struct {
	const char *recorded;
	bool live;
	struct scripted answer;
	const char *check, *must_be_ours;
} comparisons[] = {
        {NULL, false, ACCOUNT("acct_1"), "", ""},
        {"acct_1", false, ACCOUNT("acct_1"), "", ""},
        {"acct_1", false, ACCOUNT("acct_2"), STRIPE_OTHER_ACCOUNT, STRIPE_OTHER_ACCOUNT},
        /* Test and live mode of one account have separate objects. */
        {"acct_1", true, ACCOUNT("acct_1"), STRIPE_OTHER_ACCOUNT, STRIPE_OTHER_ACCOUNT},
        /* A restricted key may lack the right to read its account. */
        {"acct_1", false, REFUSED(403), "", "stripe_account_unknown"},
        {"acct_1", false, REFUSED(401), "stripe_error", "stripe_error"},
        {"acct_1", false, BROKEN, "stripe_error", "stripe_error"},
        {"acct_1", false, BODY("{'object':'account'}"), "stripe_error", "stripe_error"},
};

static void
record(const char *account_id, bool live)
{
	fine(stripe_account_replace(&operation,
	                            &(struct stripe_account){account_id, live, INSTANT_NONE}));
}

static const char *
code_of(enum fail kind)
{
	const char *code = kind == FAIL_NONE ? "" : task.failure.code;

	ck_assert(kind == FAIL_NONE || kind == FAIL_STRIPE);
	task_clear(&task);
	return code;
}

START_TEST(test_comparison)
{
	if (comparisons[_i].recorded != NULL)
		record(comparisons[_i].recorded, false);
	billing.sales.live = comparisons[_i].live;
	SCRIPT(comparisons[_i].answer);
	ck_assert_str_eq(code_of(stripe_account_check(&operation)), comparisons[_i].check);
	SCRIPT(comparisons[_i].answer);
	ck_assert_str_eq(code_of(stripe_account_must_be_ours(&operation)),
	                 comparisons[_i].must_be_ours);
	asked("GET /v1/account");
}
END_TEST

/* The first account is recorded by the jobs alone, and stays. */
START_TEST(test_record)
{
	struct stripe_account recorded;

	SCRIPT(ACCOUNT("acct_1"), ACCOUNT("acct_1"), ACCOUNT("acct_2"), REFUSED(403));
	fine(stripe_account_check(&operation));
	fine(stripe_account_recorded(&operation, &recorded));
	ck_assert_ptr_null(recorded.account_id);
	fine(stripe_account_record(&operation));
	ck_assert_str_eq(code_of(stripe_account_record(&operation)), STRIPE_OTHER_ACCOUNT);
	fine(stripe_account_record(&operation));
	fine(stripe_account_recorded(&operation, &recorded));
	ck_assert_str_eq(recorded.account_id, "acct_1");
	ck_assert(!recorded.livemode && recorded.recorded_at.ms == NOW_MS);
}
END_TEST

/* The jobs try again later: no other request would find its object either. */
START_TEST(test_away)
{
	record("acct_1", false);
	SCRIPT(ACCOUNT("acct_2"));
	ck_assert_int_eq(stripe_account_check(&operation), FAIL_STRIPE);
	ck_assert(stripe_is_away(&operation, FAIL_STRIPE));
	task_clear(&task);
}
END_TEST

START_TEST(test_replace)
{
	struct stripe_account_figures before, after;
	struct stripe_account recorded;

	fine(stripe_account_figures(&operation, &before));
	link_customer();
	store_synced("sub_1", "active");
	store_synced("sub_2", "canceled");
	fine(stripe_account_figures(&operation, &after));
	ck_assert_int_eq(after.customers - before.customers, 1);
	ck_assert_int_eq(after.subscriptions - before.subscriptions, 1);
	record("acct_1", false);
	record("acct_2", true);
	fine(stripe_account_recorded(&operation, &recorded));
	ck_assert_str_eq(recorded.account_id, "acct_2");
	ck_assert(recorded.livemode);
	ck_assert_int_eq(database_number(operation.db, &task,
	                                 "SELECT count(*) FROM audit_log WHERE action = "
	                                 "'stripe_account' AND subject = 'acct_2' AND detail = "
	                                 "'acct_1'"),
	                 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe account");
	TCase *tcase = tcase_create("stripe account");

	tcase_add_checked_fixture(tcase, flow_setup, flow_teardown);
	tcase_add_loop_test(tcase, test_comparison, 0, ROWS(comparisons));
	tcase_add_test(tcase, test_record);
	tcase_add_test(tcase, test_away);
	tcase_add_test(tcase, test_replace);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
