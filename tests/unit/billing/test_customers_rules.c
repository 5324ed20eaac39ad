/* test_customers_rules.c: the forms of e-mails, names, keys and scopes. */
#include "support/suite.h"

#include "billing/customers.h"
#include "callers/api_keys.h"
#include "callers/idempotency.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define HEX64 HEX32 HEX32

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

#define A10 "aaaaaaaaaa"
#define A64 A10 A10 A10 A10 A10 A10 "aaaa"

static const struct {
	const char *email;
	bool fine;
} emails[] = {
        {"a@b.c", true},
        {"Admin@ACME.example", true},
        {"first.last+tag@sub.domain.example", true},
        {"o'brien!#$%&*/=?^`{|}~-_@example.com", true},
        {"gr\xc3\xbc\xc3\x9f"
         "e@b\xc3\xbc"
         "cher.example",
         true},
        {A64 "@example.com", true},
        {A64 "a@example.com", false},
        {"", false},
        {"a", false},
        {"@", false},
        {"a@", false},
        {"@b.c", false},
        {"a@b", false},
        {"a@b@c.d", false},
        {"a@.c", false},
        {"a@b..c", false},
        {"a@b.c.", false},
        {"a@-b.c", false},
        {"a b@c.d", false},
        {"a@b c.d", false},
        {" a@b.c", false},
        {"a@b.c ", false},
        {"a@b.c\n", false},
        {"a@b.c\r\nBcc: x@y.z", false},
        {"a\t@b.c", false},
        {"a\x7f@b.c", false},
        {"<a@b.c>", false},
        {"\"a\"@b.c", false},
        {"a,b@c.d", false},
        {"a;b@c.d", false},
        {"a(b)@c.d", false},
        {"a\\b@c.d", false},
        {"a@[127.0.0.1]", false},
        {"mailto:a@b.c", false},
};

START_TEST(test_emails)
{
	const char *why = address_check(emails[_i].email);

	ck_assert_msg((why == NULL) == emails[_i].fine, "%s: %s", emails[_i].email, why);
}
END_TEST

static const struct {
	const char *name;
	bool fine;
} names[] = {
        {"Acme Corp", true},
        {"\xe6\xa0\xaa\xe5\xbc\x8f", true},
        {"'; DROP TABLE--", true},
        {" padded ", true},
        {"", false},
        {" ", false},
        {"    ", false},
        {"a\nb", false},
        {"a\tb", false},
        {"\x1b[31mred", false},
        {"a\x7f", false},
        {"a\r", false},
        {"\xe2\x80\x8b", false},
        {"\xc2\xa0", false},
        {"a\xc2\x9b", false},
};

START_TEST(test_names)
{
	ck_assert_msg((customer_check_name(names[_i].name) == NULL) == names[_i].fine, "%s",
	              names[_i].name);
}
END_TEST

static const struct {
	const char *secret;
	bool fine;
} secrets[] = {
        {"gba_" HEX64, true},
        {"cust_" HEX32 "_" HEX64, true},
        {"", false},
        {"gba_", false},
        {"gba_" HEX32, false},
        {"gba_" HEX64 "0", false},
        {"gba_" HEX32 "0123456789abcdef0123456789abcdeF", false},
        {"gba_" HEX64 "\n", false},
        {"cust_" HEX32, false},
        {"cust_" HEX64, false},
        {"cust_" HEX32 "_" HEX32, false},
        {"cust_" HEX32 "_" HEX64 "0", false},
        {"cust_" HEX32 "-" HEX64, false},
        {"cust_" HEX32 "0" HEX64, false},
        {"cust_" HEX32 "_0123456789abcdef0123456789abcdef_123456789abcdef0123456789abcdef",
         false},
        {"Cust_" HEX32 "_" HEX64, false},
        {"gbv_" HEX64, false},
        {" gba_" HEX64, false},
};

