/* test_erasure.c: a customer with very many events is deleted at once, and its events lose their names some at
 * a time. */
#include "support/billing_fixture.h"

#include "accounts/erasure.h"

#define ERASURES "SELECT count(*) FROM customer_erasures WHERE customer_id = "
#define NAMED "SELECT count(*) FROM events WHERE data::text LIKE '%Forget%' AND customer_id = "
#define OWN                                                                                    \
	"SELECT count(*) FROM events WHERE data::text LIKE '%customer_deleted%' AND "          \
	"customer_id = "
#define NUMBER_OF "SELECT count(*) FROM events WHERE customer_id = "

/* Adds events of a type behind those that there are, as if they were written long ago. */
static void
add_events(int64_t count, const char *type, const char *data)
{
	change(arena_printf(
	               task.arena,
	               "INSERT INTO events (position, number, event_id, type, customer_id, "
	               "sequence, created_at, data) SELECT s.position, "
	               "nextval('event_numbers'), gen_random_uuid(), '%s', s.customer_id, "
	               "0, now(), '%s' FROM event_sequences s, generate_series(1, %lld) "
	               "WHERE s.customer_id = ",
	               type, data, (long long)count),
	       "");
}

static void
add_named(void)
{
	add_events(1, "customer.updated", "{\"company_name\": \"Forget Me\", \"plan\": \"x\"}");
	add_events(1, "key.created", "{\"name\": \"Forget Me\"}");
	add_events(1, "license.revoked",
	           "{\"licenses\": [{\"jti\": \"x\", \"reason\": \"Forget Me\"}]}");
}

/* Runs the job until nothing of the customer is left to do. */
static int64_t
erase_all(void)
{
	int64_t erased = 1, steps = 0;

	for (; count_of(ERASURES, "") > 0; steps++) {
		fine(account_erase_run(&operation, &erased));
		ck_assert_int_le(erased, ERASURE_EVENTS);
	}
	return steps;
}

START_TEST(test_many_events)
{
	int64_t before;

	add_named();
	add_events((int64_t)2 * ERASURE_EVENTS, "instance.activated",
	           "{\"instance_id\": \"a\"}");
	add_named();
	before = count_of(NUMBER_OF, "");
	ck_assert_int_eq(count_of(NAMED, ""), 6);
	fine(account_delete(&operation, customer_id));
	/* The first ones are erased with the deletion. */
	ck_assert_int_eq(count_of(NAMED, ""), 3);
	ck_assert_int_eq(count_of(ERASURES, ""), 1);
	ck_assert_int_eq(erase_all(), 2);
	ck_assert_int_eq(count_of(NAMED, ""), 0);
	/* Events stay, and those of the deletion say why. */
	ck_assert_int_gt(count_of(NUMBER_OF, ""), before);
	ck_assert_int_ge(count_of(OWN, ""), 1);
	ck_assert_int_eq(count_of(NUMBER_OF, " AND type = 'customer.updated' AND "
	                                     "data::jsonb = '{\"plan\": \"x\"}'"),
	                 2);
}
END_TEST

/* The request erases what few events there are, and leaves nothing to the job. */
START_TEST(test_few_events)
{
	add_named();
	fine(account_delete(&operation, customer_id));
	ck_assert_int_eq(count_of(NAMED, ""), 0);
	ck_assert_int_eq(count_of(ERASURES, ""), 0);
}
END_TEST

/* A step that is cut off is done again. */
START_TEST(test_a_step_that_is_cut_off)
{
	int64_t erased;

	add_events((int64_t)2 * ERASURE_EVENTS, "instance.lost", "{\"instance_id\": \"a\"}");
	add_named();
	fine(account_delete(&operation, customer_id));
	fine(db_begin(operation.db, &task));
	fine(account_erase_run(&operation, &erased));
	db_rollback_to(operation.db, 0);
	ck_assert_int_eq(count_of(NAMED, ""), 3);
	(void)erase_all();
	ck_assert_int_eq(count_of(NAMED, ""), 0);
}
END_TEST

/* An erasure that fails does not keep others waiting. */
START_TEST(test_a_step_that_fails)
{
	int64_t erased;

	add_events(ERASURE_EVENTS, "instance.lost", "{\"instance_id\": \"a\"}");
	add_events(1, "customer.updated", "{\"company_name\": \"\\u0000\"}");
	fine(account_delete(&operation, customer_id));
	change("INSERT INTO customer_erasures SELECT 'zzz', -1, -1, 0, 0, try_at "
	       "FROM customer_erasures WHERE customer_id = ",
	       "");
	operation.now_ms += SECOND_MS;
	ck_assert_int_ne(account_erase_run(&operation, &erased), FAIL_NONE);
	db_rollback_to(operation.db, 0);
	task_clear(&task);
	fine(account_erase_run(&operation, &erased));
	ck_assert_int_eq(count_of("SELECT count(*) FROM customer_erasures WHERE customer_id = "
	                          "'zzz' AND '' <> ",
	                          ""),
	                 0);
	ck_assert_int_eq(count_of(ERASURES, ""), 1);
	/* It is tried again. */
	operation.now_ms += 60 * SECOND_MS;
	ck_assert_int_ne(account_erase_run(&operation, &erased), FAIL_NONE);
	db_rollback_to(operation.db, 0);
	task_clear(&task);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("erasure");
	TCase *tcase = fixture_case("erasure");

	tcase_add_test(tcase, test_many_events);
	tcase_add_test(tcase, test_few_events);
	tcase_add_test(tcase, test_a_step_that_is_cut_off);
	tcase_add_test(tcase, test_a_step_that_fails);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
