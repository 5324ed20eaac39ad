/* test_idempotency.c: one answer per key and caller, kept for a day, which others cannot
 * read. */
#include "support/billing_fixture.h"

#include "callers/idempotency.h"

static const char answer_text[] = "201\n{\"api_key\":\"cust_secret\"}";

static struct bytes
bytes_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

/* A use of a key that no other test has. */
static struct idempotency
use_of(const char *caller, const char *key, const char *request)
{
	return (struct idempotency){.caller = caller, .key = key, .request = bytes_of(request)};
}

static const char *
fresh_key(void)
{
	return random_id(task.arena, "key-", 12);
}

/* Claims in a transaction of its own and stores the answer. */
static void
answer(struct operation *by, struct idempotency *use)
{
	struct bytes stored;
	bool replay = true;

	fine(db_begin(by->db, by->task));
	fine(idempotency_claim(by, use, &stored, &replay));
	ck_assert(!replay);
	fine(idempotency_store(by, use, bytes_of(answer_text)));
	fine(db_commit(by->db, by->task));
}

/* Whether the key has an answer that this use may read. */
static bool
is_replayed(struct idempotency *use)
{
	struct bytes stored = {NULL, 0};
	bool replay = false;

	fine(db_begin(operation.db, &task));
	fine(idempotency_claim(&operation, use, &stored, &replay));
	db_rollback_to(operation.db, 0);
	if (replay) {
		ck_assert_uint_eq(stored.length, strlen(answer_text));
		ck_assert_mem_eq(stored.data, answer_text, stored.length);
	}
	return replay;
}

START_TEST(test_replay)
{
	struct idempotency use = use_of("operator:1", fresh_key(), "POST /a {}");

	ck_assert(!is_replayed(&use));
	answer(&operation, &use);
	for (int i = 0; i < 3; i++)
		ck_assert(is_replayed(&use));
}
END_TEST

START_TEST(test_scoped_by_caller_and_key)
{
	const char *key = fresh_key();
	struct idempotency use = use_of("operator:1", key, "POST /a {}");
	struct idempotency caller = use_of("operator:2", key, "POST /a {}");
	struct idempotency other = use_of("operator:1", fresh_key(), "POST /a {}");
	/* Caller and key divide the same characters differently. */
	struct idempotency divided =
	        use_of(arena_printf(task.arena, "operator:1%c", key[0]), key + 1, "POST /a {}");

	answer(&operation, &use);
	ck_assert(!is_replayed(&caller));
	ck_assert(!is_replayed(&other));
	ck_assert(!is_replayed(&divided));
	ck_assert(is_replayed(&use));
}
END_TEST

START_TEST(test_another_request)
{
	static const char *const others[] = {"POST /a {} ", "POST /a {", "POST /b {}", ""};
	const char *key = fresh_key();
	struct idempotency use = use_of("operator:1", key, "POST /a {}");
	struct bytes stored;
	bool replay;

	answer(&operation, &use);
	for (int i = 0; i < ROWS(others); i++) {
		struct idempotency other = use_of("operator:1", key, others[i]);

		fine(db_begin(operation.db, &task));
		refused(idempotency_claim(&operation, &other, &stored, &replay),
		        FAIL_UNPROCESSABLE, "idempotency_key_reused");
	}
	ck_assert(is_replayed(&use));
}
END_TEST

/* A second operation on a connection of its own. */
static struct operation
twin_of(struct task *own)
{
	struct operation twin = operation;

	*own = suite_task();
	own->request_id = "twin";
	twin.task = own;
	twin.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	return twin;
}

START_TEST(test_in_progress)
{
	struct idempotency use = use_of("operator:1", fresh_key(), "POST /a {}"), same = use;
	struct bytes stored;
	struct task own;
	struct operation twin = twin_of(&own);
	bool replay;

	fine(db_begin(twin.db, twin.task));
	fine(idempotency_claim(&twin, &use, &stored, &replay));
	fine(db_begin(operation.db, &task));
	refused(idempotency_claim(&operation, &same, &stored, &replay), FAIL_BUSY,
	        "idempotency_in_progress");
	/* A failed attempt leaves no trace. */
	if (_i == 0) {
		db_rollback_to(twin.db, 0);
		ck_assert(!is_replayed(&same));
		answer(&operation, &same);
	} else {
		fine(idempotency_store(&twin, &use, bytes_of(answer_text)));
		fine(db_commit(twin.db, twin.task));
	}
	ck_assert(is_replayed(&same));
	db_free(twin.db);
	suite_task_end(&own);
}
END_TEST

/* If two requests get past the claim, only one can store; the other is rolled back. */
START_TEST(test_only_one_can_store)
{
	struct idempotency use = use_of("operator:1", fresh_key(), "POST /a {}"), late = use;
	struct bytes stored;
	bool replay;

	fine(db_begin(operation.db, &task));
	fine(idempotency_claim(&operation, &late, &stored, &replay));
	db_rollback_to(operation.db, 0);
	answer(&operation, &use);
	fine(db_begin(operation.db, &task));
	refused(idempotency_store(&operation, &late, bytes_of("other")), FAIL_BUSY,
	        "idempotency_in_progress");
	ck_assert(is_replayed(&use));
}
END_TEST

