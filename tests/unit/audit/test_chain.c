/* test_chain.c: the chain over the audit trail takes every entry once, whatever the order of commits,
 * and shows each change of it. */
#include "support/audit_fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { WRITERS = 8, ENTRIES = 40 };

START_TEST(test_every_entry_is_chained_once)
{
	struct audit_verdict verdict;

	write_entries(20);
	ck_assert_int_eq(verify().waiting, 20);
	ck_assert_int_eq(chain(), 20);
	ck_assert_int_eq(chain(), 0);
	write_entries(3);
	ck_assert_int_eq(chain(), 3);
	verdict = verify();
	ck_assert_int_eq(verdict.found, 0);
	ck_assert_int_eq(verdict.links, 23);
	ck_assert_int_eq(verdict.entries, 23);
	ck_assert_int_eq(verdict.position, 23);
	ck_assert_int_eq(verdict.waiting, 0);
}
END_TEST

/* Changes of the trail by a superuser, and the fault that each shows. */
static const struct {
	const char *sql;
	const char *fault;
} changes[] = {
        {"UPDATE audit_log SET actor = 'operator:x' WHERE detail = 'entry 5'", "changed"},
        {"UPDATE audit_log SET detail = NULL WHERE detail = 'entry 5'", "changed"},
        {"UPDATE audit_log SET happened_at = now() - interval '1 day' WHERE detail = 'entry 0'",
         "changed"},
        {"UPDATE audit_log SET value_after = '{}' WHERE detail = 'entry 9'", "changed"},
        {"DELETE FROM audit_log WHERE detail = 'entry 5'", "removed"},
        {"DELETE FROM audit_log WHERE detail = 'entry 9'", "removed"},
        {"WITH a AS (DELETE FROM audit_log WHERE detail = 'entry 5' RETURNING audit_id) "
         "DELETE FROM audit_chain c USING a WHERE c.audit_id = a.audit_id",
         "link_missing"},
        {"UPDATE audit_chain SET hash = sha256('x') WHERE position = 10", "changed"},
        {"SET session_replication_role = replica; "
         "INSERT INTO audit_log (actor, action, request_id) VALUES ('x', 'x', 'x')",
         "inserted"},
};

START_TEST(test_a_changed_trail_is_found)
{
	write_entries(10);
	ck_assert_int_eq(chain(), 10);
	run_script(changes[_i].sql);
	finds(changes[_i].fault);
}
END_TEST

START_TEST(test_an_entry_of_another_time_is_found)
{
	write_entries(2);
	ck_assert_int_eq(chain(), 2);
	operation.now_ms += SECOND_MS;
	write_entries(2);
	ck_assert_int_eq(chain(), 2);
	operation.now_ms += SECOND_MS;
	run_script("INSERT INTO audit_log (actor, action, request_id, happened_at) "
	           "VALUES ('x', 'x', 'x', now() - interval '3 hours')");
	ck_assert_int_eq(chain(), 1);
	finds("backdated");
}
END_TEST

/* An entry that is removed before it is chained has a link all the same. */
START_TEST(test_an_entry_that_is_removed_at_once_is_found)
{
	write_entries(3);
	run_script("DELETE FROM audit_log WHERE detail = 'entry 1'");
	ck_assert_int_eq(chain(), 3);
	finds("removed");
}
END_TEST

/* A link whose time goes back makes no later entry look young. */
START_TEST(test_time_that_goes_back)
{
	write_entries(1);
	ck_assert_int_eq(chain(), 1);
	operation.now_ms += SECOND_MS;
	write_entries(1);
	ck_assert_int_eq(chain(), 1);
	operation.now_ms -= 4 * HOUR_MS;
	write_entries(1);
	ck_assert_int_eq(chain(), 1);
	operation.now_ms += SECOND_MS;
	run_script("INSERT INTO audit_log (actor, action, request_id, happened_at) "
	           "VALUES ('x', 'x', 'x', now() - interval '4 hours')");
	ck_assert_int_eq(chain(), 1);
	finds("backdated");
}
END_TEST

