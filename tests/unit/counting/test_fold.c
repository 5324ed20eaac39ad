/* test_fold.c: what reports leave in usage_pending becomes the sums, however it is divided and
 * whoever else writes. */
#include "support/usage_fixture.h"

#include "instances/instances.h"
#include "limits/limits.h"
#include "usage/corrections.h"
#include "usage/history.h"

#define PENDING "SELECT count(*) FROM usage_pending WHERE customer_id = "
#define IN_USE "SELECT COALESCE(max(instances), -1) FROM usage_fleets WHERE customer_id = "

/* The results of reading: devices and instances in use, the month's calls, the devices of all days. */
struct reading {
	int64_t devices;
	int64_t instances;
	char month[64];
	char newest[64];
	int64_t days;
	int64_t reports;
	int64_t of_instances;
	int64_t peak;
	int64_t most;
	char metrics[64];
};

static struct reading
read_all(void)
{
	struct subscription subscription;
	struct entitlement_terms terms;
	struct usage_levels levels;
	const struct usage_day *days;
	struct reading out = {0};
	size_t count;

	fine(usage_levels_read(&operation, customer_id, &levels, &subscription, &terms));
	out.devices = levels.active_devices;
	out.instances = levels.instances;
	if (levels.month != NULL)
		(void)snprintf(out.month, sizeof(out.month), "%s", levels.month);
	if (levels.newest != NULL)
		(void)snprintf(out.newest, sizeof(out.newest), "%s", levels.newest);
	fine(usage_daily(&operation, customer_id, NULL, NULL, NULL, &days, &count));
	out.days = (int64_t)count;
	for (size_t i = 0; i < count; i++) {
		out.reports += days[i].reports;
		out.of_instances += days[i].instances;
		out.peak += days[i].active_devices_peak;
		out.most = days[i].active_devices_max > out.most ? days[i].active_devices_max
		                                                 : out.most;
		(void)snprintf(out.metrics, sizeof(out.metrics), "%s", days[i].metrics);
	}
	return out;
}

static void
same(struct reading a, struct reading b)
{
	ck_assert_int_eq(a.devices, b.devices);
	ck_assert_int_eq(a.instances, b.instances);
	ck_assert_str_eq(a.month, b.month);
	ck_assert_str_eq(a.newest, b.newest);
	ck_assert_int_eq(a.days, b.days);
	ck_assert_int_eq(a.reports, b.reports);
	ck_assert_int_eq(a.of_instances, b.of_instances);
	ck_assert_int_eq(a.peak, b.peak);
	ck_assert_int_eq(a.most, b.most);
	ck_assert_str_eq(a.metrics, b.metrics);
}

/* Stores a report of that instance; its id. */
static int64_t
send_of(const char *instance_id, int64_t ago_ms, int64_t devices)
{
	struct usage_report report = usage_sample(ago_ms, NULL, devices);
	bool created;

	report.instance_id = instance_id;
	ck_assert_int_gt(usage_store(&operation, &report, &created), 0);
	return report.usage_id;
}

START_TEST(test_reading_is_the_same_before_and_after)
{
	struct reading pending;

	operation.now_ms += 12 * HOUR_MS; /* all of it is of one day */
	(void)send_of("a", 0, 3);
	(void)send_of("a", 1000, 9);
	(void)send_of("b", 500, 4);
	(void)send_of("b", DAY_MS, 4);
	pending = read_all();
	ck_assert_int_eq(pending.devices, 7);
	ck_assert_int_eq(pending.instances, 2);
	ck_assert_int_eq(pending.reports, 4);
	ck_assert_int_eq(pending.most, 9);
	ck_assert_int_eq(count_of(PENDING, ""), 4);
	(void)usage_fold_all();
	ck_assert_int_eq(count_of(PENDING, ""), 0);
	same(read_all(), pending);
	/* Half of it folded, half pending. */
	(void)send_of("a", 2000, 20);
	(void)send_of("c", 0, 1);
	pending = read_all();
	ck_assert_int_eq(pending.devices, 8);
	ck_assert_int_eq(pending.instances, 3);
	ck_assert_int_eq(pending.peak, 20 + 4 + 1 + 4);
	(void)usage_fold_all();
	same(read_all(), pending);
}
END_TEST

