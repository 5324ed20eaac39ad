/* test_retention.c: instances that nothing has used for very long are deleted, and nothing else is. */
#include "support/usage_fixture.h"

#include <pthread.h>
#include <unistd.h>

#include "instances/instances.h"
#include "instances/requests.h"
#include "instances/retention.h"
#include "limits/limits.h"

#define INSTANCES "SELECT count(*) FROM instances WHERE customer_id = "
#define ACTIVATED                                                                              \
	"SELECT count(*) FROM events WHERE type = 'instance.activated' AND customer_id = "

/* The end of a lease that is too old, and of one that is not. */
#define OLD "to_timestamp(1705276800) - interval '2161 hours'"
#define YOUNG "to_timestamp(1705276800) - interval '2159 hours'"

static bool
has(const char *instance_id)
{
	return count_of(INSTANCES,
	                arena_printf(task.arena, " AND instance_id = '%s'", instance_id)) == 1;
}

static enum fail
report_by(struct operation *by, const char *instance_id)
{
	struct usage_report report = usage_sample(0, NULL, 1);
	bool created;

	report.instance_id = instance_id;
	return usage_store(by, &report, &created) > 0 ? FAIL_NONE : FAIL_INTERNAL;
}

/* The lease ended at that time, and the sums know it. */
static void
end_lease(const char *instance_id, const char *at)
{
	change(arena_printf(task.arena,
	                    "UPDATE instances SET lease_expires_at = %s, change_id = NULL "
	                    "WHERE instance_id = '%s' AND customer_id = ",
	                    at, instance_id),
	       "");
	(void)usage_fold_all();
}

static void
lapsed(const char *instance_id, const char *at)
{
	fine(report_by(&operation, instance_id));
	end_lease(instance_id, at);
}

/* Begins with the customer's instances; those of customers behind it may be of other tests. */
static int64_t
prune(void)
{
	int64_t deleted = 0;

	change("UPDATE instance_pruning SET instance_id = '', customer_id = ", "");
	fine(instance_prune(&operation, &deleted));
	return deleted;
}

START_TEST(test_what_is_long_over)
{
	struct usage_levels levels;
	struct subscription subscription;
	struct entitlement_terms terms;

	lapsed("old", OLD);
	lapsed("young", YOUNG);
	fine(report_by(&operation, "in-use"));
	(void)usage_fold_all();
	ck_assert_int_ge(prune(), 1);
	ck_assert(!has("old") && has("young") && has("in-use"));
	fine(usage_levels_read(&operation, customer_id, &levels, &subscription, &terms));
	ck_assert_int_eq(levels.instances, 1);
	ck_assert_int_eq(count_of("SELECT count(*) FROM usage_daily WHERE customer_id = ", ""),
	                 3);
	/* It comes back as a new one, and is told once more. */
	ck_assert_int_eq(count_of(ACTIVATED, ""), 3);
	fine(report_by(&operation, "old"));
	fine(report_by(&operation, "old"));
	ck_assert(has("old"));
	ck_assert_int_eq(count_of(ACTIVATED, ""), 4);
}
END_TEST

START_TEST(test_what_something_needs)
{
	struct license_request request = {.instance_id = "bound",
	                                  .kind = "production",
	                                  .nonce = random_id(task.arena, "", 16)};
	struct instance_lease lease = {.customer_id = customer_id,
	                               .instance_id = "staging",
	                               .kind = "staging",
	                               .end_ms = NOW_MS + HOUR_MS};
	struct issued_license license;
	struct instance instance;
	bool fresh;

	fine(license_request_answer(&operation, customer_id, &request, &license));
	fine(instance_activate(&operation, &lease, &instance, &fresh));
	end_lease("bound", OLD);
	end_lease("staging", OLD);
	lapsed("summed", OLD);
	change("INSERT INTO usage_fleet_instances (customer_id, instance_id, active_devices, "
	       "metrics, "
	       "check_at) SELECT ",
	       ", 'summed', 1, '{}', 'infinity'");
	(void)prune();
	ck_assert(has("bound") && has("staging") && has("summed"));
	change("DELETE FROM usage_fleet_instances WHERE customer_id = ", "");
	change("UPDATE licenses SET revoked_at = now(), token = NULL WHERE customer_id = ", "");
	(void)prune();
	ck_assert(!has("bound") && has("staging") && !has("summed"));
	fine(account_delete(&operation, customer_id));
	(void)prune();
	ck_assert_int_eq(count_of(INSTANCES, ""), 0);
}
END_TEST

