/* test_ahead.c: a statement that is sent with the next one: its judgement, failures of either, and
 * the connection afterwards. */
#include "support/database.h"

static const struct column number_columns[] = COLUMNS(struct database_number, number);

#define READS(of, text)                                                                        \
	{                                                                                      \
		.name = of, .columns = number_columns,                                         \
		.row_size = sizeof(struct database_number), .sql = text                        \
	}

/* now() is the same for statements of one transaction, and of one pipeline. */
#define NOW "(extract(epoch FROM now()) * 1000000)::bigint AS number"
static const struct statement start = READS("test_ahead_start", "SELECT " NOW);
static const struct statement none = READS("test_ahead_none", "SELECT " NOW " WHERE false");
static const struct statement quotient =
        READS("test_ahead_quotient", "SELECT 6 / $1::bigint AS number");
static const struct statement slow =
        READS("test_ahead_slow", "SELECT 1::bigint AS number FROM pg_sleep(60)");
static const struct statement ended =
        READS("test_ahead_ended",
              "SELECT pg_terminate_backend(pg_backend_pid())::int::bigint AS number");
static const struct statement with = {.name = "test_ahead_with",
                                      .columns = number_columns,
                                      .row_size = sizeof(struct database_number),
                                      .reads = true,
                                      .sql = "WITH one AS (SELECT " NOW
                                             ") SELECT number FROM one"};
static const struct statement planned = {.name = "test_ahead_planned",
                                         .columns = number_columns,
                                         .row_size = sizeof(struct database_number),
                                         .planned_once = true,
                                         .sql = "SELECT 6 / $1::bigint AS number"};
static const struct statement plans = READS(
        "test_ahead_plans", "SELECT generic_plans AS number FROM pg_prepared_statements "
                            "WHERE name = $1 AND current_setting('plan_cache_mode') = 'auto'");
static const struct statement change = {.name = "test_ahead_write",
                                        .sql = "CREATE TEMP TABLE test_ahead AS SELECT 1"};

static struct task task;
static struct db *db;

/* Judgements, with the last number. */
struct seen {
	int count;
	int64_t number; /* -1: there was no row */
	enum fail answer;
};

static enum fail
judge(void *context, struct task *judged, const void *row)
{
	struct seen *seen = context;

	seen->count++;
	seen->number = row == NULL ? -1 : ((const struct database_number *)row)->number;
	return seen->answer == FAIL_NONE
	               ? FAIL_NONE
	               : task_fail(judged, seen->answer, "refused", "The judge refuses.");
}

static void
setup(void)
{
	task = suite_task();
}

static void
teardown(void)
{
	db_free(db);
	suite_task_end(&task);
}

static void
send_ahead(const struct statement *statement, struct parameters parameters, struct seen *seen)
{
	struct db_ahead *ahead = arena_alloc(task.arena, sizeof(*ahead));

	*ahead = (struct db_ahead){statement, parameters, judge, seen};
	db_send_ahead(db, ahead);
}

static enum fail
read_one(const struct statement *statement, struct parameters parameters, int64_t *number)
{
	struct database_number row = {.number = -1};
	bool found;
	enum fail kind = db_row(db, &task, statement, parameters, &row, &found);

	*number = row.number;
	return kind;
}

/* The connection serves further statements, and nothing is left to be judged. */
static void
check_usable(void)
{
	int64_t number;

	task_clear(&task);
	ck_assert(!db_has_ahead(db));
	ck_assert_int_eq(read_one(&quotient, PARAMETERS("3"), &number), FAIL_NONE);
	ck_assert_int_eq(number, 2);
}

/* Looped over, as the others: with prepared statements, and without. */
static void
open_mode(int unprepared)
{
	db = database_open(database_url(), 10000, unprepared == 0);
}

START_TEST(test_in_one_round_trip)
{
	struct seen seen = {0};
	int64_t number;

	open_mode(_i);
	for (int i = 1; i <= 3; i++) {
		send_ahead(&start, NO_PARAMETERS, &seen);
		ck_assert_int_eq(read_one(&start, NO_PARAMETERS, &number), FAIL_NONE);
		ck_assert_int_eq(seen.count, i);
		ck_assert_int_eq(seen.number, number);
	}
	ck_assert_int_eq(read_one(&start, NO_PARAMETERS, &number), FAIL_NONE);
	ck_assert_int_ne(seen.number, number);
	check_usable();
}
END_TEST

START_TEST(test_refused)
{
	struct seen seen = {.answer = FAIL_FORBIDDEN};
	int64_t number;

	open_mode(_i);
	send_ahead(&none, NO_PARAMETERS, &seen);
	ck_assert_int_eq(read_one(&start, NO_PARAMETERS, &number), FAIL_FORBIDDEN);
	ck_assert_int_eq(number, -1);
	ck_assert_int_eq(seen.number, -1);
	ck_assert_int_eq(seen.count, 1);
	/* A refusal counts more than the failure of the second statement. */
	task_clear(&task);
	send_ahead(&start, NO_PARAMETERS, &seen);
	ck_assert_int_eq(read_one(&quotient, PARAMETERS("0"), &number), FAIL_FORBIDDEN);
	check_usable();
}
END_TEST

