/* test_watch.c: instances that are activated, released and lost, and limits that are reached, are told
 * once each. */
#include "support/usage_fixture.h"

#include <pthread.h>

#include "instances/instances.h"
#include "limits/watch.h"
#include "usage/batch.h"

enum { ROOM = 10, CALLS = 1000 };

static void
setup(void)
{
	usage_setup();
	billing.plans.trial_usage.max_instances = ROOM;
	billing.plans.trial_usage.metric_max[plans_metric(&billing.plans, "api_calls")] = CALLS;
	change("UPDATE subscriptions SET trial_ends_at = '2035-01-01' WHERE customer_id = ",
	       "");
	/* The tests' time is before that of the database. */
	change("UPDATE reminder_start SET since = '2000-01-01' WHERE ", " IS NOT NULL");
}

static int64_t
written(const char *type, const char *condition)
{
	return count_of("SELECT count(*) FROM events WHERE customer_id = ",
	                arena_printf(task.arena, " AND type = '%s' AND (%s)", type, condition));
}

static void
is_written(int64_t wanted, const char *type, const char *condition)
{
	ck_assert_msg(written(type, condition) == wanted, "%s, %s: %lld", type, condition,
	              (long long)written(type, condition));
}

static void
report(const char *id, const char *metrics)
{
	struct usage_report row = usage_sample(0, NULL, 0);
	bool created;

	row.instance_id = id;
	row.metrics = metrics;
	row.version = "3.2.0";
	ck_assert_int_gt(usage_store(&operation, &row, &created), 0);
}

static void
look(void)
{
	int64_t done;

	(void)usage_fold_all();
	do {
		fine(usage_watch_run(&operation, &done));
	} while (done > 0);
}

/* A later look than the one before. */
static void
look_later(void)
{
	operation.now_ms += 6 * 60 * SECOND_MS;
	look();
}

static void
use_instances(int from, int to)
{
	for (int i = from; i < to; i++)
		report(arena_printf(task.arena, "i%02d", i), "{}");
}

static void
release(const char *id)
{
	struct instance instance;

	fine(instance_release(&operation, customer_id, id, &instance));
}

#define OF(limit, percent)                                                                     \
	"data ->> 'name' = '" limit "' AND data ->> 'threshold' = '" percent "'"

START_TEST(test_shares)
{
	struct usage_limit limit = {.current = "0", .max = 10};

	static const struct {
		const char *current;
		int64_t max, share;
	} cases[] = {{"7", 10, 0},    {"8", 10, 80},
	             {"9", 10, 80},   {"10", 10, 100},
	             {"11", 10, 100}, {"0", 0, 0},
	             {"5", 0, 0},     {"79", 100, 0},
	             {"80", 100, 80}, {"1", 1, 100},
	             {"2", 3, 0},     {"799999", 1000000, 0},
	             {"0", 10, 0},    {"800000", 1000000, 80}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		limit.current = cases[i].current;
		limit.max = cases[i].max;
		ck_assert_int_eq(usage_limit_share(&limit), cases[i].share);
	}
}
END_TEST

START_TEST(test_instances_reach_their_limit)
{
	use_instances(0, 7);
	look();
	is_written(0, "usage.threshold", "true");
	use_instances(7, 8);
	look_later();
	is_written(1, "usage.threshold", OF("instances", "80"));
	use_instances(8, 9);
	look_later();
	is_written(1, "usage.threshold", "true");
	use_instances(9, 10);
	look_later();
	is_written(1, "usage.threshold", OF("instances", "100"));
	is_written(0, "instance.over_limit", "true");
	use_instances(10, 12);
	look_later();
	look_later();
	is_written(2, "usage.threshold", "true");
	is_written(1, "instance.over_limit",
	           "data ->> 'in_use' = '12' AND data ->> 'limit' = '10'");
}
END_TEST

/* A share is told again after the use fell below it, once a day. */
START_TEST(test_again_after_a_fall)
{
	use_instances(0, 8);
	look();
	for (int i = 0; i < 3; i++) {
		release("i07");
		look_later();
		report("i07", "{}");
		look_later();
	}
	is_written(1, "usage.threshold", OF("instances", "80"));
	release("i07");
	look_later();
	operation.now_ms += DAY_MS;
	use_instances(0, 8);
	look_later();
	is_written(2, "usage.threshold", OF("instances", "80"));
	operation.now_ms += DAY_MS;
	use_instances(0, 8);
	look_later();
	is_written(2, "usage.threshold", "true");
}
END_TEST

