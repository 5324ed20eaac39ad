/* test_templates.c: which templates are refused, with which line, and how values are put in. */
#include "support/suite.h"

#include <sys/stat.h>

#include "base/file.h"
#include "notices/templates.h"

static struct task task;
static const char *folder;
static struct notice_templates templates;

static void
put(const char *name, const char *text, size_t length)
{
	const char *path = arena_printf(task.arena, "%s/%s.txt", folder, name);

	ck_assert_int_eq(file_write(&task, path, 0644, text, length, true), FAIL_NONE);
}

static void
setup(void)
{
	task = suite_task();
	folder = suite_folder(task.arena);
	for (size_t i = 0; i < NOTICE_KINDS; i++)
		put(notice_kinds[i].name, "Subject: s\n\nb\n", 14);
}

static void
teardown(void)
{
	suite_folder_remove(task.arena, folder);
	suite_task_end(&task);
}

/* The complaint about the template of the trial's end; "" when it is taken. */
static const char *
verdict(const char *text, size_t length)
{
	const char *place = arena_printf(task.arena, "%s/trial_ending.txt:", folder);

	put("trial_ending", text, length);
	task_clear(&task);
	if (notice_templates_load(&task, folder, &templates) == FAIL_NONE)
		return "";
	ck_assert_str_eq(task.failure.code, "mail_template_invalid");
	ck_assert_ptr_nonnull(strstr(task.failure.message, place));
	return task.failure.message + strlen(place);
}

static const struct {
	const char *text, *verdict;
} cases[] = {
        {"Subject: {product}\n\n{ends_on} {{x}\n", ""},
        {"\xef\xbb\xbfSubject: x\r\n\r\nbody\r\n", ""},
        {"Subject: x\n\nb\n{ends_o}\n",
         "4: this template has no placeholder {ends_o}; did you mean ends_on?"},
        {"Subject: {foo}\n\nb\n", "1: this template has no placeholder {foo}"},
        {"Subject: {payment_link}\n\nb\n",
         "1: this template has no placeholder {payment_link}"},
        {"Subject: x\n\na { b\n", "3: a brace begins no placeholder; write {{ for a brace"},
        {"Subject: x\n\n{ends_on\n", "3: a brace begins no placeholder; write {{ for a brace"},
        {"Subject: x\n\n{Ends_on}\n", "3: a brace begins no placeholder; write {{ for a brace"},
        {"Subject: x\n\na\nb\xff\n", "4: the text is not UTF-8"},
        {"Subject: x\n\na\x1b[0m\n", "3: a control character"},
        {"Subject: x\rBcc: y\n\na\n", "1: a control character"},
        {"Hello\n\na\n", "1: the first line must be \"Subject: ...\""},
        {"Subject: \n\na\n", "1: the first line must be \"Subject: ...\""},
        {"", "1: the first line must be \"Subject: ...\""},
        {"Subject: x\n", "2: there is no text"},
        {"Subject: x\n\n\n", "2: there is no text"},
};

START_TEST(test_faults_are_named_with_file_and_line)
{
	const char *said = verdict(cases[_i].text, strlen(cases[_i].text));

	if (*cases[_i].verdict == '\0')
		ck_assert_str_eq(said, "");
	else
		ck_assert_str_eq(said, cases[_i].verdict);
}
END_TEST

START_TEST(test_a_nul_a_long_line_and_a_missing_file_are_refused)
{
	char line[600] = "Subject: x\n\n";

	ck_assert_str_eq(verdict("Subject: x\0\n\nb\n", 15), "1: the file has a NUL");
	memset(line + strlen(line), 'a', 501);
	ck_assert_str_eq(verdict(line, strlen(line)), "3: the line is longer than 500 bytes");
	ck_assert_int_eq(unlink(arena_printf(task.arena, "%s/test.txt", folder)), 0);
	put("trial_ending", "Subject: x\n\nb\n", 14);
	task_clear(&task);
	ck_assert_int_eq(notice_templates_load(&task, folder, &templates), FAIL_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(task.failure.message, "/test.txt"));
}
END_TEST

