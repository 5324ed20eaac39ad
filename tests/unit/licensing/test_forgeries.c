/* test_forgeries.c: every known way to fool a JWT library, in the header, the signature and the
 * shape of a token. */
#include "support/licensing_fixture.h"

#include "base/text.h"

/*
 * Headers over a payload that holds, each of them truly signed by our key. %k is our kid, %f a
 * foreign one, %n and %e a key's numbers.
 */
static const struct {
	const char *header;
	enum token_verdict verdict;
} headers[] = {
        /* No algorithm but RS256, in no other spelling. */
        {"{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"None\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"NONE\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"nOnE\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":null,\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":0,\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":[\"RS256\"],\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"Alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"rs256\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\" RS256\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"RS256 \",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"RS2567\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"RS384\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"RS512\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"PS256\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        {"{\"alg\":\"RSA-OAEP\",\"typ\":\"JWT\",\"kid\":\"%k\"}", LICENSE_WRONG_ALGORITHM},
        /* No kid but a known one. */
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\"}", LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":1}", LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"\"}", LICENSE_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%f\"}", LICENSE_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k \"}", LICENSE_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"../../%k\"}", LICENSE_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"' OR 1=1 --\"}", LICENSE_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"/dev/null\"}", LICENSE_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\\u0000\"}", LICENSE_MALFORMED},
        /* No type but a licence's. */
        {"{\"alg\":\"RS256\",\"kid\":\"%k\"}", LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"jwt\",\"kid\":\"%k\"}", LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"%k\"}", LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"revocations+jwt\",\"kid\":\"%k\"}", LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":null,\"kid\":\"%k\"}", LICENSE_MALFORMED},
        /* Nothing that brings a key along or changes what is signed. */
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"jwk\":{\"kty\":\"RSA\","
         "\"n\":\"%n\",\"e\":\"%e\"}}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"jku\":\"https://example.com/\"}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"x5u\":\"https://example.com/\"}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"x5c\":[\"MIIB\"]}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"x5t\":\"AAAA\"}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"crit\":[\"exp\"],\"exp\":1}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"crit\":[]}", LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"b64\":false,\"crit\":[\"b64\"]}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"b64\":true}", LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"zip\":\"DEF\"}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"cty\":\"JWT\"}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"enc\":\"A128GCM\"}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",\"\":\"\"}", LICENSE_MALFORMED},
        /* Nothing said twice, nothing but one object. */
        {"{\"alg\":\"none\",\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\"}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"\\u0061lg\":\"none\",\"typ\":\"JWT\",\"kid\":\"%k\"}",
         LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%f\",\"kid\":\"%k\"}",
         LICENSE_MALFORMED},
        {"[{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\"}]", LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\"}{}", LICENSE_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%k\",}", LICENSE_MALFORMED},
        {"{'alg':'RS256','typ':'JWT','kid':'%k'}", LICENSE_MALFORMED},
        {"\"RS256\"", LICENSE_MALFORMED},
        {"null", LICENSE_MALFORMED},
        {"{}", LICENSE_WRONG_ALGORITHM},
        {"\xff\xfe", LICENSE_MALFORMED},
};

/* Puts the kids and numbers into a header of the table. */
static char *
filled(const char *format)
{
	struct text out = text_new(task.arena, 2048);

	for (const char *at = format; *at; at++) {
		if (*at != '%') {
			text_add_char(&out, *at);
			continue;
		}
		at++;
		text_add(&out, *at == 'k'   ? keys.items[0].kid
		               : *at == 'f' ? foreign.items[0].kid
		               : *at == 'n' ? foreign.items[0].n
		                            : foreign.items[0].e);
	}
	return out.data;
}

START_TEST(test_headers)
{
	char *header = filled(headers[_i].header);
	enum token_verdict verdict =
	        verify(forge_token(task.arena, keys.items[0].pkey, header, good_payload()));

	ck_assert_msg(verdict == headers[_i].verdict, "%s: %s", header,
	              token_verdict_code(verdict));
	/* Without a signature, as "none" has it, a wrong algorithm keeps its code; all else is
	 * malformed. */
	verdict = verify(arena_printf(task.arena, "%s.%s.", forge_base64(task.arena, header),
	                              forge_base64(task.arena, good_payload())));
	ck_assert_int_eq(verdict, headers[_i].verdict == LICENSE_WRONG_ALGORITHM
	                                  ? LICENSE_WRONG_ALGORITHM
	                                  : LICENSE_MALFORMED);
}
END_TEST