/* Each step looks at so many, goes on behind the last one, and begins anew at the end. */
START_TEST(test_steps)
{
	int64_t deleted = 0, steps = 0;

	change("INSERT INTO instances (customer_id, instance_id, first_seen_at, last_seen_at, "
	       "lease_expires_at, change_id) SELECT ",
	       ", 'x' || i, " OLD ", " OLD ", CASE i % 2 WHEN 0 THEN " OLD " ELSE " YOUNG
	       " END, 0 FROM generate_series(1, 5000) i");
	ck_assert_int_eq(prune(), INSTANCES_LOOKED_AT / 2);
	fine(instance_prune(&operation, &deleted));
	ck_assert_int_eq(deleted, INSTANCES_LOOKED_AT / 2);
	fine(instance_prune(&operation, &deleted));
	ck_assert_int_ge(deleted, 500);
	ck_assert_int_eq(count_of(INSTANCES, ""), 2500);
	change("DELETE FROM instances WHERE customer_id = ", "");
	while (count_of("SELECT count(*) FROM instance_pruning WHERE customer_id = '' AND '' "
	                "<> ",
	                "") == 0 &&
	       steps++ < 100)
		fine(instance_prune(&operation, &deleted));
	ck_assert_int_lt(steps, 100);
}
END_TEST

/* A service whose clock is years ahead deletes nothing that is young by the database's clock. */
START_TEST(test_a_wrong_clock_deletes_nothing)
{
	lapsed("young", "now() - interval '89 days'");
	operation.now_ms = clock_now_ms() + 3650 * DAY_MS;
	(void)prune();
	ck_assert(has("young"));
}
END_TEST

/* Another process, with a connection of its own. */
struct process {
	pthread_t thread;
	struct task task;
	struct operation operation;
	enum fail kind;
};

static void
begin(struct process *process)
{
	*process = (struct process){.task = suite_task(), .operation = operation};
	process->task.request_id = "process";
	process->operation.task = &process->task;
	process->operation.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
}

static void
end(struct process *process)
{
	ck_assert_msg(process->kind == FAIL_NONE, "%s", process->task.failure.message);
	db_free(process->operation.db);
	suite_task_end(&process->task);
}

static void *
report_old(void *argument)
{
	struct process *process = argument;

	process->kind = report_by(&process->operation, "old");
	return NULL;
}

START_TEST(test_a_report_that_comes_first)
{
	struct process process;

	lapsed("old", OLD);
	begin(&process);
	fine(db_begin(process.operation.db, &process.task));
	process.kind = report_by(&process.operation, "old");
	(void)prune();
	fine(db_commit(process.operation.db, &process.task));
	end(&process);
	ck_assert(has("old"));
	(void)prune();
	ck_assert(has("old"));
}
END_TEST

START_TEST(test_a_report_that_waits)
{
	struct process process;

	lapsed("old", OLD);
	begin(&process);
	fine(db_begin(operation.db, &task));
	ck_assert_int_ge(prune(), 1);
	ck_assert_int_eq(pthread_create(&process.thread, NULL, report_old, &process), 0);
	for (int tries = 0; tries < 2000 && count_of("SELECT count(*) FROM pg_locks WHERE "
	                                             "NOT granted AND ''::text <> ",
	                                             "") == 0;
	     tries++)
		usleep(5000);
	fine(db_commit(operation.db, &task));
	ck_assert_int_eq(pthread_join(process.thread, NULL), 0);
	end(&process);
	ck_assert(has("old"));
	ck_assert_int_eq(count_of(ACTIVATED, ""), 2);
	(void)usage_fold_all();
	ck_assert_int_eq(
	        count_of("SELECT instances FROM usage_fleets WHERE customer_id = ", ""), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("instances_retention");
	TCase *tcase = usage_case("pruning");

	tcase_add_test(tcase, test_what_is_long_over);
	tcase_add_test(tcase, test_what_something_needs);
	tcase_add_test(tcase, test_steps);
	tcase_add_test(tcase, test_a_wrong_clock_deletes_nothing);
	tcase_add_test(tcase, test_a_report_that_comes_first);
	tcase_add_test(tcase, test_a_report_that_waits);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
