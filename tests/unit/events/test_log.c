/* test_log.c: an event is written exactly when its transaction is committed, its customer's sequence has
 * no gap, and a reader that goes on from its cursor misses none. */
#include "support/database.h"

#include "base/random.h"
#include "events/horizon.h"
#include "events/log.h"
#include "events/reader.h"

#define DATA "{\"customer_id\":\"cust_a\"}"

static struct task task;
static struct operation operation;
static const char *customer;
static struct event_cursor start;

static void
fine(enum fail kind)
{
	ck_assert_msg(kind == FAIL_NONE, "%s: %s", task.failure.code, task.failure.message);
}

static void
setup(void)
{
	struct instant now;

	task = suite_task();
	operation = (struct operation){
	        .task = &task, .db = database_open(database_url(), DATABASE_PATIENT_MS, true)};
	fine(db_clock(operation.db, &task, &now));
	operation.now_ms = now.ms;
	customer = random_id(task.arena, "cust_", 16);
	fine(event_cursor_now(&operation, &start));
}

static void
teardown(void)
{
	db_free(operation.db);
	suite_task_end(&task);
}

static void
run(const char *sql)
{
	struct db *other = database_open(database_url(), DATABASE_PATIENT_MS, false);

	database_script(other, &task, sql);
	db_free(other);
}

static int64_t
number(const char *sql)
{
	struct db *other = database_open(database_url(), DATABASE_PATIENT_MS, false);
	int64_t found = database_number(other, &task, sql);

	db_free(other);
	return found;
}

static void
write_one(enum event_type type)
{
	fine(event_write(&operation, type, customer, DATA));
}

/* The customer's events that readers get, in order: "1 customer.created, 2 ...". */
static const char *
events(void)
{
	const struct event_filter filter = {.customer_id = customer};
	struct text text = text_new(task.arena, 256);
	struct event_batch batch;

	fine(event_batch_read(&operation, &filter, start, 100, &batch));
	for (size_t i = 0; i < batch.count; i++)
		text_add(&text,
		         arena_printf(task.arena, "%s%lld %s", i == 0 ? "" : ", ",
		                      (long long)batch.rows[i].sequence, batch.rows[i].type));
	return text.data;
}

START_TEST(test_written_with_the_commit)
{
	fine(db_begin(operation.db, &task));
	write_one(EVENT_CUSTOMER_CREATED);
	ck_assert_str_eq(events(), "");
	write_one(EVENT_KEY_CREATED);
	fine(db_commit(operation.db, &task));
	ck_assert_str_eq(events(), "1 customer.created, 2 key.created");
	fine(db_begin(operation.db, &task));
	write_one(EVENT_KEY_REVOKED);
	db_rollback_to(operation.db, 0);
	/* A transaction that writes none takes none of another. */
	fine(db_begin(operation.db, &task));
	fine(db_commit(operation.db, &task));
	write_one(EVENT_CUSTOMER_DELETED);
	ck_assert_str_eq(events(), "1 customer.created, 2 key.created, 3 customer.deleted");
}
END_TEST

START_TEST(test_inner_transactions)
{
	fine(db_begin(operation.db, &task));
	write_one(EVENT_CUSTOMER_CREATED);
	fine(db_begin(operation.db, &task));
	write_one(EVENT_CUSTOMER_UPDATED);
	fine(db_begin(operation.db, &task));
	write_one(EVENT_TRIAL_STARTED);
	fine(db_commit(operation.db, &task));
	/* The released inner one goes with the one around it. */
	db_rollback_to(operation.db, 1);
	fine(db_begin(operation.db, &task));
	write_one(EVENT_KEY_CREATED);
	fine(db_commit(operation.db, &task));
	fine(db_commit(operation.db, &task));
	ck_assert_str_eq(events(), "1 customer.created, 2 key.created");
}
END_TEST

/* An event that cannot be written fails the whole transaction, and the connection serves on. */
START_TEST(test_a_failing_event)
{
	run(arena_printf(
	        task.arena,
	        "CREATE TABLE event_proof (id text); INSERT INTO event_proof VALUES ('%s')",
	        customer));
	fine(db_begin(operation.db, &task));
	write_one(EVENT_CUSTOMER_CREATED);
	fine(event_write(&operation, EVENT_KEY_CREATED, customer, "no JSON"));
	write_one(EVENT_KEY_REVOKED);
	ck_assert_int_eq(db_commit(operation.db, &task), FAIL_INVALID);
	task_clear(&task);
	db_rollback_to(operation.db, 0);
	ck_assert_int_eq(db_depth(operation.db), 0);
	ck_assert_str_eq(events(), "");
	write_one(EVENT_CUSTOMER_DELETED);
	ck_assert_str_eq(events(), "1 customer.deleted");
	run("DROP TABLE event_proof");
}
END_TEST

