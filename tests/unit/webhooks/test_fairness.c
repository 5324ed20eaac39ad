/* test_fairness.c: a customer with very many events does not keep those of others from an endpoint, and each event
 * comes to it once. */
#include "support/billing_fixture.h"

#include <pthread.h>

#include "webhooks/endpoints.h"
#include "webhooks/known_keys.h"
#include "webhooks/queue.h"
#include "webhooks/sender.h"

#define SQL(...) arena_printf(task.arena, __VA_ARGS__)
#define DELIVER "UPDATE webhook_deliveries SET state = 'delivered' WHERE state = 'pending' AND "

#define FAIL_ALL "UPDATE webhook_deliveries SET attempts = 1 WHERE state = 'pending'"

enum { OTHERS = 6, STEPS = 60, FEEDERS = 3, ROUNDS = 60 };

static const char *folder;
static struct webhook_endpoint endpoint;
static const char *customers[OTHERS];

/* A connection of the test's own, beside the feed's. */
static struct db *own;

static void
script(const char *sql)
{
	database_script(own, &task, sql);
}

static int64_t
number(const char *query)
{
	return database_number(own, &task, query);
}

/* An endpoint that wants customer.updated. */
static void
setup(void)
{
	static const char *const types[] = {"customer.updated"};
	struct webhook_endpoint_change input = {.types = {true, 1, types},
	                                        .url = "https://receiver.example/hook"};
	struct webhook_keys webhook_keys;
	const char *secret;

	fixture_setup();
	operation.now_ms = clock_now_ms();
	own = database_open(database_url(), DATABASE_PATIENT_MS, false);
	folder = suite_folder(task.arena);
	for (int i = 0; i < OTHERS; i++) {
		struct sign_up made = {0};

		fine(account_sign_up(&operation,
		                     arena_printf(task.arena, "%s@example.com",
		                                  random_id(task.arena, "a", 8)),
		                     "Acme Corp", &made));
		customers[i] = made.customer.customer_id;
	}
	script("DELETE FROM webhook_deliveries; DELETE FROM webhook_endpoints; "
	       "DELETE FROM webhook_keys");
	fine(webhook_keys_open(&operation, folder, &webhook_keys));
	fine(webhook_endpoint_create(&operation, &webhook_keys, &input, &endpoint, &secret));
	webhook_keys_release(&webhook_keys);
}

static void
teardown(void)
{
	suite_folder_remove(task.arena, folder);
	db_free(own);
	fixture_teardown();
}

static void
happen(const char *customer, int64_t count)
{
	script(SQL("SELECT event_add('customer.updated', '%s', now(), '{}') "
	           "FROM generate_series(1, %lld)",
	           customer, (long long)count));
}

static int64_t
feed(void)
{
	int64_t events = -1;
	bool more;

	operation.now_ms++;
	fine(webhook_feed(&operation, endpoint.endpoint_id, &events, &more));
	return events;
}

static int64_t
pending(const char *customer)
{
	return number(SQL("SELECT count(*) FROM webhook_deliveries WHERE state = 'pending' "
	                  "AND customer_id = '%s'",
	                  customer));
}

/* Delivers and feeds until nothing is left. */
static void
drain(void)
{
	int64_t events = 1;

	for (int i = 0; events > 0; i++) {
		ck_assert_int_lt(i, 200);
		script(DELIVER "true");
		events = feed();
	}
	ck_assert_int_eq(number("SELECT count(*) FROM webhook_backlogs"), 0);
	ck_assert_int_eq(
	        number("SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'"), 0);
}

/* The customer's events of the type since the endpoint was made have one row each. */
static void
check_all(const char *customer)
{
	int64_t events = number(SQL("SELECT count(*) FROM events WHERE customer_id = '%s' "
	                            "AND type = 'customer.updated'",
	                            customer));

	ck_assert_int_eq(
	        number(SQL("SELECT count(*) FROM webhook_deliveries WHERE customer_id = '%s'",
	                   customer)),
	        events);
}

/* The rows of one customer were made in the order of its events. */
static void
check_order(void)
{
	ck_assert_int_eq(
	        number("SELECT count(*) FROM (SELECT created_at < lag(created_at) OVER "
	               "(PARTITION BY customer_id ORDER BY position, number) AS wrong "
	               "FROM webhook_deliveries) w WHERE wrong"),
	        0);
}

