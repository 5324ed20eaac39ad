/*
 * test_unicode.c: which texts are visible, how they are escaped, and which addresses compare as
 * one.
 */
#include "support/suite.h"

#include "base/text.h"
#include "billing/address.h"
#include "billing/customer_keys.h"
#include "billing/customers.h"
#include "billing/unicode.h"

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
	const char *text;
	bool fine;
} texts[] = {
        {"Acme", true},
        {"M\u00fcller & S\u00f6hne", true},
        {"\u682a\u5f0f\u4f1a\u793e", true},
        {"Soci\u00e9t\u00e9\u00a0X", true},
        {"\u05d0\u05d1\u05d2", true},
        {"\U0001f680", true},
        /* The joiner between two Arabic letters, and behind a virama. */
        {"\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", true},
        {"\u0915\u094d\u200d\u0937", true},
        {"a\u200cb", false},
        {"\u200d", false},
        {"\u0646\u200c", false},
        {"\u200b", false},
        {"a\u2060b", false},
        {"a\u00adb", false},
        {"a\ufeff", false},
        {"\u202eevil", false},
        {"a\u2066b\u2069", false},
        {"\u200f", false},
        {"a\u061cb", false},
        {"a\xc2\x85"
         "b",
         false},
        {"a\xc2\x9b"
         "31m",
         false},
        {"a\xc2\x80", false},
        {"a\u2028b", false},
        {"a\u2029b", false},
        {"a\u034fb", false},
        {"\u3164", false},
        {"a\ufe0f", false},
        {"a\U000e0041", false},
        {"a\u0378", false},
        {"a\ufdd0", false},
        {"a\U0010ffff", false},
        {"a\tb", false},
        {"a\x7f", false},
        {"\xff", false},
};

START_TEST(test_texts)
{
	ck_assert_msg((unicode_text_fault(texts[_i].text) == NULL) == texts[_i].fine, "%d %s",
	              _i, texts[_i].text);
}
END_TEST

START_TEST(test_blanks)
{
	static const char *const blank[] = {"", " ", "\u00a0", "\u3000 ", "\u2003", "\u2800"};

	for (int i = 0; i < ROWS(blank); i++) {
		ck_assert(unicode_is_blank(blank[i]));
		ck_assert_ptr_nonnull(customer_check_name(blank[i]));
	}
	ck_assert(!unicode_is_blank(" a "));
	ck_assert(unicode_has_blank("a\u00a0"));
	ck_assert(!unicode_has_blank("a-b"));
}
END_TEST

static const struct {
	const char *text, *escaped;
} escapes[] = {
        {"plain \u00e9\U0001f680", "plain \u00e9\U0001f680"},
        {"a\x1b[31m", "a\\u001b[31m"},
        {"a\xc2\x9b"
         "31m",
         "a\\u009b31m"},
        {"\u202eb", "\\u202eb"},
        {"a\nb\tc", "a\nb\\u0009c"},
        {"\U000e0041", "\\udb40\\udc41"},
        {"\ue000", "\\ue000"},
        {"\xff\xc3", "\\u00ff\\u00c3"},
};

START_TEST(test_escapes)
{
	ck_assert_str_eq(unicode_escape(task.arena, escapes[_i].text, "\n"),
	                 escapes[_i].escaped);
}
END_TEST

static const char *
key_of(const char *email)
{
	const char *key = NULL;

	ck_assert_int_eq(address_key(&task, email, &key), FAIL_NONE);
	return key;
}

static const struct {
	const char *email, *key;
} keys[] = {
        {"INFO@ACME.IO", "info@acme.io"},
        {"Jane+Tag@Example.COM", "jane+tag@example.com"},
        {"JOS\u00c9@example.com", "jos\u00e9@example.com"},
        {"jose\u0301@example.com", "jos\u00e9@example.com"},
        {"\uff4a\uff41ne@example.com", "jane@example.com"},
        {"stra\u00dfe@example.com", "strasse@example.com"},
        {"jane@B\u00dcCHER.example", "jane@xn--bcher-kva.example"},
        {"jane@XN--BCHER-KVA.example", "jane@xn--bcher-kva.example"},
        {"jane@stra\u00dfe.example", "jane@xn--strae-oqa.example"},
        {"jane@under_score.example", "jane@under_score.example"},
        {"jane@-not-.example", "jane@-not-.example"},
        {"jane", "jane@"},
};

START_TEST(test_keys)
{
	ck_assert_str_eq(key_of(keys[_i].email), keys[_i].key);
}
END_TEST

/* Turkish is never asked: the letter I has a dot when it is small. */
START_TEST(test_keys_in_a_turkish_locale)
{
	ck_assert_int_eq(setenv("LC_ALL", "tr_TR.UTF-8", 1), 0);
	ck_assert_int_eq(setenv("LANG", "tr_TR.UTF-8", 1), 0);
	ck_assert_str_eq(key_of("INFO@ACME.IO"), "info@acme.io");
}
END_TEST

