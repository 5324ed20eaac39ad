/* test_wycheproof.c: the vectors of Project Wycheproof for JSON Web Signatures and for RSA PKCS
 * #1 v1.5 with SHA-256, when they are at hand. */
#include "support/forge.h"

#include <openssl/pem.h>

#include "base/file.h"
#include "licensing/jwt.h"
#include "json/view.h"

enum { CORPUS_MAX = 8 * 1024 * 1024 };

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

/* The test groups of a corpus; none, visibly, when it is not there. */
static struct json_view
read_groups(const char *name)
{
	char *path = suite_corpus(task.arena, arena_printf(task.arena, "wycheproof/%s", name));
	struct json_view corpus, groups = {0};
	size_t length = 0;
	char *text = NULL;

	if (!path)
		return groups;
	ck_assert_int_eq(file_read(&task, path, CORPUS_MAX, &text, &length), FAIL_NONE);
	ck_assert_msg(json_view_open(&task, text, length, &corpus) == FAIL_NONE, "%s: %s", path,
	              task.failure.message);
	ck_assert(json_view_list(&corpus, "testGroups", &groups));
	ck_assert_uint_gt(json_view_count(&groups), 0);
	return groups;
}

/* The member's text, "" when it has none. */
static const char *
text_of(const struct json_view *object, const char *name)
{
	const char *text = "";

	return json_view_string(object, name, &text) ? text : "";
}

/* The group's public key without kid, use and key_ops; false when it isn't RSA. */
static bool
read_bare_key(const struct json_view *jwk, struct license_keys *out)
{
	const char *set = arena_printf(
	        task.arena, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}]}",
	        text_of(jwk, "n"), text_of(jwk, "e"));

	if (strcmp(text_of(jwk, "kty"), "RSA") != 0)
		return false;
	ck_assert_int_eq(license_keys_from_jwks(&task, set, strlen(set), out), FAIL_NONE);
	/* The corpus names keys freely; here its name counts, so that only the rest can
	 * refuse. */
	out->items[0].kid = arena_copy(out->arena, text_of(jwk, "kid"));
	return true;
}

/* The signature check alone holds for a token of three strictly encoded parts. */
static bool
signature_holds(const struct license_key *key, const char *token)
{
	const char *last = strrchr(token, '.'), *first = strchr(token, '.');
	struct bytes header, payload, signature;

	if (!first || first == last)
		return false;
	return base64url_decode(task.arena, token, (size_t)(first - token), &header) &&
	       base64url_decode(task.arena, first + 1, (size_t)(last - first - 1), &payload) &&
	       base64url_decode(task.arena, last + 1, strlen(last + 1), &signature) &&
	       jwt_signature_is_valid(key, token, (size_t)(last - token), signature);
}

/* Our kind of token has a type, which no vector has: all of them must be refused. */
static void
check_refused(const struct license_keys *keys, const struct json_view *test)
{
	static const struct jwt_kind kind = {"JWT", 65536};
	const char *token = text_of(test, "jws");
	struct jwt_payload payload;

	ck_assert_msg(jwt_verify(task.arena, keys, &kind, token, strlen(token), &payload) !=
	                      JWT_VALID,
	              "%s", json_view_source(test));
}

static void
run_jws_group(const struct json_view *group, int *refused, int *compared)
{
	struct license_keys keys = {0};
	struct json_view jwk, tests, test;
	bool rs256;

	rs256 = json_view_object(group, "public", &jwk) && read_bare_key(&jwk, &keys) &&
	        strcmp(text_of(&jwk, "alg"), "RS256") == 0;
	ck_assert(json_view_list(group, "tests", &tests));
	for (bool more = json_view_first(&tests, &test); more; more = json_view_next(&test)) {
		bool valid = strcmp(text_of(&test, "result"), "valid") == 0;

		check_refused(&keys, &test);
		++*refused;
		if (!rs256)
			continue;
		ck_assert_msg(signature_holds(&keys.items[0], text_of(&test, "jws")) == valid,
		              "%s", json_view_source(&test));
		++*compared;
	}
	license_keys_release(&keys);
}

START_TEST(test_jws)
{
	struct json_view group, groups = read_groups("json_web_signature_test.json");
	int refused = 0, compared = 0;

	for (bool more = json_view_first(&groups, &group); more; more = json_view_next(&group))
		run_jws_group(&group, &refused, &compared);
	if (groups.node != NULL)
		printf("Wycheproof JWS: %d tokens refused as licences, %d RS256 signatures "
		       "judged "
		       "as they should be\n",
		       refused, compared);
	ck_assert(groups.node == NULL || compared > 200);
}
END_TEST

/* A key for another use is left out. */
START_TEST(test_jwk_use)
{
	struct json_view group, groups = read_groups("json_web_signature_test.json");
	int other = 0;

	for (bool more = json_view_first(&groups, &group); more;
	     more = json_view_next(&group)) {
		struct license_keys keys = {0};
		struct json_view jwk;
		const char *set;

		if (!json_view_object(&group, "public", &jwk) ||
		    strcmp(text_of(&jwk, "alg"), "RS256") == 0)
			continue;
		set = arena_printf(task.arena, "{\"keys\":[%s]}", json_view_source(&jwk));
		ck_assert_int_eq(license_keys_from_jwks(&task, set, strlen(set), &keys),
		                 FAIL_NONE);
		ck_assert_uint_eq(keys.count, 0);
		license_keys_release(&keys);
		other++;
	}
	if (groups.node != NULL)
		printf("Wycheproof JWS: %d keys for other uses left out\n", other);
}
END_TEST

/* Past license_keys_add(), which refuses two of the three keys for their exponent of 3. */
static EVP_PKEY *
read_pem(const char *pem)
{
	BIO *memory = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *pkey = PEM_read_bio_PUBKEY(memory, NULL, NULL, NULL);

	BIO_free(memory);
	ck_assert_ptr_nonnull(pkey);
	return pkey;
}

static int
run_rsa_group(const struct json_view *group)
{
	struct json_view tests, test;
	EVP_PKEY *pkey = read_pem(text_of(group, "publicKeyPem"));
	const struct license_key key = {.pkey = pkey};

	ck_assert(json_view_list(group, "tests", &tests));
	for (bool more = json_view_first(&tests, &test); more; more = json_view_next(&test)) {
		struct bytes message = suite_hex(task.arena, text_of(&test, "msg"));
		struct bytes signature = suite_hex(task.arena, text_of(&test, "sig"));
		bool holds =
		        jwt_signature_is_valid(&key, message.data, message.length, signature);

		/* "acceptable" (an encoding that lacks its NULL) may go either way. */
		if (strcmp(text_of(&test, "result"), "valid") == 0)
			ck_assert_msg(holds, "%s", json_view_source(&test));
		if (strcmp(text_of(&test, "result"), "invalid") == 0)
			ck_assert_msg(!holds, "%s", json_view_source(&test));
	}
	EVP_PKEY_free(pkey);
	return (int)json_view_count(&tests);
}

START_TEST(test_rsa)
{
	struct json_view group, groups = read_groups("rsa_signature_2048_sha256_test.json");
	int cases = 0;

	for (bool more = json_view_first(&groups, &group); more; more = json_view_next(&group))
		cases += run_rsa_group(&group);
	if (groups.node != NULL)
		printf("Wycheproof RSA: %d signatures judged as they should be\n", cases);
	ck_assert(groups.node == NULL || cases > 200);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("wycheproof");
	TCase *tcase = tcase_create("wycheproof");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_jws);
	tcase_add_test(tcase, test_jwk_use);
	tcase_add_test(tcase, test_rsa);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
