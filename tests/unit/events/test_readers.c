/* test_readers.c: a reader beside 64 writers, which commit after random delays, gets every event once,
 * and each customer's in the order of a sequence without gaps. FULL=1: 100 000 events. */
#include "support/database.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/random.h"
#include "events/log.h"
#include "events/reader.h"

enum { WRITERS = 64, CUSTOMERS = 40, EVENTS = 24, EVENTS_FULL = 1563, DELAY_US_MAX = 4000 };

static struct task task;
static const char *customers[CUSTOMERS];
static int64_t events_each;
static atomic_int writing;
static atomic_bool failed;
static uint64_t seed;

static struct operation
operation_of(struct task *own)
{
	struct operation operation = {
	        .task = own, .db = database_open(database_url(), DATABASE_PATIENT_MS, true)};
	struct instant now;

	ck_assert_int_eq(db_clock(operation.db, own, &now), FAIL_NONE);
	operation.now_ms = now.ms;
	return operation;
}

static void
pause_a_while(uint64_t *random)
{
	(void)usleep((useconds_t)(suite_random(random) % DELAY_US_MAX));
}

static const struct statement own_id = {.name = "test_own_id",
                                        .sql = "WITH id AS (SELECT pg_current_xact_id()) "
                                               "SELECT * FROM id"};
static const struct statement at_once = {
        .name = "test_event_at_once",
        .sql = "WITH added AS (SELECT event_add('key.created', $1, now(), '{}')) "
               "SELECT * FROM added"};

/* One transaction: it gets its id, waits, and writes one event, by itself or with the COMMIT. One in
 * eight writes another one in an inner transaction that it rolls back. */
static enum fail
write_one(struct operation *operation, uint64_t *random)
{
	const char *customer = customers[suite_random(random) % CUSTOMERS];
	struct task *own = operation->task;
	uint64_t way = suite_random(random) % 8;

	TRY(db_begin(operation->db, own));
	if (way % 4 != 0)
		TRY(db_run(operation->db, own, &own_id, NO_PARAMETERS, NULL));
	pause_a_while(random);
	if (way == 0) {
		TRY(db_begin(operation->db, own));
		TRY(event_write(operation, EVENT_KEY_REVOKED, customer, "{}"));
		db_rollback_to(operation->db, 1);
	}
	if (way % 2 == 0) {
		TRY(event_write(operation, EVENT_KEY_CREATED, customer, "{}"));
	} else {
		TRY(db_run(operation->db, own, &at_once, PARAMETERS(customer), NULL));
		pause_a_while(random);
	}
	return db_commit(operation->db, own);
}

static void *
write_all(void *context)
{
	uint64_t random = seed + (uint64_t) * (int *)context;
	struct task own = suite_task();
	struct operation operation = operation_of(&own);

	for (int64_t i = 0; i < events_each && !atomic_load(&failed); i++) {
		if (write_one(&operation, &random) != FAIL_NONE)
			atomic_store(&failed, true);
		if (i % 100 == 0)
			arena_reset(own.arena);
	}
	atomic_fetch_sub(&writing, 1);
	db_free(operation.db);
	suite_task_end(&own);
	return NULL;
}

/* How many events come behind the cursor, each next in its customer's sequence. */
static int64_t
read_on(struct operation *operation, struct event_cursor *cursor, int64_t *sequences)
{
	struct event_batch batch;

	ck_assert_int_eq(
	        event_batch_read(operation, &(struct event_filter){0}, *cursor, 200, &batch),
	        FAIL_NONE);
	for (size_t i = 0; i < batch.count; i++) {
		for (size_t c = 0; c < CUSTOMERS; c++)
			if (strcmp(customers[c], batch.rows[i].customer_id) == 0)
				ck_assert_int_eq(batch.rows[i].sequence, ++sequences[c]);
		ck_assert_str_eq(batch.rows[i].type, "key.created");
	}
	*cursor = batch.place;
	return (int64_t)batch.count;
}

START_TEST(test_no_event_is_missed)
{
	struct operation operation = operation_of(&task);
	int64_t sequences[CUSTOMERS] = {0}, seen = 0, more = 0;
	struct event_cursor cursor;
	pthread_t writers[WRITERS];
	int numbers[WRITERS];

	for (size_t c = 0; c < CUSTOMERS; c++)
		customers[c] = random_id(task.arena, "cust_", 16);
	ck_assert_int_eq(event_cursor_now(&operation, &cursor), FAIL_NONE);
	atomic_store(&writing, WRITERS);
	for (int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&writers[i], NULL, write_all, &numbers[i]), 0);
	}
	while (atomic_load(&writing) > 0 || more > 0) {
		more = read_on(&operation, &cursor, sequences);
		seen += more;
	}
	for (int i = 0; i < WRITERS; i++)
		(void)pthread_join(writers[i], NULL);
	while ((more = read_on(&operation, &cursor, sequences)) > 0)
		seen += more;
	printf("readers: %lld events\n", (long long)seen);
	ck_assert(!atomic_load(&failed));
	ck_assert_int_eq(seen, WRITERS * events_each);
	db_free(operation.db);
}
END_TEST

static void
setup(void)
{
	task = suite_task();
	seed = suite_seed("readers");
	events_each = getenv("FULL") != NULL ? EVENTS_FULL : suite_is_slow() ? 2 : EVENTS;
}

static void
teardown(void)
{
	suite_task_end(&task);
}

int
main(void)
{
	Suite *suite = suite_create("event_readers");
	TCase *tcase = tcase_create("event_readers");

	tcase_set_timeout(tcase, 600);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_no_event_is_missed);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