/* A jump over 80 % tells 100 % alone; the sum of the next month is another one. */
START_TEST(test_sums_of_a_month)
{
	report("i00", "{\"api_calls\":799}");
	look();
	is_written(0, "usage.threshold", "true");
	report("i00", "{\"api_calls\":1}");
	look_later();
	is_written(1, "usage.threshold", OF("metrics.api_calls", "80"));
	report("i00", "{\"api_calls\":500}");
	look_later();
	report("i00", "{\"api_calls\":500}");
	look_later();
	is_written(1, "usage.threshold", OF("metrics.api_calls", "100"));
	is_written(2, "usage.threshold", "true");
	operation.now_ms += 31 * DAY_MS;
	fine(usage_make_months(&operation, &(int64_t){0}));
	report("i00", "{\"api_calls\":1}");
	look_later();
	is_written(2, "usage.threshold", "true");
	report("i00", "{\"api_calls\":999}");
	look_later();
	is_written(2, "usage.threshold", OF("metrics.api_calls", "100"));
	is_written(3, "usage.threshold", "true");
}
END_TEST

/* An update records what is reached, and tells what comes then. */
START_TEST(test_no_backlog)
{
	use_instances(0, 9);
	(void)usage_fold_all();
	change("UPDATE usage_watch SET levels = NULL WHERE customer_id = ", "");
	look();
	is_written(0, "usage.threshold", "true");
	use_instances(9, 10);
	look_later();
	is_written(1, "usage.threshold", OF("instances", "100"));
	is_written(1, "usage.threshold", "true");
}
END_TEST

/* A smaller plan leaves more in use than it covers. */
START_TEST(test_a_smaller_limit)
{
	use_instances(0, 5);
	look();
	billing.plans.trial_usage.max_instances = 4;
	change("UPDATE subscriptions SET version = version + 1 WHERE customer_id = ", "");
	look();
	is_written(1, "usage.threshold", OF("instances", "100"));
	is_written(1, "instance.over_limit", "true");
}
END_TEST

/* The looks of a customer that reports all the time are bounded. */
START_TEST(test_looks_are_bounded)
{
	int64_t done, looks = 0;

	for (int i = 0; i < 20; i++) {
		operation.now_ms += 60 * SECOND_MS;
		report("i00", "{}");
		(void)usage_fold_all();
		fine(usage_watch_run(&operation, &done));
		looks += done;
	}
	ck_assert_int_ge(looks, 4);
	ck_assert_int_le(looks, 5);
}
END_TEST

/* A clock that was ahead puts off nothing. */
START_TEST(test_the_clock_jumps)
{
	int64_t now_ms = operation.now_ms;

	use_instances(0, 7);
	look();
	for (int i = 0; i < 2; i++) {
		operation.now_ms = now_ms + 40 * DAY_MS;
		look();
		operation.now_ms = now_ms;
	}
	is_written(7, "instance.lost", "true");
	use_instances(0, 8);
	look();
	is_written(1, "usage.threshold", OF("instances", "80"));
	is_written(8, "instance.activated", "true");
	is_written(7, "instance.lost", "true");
}
END_TEST

START_TEST(test_life_of_an_instance)
{
	int64_t lease_ms = billing.policy.instance_lease_hours * HOUR_MS;

	report("a", "{}");
	report("a", "{}");
	is_written(1, "instance.activated",
	           "data ->> 'instance_id' = 'a' AND data ->> 'state' = 'active' "
	           "AND data ->> 'lease_expires_at' LIKE '20%Z' AND data ->> 'activated_at' IS "
	           "NULL");
	look();
	operation.now_ms += lease_ms - SECOND_MS;
	look();
	is_written(0, "instance.lost", "true");
	operation.now_ms += SECOND_MS;
	look();
	look();
	is_written(1, "instance.lost", "data ->> 'state' = 'expired'");
	/* It comes back, and is lost again. */
	report("a", "{}");
	look();
	is_written(2, "instance.activated", "true");
	operation.now_ms += lease_ms + SECOND_MS;
	look();
	is_written(2, "instance.lost", "true");
	release("a");
	release("a");
	is_written(1, "instance.released", "data ->> 'state' = 'released'");
	operation.now_ms += SECOND_MS;
	report("a", "{}");
	look();
	release("a");
	operation.now_ms += lease_ms + SECOND_MS;
	look();
	is_written(3, "instance.activated", "true");
	is_written(2, "instance.released", "true");
	is_written(2, "instance.lost", "true");
}
END_TEST

/* Another transaction changes one of two instances whose lease ends, and ends itself so. */
static void
change_beside(struct db *other, const char *command, const char *end)
{
	operation.now_ms += billing.policy.instance_lease_hours * HOUR_MS;
	database_script(other, &task, arena_printf(task.arena, "%s'%s'", command, customer_id));
	look();
	is_written(0, "instance.lost", "data ->> 'instance_id' = 'a'");
	is_written(1, "instance.lost", "data ->> 'instance_id' = 'b'");
	database_script(other, &task, end);
	look();
	look();
}

