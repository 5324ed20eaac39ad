/* test_instances.c: activations, kinds and transfers. What a plan covers holds exactly, whatever is
 * folded or pending, and however many processes activate at once. */
#include "support/usage_fixture.h"

#include <pthread.h>

#include "instances/instances.h"
#include "limits/limits.h"
#include "usage/batch.h"

enum { NAMES = 12, STEPS = 200, CROWD = 8, ROOM = 3, ROOM_OF_OTHERS = 2, LEASE_HOURS = 2 };

static const char *const kinds[] = {"production", "staging", "development"};

static void
setup(void)
{
	usage_setup();
	billing.plans.trial_usage.max_instances = ROOM;
	billing.plans.trial_usage.non_production = ROOM_OF_OTHERS;
}

static enum fail
activate_by(struct operation *by, const char *id, const char *kind, struct instance *out)
{
	const struct instance_lease lease = {.customer_id = customer_id,
	                                     .instance_id = id,
	                                     .kind = kind,
	                                     .end_ms = by->now_ms + LEASE_HOURS * HOUR_MS};
	bool fresh;

	return instance_activate(by, &lease, out, &fresh);
}

static void
activate(const char *id, const char *kind)
{
	struct instance instance;

	fine(activate_by(&operation, id, kind, &instance));
	ck_assert_str_eq(instance.instance_id, id);
	if (kind != NULL)
		ck_assert_str_eq(instance.kind, kind);
}

static void
is_full(const char *id, const char *kind)
{
	struct instance instance;

	refused(activate_by(&operation, id, kind, &instance), FAIL_CONFLICT, "instance_limit");
}

static void
release(const char *id)
{
	struct instance instance;

	fine(instance_release(&operation, customer_id, id, &instance));
}

static void
report_of(const char *id)
{
	struct usage_report report = usage_sample(0, NULL, 1);
	bool created;

	report.instance_id = id;
	ck_assert_int_gt(usage_store(&operation, &report, &created), 0);
}

/* The instances in use, of production or of other kinds, counted one by one. */
static int64_t
in_use(bool production)
{
	return count_of("SELECT count(*) FROM instances WHERE customer_id = ",
	                arena_printf(task.arena,
	                             " AND (kind = 'production') = %s "
	                             "AND lease_expires_at > to_timestamp(%lld / 1000.0)",
	                             production ? "true" : "false",
	                             (long long)operation.now_ms));
}

/* The levels that limits show are those of the instances. */
static void
check_levels(void)
{
	struct subscription subscription;
	struct entitlement_terms terms;
	struct usage_levels levels;

	fine(usage_levels_read(&operation, customer_id, &levels, &subscription, &terms));
	ck_assert_int_eq(levels.non_production, in_use(false));
	ck_assert_int_eq(levels.instances, in_use(false) + in_use(true));
}

START_TEST(test_each_group_has_its_bound)
{
	activate("a", NULL);
	activate("b", "production");
	activate("c", "production");
	is_full("d", NULL);
	activate("d", "staging");
	activate("e", "development");
	is_full("f", "staging");
	/* The kind stays as it is when it is not named. */
	activate("d", NULL);
	check_levels();
	release("a");
	activate("d", "production");
	is_full("a", NULL);
	activate("a", "staging");
	activate("a", "development");
	is_full("b", "staging");
	(void)usage_fold_all();
	check_levels();
	is_full("b", "staging");
	release("e");
	activate("b", "staging");
	check_levels();
}
END_TEST

START_TEST(test_without_an_allowance_all_kinds_count_alike)
{
	billing.plans.trial_usage.non_production = PLAN_COUNTED_TOGETHER;
	activate("a", "staging");
	activate("b", "development");
	activate("c", NULL);
	is_full("d", "development");
	activate("c", "staging");
	activate("a", "production");
	is_full("d", NULL);
}
END_TEST

/* Whether there is room for the instance, counted one by one. */
static bool
has_room(const char *id, const char *kind)
{
	const char *own = arena_printf(task.arena, " AND instance_id = '%s'", id);
	const char *now =
	        arena_printf(task.arena, " AND lease_expires_at > to_timestamp(%lld / 1000.0)",
	                     (long long)operation.now_ms);
	bool was_other = count_of("SELECT count(*) FROM instances WHERE kind <> 'production' "
	                          "AND customer_id = ",
	                          own) > 0;
	bool is_other = kind == NULL ? was_other : strcmp(kind, "production") != 0;
	bool active = count_of("SELECT count(*) FROM instances WHERE customer_id = ",
	                       arena_printf(task.arena, "%s%s", own, now)) > 0;
	bool activated =
	        count_of("SELECT count(activated_at) FROM instances WHERE customer_id = ",
	                 arena_printf(task.arena, "%s%s", own, now)) > 0;
	bool in_group = active && is_other == was_other;

	return (activated && in_group) ||
	       in_use(!is_other) - in_group < (is_other ? ROOM_OF_OTHERS : ROOM);
}

