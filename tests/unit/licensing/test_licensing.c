/* test_licensing.c: claims as JSON and back, tokens, JWK sets. */
#include "support/licensing_fixture.h"

#include "json/view.h"

/* RFC 7638 section 3.1. */
START_TEST(test_thumbprint)
{
	static const char n[] =
	        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhD"
	        "R1L6"
	        "tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_"
	        "RN5w6Cf0h4QyQ5"
	        "v-65YGjQR0_"
	        "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD0"
	        "8qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
	        "kEgU"
	        "8awapJzKnqDKgw";
	const char *jwks =
	        arena_printf(task.arena,
	                     "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\","
	                     "\"alg\":\"RS256\"}]}",
	                     n);
	struct license_keys set;

	ck_assert_str_eq(license_key_thumbprint(task.arena, n, "AQAB"),
	                 "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
	ck_assert_int_eq(license_keys_from_jwks(&task, jwks, strlen(jwks), &set), FAIL_NONE);
	ck_assert_uint_eq(set.count, 1);
	ck_assert_str_eq(set.items[0].kid, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
	ck_assert_str_eq(set.items[0].n, n);
	license_keys_release(&set);
}
END_TEST

START_TEST(test_claims_text)
{
	static const char want[] =
	        "{\"customerId\":\"cust_00112233445566778899aabbccddeeff\","
	        "\"customerName\":\"Acme Corp\",\"plan\":\"professional\","
	        "\"features\":{\"maxDevices\":50,\"dataRetentionDays\":365,\"canExportData\":"
	        "true,"
	        "\"hasAdvancedAlerts\":true,\"hasApiAccess\":true,\"hasMqttAccess\":true,"
	        "\"hasCustomBranding\":false},"
	        "\"limits\":{\"maxUsers\":10,\"maxAlertRules\":100,\"maxDashboards\":20},"
	        "\"trial\":{\"isTrialMode\":false},\"subscription\":{\"status\":\"active\","
	        "\"currentPeriodEndsAt\":\"2025-02-15T00:00:00.000Z\"},\"issuedAt\":1705276800,"
	        "\"expiresAt\":1736812800,\"iss\":\"https://billing.example.com\","
	        "\"sub\":\"cust_00112233445566778899aabbccddeeff\","
	        "\"jti\":\"lic_0123456789abcdef\",\"iat\":1705276800,\"exp\":1736812800}";
	ck_assert_str_eq(license_claims_write(task.arena, &claims), want);
}
END_TEST

START_TEST(test_claims_of_a_trial_without_bounds)
{
	char *text;

	claims.limits =
	        VALUES(NUMBER("maxUsers", LICENSE_UNLIMITED), NUMBER("maxAlertRules", 0),
	               NUMBER("maxDashboards", LICENSE_UNLIMITED));
	claims.trial = (struct license_trial){true, INSTANT_MS(1739577600000)};
	claims.period_ends_at = INSTANT_NONE;
	text = license_claims_write(task.arena, &claims);
	ck_assert_ptr_nonnull(strstr(text, "\"limits\":{\"maxAlertRules\":0}"));
	ck_assert_ptr_nonnull(strstr(text, "\"trial\":{\"isTrialMode\":true,\"expiresAt\":"
	                                   "\"2025-02-15T00:00:00.000Z\"}"));
	ck_assert_ptr_nonnull(strstr(text, "\"currentPeriodEndsAt\":null}"));
}
END_TEST

START_TEST(test_claims_round_trip)
{
	const struct license_values features =
	        VALUES(NUMBER("maxDevices", 999999), TRUTH("hasCustomBranding", true),
	               TEXT("region", "eu \"west\" \xc3\xa9"), TRUTH("sso", false),
	               NUMBER("exports", 0), NUMBER("bytes", INT64_C(9007199254740991)));
	const struct license_values limits =
	        VALUES(NUMBER("maxAlertRules", 1), NUMBER("projects", 7),
	               NUMBER("seats", LICENSE_UNLIMITED));
	struct license_claims back;
	struct json_view object;
	char *text;

	if (_i == 1) {
		claims.customer_name = "Zo\xc3\xab \"the\nfox\" \\ <x@example.com>";
		claims.limits = limits;
		claims.trial = (struct license_trial){true, INSTANT_MS(1739577600123)};
		claims.period_ends_at = INSTANT_NONE;
		claims.no_access = true;
		claims.features = features;
	}
	text = license_claims_write(task.arena, &claims);
	ck_assert_int_eq(json_view_open(&task, text, strlen(text), &object), FAIL_NONE);
	ck_assert_int_eq(license_claims_read(&task, &object, &back), FAIL_NONE);
	ck_assert_str_eq(back.customer_name, claims.customer_name);
	/* Everything else shows when it is written again. */
	ck_assert_str_eq(license_claims_write(task.arena, &back), text);
}
END_TEST

/* Replaces the first `old` of the good payload by `new`, which no reader may take. */
static const struct {
	const char *old, *new, *member;
} bad_claims[] = {
        {"\"iss\":\"https://billing.example.com\"", "\"iss\":1", "iss"},
        {"\"iss\":", "\"issuer\":", "iss"},
        {"\"jti\":\"lic_0123456789abcdef\"", "\"jti\":\"\"", "jti"},
        {"\"jti\":", "\"id\":", "jti"},
        {"\"sub\":\"cust_0", "\"sub\":\"cust_1", "sub"},
        {"\"customerId\":\"cust_0", "\"customerId\":\"cust_1", "sub"},
        {"\"customerId\":", "\"customer\":", "customerId"},
        {"\"iat\":1705276800", "\"iat\":1705276801", "issuedAt"},
        {"\"iat\":1705276800", "\"iat\":\"1705276800\"", "iat"},
        {"\"iat\":1705276800", "\"iat\":1705276800.0", "iat"},
        {"\"iat\":1705276800", "\"iat\":-1", "iat"},
        {"\"exp\":1736812800", "\"exp\":1736812801", "expiresAt"},
        {"\"exp\":1736812800", "\"exp\":1736812800.5", "exp"},
        {"\"exp\":1736812800", "\"exp\":1.7368128e9", "exp"},
        {"\"exp\":1736812800", "\"exp\":\"1736812800\"", "exp"},
        {"\"exp\":1736812800", "\"exp\":253402300800", "exp"},
        {"\"exp\":1736812800", "\"exp\":9223372036854775807", "exp"},
        {"\"exp\":1736812800", "\"exp\":null", "exp"},
        {"\"exp\":1736812800", "\"exp\":true", "exp"},
        {"\"exp\":1736812800", "\"exp\":[1736812800]", "exp"},
        {"\"exp\":1736812800", "\"expires\":1736812800", "exp"},
        {"\"expiresAt\":1736812800", "\"expires\":1736812800", "expiresAt"},
        {"\"issuedAt\":1705276800", "\"issued\":1705276800", "issuedAt"},
        {"\"iat\":1705276800", "\"nbf\":\"1\",\"iat\":1705276800", "nbf"},
        {"\"iat\":1705276800", "\"nbf\":null,\"iat\":1705276800", "nbf"},
        {"\"plan\":\"professional\"", "\"plan\":7", "plan"},
        {"\"customerName\":", "\"name\":", "customerName"},
        {"\"maxDevices\":50", "\"maxDevices\":\"\"", "maxDevices"},
        {"\"maxDevices\":50", "\"maxDevices\":50.0", "maxDevices"},
        {"\"maxDevices\":50", "\"maxDevices\":null", "maxDevices"},
        {"\"maxDevices\":50", "\"maxDevices\":[50]", "maxDevices"},
        {"\"maxDevices\":50", "\"maxDevices\":{}", "maxDevices"},
        {"\"maxDevices\":50", "\"max_devices\":50", "features"},
        {"\"maxDevices\":50", "\"\":50", "features"},
        {"\"maxDevices\":50", "\"2fa\":50", "features"},
        {"\"maxDevices\":50", "\"region\":\"eu\\n\"", "region"},
        {"\"maxDevices\":50", "\"maxDevices\":-1", "maxDevices"},
        {"\"maxDevices\":50", "\"maxDevices\":9007199254740992", "maxDevices"},
        {"\"features\":{", "\"feature\":{", "features"},
        {"\"maxUsers\":10", "\"maxUsers\":10.0", "maxUsers"},
        {"\"maxUsers\":10", "\"maxUsers\":true", "maxUsers"},
        {"\"maxUsers\":10", "\"maxUsers\":\"10\"", "maxUsers"},
        {"\"maxUsers\":10", "\"maxUsers\":-1", "maxUsers"},
        {"\"maxUsers\":10", "\"max users\":10", "limits"},
        {"\"limits\":{", "\"limit\":{", "limits"},
        {"\"trial\":{", "\"tried\":{", "trial"},
        {"\"isTrialMode\":false", "\"isTrialMode\":\"false\"", "isTrialMode"},
        {"\"isTrialMode\":false", "\"isTrialMode\":false,\"expiresAt\":\"soon\"", "expiresAt"},
        {"\"subscription\":{", "\"subscriptions\":{", "subscription"},
        {"\"status\":\"active\"", "\"status\":true", "status"},
        {"\"2025-02-15T00:00:00.000Z\"", "1739577600", "currentPeriodEndsAt"},
        {"\"2025-02-15T00:00:00.000Z\"", "\"2025-02-30T00:00:00Z\"", "currentPeriodEndsAt"},
};

static char *
replaced(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);

	ck_assert_msg(at != NULL, "%s isn't there", old);
	return arena_printf(task.arena, "%.*s%s%s", (int)(at - text), text, new,
	                    at + strlen(old));
}

START_TEST(test_bad_claims)
{
	char *text = replaced(license_claims_write(task.arena, &claims), bad_claims[_i].old,
	                      bad_claims[_i].new);
	struct json_view object;

	ck_assert_int_eq(json_view_open(&task, text, strlen(text), &object), FAIL_NONE);
	ck_assert_int_eq(license_claims_read(&task, &object, &claims), FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "license_malformed");
	ck_assert_msg(strstr(task.failure.message,
	                     arena_printf(task.arena, " %s ", bad_claims[_i].member)),
	              "%s: %s", bad_claims[_i].new, task.failure.message);
}
END_TEST

START_TEST(test_token_shape)
{
	static const struct jwt_kind kind = {"JWT", 4096};
	struct jwt_payload payload;
	struct bytes header;
	char *token = NULL;

	ck_assert_int_eq(jwt_sign(&task, &keys.items[0], &kind, "{\"a\":1}", &token),
	                 FAIL_NONE);
	ck_assert(base64url_decode(task.arena, token, strcspn(token, "."), &header));
	ck_assert_str_eq(arena_copy_bytes(task.arena, header.data, header.length),
	                 arena_printf(task.arena,
	                              "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
	                              keys.items[0].kid));
	ck_assert_int_eq(jwt_verify(task.arena, &keys, &kind, token, strlen(token), &payload),
	                 JWT_VALID);
	ck_assert_str_eq(payload.text, "{\"a\":1}");
}
END_TEST

START_TEST(test_signing_fails_safely)
{
	static const struct jwt_kind narrow = {"JWT", 100}, wide = {"JWT", 4096};
	struct license_keys public_only;
	char *token;

	ck_assert_int_eq(jwt_sign(&task, &keys.items[0], &narrow, "{}", &token), FAIL_INTERNAL);
	ck_assert_str_eq(task.failure.code, "signing_failed");
	task_clear(&task);
	ck_assert_int_eq(
	        license_keys_public_from_pem(&task, keys.items[0].public_pem, &public_only),
	        FAIL_NONE);
	ck_assert_int_eq(jwt_sign(&task, &public_only.items[0], &wide, "{}", &token),
	                 FAIL_INTERNAL);
	ck_assert_ptr_null(license_keys_signing(&public_only));
	license_keys_release(&public_only);
}
END_TEST

/* A verifier that has only the JWK set, or only the PEM, knows the same keys. */
START_TEST(test_public_forms)
{
	char *jwks = license_keys_jwks(task.arena, &keys);
	struct license_keys from_jwks, from_pem;

	ck_assert_int_eq(license_keys_from_jwks(&task, jwks, strlen(jwks), &from_jwks),
	                 FAIL_NONE);
	ck_assert_int_eq(
	        license_keys_public_from_pem(&task, keys.items[0].public_pem, &from_pem),
	        FAIL_NONE);
	ck_assert_str_eq(from_jwks.items[0].kid, keys.items[0].kid);
	ck_assert_str_eq(from_pem.items[0].kid, keys.items[0].kid);
	ck_assert_str_eq(from_jwks.items[0].public_pem, keys.items[0].public_pem);
	ck_assert(!from_jwks.items[0].can_sign && !from_pem.items[0].can_sign);
	ck_assert_str_eq(license_keys_jwks(task.arena, &from_jwks), jwks);
	ck_assert_int_eq(license_keys_warm(&task, &from_jwks), FAIL_NONE);
	ck_assert_int_eq(license_keys_warm(&task, &keys), FAIL_NONE);
	license_keys_release(&from_jwks);
	license_keys_release(&from_pem);
}
END_TEST

/* %s are the real n. */
static const struct {
	const char *format;
	int keys; /* -1: refused */
} jwk_sets[] = {
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}]}", 1},
        {"{\"keys\":[{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"%s\",\"e\":\"AQAB\"}]}", 0},
        {"{\"keys\":[{\"kty\":\"RSA\",\"use\":7,\"n\":\"%s\",\"e\":\"AQAB\"}]}", 0},
        {"{\"keys\":[{\"kty\":\"RSA\",\"alg\":\"PS256\",\"n\":\"%s\",\"e\":\"AQAB\"}]}", 0},
        {"{\"keys\":[{\"kty\":\"RSA\",\"key_ops\":[\"encrypt\"],\"n\":\"%s\",\"e\":\"AQAB\"}]}",
         0},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"%s\"}]}", 0},
        {"{\"keys\":[]}", 0},
        {"{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"mine\",\"n\":\"%s\",\"e\":\"AQAB\"}]}", -1},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"Aw\"}]}", -1},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAA\"}]}", -1},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"\"}]}", -1},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s=\",\"e\":\"AQAB\"}]}", -1},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", -1},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":65537,\"e\":\"AQAB\"}]}", -1},
        {"{\"keys\":{}}", -1},
        {"{\"keys\":[1]}", -1},
        {"{}", -1},
        {"[]", -1},
        {"{\"keys\":[],\"keys\":[]}", -1},
};