START_TEST(test_others_do_not_wait)
{
	struct webhook_figures figures;

	happen(customer_id, WEBHOOK_PENDING_MAX + 400);
	happen(customers[0], 1);
	for (int i = 0; i < 4; i++)
		(void)feed();
	ck_assert_int_eq(pending(customers[0]), 1);
	ck_assert_int_eq(pending(customer_id), WEBHOOK_CUSTOMER_MAX);
	ck_assert_int_eq(feed(), 0);
	/* The figures show a backlog also when all rows are delivered. */
	script(DELIVER "true");
	fine(webhook_figures(&operation, &figures));
	ck_assert_int_eq(figures.pending, 0);
	ck_assert(figures.waiting_since.known);
	/* Failed rows, which wait for their next attempt, take nothing from the share. */
	(void)feed();
	script("UPDATE webhook_deliveries SET attempts = 1 WHERE state = 'pending'");
	(void)feed();
	ck_assert_int_eq(pending(customer_id), 2 * WEBHOOK_CUSTOMER_MAX);
	happen(customer_id, 1);
	happen(customers[0], 1);
	(void)feed();
	ck_assert_int_eq(pending(customers[0]), 1);
	drain();
	check_all(customer_id);
	check_all(customers[0]);
	check_order();
	fine(webhook_figures(&operation, &figures));
	ck_assert(!figures.waiting_since.known);
}
END_TEST

/* Adds rows of no customer that failed. */
static void
fail_others(int64_t count)
{
	script(SQL(
	        "INSERT INTO webhook_deliveries (endpoint_id, event_id, type, event_at, state, "
	        "attempts, due_at, created_at) SELECT '%s', gen_random_uuid(), "
	        "'customer.updated', now(), 'pending', 1, now() + interval '1 day', now() "
	        "FROM generate_series(1, %lld)",
	        endpoint.endpoint_id, (long long)count));
}

/* Events of all customers in turn, which leave a backlog of each; all that is copied is delivered. */
static void
make_backlogs(int64_t count)
{
	script(SQL("SELECT event_add('customer.updated', c.customer_id, now(), '{}') FROM "
	           "(SELECT i, customer_id FROM generate_series(1, %lld) i, (VALUES ('%s'), "
	           "('%s'), ('%s'), ('%s'), ('%s'), ('%s')) v (customer_id) ORDER BY i, "
	           "customer_id) c",
	           (long long)(WEBHOOK_CUSTOMER_MAX + count), customers[0], customers[1],
	           customers[2], customers[3], customers[4], customers[5]));
	for (int i = 0; i < 3; i++)
		(void)feed();
	ck_assert_int_eq(number("SELECT count(*) FROM webhook_backlogs"), OTHERS);
	script(DELIVER "true");
}

/* Failed rows, which may wait for a day, do not stop backlogs; these leave half of what room is left. */
START_TEST(test_failed_rows_stop_no_backlog)
{
	fail_others(WEBHOOK_PENDING_MAX / 2);
	happen(customer_id, WEBHOOK_CUSTOMER_MAX + 50);
	(void)feed();
	ck_assert_int_eq(pending(customer_id), WEBHOOK_CUSTOMER_MAX);
	script(DELIVER "attempts = 0");
	ck_assert_int_eq(feed(), 50);
	ck_assert_int_eq(pending(customer_id), 50);
	script(DELIVER "true");
	make_backlogs(WEBHOOK_CUSTOMER_MAX);
	fail_others(WEBHOOK_PENDING_MAX / 2);
	for (int i = 0; i < 3; i++)
		(void)feed();
	ck_assert_int_eq(
	        number("SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'"),
	        WEBHOOK_PENDING_MAX * 3 / 4);
	drain();
	check_all(customer_id);
	check_all(customers[0]);
}
END_TEST

/* A customer whose events fail always does not fill the endpoint. */
START_TEST(test_failing_customer_is_bounded)
{
	for (int i = 0; i < 12; i++) {
		happen(customer_id, WEBHOOK_CUSTOMER_MAX);
		(void)feed();
		script(FAIL_ALL);
	}
	ck_assert_int_eq(pending(customer_id), 3 * WEBHOOK_CUSTOMER_MAX);
	happen(customers[0], 1);
	(void)feed();
	ck_assert_int_eq(pending(customers[0]), 1);
	/* The backlog goes on as some end. */
	script(SQL(DELIVER "event_id IN (SELECT event_id FROM webhook_deliveries WHERE "
	                   "customer_id = '%s' LIMIT 40)",
	           customer_id));
	ck_assert_int_eq(feed(), 40);
	ck_assert_int_eq(pending(customer_id), 3 * WEBHOOK_CUSTOMER_MAX);
	ck_assert_int_eq(feed(), 0);
	drain();
	check_all(customer_id);
	check_all(customers[0]);
}
END_TEST

