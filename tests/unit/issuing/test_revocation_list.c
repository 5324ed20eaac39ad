/* test_revocation_list.c: the signed list of revoked licences names each licence that is
 * revoked, stays small, and is signed once for each change. */
#include "support/billing_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "issuing/revocation_list.h"
#include "issuing/revocation_restore.h"
#include "issuing/signing_keys.h"
#include "licensing/revocations.h"

/* The list as a verifier reads it. */
static struct revocations
read_stored(struct stored_list *stored)
{
	struct revocations list;

	fine(revocation_list_current(&operation, stored));
	ck_assert_int_eq(revocations_read(&task, &keys, stored->token,
	                                  operation.now_ms / SECOND_MS, 0, FORGE_ISSUER, &list),
	                 LICENSE_VALID);
	ck_assert_int_eq(list.number, stored->number);
	return list;
}

static int64_t
run(void)
{
	int64_t done = -1;

	fine(revocation_list_run(&operation, &done));
	return done;
}

/* Whether the list revokes the customer's licence with that jti and second of issue. */
static bool
revokes(const struct revocations *list, const char *jti, int64_t issued_at_ms)
{
	return revocations_contains(
	        list, &(struct license_claims){.jti = jti,
	                                       .customer_id = customer_id,
	                                       .issued_at_s = issued_at_ms / SECOND_MS});
}

static const char *
rotate(void)
{
	struct issued_license license;
	struct subscription subscription;

	fine(license_rotate(&operation, customer_id, &license, &subscription));
	return license.jti;
}

static bool
is_named(const struct revocations *list, const char *id)
{
	for (size_t i = 0; i < list->before_count; i++)
		if (strcmp(list->before[i].customer_id, id) == 0)
			return true;
	return false;
}

/* Each test has a clock of its own. */
static void
forget_lists(void)
{
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);

	database_script(db, &task,
	                "DELETE FROM revocation_lists; DELETE FROM license_revocations; "
	                "DELETE FROM revoked_before");
	db_free(db);
}

START_TEST(test_a_change_is_signed_once)
{
	struct stored_list first, second;
	struct revocations list;

	(void)run();
	ck_assert_int_eq(run(), 0);
	list = read_stored(&first);
	ck_assert(!revokes(&list, signed_up.license->jti, NOW_MS));
	operation.now_ms += SECOND_MS;
	(void)rotate();
	ck_assert_int_eq(run(), 1);
	ck_assert_int_eq(run(), 0);
	list = read_stored(&second);
	ck_assert_int_eq(second.number, first.number + 1);
	ck_assert_int_eq(list.issued_at_s, operation.now_ms / SECOND_MS);
	ck_assert_int_eq(list.next_update_s, list.issued_at_s + 86400);
	ck_assert(revokes(&list, signed_up.license->jti, NOW_MS));
	ck_assert(!is_named(&list, customer_id));
}
END_TEST

/* Ends the time of the stored list, changes the issuer, and changes the key. */
START_TEST(test_a_list_is_replaced_in_time)
{
	struct stored_list before, after;

	(void)run();
	fine(revocation_list_current(&operation, &before));
	if (_i == 0)
		operation.now_ms += 12 * HOUR_MS + SECOND_MS;
	else if (_i == 1)
		billing.policy.issuer = "https://other.example.com";
	else
		billing.keys = other_keys;
	if (_i == 2) {
		/* This host does not know the key of the list yet, or any more. */
		ck_assert_int_eq(run(), 0);
		operation.now_ms += HOUR_MS + SECOND_MS;
	}
	ck_assert_int_eq(run(), 1);
	fine(revocation_list_current(&operation, &after));
	ck_assert_int_eq(after.number, before.number + 1);
	ck_assert_int_eq(run(), 0);
	if (_i == 2)
		operation.now_ms += 2 * HOUR_MS;
	billing.policy.issuer = FORGE_ISSUER;
	billing.keys = keys;
	(void)run();
}
END_TEST