#define OF_A " WHERE instance_id = 'a' AND customer_id = "
#define LATER                                                                                  \
	"UPDATE instances SET lease_expires_at = lease_expires_at + interval '9 days'" OF_A

/* While an instance is being renewed or released it is not told as lost; after that it is, if it is. */
START_TEST(test_renewed_while_it_is_told)
{
	static const struct {
		const char *command, *end;
		int64_t lost, in_use;
	} cases[] = {{"BEGIN; " LATER, "COMMIT", 0, 1},
	             {"BEGIN; " LATER, "ROLLBACK", 1, 0},
	             {"BEGIN; UPDATE instances SET total_devices = 5" OF_A, "COMMIT", 1, 0},
	             {"BEGIN; UPDATE instances SET released_at = lease_expires_at" OF_A,
	              "COMMIT", 0, 0},
	             {"BEGIN; DELETE FROM instances" OF_A, "COMMIT", 0, 0}};
	struct db *other = database_open(database_url(), DATABASE_PATIENT_MS, false);

	report("a", "{}");
	report("b", "{}");
	look();
	change_beside(other, cases[_i].command, cases[_i].end);
	is_written(cases[_i].lost, "instance.lost", "data ->> 'instance_id' = 'a'");
	ck_assert_int_eq(
	        count_of("SELECT instances FROM usage_fleets WHERE customer_id = ", ""),
	        cases[_i].in_use);
	db_free(other);
}
END_TEST

static void
activate(const char *id)
{
	const struct instance_lease lease = {.customer_id = customer_id,
	                                     .instance_id = id,
	                                     .end_ms = operation.now_ms + HOUR_MS};
	struct instance instance;
	bool fresh;

	fine(instance_activate(&operation, &lease, &instance, &fresh));
}

/* Each way to renew the lease of "a". */
static void
renew(int way)
{
	struct usage_item item = {.report = usage_sample(0, NULL, 0)};
	struct instance instance;

	switch (way) {
	case 0:
		report("a", "{}");
		break;
	case 1:
		item.report.instance_id = "a";
		fine(usage_report_batch(&operation, &item, 1));
		break;
	case 2:
		activate("a");
		break;
	default:
		activate("c");
		fine(instance_transfer(&operation, customer_id, "c", "a", &instance));
	}
}

/* A renewal whose clock was read before the lease ended comes behind the fold that has told of the loss. */
START_TEST(test_renewed_after_it_was_told)
{
	report("a", "{}");
	look();
	operation.now_ms += billing.policy.instance_lease_hours * HOUR_MS;
	look();
	is_written(1, "instance.lost", "true");
	operation.now_ms -= SECOND_MS;
	renew(_i);
	is_written(2, "instance.activated", "data ->> 'instance_id' = 'a'");
	report("a", "{}");
	is_written(2, "instance.activated", "data ->> 'instance_id' = 'a'");
}
END_TEST

/* Leases that begin and end again and again, of few instances: beyond the bound of the day the reports are
 * stored, and one event stands for all others. */
START_TEST(test_events_of_a_day)
{
	int64_t lease_ms = billing.policy.instance_lease_hours * HOUR_MS;
	struct usage_item item = {.report = usage_sample(lease_ms - SECOND_MS, NULL, 1)};

	billing.policy.new_instances_per_day = 2;
	for (int i = 0; i < 4; i++) {
		item.report.reported_at = INSTANT_MS(operation.now_ms - lease_ms + SECOND_MS);
		fine(usage_report_batch(&operation, &item, 1));
		ck_assert_int_eq(item.status, USAGE_CREATED);
		look();
		operation.now_ms += 2 * SECOND_MS;
		look();
	}
	is_written(2, "instance.activated", "true");
	is_written(2, "instance.lost", "true");
	is_written(1, "instance.many", "(data ->> 'events')::int = 4");
	ck_assert_int_eq(count_of(REPORTS, ""), 4);
	operation.now_ms += DAY_MS;
	report("a", "{}");
	is_written(3, "instance.activated", "true");
	is_written(1, "instance.many", "true");
}
END_TEST

#define ALIKE(table)                                                                           \
	"INSERT INTO " table " SELECT (jsonb_populate_record(t, jsonb_build_object("           \
	"'instance_id', 'b' || n))).* FROM " table " t, generate_series(1, 2100) n "           \
	"WHERE customer_id = "

