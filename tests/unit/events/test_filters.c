/* test_filters.c: a reader of a customer's events of a type that is rare gets each of them, in both
 * orders, no page reads more rows than its bound, and asking again at the end reads next to none. */
#include "support/database.h"

#include <string.h>

#include "base/random.h"
#include "events/reader.h"

/* The customer has BIG events, and others as many. Those wanted are at 5, 10005, ... of the customer's. */
enum { BIG = 35000, STEP = 10000, WANTED = 4, PAGE = 2, PAGES_MAX = 12 };

static struct task task;
static struct operation operation;
static const char *customer, *common;

static void
fine(enum fail kind)
{
	ck_assert_msg(kind == FAIL_NONE, "%s: %s", task.failure.code, task.failure.message);
}

static void
run(const char *sql)
{
	struct db *other = database_open(database_url(), DATABASE_PATIENT_MS, false);

	database_script(other, &task, sql);
	db_free(other);
}

/* The events of the customer and those of the others take turns. */
static void
setup(void)
{
	task = suite_task();
	operation = (struct operation){
	        .task = &task, .db = database_open(database_url(), DATABASE_PATIENT_MS, true)};
	customer = random_id(task.arena, "cust_", 16);
	common = "key.created";
	run(arena_printf(
	        task.arena,
	        "INSERT INTO events (position, number, event_id, type, customer_id, sequence, "
	        "created_at, data) SELECT i / 1000, i, gen_random_uuid(), CASE WHEN own AND "
	        "i / 2 %% %d <> 5 THEN 'instance.lost' ELSE '%s' END, CASE WHEN own THEN '%s' "
	        "ELSE '%s' || i / 2000 END, i / 2, now(), '{}' FROM (SELECT i, i %% 2 = 0 AS "
	        "own "
	        "FROM generate_series(1, %d) i) AS events",
	        STEP, common, customer, customer, 2 * BIG));
}

static void
teardown(void)
{
	run(arena_printf(task.arena, "DELETE FROM events WHERE customer_id LIKE '%s%%'",
	                 customer));
	db_free(operation.db);
	suite_task_end(&task);
}

static const struct statement rows_read_statement = {
        "test_rows_read",
        .sql = "SELECT sum(seq_tup_read + COALESCE(idx_tup_fetch, 0))::bigint "
               "AS number FROM pg_stat_xact_user_tables "
               "WHERE relname LIKE 'events\\_%'",
        ROWS_WITH(struct database_number, number)};

/* How many rows of the log this transaction has read. */
static int64_t
rows_read(void)
{
	struct database_number row = {0};
	bool found;

	fine(db_row(operation.db, &task, &rows_read_statement, NO_PARAMETERS, &row, &found));
	return row.number;
}

/* A reader that asks again at the end reads no row twice, once its cursor stands. */
static void
check_end(const struct event_filter *filter, const char *last)
{
	const char *before = NULL;
	const struct event *rows;
	struct page page;
	size_t count;
	int64_t read = 0;

	for (int i = 0; before == NULL || strcmp(before, last) != 0; i++) {
		ck_assert_int_lt(i, PAGES_MAX);
		before = last;
		fine(page_read(&task, PAGE, last, &page));
		fine(db_begin(operation.db, &task));
		read = -rows_read();
		fine(event_page(&operation, filter, &page, &rows, &count, &last));
		read += rows_read();
		fine(db_commit(operation.db, &task));
		ck_assert_uint_eq(count, 0);
	}
	ck_assert_int_le(read, PAGE);
}