/* The rows of the log that a connection has read in its transaction. */
static int64_t
log_rows_read(struct db *db)
{
	return database_number(db, &task,
	                       "SELECT COALESCE(sum(seq_tup_read + idx_tup_fetch), 0)::bigint "
	                       "FROM pg_stat_xact_user_tables WHERE relname ~ '^events'");
}

/* With room for fewer rows than there are backlogs, the customers take turns, and no more events are read than
 * there is room for. */
START_TEST(test_turns_with_little_room)
{
	make_backlogs(50);
	fail_others(WEBHOOK_PENDING_MAX - 4);
	for (int i = 0; i < OTHERS; i++) {
		ck_assert_int_eq(feed(), 2);
		ck_assert_int_eq(number("SELECT count(*) FROM webhook_deliveries "
		                        "WHERE state = 'pending' AND attempts = 0"),
		                 2);
		script(DELIVER "attempts = 0");
	}
	for (int i = 0; i < OTHERS; i++)
		ck_assert_int_eq(number(SQL("SELECT count(*) FROM webhook_deliveries "
		                            "WHERE customer_id = '%s'",
		                            customers[i])),
		                 WEBHOOK_CUSTOMER_MAX + 2);
	drain();
	for (int i = 0; i < OTHERS; i++)
		check_all(customers[i]);
	check_order();
}
END_TEST

START_TEST(test_reads_no_more_than_room)
{
	struct db *shared = operation.db;
	int64_t before;

	make_backlogs(50);
	fail_others(WEBHOOK_PENDING_MAX - 4);
	operation.db = database_open(database_url(), DATABASE_PATIENT_MS, false);
	fine(db_begin(operation.db, &task));
	database_script(operation.db, &task,
	                "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; "
	                "SET LOCAL enable_sort = off");
	before = log_rows_read(operation.db);
	ck_assert_int_eq(feed(), 2);
	ck_assert_int_le(log_rows_read(operation.db) - before, 10 * OTHERS);
	db_rollback_to(operation.db, 0);
	db_free(operation.db);
	operation.db = shared;
	drain();
}
END_TEST

/* The process does not pause while the cursor passes a customer's events, and pauses when nothing moves. */
START_TEST(test_cursor_passes_without_pauses)
{
	int64_t done = 1;
	int steps = 0;

	script("UPDATE webhook_endpoints SET paused_until = now() + interval '1 hour'");
	operation.webhooks = webhook_sender_new(
	        &(struct webhook_sender_options){.keys_dir = folder, .allowed = ""});
	ck_assert_ptr_nonnull(operation.webhooks);
	happen(customer_id, WEBHOOK_PENDING_MAX + 200);
	happen(customers[0], 1);
	for (; done > 0; steps++) {
		ck_assert_int_lt(steps, 10);
		operation.now_ms = clock_now_ms();
		fine(webhook_send_run(&operation, &done));
	}
	ck_assert_int_eq(pending(customers[0]), 1);
	ck_assert_int_eq(pending(customer_id), WEBHOOK_CUSTOMER_MAX);
	fine(webhook_send_run(&operation, &done));
	ck_assert_int_eq(done, 0);
	webhook_sender_end(operation.webhooks, &operation);
	operation.webhooks = NULL;
}
END_TEST

/* Customers with a backlog take turns, and leave half of the room to others that failed rows leave. */
START_TEST(test_backlogs_take_turns)
{
	for (int i = 0; i < OTHERS; i++)
		happen(customers[i], (int64_t)3 * WEBHOOK_CUSTOMER_MAX);
	for (int i = 0; i < 6; i++)
		(void)feed();
	script("UPDATE webhook_deliveries SET attempts = 1, state = CASE WHEN customer_id = "
	       "(SELECT min(customer_id) FROM webhook_deliveries) THEN 'pending' ELSE "
	       "'delivered' END");
	for (int i = 0; i < 10; i++)
		(void)feed();
	ck_assert_int_eq(
	        number("SELECT count(*) FROM webhook_deliveries WHERE state = 'pending' "
	               "AND attempts = 0"),
	        (WEBHOOK_PENDING_MAX - WEBHOOK_CUSTOMER_MAX) / 2);
	for (int i = 0; i < OTHERS; i++)
		ck_assert_int_ge(pending(customers[i]), 60);
	drain();
	for (int i = 0; i < OTHERS; i++)
		check_all(customers[i]);
	check_order();
}
END_TEST