/* All of a large fleet at the same moment: more than one step tells. */
START_TEST(test_a_fleet_is_lost)
{
	report("a", "{}");
	look();
	change(ALIKE("instances"), "");
	change(ALIKE("usage_fleet_instances"), "");
	change("UPDATE usage_fleets SET instances = 2101 WHERE customer_id = ", "");
	operation.now_ms += billing.policy.instance_lease_hours * HOUR_MS;
	for (int i = 0; i < 4; i++)
		look();
	is_written(2101, "instance.lost", "true");
	ck_assert_int_eq(count_of("SELECT count(DISTINCT data ->> 'instance_id') FROM events "
	                          "WHERE type = 'instance.lost' AND customer_id = ",
	                          ""),
	                 2101);
	ck_assert_int_eq(
	        count_of("SELECT instances FROM usage_fleets WHERE customer_id = ", ""), 0);
}
END_TEST

START_TEST(test_activations_and_transfers)
{
	struct instance instance;

	activate("a");
	activate("a");
	report("a", "{}");
	is_written(1, "instance.activated", "data ->> 'activated_at' IS NOT NULL");
	fine(instance_transfer(&operation, customer_id, "a", "b", &instance));
	fine(instance_transfer(&operation, customer_id, "a", "b", &instance));
	is_written(1, "instance.released", "data ->> 'instance_id' = 'a'");
	is_written(1, "instance.activated",
	           "data ->> 'instance_id' = 'b' AND data ->> 'state' = 'active'");
	is_written(2, "instance.activated", "true");
	/* One that reports already is in use. */
	report("c", "{}");
	fine(instance_transfer(&operation, customer_id, "b", "c", &instance));
	is_written(3, "instance.activated", "true");
}
END_TEST

/* An instance that is shown by a statement is shown as by the API. */
START_TEST(test_both_show_the_same)
{
	struct instance instance;

	report("a", "{\"api_calls\":3}");
	release("a");
	is_written(1, "instance.released", "true");
	fine(instance_transfer(&operation, customer_id, "a", "b", &instance) == FAIL_CONFLICT
	             ? FAIL_NONE
	             : FAIL_INTERNAL);
	task_clear(&task);
	db_rollback_to(operation.db, 0);
	ck_assert_int_eq(
	        count_of("SELECT count(*) FROM instances i JOIN events e ON e.customer_id = "
	                 "i.customer_id WHERE e.type = 'instance.released' "
	                 "AND instance_shown(i, now())::jsonb = e.data::jsonb "
	                 "AND i.customer_id = ",
	                 ""),
	        1);
}
END_TEST

enum { SENDERS = 6, NAMES = 30 };

static void *
sender(void *failed)
{
	struct task own_task = suite_task();
	struct operation own = operation;

	own.task = &own_task;
	own.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	for (int i = 0; i < NAMES; i++) {
		struct usage_report row = usage_sample(0, NULL, 1);
		bool created;

		row.instance_id = arena_printf(own_task.arena, "n%02d", i);
		if (usage_store(&own, &row, &created) <= 0)
			*(bool *)failed = true;
	}
	db_free(own.db);
	suite_task_end(&own_task);
	return NULL;
}

/* Reports of new instances at the same moment, with a fold beside them. */
START_TEST(test_reports_at_the_same_moment)
{
	pthread_t threads[SENDERS];
	bool failed[SENDERS] = {false};

	for (int i = 0; i < SENDERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, sender, &failed[i]), 0);
	look();
	for (int i = 0; i < SENDERS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert(!failed[i]);
	}
	is_written(NAMES, "instance.activated", "true");
	ck_assert_int_eq(count_of("SELECT count(DISTINCT data ->> 'instance_id') FROM events "
	                          "WHERE type = 'instance.activated' AND customer_id = ",
	                          ""),
	                 NAMES);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("watch");
	TCase *tcase = tcase_create("use");

	tcase_set_timeout(tcase, 300);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, setup, fixture_teardown);
	tcase_add_test(tcase, test_shares);
	tcase_add_test(tcase, test_instances_reach_their_limit);
	tcase_add_test(tcase, test_again_after_a_fall);
	tcase_add_test(tcase, test_sums_of_a_month);
	tcase_add_test(tcase, test_no_backlog);
	tcase_add_test(tcase, test_a_smaller_limit);
	tcase_add_test(tcase, test_looks_are_bounded);
	tcase_add_test(tcase, test_the_clock_jumps);
	tcase_add_test(tcase, test_life_of_an_instance);
	tcase_add_loop_test(tcase, test_renewed_while_it_is_told, 0, 5);
	tcase_add_loop_test(tcase, test_renewed_after_it_was_told, 0, 4);
	tcase_add_test(tcase, test_a_fleet_is_lost);
	tcase_add_test(tcase, test_events_of_a_day);
	tcase_add_test(tcase, test_activations_and_transfers);
	tcase_add_test(tcase, test_both_show_the_same);
	tcase_add_test(tcase, test_reports_at_the_same_moment);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
