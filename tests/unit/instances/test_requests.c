/* test_requests.c: requests for bound licences: what is one, that each is answered once, and that what
 * the plan covers bounds how many machines have a licence. */
#include "support/usage_fixture.h"

#include <pthread.h>
#include <unistd.h>

#include "instances/requests.h"

#define NONCE "00112233445566778899aabbccddeeff"
#define GOOD                                                                                   \
	"{\"format\":\"global-billing-request-1\",\"instance_id\":\"a\","                      \
	"\"kind\":\"staging\",\"nonce\":\"" NONCE "\",\"versions\":{\"billing-agent\":\"1\"}}"

static void
setup(void)
{
	usage_setup();
	billing.plans.trial_usage.max_instances = 2;
}

static struct license_request
request_of(const char *instance_id)
{
	return (struct license_request){.instance_id = instance_id,
	                                .kind = "production",
	                                .nonce = random_id(task.arena, "", 16)};
}

static struct issued_license
answered(const struct license_request *request)
{
	struct issued_license license;

	fine(license_request_answer(&operation, customer_id, request, &license));
	return license;
}

static void
report_of(const char *instance_id)
{
	struct usage_report report = usage_sample(0, NULL, 1);
	bool created;

	report.instance_id = instance_id;
	ck_assert_int_gt(usage_store(&operation, &report, &created), 0);
}

static int64_t
days_left(const char *instance_id)
{
	return count_of("SELECT COALESCE(max(extract(epoch FROM lease_expires_at)::bigint), 0) "
	                "FROM instances WHERE customer_id = ",
	                arena_printf(task.arena, " AND instance_id = '%s'", instance_id)) /
	               (DAY_MS / SECOND_MS) -
	       operation.now_ms / DAY_MS;
}

/* A text of GOOD and what it becomes by a replacement; NULL: it stays good. */
static const struct {
	const char *from;
	const char *to;
	const char *why;
} texts[] = {
        {"\"a\"", "\"a\"", NULL},
        {"{\"billing-agent\":\"1\"}", "[{}],\"later\":null", NULL},
        {"\"kind\"", "\"customer_id\":null,\"kind\"", NULL},
        {"\"kind\"", "\"customer_id\":\"cust_1\",\"kind\"", "customer_id must be"},
        {"\"kind\"", "\"kin\"", "it has no kind"},
        {"staging", "test", "kind must be production, staging or development"},
        {"request-1", "license-1", "format must be global-billing-request-1"},
        {"\"a\"", "\"a b\"", "instance_id must be"},
        {"\"a\"", "\"\"", "instance_id must be"},
        {"\"a\"", "1", "it has no instance_id"},
        {NONCE, "0", "nonce must be 32 hex digits"},
        {NONCE, "00112233445566778899AABBCCDDEEFF", "nonce must be 32 hex digits"},
        {GOOD, "", "no small JSON object"},
        {GOOD, "[]", "no small JSON object"},
        {"}}", "}", "no small JSON object"},
};

START_TEST(test_texts)
{
	const char *at = strstr(GOOD, texts[_i].from);
	const char *text = arena_printf(task.arena, "%.*s%s%s", (int)(at - GOOD), GOOD,
	                                texts[_i].to, at + strlen(texts[_i].from));
	struct license_request request;
	enum fail kind = license_request_read(&task, text, &request);

	if (texts[_i].why == NULL) {
		fine(kind);
		ck_assert_str_eq(request.instance_id, "a");
		ck_assert_str_eq(request.kind, "staging");
		ck_assert_str_eq(request.nonce, NONCE);
		ck_assert_ptr_null(request.customer_id);
		return;
	}
	ck_assert_int_eq(kind, FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "request_invalid");
	ck_assert_msg(strstr(task.failure.message, texts[_i].why) != NULL, "%s",
	              task.failure.message);
}
END_TEST

START_TEST(test_a_long_file)
{
	struct license_request request;
	char text[8000];

	memset(text, ' ', sizeof(text));
	memcpy(text, GOOD, strlen(GOOD));
	text[sizeof(text) - 1] = '\0';
	refused(license_request_read(&task, text, &request), FAIL_INVALID, "request_invalid");
}
END_TEST

START_TEST(test_bound)
{
	struct license_request request = request_of("a");
	struct issued_license license = answered(&request), other;
	struct subscription subscription;

	ck_assert(says(&license, "\"instance\":\"a\""));
	ck_assert_str_eq(license.reason, "bound");
	ck_assert_int_ge(days_left("a"), 13);
	/* The customer's licence is another one, before and after. */
	fine(license_current(&operation, customer_id, &other, &subscription));
	ck_assert_str_ne(other.jti, license.jti);
	ck_assert(!says(&other, "\"instance\""));
	ck_assert(!other.fresh);
}
END_TEST

START_TEST(test_each_request_is_answered_once)
{
	struct license_request request = request_of("a"), other = request_of("b");
	struct issued_license first = answered(&request), again = answered(&request);

	ck_assert_str_eq(again.jti, first.jti);
	ck_assert_str_eq(again.token, first.token);
	other.nonce = request.nonce;
	refused(license_request_answer(&operation, customer_id, &other, &again), FAIL_CONFLICT,
	        "request_used");
	ck_assert_int_eq(count_of("SELECT count(*) FROM instances WHERE instance_id = 'b' AND "
	                          "customer_id = ",
	                          ""),
	                 0);
	/* Its token is kept for a day. */
	change("UPDATE licenses SET token = NULL WHERE customer_id = ", "");
	refused(license_request_answer(&operation, customer_id, &request, &again),
	        FAIL_CONFLICT, "request_used");
	request = request_of("a");
	again = answered(&request);
	ck_assert_str_ne(again.jti, first.jti);
}
END_TEST

