/* test_reminders.c: ends are told ahead at their times, each once, whatever clocks and processes do. */
#include "support/billing_fixture.h"

#include <pthread.h>

#include "billing/trial_reminders.h"
#include "contracts/contract_events.h"
#include "contracts/contracts.h"
#include "events/reminders.h"
#include "issuing/license_reminders.h"
#include "issuing/license_revocation.h"

#define DAYS(...)                                                                              \
	&(const struct reminder_days)                                                          \
	{                                                                                      \
		(const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / 8     \
	}

typedef enum fail job(struct operation *operation, int64_t *done);

static int64_t end_ms; /* of the trial */

static void
setup(void)
{
	fixture_setup();
	operation.batch = 500;
	/* The tests' time is before that of the database. */
	change("UPDATE reminder_start SET since = '2000-01-01', seen_at = '2000-01-01' WHERE ",
	       " IS NOT NULL");
	end_ms = signed_up.subscription->trial_ends_at.ms;
}

static void
run(job *run_job)
{
	int64_t done;

	do {
		fine(run_job(&operation, &done));
	} while (done > 0);
}

/* Runs all of them at this time. */
static void
run_at(int64_t ms)
{
	operation.now_ms = ms;
	run(reminders_watch_clock);
	run(trial_reminders_run);
	run(contract_reminders_run);
	run(license_reminders_run);
}

/* The customer's events of the type, as "7 3 1": their days. */
static const char *
told(const char *type)
{
	struct text out = text_new(task.arena, 64);

	for (int64_t days = 40; days >= 0; days--) {
		int64_t count = count_of(
		        "SELECT count(*) FROM events WHERE customer_id = ",
		        arena_printf(task.arena,
		                     " AND type = '%s' AND COALESCE(data ->> 'days_left', '0') "
		                     "= '%lld'",
		                     type, (long long)days));

		for (int64_t i = 0; i < count; i++)
			text_printf(&out, "%s%lld", out.length > 0 ? " " : "", (long long)days);
	}
	return out.data;
}

static void
is_told(const char *type, const char *days)
{
	ck_assert_str_eq(told(type), days);
}

/* Before, at and after each of the times. */
START_TEST(test_judgement)
{
	static const int64_t ends_at = 100 * DAY_MS;
	const struct reminder_days *days = DAYS(7, 3, 1, 0), *ahead = DAYS(7, 3, 1);
	const struct reminder_end end = {INSTANT_MS(0), INSTANT_MS(ends_at)};
	struct instant next;

	for (size_t i = 0; i < days->count; i++) {
		int64_t at = ends_at - days->days[i] * DAY_MS;
		int64_t before = i == 0 ? REMINDER_NONE : days->days[i - 1];

		ck_assert_int_eq(reminder_judge(days, &end, at - SECOND_MS, &next), before);
		ck_assert_int_eq(next.ms, at);
		ck_assert_int_eq(reminder_judge(days, &end, at - 1, &next), before);
		ck_assert_int_eq(reminder_judge(days, &end, at, &next), days->days[i]);
		ck_assert_int_eq(reminder_judge(days, &end, at + SECOND_MS, &next),
		                 days->days[i]);
		ck_assert(next.known == (i + 1 < days->count));
	}
	ck_assert_int_eq(reminder_judge(ahead, &end, ends_at - 1, &next), 1);
	ck_assert_int_eq(reminder_judge(ahead, &end, ends_at, &next), REMINDER_NONE);
}
END_TEST

/* An end that was set when fewer days were left is not told as if there had been more. */
START_TEST(test_days_that_had_passed)
{
	const struct reminder_days *days = DAYS(7, 3, 1);
	struct reminder_end end = {INSTANT_MS(5 * DAY_MS), INSTANT_MS(10 * DAY_MS)};
	struct instant next;

	ck_assert_int_eq(reminder_judge(days, &end, 5 * DAY_MS, &next), REMINDER_NONE);
	ck_assert_int_eq(next.ms, 7 * DAY_MS);
	ck_assert_int_eq(reminder_judge(days, &end, 7 * DAY_MS, &next), 3);
	end.since = INSTANT_MS(7 * DAY_MS);
	ck_assert_int_eq(reminder_judge(days, &end, 7 * DAY_MS, &next), REMINDER_NONE);
	end.since.ms--;
	ck_assert_int_eq(reminder_judge(days, &end, 7 * DAY_MS, &next), 3);
}
END_TEST

START_TEST(test_trial)
{
	run_at(end_ms - 7 * DAY_MS - SECOND_MS);
	is_told("trial.ending", "");
	run_at(end_ms - 7 * DAY_MS);
	is_told("trial.ending", "7");
	run_at(end_ms - 7 * DAY_MS + SECOND_MS);
	run_at(end_ms - 3 * DAY_MS - SECOND_MS);
	is_told("trial.ending", "7");
	run_at(end_ms - 3 * DAY_MS + SECOND_MS);
	is_told("trial.ending", "7 3");
	run_at(end_ms - DAY_MS);
	run_at(end_ms - SECOND_MS);
	run_at(end_ms);
	run_at(end_ms + SECOND_MS);
	is_told("trial.ending", "7 3 1");
	ck_assert_int_eq(count_of("SELECT count(*) FROM events WHERE type = 'trial.ending' "
	                          "AND data ->> 'status' = 'trialing' AND customer_id = ",
	                          ""),
	                 3);
}
END_TEST

/* After days without jobs only what is still true is told. */
START_TEST(test_after_a_standstill)
{
	run_at(end_ms - 2 * DAY_MS);
	is_told("trial.ending", "2");
	run_at(end_ms + SECOND_MS);
	is_told("trial.ending", "2");
}
END_TEST

START_TEST(test_after_the_end)
{
	run_at(end_ms + 3 * DAY_MS);
	is_told("trial.ending", "");
	is_told("license.expiring", "");
	is_told("license.expired", "0");
	run_at(end_ms + 4 * DAY_MS);
	is_told("license.expired", "0");
}
END_TEST

START_TEST(test_a_trial_that_is_prolonged)
{
	run_at(end_ms - 3 * DAY_MS);
	is_told("trial.ending", "3");
	change("UPDATE subscriptions SET trial_ends_at = trial_ends_at + interval '9 days' "
	       "WHERE customer_id = ",
	       "");
	run_at(end_ms - 3 * DAY_MS + SECOND_MS);
	is_told("trial.ending", "3");
	run_at(end_ms + 2 * DAY_MS - SECOND_MS);
	is_told("trial.ending", "3");
	run_at(end_ms + 2 * DAY_MS);
	is_told("trial.ending", "7 3");
	run_at(end_ms + 6 * DAY_MS);
	is_told("trial.ending", "7 3 3");
}
END_TEST

START_TEST(test_a_canceled_trial)
{
	bool ended;

	run_at(end_ms - 8 * DAY_MS);
	fine(subscription_cancel_trial(&operation, customer_id, &ended));
	run_at(end_ms - 3 * DAY_MS);
	is_told("trial.ending", "");
}
END_TEST

static struct contract contract;

static void
make_contract(int64_t days)
{
	struct contract_input input = {.plan = "enterprise",
	                               .billing = CONTRACT_MANUAL,
	                               .starts_at = INSTANT_MS(operation.now_ms),
	                               .ends_at = INSTANT_MS(operation.now_ms + days * DAY_MS)};

	fine(contract_create(&operation, customer_id, &input, &contract));
	end_ms = input.ends_at.ms;
}

START_TEST(test_contract)
{
	make_contract(365);
	is_told("contract.created", "0");
	run_at(end_ms - 30 * DAY_MS - SECOND_MS);
	is_told("contract.ending", "");
	run_at(end_ms - 30 * DAY_MS);
	is_told("contract.ending", "30");
	run_at(end_ms - 7 * DAY_MS - SECOND_MS);
	is_told("contract.ending", "30");
	run_at(end_ms - 7 * DAY_MS);
	run_at(end_ms - SECOND_MS);
	is_told("contract.ending", "30 7");
	is_told("contract.ended", "");
	run_at(end_ms);
	fine(contract_expire_run(&operation, &(int64_t){0}));
	run_at(end_ms + SECOND_MS);
	is_told("contract.ending", "30 7");
	is_told("contract.ended", "0");
}
END_TEST

START_TEST(test_a_contract_that_is_amended)
{
	struct contract_input input = {.version = 0};

	make_contract(365);
	run_at(end_ms - 30 * DAY_MS);
	input.ends_at = INSTANT_MS(end_ms + 365 * DAY_MS);
	fine(contract_amend(&operation, customer_id, contract.contract_id, &input, &contract));
	is_told("contract.amended", "0");
	run_at(end_ms + DAY_MS);
	is_told("contract.ending", "30");
	is_told("contract.ended", "");
	run_at(end_ms + 335 * DAY_MS);
	is_told("contract.ending", "30 30");
	/* Back to the first end: of that 30 days were told. */
	input.ends_at = INSTANT_MS(operation.now_ms + 5 * DAY_MS);
	fine(contract_amend(&operation, customer_id, contract.contract_id, &input, &contract));
	run_at(operation.now_ms);
	is_told("contract.ending", "30 30 5");
}
END_TEST

START_TEST(test_a_contract_that_is_ended)
{
	struct contract_end end = {.version = 0};

	make_contract(365);
	fine(contract_end(&operation, customer_id, contract.contract_id, &end, &contract));
	is_told("contract.ended", "0");
	run_at(operation.now_ms + SECOND_MS);
	run_at(end_ms);
	is_told("contract.ended", "0");
	is_told("contract.ending", "");
	is_told("contract.amended", "");
}
END_TEST

/* A licence of 365 days that nobody renews. */
static void
license_on_contract(void)
{
	struct subscription subscription;
	struct issued_license license;

	make_contract(1000);
	fine(license_current(&operation, customer_id, &license, &subscription));
	end_ms = license.expires_at.ms;
}

START_TEST(test_licence)
{
	license_on_contract();
	run_at(end_ms - 30 * DAY_MS - SECOND_MS);
	is_told("license.expiring", "");
	run_at(end_ms - 30 * DAY_MS);
	run_at(end_ms - 7 * DAY_MS - SECOND_MS);
	is_told("license.expiring", "30");
	run_at(end_ms - 7 * DAY_MS);
	run_at(end_ms - DAY_MS);
	run_at(end_ms - SECOND_MS);
	is_told("license.expiring", "30 7 1");
	is_told("license.expired", "");
	run_at(end_ms);
	run_at(end_ms + SECOND_MS);
	is_told("license.expiring", "30 7 1");
	is_told("license.expired", "0");
	ck_assert_int_eq(count_of("SELECT count(*) FROM events WHERE data::text ~ 'token|ey' "
	                          "AND type LIKE 'license.exp%' AND customer_id = ",
	                          ""),
	                 0);
}
END_TEST

/* A licence that is renewed every day never expires. */
START_TEST(test_a_licence_that_is_renewed)
{
	struct subscription subscription;
	struct issued_license license;
	int64_t looks = 0, done;

	billing.policy.license_ttl_days = 8;
	license_on_contract();
	for (int day = 0; day < 60; day++) {
		operation.now_ms += DAY_MS;
		fine(license_current(&operation, customer_id, &license, &subscription));
		do {
			fine(license_reminders_run(&operation, &done));
			looks += done;
		} while (done > 0);
	}
	is_told("license.expiring", "");
	is_told("license.expired", "");
	ck_assert_int_le(looks, 61);
	run_at(license.expires_at.ms - 7 * DAY_MS);
	is_told("license.expiring", "7");
}
END_TEST

START_TEST(test_a_revoked_licence)
{
	license_on_contract();
	fine(license_revoke_all(&operation, customer_id, "late", NULL));
	run_at(end_ms + DAY_MS);
	is_told("license.expiring", "");
	is_told("license.expired", "");
}
END_TEST

/* With the paid period the licence ends, and the next payment brings the next one. */
START_TEST(test_a_licence_for_a_paid_period)
{
	struct subscription subscription;
	struct issued_license license;

	billing.policy.paid_through = true;
	change(arena_printf(
	               task.arena,
	               "UPDATE subscriptions SET status = 'active', trial_ends_at = NULL, "
	               "stripe_subscription_id = 'sub_' || customer_id, "
	               "current_period_ends_at = to_timestamp(%lld), version = version + 1 "
	               "WHERE customer_id = ",
	               (long long)((operation.now_ms + 60 * DAY_MS) / SECOND_MS)),
	       "");
	fine(license_current(&operation, customer_id, &license, &subscription));
	run_at(license.expires_at.ms - 30 * DAY_MS);
	is_told("license.expiring", "");
	if (_i == 0) { /* it is canceled, and ends with the period */
		change("UPDATE subscriptions SET cancel_at_period_end = true WHERE customer_id "
		       "= ",
		       "");
		change("UPDATE reminders SET due_at = '-infinity' WHERE customer_id = ", "");
		run_at(license.expires_at.ms - 29 * DAY_MS);
		is_told("license.expiring", "29");
		return;
	}
	/* It is not paid again. */
	run_at(license.expires_at.ms - 7 * DAY_MS + HOUR_MS);
	is_told("license.expiring", "");
	run_at(license.expires_at.ms - 7 * DAY_MS + 2 * HOUR_MS);
	is_told("license.expiring", "7");
	run_at(license.expires_at.ms);
	is_told("license.expired", "0");
}
END_TEST

/* The clock jumps 40 days ahead and back, at any time before the end. */
START_TEST(test_the_clock_jumps)
{
	license_on_contract();
	for (int64_t day = -45; day <= 5; day += 5) {
		run_at(end_ms + day * DAY_MS);
		run_at(end_ms + (day + 40) * DAY_MS);
		run_at(end_ms + day * DAY_MS + SECOND_MS);
	}
	is_told("license.expired", "0");
	/* In the first jump five days were left, and in the next it had expired. */
	is_told("license.expiring", "5");
	is_told("contract.ended", "");
}
END_TEST

/* A jump in which nothing ends loses nothing. */
START_TEST(test_a_jump_over_the_days)
{
	make_contract(365);
	run_at(end_ms - 60 * DAY_MS);
	run_at(end_ms - 20 * DAY_MS);
	is_told("contract.ending", "20");
	run_at(end_ms - 59 * DAY_MS);
	run_at(end_ms - 30 * DAY_MS);
	is_told("contract.ending", "20");
	run_at(end_ms - 7 * DAY_MS);
	is_told("contract.ending", "20 7");
}
END_TEST

/* An installation that is updated tells nothing of what has passed. */
START_TEST(test_no_backlog)
{
	make_contract(365);
	change(arena_printf(task.arena,
	                    "UPDATE reminder_start SET since = to_timestamp(%lld); "
	                    "SELECT reminders_make(since, since, '', 1000000), ",
	                    (long long)((end_ms - 29 * DAY_MS) / SECOND_MS)),
	       " FROM reminder_start");
	run_at(end_ms - 29 * DAY_MS);
	is_told("contract.ending", "");
	run_at(end_ms - 7 * DAY_MS);
	is_told("contract.ending", "7");
}
END_TEST

enum { HOSTS = 4, CUSTOMERS = 60 };

static void *
host(void *failed)
{
	struct task own_task = suite_task();
	struct operation own = operation;
	int64_t done = 1;

	own.task = &own_task;
	own.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	while (done > 0 && !*(bool *)failed) {
		enum fail kind = trial_reminders_run(&own, &done);

		if (kind != FAIL_NONE)
			*(bool *)failed = true;
	}
	db_free(own.db);
	suite_task_end(&own_task);
	return NULL;
}

/* Several hosts look at the same time, some of which die in the middle. */
START_TEST(test_hosts_at_the_same_time)
{
	pthread_t threads[HOSTS];
	bool failed[HOSTS] = {false};

	for (int i = 0; i < CUSTOMERS; i++)
		fine(account_sign_up(&operation,
		                     arena_printf(task.arena, "%s@example.com",
		                                  random_id(task.arena, "h", 8)),
		                     "Host", &signed_up));
	operation.now_ms = end_ms - 3 * DAY_MS;
	for (int i = 0; i < HOSTS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, host, &failed[i]), 0);
	for (int i = 0; i < HOSTS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert(!failed[i]);
	}
	ck_assert_int_eq(count_of("SELECT count(*) FROM (SELECT c.customer_id FROM customers c "
	                          "JOIN events e USING (customer_id) "
	                          "WHERE company_name = 'Host' AND e.type = 'trial.ending' "
	                          "GROUP BY 1 HAVING count(*) = 1) n WHERE ",
	                          " IS NOT NULL"),
	                 CUSTOMERS);
}
END_TEST