/* Bursts of any customers, attempts that fail or succeed, and an older program that knows no backlog. */
START_TEST(test_random_steps)
{
	unsigned int seed = 3;

	for (int i = 0; i < STEPS; i++) {
		const char *customer = customers[rand_r(&seed) % OTHERS];

		switch (rand_r(&seed) % 6) {
		case 0:
			happen(customer, rand_r(&seed) % 250);
			break;
		case 1:
			script(SQL("SELECT event_add('customer.created', '%s', now(), '{}'), "
			           "event_add('customer.updated', NULL, now(), '{}') "
			           "FROM generate_series(1, %lld)",
			           customer, (long long)(rand_r(&seed) % 20)));
			break;
		case 2:
			script(SQL(DELIVER "(customer_id = '%s' OR number %% 3 = 0)",
			           customer));
			break;
		case 3:
			script("UPDATE webhook_deliveries SET attempts = attempts + 1 "
			       "WHERE state = 'pending' AND number % 5 = 0");
			break;
		default:
			(void)feed();
		}
		ck_assert_int_le(number("SELECT count(*) FROM webhook_deliveries "
		                        "WHERE state = 'pending'"),
		                 WEBHOOK_PENDING_MAX);
		ck_assert_int_le(number("SELECT COALESCE(max(n), 0) FROM (SELECT count(*) AS n "
		                        "FROM webhook_deliveries WHERE state = 'pending' "
		                        "AND attempts = 0 AND customer_id IS NOT NULL "
		                        "GROUP BY customer_id) c"),
		                 WEBHOOK_CUSTOMER_MAX);
	}
	drain();
	for (int i = 0; i < OTHERS; i++)
		check_all(customers[i]);
	check_order();
	ck_assert_int_eq(number("SELECT count(*) FROM webhook_deliveries "
	                        "WHERE type <> 'customer.updated'"),
	                 0);
}
END_TEST

/* One of several processes that feed the endpoint. */
struct feeder {
	pthread_t thread;
	struct task task;
	struct operation operation;
	enum fail kind;
};

static void *
run_feeder(void *argument)
{
	struct feeder *feeder = argument;

	for (int i = 0; i < ROUNDS && feeder->kind == FAIL_NONE; i++) {
		int64_t events;
		bool more;

		feeder->kind =
		        webhook_feed(&feeder->operation, endpoint.endpoint_id, &events, &more);
	}
	return NULL;
}

START_TEST(test_several_processes)
{
	struct feeder feeders[FEEDERS];

	for (int i = 0; i < FEEDERS; i++) {
		struct feeder *feeder = &feeders[i];

		*feeder = (struct feeder){.task = suite_task(), .operation = operation};
		feeder->operation.task = &feeder->task;
		feeder->operation.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
		ck_assert_int_eq(pthread_create(&feeder->thread, NULL, run_feeder, feeder), 0);
	}
	for (int i = 0; i < ROUNDS / 2; i++) {
		happen(customers[i % 2], 40);
		happen(customers[2], 1);
		script(DELIVER "number % 4 > 0");
	}
	for (int i = 0; i < FEEDERS; i++) {
		ck_assert_int_eq(pthread_join(feeders[i].thread, NULL), 0);
		ck_assert_msg(feeders[i].kind == FAIL_NONE, "%s",
		              feeders[i].task.failure.message);
		db_free(feeders[i].operation.db);
		suite_task_end(&feeders[i].task);
	}
	drain();
	for (int i = 0; i < OTHERS; i++)
		check_all(customers[i]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fairness");
	TCase *tcase = tcase_create("fairness");

	tcase_set_timeout(tcase, 300);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_others_do_not_wait);
	tcase_add_test(tcase, test_failed_rows_stop_no_backlog);
	tcase_add_test(tcase, test_failing_customer_is_bounded);
	tcase_add_test(tcase, test_turns_with_little_room);
	tcase_add_test(tcase, test_reads_no_more_than_room);
	tcase_add_test(tcase, test_cursor_passes_without_pauses);
	tcase_add_test(tcase, test_backlogs_take_turns);
	tcase_add_test(tcase, test_random_steps);
	tcase_add_test(tcase, test_several_processes);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
