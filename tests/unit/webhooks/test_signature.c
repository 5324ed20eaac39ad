/* test_signature.c: signatures of deliveries, by the example of the specification and by OpenSSL, and
 * the key's files. */
#include "support/folder_fixture.h"

#include <sys/stat.h>

#include <openssl/evp.h>

#include "base/clock.h"
#include "webhooks/signature.h"

static struct webhook_keys
load(void)
{
	struct webhook_keys keys;

	ck_assert_int_eq(webhook_keys_load(&task, folder, &keys), FAIL_NONE);
	return keys;
}

/* The example of the Standard Webhooks libraries: secret, message, and its signature. */
START_TEST(test_the_published_example)
{
	static const char body[] = "{\"test\": 2432232314}";
	struct webhook_signers signers = {.secret_count = 1};
	const char *headers[WEBHOOK_HEADERS];
	uint8_t decoded[32];
	int length = EVP_DecodeBlock(
	        decoded, (const unsigned char *)"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 32);

	ck_assert_int_eq(length, 24);
	signers.secrets[0] = (struct bytes){decoded, 24};
	webhook_headers(task.arena, &signers, "msg_p5jXN8AQM9LWM0D4loKWxJek",
	                1614265330 * SECOND_MS, body, headers);
	ck_assert_str_eq(headers[1], "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek");
	ck_assert_str_eq(headers[2], "webhook-timestamp: 1614265330");
	ck_assert_str_eq(headers[3],
	                 "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}
END_TEST

START_TEST(test_several_signatures)
{
	struct bytes one = webhook_secret_make(task.arena),
	             two = webhook_secret_make(task.arena);
	struct webhook_keys keys;
	struct webhook_signers signers = {.secrets = {one, two}, .secret_count = 2};
	const char *headers[WEBHOOK_HEADERS];
	int v1 = 0, v1a = 0;

	ck_assert_int_eq(webhook_key_generate(&task, folder), FAIL_NONE);
	ck_assert_int_eq(webhook_key_replace(&task, folder), FAIL_NONE);
	keys = load();
	ck_assert_str_ne(keys.current.public_text, keys.old.public_text);
	signers.keys[0] = &keys.current;
	signers.keys[1] = &keys.old;
	signers.key_count = 2;
	webhook_headers(task.arena, &signers, "evt_1", 0, "{}", headers);
	for (const char *at = headers[3]; (at = strstr(at, "v1,")) != NULL; at++)
		v1++;
	for (const char *at = headers[3]; (at = strstr(at, "v1a,")) != NULL; at++)
		v1a++;
	ck_assert_int_eq(v1, 2);
	ck_assert_int_eq(v1a, 2);
	webhook_keys_release(&keys);
}
END_TEST

START_TEST(test_a_signature_verifies)
{
	static const char text[] = "evt_1.1700000000.{}";
	struct bytes signed_text = {(const uint8_t *)text, sizeof(text) - 1}, signature;
	struct webhook_keys keys;
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	ck_assert_int_eq(webhook_key_generate(&task, folder), FAIL_NONE);
	keys = load();
	signature = webhook_key_sign(task.arena, &keys.current, signed_text);
	ck_assert_int_eq(EVP_DigestVerifyInit(context, NULL, NULL, NULL, keys.current.pair), 1);
	ck_assert_int_eq(EVP_DigestVerify(context, signature.data, signature.length,
	                                  signed_text.data, signed_text.length),
	                 1);
	EVP_MD_CTX_free(context);
	webhook_keys_release(&keys);
}
END_TEST

START_TEST(test_seals)
{
	struct bytes secret = webhook_secret_make(task.arena), sealed, opened;
	struct webhook_keys keys;

	ck_assert_int_eq(webhook_key_generate(&task, folder), FAIL_NONE);
	ck_assert_int_eq(webhook_key_replace(&task, folder), FAIL_NONE);
	keys = load();
	sealed = webhook_key_seal(task.arena, &keys.old, secret);
	ck_assert(webhook_key_open(task.arena, &keys.old, sealed, &opened));
	ck_assert_uint_eq(opened.length, WEBHOOK_SECRET_SIZE);
	ck_assert_mem_eq(opened.data, secret.data, WEBHOOK_SECRET_SIZE);
	ck_assert(!webhook_key_open(task.arena, &keys.current, sealed, &opened));
	ck_assert_ptr_eq(webhook_keys_find(&keys, keys.old.public_text), &keys.old);
	ck_assert_ptr_null(webhook_keys_find(&keys, "whpk_"));
	webhook_keys_release(&keys);
}
END_TEST

START_TEST(test_files)
{
	const char *path = arena_printf(task.arena, "%s/" WEBHOOK_KEY_FILE, folder);
	struct webhook_keys keys;
	struct stat status;

	ck_assert_int_eq(webhook_keys_load(&task, folder, &keys), FAIL_NOT_FOUND);
	task.failure = (struct failure){0};
	ck_assert_int_eq(webhook_key_generate(&task, folder), FAIL_NONE);
	ck_assert_int_eq(webhook_key_generate(&task, folder), FAIL_CONFLICT);
	task.failure = (struct failure){0};
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_mode & 0777, 0600);
	ck_assert_int_eq(chmod(path, 0640), 0);
	ck_assert_int_eq(webhook_keys_load(&task, folder, &keys), FAIL_FORBIDDEN);
	ck_assert_ptr_null(keys.current.pair);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("signature");
	TCase *tcase = tcase_create("signature");

	tcase_add_checked_fixture(tcase, folder_setup, folder_teardown);
	tcase_add_test(tcase, test_the_published_example);
	tcase_add_test(tcase, test_several_signatures);
	tcase_add_test(tcase, test_a_signature_verifies);
	tcase_add_test(tcase, test_seals);
	tcase_add_test(tcase, test_files);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