/* Nine revoked licences become one entry; none of the licences in use is covered. */
START_TEST(test_many_licences_of_a_customer_are_one_entry)
{
	enum { ROTATIONS = REVOCATIONS_NAMED_MAX + 1 };
	const char *jtis[ROTATIONS + 1];
	int64_t issued_ms[ROTATIONS + 1];
	struct stored_list stored;
	struct revocations list;
	size_t named = 0;

	jtis[0] = signed_up.license->jti;
	issued_ms[0] = operation.now_ms;
	for (int i = 1; i <= ROTATIONS; i++) {
		operation.now_ms += HOUR_MS;
		jtis[i] = rotate();
		issued_ms[i] = operation.now_ms;
	}
	(void)run();
	list = read_stored(&stored);
	ck_assert(!revokes(&list, jtis[ROTATIONS], issued_ms[ROTATIONS]));
	for (int i = 0; i < ROTATIONS; i++)
		ck_assert_msg(revokes(&list, jtis[i], issued_ms[i]), "licence %d", i);
	ck_assert(is_named(&list, customer_id));
	for (size_t i = 0; i < list.count; i++)
		for (int j = 0; j < ROTATIONS; j++)
			named += strcmp(list.jtis[i], jtis[j]) == 0 ? 1 : 0;
	ck_assert_uint_le(named, 1);
	ck_assert_int_eq(count_of("SELECT count(*) FROM revoked_before WHERE customer_id = ",
	                          " AND before_at > now() - interval '100 years'"),
	                 1);
	/* Entries go when their last licence has expired. */
	operation.now_ms += 400 * DAY_MS;
	(void)run();
	list = read_stored(&stored);
	ck_assert(!is_named(&list, customer_id));
	ck_assert(!revokes(&list, jtis[0], issued_ms[0]));
}
END_TEST

/* The local jobs of another host hold the lock. */
START_TEST(test_one_process_signs)
{
	struct db *other = database_open(database_url(), DATABASE_PATIENT_MS, false);

	(void)run();
	(void)rotate();
	fine(db_begin(other, &task));
	ck_assert_int_eq(database_number(other, &task,
	                                 "SELECT 1 FROM pg_advisory_xact_lock(hashtextextended("
	                                 "'revocation-list', 0))"),
	                 1);
	ck_assert_int_eq(run(), 0);
	fine(db_commit(other, &task));
	ck_assert_int_eq(run(), 1);
	db_free(other);
}
END_TEST

START_TEST(test_figures)
{
	struct revocation_list_figures figures;

	(void)run();
	operation.now_ms += SECOND_MS;
	(void)rotate();
	fine(revocation_list_figures(&operation, &figures));
	ck_assert(figures.unlisted_since.known);
	ck_assert_int_eq(figures.unlisted_since.ms, operation.now_ms);
	(void)run();
	fine(revocation_list_figures(&operation, &figures));
	ck_assert(!figures.unlisted_since.known && !figures.behind_since.known);
	ck_assert_str_eq(figures.kid, keys.items[0].kid);
	ck_assert_int_gt(figures.entries, 0);
	ck_assert_int_gt(figures.bytes, 500);
}
END_TEST

static int64_t
publish(void)
{
	int64_t done = 0;

	fine(revocation_publish_run(&operation, &done));
	return done;
}

/* A script on a connection of its own. */
static void
run_script(const char *sql)
{
	struct db *db = database_open(database_url(), 600000, false);

	database_script(db, &task, sql);
	db_free(db);
}

/* The backup is from before two revocations; one of the licences was issued after it. */
START_TEST(test_a_restored_database_forgets_no_revocation)
{
	char path[] = "/tmp/billing-list-XXXXXX";
	int file = mkstemp(path);
	const struct lost_revocation *lost;
	struct revocation_list_figures figures;
	struct stored_list published, after;
	const char *second;
	struct revocations list;
	size_t count;

	billing.policy.revocations_file = path;
	operation.now_ms += SECOND_MS;
	second = rotate();
	operation.now_ms += SECOND_MS;
	(void)rotate();
	(void)run();
	ck_assert_int_eq(publish(), 1);
	ck_assert_int_eq(publish(), 0);
	fine(revocation_list_current(&operation, &published));
	run_script(
	        arena_printf(task.arena,
	                     "DELETE FROM revocation_lists; DELETE FROM license_revocations; "
	                     "DELETE FROM revoked_before; "
	                     "DELETE FROM licenses WHERE jti = '%s'; "
	                     "UPDATE licenses SET revoked_at = NULL, revoke_reason = NULL "
	                     "WHERE jti = '%s'",
	                     second, signed_up.license->jti));
	(void)publish();
	list = read_stored(&after);
	ck_assert_int_eq(after.number, published.number + 1);
	ck_assert(revokes(&list, signed_up.license->jti, NOW_MS));
	ck_assert(revokes(&list, second, NOW_MS));
	ck_assert_int_eq(check(signed_up.license->token, &(const char *){NULL}),
	                 LICENSE_REVOKED);
	fine(revocation_list_figures(&operation, &figures));
	ck_assert(figures.behind_since.known);
	ck_assert_str_eq(revocation_list_fault(&operation, &figures),
	                 "the database is behind the published list: it was restored from a "
	                 "backup");
	fine(revocation_restore_list(&operation, &lost, &count));
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(lost[0].customer_id, customer_id);
	ck_assert_str_eq(lost[0].jti, signed_up.license->jti);
	ck_assert_str_eq(lost[0].status, "trialing");
	ck_assert_ptr_null(lost[1].customer_id);
	ck_assert_str_eq(lost[1].jti, second);
	/* The customer is told of the licence that the database has. */
	ck_assert_int_eq(
	        count_of("SELECT count(*) FROM events WHERE type = 'license.revoked' "
	                 "AND data #>> '{licenses,0,revoke_reason}' = 'restored' "
	                 "AND data ->> 'count' = '1' AND customer_id = ",
	                 arena_printf(task.arena, " AND data #>> '{licenses,0,jti}' = '%s'",
	                              signed_up.license->jti)),
	        1);
	/* It is found once, and ends with an operator's word. */
	ck_assert_int_eq(publish(), 0);
	fine(revocation_restore_resolve(&operation));
	fine(revocation_list_figures(&operation, &figures));
	ck_assert(!figures.behind_since.known);
	ck_assert_ptr_null(revocation_list_fault(&operation, &figures));
	(void)close(file);
	(void)unlink(path);
}
END_TEST