/* Entries older than the chain are taken some at a time, beside new ones; also a multiple of that. */
START_TEST(test_older_entries_are_chained)
{
	force(arena_printf(
	        task.arena,
	        "INSERT INTO audit_log (actor, action, request_id, happened_at) "
	        "SELECT 'x', 'x', 'x', now() - interval '3 days' FROM generate_series(1, %d); "
	        "UPDATE audit_backfill SET done_id = 0, ended_at = NULL, "
	        "last_id = (SELECT max(audit_id) FROM audit_log)",
	        _i));
	write_entries(5);
	sign_head();
	ck_assert_int_eq(verify().found, 0);
	ck_assert_int_eq(chain(), _i + 5);
	operation.now_ms += SECOND_MS;
	write_entries(1);
	ck_assert_int_eq(chain(), 1);
	ck_assert_int_eq(verify().found, 0);
	ck_assert_int_eq(verify().links, _i + 6);
	/* Their ids excuse no later link. */
	ck_assert_int_eq(database_number(operation.db, &task,
	                                 "SELECT count(*) FROM audit_backfill "
	                                 "WHERE done_id = last_id AND ended_at IS NOT NULL"),
	                 1);
	ck_assert_int_eq(chain(), 0);
	operation.now_ms += DAY_MS;
	sign_head();
	ck_assert_int_eq(verify().heads, 2);
	ck_assert_int_eq(verify().found, 0);
}
END_TEST

/* Writes entries, with a random pause before each commit. */
static void *
write_slowly(void *context)
{
	unsigned int seed = (unsigned int)*(int *)context;
	struct task own = {.arena = arena_new((size_t)16 * 1024 * 1024), .request_id = "r"};
	struct operation writing = operation;
	bool fine_so_far = true;

	writing.task = &own;
	writing.db = database_open(database_url(), DATABASE_PATIENT_MS, false);
	for (int i = 0; i < ENTRIES && fine_so_far; i++) {
		fine_so_far = db_begin(writing.db, &own) == FAIL_NONE &&
		              audit_record(&writing, "race", NULL, NULL, NULL) == FAIL_NONE;
		(void)usleep((useconds_t)(rand_r(&seed) % 5000));
		fine_so_far = fine_so_far && db_commit(writing.db, &own) == FAIL_NONE;
	}
	db_free(writing.db);
	arena_free(own.arena);
	return fine_so_far ? NULL : context;
}

/* Chains until told to stop. */
static atomic_bool stopping;

static void *
chain_along(void *context)
{
	struct task own = {.arena = arena_new((size_t)16 * 1024 * 1024), .request_id = "r"};
	struct operation chaining = operation;
	enum fail kind = FAIL_NONE;
	int64_t done;

	(void)context;
	chaining.task = &own;
	chaining.db = database_open(database_url(), DATABASE_PATIENT_MS, false);
	while (!atomic_load(&stopping) && kind == FAIL_NONE)
		kind = audit_chain_run(&chaining, &done);
	db_free(chaining.db);
	arena_free(own.arena);
	return kind == FAIL_NONE ? NULL : &stopping;
}

/* Two processes chain while many write: no entry is missed or taken twice, and no writer waits. */
START_TEST(test_writers_and_two_chainers)
{
	pthread_t writers[WRITERS], chainers[2];
	int seeds[WRITERS];
	void *failed;

	atomic_store(&stopping, false);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&chainers[i], NULL, chain_along, NULL), 0);
	for (int i = 0; i < WRITERS; i++) {
		seeds[i] = i + 1;
		ck_assert_int_eq(pthread_create(&writers[i], NULL, write_slowly, &seeds[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(writers[i], &failed);
		ck_assert_ptr_null(failed);
	}
	atomic_store(&stopping, true);
	for (int i = 0; i < 2; i++) {
		pthread_join(chainers[i], &failed);
		ck_assert_ptr_null(failed);
	}
	(void)chain();
	ck_assert_int_eq(verify().found, 0);
	ck_assert_int_eq(verify().links, WRITERS * ENTRIES);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("audit_chain");
	TCase *tcase = fixture_case("audit_chain");

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, test_every_entry_is_chained_once);
	tcase_add_loop_test(tcase, test_a_changed_trail_is_found, 0, ROWS(changes));
	tcase_add_test(tcase, test_an_entry_of_another_time_is_found);
	tcase_add_test(tcase, test_an_entry_that_is_removed_at_once_is_found);
	tcase_add_test(tcase, test_time_that_goes_back);
	tcase_add_loop_test(tcase, test_older_entries_are_chained, 20, 22);
	tcase_add_test(tcase, test_writers_and_two_chainers);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
