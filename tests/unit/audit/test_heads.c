/* test_heads.c: signed heads show a chain that was made anew or lost its end, and whatever happens to
 * their file. */
#include "support/audit_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

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

/* Heads signed before a key was distrusted count, later ones do not. */
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

int
main(void)
{
	Suite *suite = suite_create("audit_heads");
	TCase *tcase = fixture_case("audit_heads");

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, test_a_chain_that_is_made_anew_differs_from_its_heads);
	tcase_add_test(tcase, test_a_chain_that_lost_its_end_differs_from_its_heads);
	tcase_add_test(tcase, test_a_head_is_signed_once_a_day);
	tcase_add_test(tcase, test_a_head_on_a_full_disk);
	tcase_add_test(tcase, test_a_lost_file_of_heads);
	tcase_add_test(tcase, test_the_backfill_excuses_nothing);
	tcase_add_test(tcase, test_heads_of_a_distrusted_key);
	tcase_add_test(tcase, test_heads_of_another_key_prove_nothing);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