START_TEST(test_jwk_sets)
{
	const char *at = strstr(jwk_sets[_i].format, "%s");
	char *text = at ? replaced(jwk_sets[_i].format, "%s", keys.items[0].n)
	                : arena_copy(task.arena, jwk_sets[_i].format);
	struct license_keys set;
	enum fail kind = license_keys_from_jwks(&task, text, strlen(text), &set);

	if (jwk_sets[_i].keys < 0) {
		ck_assert_msg(kind == FAIL_INVALID, "%s", text);
		ck_assert_uint_eq(set.count, 0);
	} else {
		ck_assert_msg(kind == FAIL_NONE, "%s: %s", text, task.failure.message);
		ck_assert_int_eq((int)set.count, jwk_sets[_i].keys);
	}
	license_keys_release(&set);
}
END_TEST

static const char *const bad_pems[] = {
        "",
        "nonsense",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        /* Ed25519: RFC 8410 section 10.1. */
        "-----BEGIN PUBLIC "
        "KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        "-----END PUBLIC KEY-----\n",
};

START_TEST(test_bad_public_pem)
{
	struct license_keys set;

	ck_assert_int_eq(license_keys_public_from_pem(&task, bad_pems[_i], &set), FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "key_invalid");
	ck_assert_uint_eq(set.count, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("licensing");
	TCase *tcase = fixture_case("licensing");

	tcase_add_test(tcase, test_thumbprint);
	tcase_add_test(tcase, test_claims_text);
	tcase_add_test(tcase, test_claims_of_a_trial_without_bounds);
	tcase_add_loop_test(tcase, test_claims_round_trip, 0, 2);
	tcase_add_loop_test(tcase, test_bad_claims, 0, ROWS(bad_claims));
	tcase_add_test(tcase, test_token_shape);
	tcase_add_test(tcase, test_signing_fails_safely);
	tcase_add_test(tcase, test_public_forms);
	tcase_add_loop_test(tcase, test_jwk_sets, 0, ROWS(jwk_sets));
	tcase_add_loop_test(tcase, test_bad_public_pem, 0, ROWS(bad_pems));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
