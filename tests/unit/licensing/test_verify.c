/* test_verify.c: verdicts on licences that our key signed, by payload, issuer and time; and
 * mutations of a good token, all refused. */
#include "support/licensing_fixture.h"

#include "base/text.h"

START_TEST(test_good_token)
{
	const char *payload = NULL;
	struct license_claims out;

	ck_assert_int_eq(license_verify(&task, &keys, good_token(), FORGE_NOW_S, 0,
	                                FORGE_ISSUER, &out, &payload),
	                 LICENSE_VALID);
	ck_assert_str_eq(payload, good_payload());
	ck_assert_str_eq(license_claims_write(task.arena, &out), payload);
	ck_assert_int_eq(
	        license_verify(&task, &keys, good_token(), FORGE_NOW_S, 0, NULL, &out, NULL),
	        LICENSE_VALID);
}
END_TEST

/* White space comes with pasting; nothing else does. */
START_TEST(test_pasted_tokens)
{
	char *token = good_token(), *wrapped = arena_alloc(task.arena, 4 * strlen(token)), *end;

	ck_assert_int_eq(verify(arena_printf(task.arena, " \t\r\n%s\v\f\n", token)),
	                 LICENSE_VALID);
	end = wrapped;
	for (size_t i = 0; token[i]; i++) {
		*end++ = token[i];
		if (i % 64 == 63)
			end = stpcpy(end, "\r\n");
	}
	ck_assert_int_eq(verify(wrapped), LICENSE_VALID);
	ck_assert_int_eq(verify(arena_printf(task.arena, "\"%s\"", token)), LICENSE_MALFORMED);
	ck_assert_int_eq(verify(arena_printf(task.arena, "Bearer %s", token)),
	                 LICENSE_MALFORMED);
	ck_assert_int_eq(verify(arena_printf(task.arena, "%s\xc2\xa0", token)),
	                 LICENSE_MALFORMED);
}
END_TEST

/* Payloads truly signed by our key: the first `old` of the good one replaced by `new`. */
static const struct {
	const char *old, *new;
	enum token_verdict verdict;
} payloads[] = {
        {"1736812800,\"iss\"", "1736812800.0,\"iss\"", LICENSE_MALFORMED},
        {"\"exp\":1736812800", "\"exp\":1736812800.0", LICENSE_MALFORMED},
        {"\"exp\":1736812800", "\"exp\":1.7368128e9", LICENSE_MALFORMED},
        {"\"exp\":1736812800", "\"exp\":\"1736812800\"", LICENSE_MALFORMED},
        {"\"exp\":1736812800", "\"exp\":99999999999999999999", LICENSE_MALFORMED},
        {"\"exp\":1736812800", "\"exp\":1e400", LICENSE_MALFORMED},
        {"\"exp\":1736812800", "\"exp\":NaN", LICENSE_MALFORMED},
        {"\"exp\":1736812800", "\"exp\":-1", LICENSE_MALFORMED},
        {",\"exp\":1736812800", "", LICENSE_MALFORMED},
        {"\"exp\":1736812800", "\"exp\":1,\"exp\":1736812800", LICENSE_MALFORMED},
        {"\"jti\"", "\"plan\":\"trial\",\"jti\"", LICENSE_MALFORMED},
        {"\"sub\":\"cust_0", "\"sub\":\"cust_1", LICENSE_MALFORMED},
        {"https://billing.example.com", "https://billing.example.com/", LICENSE_WRONG_ISSUER},
        {"https://billing.example.com", "https://BILLING.example.com", LICENSE_WRONG_ISSUER},
        {"https://billing.example.com", "x", LICENSE_WRONG_ISSUER},
        {"\"iat\"", "\"nbf\":1705276801,\"iat\"", LICENSE_NOT_YET_VALID},
        {"\"iat\"", "\"nbf\":253402300799,\"iat\"", LICENSE_NOT_YET_VALID},
        {"\"iat\"", "\"nbf\":9223372036854775807,\"iat\"", LICENSE_MALFORMED},
        {"\"iat\"", "\"nbf\":1705276800,\"iat\"", LICENSE_VALID},
        {"\"iat\"", "\"aud\":\"somebody\",\"iat\"", LICENSE_VALID},
        {"{\"customerId\"", "[{\"customerId\"", LICENSE_MALFORMED},
        {"{\"customerId\"", " {\"customerId\"", LICENSE_VALID},
        {"Acme", "\xff", LICENSE_MALFORMED},
        {"Acme", "\\u0000", LICENSE_MALFORMED},
};