START_TEST(test_secrets)
{
	ck_assert_msg(api_key_is_well_formed(secrets[_i].secret) == secrets[_i].fine, "%s",
	              secrets[_i].secret);
}
END_TEST

/* A new key has the right form, and only its digest is stored. */
START_TEST(test_made_keys)
{
	struct operation operation = {.task = &task, .now_ms = 1739577600000};
	const char *owner = _i == 0 ? NULL : "cust_" HEX32;
	struct api_key_minted first, second;
	struct sha256 digest;

	api_key_make(&operation, owner, owner ? "customer" : "owner", "a name",
	             SCOPE_LICENSE | SCOPE_BILLING, &first);
	api_key_make(&operation, owner, "viewer", NULL, SCOPE_NONE, &second);
	ck_assert(api_key_is_well_formed(first.secret));
	ck_assert(api_key_is_well_formed(second.secret));
	ck_assert_str_ne(first.secret, second.secret);
	ck_assert_str_ne(first.key.key_id, second.key.key_id);
	digest = digest_sha256(first.secret, strlen(first.secret));
	ck_assert_uint_eq(first.key.digest.length, SHA256_SIZE);
	ck_assert_mem_eq(first.key.digest.data, digest.bytes, SHA256_SIZE);
	ck_assert_int_eq(strncmp(first.secret, first.key.prefix, strlen(first.key.prefix)), 0);
	/* The prefix that is shown leaves 58 of the key's 64 digits to guess. */
	ck_assert_uint_eq(strlen(first.secret) - strlen(first.key.prefix), 58);
	ck_assert_uint_eq(first.key.scopes.count, 2);
	ck_assert_uint_eq(api_key_scopes(&first.key.scopes), SCOPE_LICENSE | SCOPE_BILLING);
	ck_assert_uint_eq(second.key.scopes.count, 0);
	ck_assert(first.key.created_at.known && first.key.created_at.ms == 1739577600000);
	ck_assert(!first.key.revoked_at.known);
}
END_TEST

START_TEST(test_scopes)
{
	static const char *const all[] = {"billing", "license", "usage", "billing"};
	static const char *const odd[] = {"admin", "", "License", "usage "};
	const struct string_list every = {true, 4, all}, none = {true, 4, odd}, empty = {0};

	ck_assert_uint_eq(api_key_scopes(&every), SCOPE_ALL);
	ck_assert_uint_eq(api_key_scopes(&none), SCOPE_NONE);
	ck_assert_uint_eq(api_key_scopes(&empty), SCOPE_NONE);
	for (int i = 0; i < 4; i++) {
		ck_assert_ptr_null(api_key_check_scope(all[i]));
		ck_assert_ptr_nonnull(api_key_check_scope(odd[i]));
	}
}
END_TEST

START_TEST(test_idempotency_keys)
{
	char key[258];

	memset(key, '~', sizeof key);
	key[256] = '\0';
	ck_assert_ptr_nonnull(idempotency_check_key(key));
	key[255] = '\0';
	ck_assert_ptr_null(idempotency_check_key(key));
	ck_assert_ptr_null(idempotency_check_key("a b"));
	ck_assert_ptr_nonnull(idempotency_check_key(""));
	for (int byte = 1; byte < 256; byte++) {
		char one[] = {'a', (char)byte, '\0'};

		if ((idempotency_check_key(one) == NULL) != (byte >= 0x20 && byte < 0x7f))
			ck_abort_msg("byte %02x", (unsigned)byte);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("customers_rules");
	TCase *tcase = tcase_create("rules");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_emails, 0, ROWS(emails));
	tcase_add_loop_test(tcase, test_names, 0, ROWS(names));
	tcase_add_loop_test(tcase, test_secrets, 0, ROWS(secrets));
	tcase_add_loop_test(tcase, test_made_keys, 0, 2);
	tcase_add_test(tcase, test_scopes);
	tcase_add_test(tcase, test_idempotency_keys);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
