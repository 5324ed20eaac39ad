/* test_return_urls.c: the URLs that Stripe may send a customer's browser to after a
 * checkout. */
#include "support/suite.h"

#include "sales/return_urls.h"

static struct sales_policy policy;

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
        /* Other spellings of an origin that is permitted. */
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
        /* A user name before the host. */
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
        /* Characters that browsers drop or replace. */
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
	fault = return_url_fault(&policy, urls[_i].url);
	ck_assert_msg((fault == NULL) == urls[_i].allowed, "%s: %s", urls[_i].url,
	              fault == NULL ? "allowed" : fault);
}
END_TEST

/* Without further origins only our own is allowed; without BASE_URL none is. */
START_TEST(test_no_origins)
{
	policy.base_url = BASE;
	policy.return_origins = "";
	ck_assert_ptr_null(return_url_fault(&policy, BASE "/x"));
	ck_assert_ptr_nonnull(return_url_fault(&policy, APP));
	policy.base_url = "";
	ck_assert_ptr_nonnull(return_url_fault(&policy, BASE));
	ck_assert_ptr_nonnull(return_url_fault(&policy, ""));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("return URLs");
	TCase *tcase = tcase_create("return URLs");

	tcase_add_loop_test(tcase, test_urls, 0, ROWS(urls));
	tcase_add_test(tcase, test_no_origins);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