START_TEST(test_leases_end_and_instances_are_released)
{
	const struct instance_lease lease = {.customer_id = customer_id,
	                                     .instance_id = "c",
	                                     .end_ms = operation.now_ms + HOUR_MS};
	struct instance instance;
	bool fresh;

	(void)send_of("a", 0, 3);
	(void)send_of("b", 0, 4);
	fine(instance_activate(&operation, &lease, &instance, &fresh));
	ck_assert_int_eq(read_all().instances, 3);
	(void)usage_fold_all();
	ck_assert_int_eq(read_all().instances, 3);
	fine(instance_release(&operation, customer_id, "a", &instance));
	ck_assert_int_eq(read_all().instances, 2);
	ck_assert_int_eq(read_all().devices, 4);
	(void)usage_fold_all();
	ck_assert_int_eq(read_all().devices, 4);
	operation.now_ms += 2 * HOUR_MS;
	ck_assert_int_eq(read_all().instances, 1);
	(void)usage_fold_all();
	ck_assert_int_eq(count_of(IN_USE, ""), 1);
	operation.now_ms += 400 * DAY_MS;
	ck_assert_int_eq(read_all().instances, 0);
	ck_assert_int_eq(read_all().devices, 0);
	(void)usage_fold_all();
	ck_assert_int_eq(count_of(IN_USE, ""), 0);
	ck_assert_int_eq(read_all().devices, 0);
}
END_TEST

/* Another process folds the customer: its rows are left alone, and nobody waits. */
START_TEST(test_a_customer_is_folded_by_one_process)
{
	struct db *other = database_open(database_url(), DATABASE_PATIENT_MS, false);
	int64_t done = 0;

	(void)send_of("a", 0, 3);
	(void)usage_fold_all();
	(void)send_of("a", 0, 4);
	database_script(other, &task,
	                arena_printf(task.arena,
	                             "BEGIN; SELECT FROM usage_fleets WHERE customer_id = '%s' "
	                             "FOR UPDATE",
	                             customer_id));
	fine(usage_fold_run(&operation, &done));
	db_rollback_to(operation.db, 0);
	ck_assert_int_eq(count_of(PENDING, ""), 1);
	database_script(other, &task, "ROLLBACK");
	(void)usage_fold_all();
	ck_assert_int_eq(count_of(PENDING, ""), 0);
	ck_assert_int_eq(read_all().devices, 4);
	db_free(other);
}
END_TEST

/* A program older than migration 022 writes the sums of instances itself, and nothing else. */
static void
store_as_before(const char *instance_id, int64_t devices)
{
	const char *sql = arena_printf(
	        task.arena,
	        "WITH r AS (INSERT INTO usage_reports (customer_id, instance_id, "
	        "active_devices, "
	        "  total_devices, metrics, reported_at, received_at) "
	        "  VALUES ('%s', '%s', %lld, %lld, '{\"api_calls\": 5}', '%s', '%s') "
	        "  RETURNING *), "
	        "i AS (INSERT INTO instances (customer_id, instance_id, first_seen_at, "
	        "  last_seen_at, lease_expires_at, latest_usage_id, latest_reported_at, "
	        "  active_devices, total_devices, metrics) SELECT customer_id, instance_id, "
	        "  reported_at, reported_at, reported_at + interval '3 days', usage_id, "
	        "  reported_at, active_devices, total_devices, metrics FROM r "
	        "  ON CONFLICT (customer_id, instance_id) DO UPDATE SET "
	        "  active_devices = EXCLUDED.active_devices, metrics = EXCLUDED.metrics), "
	        "d AS (INSERT INTO usage_daily AS d SELECT customer_id, "
	        "  (reported_at AT TIME ZONE 'UTC')::date, instance_id, 1, active_devices, "
	        "  active_devices, total_devices, total_devices FROM r "
	        "  ON CONFLICT (customer_id, day, instance_id) DO UPDATE SET "
	        "  reports = d.reports + 1, "
	        "  active_devices_max = greatest(d.active_devices_max, "
	        "    EXCLUDED.active_devices_max), "
	        "  active_devices_sum = d.active_devices_sum + EXCLUDED.active_devices_sum, "
	        "  total_devices_max = greatest(d.total_devices_max, "
	        "EXCLUDED.total_devices_max), "
	        "  total_devices_sum = d.total_devices_sum + EXCLUDED.total_devices_sum) "
	        "INSERT INTO usage_daily_metrics AS m SELECT customer_id, "
	        "  (reported_at AT TIME ZONE 'UTC')::date, instance_id, 'api_calls', 5, 5 FROM "
	        "r "
	        "ON CONFLICT (customer_id, day, instance_id, metric) DO UPDATE SET "
	        "  total = m.total + EXCLUDED.total, highest = greatest(m.highest, "
	        "    EXCLUDED.highest)",
	        customer_id, instance_id, (long long)devices, (long long)devices,
	        param_now(&operation), param_now(&operation));

	database_script(operation.db, &task, sql);
}

