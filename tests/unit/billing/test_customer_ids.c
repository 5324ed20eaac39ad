/* test_customer_ids.c: our ids of customers that another service named by texts of its own. */
#include "support/suite.h"

#include "base/wire.h"
#include "billing/customer_ids.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define A10 "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10
#define U10 "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
#define U100 U10 U10 U10 U10 U10 U10 U10 U10 U10 U10

static struct arena *arena;

static void
setup(void)
{
	arena = arena_new((size_t)1024 * 1024);
}

static void
teardown(void)
{
	arena_free(arena);
}

START_TEST(test_an_id_of_ours_stays)
{
	ck_assert_str_eq(customer_id_of_text(arena, "cust_" HEX32), "cust_" HEX32);
}
END_TEST

/* Clients use the old id for years, so the new one never changes. */
START_TEST(test_the_id_of_a_text_never_changes)
{
	ck_assert_str_eq(customer_id_of_text(arena, "workshop berlin"),
	                 "cust_6bf0ec8b2d5257400a7ac6a8c316d7a7");
}
END_TEST

static const struct {
	const char *text;
	bool fine;
} texts[] = {
        {"a", true},
        {"CUST_" HEX32, true},
        {"cust_0123456789ABCDEF0123456789abcdef", true},
        {"jane@example.com", true},
        {"a / b ' \" ; --", true},
        {A100, true},
        {U100, true},
        {"", false},
        {A100 "a", false},
        {U100 "\xc3\xa4", false},
        {"a\nb", false},
        {"a\x7f", false},
        {"\xff", false},
};

START_TEST(test_texts)
{
	const char *id = customer_id_of_text(arena, texts[_i].text);

	ck_assert_msg((id != NULL) == texts[_i].fine, "%s", texts[_i].text);
	ck_assert_ptr_nonnull(customer_id_or_text(arena, texts[_i].text));
	if (id == NULL)
		return;
	ck_assert(wire_is_customer_id(id));
	for (int k = 0; k < _i; k++)
		if (texts[k].fine)
			ck_assert_str_ne(customer_id_of_text(arena, texts[k].text), id);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("customer_ids");
	TCase *tcase = tcase_create("ids");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_an_id_of_ours_stays);
	tcase_add_test(tcase, test_the_id_of_a_text_never_changes);
	tcase_add_loop_test(tcase, test_texts, 0, ROWS(texts));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
