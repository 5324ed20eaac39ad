/* test_reminder_crashes.c: processes that are killed while they tell of ends lose none and tell none twice,
 * and a step without work costs the same however many ends are to come. FULL=1: ten times as many. */
#include "support/billing_fixture.h"

#include <sys/wait.h>

#include "billing/trial_reminders.h"
#include "counting/fold.h"
#include "events/reminders.h"
#include "issuing/license_reminders.h"
#include "limits/watch.h"

enum { HOSTS = 3, CUSTOMERS = 1500, CUSTOMERS_FULL = 15000, KILLS = 40 };

static int64_t end_ms;

static void
setup(void)
{
	fixture_setup();
	operation.batch = 500;
	change("UPDATE reminder_start SET since = '2000-01-01', seen_at = '2000-01-01' WHERE ",
	       " IS NOT NULL");
	end_ms = signed_up.subscription->trial_ends_at.ms;
}

/* A number of all customers of a test. */
static int64_t
number(const char *sql)
{
	return count_of(arena_printf(task.arena, "SELECT (%s) WHERE ", sql), " IS NOT NULL");
}

/* Makes `count` trials that end with that of the fixture. */
static void
make_trials(int count)
{
	change(arena_printf(
	               task.arena,
	               "INSERT INTO customers (customer_id, email, company_name, created_at, "
	               "updated_at) SELECT 'cust_' || md5(random()::text), "
	               "md5(random()::text) || '@example.com', 'Killed', now(), now() "
	               "FROM generate_series(1, %d) WHERE ",
	               count),
	       " IS NOT NULL");
	change("INSERT INTO subscriptions (customer_id, plan, status, trial_ends_at, "
	       "created_at, "
	       "updated_at) SELECT c.customer_id, s.plan, s.status, s.trial_ends_at, "
	       "s.created_at, "
	       "s.updated_at FROM customers c, subscriptions s WHERE c.company_name = 'Killed' "
	       "AND s.customer_id = ",
	       "");
}

/* Each of them has an instance in use whose lease has ended an hour ago. */
static void
make_instances(void)
{
	const char *ended = arena_printf(task.arena, "to_timestamp(%lld)",
	                                 (long long)(operation.now_ms / SECOND_MS - 3600));

	change(arena_printf(
	               task.arena,
	               "INSERT INTO instances (customer_id, instance_id, first_seen_at, "
	               "last_seen_at, lease_expires_at, change_id) SELECT customer_id, 'a', "
	               "%s, %s, %s, 1 FROM customers WHERE company_name = 'Killed' AND ",
	               ended, ended, ended),
	       " IS NOT NULL");
	change(arena_printf(
	               task.arena,
	               "INSERT INTO usage_fleet_instances (customer_id, instance_id, "
	               "active_devices, metrics, check_at) SELECT customer_id, 'a', 0, '{}', "
	               "%s FROM customers WHERE company_name = 'Killed' AND ",
	               ended),
	       " IS NOT NULL");
	change("INSERT INTO usage_fleets (customer_id, instances, counted) SELECT customer_id, "
	       "1, "
	       "true FROM customers WHERE company_name = 'Killed' AND ",
	       " IS NOT NULL");
}

/* A process with jobs, until it is killed. */
static pid_t
start_host(void)
{
	pid_t pid = fork();
	struct task own_task = suite_task();
	struct operation own = operation;
	int64_t done;

	if (pid != 0) {
		suite_task_end(&own_task);
		return pid;
	}
	own.task = &own_task;
	own.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	for (;;) {
		if (trial_reminders_run(&own, &done) != FAIL_NONE ||
		    usage_fold_run(&own, &done) != FAIL_NONE ||
		    usage_watch_run(&own, &done) != FAIL_NONE)
			task_clear(&own_task);
		db_rollback_to(own.db, 0);
	}
}

