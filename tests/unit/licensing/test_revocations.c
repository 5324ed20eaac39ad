/* test_revocations.c: the signed list of revoked licences is read as it was written, and other
 * tokens are refused. */
#include "support/licensing_fixture.h"

#include "licensing/revocations.h"

static struct revocations
some_list(void)
{
	static const char *const jtis[] = {"lic_c", "lic_a", "lic_b"};

	return (struct revocations){.issuer = FORGE_ISSUER,
	                            .issued_at_s = FORGE_NOW_S,
	                            .next_update_s = FORGE_NOW_S + 86400,
	                            .jtis = jtis,
	                            .count = 3};
}

static bool
has(const struct revocations *list, const char *jti)
{
	return revocations_contains(
	        list, &(struct license_claims){.jti = jti, .customer_id = "cust_z"});
}

/* Whether the list revokes a licence by its customer and the second of its issue. */
static bool
has_issued(const struct revocations *list, const char *customer_id, int64_t issued_at_s)
{
	return revocations_contains(list, &(struct license_claims){.jti = "lic_x",
	                                                           .customer_id = customer_id,
	                                                           .issued_at_s = issued_at_s});
}

START_TEST(test_revoked_before)
{
	static const struct revoked_before before[] = {
	        {"cust_c", FORGE_NOW_S}, {"cust_a", FORGE_NOW_S - 60}, {"cust_b", 1}};
	struct revocations list = some_list(), back;
	char *token = NULL;

	list.number = 7;
	list.before = before;
	list.before_count = 3;
	ck_assert_int_eq(revocations_sign(&task, &keys.items[0], &list, &token), FAIL_NONE);
	ck_assert_int_eq(revocations_read(&task, &keys, token, FORGE_NOW_S, 0, NULL, &back),
	                 LICENSE_VALID);
	ck_assert_int_eq(back.number, 7);
	ck_assert_uint_eq(back.before_count, 3);
	ck_assert(has_issued(&back, "cust_c", FORGE_NOW_S - 1));
	ck_assert(!has_issued(&back, "cust_c", FORGE_NOW_S));
	ck_assert(has_issued(&back, "cust_a", FORGE_NOW_S - 61));
	ck_assert(!has_issued(&back, "cust_a", FORGE_NOW_S - 60));
	ck_assert(!has_issued(&back, "cust_d", 0));
	ck_assert(has(&back, "lic_a") && !has(&back, "lic_x"));
}
END_TEST

/* A stolen key signs a licence that no list names by its jti, and a later list that revokes nothing. The
 * verifier has pinned both keys. */
START_TEST(test_a_distrusted_key)
{
	const char *const kids[] = {foreign.items[0].kid};
	struct revocations list = some_list(), back, forged;
	char *token = NULL, *license = NULL;
	struct license_keys pinned;
	struct license_claims out;

	license_keys_init_in(&pinned, task.arena);
	ck_assert_int_eq(license_keys_add_pem(&task, &pinned, keys.items[0].public_pem),
	                 FAIL_NONE);
	ck_assert_int_eq(license_keys_add_pem(&task, &pinned, foreign.items[0].public_pem),
	                 FAIL_NONE);
	list.distrusted = kids;
	list.distrusted_count = 1;
	ck_assert_int_eq(revocations_sign(&task, &keys.items[0], &list, &token), FAIL_NONE);
	ck_assert_int_eq(revocations_read(&task, &pinned, token, FORGE_NOW_S, 0, NULL, &back),
	                 LICENSE_VALID);
	ck_assert_int_eq(license_sign(&task, &foreign.items[0], &claims, &license), FAIL_NONE);
	ck_assert_int_eq(
	        license_verify(&task, &pinned, license, FORGE_NOW_S, 0, NULL, &out, NULL),
	        LICENSE_VALID);
	ck_assert(revocations_contains(&back, &out));
	ck_assert_int_eq(license_sign(&task, &keys.items[0], &claims, &license), FAIL_NONE);
	ck_assert_int_eq(
	        license_verify(&task, &pinned, license, FORGE_NOW_S, 0, NULL, &out, NULL),
	        LICENSE_VALID);
	ck_assert(!revocations_contains(&back, &out));
	list = some_list();
	list.number = 1000;
	list.issued_at_s += 60;
	ck_assert_int_eq(revocations_sign(&task, &foreign.items[0], &list, &token), FAIL_NONE);
	ck_assert_int_eq(
	        revocations_read(&task, &pinned, token, FORGE_NOW_S + 60, 0, NULL, &forged),
	        LICENSE_VALID);
	ck_assert(revocations_are_older(&forged, &back));
	ck_assert(!revocations_are_older(&back, &back));
}
END_TEST

