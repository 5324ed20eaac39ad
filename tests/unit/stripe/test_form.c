/* test_form.c: the encoding of parameters and paths for Stripe's v1 API. */
#include "support/suite.h"

#include "stripe/form.h"
#include "json/fields.h"

static struct task task;

static void
setup(void)
{
	task = suite_task();
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static const struct {
	const char *value;
	const char *encoded;
} values[] = {
        {"", ""},
        {"plain-1.2_3~Z", "plain-1.2_3~Z"},
        {"a b", "a%20b"},
        {"+", "%2B"},
        {"a&b=c", "a%26b%3Dc"},
        {"100%", "100%25"},
        {"%41", "%2541"},
        {"!*()'", "%21%2A%28%29%27"},
        {"[x]", "%5Bx%5D"},
        {"\xc3\xbc\xe2\x82\xac", "%C3%BC%E2%82%AC"},
        {"a\r\nb\tc", "a%0D%0Ab%09c"},
        {"https://app.example.com/return?session_id={CHECKOUT_SESSION_ID}",
         "https%3A%2F%2Fapp.example.com%2Freturn%3Fsession_id%3D%7BCHECKOUT_SESSION_ID%7D"},
        {"#;,/\\\"", "%23%3B%2C%2F%5C%22"},
};

START_TEST(test_values)
{
	struct stripe_form form = stripe_form_new(task.arena);

	stripe_form_string(&form, "k", values[_i].value);
	ck_assert_str_eq(form.text.data, arena_printf(task.arena, "k=%s", values[_i].encoded));
	ck_assert_str_eq(
	        stripe_path(task.arena, "/v1/a/%s", values[_i].value),
	        arena_printf(task.arena, "/v1/a/%s", _i == 0 ? "-" : values[_i].encoded));
}
END_TEST

/* Any bytes become unreserved characters and escapes, and are decoded to the same bytes. */
START_TEST(test_every_byte)
{
	for (int byte = 1; byte < 256; byte++) {
		char value[] = {'a', (char)byte, 'z', '\0'}, *back;
		struct stripe_form form = stripe_form_new(task.arena);

		stripe_form_string(&form, "k", value);
		ck_assert_uint_eq(strspn(form.text.data,
		                         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		                         "0123456789-._~%="),
		                  form.text.length);
		back = fields_percent_decode(task.arena, form.text.data + 2,
		                             form.text.length - 2, false);
		if (byte < 128)
			ck_assert_str_eq(back, value);
		else
			ck_assert_str_eq(form.text.data, arena_printf(task.arena, "k=a%%%02Xz",
			                                              (unsigned)byte));
	}
}
END_TEST

START_TEST(test_keys)
{
	struct stripe_form form = stripe_form_new(task.arena);

	stripe_form_string(&form, "metadata[a&b=c]", "d");
	stripe_form_string(&form, "metadata[two words]", "e");
	ck_assert_str_eq(form.text.data, "metadata[a%26b%3Dc]=d&metadata[two%20words]=e");
}
END_TEST

START_TEST(test_types)
{
	struct stripe_form form = stripe_form_new(task.arena);

	ck_assert_str_eq(form.text.data, "");
	stripe_form_string(&form, "left_out", NULL);
	ck_assert_str_eq(form.text.data, "");
	stripe_form_string(&form, "metadata[old]", "");
	stripe_form_int(&form, "zero", 0);
	stripe_form_int(&form, "least", INT64_MIN);
	stripe_form_string(&form, "left_out", NULL);
	stripe_form_int(&form, "most", INT64_MAX);
	stripe_form_bool(&form, "yes", true);
	stripe_form_bool(&form, "no", false);
	ck_assert_str_eq(form.text.data, "metadata[old]=&zero=0&least=-9223372036854775808"
	                                 "&most=9223372036854775807&yes=true&no=false");
	ck_assert_uint_eq(strlen(form.text.data), form.text.length);
}
END_TEST

/* A body much larger than the first buffer. */
START_TEST(test_long_forms)
{
	struct stripe_form form = stripe_form_new(task.arena);

	for (int i = 0; i < 1000; i++)
		stripe_form_int(&form, arena_printf(task.arena, "items[%d][quantity]", i), i);
	ck_assert(strstr(form.text.data, "&items[999][quantity]=999") != NULL);
	ck_assert_uint_eq(form.text.length, strlen(form.text.data));
}
END_TEST

/* The form has the bytes that the official library sends for these parameters. */
START_TEST(test_checkout_session)
{
	struct stripe_form form = stripe_form_new(task.arena);

	stripe_form_string(&form, "mode", "subscription");
	stripe_form_string(&form, "line_items[0][price]", "price_123");
	stripe_form_int(&form, "line_items[0][quantity]", 1);
	stripe_form_string(&form, "line_items[1][price]", "price_metered");
	stripe_form_string(&form, "customer", "cus_123");
	stripe_form_string(&form, "cancel_url", "https://app.example.com/billing");
	stripe_form_bool(&form, "allow_promotion_codes", true);
	stripe_form_int(&form, "subscription_data[trial_period_days]", 14);
	stripe_form_string(&form, "metadata[note]", "a&b=c d+e/\xc3\xbc\xe2\x82\xac");
	ck_assert_str_eq(
	        form.text.data,
	        "mode=subscription&line_items[0][price]=price_123&line_items[0][quantity]=1"
	        "&line_items[1][price]=price_metered&customer=cus_123"
	        "&cancel_url=https%3A%2F%2Fapp.example.com%2Fbilling"
	        "&allow_promotion_codes=true&subscription_data[trial_period_days]=14"
	        "&metadata[note]=a%26b%3Dc%20d%2Be%2F%C3%BC%E2%82%AC");
}
END_TEST

START_TEST(test_upgrade)
{
	struct stripe_form form = stripe_form_new(task.arena);

	stripe_form_string(&form, "items[0][id]", "si_123");
	stripe_form_string(&form, "items[0][price]", "price_456");
	stripe_form_int(&form, "items[0][quantity]", 3);
	stripe_form_string(&form, "proration_behavior", "always_invoice");
	stripe_form_string(&form, "payment_behavior", "pending_if_incomplete");
	ck_assert_str_eq(form.text.data,
	                 "items[0][id]=si_123&items[0][price]=price_456&items[0][quantity]=3"
	                 "&proration_behavior=always_invoice"
	                 "&payment_behavior=pending_if_incomplete");
}
END_TEST

static const struct {
	const char *format;
	const char *id;
	const char *path;
} paths[] = {
        {"/v1/customers/%s", "cus_123", "/v1/customers/cus_123"},
        {"/v1/customers/%s", "cus_a/b c", "/v1/customers/cus_a%2Fb%20c"},
        {"/v1/checkout/sessions/%s/expire", "cs_1", "/v1/checkout/sessions/cs_1/expire"},
        {"/v1/customers", "cus_123", "/v1/customers"},
        {"/v1/a/%s/b/%s", "x", "/v1/a/x/b/x"},
        {"/v1/a/%s", "?x=1#y", "/v1/a/%3Fx%3D1%23y"},
        {"/v1/a/%s", "%s%d", "/v1/a/%25s%25d"},
        /* An empty id never gives the path of all objects. */
        {"/v1/customers/%s", "", "/v1/customers/-"},
        {"/v1/customers/%s", NULL, "/v1/customers/-"},
};

START_TEST(test_paths)
{
	ck_assert_str_eq(stripe_path(task.arena, paths[_i].format, paths[_i].id),
	                 paths[_i].path);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe form");
	TCase *tcase = tcase_create("stripe form");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_values, 0, ROWS(values));
	tcase_add_test(tcase, test_every_byte);
	tcase_add_test(tcase, test_keys);
	tcase_add_test(tcase, test_types);
	tcase_add_test(tcase, test_long_forms);
	tcase_add_test(tcase, test_checkout_session);
	tcase_add_test(tcase, test_upgrade);
	tcase_add_loop_test(tcase, test_paths, 0, ROWS(paths));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