/* Reads all pages; `*pages` counts them. Tells the sequences of the events: "5 10005". */
static const char *
read_all(const struct event_filter *filter, int64_t *pages)
{
	struct text text = text_new(task.arena, 256);
	struct page page = {.limit = PAGE};
	const struct event *rows;
	const char *last;
	size_t count;

	for (*pages = 0; *pages == 0 || page.next != NULL; ++*pages) {
		int64_t before;

		ck_assert_int_lt(*pages, PAGES_MAX);
		if (page.next != NULL)
			fine(page_read(&task, PAGE, page.next, &page));
		fine(db_begin(operation.db, &task));
		before = rows_read();
		fine(event_page(&operation, filter, &page, &rows, &count, &last));
		ck_assert_int_le(rows_read() - before, 2 * EVENT_WALK_MAX + 100);
		fine(db_commit(operation.db, &task));
		ck_assert_uint_le(count, PAGE);
		if (page.next != NULL)
			ck_assert_str_eq(page.next, last);
		for (size_t i = 0; i < count; i++)
			text_add(&text, arena_printf(task.arena, "%s%lld",
			                             *text.data == '\0' ? "" : " ",
			                             (long long)rows[i].sequence));
	}
	check_end(filter, last);
	return text.data;
}

/* A page reads 10000 events of the customer, which have one of the type, and then 10000 of the type. */
START_TEST(test_a_type_that_is_rare_here)
{
	struct event_filter filter = {.customer_id = customer, .type = common};
	int64_t pages;

	ck_assert_str_eq(read_all(&filter, &pages), "5 10005 20005 30005");
	ck_assert_int_ge(pages, 2);
	filter.newest_first = true;
	ck_assert_str_eq(read_all(&filter, &pages), "30005 20005 10005 5");
	ck_assert_int_ge(pages, 2);
}
END_TEST

/* A type with few events in the whole log is read to its end for the first page. */
START_TEST(test_a_type_that_is_rare_everywhere)
{
	struct event_filter filter = {.customer_id = customer, .type = "license.rotated"};
	int64_t pages;

	run(arena_printf(task.arena,
	                 "UPDATE events SET type = 'license.rotated' WHERE customer_id = '%s' "
	                 "AND sequence = 20005",
	                 customer));
	ck_assert_str_eq(read_all(&filter, &pages), "20005");
	ck_assert_int_eq(pages, 1);
	filter.newest_first = true;
	ck_assert_str_eq(read_all(&filter, &pages), "20005");
	ck_assert_int_eq(pages, 1);
	filter.customers_only = true;
	ck_assert_str_eq(read_all(&filter, &pages), "20005");
}
END_TEST

/* Events that a customer may not see count as read. */
START_TEST(test_types_that_are_hidden)
{
	struct event_filter filter = {.customer_id = customer, .customers_only = true};
	int64_t pages;

	run(arena_printf(task.arena,
	                 "UPDATE events SET type = 'override.set' WHERE customer_id = '%s' "
	                 "AND type <> '%s'",
	                 customer, common));
	ck_assert_str_eq(read_all(&filter, &pages), "5 10005 20005 30005");
	ck_assert_int_ge(pages, 3);
	filter.newest_first = true;
	ck_assert_str_eq(read_all(&filter, &pages), "30005 20005 10005 5");
	filter.type = "override.set";
	ck_assert_str_eq(read_all(&filter, &pages), "");
}
END_TEST

/* A consumer goes on behind a batch that has nothing for it. */
START_TEST(test_batches)
{
	const struct event_filter filter = {.customer_id = customer, .type = common};
	struct event_batch batch = {.more = true};
	size_t found = 0;

	for (int i = 0; batch.more; i++) {
		ck_assert_int_lt(i, PAGES_MAX);
		fine(event_batch_read(&operation, &filter, batch.place, 100, &batch));
		for (size_t k = 0; k < batch.count; k++)
			ck_assert_int_eq(batch.rows[k].sequence, 5 + (int)found++ * STEP);
	}
	ck_assert_uint_eq(found, WANTED);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("event_filters");
	TCase *tcase = tcase_create("event_filters");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_a_type_that_is_rare_here);
	tcase_add_test(tcase, test_a_type_that_is_rare_everywhere);
	tcase_add_test(tcase, test_types_that_are_hidden);
	tcase_add_test(tcase, test_batches);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
