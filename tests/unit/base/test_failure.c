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
	tcase_add_test(tcase, test_a_bad_field_does_not_hide_another_failure);
	tcase_add_test(tcase, test_clear);
	tcase_add_test(tcase, test_attempt);
	tcase_add_test(tcase, test_try);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