/* The rooms do not depend on what is folded, and on how the instances became known. */
START_TEST(test_random_order)
{
	struct instance instance;
	unsigned int seed = 7;
	int refusals = 0;
	enum fail kind;
	bool room;

	for (int i = 0; i < STEPS; i++) {
		const char *id = arena_printf(task.arena, "i%d", rand_r(&seed) % NAMES);
		const char *name = rand_r(&seed) % 3 ? kinds[rand_r(&seed) % 3] : NULL;

		switch (rand_r(&seed) % 8) {
		case 0:
			report_of(id);
			break;
		case 1:
			kind = instance_release(&operation, customer_id, id, &instance);
			ck_assert(kind == FAIL_NONE || kind == FAIL_NOT_FOUND);
			break;
		case 2:
			(void)usage_fold_all();
			break;
		case 3:
			operation.now_ms += HOUR_MS / 2;
			break;
		case 4:
			kind = instance_transfer(&operation, customer_id, id, "i0", &instance);
			ck_assert(kind != FAIL_INTERNAL);
			break;
		default:
			room = has_room(id, name);
			kind = activate_by(&operation, id, name, &instance);
			ck_assert_int_eq(kind, room ? FAIL_NONE : FAIL_CONFLICT);
			refusals += !room;
		}
		task_clear(&task);
		db_rollback_to(operation.db, 0);
		check_levels();
	}
	ck_assert_int_gt(refusals, STEPS / 20);
}
END_TEST

/* Reports, which are never refused, make no room: not of an instance that was never activated, and not of one
 * whose lease has ended or that was released since. */
START_TEST(test_reports_make_no_room)
{
	billing.plans.trial_usage.non_production = PLAN_COUNTED_TOGETHER;
	activate("lapsed", NULL);
	activate("released", NULL);
	release("released");
	operation.now_ms += billing.policy.instance_lease_hours * HOUR_MS;
	for (int i = 0; i < ROOM; i++)
		activate(arena_printf(task.arena, "i%d", i), NULL);
	report_of("lapsed");
	report_of("released");
	report_of("new");
	is_full("lapsed", NULL);
	is_full("released", NULL);
	is_full("new", NULL);
	/* An instance that was activated in its lease keeps its room, also while it reports. */
	report_of("i0");
	activate("i0", NULL);
	(void)usage_fold_all();
	is_full("new", NULL);
	activate("i0", NULL);
	/* Where there is room, a report takes none away. */
	release("i0");
	release("i1");
	release("lapsed");
	release("released");
	activate("new", NULL);
	activate("i0", NULL);
	is_full("i1", NULL);
}
END_TEST

/* Very much is pending, so that the instances themselves are counted. */
START_TEST(test_much_is_pending)
{
	activate("a", NULL);
	activate("b", NULL);
	(void)usage_fold_all();
	change("INSERT INTO usage_pending (customer_id, pending_id, instance_id, received_at) "
	       "SELECT ",
	       ", nextval('usage_ids'), 'x' || i, now() FROM generate_series(1, 2500) i");
	activate("c", NULL);
	is_full("d", NULL);
	activate("e", "staging");
	activate("f", "staging");
	is_full("g", "staging");
}
END_TEST

/* One of several processes that act on the customer at once, each on an instance of its own. */
struct crowd {
	pthread_t thread;
	struct task task;
	struct operation operation;
	const char *id;
	enum fail kind;
};

static void *
activate_one(void *argument)
{
	struct crowd *one = argument;
	struct instance instance;

	one->kind = activate_by(&one->operation, one->id, "staging", &instance);
	db_rollback_to(one->operation.db, 0);
	return NULL;
}

static void *
transfer_to_one(void *argument)
{
	struct crowd *one = argument;
	struct instance instance;

	one->kind = instance_transfer(&one->operation, customer_id, "a", one->id, &instance);
	db_rollback_to(one->operation.db, 0);
	return NULL;
}

