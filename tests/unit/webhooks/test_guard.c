/* test_guard.c: the addresses that webhooks may be sent to. */
#include "support/suite.h"

#include <arpa/inet.h>

#include "webhooks/guard.h"

static struct arena *arena;

static void
setup(void)
{
	arena = arena_new((size_t)1024 * 1024);
}

static void
teardown(void)
{
	arena_free(arena);
}

static bool
admits(const char *allowed, const char *text, bool https)
{
	struct webhook_guard guard = {allowed};
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		return webhook_guard_admits(&guard, (const struct sockaddr *)&four, https);
	ck_assert_int_eq(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
	return webhook_guard_admits(&guard, (const struct sockaddr *)&six, https);
}

/* First and last addresses of each closed network, and forms of IPv6 that hide IPv4. */
static const char *const closed[] = {
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "3fff::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "5f00::1",
};

static const char *const open_ones[] = {
        "1.1.1.1",     "9.255.255.255",   "11.0.0.0",    "100.63.255.255", "100.128.0.0",
        "172.15.0.1",  "172.32.0.0",      "192.167.1.1", "198.17.255.255", "198.20.0.0",
        "223.255.0.1", "2606:4700::1111", "2a00::1",     "::ffff:1.1.1.1",
};

START_TEST(test_closed)
{
	ck_assert(!admits("", closed[_i], true));
	ck_assert(!admits(NULL, closed[_i], true));
	ck_assert(!admits("192.0.3.0/24, fd00:1::/32", closed[_i], true));
}
END_TEST

START_TEST(test_open)
{
	ck_assert(admits("", open_ones[_i], true));
	/* Plain http only where a network is listed. */
	ck_assert(!admits("", open_ones[_i], false));
	ck_assert(admits("0.0.0.0/0,::/0", open_ones[_i], false));
}
END_TEST

START_TEST(test_listed_networks)
{
	ck_assert(admits("10.1.0.0/16", "10.1.255.255", false));
	ck_assert(!admits("10.1.0.0/16", "10.2.0.0", true));
	ck_assert(admits("10.1.2.3", "10.1.2.3", true));
	ck_assert(!admits("10.1.2.3", "10.1.2.4", true));
	ck_assert(admits(" 127.0.0.0/8 , ::1", "::1", false));
	ck_assert(admits("127.0.0.0/8", "::ffff:127.0.0.1", false));
	ck_assert(admits("fd00::/9", "fd7f::1", true));
	ck_assert(!admits("fd00::/9", "fd80::1", true));
}
END_TEST

START_TEST(test_lists)
{
	ck_assert_ptr_null(webhook_guard_check(""));
	ck_assert_ptr_null(webhook_guard_check("10.0.0.0/8, fd00::/8,127.0.0.1"));
	ck_assert_ptr_nonnull(webhook_guard_check("10.0.0.0/33"));
	ck_assert_ptr_nonnull(webhook_guard_check("10.0.0.1/8"));
	ck_assert_ptr_nonnull(webhook_guard_check("10.0.0.0/"));
	ck_assert_ptr_nonnull(webhook_guard_check("localhost"));
	ck_assert_ptr_nonnull(webhook_guard_check("10.0.0.0/8;fd00::/8"));
	ck_assert_ptr_nonnull(webhook_guard_check("::/129"));
}
END_TEST

static const struct {
	const char *allowed;
	const char *url;
	bool fine;
} urls[] = {
        {"", "https://example.com/hook", true},
        {"", "https://example.com:8443/hook?a=b", true},
        {"", "https://EXAMPLE.com", true},
        {"", "https://example.com:0/hook", false},
        {"", "https://example.com:00/hook", false},
        {"127.0.0.0/8", "http://127.0.0.1:0/hook", false},
        {"", "http://example.com/hook", false},
        {"", "https://user@example.com/", false},
        {"", "https://user:secret@example.com/", false},
        {"", "https://example.com/#part", false},
        {"", "https://example.com/a b", false},
        {"",
         "https://b\xc3\xbc"
         "cher.example/",
         false},
        {"", "ftp://example.com/", false},
        {"", "file:///etc/passwd", false},
        {"", "gopher://example.com/", false},
        {"", "javascript:alert(1)", false},
        {"", "example.com/hook", false},
        {"", "https://", false},
        {"", "", false},
        {"", "https://127.0.0.1/", false},
        {"", "https://127.1/", false},
        {"", "https://2130706433/", false},
        {"", "https://017700000001/", false},
        {"", "https://0x7f.0.0.1/", false},
        {"", "https://0x7f000001/", false},
        {"", "https://[::1]/", false},
        {"", "https://[::ffff:127.0.0.1]/", false},
        {"", "https://[fe80::1]/", false},
        {"", "https://169.254.169.254/latest/meta-data", false},
        {"", "https://1.1.1.1/", true},
        {"10.0.0.0/8", "http://10.0.0.1/", true},
        {"10.0.0.0/8", "http://receiver.internal/", true},
        {"10.0.0.0/8", "http://1.1.1.1/", false},
        {"10.0.0.0/8", "http://192.168.0.1/", false},
};

START_TEST(test_urls)
{
	struct webhook_guard guard = {urls[_i].allowed};
	const char *fault = webhook_guard_check_url(arena, &guard, urls[_i].url);

	ck_assert_msg((fault == NULL) == urls[_i].fine, "%s: %s", urls[_i].url, fault);
}
END_TEST

START_TEST(test_other_families)
{
	struct webhook_guard guard = {"0.0.0.0/0,::/0"};
	struct sockaddr address = {.sa_family = AF_UNIX};

	ck_assert(!webhook_guard_admits(&guard, &address, true));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("guard");
	TCase *tcase = tcase_create("guard");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_closed, 0, ROWS(closed));
	tcase_add_loop_test(tcase, test_open, 0, ROWS(open_ones));
	tcase_add_test(tcase, test_listed_networks);
	tcase_add_test(tcase, test_lists);
	tcase_add_loop_test(tcase, test_urls, 0, ROWS(urls));
	tcase_add_test(tcase, test_other_families);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
