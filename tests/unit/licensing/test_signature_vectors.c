/* test_signature_vectors.c: the attacks in tests/vectors/signatures.json get the verdicts that
 * stand there, and every class of Project Wycheproof's vectors has one of them. */
#include "support/suite.h"

#include <openssl/pem.h>

#include "base/file.h"
#include "licensing/verify.h"
#include "json/view.h"

/* When the tokens were signed: 2026-01-01T00:00:00Z. */
static const int64_t now_s = 1767225600;

static struct task task;
static struct json_view document;

static void
read_document(const char *path, struct json_view *out)
{
	size_t length;
	char *text;

	ck_assert_msg(file_read(&task, path, 1 << 23, &text, &length) == FAIL_NONE, "%s", path);
	ck_assert_msg(json_view_open(&task, text, length, out) == FAIL_NONE, "%s", path);
}

static void
setup(void)
{
	task = suite_task();
	read_document("tests/vectors/signatures.json", &document);
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static const char *
text_of(const struct json_view *object, const char *name)
{
	const char *text;

	ck_assert_msg(json_view_string(object, name, &text), "%s", name);
	return text;
}

static struct json_view
list_of(const struct json_view *object, const char *name)
{
	struct json_view list;

	ck_assert_msg(json_view_member(object, name, &list) && json_view_is_list(&list), "%s",
	              name);
	return list;
}

/* Without license_keys_add(), which refuses the exponent 3 of some vectors. */
static EVP_PKEY *
read_pem(const char *pem)
{
	BIO *memory = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *pkey = PEM_read_bio_PUBKEY(memory, NULL, NULL, NULL);

	BIO_free(memory);
	ck_assert_ptr_nonnull(pkey);
	return pkey;
}

START_TEST(test_signatures)
{
	struct json_view list = list_of(&document, "signatures"), vector;
	struct bytes message = suite_hex(task.arena, text_of(&document, "message"));
	bool more = json_view_first(&list, &vector);

	for (; more; more = json_view_next(&vector)) {
		const struct license_key key = {.pkey = read_pem(text_of(&vector, "key"))};
		const char *result = text_of(&vector, "result");
		bool holds = jwt_signature_is_valid(
		        &key, message.data, message.length,
		        suite_hex(task.arena, text_of(&vector, "signature")));

		EVP_PKEY_free(key.pkey);
		/* OpenSSL may take the encoding without NULL or refuse it. */
		if (strcmp(result, "acceptable") != 0)
			ck_assert_msg(holds == (strcmp(result, "valid") == 0), "%s",
			              text_of(&vector, "name"));
	}
}
END_TEST

/* Keys whose exponent is 3 never come into a set of keys. */
START_TEST(test_small_exponents)
{
	struct json_view list = list_of(&document, "signatures"), vector;
	bool more = json_view_first(&list, &vector);
	int refused = 0;

	for (; more; more = json_view_next(&vector)) {
		struct task attempt = task_attempt(&task);
		struct license_keys keys;

		license_keys_init_in(&keys, task.arena);
		if (license_keys_add_pem(&attempt, &keys, text_of(&vector, "key")) == FAIL_NONE)
			continue;
		ck_assert_ptr_nonnull(strstr(attempt.failure.message, "weak exponent"));
		refused++;
	}
	ck_assert_int_eq(refused, 3);
}
END_TEST

START_TEST(test_tokens)
{
	struct json_view list = list_of(&document, "tokens"), vector;
	const char *set = text_of(&document, "jwks");
	bool more = json_view_first(&list, &vector);
	struct license_keys keys;

	license_keys_init_in(&keys, task.arena);
	ck_assert_int_eq(license_keys_add_jwks(&task, &keys, set, strlen(set)), FAIL_NONE);
	for (; more; more = json_view_next(&vector)) {
		struct license_claims claims;
		enum token_verdict verdict = license_verify(
		        &task, &keys, text_of(&vector, "token"), now_s, 0, NULL, &claims, NULL);

		ck_assert_msg(strcmp(token_verdict_code(verdict), text_of(&vector, "reason")) ==
		                      0,
		              "%s: %s", text_of(&vector, "name"), token_verdict_code(verdict));
	}
}
END_TEST

START_TEST(test_keys_for_other_uses)
{
	struct json_view list = list_of(&document, "sets"), vector;
	bool more = json_view_first(&list, &vector);

	for (; more; more = json_view_next(&vector)) {
		const char *set = text_of(&vector, "jwks");
		struct license_keys keys;

		license_keys_init_in(&keys, task.arena);
		ck_assert_int_eq(license_keys_add_jwks(&task, &keys, set, strlen(set)),
		                 FAIL_NONE);
		ck_assert_msg(keys.count == 0, "%s", text_of(&vector, "name"));
	}
}
END_TEST

/* A vector in this list of ours names the class. */
static bool
has_class(const char *member, const char *class)
{
	struct json_view list = list_of(&document, member), vector, classes, name;
	const char *text;

	for (bool more = json_view_first(&list, &vector); more;
	     more = json_view_next(&vector)) {
		bool other;

		classes = list_of(&vector, "classes");
		for (other = json_view_first(&classes, &name); other;
		     other = json_view_next(&name))
			if (json_view_text(&name, &text) && strcmp(text, class) == 0)
				return true;
	}
	return false;
}

static void
check_class(bool jws, const char *class)
{
	bool covered = jws ? has_class("tokens", class) || has_class("sets", class)
	                   : has_class("signatures", class);

	ck_assert_msg(covered, "no vector of our own for the class %s", class);
}

/* The classes of a published vector: its flags, else its comment. All that is valid is one
 * class. */
static void
check_published(const struct json_view *test, bool jws)
{
	struct json_view flags, flag;
	const char *class;
	bool more;

	flags = list_of(test, "flags");
	more = json_view_first(&flags, &flag);
	if (!more)
		check_class(jws, strcmp(text_of(test, "result"), "valid") == 0
		                         ? "valid"
		                         : text_of(test, "comment"));
	for (; more; more = json_view_next(&flag)) {
		ck_assert(json_view_text(&flag, &class));
		check_class(jws, class);
	}
}

START_TEST(test_every_published_class_has_a_vector)
{
	static const char *const names[] = {"rsa_signature_2048_sha256_test.json",
	                                    "json_web_signature_test.json"};
	char *path =
	        suite_corpus(task.arena, arena_printf(task.arena, "wycheproof/%s", names[_i]));
	struct json_view corpus, groups, group, tests, test;
	int count = 0;

	if (path == NULL)
		return;
	read_document(path, &corpus);
	groups = list_of(&corpus, "testGroups");
	for (bool more = json_view_first(&groups, &group); more;
	     more = json_view_next(&group)) {
		bool other;

		tests = list_of(&group, "tests");
		for (other = json_view_first(&tests, &test); other;
		     other = json_view_next(&test), count++)
			check_published(&test, _i == 1);
	}
	ck_assert_int_gt(count, 200);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("signature vectors");
	TCase *tcase = tcase_create("signatures.json");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_signatures);
	tcase_add_test(tcase, test_small_exponents);
	tcase_add_test(tcase, test_tokens);
	tcase_add_test(tcase, test_keys_for_other_uses);
	tcase_add_loop_test(tcase, test_every_published_class_has_a_vector, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