START_TEST(test_kept_for_a_day)
{
	struct idempotency use = use_of("operator:1", fresh_key(), "POST /a {}");
	struct idempotency other = use_of("operator:1", use.key, "POST /b {}");

	answer(&operation, &use);
	operation.now_ms = NOW_MS + DAY_MS - 1;
	ck_assert(is_replayed(&use));
	/* After a day the key is free, also for another request, even before the job that
	 * deletes. */
	operation.now_ms = NOW_MS + DAY_MS;
	ck_assert(!is_replayed(&use));
	answer(&operation, &other);
	ck_assert(is_replayed(&other));
}
END_TEST

START_TEST(test_prune)
{
	struct idempotency old = use_of("operator:1", fresh_key(), "POST /a {}");
	struct idempotency young = use_of("operator:1", fresh_key(), "POST /a {}");
	int64_t pruned = -1, total = 0;

	answer(&operation, &old);
	operation.now_ms = NOW_MS + DAY_MS;
	answer(&operation, &young);
	operation.batch = 1;
	for (int i = 0; i < 1000 && pruned != 0; i++, total += pruned) {
		fine(idempotency_prune(&operation, &pruned));
		ck_assert_int_le(pruned, 1);
	}
	ck_assert_int_ge(total, 1);
	ck_assert(is_replayed(&young));
	operation.now_ms = NOW_MS;
	ck_assert(!is_replayed(&old));
}
END_TEST

/* The table shows neither the key nor the answer. */
START_TEST(test_the_table_hides_key_and_answer)
{
	struct idempotency use = use_of("operator:1", fresh_key(), "POST /a {\"email\":\"x\"}");
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);
	static const char *const secrets[] = {"api_key", "cust_secret", "email", NULL};

	answer(&operation, &use);
	for (int i = 0; i < ROWS(secrets); i++)
		ck_assert_int_eq(
		        database_number(
		                db, &task,
		                arena_printf(
		                        task.arena,
		                        "SELECT count(*) FROM idempotency_keys WHERE position("
		                        "convert_to('%s', 'UTF8') IN digest || sealed) > 0",
		                        secrets[i] ? secrets[i] : use.key)),
		        0);
	db_free(db);
}
END_TEST

/* A use on an account, with a key that no other use has. */
static struct idempotency
account_use(const char *account)
{
	struct idempotency use = use_of("customer:1", fresh_key(), "POST /a {}");

	use.account = account;
	return use;
}

static enum fail
claim_on(const char *account)
{
	struct idempotency use = account_use(account);
	struct bytes stored;
	enum fail kind;
	bool replay;

	fine(db_begin(operation.db, &task));
	kind = idempotency_claim(&operation, &use, &stored, &replay);
	db_rollback_to(operation.db, 0);
	return kind;
}

static void
set_counts(const char *column, long long value)
{
	database_script(operation.db, &task,
	                arena_printf(task.arena, "UPDATE idempotency_counts SET %s = %lld",
	                             column, value));
}

/* Answers of one account are counted, and refused beyond the bounds. Stored ones are replayed, and
 * other accounts, other days and operators are not affected. */
START_TEST(test_answers_of_an_account_are_bounded)
{
	static const struct {
		const char *column;
		long long bound;
	} bounds[] = {{"answers", IDEMPOTENCY_DAY_ANSWERS}, {"bytes", IDEMPOTENCY_DAY_BYTES}};

	for (int i = 0; i < ROWS(bounds); i++) {
		const char *account = fresh_key();
		struct idempotency use = account_use(account);

		answer(&operation, &use);
		set_counts(bounds[i].column, bounds[i].bound - 1);
		fine(claim_on(account));
		set_counts(bounds[i].column, bounds[i].bound);
		ck_assert_int_eq(claim_on(account), FAIL_LIMITED);
		ck_assert_str_eq(task.failure.code, "too_many_stored_answers");
		task_clear(&task);
		ck_assert(is_replayed(&use));
		fine(claim_on(fresh_key()));
		fine(claim_on(NULL));
		operation.now_ms += DAY_MS;
		fine(claim_on(account));
		operation.now_ms -= DAY_MS;
	}
}
END_TEST

START_TEST(test_an_answer_is_bounded)
{
	struct bytes large = {arena_alloc(task.arena, IDEMPOTENCY_ANSWER_MAX + 1),
	                      IDEMPOTENCY_ANSWER_MAX};
	struct idempotency use = account_use(fresh_key());
	struct bytes stored;
	bool replay;

	fine(db_begin(operation.db, &task));
	fine(idempotency_claim(&operation, &use, &stored, &replay));
	fine(idempotency_store(&operation, &use, large));
	large.length++;
	ck_assert_int_eq(idempotency_store(&operation, &use, large), FAIL_TOO_LARGE);
	task_clear(&task);
	db_rollback_to(operation.db, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("idempotency_db");
	TCase *tcase = fixture_case("idempotency");

	tcase_add_test(tcase, test_replay);
	tcase_add_test(tcase, test_scoped_by_caller_and_key);
	tcase_add_test(tcase, test_another_request);
	tcase_add_loop_test(tcase, test_in_progress, 0, 2);
	tcase_add_test(tcase, test_only_one_can_store);
	tcase_add_test(tcase, test_kept_for_a_day);
	tcase_add_test(tcase, test_prune);
	tcase_add_test(tcase, test_the_table_hides_key_and_answer);
	tcase_add_test(tcase, test_answers_of_an_account_are_bounded);
	tcase_add_test(tcase, test_an_answer_is_bounded);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
