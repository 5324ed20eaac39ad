/* test_version.c: which of Stripe's API versions are tested, and which have billing modes. */
#include "support/suite.h"

#include "stripe/version.h"

static const struct {
	const char *version;
	bool tested, billing_mode, anchor_object;
} versions[] = {
        {"2023-10-16", false, false, false},
        {"2025-02-24.acacia", false, false, false},
        {"2025-03-31.basil", true, false, false},
        {"2025-05-28.basil", true, false, false},
        {"2025-06-30.basil", true, true, false},
        {"2025-09-30.clover", true, true, false},
        {"2026-03-25.dahlia", true, true, false},
        {"2026-10-28.endive", true, true, true},
        {"2026-11-18.endive", false, true, true},
        {"2027-03-31.fennel", false, true, true},
        {"", false, false, false},
};

START_TEST(test_versions)
{
	ck_assert_int_eq(stripe_version_is_tested(versions[_i].version), versions[_i].tested);
	ck_assert_int_eq(stripe_version_has_billing_mode(versions[_i].version),
	                 versions[_i].billing_mode);
	ck_assert_int_eq(stripe_version_has_anchor_object(versions[_i].version),
	                 versions[_i].anchor_object);
}
END_TEST

START_TEST(test_none)
{
	ck_assert(!stripe_version_is_tested(NULL));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe versions");
	TCase *tcase = tcase_create("stripe versions");

	tcase_add_loop_test(tcase, test_versions, 0, ROWS(versions));
	tcase_add_test(tcase, test_none);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