START_TEST(test_large_data_is_left_out)
{
	char *large = arena_alloc(task.arena, EVENT_DATA_MAX + 1);
	const struct event_filter filter = {.customer_id = customer};
	struct event_batch batch;

	memset(large, ' ', EVENT_DATA_MAX);
	large[0] = '{';
	large[EVENT_DATA_MAX - 1] = '}';
	large[EVENT_DATA_MAX] = '\0';
	fine(event_write(&operation, EVENT_CUSTOMER_CREATED, customer, large));
	fine(event_batch_read(&operation, &filter, start, 100, &batch));
	ck_assert_uint_eq(batch.count, 1);
	ck_assert_str_eq(batch.rows[0].data,
	                 arena_printf(task.arena,
	                              "{\"customer_id\" : \"%s\", \"too_large\" : true}",
	                              customer));
}
END_TEST

/* Events wait for each older transaction that is open, then come in order. */
START_TEST(test_the_horizon)
{
	struct operation other = operation;
	struct event_horizon horizon;

	other.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	fine(db_begin(other.db, &task));
	ck_assert_int_gt(database_number(other.db, &task, "pg_current_xact_id()::text"), 0);
	write_one(EVENT_CUSTOMER_CREATED);
	ck_assert_str_eq(events(), "");
	fine(event_horizon_read(&operation, &horizon));
	ck_assert_int_eq(horizon.waiting, 1);
	ck_assert(horizon.waiting_since.known);
	ck_assert_ptr_nonnull(strstr(horizon.holder, "(billing unit tests) in the database "));
	ck_assert_int_eq(horizon.months_missing, 0);
	/* The older transaction writes the later event. */
	fine(event_write(&other, EVENT_CUSTOMER_UPDATED, customer, DATA));
	fine(db_commit(other.db, &task));
	ck_assert_str_eq(events(), "1 customer.created, 2 customer.updated");
	fine(event_horizon_read(&operation, &horizon));
	ck_assert_int_eq(horizon.waiting, 0);
	ck_assert_ptr_null(horizon.holder);
	db_free(other.db);
}
END_TEST

/* A cluster whose transaction ids are lower, as after a restore: no event is read late, before and
 * after the base is raised. */
START_TEST(test_a_younger_cluster)
{
	write_one(EVENT_CUSTOMER_CREATED);
	ck_assert_str_eq(events(), "1 customer.created");
	run("UPDATE event_clock SET floor = base + 1000; "
	    "UPDATE events SET position = position + 5000; "
	    "UPDATE event_sequences SET position = position + 5000");
	write_one(EVENT_CUSTOMER_UPDATED);
	start.position += 5000;
	ck_assert_str_eq(events(), "");
	ck_assert_int_gt(number("event_base_raise()"), 4000);
	ck_assert_int_eq(number("event_base_raise()"), 0);
	write_one(EVENT_KEY_CREATED);
	ck_assert_str_eq(events(), "1 customer.created, 2 customer.updated, 3 key.created");
}
END_TEST

START_TEST(test_pages)
{
	const struct event_filter filter = {.customer_id = customer, .type = "key.created"};
	struct page page = {.limit = 2};
	const struct event *rows;
	const char *last;
	struct event found;
	size_t count;

	for (int i = 0; i < 5; i++) {
		write_one(EVENT_KEY_CREATED);
		write_one(EVENT_KEY_REVOKED);
	}
	for (int i = 0; i < 3; i++) {
		fine(event_page(&operation, &filter, &page, &rows, &count, &last));
		ck_assert_uint_eq(count, i < 2 ? 2 : 1);
		ck_assert_int_eq(rows[0].sequence, 4 * i + 1);
		ck_assert_int_eq(page.next != NULL, i < 2);
		fine(page_read(&task, 2, last, &page));
	}
	fine(event_find(&operation, rows[0].event_id, &found));
	ck_assert_int_eq(found.sequence, 9);
	/* The last cursor is asked again later. */
	fine(event_page(&operation, &filter, &page, &rows, &count, &last));
	ck_assert_uint_eq(count, 0);
	write_one(EVENT_KEY_CREATED);
	fine(page_read(&task, 2, last, &page));
	fine(event_page(&operation, &filter, &page, &rows, &count, &last));
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(rows[0].sequence, 11);
	ck_assert_int_eq(event_find(&operation, "evt_0", &found), FAIL_NOT_FOUND);
	task_clear(&task);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("event_log");
	TCase *tcase = tcase_create("event_log");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_written_with_the_commit);
	tcase_add_test(tcase, test_inner_transactions);
	tcase_add_test(tcase, test_a_failing_event);
	tcase_add_test(tcase, test_large_data_is_left_out);
	tcase_add_test(tcase, test_the_horizon);
	tcase_add_test(tcase, test_a_younger_cluster);
	tcase_add_test(tcase, test_pages);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
