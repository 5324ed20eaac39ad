/* test_digest.c: digests and encodings against published vectors, sealing against every flipped
 * byte, random ids. */
#include "support/suite.h"

#include "base/digest.h"
#include "base/random.h"
#include "base/text.h"

static struct bytes
bytes_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

/* FIPS 180-4's examples. */
static const struct {
	const char *text;
	const char *hex;
} hashes[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

START_TEST(test_sha256)
{
	struct task task = suite_task();
	struct sha256 digest = digest_sha256(hashes[_i].text, strlen(hashes[_i].text));
	struct sha256 other = digest;

	ck_assert_str_eq(hex_encode(task.arena, digest.bytes, SHA256_SIZE), hashes[_i].hex);
	ck_assert(digest_equal(&digest, &other));
	other.bytes[SHA256_SIZE - 1] ^= 1;
	ck_assert(!digest_equal(&digest, &other));
	suite_task_end(&task);
}
END_TEST

/* RFC 4231's test cases 1, 2, 6 and 7 (keys shorter and longer than a block), the data in
 * parts; and the HMAC of an empty message with an empty key. */
static const struct {
	int key_byte; /* repeated `key_length` times, or -1: `key` */
	size_t key_length;
	const char *key;
	const char *data;
	const char *hex;
} macs[] = {
        {0x0b, 20, NULL, "Hi There",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {-1, 4, "Jefe", "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {0xaa, 131, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {0xaa, 131, NULL,
         "This is a test using a larger than block-size key and a larger than block-size data. "
         "The key needs to be hashed before being used by the HMAC algorithm.",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
        {-1, 0, "", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

START_TEST(test_hmac)
{
	struct task task = suite_task();
	uint8_t key[131];
	struct bytes secret = {key, macs[_i].key_length}, data = bytes_of(macs[_i].data);

	memset(key, macs[_i].key_byte, sizeof(key));
	if (macs[_i].key_byte < 0)
		memcpy(key, macs[_i].key, macs[_i].key_length);
	for (size_t split = 0; split <= data.length; split++) {
		struct bytes parts[] = {{data.data, split},
		                        {NULL, 0},
		                        {data.data + split, data.length - split}};
		struct sha256 mac = digest_hmac_sha256(secret, parts, ROWS(parts));

		ck_assert_str_eq(hex_encode(task.arena, mac.bytes, SHA256_SIZE), macs[_i].hex);
	}
	suite_task_end(&task);
}
END_TEST

START_TEST(test_lists_do_not_collide)
{
	static const char *const lists[][2] = {
	        {"ab", "c"},   {"a", "bc"}, {"abc", ""}, {"", "abc"}, {"abc", NULL},
	        {NULL, "abc"}, {"", ""},    {NULL, ""},  {"", NULL},  {"c", "ab"},
	};
	struct sha256 digests[ROWS(lists) + 1];

	for (int i = 0; i < ROWS(lists); i++)
		digests[i] = digest_strings(lists[i], 2);
	digests[ROWS(lists)] = digest_strings(lists[2], 1);
	for (int i = 0; i <= ROWS(lists); i++)
		for (int j = 0; j < i; j++)
			ck_assert_msg(!digest_equal(&digests[i], &digests[j]), "%d and %d", i,
			              j);
	digests[1] = digest_strings(lists[0], 2);
	ck_assert(digest_equal(&digests[0], &digests[1]));
}
END_TEST

/* RFC 4648 section 10, without the padding; and the two digits that differ in base64url. */
static const struct {
	const char *plain;
	const char *encoded;
} encodings[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"},
};

START_TEST(test_base64url)
{
	struct task task = suite_task();
	const char *plain = encodings[_i].plain, *encoded = encodings[_i].encoded;
	struct bytes back;

	ck_assert_str_eq(base64url_encode(task.arena, plain, strlen(plain)), encoded);
	ck_assert(base64url_decode(task.arena, encoded, strlen(encoded), &back));
	ck_assert_uint_eq(back.length, strlen(plain));
	ck_assert_mem_eq(back.data, plain, back.length);
	suite_task_end(&task);
}
END_TEST

static const char *const second_spellings[] = {
        "Zg==",  "A",     "Zm9vA", "Zg=",      "Zm8=",  "Zh",  "Zm9",
        "Z",     "Zm9vY", "Zm 9v", "Zm9v\n",   " Zm9v", "+/8", "Zm9v.",
        "Zm\t9", "=",     "Zm9_=", "\xc3\xa9", "Zm-+",  "Z/",
};

START_TEST(test_base64url_has_one_spelling)
{
	struct task task = suite_task();
	const char *text = second_spellings[_i];
	struct bytes out;

	ck_assert_msg(!base64url_decode(task.arena, text, strlen(text), &out), "%s", text);
	suite_task_end(&task);
}
END_TEST

/* A text of three digits decodes exactly if it encodes to itself. */
START_TEST(test_base64url_every_short_text)
{
	struct task task = suite_task();
	int decoded = 0;

	for (int first = 0; first < 256; first++) {
		for (int last = 0; last < 256; last++) {
			char text[] = {(char)first, 'Q', (char)last};
			struct bytes out;

			if (!base64url_decode(task.arena, text, sizeof(text), &out))
				continue;
			decoded++;
			ck_assert_mem_eq(base64url_encode(task.arena, out.data, out.length),
			                 text, sizeof(text));
		}
	}
	ck_assert_int_eq(decoded, 64 * 16);
	suite_task_end(&task);
}
END_TEST

START_TEST(test_base64url_round_trip)
{
	struct task task = suite_task();

	for (size_t length = 0; length < 300; length++) {
		uint8_t data[300];
		struct bytes out;
		char *text;

		random_bytes(data, length);
		text = base64url_encode(task.arena, data, length);
		ck_assert(base64url_decode(task.arena, text, strlen(text), &out));
		ck_assert_uint_eq(out.length, length);
		ck_assert(memcmp(out.data, data, length) == 0);
	}
	suite_task_end(&task);
}
END_TEST

static const char *const plains[] = {"", "x", "cust_00112233445566778899aabbccddeeff_secret"};

START_TEST(test_seal)
{
	struct task task = suite_task();
	struct bytes secret = bytes_of("a secret"), plain = bytes_of(plains[_i]), opened;
	struct bytes sealed = digest_seal(task.arena, secret, plain);
	struct bytes again = digest_seal(task.arena, secret, plain);

	ck_assert(digest_open(task.arena, secret, sealed, &opened));
	ck_assert_uint_eq(opened.length, plain.length);
	ck_assert(memcmp(opened.data, plain.data, plain.length) == 0);
	ck_assert_uint_eq(sealed.length, again.length);
	ck_assert_mem_ne(sealed.data, again.data, sealed.length);
	ck_assert(!digest_open(task.arena, bytes_of("b secret"), sealed, &opened));
	for (size_t length = 0; length < sealed.length; length++)
		ck_assert(!digest_open(task.arena, secret, (struct bytes){sealed.data, length},
		                       &opened));
	suite_task_end(&task);
}
END_TEST

START_TEST(test_sealed_bytes_cannot_change)
{
	struct task task = suite_task();
	struct bytes secret = bytes_of("a secret"), opened;
	struct bytes sealed = digest_seal(task.arena, secret, bytes_of(plains[_i]));

	for (size_t bit = 0; bit < 8 * sealed.length; bit++) {
		uint8_t *copy = arena_alloc(task.arena, sealed.length);

		memcpy(copy, sealed.data, sealed.length);
		copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
		ck_assert(!digest_open(task.arena, secret, (struct bytes){copy, sealed.length},
		                       &opened));
	}
	suite_task_end(&task);
}
END_TEST

START_TEST(test_random_ids)
{
	struct task task = suite_task();
	char *first = random_id(task.arena, "cust_", 16);
	char *second = random_id(task.arena, "cust_", 16);

	ck_assert_uint_eq(strlen(first), strlen("cust_") + 32);
	ck_assert(text_starts_with(first, "cust_"));
	ck_assert(text_is_made_of(first + 5, TEXT_HEX, 32, 32));
	ck_assert_str_ne(first, second);
	suite_task_end(&task);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("digest");
	TCase *tcase = tcase_create("digest");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, test_sha256, 0, ROWS(hashes));
	tcase_add_loop_test(tcase, test_hmac, 0, ROWS(macs));
	tcase_add_test(tcase, test_lists_do_not_collide);
	tcase_add_loop_test(tcase, test_base64url, 0, ROWS(encodings));
	tcase_add_loop_test(tcase, test_base64url_has_one_spelling, 0, ROWS(second_spellings));
	tcase_add_test(tcase, test_base64url_every_short_text);
	tcase_add_test(tcase, test_base64url_round_trip);
	tcase_add_loop_test(tcase, test_seal, 0, ROWS(plains));
	tcase_add_loop_test(tcase, test_sealed_bytes_cannot_change, 0, ROWS(plains));
	tcase_add_test(tcase, test_random_ids);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