START_TEST(test_payloads)
{
	char *good = good_payload(), *payload;
	const char *at = strstr(good, payloads[_i].old);
	enum token_verdict verdict;

	ck_assert_ptr_nonnull(at);
	payload = arena_printf(task.arena, "%.*s%s%s", (int)(at - good), good, payloads[_i].new,
	                       at + strlen(payloads[_i].old));
	verdict = verify(forge_token(task.arena, keys.items[0].pkey, good_header(), payload));
	ck_assert_msg(verdict == payloads[_i].verdict, "%s: %s", payload,
	              token_verdict_code(verdict));
}
END_TEST

/* Seconds from now at which a licence was issued and expires. */
static const struct {
	int64_t issued, expires, leeway;
	enum token_verdict verdict;
} edges[] = {
        {0, 1, 0, LICENSE_VALID},
        {0, 0, 0, LICENSE_EXPIRED},
        {-9, -1, 0, LICENSE_EXPIRED},
        {1, 9, 0, LICENSE_NOT_YET_VALID},
        {0, -59, 60, LICENSE_VALID},
        {0, -60, 60, LICENSE_EXPIRED},
        {0, -61, 60, LICENSE_EXPIRED},
        {59, 999, 60, LICENSE_VALID},
        {60, 999, 60, LICENSE_VALID},
        {61, 999, 60, LICENSE_NOT_YET_VALID},
        {61, -61, 60, LICENSE_NOT_YET_VALID},
};

START_TEST(test_edges_of_time)
{
	struct license_claims out;
	enum token_verdict verdict;

	claims.issued_at_s = FORGE_NOW_S + edges[_i].issued;
	claims.expires_at_s = FORGE_NOW_S + edges[_i].expires;
	verdict = license_verify(&task, &keys, good_token(), FORGE_NOW_S, edges[_i].leeway,
	                         NULL, &out, NULL);
	ck_assert_str_eq(token_verdict_code(verdict), token_verdict_code(edges[_i].verdict));
	/* The signature held, so the claims are told whatever the clock says. */
	ck_assert_int_eq(out.expires_at_s, claims.expires_at_s);
}
END_TEST

START_TEST(test_every_verdict_has_words)
{
	for (int i = 0; i < TOKEN_VERDICT_COUNT; i++) {
		const char *code = token_verdict_code((enum token_verdict)i);

		ck_assert(text_starts_with(code, "license_"));
		ck_assert_ptr_nonnull(token_verdict_message((enum token_verdict)i));
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(code, token_verdict_code((enum token_verdict)j));
	}
}
END_TEST

/* Changes one place of the token, always to something else. */
static void
mutate(uint64_t *state, char *token, size_t length)
{
	static const char digits[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";
	size_t at = suite_random(state) % length;
	char before = token[at];

	while (token[at] == before)
		switch (suite_random(state) % 3) {
		case 0:
			token[at] = (char)(before ^ (1 << suite_random(state) % 8));
			break;
		case 1:
			token[at] = digits[suite_random(state) % (sizeof(digits) - 1)];
			break;
		default:
			/* White space would be dropped, and the token be shorter. */
			token[at] = (char)(suite_random(state) % 256);
		}
}

START_TEST(test_mutations)
{
	enum { TRIES = 200000 };
	uint64_t state = suite_seed("token mutations");
	const char *given = getenv("MUTATIONS");
	long tries = given ? strtol(given, NULL, 10) : TRIES, accepted = 0;
	char *good = good_token();
	size_t length = strlen(good);

	for (long i = 0; i < tries; i++) {
		struct task trial = suite_task();
		char *token = arena_copy(trial.arena, good);
		struct license_claims out;

		mutate(&state, token, length);
		if (license_verify(&trial, &keys, token, FORGE_NOW_S, 0, FORGE_ISSUER, &out,
		                   NULL) == LICENSE_VALID)
			accepted++;
		suite_task_end(&trial);
	}
	printf("token mutations: %ld tried, %ld accepted\n", tries, accepted);
	ck_assert_int_eq(accepted, 0);
	ck_assert_int_eq(verify(good), LICENSE_VALID);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("verify");
	TCase *tcase = fixture_case("verify");

	tcase_add_test(tcase, test_good_token);
	tcase_add_test(tcase, test_pasted_tokens);
	tcase_add_loop_test(tcase, test_payloads, 0, ROWS(payloads));
	tcase_add_loop_test(tcase, test_edges_of_time, 0, ROWS(edges));
	tcase_add_test(tcase, test_every_verdict_has_words);
	tcase_add_test(tcase, test_mutations);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
