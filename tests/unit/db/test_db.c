/* test_db.c: values to PostgreSQL and back, and the failures that its errors become. */
#include "support/database.h"

enum { TIMEOUT_MS = 400 };

static struct task task;
static struct db *db;

/* Looped over: with prepared statements, and without. */
static void
open_mode(int unprepared)
{
	db = database_open(database_url(), TIMEOUT_MS, unprepared == 0);
}

static void
setup(void)
{
	task = suite_task();
	db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	database_script(
	        db, &task,
	        "DROP TABLE IF EXISTS test_db_items;"
	        "CREATE TABLE test_db_items (id bigint CONSTRAINT test_db_items_once UNIQUE,"
	        " CONSTRAINT test_db_items_positive CHECK (id > 0))");
	db_free(db);
	db = NULL;
}

static void
teardown(void)
{
	db_free(db);
	db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	database_script(db, &task, "DROP TABLE test_db_items");
	db_free(db);
	suite_task_end(&task);
}

struct sample {
	const char *text;
	int64_t number;
	bool flag;
	struct instant time;
	struct bytes bytes;
	struct string_list list;
};

static const struct column sample_columns[] =
        COLUMNS(struct sample, text, number, flag, time, bytes, list);

static const struct statement echo = {
        .name = "test_echo",
        .columns = sample_columns,
        .row_size = sizeof(struct sample),
        .sql = "SELECT $1::text AS text, $2::bigint AS number, $3::boolean AS flag, "
               "$4::timestamptz AS time, $5::bytea AS bytes, $6::text[] AS list"};

static struct sample
echoed(const struct sample *in)
{
	struct sample out = {0};
	bool found = false;
	enum fail kind =
	        db_row(db, &task, &echo,
	               PARAMETERS(in->text, param_int(&task, in->number), param_bool(in->flag),
	                          param_time(&task, in->time),
	                          in->bytes.data ? param_bytes(&task, in->bytes) : NULL,
	                          in->list.present ? param_list(&task, &in->list) : NULL),
	               &out, &found);

	ck_assert_msg(kind == FAIL_NONE, "%s", task.failure.message);
	ck_assert(found);
	return out;
}

START_TEST(test_every_type)
{
	static const char *const items[] = {"", "a b", "{\"x\",\\}", "NULL",
	                                    "gr\xc3\xbc\xc3\x9f,"};
	static const uint8_t bytes[] = {0, 1, 0x27, 0x5c, 0xff, 0};
	const struct sample in = {
	        "a'b\\\"\xe2\x82\xac\n", INT64_MIN,       true, INSTANT_MS(-1),
	        {bytes, sizeof(bytes)},  {true, 5, items}};
	struct sample out;

	open_mode(_i);
	out = echoed(&in);
	ck_assert_str_eq(out.text, in.text);
	ck_assert_int_eq(out.number, INT64_MIN);
	ck_assert(out.flag);
	ck_assert(out.time.known && out.time.ms == -1);
	ck_assert_uint_eq(out.bytes.length, sizeof(bytes));
	ck_assert_mem_eq(out.bytes.data, bytes, sizeof(bytes));
	ck_assert(out.list.present && out.list.count == 5);
	for (size_t i = 0; i < 5; i++)
		ck_assert_str_eq(out.list.items[i], items[i]);
}
END_TEST

START_TEST(test_empty_values)
{
	const struct sample in = {"",
	                          INT64_MAX,
	                          false,
	                          INSTANT_MS(0),
	                          {(const uint8_t *)"", 0},
	                          {.present = true}};
	struct sample out;

	open_mode(_i);
	out = echoed(&in);
	ck_assert_str_eq(out.text, "");
	ck_assert_int_eq(out.number, INT64_MAX);
	ck_assert(!out.flag && out.time.known && out.time.ms == 0);
	ck_assert_ptr_nonnull(out.bytes.data);
	ck_assert_uint_eq(out.bytes.length, 0);
	ck_assert(out.list.present && out.list.count == 0);
}
END_TEST