/* The header's members may have any order and blanks between them. */
START_TEST(test_other_spelling_of_a_good_header)
{
	char *header =
	        filled("{ \"kid\" : \"%k\" ,\n\"typ\":\"\\u004aWT\", \"alg\":\"RS256\"}");

	ck_assert_int_eq(
	        verify(forge_token(task.arena, keys.items[0].pkey, header, good_payload())),
	        LICENSE_VALID);
}
END_TEST

/* HS256 with the public key as the secret is refused. */
START_TEST(test_hmac_with_the_public_key)
{
	static const char *const algorithms[] = {"HS256", "RS256"};
	char *header = filled(arena_printf(task.arena,
	                                   "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%%k\"}",
	                                   algorithms[_i]));
	const char *const secrets[] = {keys.items[0].public_pem, keys.items[0].n,
	                               license_keys_jwks(task.arena, &keys), "", "secret"};

	for (int i = 0; i < ROWS(secrets); i++)
		ck_assert_int_eq(
		        verify(forge_hs256(task.arena, secrets[i], header, good_payload())),
		        _i == 0 ? LICENSE_WRONG_ALGORITHM : LICENSE_BAD_SIGNATURE);
}
END_TEST

START_TEST(test_foreign_key)
{
	char *token = NULL;

	/* With our kid, then with its own. */
	ck_assert_int_eq(verify(forge_token(task.arena, foreign.items[0].pkey, good_header(),
	                                    good_payload())),
	                 LICENSE_BAD_SIGNATURE);
	ck_assert_int_eq(license_sign(&task, &foreign.items[0], &claims, &token), FAIL_NONE);
	ck_assert_int_eq(verify(token), LICENSE_UNKNOWN_KEY);
}
END_TEST

/* The shape of a token: h, p and s are the parts of a good one, other characters stand for
 * themselves. */
static const char *const shapes[] = {
        "",
        ".",
        "..",
        "...",
        "h",
        "h.p",
        "h.p.",
        "h..s",
        ".p.s",
        "..s",
        "h..",
        ".p.",
        "h.p.s.",
        ".h.p.s",
        "h.p.s.s",
        "h.p.s.h.p",
        "h.p.ss",
        "h.pp.s",
        "hh.p.s",
        "p.h.s",
        "h.s.p",
        "h=.p.s",
        "h.p=.s",
        "h.p.s=",
        "h.p.s==",
        "h.p.s+",
        "h.p.s/",
        "h.p.sA",
        "h.p.sAA",
        "h.p.sAAAA",
        "hA.p.s",
        "h.pA.s",
        "h.pAAAA.s",
        "h%2Ep.s",
        "h;p;s",
        "h.p.s\x01",
        "h.\xef\xbb\xbfp.s",
        "(h.p.s)",
        "h.p.s,h.p.s",
        "{\"h\":\"h.p.s\"}",
        "h.p.s\xff",
        "h~p~s",
        "h.p.s~",
        "h.p.-s",
        "h.p._s",
        "h.p.As",
};

static char *
shaped(const char *shape)
{
	struct text out = text_new(task.arena, 4096);
	const char *header = good_token(), *payload, *signature;

	payload = header + strcspn(header, ".") + 1;
	signature = payload + strcspn(payload, ".") + 1;
	for (const char *at = shape; *at; at++) {
		if (*at == 'h')
			text_add_bytes(&out, header, strcspn(header, "."));
		else if (*at == 'p')
			text_add_bytes(&out, payload, strcspn(payload, "."));
		else if (*at == 's')
			text_add(&out, signature);
		else
			text_add_char(&out, *at);
	}
	return out.data;
}

START_TEST(test_shapes)
{
	enum token_verdict verdict = verify(shaped(shapes[_i]));

	ck_assert_msg(verdict != LICENSE_VALID, "%s", shapes[_i]);
	ck_assert_int_eq(verify(shaped("h.p.s")), LICENSE_VALID);
}
END_TEST

/* JWS's JSON serializations, alone and as polyglots with a compact token inside. */
START_TEST(test_json_serialization)
{
	static const char *const formats[] = {
	        "{\"payload\":\"%2$s\",\"protected\":\"%1$s\",\"signature\":\"%3$s\"}",
	        "{\"payload\":\"%2$s\",\"signatures\":[{\"protected\":\"%1$s\","
	        "\"signature\":\"%3$s\"}]}",
	        "{\"payload\":\"%2$s\",\"protected\":\"%1$s\",\"signature\":\"%3$s\","
	        "\"x\":\".%2$s.\"}",
	        "{\"  %1$s.%2$s.%3$s\":\"\",\"protected\":\"%1$s\",\"payload\":\"%2$s\","
	        "\"signature\":\"%3$s\"}",
	        "%1$s.%2$s.%3$s{\"payload\":\"%2$s\"}",
	};
	const char *header = shaped("h"), *payload = shaped("p"), *signature = shaped("s");
	const char *token = formats[_i];
	static const char *const marks[] = {"%1$s", "%2$s", "%3$s"};
	const char *const values[] = {header, payload, signature};

	for (int i = 0; i < 3; i++) {
		const char *at;

		while ((at = strstr(token, marks[i])))
			token = arena_printf(task.arena, "%.*s%s%s", (int)(at - token), token,
			                     values[i], at + strlen(marks[i]));
	}
	ck_assert_int_eq(verify(token), LICENSE_MALFORMED);
}
END_TEST