START_TEST(test_an_older_program_writes_too)
{
	struct reading before;

	(void)send_of("a", 0, 3);
	store_as_before("a", 5);
	store_as_before("b", 2);
	before = read_all();
	ck_assert_int_eq(before.devices, 7);
	ck_assert_int_eq(before.reports, 3);
	ck_assert_int_eq(before.peak, 7);
	ck_assert_str_eq(before.metrics, "{\"api_calls\": 15}");
	(void)usage_fold_all();
	same(read_all(), before);
	store_as_before("b", 1);
	(void)send_of("b", 0, 6);
	before = read_all();
	ck_assert_int_eq(before.devices, 11);
	(void)usage_fold_all();
	same(read_all(), before);
}
END_TEST

/* Runs the job until it finds nothing. */
static void
backfill_all(void)
{
	int64_t done;

	do {
		done = 0;
		ck_assert_msg(usage_backfill_run(&operation, &done) == FAIL_NONE, "%s",
		              task.failure.message);
		db_rollback_to(operation.db, 0);
	} while (done > 0);
}

/* All that is stored was stored before migration 022. */
static void
forget_sums(void)
{
	database_script(operation.db, &task,
	                "TRUNCATE usage_days, usage_metric_sums, usage_fleets, "
	                "usage_fleet_instances; "
	                "UPDATE usage_backfill SET done = false, folded_until = '', "
	                "customer_id = '', day = '-infinity'");
}

START_TEST(test_earlier_days_are_counted)
{
	struct reading before;

	for (int64_t day = 0; day < 20; day++) {
		(void)send_of("a", day * DAY_MS, day + 1);
		(void)send_of("b", day * DAY_MS, 30 - day);
	}
	(void)usage_fold_all();
	before = read_all();
	ck_assert_int_eq(before.days, 20);
	forget_sums();
	same(read_all(), before);
	/* Reports go on meanwhile, of a day that is counted and of one that is not. */
	(void)send_of("c", 0, 2);
	(void)send_of("c", 3 * DAY_MS, 2);
	before = read_all();
	ck_assert_int_eq(before.reports, 42);
	(void)usage_fold_all();
	same(read_all(), before);
	backfill_all();
	ck_assert_int_eq(
	        count_of("SELECT count(*) FROM usage_backfill WHERE done AND '' <> ", ""), 1);
	same(read_all(), before);
	(void)usage_fold_all();
	same(read_all(), before);
	ck_assert_int_eq(
	        count_of("SELECT count(*) FROM usage_days WHERE counted AND customer_id = ",
	                 ""),
	        20);
}
END_TEST

/* The sums of instances are written when one of them has changed. */
START_TEST(test_sums_that_stay_are_not_written)
{
	static const char version[] =
	        "SELECT xmin::text::bigint FROM usage_fleets WHERE customer_id = ";
	int64_t before;

	(void)send_of("a", 1000, 3);
	(void)usage_fold_all();
	before = count_of(version, "");
	(void)send_of("a", 500, 3);
	(void)usage_fold_all();
	ck_assert_int_eq(count_of(version, ""), before);
	ck_assert_int_eq(count_of(PENDING, ""), 0);
	(void)send_of("a", 0, 4);
	(void)usage_fold_all();
	ck_assert_int_ne(count_of(version, ""), before);
	ck_assert_int_eq(read_all().devices, 4);
}
END_TEST

/* A worker that ends in the middle of a fold leaves everything pending. */
START_TEST(test_an_interrupted_fold_changes_nothing)
{
	struct reading before;
	int64_t done = 0;

	(void)send_of("a", 0, 3);
	before = read_all();
	fine(db_begin(operation.db, &task));
	fine(usage_fold_run(&operation, &done));
	db_rollback_to(operation.db, 0);
	ck_assert_int_eq(count_of(PENDING, ""), 1);
	same(read_all(), before);
	(void)usage_fold_all();
	same(read_all(), before);
}
END_TEST

/* The answer to a report counts a part of very many pending ones, and says so. */
START_TEST(test_much_that_is_pending)
{
	const char *secret = signed_up.key.secret;
	struct sha256 digest = digest_sha256(secret, strlen(secret));
	struct usage_report report = usage_sample(0, NULL, 1);
	struct usage_view view = {0};

	for (int i = 0; i < USAGE_PENDING_OF_REPORT + 5; i++) {
		operation.now_ms++;
		(void)usage_send(0, NULL, 1);
	}
	operation.now_ms++;
	fine(usage_report(&operation, &digest, &report, &view));
	ck_assert(view.levels.counted);
	ck_assert_int_eq(view.levels.counted_until.ms, NOW_MS + 1);
	ck_assert_str_eq(view.levels.month, "{\"api_calls\": \"255\"}");
	(void)usage_fold_all();
	report = usage_sample(0, NULL, 1);
	fine(usage_report(&operation, &digest, &report, &view));
	ck_assert_int_eq(view.levels.counted_until.ms, operation.now_ms);
	ck_assert_str_eq(view.levels.month, "{\"api_calls\": \"285\"}");
}
END_TEST

