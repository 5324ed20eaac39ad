/* test_wake.c: storing an event notifies the Stripe jobs, but only once until they look for
 * work. */
#include "support/stripe_fixture.h"

#include "sync/events.h"

#define LONG_MS ((int64_t)60000)

static struct db *jobs;
static atomic_bool idle;
static int events;

static void
forget_events(void)
{
	static const struct statement statement = {.name = "test_forget",
	                                           .sql = "DELETE FROM stripe_events"};

	fine(db_run(operation.db, &task, &statement, NO_PARAMETERS, NULL));
}

static void
setup(void)
{
	stripe_setup();
	jobs = database_open(database_url(), DATABASE_PATIENT_MS, true);
	fine(db_listen(jobs, &task, "stripe_jobs"));
	operation.stripe_idle = &idle;
	forget_events();
}

static void
teardown(void)
{
	forget_events();
	db_free(jobs);
	fixture_teardown();
}

static void
receive(void)
{
	const struct stripe_event event = {
	        .id = arena_printf(task.arena, "evt_%d", events++),
	        .type = "customer.updated",
	        .ref = {.family = "customer", .subject = "cus_1", .customer = "cus_1"}};
	bool is_new;

	fine(stripe_event_receive(&operation, &event, "{}", "webhook", &is_new));
	ck_assert(is_new);
}

/* Whether the Stripe jobs were notified; takes all notifications. */
static bool
is_woken(int64_t patience_ms)
{
	int64_t started_us = clock_monotonic_us();
	sigset_t signals;

	sigfillset(&signals);
	db_sleep(jobs, patience_ms, &signals);
	return clock_monotonic_us() - started_us < (patience_ms - 1) * 1000;
}

START_TEST(test_once_until_it_looks)
{
	for (int look = 0; look < 3; look++) {
		atomic_store(&idle, true);
		receive();
		ck_assert(is_woken(LONG_MS));
		ck_assert(!atomic_load(&idle));
		receive();
		receive();
		ck_assert(!is_woken(50));
	}
}
END_TEST

/* Within a transaction the flag stays, as the transaction may be rolled back. */
START_TEST(test_in_a_transaction)
{
	for (int up = 0; up < 2; up++) {
		atomic_store(&idle, up == 1);
		fine(db_begin(operation.db, &task));
		receive();
		ck_assert(!is_woken(50));
		fine(db_commit(operation.db, &task));
		ck_assert(is_woken(LONG_MS));
		ck_assert(atomic_load(&idle) == (up == 1));
	}
}
END_TEST

/* billingctl does not share the flag. */
START_TEST(test_without_a_flag)
{
	operation.stripe_idle = NULL;
	for (int i = 0; i < 2; i++) {
		receive();
		ck_assert(is_woken(LONG_MS));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe wake");
	TCase *tcase = tcase_create("stripe wake");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_once_until_it_looks);
	tcase_add_test(tcase, test_in_a_transaction);
	tcase_add_test(tcase, test_without_a_flag);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