/* Entries that are not texts make the whole list malformed; lists of older versions have none. */
START_TEST(test_malformed_distrusted_keys)
{
	static const struct {
		const char *member;
		enum token_verdict verdict;
	} cases[] = {{"", LICENSE_VALID},
	             {",\"distrustedKeys\":[]", LICENSE_VALID},
	             {",\"distrustedKeys\":[\"k\",\"k\"]", LICENSE_VALID},
	             {",\"distrustedKeys\":{}", LICENSE_MALFORMED},
	             {",\"distrustedKeys\":null", LICENSE_MALFORMED},
	             {",\"distrustedKeys\":\"k\"", LICENSE_MALFORMED},
	             {",\"distrustedKeys\":[1]", LICENSE_MALFORMED},
	             {",\"distrustedKeys\":[[\"k\"]]", LICENSE_MALFORMED}};
	static const struct jwt_kind kind = {"revocations+jwt", REVOCATIONS_TOKEN_MAX};
	const char *payload = arena_printf(task.arena,
	                                   "{\"iss\":\"i\",\"iat\":1,\"nextUpdate\":2,"
	                                   "\"revoked\":[]%s}",
	                                   cases[_i].member);
	struct revocations back;
	char *token = NULL;

	ck_assert_int_eq(jwt_sign(&task, &keys.items[0], &kind, payload, &token), FAIL_NONE);
	ck_assert_int_eq(revocations_read(&task, &keys, token, 1, 0, NULL, &back),
	                 cases[_i].verdict);
}
END_TEST

/* Entries that are not a customer and a second make the whole list malformed. */
START_TEST(test_malformed_revoked_before)
{
	static const char *const entries[] = {"{}",
	                                      "[1]",
	                                      "[[]]",
	                                      "[[\"cust_a\"]]",
	                                      "[[\"cust_a\",\"1\"]]",
	                                      "[[1,1]]",
	                                      "[[\"cust_a\",-1]]",
	                                      "[[\"cust_a\",1,2]]",
	                                      "[{\"cust_a\":1}]",
	                                      "null"};
	static const struct jwt_kind kind = {"revocations+jwt", REVOCATIONS_TOKEN_MAX};
	const char *payload = arena_printf(task.arena,
	                                   "{\"iss\":\"i\",\"iat\":1,\"nextUpdate\":2,"
	                                   "\"revoked\":[],\"revokedBefore\":%s}",
	                                   entries[_i]);
	struct revocations back;
	char *token = NULL;

	ck_assert_int_eq(jwt_sign(&task, &keys.items[0], &kind, payload, &token), FAIL_NONE);
	ck_assert_int_eq(revocations_read(&task, &keys, token, 1, 0, NULL, &back),
	                 LICENSE_MALFORMED);
}
END_TEST

START_TEST(test_revocations)
{
	struct revocations list = some_list(), back;
	char *token = NULL;

	ck_assert_int_eq(revocations_sign(&task, &keys.items[0], &list, &token), FAIL_NONE);
	ck_assert_int_eq(
	        revocations_read(&task, &keys, token, FORGE_NOW_S, 0, FORGE_ISSUER, &back),
	        LICENSE_VALID);
	ck_assert_uint_eq(back.count, 3);
	ck_assert_str_eq(back.issuer, FORGE_ISSUER);
	ck_assert_int_eq(back.issued_at_s, list.issued_at_s);
	ck_assert(has(&back, "lic_a") && has(&back, "lic_b") && has(&back, "lic_c"));
	ck_assert(!has(&back, "lic_") && !has(&back, "lic_d"));
}
END_TEST

