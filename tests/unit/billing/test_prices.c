/*
 * test_prices.c: the lists of prices, and where a customer's browser may be sent.
 */
#include "support/suite.h"

#include "billing/plans.h"
#include "billing/prices.h"

static struct task task;
static struct plans plans;
static struct stripe_policy policy;

static void
setup(void)
{
	task = suite_task();
	ck_assert_int_eq(plans_load(&task, "conf/plans.json", &plans), FAIL_NONE);
	policy = (struct stripe_policy){0};
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static enum fail
add(const char *plan, const char *prices)
{
	return stripe_policy_add(&task, &policy, &plans, "SETTING", plan, prices);
}

static void
sells(const char *plan, size_t position, const char *price_id)
{
	const struct stripe_price *price = stripe_policy_sells(&policy, plan, position);

	if (price_id == NULL) {
		ck_assert_ptr_null(price);
		return;
	}
	ck_assert_ptr_nonnull(price);
	ck_assert_str_eq(price->price_id, price_id);
	ck_assert_str_eq(price->plan, plan);
}

START_TEST(test_prices)
{
	const struct stripe_price *price;

	ck_assert_int_eq(add("starter", " price_a1 ,,price_a2,"), FAIL_NONE);
	ck_assert_int_eq(add("professional", "price_b1"), FAIL_NONE);
	ck_assert_int_eq(add("enterprise", ""), FAIL_NONE);
	ck_assert_uint_eq(policy.price_count, 3);
	price = stripe_policy_price(&policy, "price_a2");
	ck_assert_ptr_nonnull(price);
	ck_assert_str_eq(price->plan, "starter");
	ck_assert_uint_eq(price->position, 1);
	ck_assert_ptr_null(stripe_policy_price(&policy, "price_A1"));
	ck_assert_ptr_null(stripe_policy_price(&policy, "price_a"));
	ck_assert_ptr_null(stripe_policy_price(&policy, ""));
	ck_assert_ptr_null(stripe_policy_price(&policy, NULL));
	sells("starter", 0, "price_a1");
	sells("starter", 1, "price_a2");
	/* A plan without a yearly price is sold at its first one. */
	sells("starter", 7, "price_a1");
	sells("professional", 1, "price_b1");
	sells("enterprise", 0, NULL);
	sells("Starter", 0, NULL);
}
END_TEST

/* The names that the operator must look for stand in the message. */
static void
refused(enum fail kind, const char *what)
{
	ck_assert_int_eq(kind, FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "invalid_setting");
	ck_assert_ptr_eq(strstr(task.failure.message, "SETTING: "), task.failure.message);
	ck_assert_msg(strstr(task.failure.message, what) != NULL, "%s", task.failure.message);
	task_clear(&task);
}

START_TEST(test_prices_refused)
{
	ck_assert_int_eq(add("starter", "price_a"), FAIL_NONE);
	refused(add("starter", "price_b,price_b"), "price_b");
	refused(add("professional", "price_c,price_a"), "price_a");
	refused(add("platinum", "price_d"), "platinum");
	ck_assert_int_eq(add("platinum", " , "), FAIL_NONE);
}
END_TEST

START_TEST(test_too_many_prices)
{
	for (int i = 0; i < STRIPE_PRICES_MAX; i++)
		ck_assert_int_eq(add("starter", arena_printf(task.arena, "price_%d", i)),
		                 FAIL_NONE);
	refused(add("starter", "one_more"), "too many");
	ck_assert_uint_eq(policy.price_count, STRIPE_PRICES_MAX);
}
END_TEST

START_TEST(test_metered_prices)
{
	static const char *const wrong[][2] = {{"price_x", "'price_x' is not a meter"},
	                                       {"calls:", "'calls:' is not a meter"},
	                                       {":price_x", "':price_x' is not a meter"},
	                                       {"other:price_x", "the meter 'other'"},
	                                       {"calls:price_a", "price_a stands twice"},
	                                       {"calls:price_m", "price_m stands twice"}};

	plans.items[1].usage.meters[0] = "storage";
	plans.items[1].usage.meters[1] = "calls";
	ck_assert_int_eq(add("starter", "price_a"), FAIL_NONE);
	ck_assert_int_eq(stripe_policy_add_metered(&task, &policy, &plans, "SETTING",
	                                           "calls:price_m, storage:price_s,calls:"
	                                           "price_y,"),
	                 FAIL_NONE);
	ck_assert_str_eq(stripe_policy_meter(&policy, "price_y"), "calls");
	ck_assert_str_eq(stripe_policy_meter(&policy, "price_s"), "storage");
	ck_assert_ptr_null(stripe_policy_meter(&policy, "price_a"));
	ck_assert_ptr_null(stripe_policy_meter(&policy, NULL));
	ck_assert_str_eq(stripe_policy_bills(&policy, "calls", 0), "price_m");
	ck_assert_str_eq(stripe_policy_bills(&policy, "calls", 1), "price_y");
	ck_assert_str_eq(stripe_policy_bills(&policy, "storage", 1), "price_s");
	ck_assert_ptr_null(stripe_policy_bills(&policy, "other", 0));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		refused(stripe_policy_add_metered(&task, &policy, &plans, "SETTING",
		                                  wrong[i][0]),
		        wrong[i][1]);
	refused(add("starter", "price_m"), "price_m stands twice");
}
END_TEST

#define BASE "https://billing.example.com"
#define APP "https://app.example.com"

static const struct {
	const char *url;
	bool allowed;
} urls[] = {
        {BASE, true},
        {BASE "/", true},
        {BASE "?a=b", true},
        {BASE "#top", true},
        {BASE "/done?session_id={CHECKOUT_SESSION_ID}", true},
        {BASE "/a@b://c", true},
        {APP "/billing", true},
        {"https://third.example.com:8443/x", true},
        {"http://localhost:3000/x", true},
        {"https://[2001:db8::1]:9443/x", true},
        {"https://[2001:db8::2]/x", true},
        /* The same origin, spelt otherwise. */
        {"HTTPS://App.Example.COM/x", true},
        {APP ":443/x", true},
        {APP ":/x", true},
        {BASE ":443", true},
        {"https://with-a-path.example.com/elsewhere", true},
        /* Other schemes. */
        {"http://app.example.com/", false},
        {"http://app.example.com:443/", false},
        {"javascript:alert(1)//" APP, false},
        {"data:text/html,x", false},
        {"ftp://app.example.com/", false},
        {"httpss://app.example.com/", false},
        {"https", false},
        {"https:", false},
        {"", false},
        {"/done", false},
        {"//app.example.com/", false},
        {"https:/app.example.com/", false},
        {"https:app.example.com/", false},
        {"app.example.com", false},
        {" " APP, false},
        {"null", false},
        /* Other hosts. */
        {"https://evil.com/", false},
        {APP ".evil.com/", false},
        {APP "evil.com/", false},
        {APP "./x", false},
        {"https://xapp.example.com/", false},
        {"https://evil.app.example.com/", false},
        {"https://example.com/", false},
        {"https://app.example.co/", false},
        {"https:///evil.com/", false},
        {"https://?" APP, false},
        {"https://#" APP, false},
        {"https://evil.com/" APP, false},
        {"https://evil.com?" APP, false},
        {"https://evil.com#" APP, false},
        {"https://with-a-path.example.com.evil.com/path", false},
        /* Somebody before the host. */
        {APP "@evil.com/", false},
        {APP ":443@evil.com/", false},
        {"https://user@app.example.com/", false},
        {"https://user:secret@app.example.com/", false},
        {"https://@app.example.com/", false},
        {"https://evil.com@app.example.com/", false},
        /* Ports. */
        {APP ":8443/", false},
        {APP ":4430/", false},
        {APP ":443x/", false},
        {APP ":+443/", false},
        {APP ":-1/", false},
        {APP ":66979/", false},
        {APP ":18446744073709552059/", false},
        {"https://third.example.com/x", false},
        {"http://localhost/x", false},
        {"http://localhost:30000/x", false},
        {"https://[2001:db8::1]/x", false},
        {"https://[2001:db8::3]/x", false},
        {"https://[2001:db8::2].evil.com/x", false},
        {"https://[2001:db8::2/x", false},
        {"https://[2001:db8::2/x]", false},
        {"https://[]/x", false},
        /* What browsers read otherwise than it looks. */
        {"https:\\\\evil.com", false},
        {APP "\\@evil.com/", false},
        {"https://evil.com\\" APP, false},
        {"https://evil.com\t@app.example.com/", false},
        {APP "\n.evil.com/", false},
        {APP "\r/", false},
        {APP "/\t", false},
        {APP "/a b", false},
        {APP "/\x7f", false},
        {"https://app.example.com\xe3\x80\x82/", false},
        {APP "/\xc3\xa9", false},
        {"https://app%2eexample.com/", false},
};

START_TEST(test_urls)
{
	const char *fault;

	policy.base_url = BASE "/";
	policy.return_origins = APP ", https://third.example.com:8443,http://localhost:3000 ,"
	                            "https://[2001:db8::1]:9443,https://[2001:db8::2],"
	                            "https://with-a-path.example.com/path,*,https://,null";
	fault = stripe_policy_url_fault(&policy, urls[_i].url);
	ck_assert_msg((fault == NULL) == urls[_i].allowed, "%s: %s", urls[_i].url,
	              fault == NULL ? "allowed" : fault);
}
END_TEST

/* Without further origins our own is the only one; and without one of ours there is none. */
START_TEST(test_no_origins)
{
	policy.base_url = BASE;
	policy.return_origins = "";
	ck_assert_ptr_null(stripe_policy_url_fault(&policy, BASE "/x"));
	ck_assert_ptr_nonnull(stripe_policy_url_fault(&policy, APP));
	policy.base_url = "";
	ck_assert_ptr_nonnull(stripe_policy_url_fault(&policy, BASE));
	ck_assert_ptr_nonnull(stripe_policy_url_fault(&policy, ""));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe policy");
	TCase *tcase = tcase_create("stripe policy");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_prices);
	tcase_add_test(tcase, test_prices_refused);
	tcase_add_test(tcase, test_metered_prices);
	tcase_add_test(tcase, test_too_many_prices);
	tcase_add_loop_test(tcase, test_urls, 0, ROWS(urls));
	tcase_add_test(tcase, test_no_origins);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
