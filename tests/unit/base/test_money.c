/* test_money.c: amounts of money as people write them, in currencies with two, no and three
 * digits behind the point. */
#include "support/suite.h"

#include "base/money.h"

static struct arena *arena;

static void
setup(void)
{
	arena = arena_new((size_t)64 * 1024);
}

static void
teardown(void)
{
	arena_free(arena);
}

static const struct {
	const char *amount, *currency, *text;
} amounts[] = {
        {"2900", "usd", "$29.00"},
        {"2900", "USD", "$29.00"},
        {"5", "usd", "$0.05"},
        {"50", "usd", "$0.50"},
        {"0", "usd", "$0.00"},
        {"-2900", "usd", "-$29.00"},
        {"-5", "eur", "-0.05 EUR"},
        {"9900", "eur", "99.00 EUR"},
        /* Parts of a minor unit. */
        {"0.05", "usd", "$0.0005"},
        {"2900.0", "usd", "$29.00"},
        {"12.5", "usd", "$0.125"},
        {"12.50", "usd", "$0.125"},
        {"1234.005", "eur", "12.34005 EUR"},
        /* No minor unit. */
        {"2900", "jpy", "2900 JPY"},
        {"0", "jpy", "0 JPY"},
        {"0.50", "jpy", "0.5 JPY"},
        {"3.0", "jpy", "3 JPY"},
        {"500", "krw", "500 KRW"},
        {"500", "xof", "500 XOF"},
        /* Stripe counts these in hundredths although they have none. */
        {"500", "isk", "5.00 ISK"},
        {"500", "ugx", "5.00 UGX"},
        {"500", "huf", "5.00 HUF"},
        /* Three digits. */
        {"2900", "kwd", "2.900 KWD"},
        {"5", "bhd", "0.005 BHD"},
        {"0.5", "tnd", "0.0005 TND"},
        {"9223372036854775807", "usd", "$92233720368547758.07"},
        /* No decimals. */
        {"tiers of", "usd", "$tiers of"},
        {"1.2.3", "eur", "1.2.3 EUR"},
        {"", "eur", " EUR"},
        {".5", "eur", ".5 EUR"},
        {"5.", "eur", "5. EUR"},
};

START_TEST(test_amounts)
{
	ck_assert_str_eq(money_text(arena, amounts[_i].amount, amounts[_i].currency),
	                 amounts[_i].text);
}
END_TEST

/* As many digits as Stripe charges. */
START_TEST(test_most)
{
	ck_assert_int_eq(money_charge_max("usd"), 99999999);
	ck_assert_int_eq(money_charge_max("JPY"), 99999999);
	ck_assert_int_eq(money_charge_max("inr"), 999999999);
	ck_assert_int_eq(money_charge_max("HUF"), 9999999999);
	ck_assert_int_eq(money_charge_max("idr"), 999999999999);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("money");
	TCase *tcase = tcase_create("money");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_amounts, 0, ROWS(amounts));
	tcase_add_test(tcase, test_most);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
