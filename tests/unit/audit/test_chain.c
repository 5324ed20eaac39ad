/* test_chain.c: the chain over the audit trail takes every entry once, whatever the order of commits,
 * and shows each change of it. */
#include "support/billing_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/verify.h"
#include "base/text.h"
#include "billing/audit.h"
#include "json/view.h"

enum { WRITERS = 8, ENTRIES = 40 };

static const char *
new_path(void)
{
	return arena_printf(task.arena, "/tmp/%s", random_id(task.arena, "audit-heads-", 8));
}

static void
run_script(const char *sql)
{
	struct db *db = database_open(database_url(), 10000, false);

	database_script(db, &task, sql);
	db_free(db);
}

/* Changes what the superuser alone can. */
static void
force(const char *sql)
{
	run_script(arena_printf(task.arena, "SET session_replication_role = replica; %s", sql));
}

/* Each test has a trail of its own, at the time of the database. */
static void
begin(void)
{
	struct instant now;

	force("TRUNCATE audit_log, audit_chain, audit_pending; "
	      "UPDATE audit_backfill SET done_id = 0, last_id = 0, ended_at = now()");
	fine(db_clock(operation.db, &task, &now));
	operation.now_ms = now.ms;
	operation.batch = 7;
	billing.policy.audit_heads_file = new_path();
}

static void
end(void)
{
	(void)unlink(billing.policy.audit_heads_file);
}

static void
write_entries(int count)
{
	for (int i = 0; i < count; i++)
		fine(audit_record(&operation, "test", customer_id, NULL,
		                  arena_printf(task.arena, "entry %d", i)));
}

/* Chains all that waits; how many that were. */
static int64_t
chain(void)
{
	int64_t done, total = 0;

	do {
		fine(audit_chain_run(&operation, &done));
		total += done;
	} while (done > 0);
	return total;
}

static struct audit_verdict
verify_with(const struct audit_head_keys *head_keys)
{
	struct audit_verdict verdict;
	const char *heads;

	fine(audit_heads_file(&task, billing.policy.audit_heads_file, &heads));
	fine(audit_verify(&operation, head_keys, heads, &verdict));
	return verdict;
}

static struct audit_verdict
verify(void)
{
	return verify_with(&(struct audit_head_keys){.keys = &keys});
}

/* Exactly one fault of this kind. */
static void
finds(const char *fault)
{
	struct audit_verdict verdict = verify();

	ck_assert_int_eq(verdict.found, 1);
	ck_assert_str_eq(verdict.faults[0].fault, fault);
}

static void
sign_head(void)
{
	int64_t done;

	fine(audit_heads_run(&operation, &done));
}

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

/* A chain that is made anew meets the signed heads. */
START_TEST(test_a_chain_that_is_made_anew_differs_from_its_heads)
{
	write_entries(5);
	ck_assert_int_eq(chain(), 5);
	sign_head();
	ck_assert_int_eq(verify().heads, 1);
	run_script("UPDATE audit_log SET actor = 'operator:x' WHERE detail = 'entry 1'; "
	           "TRUNCATE audit_chain; "
	           "INSERT INTO audit_pending SELECT audit_id FROM audit_log");
	ck_assert_int_eq(chain(), 5);
	finds("head");
}
END_TEST

START_TEST(test_a_chain_that_lost_its_end_differs_from_its_heads)
{
	write_entries(5);
	ck_assert_int_eq(chain(), 5);
	sign_head();
	run_script("DELETE FROM audit_chain WHERE position > 3; "
	           "DELETE FROM audit_log WHERE detail IN ('entry 3', 'entry 4')");
	finds("head");
}
END_TEST

START_TEST(test_a_head_is_signed_once_a_day)
{
	struct audit_verdict verdict;
	const char *text;

	write_entries(2);
	ck_assert_int_eq(chain(), 2);
	sign_head();
	sign_head();
	operation.now_ms += DAY_MS;
	sign_head();
	verdict = verify();
	ck_assert_int_eq(verdict.heads, 2);
	ck_assert_int_eq(verdict.found, 0);
	/* A line that a crash has cut is a fault until another head follows. */
	fine(audit_heads_file(&task, billing.policy.audit_heads_file, &text));
	ck_assert_int_eq(truncate(billing.policy.audit_heads_file, (off_t)strlen(text) - 9), 0);
	finds("head_line");
	sign_head();
	verdict = verify();
	ck_assert_int_eq(verdict.heads, 2);
	ck_assert_int_eq(verdict.torn, 1);
	ck_assert_int_eq(verdict.found, 0);
}
END_TEST

/* A disk that is full after part of a line leaves the file as it was. */
START_TEST(test_a_head_on_a_full_disk)
{
	const char *path = billing.policy.audit_heads_file;
	struct rlimit before, full;
	struct stat status;
	enum fail kind;
	int64_t done;

	write_entries(1);
	ck_assert_int_eq(chain(), 1);
	sign_head();
	operation.now_ms += DAY_MS;
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	full = (struct rlimit){(rlim_t)status.st_size + 20, before.rlim_max};
	(void)signal(SIGXFSZ, SIG_IGN);
	/* libcheck writes to a file of its own at each assertion. */
	(void)setrlimit(RLIMIT_FSIZE, &full);
	kind = audit_heads_run(&operation, &done);
	(void)setrlimit(RLIMIT_FSIZE, &before);
	refused(kind, FAIL_UNAVAILABLE, "file_unwritable");
	full.rlim_cur = (rlim_t)status.st_size;
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_size, (off_t)full.rlim_cur);
	sign_head();
	ck_assert_int_eq(verify().heads, 2);
	ck_assert_int_eq(verify().found, 0);
}
END_TEST