/* How many of the crowd succeed. */
static int
run_crowd(void *(*act)(void *argument))
{
	struct crowd crowd[CROWD];
	int succeeded = 0;

	for (int i = 0; i < CROWD; i++) {
		struct crowd *one = &crowd[i];

		*one = (struct crowd){.task = suite_task(), .operation = operation};
		one->task.request_id = "crowd";
		one->id = arena_printf(task.arena, "i%d", i);
		one->operation.task = &one->task;
		one->operation.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
		ck_assert_int_eq(pthread_create(&one->thread, NULL, act, one), 0);
	}
	for (int i = 0; i < CROWD; i++) {
		ck_assert_int_eq(pthread_join(crowd[i].thread, NULL), 0);
		succeeded += crowd[i].kind == FAIL_NONE;
		ck_assert(crowd[i].kind == FAIL_NONE || crowd[i].kind == FAIL_CONFLICT);
		db_free(crowd[i].operation.db);
		suite_task_end(&crowd[i].task);
	}
	return succeeded;
}

START_TEST(test_many_at_once)
{
	ck_assert_int_eq(run_crowd(activate_one), ROOM_OF_OTHERS);
	check_levels();
}
END_TEST

START_TEST(test_one_of_many_transfers_wins)
{
	activate("a", "staging");
	ck_assert_int_eq(run_crowd(transfer_to_one), 1);
	ck_assert_int_eq(in_use(false), 1);
	check_levels();
}
END_TEST

/* The rows of instances that this connection has read and not yet reported to the statistics. A statement
 * with a name: transactions of this connection replace the one without. */
static int64_t
rows_read(void)
{
	static const struct column columns[] = COLUMNS(struct database_number, number);
	static const struct statement statement = {
	        .name = "rows_read",
	        .sql = "SELECT COALESCE(sum(seq_tup_read + idx_tup_fetch), 0)::bigint AS "
	               "number "
	               "FROM pg_stat_xact_user_tables WHERE relname IN "
	               "('instances', 'usage_fleet_instances', 'usage_pending')",
	        .columns = columns,
	        .row_size = sizeof(struct database_number)};
	struct database_number row;
	bool found;

	fine(db_row(operation.db, &task, &statement, NO_PARAMETERS, &row, &found));
	return row.number;
}

/* An activation reads as many rows in a large fleet as in a small one. */
START_TEST(test_cost_is_that_of_a_small_fleet)
{
	int64_t before;

	billing.plans.trial_usage.max_instances = 3000;
	change("INSERT INTO instances (customer_id, instance_id, first_seen_at, last_seen_at, "
	       "lease_expires_at) SELECT ",
	       ", 'x' || i, now(), now(), 'infinity' FROM generate_series(1, 3000) i");
	(void)usage_fold_all();
	is_full("new", NULL);
	billing.plans.trial_usage.max_instances = 3001;
	fine(db_begin(operation.db, &task));
	report_of("x1");
	before = rows_read();
	activate("new", NULL);
	ck_assert_int_gt(rows_read(), before);
	ck_assert_int_lt(rows_read(), before + 20);
	fine(db_commit(operation.db, &task));
	is_full("more", NULL);
}
END_TEST

START_TEST(test_transfer)
{
	struct instance moved, again;

	activate("a", "staging");
	activate("b", "staging");
	fine(instance_transfer(&operation, customer_id, "a", "c", &moved));
	ck_assert_str_eq(moved.instance_id, "c");
	ck_assert_str_eq(moved.kind, "staging");
	ck_assert_int_eq(moved.lease_expires_at.ms, operation.now_ms + LEASE_HOURS * HOUR_MS);
	operation.now_ms += 1000;
	fine(instance_transfer(&operation, customer_id, "a", "c", &again));
	ck_assert_int_eq(again.activated_at.ms, moved.activated_at.ms);
	ck_assert_int_eq(in_use(false), 2);
	refused(instance_transfer(&operation, customer_id, "a", "d", &again), FAIL_CONFLICT,
	        "instance_not_in_use");
	refused(instance_transfer(&operation, customer_id, "b", "c", &again), FAIL_CONFLICT,
	        "instance_in_use");
	refused(instance_transfer(&operation, customer_id, "z", "c", &again), FAIL_NOT_FOUND,
	        "instance_not_found");
	/* The new machine may have reported already. */
	report_of("d");
	fine(instance_transfer(&operation, customer_id, "c", "d", &moved));
	ck_assert_str_eq(moved.kind, "staging");
	ck_assert_int_eq(in_use(true), 0);
	ck_assert_int_eq(in_use(false), 2);
	check_levels();
	(void)usage_fold_all();
	check_levels();
}
END_TEST

