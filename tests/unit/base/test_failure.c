/* test_failure.c: a task keeps its first failure and all bad fields, and TRY() returns a
 * failure. */
#include "support/suite.h"

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

START_TEST(test_first_failure_stays)
{
	char changing[] = "first";

	ck_assert_int_eq(task.failure.kind, FAIL_NONE);
	ck_assert_int_eq(task_fail(&task, FAIL_CONFLICT, "first_code", "%s %d.", changing, 1),
	                 FAIL_CONFLICT);
	changing[0] = 'F';
	ck_assert_int_eq(task_fail(&task, FAIL_INTERNAL, "second_code", "Second."),
	                 FAIL_CONFLICT);
	ck_assert_int_eq(task.failure.kind, FAIL_CONFLICT);
	ck_assert_str_eq(task.failure.code, "first_code");
	ck_assert_str_eq(task.failure.message, "first 1.");
	ck_assert_ptr_null(task.failure.fields);
}
END_TEST

START_TEST(test_fields_gather_in_order)
{
	static const char *const names[] = {"email", "name", "email"};
	const struct field_error *error;
	char name[8];

	for (int i = 0; i < ROWS(names); i++) {
		strcpy(name, names[i]);
		ck_assert_int_eq(task_fail_field(&task, name, "wrong %d", i), FAIL_INVALID);
	}
	memset(name, 'x', sizeof(name) - 1);
	ck_assert_str_eq(task.failure.code, "invalid_request");
	error = task.failure.fields;
	for (int i = 0; i < ROWS(names); i++, error = error->next) {
		ck_assert_ptr_nonnull(error);
		ck_assert_str_eq(error->field, names[i]);
		ck_assert_str_eq(error->message, arena_printf(task.arena, "wrong %d", i));
	}
	ck_assert_ptr_null(error);
}
END_TEST

static size_t
count_fields(void)
{
	const struct field_error *error = task.failure.fields;
	size_t count = 0;

	for (; error != NULL; error = error->next)
		count++;
	return count;
}

/* Further bad fields cost no memory. */
START_TEST(test_fields_are_bounded)
{
	static const char all[] = "The request has invalid fields.";
	static const char more[] =
	        "The request has invalid fields: those that are listed, and more.";

	for (int i = 0; i < FIELD_ERRORS_MAX; i++)
		(void)task_fail_field(&task, "email", "wrong %d", i);
	ck_assert_str_eq(task.failure.message, all);
	ck_assert_uint_eq(count_fields(), FIELD_ERRORS_MAX);
	for (int i = 0; i < 1000000; i++)
		(void)task_fail_field(&task, "email", "wrong %d", i);
	ck_assert_int_eq(task_fail_field(&task, "email", "wrong"), FAIL_INVALID);
	ck_assert_str_eq(task.failure.message, more);
	ck_assert_uint_eq(count_fields(), FIELD_ERRORS_MAX);
	ck_assert_str_eq(task.failure.last_field->message,
	                 arena_printf(task.arena, "wrong %d", FIELD_ERRORS_MAX - 1));
}
END_TEST

START_TEST(test_a_long_name_is_cut_between_characters)
{
	char name[FIELD_ERROR_NAME_MAX + 3];

	memset(name, 'n', sizeof(name));
	name[FIELD_ERROR_NAME_MAX] = '\0';
	(void)task_fail_field(&task, name, "is not known");
	ck_assert_str_eq(task.failure.fields->field, name);
	memcpy(&name[FIELD_ERROR_NAME_MAX - 1], "\xc3\xbc", 3);
	task_clear(&task);
	(void)task_fail_field(&task, name, "is not known");
	ck_assert_uint_eq(strlen(task.failure.fields->field), FIELD_ERROR_NAME_MAX - 1 + 3);
	ck_assert_ptr_nonnull(strstr(task.failure.fields->field, "nn..."));
}
END_TEST

START_TEST(test_fields_can_be_limited)
{
	for (int i = 0; i < 3; i++)
		(void)task_fail_field(&task, "email", "wrong %d", i);
	task_limit_fields(&task, 3);
	ck_assert_str_eq(task.failure.message, "The request has invalid fields.");
	task_limit_fields(&task, 2);
	ck_assert_uint_eq(count_fields(), 2);
	task_limit_fields(&task, 1);
	ck_assert_uint_eq(count_fields(), 1);
	ck_assert_ptr_nonnull(strstr(task.failure.message, "and more"));
	(void)task_fail_field(&task, "name", "is required");
	ck_assert_str_eq(task.failure.fields->next->field, "name");
	task_clear(&task);
	task_limit_fields(&task, 1);
	ck_assert_ptr_null(task.failure.fields);
}
END_TEST

START_TEST(test_a_bad_field_does_not_hide_another_failure)
{
	(void)task_fail(&task, FAIL_NOT_FOUND, "customer_not_found", "There is none.");
	ck_assert_int_eq(task_fail_field(&task, "email", "is required"), FAIL_NOT_FOUND);
	ck_assert_str_eq(task.failure.code, "customer_not_found");
}
END_TEST

START_TEST(test_clear)
{
	(void)task_fail_field(&task, "email", "is required");
	task_clear(&task);
	ck_assert_int_eq(task.failure.kind, FAIL_NONE);
	ck_assert_ptr_null(task.failure.code);
	ck_assert_ptr_null(task.failure.fields);
	ck_assert_int_eq(task_fail(&task, FAIL_INVALID, "again", "Again."), FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "again");
}
END_TEST

/* The failure of an attempt is not the task's. */
START_TEST(test_attempt)
{
	struct task attempt;

	task.request_id = "req";
	attempt = task_attempt(&task);
	ck_assert_str_eq(attempt.request_id, "req");
	ck_assert_int_eq(task_fail(&attempt, FAIL_CONFLICT, "taken", "Taken."), FAIL_CONFLICT);
	ck_assert_int_eq(task.failure.kind, FAIL_NONE);
	ck_assert_int_eq(task_fail(&task, FAIL_INTERNAL, "own", "Own."), FAIL_INTERNAL);
	attempt = task_attempt(&task);
	ck_assert_int_eq(attempt.failure.kind, FAIL_NONE);
}
END_TEST

static int reached;

static enum fail
pass_up(enum fail kind)
{
	TRY(kind);
	reached++;
	return FAIL_NONE;
}

START_TEST(test_try)
{
	reached = 0;
	for (int kind = FAIL_NONE; kind < FAIL_COUNT; kind++)
		ck_assert_int_eq((int)pass_up((enum fail)kind), kind);
	ck_assert_int_eq(reached, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("failure");
	TCase *tcase = tcase_create("failure");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_first_failure_stays);
	tcase_add_test(tcase, test_fields_gather_in_order);
	tcase_add_test(tcase, test_fields_are_bounded);
	tcase_add_test(tcase, test_a_long_name_is_cut_between_characters);
	tcase_add_test(tcase, test_fields_can_be_limited);
	tcase_add_test(tcase, test_a_bad_field_does_not_hide_another_failure);
	tcase_add_test(tcase, test_clear);
	tcase_add_test(tcase, test_attempt);
	tcase_add_test(tcase, test_try);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
