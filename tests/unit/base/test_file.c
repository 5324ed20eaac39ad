/* test_file.c: files are read whole or not at all, and written whole or not at all. */
#include "support/folder_fixture.h"

#include <dirent.h>
#include <sys/stat.h>

#include "base/file.h"

static void
write_file(const char *name, mode_t mode, const char *text)
{
	ck_assert_int_eq(file_write(&task, folder_path(name), mode, text, strlen(text), true),
	                 FAIL_NONE);
}

static int
files_in_folder(void)
{
	DIR *dir = opendir(folder);
	int count = -2;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

START_TEST(test_write_and_read)
{
	struct stat status;
	size_t length = 0;
	char *text = NULL;

	write_file("a", 0640, "one\n");
	write_file("a", 0604, "two\n");
	ck_assert_int_eq(file_read(&task, folder_path("a"), 4, &text, &length), FAIL_NONE);
	ck_assert_str_eq(text, "two\n");
	ck_assert_uint_eq(length, 4);
	ck_assert_int_eq(stat(folder_path("a"), &status), 0);
	ck_assert_int_eq(status.st_mode & 07777, 0604);
	ck_assert_int_eq(files_in_folder(), 1);
}
END_TEST

START_TEST(test_large_file)
{
	size_t size = 300000, length = 0;
	char *data = arena_alloc(task.arena, size), *back = NULL;

	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i % 251);
	ck_assert_int_eq(file_write(&task, folder_path("a"), 0600, data, size, false),
	                 FAIL_NONE);
	ck_assert_int_eq(file_read(&task, folder_path("a"), size, &back, &length), FAIL_NONE);
	ck_assert_uint_eq(length, size);
	ck_assert_mem_eq(back, data, size);
}
END_TEST

/* The byte order mark of an editor is no part of the text; UTF-16 is named. */
START_TEST(test_encodings)
{
	char *text = NULL;
	size_t length;

	write_file("a", 0600, "\xef\xbb\xbfone\n");
	ck_assert_int_eq(file_read(&task, folder_path("a"), 9, &text, &length), FAIL_NONE);
	ck_assert_str_eq(text, "one\n");
	ck_assert_uint_eq(length, 4);
	ck_assert_int_eq(file_read_secret(&task, folder_path("a"), 9, &text), FAIL_NONE);
	ck_assert_str_eq(text, "one");
	write_file("b", 0600, "\xff\xfeo");
	ck_assert_int_eq(file_read(&task, folder_path("b"), 9, &text, &length), FAIL_INVALID);
	ck_assert_ptr_nonnull(strstr(task.failure.message, "is UTF-16, and must be UTF-8"));
	task_clear(&task);
	ck_assert_int_eq(file_read_secret(&task, folder_path("b"), 9, &text), FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "file_not_utf8");
}
END_TEST

START_TEST(test_no_replace)
{
	size_t length;
	char *text = NULL;

	write_file("a", 0600, "one");
	ck_assert_int_eq(file_write(&task, folder_path("a"), 0600, "two", 3, false),
	                 FAIL_CONFLICT);
	ck_assert_str_eq(task.failure.code, "file_exists");
	task_clear(&task);
	ck_assert_int_eq(file_read(&task, folder_path("a"), 9, &text, &length), FAIL_NONE);
	ck_assert_str_eq(text, "one");
	ck_assert_int_eq(files_in_folder(), 1);
}
END_TEST

START_TEST(test_failures_name_the_path)
{
	size_t length;
	char *text;

	ck_assert_int_eq(file_read(&task, folder_path("none"), 9, &text, &length),
	                 FAIL_UNAVAILABLE);
	ck_assert_str_eq(task.failure.code, "file_unreadable");
	ck_assert_ptr_nonnull(strstr(task.failure.message, folder_path("none")));
	task_clear(&task);
	ck_assert_int_eq(file_read(&task, folder, 9, &text, &length), FAIL_UNAVAILABLE);
	task_clear(&task);
	ck_assert_int_eq(file_write(&task, folder_path("none/a"), 0600, "", 0, true),
	                 FAIL_UNAVAILABLE);
	ck_assert_str_eq(task.failure.code, "file_unwritable");
	task_clear(&task);
	write_file("a", 0600, "12345");
	ck_assert_int_eq(file_read(&task, folder_path("a"), 4, &text, &length), FAIL_TOO_LARGE);
	ck_assert_str_eq(task.failure.code, "file_too_large");
}
END_TEST

static const struct {
	mode_t mode;
	enum fail kind;
} secret_modes[] = {
        {0400, FAIL_NONE},      {0600, FAIL_NONE},      {0640, FAIL_NONE},
        {0604, FAIL_FORBIDDEN}, {0602, FAIL_FORBIDDEN}, {0601, FAIL_FORBIDDEN},
        {0666, FAIL_FORBIDDEN},
};

START_TEST(test_secrets)
{
	char *text = NULL;

	write_file("secret", secret_modes[_i].mode, "hunter2\r\n\n");
	ck_assert_int_eq(file_read_secret(&task, folder_path("secret"), 99, &text),
	                 secret_modes[_i].kind);
	if (secret_modes[_i].kind == FAIL_NONE)
		ck_assert_str_eq(text, "hunter2");
	else
		ck_assert_str_eq(task.failure.code, "file_too_open");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("file");
	TCase *tcase = tcase_create("file");

	tcase_add_checked_fixture(tcase, folder_setup, folder_teardown);
	tcase_add_test(tcase, test_write_and_read);
	tcase_add_test(tcase, test_large_file);
	tcase_add_test(tcase, test_encodings);
	tcase_add_test(tcase, test_no_replace);
	tcase_add_test(tcase, test_failures_name_the_path);
	tcase_add_loop_test(tcase, test_secrets, 0, ROWS(secret_modes));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