/* A customer moves so often in a month; its operator is not bounded, and the next month begins anew. */
START_TEST(test_moves_are_bounded)
{
	static const char *const names[] = {"a", "b"};
	struct instance instance;

	activate("a", NULL);
	operation.actor = "customer:test";
	for (int i = 0; i < INSTANCE_MOVES_MAX - 1; i++)
		fine(instance_transfer(&operation, customer_id, names[i % 2],
		                       names[(i + 1) % 2], &instance));
	activate("b", "staging");
	refused(activate_by(&operation, "b", "production", &instance), FAIL_CONFLICT,
	        "move_limit");
	refused(instance_transfer(&operation, customer_id, "b", "a", &instance), FAIL_CONFLICT,
	        "move_limit");
	ck_assert_int_eq(in_use(false), 1);
	/* An extension is no move, nor is a new instance. */
	activate("b", "staging");
	activate("c", "production");
	operation.actor = "operator:test";
	fine(instance_transfer(&operation, customer_id, "b", "a", &instance));
	operation.actor = "customer:test";
	operation.now_ms += 31 * DAY_MS;
	activate("b", "production");
	billing.plans.trial_usage.max_instances = LICENSE_UNLIMITED;
	for (int i = 0; i <= INSTANCE_MOVES_MAX; i++)
		activate("b", kinds[i % 2]);
}
END_TEST

/* A report of the instance "v" so long ago. */
static struct usage_report
report_with(const char *version, int64_t ago_ms)
{
	struct usage_report report = usage_sample(ago_ms, NULL, 1);

	report.instance_id = "v";
	report.version = version;
	return report;
}

static void
report_version(const char *version, int64_t ago_ms)
{
	struct usage_report report = report_with(version, ago_ms);
	bool created;

	ck_assert_int_gt(usage_store(&operation, &report, &created), 0);
}

/* Stores two reports by one statement. */
static void
report_two(struct usage_report first, struct usage_report second)
{
	struct usage_item items[] = {{.report = first}, {.report = second}};

	fine(usage_report_batch(&operation, items, 2));
	ck_assert_int_eq(items[0].status, USAGE_CREATED);
	ck_assert_int_eq(items[1].status, USAGE_CREATED);
}

/* Compares the version of the instance "v" in the list; NULL: it has none. */
static void
version_is(const char *wanted)
{
	struct page page = {.limit = 10};
	const struct instance *rows;
	size_t count;

	fine(instance_list(&operation, customer_id, &page, &rows, &count));
	ck_assert_uint_eq(count, 1);
	if (wanted == NULL)
		ck_assert_ptr_null(rows->version);
	else
		ck_assert_str_eq(rows->version, wanted);
}

/* The newest report tells the version. One without it, and a late one, change nothing. */
START_TEST(test_version)
{
	activate("v", NULL);
	version_is(NULL);
	report_version(NULL, 9 * HOUR_MS);
	version_is(NULL);
	report_version("3.1.4", 8 * HOUR_MS);
	version_is("3.1.4");
	report_version(NULL, 7 * HOUR_MS);
	version_is("3.1.4");
	report_version("3.2.0", 7 * HOUR_MS);
	report_version("3.0.0", 8 * HOUR_MS);
	version_is("3.2.0");
	activate("v", NULL);
	version_is("3.2.0");
	release("v");
	version_is("3.2.0");
}
END_TEST

/* As when the reports of a batch came one by one, from the oldest to the newest. */
START_TEST(test_version_of_a_batch)
{
	report_two(report_with("1", 9 * HOUR_MS), report_with(NULL, 8 * HOUR_MS));
	version_is("1");
	report_two(report_with("3", 6 * HOUR_MS), report_with("2", 7 * HOUR_MS));
	version_is("3");
	/* Late reports, both and one of the two. */
	report_two(report_with("4", 8 * HOUR_MS), report_with("4", 7 * HOUR_MS));
	version_is("3");
	report_two(report_with("4", 7 * HOUR_MS), report_with(NULL, 5 * HOUR_MS));
	version_is("3");
	report_two(report_with(NULL, 4 * HOUR_MS), report_with(NULL, 3 * HOUR_MS));
	version_is("3");
	report_two(report_with("5", 2 * HOUR_MS), report_with("6", 2 * HOUR_MS));
	version_is("6");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("instances");
	TCase *tcase = tcase_create("activations");

	tcase_set_timeout(tcase, 300);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, setup, fixture_teardown);
	tcase_add_test(tcase, test_each_group_has_its_bound);
	tcase_add_test(tcase, test_without_an_allowance_all_kinds_count_alike);
	tcase_add_test(tcase, test_random_order);
	tcase_add_test(tcase, test_reports_make_no_room);
	tcase_add_test(tcase, test_much_is_pending);
	tcase_add_test(tcase, test_many_at_once);
	tcase_add_test(tcase, test_one_of_many_transfers_wins);
	tcase_add_test(tcase, test_cost_is_that_of_a_small_fleet);
	tcase_add_test(tcase, test_transfer);
	tcase_add_test(tcase, test_moves_are_bounded);
	tcase_add_test(tcase, test_version);
	tcase_add_test(tcase, test_version_of_a_batch);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