START_TEST(test_the_plan_bounds_them)
{
	struct license_request request;
	struct issued_license license;
	struct instance instance;

	for (int i = 0; i < 4; i++) {
		request = request_of(i % 2 ? "a" : "b");
		(void)answered(&request);
	}
	request = request_of("c");
	refused(license_request_answer(&operation, customer_id, &request, &license),
	        FAIL_CONFLICT, "instance_limit");
	/* A report of the machine, which is never refused, makes no room. */
	report_of("c");
	refused(license_request_answer(&operation, customer_id, &request, &license),
	        FAIL_CONFLICT, "instance_limit");
	/* The room is taken as long as the licence lasts, and nothing was issued. */
	operation.now_ms += 13 * DAY_MS;
	refused(license_request_answer(&operation, customer_id, &request, &license),
	        FAIL_CONFLICT, "instance_limit");
	ck_assert_int_eq(count_of("SELECT count(*) FROM licenses WHERE instance_id = 'c' AND "
	                          "customer_id = ",
	                          ""),
	                 0);
	fine(instance_release(&operation, customer_id, "a", &instance));
	license = answered(&request);
	ck_assert(says(&license, "\"instance\":\"c\""));
}
END_TEST

/* A machine that is released or moved loses its bound licence, and a customer's own key does that so often
 * in a month. */
START_TEST(test_release_and_transfer_revoke)
{
	struct license_request request = request_of("a"), other = request_of("b");
	struct issued_license license = answered(&request), kept = answered(&other);
	struct instance instance;
	const char *payload;

	fine(instance_transfer(&operation, customer_id, "a", "c", &instance));
	ck_assert_int_eq(check(license.token, &payload), LICENSE_REVOKED);
	ck_assert_int_eq(check(kept.token, &payload), LICENSE_VALID);
	refused(license_request_answer(&operation, customer_id, &request, &license),
	        FAIL_CONFLICT, "request_used");
	operation.actor = "customer:test";
	fine(instance_release(&operation, customer_id, "b", &instance));
	ck_assert_int_eq(check(kept.token, &payload), LICENSE_REVOKED);
	ck_assert_int_eq(count_of("SELECT moves FROM instance_moves WHERE customer_id = ", ""),
	                 1);
	/* Nothing is bound to it any more. */
	fine(instance_release(&operation, customer_id, "b", &instance));
	ck_assert_int_eq(count_of("SELECT moves FROM instance_moves WHERE customer_id = ", ""),
	                 1);
}
END_TEST

/* A release that another thread does. */
struct releaser {
	pthread_t thread;
	struct task task;
	struct operation operation;
	enum fail kind;
};

static void *
release_a(void *argument)
{
	struct releaser *one = argument;
	struct instance instance;

	one->kind = instance_release(&one->operation, customer_id, "a", &instance);
	db_rollback_to(one->operation.db, 0);
	return NULL;
}

/* Until the release waits, or ten seconds are over. */
static void
await_waiting(struct db *db)
{
	for (int i = 0; i < 1000; i++) {
		if (database_number(db, &task,
		                    "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
			return;
		(void)usleep(10000);
	}
	ck_abort_msg("nothing waits");
}

/* Locks the customer's row of the table in the operation's transaction. */
static void
lock_row(const char *table, const char *what)
{
	database_script(operation.db, &task,
	                arena_printf(task.arena,
	                             "DO $$BEGIN PERFORM 1 FROM %s WHERE customer_id = '%s'%s "
	                             "FOR NO KEY UPDATE; END$$",
	                             table, customer_id, what));
}

/* An activation has the customer, and goes on to the instance: a release waits, and holds nothing. */
START_TEST(test_a_release_locks_the_customer_first)
{
	struct license_request request = request_of("a");
	struct releaser other = {.task = suite_task(), .operation = operation};
	struct db *watch = database_open(database_url(), DATABASE_PATIENT_MS, true);

	(void)answered(&request);
	other.task.request_id = "other";
	other.operation.task = &other.task;
	other.operation.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	fine(db_begin(operation.db, &task));
	lock_row("customers", "");
	ck_assert_int_eq(pthread_create(&other.thread, NULL, release_a, &other), 0);
	await_waiting(watch);
	lock_row("instances", " AND instance_id = 'a'");
	fine(db_commit(operation.db, &task));
	ck_assert_int_eq(pthread_join(other.thread, NULL), 0);
	ck_assert_int_eq(other.kind, FAIL_NONE);
	db_free(watch);
	db_free(other.operation.db);
	suite_task_end(&other.task);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("requests");
	TCase *tcase = tcase_create("bound licences");

	tcase_set_timeout(tcase, 300);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, setup, fixture_teardown);
	tcase_add_loop_test(tcase, test_texts, 0, (int)(sizeof(texts) / sizeof(*texts)));
	tcase_add_test(tcase, test_a_long_file);
	tcase_add_test(tcase, test_bound);
	tcase_add_test(tcase, test_each_request_is_answered_once);
	tcase_add_test(tcase, test_the_plan_bounds_them);
	tcase_add_test(tcase, test_release_and_transfer_revoke);
	tcase_add_test(tcase, test_a_release_locks_the_customer_first);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