START_TEST(test_nulls)
{
	struct sample out = {0};
	bool found = false;

	open_mode(_i);
	ck_assert_int_eq(db_row(db, &task, &echo,
	                        PARAMETERS(NULL, NULL, NULL, NULL, NULL, NULL), &out, &found),
	                 FAIL_NONE);
	ck_assert(found);
	ck_assert_ptr_null(out.text);
	ck_assert_int_eq(out.number, 0);
	ck_assert(!out.flag && !out.time.known && !out.list.present);
	ck_assert_ptr_null(out.bytes.data);
}
END_TEST

START_TEST(test_times)
{
	static const int64_t edges[] = {
	        -62135596800000, -2208988800001, -86400001,    -1000,          -1, 0, 1, 999,
	        946684799999,    946684800000,   946684800001, 253402300799999};
	uint64_t state = suite_seed("times in the database");

	open_mode(0);
	for (int i = 0; i < 200; i++) {
		int64_t ms = i < ROWS(edges)
		                     ? edges[i]
		                     : (int64_t)(suite_random(&state) % 315537897600000) -
		                               62135596800000;
		const struct sample in = {.time = INSTANT_MS(ms)};

		ck_assert_int_eq(echoed(&in).time.ms, ms);
	}
}
END_TEST

/* Microseconds are cut towards the past, also before 1970 and 2000. */
START_TEST(test_microseconds)
{
	static const struct {
		const char *text;
		int64_t ms;
	} finer[] = {{"1999-12-31T23:59:59.999999Z", 946684799999},
	             {"2000-01-01T00:00:00.000999Z", 946684800000},
	             {"1969-12-31T23:59:59.999999Z", -1},
	             {"1969-12-31T23:59:59.999001Z", -1},
	             {"1970-01-01T00:00:00.000999Z", 0}};
	struct sample out = {0};
	bool found;

	open_mode(0);
	for (int i = 0; i < ROWS(finer); i++) {
		ck_assert_int_eq(db_row(db, &task, &echo,
		                        PARAMETERS(NULL, NULL, NULL, finer[i].text, NULL, NULL),
		                        &out, &found),
		                 FAIL_NONE);
		ck_assert_int_eq(out.time.ms, finer[i].ms);
	}
}
END_TEST

static const struct column number_columns[] = COLUMNS(struct database_number, number);

#define NUMBER .columns = number_columns, .row_size = sizeof(struct database_number)

static const struct statement series = {
        .name = "test_series",
        NUMBER,
        .sql = "SELECT n AS number FROM generate_series(1, $1::bigint) AS n ORDER BY n DESC"};
static const struct statement insert = {.name = "test_insert",
                                        .sql = "INSERT INTO test_db_items VALUES ($1::bigint)"};
static const struct statement delete_all = {.name = "test_delete",
                                            .sql = "DELETE FROM test_db_items"};

START_TEST(test_many_rows)
{
	struct database_number *rows = NULL, first = {77};
	size_t count = 0;
	bool found = true;

	open_mode(_i);
	ck_assert_int_eq(db_rows(db, &task, &series, PARAMETERS("5000"), (void *)&rows, &count),
	                 FAIL_NONE);
	ck_assert_uint_eq(count, 5000);
	for (size_t i = 0; i < count; i++)
		if (rows[i].number != 5000 - (int64_t)i)
			ck_abort_msg("row %zu is %lld", i, (long long)rows[i].number);
	ck_assert_int_eq(db_row(db, &task, &series, PARAMETERS("3"), &first, &found),
	                 FAIL_NONE);
	ck_assert(found && first.number == 3);
	ck_assert_int_eq(db_row(db, &task, &series, PARAMETERS("0"), &first, &found),
	                 FAIL_NONE);
	ck_assert(!found && first.number == 3);
}
END_TEST