/* A step that ends before its commit leaves nothing, and the next one tells. */
START_TEST(test_a_step_that_is_cut_off)
{
	int64_t done;

	operation.now_ms = end_ms - 3 * DAY_MS;
	fine(db_begin(operation.db, &task));
	fine(trial_reminders_run(&operation, &done));
	db_rollback_to(operation.db, 0);
	is_told("trial.ending", "");
	run_at(operation.now_ms);
	is_told("trial.ending", "3");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reminders");
	TCase *tcase = tcase_create("ends");

	tcase_set_timeout(tcase, 300);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, setup, fixture_teardown);
	tcase_add_test(tcase, test_judgement);
	tcase_add_test(tcase, test_days_that_had_passed);
	tcase_add_test(tcase, test_trial);
	tcase_add_test(tcase, test_after_a_standstill);
	tcase_add_test(tcase, test_after_the_end);
	tcase_add_test(tcase, test_a_trial_that_is_prolonged);
	tcase_add_test(tcase, test_a_canceled_trial);
	tcase_add_test(tcase, test_contract);
	tcase_add_test(tcase, test_a_contract_that_is_amended);
	tcase_add_test(tcase, test_a_contract_that_is_ended);
	tcase_add_test(tcase, test_licence);
	tcase_add_test(tcase, test_a_licence_that_is_renewed);
	tcase_add_test(tcase, test_a_revoked_licence);
	tcase_add_loop_test(tcase, test_a_licence_for_a_paid_period, 0, 2);
	tcase_add_test(tcase, test_the_clock_jumps);
	tcase_add_test(tcase, test_a_jump_over_the_days);
	tcase_add_test(tcase, test_no_backlog);
	tcase_add_test(tcase, test_hosts_at_the_same_time);
	tcase_add_test(tcase, test_a_step_that_is_cut_off);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
