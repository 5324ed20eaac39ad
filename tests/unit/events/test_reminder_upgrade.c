/* test_reminder_upgrade.c: an installation older than the events is updated while it is in use: the migrations
 * look at no customer, the jobs find each end that is still to come, and tell nothing of what had passed. */
#include "support/billing_fixture.h"

#include <pthread.h>

#include "base/file.h"
#include "billing/trial_reminders.h"
#include "contracts/contract_events.h"
#include "events/reminders.h"
#include "issuing/license_reminders.h"

/* The last migration before the update, and more customers than two steps of the job prepare. */
enum { LAST_BEFORE = 30, MANY = 2300, HOSTS = 2, STEPS_MAX = 10 };

static const char *name;
static struct db *server, *db;

/* The files of the folder from one to another, each in a transaction. */
static void
migrate(size_t first, size_t last)
{
	const char *const *files;
	size_t count, length;
	char *sql;

	fine(file_list(&task, "migrations", ".sql", &files, &count));
	for (size_t i = first; i <= last && i <= count; i++) {
		fine(file_read(&task, arena_printf(task.arena, "migrations/%s", files[i - 1]),
		               1024 * 1024, &sql, &length));
		database_script(db, &task, sql);
	}
}

static int64_t
number(const char *query)
{
	return database_number(db, &task, query);
}

/* A customer with a name to be asked by; "trial", "licence" and "contract" have an end that is given. */
#define CUSTOMER(id)                                                                           \
	"INSERT INTO customers (customer_id, email, company_name) "                            \
	"VALUES ('cust_' || md5('" id "'), '" id "@example.com', '" id "');"
#define TRIAL(id, end)                                                                         \
	CUSTOMER(id)                                                                           \
	"INSERT INTO subscriptions (customer_id, plan, status, trial_ends_at, created_at) "    \
	"VALUES ('cust_' || md5('" id "'), 'starter', 'trialing', now() + interval '" end      \
	"', now() - interval '40 days');"
#define LICENCE(id, instance, end)                                                             \
	"INSERT INTO licenses (jti, customer_id, kid, plan, reason, fingerprint, issued_at, "  \
	"expires_at, instance_id) VALUES ('lic_' || md5('" id "' || clock_timestamp()), "      \
	"'cust_' || md5('" id "'), 'k', 'starter', 'first', 'f', now() - interval '90 days', " \
	"now() + interval '" end "', " instance ");"
#define CONTRACT(id, end)                                                                      \
	CUSTOMER(id)                                                                           \
	"INSERT INTO contracts (contract_id, customer_id, billing, created_at, updated_at) "   \
	"VALUES ('con_' || md5('" id "'), 'cust_' || md5('" id "'), 'manual', "                \
	"now() - interval '90 days', now());"                                                  \
	"INSERT INTO contract_versions (contract_id, version, plan, starts_at, ends_at, "      \
	"amount_minor, currency, interval, interval_count, created_at, created_by) "           \
	"VALUES ('con_' || md5('" id "'), 1, 'enterprise', now() - interval '90 days', "       \
	"now() + interval '" end "', 1200, 'usd', 'month', 1, now(), 'test');"                 \
	"INSERT INTO subscriptions (customer_id, plan, status, contract_id, starts_at, "       \
	"ends_at) VALUES ('cust_' || md5('" id "'), 'enterprise', 'active', "                  \
	"'con_' || md5('" id "'), now() - interval '90 days', now() + interval '" end "');"

