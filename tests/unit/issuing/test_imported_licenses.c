/* test_imported_licenses.c: licences that an earlier service signed, by header, payload and time. */
#include "support/licensing_fixture.h"

#include "issuing/imported_licenses.h"

#define HEADER "{\"alg\":\"RS256\",\"typ\":\"JWT\"}"
#define NAMED "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"theirs\"}"
#define TIMES "\"issuedAt\":1705276000,\"expiresAt\":1705277000"
#define PAYLOAD "{\"customerId\":\"acme\"," TIMES "}"

static enum token_verdict
verdict_at(const char *token, int64_t now_s)
{
	struct license_claims read;
	const char *payload = NULL, *jti = NULL;
	enum token_verdict before =
	        license_verify(&task, &keys, token, now_s, 0, FORGE_ISSUER, &read, &payload);

	return imported_license_verify(&task, &keys, token, now_s, 0, before, &payload, &jti);
}

static const char *
token_of(const char *header, const char *payload)
{
	return forge_token(task.arena, keys.items[0].pkey, header, payload);
}

/* Without an imported key every verdict is that of license_verify(). */
START_TEST(test_no_key_was_imported)
{
	keys.items[0].imported = false;
	ck_assert_int_eq(verdict_at(token_of(HEADER, PAYLOAD), FORGE_NOW_S), LICENSE_MALFORMED);
	ck_assert_int_eq(verdict_at(token_of(NAMED, PAYLOAD), FORGE_NOW_S),
	                 LICENSE_UNKNOWN_KEY);
}
END_TEST

/* Our own licences are judged as before, also when the imported key is ours too. */
START_TEST(test_our_licence)
{
	keys.items[0].imported = true;
	ck_assert_int_eq(verdict_at(good_token(), FORGE_NOW_S), LICENSE_VALID);
	claims.issuer = "https://other.example";
	ck_assert_int_eq(verdict_at(good_token(), FORGE_NOW_S), LICENSE_WRONG_ISSUER);
}
END_TEST

static const struct {
	const char *header, *payload;
	enum token_verdict verdict;
} tokens[] = {
        {HEADER, PAYLOAD, LICENSE_VALID},
        {NAMED, PAYLOAD, LICENSE_VALID},
        {"{\"alg\":\"RS256\"}", PAYLOAD, LICENSE_VALID},
        {"{\"alg\":\"RS256\",\"kid\":\"theirs\"}", PAYLOAD, LICENSE_VALID},
        {"{\"alg\":\"RS512\",\"typ\":\"JWT\"}", PAYLOAD, LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}", PAYLOAD, LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":1}", PAYLOAD, LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"crit\":[]}", PAYLOAD, LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":1}", PAYLOAD, LICENSE_MALFORMED},
        {HEADER, "{\"customerId\":\"acme\",\"exp\":1705277000}", LICENSE_VALID},
        {HEADER, "{\"customerId\":\"acme\",\"exp\":1705276800,\"expiresAt\":1705277000}",
         LICENSE_EXPIRED},
        {HEADER, "{\"customerId\":\"acme\",\"exp\":1705277000,\"expiresAt\":1705276800}",
         LICENSE_EXPIRED},
        {HEADER, "{\"customerId\":\"acme\",\"iat\":1705276801," TIMES "}",
         LICENSE_NOT_YET_VALID},
        {HEADER, "{\"customerId\":\"acme\",\"nbf\":1705276801," TIMES "}",
         LICENSE_NOT_YET_VALID},
        {HEADER, "{\"customerId\":\"acme\"}", LICENSE_MALFORMED},
        {HEADER, "{\"customerId\":\"acme\",\"expiresAt\":null}", LICENSE_MALFORMED},
        {HEADER, "{\"customerId\":\"acme\",\"expiresAt\":\"1705277000\"}", LICENSE_MALFORMED},
        {HEADER, "{\"customerId\":\"acme\",\"expiresAt\":999999999999}", LICENSE_MALFORMED},
        {HEADER, "{\"customerId\":\"\"," TIMES "}", LICENSE_MALFORMED},
        {HEADER, "{" TIMES "}", LICENSE_MALFORMED},
        {HEADER, "[]", LICENSE_MALFORMED},
};

START_TEST(test_tokens)
{
	keys.items[0].imported = true;
	ck_assert_msg(verdict_at(token_of(tokens[_i].header, tokens[_i].payload),
	                         FORGE_NOW_S) == tokens[_i].verdict,
	              "%s %s", tokens[_i].header, tokens[_i].payload);
}
END_TEST

START_TEST(test_times)
{
	const char *token = token_of(HEADER, PAYLOAD);

	keys.items[0].imported = true;
	ck_assert_int_eq(verdict_at(token, 1705275999), LICENSE_NOT_YET_VALID);
	ck_assert_int_eq(verdict_at(token, 1705276000), LICENSE_VALID);
	ck_assert_int_eq(verdict_at(token, 1705276999), LICENSE_VALID);
	ck_assert_int_eq(verdict_at(token, 1705277000), LICENSE_EXPIRED);
}
END_TEST

START_TEST(test_signatures)
{
	const char *other = forge_token(task.arena, foreign.items[0].pkey, HEADER, PAYLOAD);
	const char *named = forge_token(task.arena, foreign.items[0].pkey, NAMED, PAYLOAD);
	char *changed = arena_copy(task.arena, token_of(HEADER, PAYLOAD));

	keys.items[0].imported = true;
	ck_assert_int_eq(verdict_at(other, FORGE_NOW_S), LICENSE_BAD_SIGNATURE);
	ck_assert_int_eq(verdict_at(named, FORGE_NOW_S), LICENSE_UNKNOWN_KEY);
	ck_assert_int_eq(verdict_at(arena_printf(task.arena, " %s\n", changed), FORGE_NOW_S),
	                 LICENSE_VALID);
	changed[strlen(changed) - 20] ^= 1;
	ck_assert_int_ne(verdict_at(changed, FORGE_NOW_S), LICENSE_VALID);
	ck_assert_int_ne(verdict_at(arena_printf(task.arena, "%s.", changed), FORGE_NOW_S),
	                 LICENSE_VALID);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("imported_licenses");
	TCase *tcase = fixture_case("tokens");

	tcase_add_test(tcase, test_no_key_was_imported);
	tcase_add_test(tcase, test_our_licence);
	tcase_add_loop_test(tcase, test_tokens, 0, ROWS(tokens));
	tcase_add_test(tcase, test_times);
	tcase_add_test(tcase, test_signatures);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