static struct notice_text
filled(const char *text, struct notice_values values)
{
	struct notice_text out;

	ck_assert_str_eq(verdict(text, strlen(text)), "");
	notice_template_fill(task.arena, &templates.kinds[NOTICE_TRIAL_ENDING], &values, &out);
	return out;
}

START_TEST(test_values_are_put_in)
{
	struct notice_values values = {.of = {[NOTICE_PRODUCT] = "Acme",
	                                      [NOTICE_CUSTOMER_NAME] = "a\r\nBcc: {plan}\x7f",
	                                      [NOTICE_ENDS_ON] = "2030-01-31"}};
	struct notice_text out =
	        filled("Subject: {product}: {customer_name}\n\n\n{{1} {ends_on}.\n"
	               "\nPlan: {plan}\n\nBye {customer_name}\n\n\n",
	               values);

	ck_assert_str_eq(out.subject, "Acme: a  Bcc: {plan} ");
	/* The line without a value is left out, with the empty line behind it. */
	ck_assert_str_eq(out.body, "{1} 2030-01-31.\n\nBye a  Bcc: {plan} \n");
}
END_TEST

START_TEST(test_which_placeholders_a_template_has)
{
	const struct notice_template *template = &templates.kinds[NOTICE_TRIAL_ENDING];

	(void)filled("Subject: {plan}\n\n{{days} {{{support}\n",
	             (struct notice_values){{NULL}});
	ck_assert(notice_template_has(template, NOTICE_PLAN));
	ck_assert(notice_template_has(template, NOTICE_SUPPORT));
	ck_assert(!notice_template_has(template, NOTICE_DAYS));
	ck_assert(!notice_template_has(template, NOTICE_ACCOUNT_LINK));
}
END_TEST

START_TEST(test_a_subject_has_a_bound)
{
	char *name = arena_alloc(task.arena, 1001);
	struct notice_values values = {.of = {[NOTICE_PRODUCT] = name}};

	for (size_t i = 0; i < 1000; i += 2)
		memcpy(name + i, "\xc3\xa4", 2);
	ck_assert_uint_eq(strlen(filled("Subject: x{product}\n\nb\n", values).subject), 199);
}
END_TEST

START_TEST(test_the_shipped_templates_are_sound_and_complete)
{
	struct notice_values values;
	struct notice_text out;

	for (size_t i = 0; i < NOTICE_FIELDS; i++)
		values.of[i] = notice_fields[i].sample;
	ck_assert_int_eq(notice_templates_load(&task, "conf/mail", &templates), FAIL_NONE);
	for (size_t i = 0; i < NOTICE_KINDS; i++) {
		notice_template_fill(task.arena, &templates.kinds[i], &values, &out);
		ck_assert_ptr_null(strchr(out.subject, '{'));
		ck_assert_ptr_null(strchr(out.body, '{'));
		ck_assert_uint_gt(strlen(out.body), 40);
	}
}
END_TEST

START_TEST(test_tables_are_whole)
{
	for (size_t i = 0; i < NOTICE_KINDS; i++)
		ck_assert_uint_eq(notice_kind_of(notice_kinds[i].name), i);
	for (size_t i = 0; i < NOTICE_FIELDS; i++)
		ck_assert_uint_eq(
		        notice_field_of(notice_fields[i].name, strlen(notice_fields[i].name)),
		        i);
	ck_assert_uint_eq(notice_kind_of("x"), NOTICE_KINDS);
	ck_assert_int_eq(notice_field_of("", 0), NOTICE_FIELDS);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("templates");
	TCase *tests = tcase_create("templates");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_faults_are_named_with_file_and_line, 0, ROWS(cases));
	tcase_add_test(tests, test_a_nul_a_long_line_and_a_missing_file_are_refused);
	tcase_add_test(tests, test_values_are_put_in);
	tcase_add_test(tests, test_which_placeholders_a_template_has);
	tcase_add_test(tests, test_a_subject_has_a_bound);
	tcase_add_test(tests, test_the_shipped_templates_are_sound_and_complete);
	tcase_add_test(tests, test_tables_are_whole);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