static void
add_rows(void)
{
	static const char *const rows[] = {
	        TRIAL("trial over", "-1 day"),
	        TRIAL("trial of 5 days", "5 days"),
	        CUSTOMER("licence over") LICENCE("licence over", "NULL", "-1 day"),
	        CUSTOMER("licence of 1 hour") LICENCE("licence of 1 hour", "NULL", "1 hour"),
	        CUSTOMER("bound") LICENCE("bound", "'i'", "1 hour"),
	        CONTRACT("contract over", "-1 day"),
	        CONTRACT("contract of 20 days", "20 days"),
	        CONTRACT("amended", "300 days"),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		database_script(db, &task, rows[i]);
	database_script(db, &task,
	                "INSERT INTO license_requests (customer_id, nonce, instance_id, jti, "
	                "answered_at) SELECT customer_id, 'n', instance_id, jti, now() "
	                "FROM licenses WHERE instance_id IS NOT NULL;"
	                "INSERT INTO overrides (customer_id, features, limits, reason, set_by, "
	                "set_at) SELECT customer_id, '{}', '{\"maxDevices\":7}', 'r', 't', "
	                "now() FROM customers WHERE company_name = 'bound'");
	database_script(
	        db, &task,
	        arena_printf(task.arena,
	                     "INSERT INTO customers (customer_id, email, company_name) "
	                     "SELECT 'cust_' || md5(n::text), n || '@example.com', 'Many' "
	                     "FROM generate_series(1, %d) n;"
	                     "INSERT INTO subscriptions (customer_id, plan, status, "
	                     "trial_ends_at) SELECT customer_id, 'starter', 'trialing', "
	                     "now() + interval '30 days' FROM customers "
	                     "WHERE company_name = 'Many'",
	                     MANY));
}

static void
setup(void)
{
	task = suite_task();
	task.request_id = "unit-test";
	billing = (struct billing){.policy = {.past_due_grace_days = 7}};
	operation = (struct operation){
	        .task = &task, .billing = &billing, .actor = "system:test", .batch = 500};
	fine(plans_load(&task, "conf/plans.json", &billing.plans));
	server = database_open(database_url(), DATABASE_PATIENT_MS, false);
	name = random_id(task.arena, "test_upgrade_", 6);
	database_script(server, &task,
	                arena_printf(task.arena,
	                             "CREATE DATABASE %s TEMPLATE template0 "
	                             "ENCODING 'UTF8' LOCALE 'C.UTF-8'",
	                             name));
	db = database_open(database_url_of(&task, name), DATABASE_PATIENT_MS, false);
	operation.db = database_open(database_url_of(&task, name), DATABASE_PATIENT_MS, true);
	migrate(1, LAST_BEFORE);
	add_rows();
	migrate(LAST_BEFORE + 1, SIZE_MAX);
	operation.now_ms =
	        number("SELECT (extract(epoch FROM since) * 1000) FROM reminder_start");
}

static void
teardown(void)
{
	db_free(operation.db);
	db_free(db);
	database_script(server, &task,
	                arena_printf(task.arena, "DROP DATABASE %s WITH (FORCE)", name));
	db_free(server);
	suite_task_end(&task);
}

static void run(enum fail (*job)(struct operation *operation, int64_t *done))
{
	int64_t done;

	do {
		fine(job(&operation, &done));
	} while (done > 0);
}

static void
run_after(int64_t ms)
{
	operation.now_ms += ms;
	run(reminders_watch_clock);
	run(trial_reminders_run);
	run(contract_reminders_run);
	run(license_reminders_run);
}

/* How many events of the type the customer has. */
static int64_t
told(const char *type, const char *customer)
{
	return number(arena_printf(task.arena,
	                           "SELECT count(*) FROM events WHERE type = '%s' "
	                           "AND customer_id = 'cust_' || md5('%s')",
	                           type, customer));
}

/* Ends that come between the migration and the jobs are told; what had passed is not. */
START_TEST(test_told)
{
	ck_assert_int_eq(number("SELECT count(*) FROM reminders"), 0);
	run_after(2 * HOUR_MS);
	ck_assert_int_eq(number("SELECT count(*) FROM events"), 2);
	ck_assert_int_eq(told("license.expired", "licence of 1 hour"), 1);
	ck_assert_int_eq(told("license.expired", "bound"), 1);
	run_after(2 * DAY_MS);
	ck_assert_int_eq(number("SELECT count(*) FROM events"), 3);
	ck_assert_int_eq(told("trial.ending", "trial of 5 days"), 1);
	run_after(12 * DAY_MS);
	ck_assert_int_eq(told("contract.ending", "contract of 20 days"), 1);
	run_after(7 * DAY_MS);
	ck_assert_int_eq(told("contract.ended", "contract of 20 days"), 1);
	ck_assert_int_eq(told("contract.ended", "contract over"), 0);
	ck_assert_int_eq(told("license.expired", "licence over"), 0);
	run_after(3 * DAY_MS);
	ck_assert_int_eq(number("SELECT count(*) FROM events WHERE type = 'trial.ending'"),
	                 MANY + 1);
}
END_TEST

/* An older program stores licences between the migration and the jobs; a clock that is set back in the
 * middle of the first looks does not shorten them. */
START_TEST(test_meanwhile)
{
	int64_t done;

	database_script(db, &task,
	                LICENCE("licence over", "NULL", "2 days") CUSTOMER("zzz")
	                        LICENCE("zzz", "NULL", "90 minutes"));
	operation.now_ms += 2 * HOUR_MS;
	fine(reminders_watch_clock(&operation, &done));
	ck_assert_int_eq(done, 1);
	operation.now_ms -= 2 * HOUR_MS + 60 * SECOND_MS;
	fine(reminders_watch_clock(&operation, &done));
	run_after(2 * HOUR_MS + 60 * SECOND_MS);
	ck_assert_int_eq(told("license.expired", "licence of 1 hour"), 1);
	ck_assert_int_eq(told("license.expired", "zzz"), 1);
	ck_assert_int_eq(number("SELECT count(*) FROM events"), 3);
	run_after(2 * DAY_MS);
	ck_assert_int_eq(told("license.expired", "licence over"), 1);
}
END_TEST

/* A row that is due sooner than the first look would have it stays so. */
START_TEST(test_a_sooner_look)
{
	int64_t steps = 0, done;

	database_script(
	        db, &task,
	        LICENCE("licence over", "NULL",
	                "300 days") "UPDATE reminders SET due_at = now() + interval '5 days'");
	do {
		fine(reminders_watch_clock(&operation, &done));
	} while (done > 0 && ++steps < STEPS_MAX);
	ck_assert_int_eq(done, 0);
	ck_assert_int_eq(number("SELECT count(*) FROM reminders WHERE kind = 'license' AND "
	                        "due_at < now() + interval '6 days' "
	                        "AND customer_id = 'cust_' || md5('licence over')"),
	                 1);
}
END_TEST

static void *
host(void *failed)
{
	struct task own_task = suite_task();
	struct operation own = operation;
	int64_t done = 1;

	own.task = &own_task;
	own.db = database_open(database_url_of(&own_task, name), DATABASE_PATIENT_MS, true);
	for (int step = 0; step < STEPS_MAX && done > 0 && !*(bool *)failed; step++)
		*(bool *)failed = reminders_watch_clock(&own, &done) != FAIL_NONE;
	db_free(own.db);
	suite_task_end(&own_task);
	return NULL;
}

/* Steps that are cut off, and two hosts: each end has its row. */
START_TEST(test_hosts_and_crashes)
{
	pthread_t threads[HOSTS];
	bool failed[HOSTS] = {false};
	int64_t done;

	for (int i = 0; i < 2; i++) {
		fine(reminders_watch_clock(&operation, &done));
		ck_assert_int_eq(done, 1);
		fine(db_begin(operation.db, &task));
		fine(db_script(operation.db, &task,
		               "UPDATE reminder_start SET made_until = "
		               "reminders_make(made_from, now(), made_until, 1000)"));
		db_rollback_to(operation.db, 0);
	}
	ck_assert_int_le(number("SELECT count(*) FROM reminders"), 2000);
	for (int i = 0; i < HOSTS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, host, &failed[i]), 0);
	for (int i = 0; i < HOSTS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert(!failed[i]);
	}
	ck_assert_int_eq(number("SELECT count(*) FROM reminder_start "
	                        "WHERE made_until IS NULL"),
	                 1);
	/* One trial, two contracts, and two licences beside the many. */
	ck_assert_int_eq(number("SELECT count(*) FROM reminders"), MANY + 5);
}
END_TEST