/* The correction of an older report takes what is pending of the day: the newest report still
 * changes the fleet. */
START_TEST(test_a_correction_keeps_the_change_of_a_newer_report)
{
	struct usage_correction correction = {
	        .active_devices = 1, .total_devices = -1, .reason = "test"};
	struct usage_report corrected;

	operation.now_ms += 12 * HOUR_MS;
	(void)send_of("a", 2000, 3);
	(void)usage_fold_all();
	correction.usage_id = send_of("a", 1000, 5);
	(void)send_of("a", 0, 8);
	fine(usage_correct(&operation, customer_id, &correction, &corrected));
	ck_assert_int_eq(read_all().devices, 8);
	ck_assert_int_eq(read_all().reports, 3);
	(void)usage_fold_all();
	ck_assert_int_eq(count_of(PENDING, ""), 0);
	ck_assert_int_eq(read_all().devices, 8);
	ck_assert_int_eq(read_all().reports, 3);
}
END_TEST

/* Makes so many rows of the customer's instance pending that say no more than that it changed. */
static void
add_pending(const char *customer, const char *instance_id, int count)
{
	database_script(operation.db, &task,
	                arena_printf(task.arena,
	                             "INSERT INTO usage_pending (customer_id, pending_id, "
	                             "instance_id, received_at) SELECT '%s', "
	                             "nextval('usage_ids'), '%s', '%s' "
	                             "FROM generate_series(1, %d)",
	                             customer, instance_id, param_now(&operation), count));
}

/* A day is counted anew when a report was stored that is not folded, as when one comes between
 * the two statements of a fold. */
START_TEST(test_a_recount_keeps_the_change_of_a_report)
{
	(void)send_of("a", 1000, 3);
	(void)usage_fold_all();
	(void)send_of("a", 0, 8);
	fine(db_begin(operation.db, &task));
	fine(usage_recount(&operation, customer_id, "a", INSTANT_MS(operation.now_ms)));
	fine(db_commit(operation.db, &task));
	ck_assert_int_eq(read_all().devices, 8);
	(void)usage_fold_all();
	ck_assert_int_eq(count_of(PENDING, ""), 0);
	ck_assert_int_eq(read_all().devices, 8);
	ck_assert_int_eq(read_all().reports, 2);
}
END_TEST

/* Customers with more pending than a step takes, before and behind the customer, do not keep it
 * waiting, and share what it leaves. */
START_TEST(test_busy_customers_leave_room_for_others)
{
	static const char *const busy[] = {"cust", "cust_", "cust_z"};
	int64_t done;

	for (int step = 0; step < 5; step++) {
		for (size_t i = 0; i < 3; i++)
			add_pending(busy[i], "a", 2500);
		(void)send_of("a", 0, step);
		done = 0;
		fine(usage_fold_run(&operation, &done));
		ck_assert_int_eq(count_of(PENDING, ""), 0);
		ck_assert_int_eq(done, 2000);
	}
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_le(
		        database_number(operation.db, &task,
		                        arena_printf(task.arena,
		                                     "SELECT count(*) FROM usage_pending "
		                                     "WHERE customer_id = '%s'",
		                                     busy[i])),
		        5 * (2500 - 2000 / 4));
	(void)usage_fold_all();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("usage_fold");
	TCase *tcase = usage_case("fold");

	tcase_add_test(tcase, test_reading_is_the_same_before_and_after);
	tcase_add_test(tcase, test_leases_end_and_instances_are_released);
	tcase_add_test(tcase, test_a_customer_is_folded_by_one_process);
	tcase_add_test(tcase, test_an_older_program_writes_too);
	tcase_add_test(tcase, test_earlier_days_are_counted);
	tcase_add_test(tcase, test_sums_that_stay_are_not_written);
	tcase_add_test(tcase, test_an_interrupted_fold_changes_nothing);
	tcase_add_test(tcase, test_much_that_is_pending);
	tcase_add_test(tcase, test_a_correction_keeps_the_change_of_a_newer_report);
	tcase_add_test(tcase, test_a_recount_keeps_the_change_of_a_report);
	tcase_add_test(tcase, test_busy_customers_leave_room_for_others);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