static void
kill_host(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

#define TOLD(type)                                                                             \
	"FROM events e JOIN customers c USING (customer_id) WHERE c.company_name = 'Killed' "  \
	"AND e.type = '" type "'"

/* Each customer has its event, and none has two. */
static void
are_told_once(const char *of_type, int customers)
{
	ck_assert_int_eq(number(arena_printf(task.arena, "SELECT count(*) %s", of_type)),
	                 customers);
	ck_assert_int_eq(number(arena_printf(task.arena,
	                                     "SELECT count(DISTINCT customer_id) %s", of_type)),
	                 customers);
}

START_TEST(test_hosts_are_killed)
{
	int customers = getenv("FULL") != NULL ? CUSTOMERS_FULL
	                : suite_is_slow()      ? CUSTOMERS / 5
	                                       : CUSTOMERS;
	unsigned int seed = 7;
	pid_t hosts[HOSTS];
	int kills = 0;

	make_trials(customers);
	operation.now_ms = end_ms - 3 * DAY_MS;
	make_instances();
	for (int i = 0; i < HOSTS; i++)
		hosts[i] = start_host();
	while (number("SELECT count(*) " TOLD("trial.ending")) < customers ||
	       number("SELECT count(*) " TOLD("instance.lost")) < customers) {
		int i = rand_r(&seed) % HOSTS;

		if (kills >= (getenv("FULL") != NULL ? 10 * KILLS : KILLS))
			continue;
		usleep((useconds_t)(rand_r(&seed) % 20000));
		kill_host(hosts[i]);
		hosts[i] = start_host();
		kills++;
	}
	for (int i = 0; i < HOSTS; i++)
		kill_host(hosts[i]);
	printf("killed: %d hosts, %d trials and instances\n", kills, customers);
	are_told_once(TOLD("trial.ending"), customers);
	are_told_once(TOLD("instance.lost"), customers);
	ck_assert_int_gt(kills, 0);
}
END_TEST

/* The rows that were read of the tables, by the statistics of the open transaction. */
static int64_t
rows_read(void)
{
	static const struct column columns[] = COLUMNS(struct database_number, number);
	static const struct statement statement = {
	        .name = "rows_read",
	        .sql = "SELECT COALESCE(sum(seq_tup_read + idx_tup_fetch), 0)::bigint AS "
	               "number "
	               "FROM pg_stat_xact_user_tables WHERE relname IN ('reminders', "
	               "'usage_watch', 'event_keys', 'subscriptions', 'licenses', 'contracts')",
	        .columns = columns,
	        .row_size = sizeof(struct database_number)};
	struct database_number row;
	bool found;

	fine(db_row(operation.db, &task, &statement, NO_PARAMETERS, &row, &found));
	return row.number;
}

/* Lets each job take a step twice until nothing is due, and then once more; the rows which that step read. */
static int64_t
empty_step(void)
{
	int64_t done, begun, rows;

	for (int i = 0; i < 2; i++) {
		fine(trial_reminders_run(&operation, &done));
		fine(license_reminders_run(&operation, &done));
		fine(usage_watch_run(&operation, &done));
	}
	fine(db_begin(operation.db, &task));
	begun = clock_monotonic_us();
	fine(trial_reminders_run(&operation, &done));
	ck_assert_int_eq(done, 0);
	fine(license_reminders_run(&operation, &done));
	ck_assert_int_eq(done, 0);
	fine(usage_watch_run(&operation, &done));
	ck_assert_int_eq(done, 0);
	fine(event_keys_prune(&operation, &done));
	rows = rows_read();
	printf("an empty step of four jobs: %lld us, %lld rows\n",
	       (long long)(clock_monotonic_us() - begun), (long long)rows);
	fine(db_commit(operation.db, &task));
	return rows;
}

/* Very many ends that are to come cost a step nothing; other tests' rows may. */
START_TEST(test_cost_of_an_empty_step)
{
	int64_t before;

	operation.now_ms = end_ms - 20 * DAY_MS;
	before = empty_step();
	change("INSERT INTO reminders (kind, customer_id, subject, due_at) "
	       "SELECT (ARRAY['trial', 'contract', 'license'])[1 + n % 3], 'many_' || n, n, "
	       "'2100-01-01' FROM generate_series(1, 100000) n WHERE ",
	       " IS NOT NULL");
	change("INSERT INTO usage_watch (customer_id, check_at, checked_at) "
	       "SELECT 'many_' || n, CASE WHEN n % 2 = 0 THEN timestamptz '2100-01-01' END, "
	       "now() "
	       "FROM generate_series(1, 100000) n WHERE ",
	       " IS NOT NULL");
	change("ANALYZE reminders, usage_watch; SELECT ", "");
	ck_assert_int_lt(empty_step(), before + 50);
	change("DELETE FROM reminders WHERE customer_id LIKE 'many%' OR ", " IS NULL");
	change("DELETE FROM usage_watch WHERE customer_id LIKE 'many%' OR ", " IS NULL");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reminder_crashes");
	TCase *tcase = tcase_create("processes");

	tcase_set_timeout(tcase, 900);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, setup, fixture_teardown);
	tcase_add_test(tcase, test_hosts_are_killed);
	tcase_add_test(tcase, test_cost_of_an_empty_step);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