/* The first value of a contract is no business of the month, also when it is amended before the jobs run. */
START_TEST(test_opening_balance)
{
	ck_assert_int_eq(number("SELECT count(*) FROM revenue_movements"), 0);
	database_script(db, &task,
	                "INSERT INTO contract_versions (contract_id, version, plan, starts_at, "
	                "ends_at, amount_minor, currency, interval, interval_count, "
	                "created_at, created_by) SELECT contract_id, 2, plan, starts_at, "
	                "ends_at, 1500, currency, interval, interval_count, now(), 'test' "
	                "FROM contract_versions WHERE contract_id = 'con_' || md5('amended');"
	                "UPDATE contracts SET version = 2 "
	                "WHERE contract_id = 'con_' || md5('amended')");
	ck_assert_int_eq(number("SELECT revenue_run(7, 500)"), 2);
	ck_assert_int_eq(number("SELECT revenue_run(7, 500)"), 0);
	ck_assert_int_eq(number("SELECT count(*) FROM revenue_movements "
	                        "WHERE kind = 'opening' AND mrr = 1200"),
	                 2);
	ck_assert_int_eq(number("SELECT count(*) FROM revenue_movements"), 3);
	ck_assert_int_eq(number("SELECT mrr FROM revenue_movements WHERE kind = 'expansion'"),
	                 1500);
	ck_assert_int_eq(number("SELECT count(*) FROM revenue_customers WHERE opens"), 0);
}
END_TEST

/* Terms that licences read beside the subscription and the customer. */
START_TEST(test_terms)
{
	ck_assert_int_eq(number("SELECT override_terms -> 'limits' ->> 'maxDevices' "
	                        "FROM customers WHERE company_name = 'bound'"),
	                 7);
	ck_assert_int_eq(number("SELECT count(*) FROM customers "
	                        "WHERE override_terms IS NOT NULL"),
	                 1);
	ck_assert_int_eq(number("SELECT count(*) FROM subscriptions "
	                        "WHERE contract_terms IS NOT NULL"),
	                 3);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reminder_upgrade");
	TCase *tcase = tcase_create("upgrade");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_told);
	tcase_add_test(tcase, test_meanwhile);
	tcase_add_test(tcase, test_a_sooner_look);
	tcase_add_test(tcase, test_hosts_and_crashes);
	tcase_add_test(tcase, test_opening_balance);
	tcase_add_test(tcase, test_terms);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
