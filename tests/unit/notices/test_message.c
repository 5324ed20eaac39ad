/* test_message.c: messages whose headers no text can break, and the addresses of settings. */
#include "support/suite.h"

#include "base/text.h"
#include "notices/message.h"

static struct task task;

static void
setup(void)
{
	task = suite_task();
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static const char *
written(const char *name, const char *subject, const char *body)
{
	const struct message_head head = {.from = {name, "billing@acme.example"},
	                                  .to = "jane@example.com",
	                                  .opt_out = "https://b.example/account/",
	                                  .id = "ntc_1",
	                                  .at_ms = INT64_C(1796000000123)};
	const struct notice_text text = {subject, body};

	return message_write(task.arena, &head, &text);
}

/* The header's value, with its folds. */
static const char *
header_of(const char *message, const char *name)
{
	const char *start = strstr(message, arena_printf(task.arena, "%s: ", name)), *end;

	ck_assert_ptr_nonnull(start);
	start += strlen(name) + 2;
	for (end = strstr(start, "\r\n"); end[2] == ' '; end = strstr(end + 2, "\r\n"))
		continue;
	return arena_copy_bytes(task.arena, start, (size_t)(end - start));
}

START_TEST(test_a_plain_message)
{
	ck_assert_str_eq(written("Acme Billing", "Hello", "one\n.\n.two\n"),
	                 "From: \"Acme Billing\" <billing@acme.example>\r\n"
	                 "To: jane@example.com\r\n"
	                 "Subject: Hello\r\n"
	                 "Date: Mon, 30 Nov 2026 00:53:20 +0000\r\n"
	                 "Message-ID: <ntc_1@acme.example>\r\n"
	                 "MIME-Version: 1.0\r\n"
	                 "Content-Type: text/plain; charset=utf-8\r\n"
	                 "Content-Transfer-Encoding: 7bit\r\n"
	                 "Auto-Submitted: auto-generated\r\n"
	                 "List-Unsubscribe: <https://b.example/account/>\r\n"
	                 "\r\n"
	                 "one\r\n.\r\n.two\r\n");
}
END_TEST

static const struct {
	const char *name, *subject, *from_header, *subject_header;
} headers[] = {
        {"", "a", "billing@acme.example", "a"},
        {"A \"b\" \\", "a\r\nBcc: x@y.example",
         "=?UTF-8?Q?A_=22b=22_=5C?= <billing@acme.example>",
         "=?UTF-8?Q?a__Bcc=3A_x=40y=2Eexample?="},
        {"Acme with a name of more than forty characters", "b",
         "\"Acme with a name of more than forty characters\"\r\n <billing@acme.example>", "b"},
        {"\xc3\x9cn", "=?UTF-8?Q?a?=", "=?UTF-8?Q?=C3=9Cn?= <billing@acme.example>",
         "=?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fa=3F=3D?="},
};

START_TEST(test_headers_cannot_be_broken)
{
	const char *message = written(headers[_i].name, headers[_i].subject, "b\n");

	ck_assert_str_eq(header_of(message, "From"), headers[_i].from_header);
	ck_assert_str_eq(header_of(message, "Subject"), headers[_i].subject_header);
	ck_assert_ptr_null(strstr(message, "\r\nBcc"));
}
END_TEST

START_TEST(test_long_subjects_fold_between_characters)
{
	struct text subject = text_new(task.arena, 1000);
	const char *line, *end;

	for (int i = 0; i < 50; i++)
		text_add(&subject, "\xf0\x9f\x98\x80");
	line = written("", subject.data, "b\n");
	for (; (end = strstr(line, "\r\n")) != line; line = end + 2) {
		ck_assert_int_le(end - line, 76);
		if (strncmp(line, " =?", 3) == 0)
			ck_assert_int_eq((end - line - 13) % 12, 0);
	}
}
END_TEST

START_TEST(test_text_that_is_not_plain_is_quoted)
{
	const char *body =
	        strstr(written("", "s", "gr\xc3\xbc\xc3\x9f = x \nend\t\n"), "\r\n\r\n");
	char longer[203] = "";

	ck_assert_str_eq(body + 4, "gr=C3=BC=C3=9F =3D x=20\r\nend=09\r\n");
	memset(longer, 'a', 201);
	longer[201] = '\n';
	body = strstr(written("", "s", longer), "\r\n\r\n") + 4;
	ck_assert_uint_eq(strcspn(body, "\r"), 76);
	ck_assert_uint_eq(strlen(body), 201 + 2 + 3 * 2);
	ck_assert_ptr_nonnull(strstr(written("", "s", "\xc3\xa4\rb\n"), "=0Db\r\n"));
}
END_TEST

static const struct {
	const char *text, *name, *address;
} mailboxes[] = {
        {"a@b.example", "", "a@b.example"},
        {" a@b.example ", "", "a@b.example"},
        {"Acme <a@b.example>", "Acme", "a@b.example"},
        {"\"Acme, Inc.\" <a@b.example> ", "Acme, Inc.", "a@b.example"},
        {"<a@b.example>", "", "a@b.example"},
        {"Acme <a@b.example", NULL, NULL},
        {"Acme <a@b.example> x", NULL, NULL},
        {"Acme <a@b.example>\nBcc: x", NULL, NULL},
        {"Acme a@b.example", NULL, NULL},
        {"A\xff <a@b.example>", NULL, NULL},
        {"acme", NULL, NULL},
        {"<>", NULL, NULL},
};

START_TEST(test_senders_of_settings)
{
	struct mailbox out;
	const char *fault = mailbox_read(task.arena, mailboxes[_i].text, &out);

	ck_assert_int_eq(fault == NULL, mailboxes[_i].address != NULL);
	ck_assert_int_eq(mailbox_check(mailboxes[_i].text) == NULL, fault == NULL);
	if (fault == NULL) {
		ck_assert_str_eq(out.name, mailboxes[_i].name);
		ck_assert_str_eq(out.address, mailboxes[_i].address);
	}
}
END_TEST

START_TEST(test_lists_of_settings)
{
	ck_assert_ptr_null(mailbox_check_list(""));
	ck_assert_ptr_null(mailbox_check_list("a@b.example"));
	ck_assert_ptr_null(mailbox_check_list("a@b.example, c@d.example"));
	ck_assert_ptr_nonnull(mailbox_check_list("a@b.example, c"));
	ck_assert_ptr_nonnull(mailbox_check_list("a@b.example; c@d.example"));
	ck_assert_ptr_null(mailbox_check(""));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("message");
	TCase *tests = tcase_create("message");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_a_plain_message);
	tcase_add_loop_test(tests, test_headers_cannot_be_broken, 0, ROWS(headers));
	tcase_add_test(tests, test_long_subjects_fold_between_characters);
	tcase_add_test(tests, test_text_that_is_not_plain_is_quoted);
	tcase_add_loop_test(tests, test_senders_of_settings, 0, ROWS(mailboxes));
	tcase_add_test(tests, test_lists_of_settings);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
