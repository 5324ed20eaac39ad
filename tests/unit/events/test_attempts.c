/* test_attempts.c: when a delivery that failed is tried again. */
#include "support/suite.h"

#include "base/clock.h"
#include "events/attempts.h"

static const int64_t hour_s = 3600, now_ms = INT64_C(1800000000000);

/* Milliseconds until the next attempt; -1: there is none. */
static int64_t
wait_after(int64_t made, int64_t wait_s)
{
	int64_t due_ms = 0;

	return attempt_next(made, now_ms, wait_s, &due_ms) ? due_ms - now_ms : -1;
}

START_TEST(test_the_steps_of_the_schedule)
{
	const int64_t steps_s[] = {5,           300,         1800,
	                           2 * hour_s,  5 * hour_s,  10 * hour_s,
	                           14 * hour_s, 20 * hour_s, 24 * hour_s};

	for (int made = 1; made < ATTEMPTS_MAX; made++) {
		int64_t step_ms = steps_s[made - 1] * SECOND_MS, wait_ms = wait_after(made, 0);

		ck_assert_int_ge(wait_ms, step_ms);
		ck_assert_int_le(wait_ms, step_ms + step_ms / 10);
	}
}
END_TEST

START_TEST(test_attempts_are_used_up)
{
	ck_assert_int_eq(wait_after(ATTEMPTS_MAX, 0), -1);
	ck_assert_int_eq(wait_after(ATTEMPTS_MAX + 1, 0), -1);
	ck_assert_int_eq(wait_after(0, 0), -1);
}
END_TEST

START_TEST(test_deliveries_do_not_repeat_together)
{
	int64_t first = wait_after(9, 0);
	int different = 0;

	for (int i = 0; i < 20; i++)
		different += wait_after(9, 0) != first;
	ck_assert_int_gt(different, 0);
}
END_TEST

START_TEST(test_a_receiver_asks_for_time)
{
	/* It may ask for more than the schedule has, up to a bound; asking for less changes nothing. */
	ck_assert_int_ge(wait_after(1, 120), 120 * SECOND_MS);
	ck_assert_int_lt(wait_after(1, 120), 121 * SECOND_MS);
	ck_assert_int_ge(wait_after(2, 1), 300 * SECOND_MS);
	ck_assert_int_ge(wait_after(1, INT64_MAX), ATTEMPT_WAIT_MAX_S * SECOND_MS);
	ck_assert_int_lt(wait_after(1, INT64_MAX), (ATTEMPT_WAIT_MAX_S + 1) * SECOND_MS);
	ck_assert_int_ge(wait_after(1, INT64_MIN), 5 * SECOND_MS);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("attempts");
	TCase *tcase = tcase_create("attempts");

	tcase_add_test(tcase, test_the_steps_of_the_schedule);
	tcase_add_test(tcase, test_attempts_are_used_up);
	tcase_add_test(tcase, test_deliveries_do_not_repeat_together);
	tcase_add_test(tcase, test_a_receiver_asks_for_time);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
