/*
 * test_revocations.c: the signed list of revoked licences is read as it was written, and other
 * tokens are refused.
 */
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
	ck_assert(revocations_contains(&back, "lic_a") &&
	          revocations_contains(&back, "lic_b") && revocations_contains(&back, "lic_c"));
	ck_assert(!revocations_contains(&back, "lic_") &&
	          !revocations_contains(&back, "lic_d"));
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
	ck_assert(revocations_contains(&back, "lic_a"));
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
		ck_assert(revocations_contains(&back, jtis[i]));
	ck_assert(!revocations_contains(&back, "lic_x"));
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
	tcase_add_test(tcase, test_revocations_verdicts);
	tcase_add_loop_test(tcase, test_long_and_empty_lists, 0, 2);
	tcase_add_test(tcase, test_revocation_list_is_no_licence);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