START_TEST(test_failures)
{
	struct seen seen = {0};
	int64_t number;

	open_mode(_i);
	send_ahead(&start, NO_PARAMETERS, &seen);
	ck_assert_int_ne(read_one(&quotient, PARAMETERS("0"), &number), FAIL_NONE);
	ck_assert_int_eq(seen.count, 1);
	check_usable();
	send_ahead(&quotient, PARAMETERS("0"), &seen);
	ck_assert_int_ne(read_one(&start, NO_PARAMETERS, &number), FAIL_NONE);
	ck_assert_int_eq(seen.count, 1);
	/* It is still to be judged, so that a repetition sends it again. */
	ck_assert(db_has_ahead(db));
	db_send_ahead(db, NULL);
	check_usable();
	db_set_statement_timeout(db, 400);
	send_ahead(&start, NO_PARAMETERS, &seen);
	ck_assert_int_eq(read_one(&slow, NO_PARAMETERS, &number), FAIL_UNAVAILABLE);
	db_send_ahead(db, NULL);
	check_usable();
}
END_TEST

/* A backend that ends takes neither answer with it unnoticed. */
/* The setting for that ends with the pipeline, also after a failure. */
START_TEST(test_planned_once)
{
	struct seen seen = {0};
	int64_t number;

	open_mode(0);
	send_ahead(&start, NO_PARAMETERS, &seen);
	ck_assert_int_eq(read_one(&planned, PARAMETERS("3"), &number), FAIL_NONE);
	ck_assert_int_eq(number, 2);
	ck_assert_int_eq(read_one(&plans, PARAMETERS("test_ahead_planned"), &number),
	                 FAIL_NONE);
	ck_assert_int_eq(number, 1);
	send_ahead(&start, NO_PARAMETERS, &seen);
	ck_assert_int_ne(read_one(&planned, PARAMETERS("0"), &number), FAIL_NONE);
	check_usable();
	send_ahead(&quotient, PARAMETERS("0"), &seen);
	ck_assert_int_ne(read_one(&planned, PARAMETERS("3"), &number), FAIL_NONE);
	db_send_ahead(db, NULL);
	check_usable();
	ck_assert_int_eq(read_one(&plans, PARAMETERS("test_ahead_planned"), &number),
	                 FAIL_NONE);
	ck_assert_int_eq(number, 2);
}
END_TEST

START_TEST(test_lost)
{
	struct seen seen = {0};
	int64_t number;

	open_mode(_i);
	send_ahead(&start, NO_PARAMETERS, &seen);
	ck_assert_int_eq(read_one(&ended, NO_PARAMETERS, &number), FAIL_UNAVAILABLE);
	db_send_ahead(db, NULL);
	check_usable();
	send_ahead(&ended, NO_PARAMETERS, &seen);
	ck_assert_int_eq(read_one(&start, NO_PARAMETERS, &number), FAIL_UNAVAILABLE);
	db_send_ahead(db, NULL);
	check_usable();
}
END_TEST

/* A lookup that has failed is still to be judged when the work is repeated. */
START_TEST(test_lost_by_itself)
{
	struct seen seen = {.answer = FAIL_FORBIDDEN};
	int64_t number;

	open_mode(_i);
	send_ahead(&ended, NO_PARAMETERS, &seen);
	ck_assert_int_eq(db_run(db, &task, &change, NO_PARAMETERS, NULL), FAIL_UNAVAILABLE);
	ck_assert(db_has_ahead(db));
	task_clear(&task);
	ck_assert_int_eq(db_begin(db, &task), FAIL_UNAVAILABLE);
	ck_assert(db_has_ahead(db));
	task_clear(&task);
	send_ahead(&start, NO_PARAMETERS, &seen);
	ck_assert_int_eq(read_one(&with, NO_PARAMETERS, &number), FAIL_FORBIDDEN);
	ck_assert_int_eq(seen.count, 1);
	check_usable();
}
END_TEST

/* Before a statement that writes, and before a transaction, it is judged by itself. */
START_TEST(test_before_changes)
{
	struct seen seen = {.answer = FAIL_FORBIDDEN};
	int64_t number;

	open_mode(_i);
	send_ahead(&start, NO_PARAMETERS, &seen);
	ck_assert_int_eq(db_run(db, &task, &change, NO_PARAMETERS, NULL), FAIL_FORBIDDEN);
	task_clear(&task);
	ck_assert_int_eq(
	        database_number(db, &task, "SELECT count(to_regclass('pg_temp.test_ahead'))"),
	        0);
	send_ahead(&start, NO_PARAMETERS, &seen);
	ck_assert_int_eq(db_begin(db, &task), FAIL_FORBIDDEN);
	ck_assert_int_eq(db_depth(db), 0);
	check_usable();
	seen.answer = FAIL_NONE;
	send_ahead(&start, NO_PARAMETERS, &seen);
	ck_assert_int_eq(db_begin(db, &task), FAIL_NONE);
	ck_assert_int_eq(read_one(&start, NO_PARAMETERS, &number), FAIL_NONE);
	ck_assert_int_ne(number, seen.number);
	ck_assert_int_eq(db_commit(db, &task), FAIL_NONE);
	send_ahead(&start, NO_PARAMETERS, &seen);
	ck_assert_int_eq(db_judge_ahead(db, &task), FAIL_NONE);
	ck_assert_int_eq(seen.count, 4);
	check_usable();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("statements ahead");
	TCase *tests = tcase_create("ahead");

	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_in_one_round_trip, 0, 2);
	tcase_add_loop_test(tests, test_refused, 0, 2);
	tcase_add_loop_test(tests, test_failures, 0, 2);
	tcase_add_test(tests, test_planned_once);
	tcase_add_loop_test(tests, test_lost, 0, 2);
	tcase_add_loop_test(tests, test_lost_by_itself, 0, 2);
	tcase_add_loop_test(tests, test_before_changes, 0, 2);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