START_TEST(test_affected)
{
	int64_t affected = 77;

	open_mode(_i);
	for (int i = 1; i <= 3; i++) {
		ck_assert_int_eq(
		        db_run(db, &task, &insert, PARAMETERS(param_int(&task, i)), &affected),
		        FAIL_NONE);
		ck_assert_int_eq(affected, 1);
	}
	ck_assert_int_eq(db_run(db, &task, &delete_all, NO_PARAMETERS, &affected), FAIL_NONE);
	ck_assert_int_eq(affected, 3);
	ck_assert_int_eq(db_run(db, &task, &delete_all, NO_PARAMETERS, &affected), FAIL_NONE);
	ck_assert_int_eq(affected, 0);
}
END_TEST

static const struct statement refused[] = {
        {.name = "test_bad_number", NUMBER, .sql = "SELECT $1::bigint AS number"},
        {.name = "test_syntax", .sql = "SELEKT $1"},
        {.name = "test_no_table", .sql = "SELECT FROM no_such_table WHERE $1 = ''"},
        {.name = "test_check", .sql = "INSERT INTO test_db_items VALUES ($1::bigint)"},
        {.name = "test_sleep", .sql = "SELECT pg_sleep($1::float8)"},
        {.name = "test_write_sleep",
         .sql = "INSERT INTO test_db_items SELECT 1 FROM pg_sleep($1)"},
        {.name = "test_text", .sql = "SELECT $1::text"},
        {.name = "test_two", .sql = "SELECT $1; SELECT $1"},
        {.name = "test_other_type", NUMBER, .sql = "SELECT $1::text AS number"},
};

enum { NUMBERS, SYNTAX, NO_TABLE, CHECK, SLEEP, WRITE_SLEEP, TEXT, TWO, OTHER_TYPE };

static const struct {
	int statement;
	const char *value;
	enum fail kind;
	const char *code;
} refusals[] = {
        {NUMBERS, "abc", FAIL_INVALID, "invalid_request"},
        {NUMBERS, "", FAIL_INVALID, "invalid_request"},
        {NUMBERS, "9223372036854775808", FAIL_INVALID, "invalid_request"},
        {TEXT, "\xff", FAIL_INVALID, "invalid_request"},
        {TEXT, "\xed\xa0\x80", FAIL_INVALID, "invalid_request"},
        {SLEEP, "20", FAIL_UNAVAILABLE, "database_unavailable"},
        {WRITE_SLEEP, "20", FAIL_UNAVAILABLE, "database_unavailable"},
        {SYNTAX, "x", FAIL_INTERNAL, "internal_error"},
        {NO_TABLE, "x", FAIL_INTERNAL, "internal_error"},
        {CHECK, "-1", FAIL_INTERNAL, "internal_error"},
        {TWO, "1", FAIL_INTERNAL, "internal_error"},
        {OTHER_TYPE, "1", FAIL_INTERNAL, "internal_error"},
};

/* Each error has its kind of failure, shows nothing internal, and leaves the connection
 * usable. */
START_TEST(test_refusals)
{
	const struct statement *statement = &refused[refusals[_i].statement];
	int64_t start = clock_monotonic_us();
	void *rows;
	size_t count;

	open_mode(0);
	for (int unprepared = 0; unprepared < 2; unprepared++) {
		task_clear(&task);
		ck_assert_int_eq(db_rows(db, &task, statement, PARAMETERS(refusals[_i].value),
		                         &rows, &count),
		                 refusals[_i].kind);
		ck_assert_str_eq(task.failure.code, refusals[_i].code);
		ck_assert(refusals[_i].kind == FAIL_INTERNAL ||
		          strstr(task.failure.message, "test_") == NULL);
		task_clear(&task);
		ck_assert_int_eq(db_run(db, &task, &delete_all, NO_PARAMETERS, NULL),
		                 FAIL_NONE);
		db_free(db);
		open_mode(1);
	}
	ck_assert_int_lt(clock_monotonic_us() - start, 10000000);
}
END_TEST