START_TEST(test_revocations_verdicts)
{
	struct revocations list = some_list(), back;
	char *token = NULL, *license = NULL;

	ck_assert_int_eq(revocations_sign(&task, &keys.items[0], &list, &token), FAIL_NONE);
	ck_assert_int_eq(
	        revocations_read(&task, &keys, token, FORGE_NOW_S + 86399, 0, NULL, &back),
	        LICENSE_VALID);
	ck_assert_int_eq(
	        revocations_read(&task, &keys, token, FORGE_NOW_S + 86400, 0, NULL, &back),
	        LICENSE_EXPIRED);
	ck_assert(has(&back, "lic_a"));
	ck_assert_int_eq(revocations_read(&task, &keys, token, FORGE_NOW_S - 1, 0, NULL, &back),
	                 LICENSE_NOT_YET_VALID);
	ck_assert_int_eq(revocations_read(&task, &keys, token, FORGE_NOW_S, 0, "x", &back),
	                 LICENSE_WRONG_ISSUER);
	token[strlen(token) - 20] ^= 1;
	ck_assert_int_ne(revocations_read(&task, &keys, token, FORGE_NOW_S, 0, NULL, &back),
	                 LICENSE_VALID);
	/* A licence is no list, as a list is no licence. */
	ck_assert_int_eq(license_sign(&task, &keys.items[0], &claims, &license), FAIL_NONE);
	ck_assert_int_eq(revocations_read(&task, &keys, license, FORGE_NOW_S, 0, NULL, &back),
	                 LICENSE_MALFORMED);
}
END_TEST

START_TEST(test_long_and_empty_lists)
{
	enum { MANY = 20000 };
	const char **jtis = arena_array(task.arena, MANY, sizeof(*jtis));
	struct revocations list = some_list(), back;
	char *token = NULL;

	for (int i = 0; i < MANY; i++)
		jtis[i] = arena_printf(task.arena, "lic_%032d", i * 7919 % MANY);
	list.jtis = jtis;
	list.count = _i == 0 ? MANY : 0;
	ck_assert_int_eq(revocations_sign(&task, &keys.items[0], &list, &token), FAIL_NONE);
	ck_assert_int_eq(revocations_read(&task, &keys, token, FORGE_NOW_S, 0, NULL, &back),
	                 LICENSE_VALID);
	ck_assert_uint_eq(back.count, list.count);
	for (size_t i = 0; i < list.count; i++)
		ck_assert(has(&back, jtis[i]));
	ck_assert(!has(&back, "lic_x"));
}
END_TEST

START_TEST(test_revocation_list_is_no_licence)
{
	struct revocations list = {.issuer = FORGE_ISSUER,
	                           .issued_at_s = FORGE_NOW_S,
	                           .next_update_s = FORGE_NOW_S + 1};
	char *token = NULL;

	ck_assert_int_eq(revocations_sign(&task, &keys.items[0], &list, &token), FAIL_NONE);
	ck_assert_int_eq(verify(token), LICENSE_MALFORMED);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("revocations");
	TCase *tcase = fixture_case("revocations");

	tcase_add_test(tcase, test_revocations);
	tcase_add_test(tcase, test_revoked_before);
	tcase_add_loop_test(tcase, test_malformed_revoked_before, 0, 10);
	tcase_add_test(tcase, test_a_distrusted_key);
	tcase_add_loop_test(tcase, test_malformed_distrusted_keys, 0, 8);
	tcase_add_test(tcase, test_revocations_verdicts);
	tcase_add_loop_test(tcase, test_long_and_empty_lists, 0, 2);
	tcase_add_test(tcase, test_revocation_list_is_no_licence);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