/* The last digit of a part carries bits that mean nothing: only one spelling may pass. */
START_TEST(test_trailing_bits)
{
	static const char digits[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char *token = good_token();
	size_t last = strlen(token) - 1;
	int accepted = 0;

	for (size_t i = 0; i < sizeof(digits) - 1; i++) {
		char *copy = arena_copy(task.arena, token);

		copy[last] = digits[i];
		if (verify(copy) == LICENSE_VALID)
			accepted++;
	}
	ck_assert_int_eq(accepted, 1);
}
END_TEST

/* White space inside of the parts is for license_verify() only; the token itself has none. */
START_TEST(test_blanks_in_parts)
{
	static const struct jwt_kind kind = {"JWT", LICENSE_TOKEN_MAX};
	static const char *const blanks[] = {" ", "\n", "\t", "\r", "\v", "\f"};
	char *token = good_token();
	struct jwt_payload payload;

	for (size_t at = 0; at <= strlen(token); at += 13) {
		char *spoiled = arena_printf(task.arena, "%.*s%s%s", (int)at, token, blanks[_i],
		                             token + at);

		ck_assert_int_eq(jwt_verify(task.arena, &keys, &kind, spoiled, strlen(spoiled),
		                            &payload),
		                 JWT_MALFORMED);
	}
	ck_assert_int_eq(
	        jwt_verify(task.arena, &keys, &kind, token, strlen(token) + 1, &payload),
	        JWT_MALFORMED);
}
END_TEST

/* A token of the greatest length passes, and none beyond. */
START_TEST(test_length)
{
	char *padding = arena_alloc(task.arena, LICENSE_TOKEN_MAX), *token = good_token();
	/* Three bytes become four: a little short of the greatest length. */
	size_t near = (LICENSE_TOKEN_MAX - strlen(token)) / 4 * 3 - 16;
	bool over = false, fitted = false;

	for (size_t length = near; !over; length++) {
		claims.customer_name = memset(padding, 'x', length);
		token = forge_token(task.arena, keys.items[0].pkey, good_header(),
		                    good_payload());
		over = strlen(token) > LICENSE_TOKEN_MAX;
		if (strlen(token) + 8 > LICENSE_TOKEN_MAX)
			ck_assert_int_eq(verify(token),
			                 over ? LICENSE_MALFORMED : LICENSE_VALID);
		fitted = fitted || !over;
	}
	ck_assert(fitted);
	ck_assert_int_eq(license_sign(&task, &keys.items[0], &claims, &token), FAIL_INTERNAL);
}
END_TEST

/* Blanks are dropped before the token is measured, but not without bound. */
START_TEST(test_blanks_are_bounded)
{
	char *blanks = arena_alloc(task.arena, 2 * LICENSE_TOKEN_MAX + 1);

	memset(blanks, ' ', LICENSE_TOKEN_MAX);
	ck_assert_int_eq(verify(arena_printf(task.arena, "%s%s", blanks, good_token())),
	                 LICENSE_VALID);
	memset(blanks, ' ', 2 * LICENSE_TOKEN_MAX);
	ck_assert_int_eq(verify(arena_printf(task.arena, "%s%s", blanks, good_token())),
	                 LICENSE_MALFORMED);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("forgeries");
	TCase *tcase = fixture_case("forgeries");

	tcase_add_loop_test(tcase, test_headers, 0, ROWS(headers));
	tcase_add_test(tcase, test_other_spelling_of_a_good_header);
	tcase_add_loop_test(tcase, test_hmac_with_the_public_key, 0, 2);
	tcase_add_test(tcase, test_foreign_key);
	tcase_add_loop_test(tcase, test_shapes, 0, ROWS(shapes));
	tcase_add_loop_test(tcase, test_json_serialization, 0, 5);
	tcase_add_test(tcase, test_trailing_bits);
	tcase_add_loop_test(tcase, test_blanks_in_parts, 0, 6);
	tcase_add_test(tcase, test_length);
	tcase_add_test(tcase, test_blanks_are_bounded);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