START_TEST(test_unique)
{
	open_mode(_i);
	ck_assert_int_eq(db_run(db, &task, &insert, PARAMETERS("1"), NULL), FAIL_NONE);
	ck_assert_int_eq(db_run(db, &task, &insert, PARAMETERS("1"), NULL), FAIL_CONFLICT);
	ck_assert_str_eq(task.failure.code, "conflict");
	task_clear(&task);
	ck_assert_int_eq(db_run(db, &task, &insert, PARAMETERS("2"), NULL), FAIL_NONE);
}
END_TEST

START_TEST(test_waited)
{
	open_mode(_i);
	ck_assert_int_eq(db_run(db, &task, &refused[SLEEP], PARAMETERS("0.05"), NULL),
	                 FAIL_NONE);
	ck_assert_int_ge(db_take_waited_us(db), 50000);
	ck_assert_int_eq(db_take_waited_us(db), 0);
}
END_TEST

START_TEST(test_clock)
{
	struct instant now = INSTANT_NONE;

	open_mode(_i);
	ck_assert_int_eq(db_clock(db, &task, &now), FAIL_NONE);
	ck_assert(now.known);
	ck_assert_int_lt(llabs(now.ms - clock_now_ms()), 60000);
	ck_assert_int_ge(db_now_ms(db), now.ms);
	ck_assert_int_lt(db_now_ms(db), now.ms + 60000);
	/* It need not be read again yet. */
	db_refresh_clock(db, &task);
	ck_assert_int_lt(llabs(db_now_ms(db) - clock_now_ms()), 60000);
}
END_TEST

static const struct {
	struct statement statement;
	const char *difference; /* NULL: none */
} checked[] = {
        {{.name = "test_c1", NUMBER, .sql = "SELECT 1::bigint AS number"}, NULL},
        {{.name = "test_c2", .sql = "DELETE FROM test_db_items"}, NULL},
        {{.name = "test_c3", NUMBER, .sql = "SELECT 1 AS number"}, "has another type"},
        {{.name = "test_c4", NUMBER, .sql = "SELECT 1::bigint AS n"},
         "another one is selected"},
        {{.name = "test_c5", NUMBER, .sql = "SELECT 1::bigint AS number, 2"},
         "is not in the table"},
        {{.name = "test_c6", NUMBER, .sql = "DELETE FROM test_db_items"}, "is not selected"},
        {{.name = "test_c7", .sql = "DELETE FROM no_such_table"}, "failed"},
};

START_TEST(test_check_statement)
{
	enum fail kind;

	open_mode(0);
	kind = db_check_statement(db, &task, &checked[_i].statement);
	if (checked[_i].difference == NULL) {
		ck_assert_msg(kind == FAIL_NONE, "%s", task.failure.message);
		return;
	}
	ck_assert_int_eq(kind, FAIL_INTERNAL);
	ck_assert_msg(strstr(task.failure.message, checked[_i].difference) != NULL, "%s",
	              task.failure.message);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("db");
	TCase *tcase = tcase_create("db");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_every_type, 0, 2);
	tcase_add_loop_test(tcase, test_empty_values, 0, 2);
	tcase_add_loop_test(tcase, test_nulls, 0, 2);
	tcase_add_test(tcase, test_times);
	tcase_add_test(tcase, test_microseconds);
	tcase_add_loop_test(tcase, test_many_rows, 0, 2);
	tcase_add_loop_test(tcase, test_affected, 0, 2);
	tcase_add_loop_test(tcase, test_refusals, 0, ROWS(refusals));
	tcase_add_loop_test(tcase, test_unique, 0, 2);
	tcase_add_loop_test(tcase, test_waited, 0, 2);
	tcase_add_loop_test(tcase, test_clock, 0, 2);
	tcase_add_loop_test(tcase, test_check_statement, 0, ROWS(checked));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
