/* test_names.c: a message names the customer without words that a mail program makes a link of. */
#include "support/suite.h"

#include "notices/names.h"

static const struct {
	const char *company;
	const char *email;
	const char *shown;
} names[] = {
        {"Acme GmbH", "jane@example.com", "Acme GmbH"},
        {"Größe & Söhne S.p.A.", "jane@example.com", "Größe & Söhne S.p.A."},
        {"Zweite e. V. (Nr. 2.5)", "jane@example.com", "Zweite e. V. (Nr. 2.5)"},
        {"Firma d.o.o. Ltd.", "jane@example.com", "Firma d.o.o. Ltd."},
        {"東京 株式会社", "jane@example.com", "東京 株式会社"},
        {NULL, "jane@example.com", "jane@example.com"},
        {NULL, "jane+look-at-evil@example.com", "jane@example.com"},
        {NULL, "+a@example.com", "+a@example.com"},
        {"account locked, see https://10.0.0.1/x", "jane@example.com", "jane@example.com"},
        {"see HTTP:evil.example/x", "jane@example.com", "jane@example.com"},
        {"see evil.example", "jane+tag@example.com", "jane@example.com"},
        {"see EVIL.CO", "jane@example.com", "jane@example.com"},
        {"see evil\xef\xbc\x8e"
         "example",
         "jane@example.com", "jane@example.com"},
        {"see evil\xe3\x80\x82"
         "example",
         "jane@example.com", "jane@example.com"},
        {"see b\xc3\xb6se.\xe4\xb8\xad\xe5\x9b\xbd", "jane@example.com", "jane@example.com"},
        {"see shop24.de", "jane@example.com", "jane@example.com"},
        {"write to thief@evil", "jane@example.com", "jane@example.com"},
        {"write to thief\xef\xbc\xa0"
         "evil",
         "jane@example.com", "jane@example.com"},
        {"mailto://x", "jane@example.com", "jane@example.com"},
        {"Acme GmbH", NULL, "Acme GmbH"},
};

START_TEST(test_names)
{
	struct task task = suite_task();

	ck_assert_str_eq(notice_name(&task, names[_i].company, names[_i].email),
	                 names[_i].shown);
	ck_assert_ptr_null(notice_name(&task, "see evil.example", NULL));
	suite_task_end(&task);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("names");
	TCase *tcase = tcase_create("names");

	tcase_add_loop_test(tcase, test_names, 0, (int)(sizeof(names) / sizeof(*names)));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