static bool
is_distrusted(const char *kid)
{
	const struct signing_key *rows;
	size_t count;

	fine(signing_key_list(&operation, &rows, &count));
	return strcmp(signing_key_find(rows, count, kid)->state, "distrusted") == 0;
}

/* The list names a key that is distrusted, without any licence of it. A database that was restored to
 * before that distrusts the key again, also when it does not know the key that signed the list. */
START_TEST(test_a_restored_database_distrusts_again)
{
	char path[] = "/tmp/billing-list-XXXXXX";
	int file = mkstemp(path);
	struct revocations list;
	struct stored_list stored;

	billing.policy.revocations_file = path;
	(void)run();
	run_script("INSERT INTO signing_keys (kid, public_pem, state, added_at) "
	           "VALUES ('stolen', '', 'added', now())");
	operation.now_ms += SECOND_MS;
	fine(signing_keys_lock(&operation));
	fine(signing_key_distrust(&operation, "stolen", "it was stolen"));
	fine(db_commit(operation.db, &task));
	ck_assert_int_eq(run(), 1);
	list = read_stored(&stored);
	ck_assert_uint_eq(list.distrusted_count, 1);
	ck_assert_str_eq(list.distrusted[0], "stolen");
	ck_assert_int_eq(publish(), 1);
	run_script("DELETE FROM revocation_lists; UPDATE signing_keys SET state = 'current', "
	           "distrusted_at = NULL WHERE kid = 'stolen'");
	billing.keys = (struct license_keys){0};
	ck_assert_int_eq(publish(), 0);
	ck_assert(!is_distrusted("stolen"));
	billing.keys = other_keys;
	(void)publish();
	ck_assert(is_distrusted("stolen"));
	billing.keys = keys;
	run_script("DELETE FROM signing_keys");
	operation.now_ms += 2 * HOUR_MS;
	(void)run();
	(void)close(file);
	(void)unlink(path);
}
END_TEST

/* A licence in use that is older than a crowd of revoked ones is revoked with them, and told. */
START_TEST(test_a_crowd_takes_what_is_older)
{
	struct stored_list stored;
	struct revocations list;

	billing.policy.license_ttl_days = 1;
	run_script(arena_printf(
	        task.arena,
	        "INSERT INTO licenses (jti, customer_id, kid, plan, reason, fingerprint, "
	        "  issued_at, expires_at) SELECT 'lic_' || n || '_%s', '%s', 'k', 'starter', "
	        "  'rotated', '', to_timestamp(%lld), to_timestamp(%lld) "
	        "FROM generate_series(1, 102) n; "
	        "UPDATE licenses SET revoked_at = to_timestamp(%lld), "
	        "  revoke_reason = 'rotated' WHERE kid = 'k' AND customer_id = '%s'",
	        customer_id, customer_id, (long long)(NOW_MS / SECOND_MS + 60),
	        (long long)(NOW_MS / SECOND_MS + 86400), (long long)(NOW_MS / SECOND_MS + 60),
	        customer_id));
	operation.now_ms += HOUR_MS;
	(void)run();
	list = read_stored(&stored);
	ck_assert(revokes(&list, signed_up.license->jti, NOW_MS));
	ck_assert_int_eq(
	        count_of("SELECT count(*) FROM events WHERE type = 'license.revoked' "
	                 "AND data #>> '{licenses,0,revoke_reason}' = 'superseded' "
	                 "AND data ->> 'count' = '1' AND customer_id = ",
	                 arena_printf(task.arena, " AND data #>> '{licenses,0,jti}' = '%s'",
	                              signed_up.license->jti)),
	        1);
}
END_TEST