static struct address
address_of(const char *email)
{
	struct address address;

	ck_assert_int_eq(address_read(&task, email, &address), FAIL_NONE);
	return address;
}

/* One trial for both: the same digest, or one look when one of them is not plain. */
static bool
are_one(const char *one, const char *other)
{
	struct address a = address_of(one), b = address_of(other);

	return digest_equal(&a.trial, &b.trial) ||
	       ((!a.plain || !b.plain) && digest_equal(&a.skeleton, &b.skeleton));
}

static const struct {
	const char *one, *other;
	bool same;
} pairs[] = {
        {"jane@acme.example", "JANE@ACME.example", true},
        {"jane@acme.example", "jane+2@acme.example", true},
        {"jane@acme.example", "jane\uff0b2@acme.example", true},
        {"jane@gmail.com", "j.ane@gmail.com", true},
        {"jane@gmail.com", "J.A.N.E+x@googlemail.com", true},
        {"jane@acme.example", "j.ane@acme.example", false},
        {"jane@acme.example", "j\u0430ne@acme.example", true},
        {"jim@acme.example", "j\u0456m@acme.example", true},
        {"jane@acme.example", "jane@\u0430cme.example", true},
        {"jane@acme.example", "jane@xn--cme-5cd.example", true},
        {"coco@acme.example", "\u0441\u043e\u0441\u043e@acme.example", true},
        {"jane@gmail.com", "j.\u0430ne@gmail.com", true},
        {"bob1@acme.example", "bobl@acme.example", false},
        {"jane@acme.example", "jan\u00e9@acme.example", false},
        {"jane@acme.example", "jane@acme2.example", false},
};

START_TEST(test_trials)
{
	ck_assert_msg(are_one(pairs[_i].one, pairs[_i].other) == pairs[_i].same, "%s %s",
	              pairs[_i].one, pairs[_i].other);
}
END_TEST

/* A trial that an older version recorded counts: SHA-256 of the folded address. */
START_TEST(test_digests_are_those_of_before)
{
	struct address address = address_of("Jane.Doe+x@Example.com");
	struct sha256 before =
	        digest_sha256("jane.doe@example.com", strlen("jane.doe@example.com"));

	ck_assert(address.plain && digest_equal(&address.trial, &before));
}
END_TEST

static const struct {
	const char *email;
	bool fine;
} addresses[] = {
        {"jane@acme.example", true},
        {"jos\u00e9@b\u00fccher.example", true},
        {"j\u0430ne@acme.example", true},
        {"jane@acme.example\u00a0", false},
        {"ja\u200bne@acme.example", false},
        {"ja\u2060ne@acme.example", false},
        {"ja\u00adne@acme.example", false},
        {"\u0646\u0645\u06cc\u200c\u062e@acme.example", false},
        {"ja\xc2\x85ne@acme.example", false},
        {"\u202ejane@acme.example", false},
        {"jane@ac\u200bme.example", false},
        {"jane@\u2603\u0378.example", false},
        {"jane@\ufdfa\ufdfa\ufdfa\ufdfa\ufdfa\ufdfa\ufdfa\ufdfa\ufdfa\ufdfa.example", false},
};

START_TEST(test_addresses)
{
	const char *why = address_check(addresses[_i].email);

	ck_assert_msg((why == NULL) == addresses[_i].fine, "%s: %s", addresses[_i].email, why);
}
END_TEST

/* The longest names fit into the index: one character may become eighteen. */
START_TEST(test_long_names)
{
	struct text name = text_new(task.arena, 600);
	const char *key;

	for (int i = 0; i < 200; i++)
		text_add(&name, "\ufdfa");
	ck_assert_int_eq(customer_name_key(&task, name.data, &key), FAIL_NONE);
	ck_assert_uint_le(strlen(key), 500);
	ck_assert(text_is_utf8(key, strlen(key)));
	ck_assert_int_eq(customer_name_key(&task, NULL, &key), FAIL_NONE);
	ck_assert_ptr_null(key);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("unicode");
	TCase *tcase = tcase_create("unicode");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_texts, 0, ROWS(texts));
	tcase_add_test(tcase, test_blanks);
	tcase_add_loop_test(tcase, test_escapes, 0, ROWS(escapes));
	tcase_add_loop_test(tcase, test_keys, 0, ROWS(keys));
	tcase_add_test(tcase, test_keys_in_a_turkish_locale);
	tcase_add_loop_test(tcase, test_trials, 0, ROWS(pairs));
	tcase_add_test(tcase, test_digests_are_those_of_before);
	tcase_add_loop_test(tcase, test_addresses, 0, ROWS(addresses));
	tcase_add_test(tcase, test_long_names);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