/* A chain that is old enough has a signed head, so a lost file is found. */
START_TEST(test_a_lost_file_of_heads)
{
	write_entries(2);
	ck_assert_int_eq(chain(), 2);
	operation.now_ms += AUDIT_HEAD_DAYS_MAX * DAY_MS;
	ck_assert_int_eq(verify().found, 0);
	operation.now_ms += HOUR_MS;
	finds("no_head");
	sign_head();
	ck_assert_int_eq(verify().found, 0);
	(void)unlink(billing.policy.audit_heads_file);
	finds("no_head");
}
END_TEST

/* The row of the backfill cannot be changed so that it excuses an entry, and a superuser's change of
 * it differs from the heads. */
START_TEST(test_the_backfill_excuses_nothing)
{
	static const char *const changes_of_row[] = {
	        "last_id = 1000000, done_id = 1000000",
	        "last_id = 1000000",
	        "done_id = -1",
	        "done_id = 1000000",
	        "ended_at = now() + interval '1 day'",
	        "ended_at = NULL",
	};

	for (size_t i = 0; i < ROWS(changes_of_row); i++) {
		run_script(arena_printf(task.arena,
		                        "DO $$ BEGIN UPDATE audit_backfill SET %s; "
		                        "RAISE division_by_zero; EXCEPTION "
		                        "WHEN raise_exception THEN NULL; END $$",
		                        changes_of_row[i]));
	}
	write_entries(2);
	ck_assert_int_eq(chain(), 2);
	operation.now_ms += SECOND_MS;
	write_entries(2);
	ck_assert_int_eq(chain(), 2);
	operation.now_ms += SECOND_MS;
	sign_head();
	run_script("INSERT INTO audit_log (actor, action, request_id, happened_at) "
	           "VALUES ('x', 'x', 'x', now() - interval '3 hours')");
	ck_assert_int_eq(chain(), 1);
	finds("backdated");
	force("UPDATE audit_backfill SET last_id = (SELECT max(audit_id) FROM audit_log), "
	      "done_id = (SELECT max(audit_id) FROM audit_log), ended_at = now()");
	finds("backfill");
	force("UPDATE audit_backfill SET last_id = 0, done_id = 0, "
	      "ended_at = now() + interval '1 day'");
	ck_assert_int_eq(verify().found, 2);
	force("DELETE FROM audit_backfill");
	ck_assert_int_eq(verify().found, 2);
	force("INSERT INTO audit_backfill (last_id, ended_at) VALUES (0, now())");
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

/* Heads of before a key was distrusted count, later ones do not. */
START_TEST(test_heads_of_a_distrusted_key)
{
	struct audit_lost_key lost = {license_keys_signing(&keys)->kid,
	                              INSTANT_MS(operation.now_ms + HOUR_MS)};
	const struct audit_head_keys head_keys = {&keys, &lost, 1};

	write_entries(1);
	ck_assert_int_eq(chain(), 1);
	sign_head();
	ck_assert_int_eq(verify_with(&head_keys).heads, 1);
	ck_assert_int_eq(verify_with(&head_keys).found, 0);
	lost.distrusted_at.ms -= 2 * HOUR_MS;
	ck_assert_int_eq(verify_with(&head_keys).heads, 0);
	ck_assert_int_eq(verify_with(&head_keys).found, 1);
}
END_TEST

START_TEST(test_heads_of_another_key_prove_nothing)
{
	write_entries(1);
	ck_assert_int_eq(chain(), 1);
	billing.keys = other_keys;
	sign_head();
	finds("head_line");
}
END_TEST

/* Entries of before the chain are taken some at a time, beside new ones; also a multiple of that. */
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
	writing.db = database_open(database_url(), 10000, false);
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
	chaining.db = database_open(database_url(), 10000, false);
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
	tcase_add_test(tcase, test_a_chain_that_is_made_anew_differs_from_its_heads);
	tcase_add_test(tcase, test_a_chain_that_lost_its_end_differs_from_its_heads);
	tcase_add_test(tcase, test_a_head_is_signed_once_a_day);
	tcase_add_test(tcase, test_a_head_on_a_full_disk);
	tcase_add_test(tcase, test_a_lost_file_of_heads);
	tcase_add_test(tcase, test_the_backfill_excuses_nothing);
	tcase_add_test(tcase, test_time_that_goes_back);
	tcase_add_test(tcase, test_heads_of_another_key_prove_nothing);
	tcase_add_test(tcase, test_heads_of_a_distrusted_key);
	tcase_add_loop_test(tcase, test_older_entries_are_chained, 20, 22);
	tcase_add_test(tcase, test_writers_and_two_chainers);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