/* Customers with 200 revoked licences each; a million of licences with FULL=1. */
static int
fill_many(void)
{
	const char *full = getenv("FULL");
	int customers = full != NULL && strcmp(full, "1") == 0 ? 5000 : 100;

	run_script(arena_printf(
	        task.arena,
	        "INSERT INTO customers (customer_id, email) SELECT "
	        "'cust_' || lpad(to_hex(n), 32, '0'), 'many' || n || '@example.com' "
	        "FROM generate_series(1, %d) n; "
	        "INSERT INTO licenses (jti, customer_id, kid, plan, reason, fingerprint, "
	        "  issued_at, expires_at) "
	        "SELECT 'lic_' || n || '_' || i, 'cust_' || lpad(to_hex(n), 32, '0'), 'k', "
	        "  'starter', 'rotated', '', to_timestamp(%lld) - make_interval(hours => i), "
	        "  to_timestamp(%lld) "
	        "FROM generate_series(1, %d) n, generate_series(1, 200) i; "
	        "UPDATE licenses SET revoked_at = to_timestamp(%lld), "
	        "  revoke_reason = 'rotated' WHERE kid = 'k'; "
	        "ANALYZE licenses; ANALYZE license_revocations",
	        customers, (long long)(NOW_MS / SECOND_MS),
	        (long long)((NOW_MS + 300 * DAY_MS) / SECOND_MS), customers,
	        (long long)(NOW_MS / SECOND_MS)));
	return customers;
}

/* Milliseconds that the fastest of some reads of the stored list takes. */
static double
time_of_reading(void)
{
	int64_t best_us = INT64_MAX;

	for (int i = 0; i < 20; i++) {
		int64_t start_us = clock_monotonic_us(), took_us;
		struct stored_list stored;

		fine(revocation_list_current(&operation, &stored));
		took_us = clock_monotonic_us() - start_us;
		best_us = took_us < best_us ? took_us : best_us;
	}
	return (double)best_us / 1000;
}

/* The list stays small, is read quickly, and has a further revocation soon. */
START_TEST(test_many_revoked_licences)
{
	int customers = fill_many();
	int64_t start_us = clock_monotonic_us(), first_us, next_us;
	struct stored_list stored;
	struct revocations list;
	double read_ms;

	ck_assert_int_eq(run(), 1);
	first_us = clock_monotonic_us() - start_us;
	operation.now_ms += SECOND_MS;
	(void)rotate();
	start_us = clock_monotonic_us();
	ck_assert_int_eq(run(), 1);
	next_us = clock_monotonic_us() - start_us;
	list = read_stored(&stored);
	ck_assert(revokes(&list, signed_up.license->jti, NOW_MS));
	ck_assert_uint_eq(list.before_count, (size_t)customers);
	ck_assert_uint_le(list.count, (size_t)customers + 1);
	for (int i = 1; i <= customers; i++)
		ck_assert(is_named(&list,
		                   arena_printf(task.arena, "cust_%032x", (unsigned int)i)));
	read_ms = time_of_reading();
	ck_assert_uint_lt(strlen(stored.token), 1000000);
	ck_assert_double_lt(read_ms, 5);
	printf("revocation list: %d licences revoked, %zu bytes, read in %.2f ms, signed first "
	       "in "
	       "%.0f ms, then in %.0f ms\n",
	       customers * 200, strlen(stored.token), read_ms, (double)first_us / 1000,
	       (double)next_us / 1000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("revocation_list");
	TCase *tcase = fixture_case("revocation_list");

	tcase_add_checked_fixture(tcase, forget_lists, NULL);
	tcase_add_test(tcase, test_a_change_is_signed_once);
	tcase_add_loop_test(tcase, test_a_list_is_replaced_in_time, 0, 3);
	tcase_add_test(tcase, test_many_licences_of_a_customer_are_one_entry);
	tcase_add_test(tcase, test_one_process_signs);
	tcase_add_test(tcase, test_figures);
	tcase_add_test(tcase, test_many_revoked_licences);
	tcase_add_test(tcase, test_a_restored_database_forgets_no_revocation);
	tcase_add_test(tcase, test_a_restored_database_distrusts_again);
	tcase_add_test(tcase, test_a_crowd_takes_what_is_older);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
