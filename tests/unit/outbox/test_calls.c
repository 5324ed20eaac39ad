/* test_calls.c: the life of a recorded call of Stripe: it is recorded once, found by the
 * client's key, tried again, parked and deleted. */
#include "support/stripe_fixture.h"

#include "outbox/call_records.h"
#include "outbox/fetch.h"

static const struct intent intent = {.key = {{1}}, .request = {{2}}};

/* Some functions end the transaction, so each test has an empty table and empties it again. */
static void
setup(void)
{
	static const struct statement clear = {.name = "test_clear",
	                                       .sql = "DELETE FROM stripe_calls"};

	stripe_setup();
	fine(db_run(operation.db, &task, &clear, NO_PARAMETERS, NULL));
}

static struct stripe_call
wanted(const char *kind, const char *subject)
{
	return (struct stripe_call){.kind = kind,
	                            .customer_id = customer_id,
	                            .subject = subject,
	                            .path = "/v1/things",
	                            .parameters = "email=a%40example.com"};
}

static struct stripe_call
plan(const char *kind, const char *subject, int64_t delay_ms)
{
	struct stripe_call call = wanted(kind, subject), out;

	fine(stripe_call_write(&operation, &call, delay_ms, &out));
	return out;
}

/* "checkout:pending/0 customer_update:done/2": all calls, with their attempts. */
static const char *
calls_now(void)
{
	static const struct statement statement = {
	        .name = "test_calls_now",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(kind || ':' || state || '/' || attempts || CASE WHEN "
	               "parameters = '' THEN '' ELSE '*' END, ' ' ORDER BY call_id) AS text "
	               "FROM stripe_calls"};

	return stripe_text(&statement, NO_PARAMETERS);
}

static const char *
error_of(int64_t call_id)
{
	static const struct statement statement = {
	        .name = "test_error_of",
	        STRIPE_TEXT,
	        .sql = "SELECT COALESCE(error, 'none') AS text FROM stripe_calls "
	               "WHERE call_id = $1::bigint"};

	return stripe_text(&statement, PARAMETERS(param_int(&task, call_id)));
}

static void
set(int64_t call_id, const char *state, int64_t attempts, int64_t finished_days_ago)
{
	static const struct statement statement = {
	        .name = "test_set_call",
	        .sql = "UPDATE stripe_calls SET state = $2, attempts = $3::integer, "
	               "next_try_at = "
	               "CASE WHEN $2 = 'pending' THEN next_try_at END, finished_at = CASE WHEN "
	               "$2 "
	               "<> 'pending' THEN $4::timestamptz END WHERE call_id = $1::bigint"};

	fine(db_run(operation.db, &task, &statement,
	            PARAMETERS(param_int(&task, call_id), state, param_int(&task, attempts),
	                       param_time(&task, AT(-finished_days_ago))),
	            NULL));
}

START_TEST(test_plan)
{
	struct stripe_call call = plan(STRIPE_CHANGE, "sub_1", 0), other;

	ck_assert(call.is_new);
	ck_assert_int_eq(call.created_at.ms, NOW_MS);
	ck_assert_uint_eq(strlen(call.idempotency_key), 35);
	ck_assert(text_starts_with(call.idempotency_key, "gb_"));
	other = plan(STRIPE_CHANGE, "sub_1", 0);
	ck_assert(other.is_new);
	ck_assert_str_ne(other.idempotency_key, call.idempotency_key);
}
END_TEST

/* The client's key finds its call in any state, and is refused for another request. */
START_TEST(test_intent)
{
	static const char *const states[] = {"pending", "done", "failed", "parked"};
	struct intent reused = {intent.key, {{3}}};
	struct stripe_call call = wanted(STRIPE_CHANGE, "sub_1"), first, again;
	bool found;

	fine(stripe_call_known(&operation, &again, &found));
	ck_assert(!found);
	operation.intent = &intent;
	call.by_client = true;
	fine(stripe_call_known(&operation, &again, &found));
	ck_assert(!found);
	fine(stripe_call_write(&operation, &call, 0, &first));
	ck_assert(first.is_new);
	set(first.call_id, states[_i], 1, 0);
	fine(stripe_call_write(&operation, &call, 0, &again));
	ck_assert(!again.is_new);
	ck_assert_int_eq(again.call_id, first.call_id);
	ck_assert_str_eq(again.state, states[_i]);
	fine(stripe_call_known(&operation, &again, &found));
	ck_assert(found && again.call_id == first.call_id);
	operation.intent = &reused;
	refused(stripe_call_known(&operation, &again, &found), FAIL_UNPROCESSABLE,
	        "idempotency_key_reused");
	refused(stripe_call_write(&operation, &call, 0, &again), FAIL_UNPROCESSABLE,
	        "idempotency_key_reused");
	/* A call that the client did not request has no intent. */
	operation.intent = &intent;
	again = plan(STRIPE_CUSTOMER_CREATE, NULL, 0);
	ck_assert(again.is_new);
}
END_TEST

START_TEST(test_one_creation)
{
	struct stripe_call first = plan(STRIPE_CUSTOMER_CREATE, NULL, 60000), again;

	again = plan(STRIPE_CUSTOMER_CREATE, NULL, 0);
	ck_assert(!again.is_new);
	ck_assert_int_eq(again.call_id, first.call_id);
	ck_assert_str_eq(again.idempotency_key, first.idempotency_key);
	set(first.call_id, "failed", 1, 0);
	again = plan(STRIPE_CUSTOMER_CREATE, NULL, 0);
	ck_assert(again.is_new);
	stripe_customer();
	ck_assert(plan(STRIPE_CUSTOMER_CREATE, NULL, 0).is_new);
}
END_TEST

/* Parameters that name a person are deleted when the call is done. */
START_TEST(test_done)
{
	const struct stripe_answer answer = {
	        .outcome = STRIPE_DONE, .request_id = "req_1", .attempts = 2};
	struct stripe_call update = plan(STRIPE_CUSTOMER_UPDATE, "cus_1", 0);
	struct stripe_call change = plan(STRIPE_CHANGE, "sub_1", 0);

	fine(stripe_call_done(&operation, &update, &answer, "cus_1"));
	fine(stripe_call_done(&operation, &change, &answer, NULL));
	ck_assert_str_eq(calls_now(), "customer_update:done/2 subscription_change:done/2*");
}
END_TEST

static const struct {
	struct stripe_answer answer;
	const char *kind, *state, *error;
	enum fail fail;
} failures[] = {
        {{.outcome = STRIPE_REFUSED,
          .status = 402,
          .error_type = "card_error",
          .error_code = "card_declined"},
         STRIPE_CHANGE,
         "failed",
         "card_declined",
         FAIL_PAYMENT},
        {{.outcome = STRIPE_REFUSED, .status = 400, .error_type = "invalid_request_error"},
         STRIPE_CHECKOUT,
         "failed",
         "invalid_request_error",
         FAIL_STRIPE},
        {{.outcome = STRIPE_REFUSED, .status = 404, .error_code = "resource_missing"},
         STRIPE_CUSTOMER_CREATE,
         "failed",
         "resource_missing",
         FAIL_NOT_FOUND},
        {{.outcome = STRIPE_REFUSED, .status = 404, .error_code = "resource_missing"},
         STRIPE_CUSTOMER_UPDATE,
         "parked",
         "resource_missing",
         FAIL_NOT_FOUND},
        {{.outcome = STRIPE_REFUSED, .status = 401},
         STRIPE_CANCEL,
         "parked",
         "status_401",
         FAIL_STRIPE},
        {{.outcome = STRIPE_NOT_NOW, .status = 429},
         STRIPE_CHANGE,
         "pending",
         "status_429",
         FAIL_STRIPE},
        {{.outcome = STRIPE_NOT_NOW}, STRIPE_CANCEL, "pending", "no_answer", FAIL_STRIPE},
        {{.outcome = STRIPE_UNKNOWN}, STRIPE_CHANGE, "pending", "no_answer", FAIL_STRIPE},
        {{.outcome = STRIPE_UNKNOWN, .status = 500, .error_type = "api_error"},
         STRIPE_CHECKOUT,
         "pending",
         "api_error",
         FAIL_STRIPE},
};

/* A refused call has ended; a call with an unknown outcome is due at once. */
START_TEST(test_failed)
{
	struct stripe_answer answer = failures[_i].answer;
	struct stripe_call call = plan(failures[_i].kind, "x_1", HOUR_MS), taken;
	const struct stripe_call *rows;
	size_t rows_count;
	bool found;

	answer.attempts = 3;
	answer.error_param = "items[0][id]";
	answer.error_message = "Words of Stripe's.";
	fine(db_begin(operation.db, &task));
	ck_assert_int_eq(stripe_call_failed(&operation, &call, &answer), failures[_i].fail);
	task_clear(&task);
	ck_assert_int_eq(db_depth(operation.db), 0);
	ck_assert_msg(strstr(calls_now(), arena_printf(task.arena, "%s:%s/3", failures[_i].kind,
	                                               failures[_i].state)) != NULL,
	              "%s", calls_now());
	ck_assert_str_eq(error_of(call.call_id), failures[_i].error);
	fine(stripe_call_list(&operation, failures[_i].state, 1, &rows, &rows_count));
	ck_assert_int_eq(rows[0].call_id, call.call_id);
	if (answer.outcome == STRIPE_REFUSED) {
		ck_assert_str_eq(rows[0].error_param, answer.error_param);
		ck_assert_str_eq(rows[0].error_message, answer.error_message);
	}
	fine(stripe_call_take(&operation, &taken, &found));
	ck_assert_int_eq(found, text_equal(failures[_i].state, "pending"));
	/* A call that has ended does not change any more. */
	set(call.call_id, "done", 5, 0);
	answer.error_code = "late";
	ck_assert_int_ne(stripe_call_failed(&operation, &call, &answer), FAIL_NONE);
	task_clear(&task);
	ck_assert(strstr(calls_now(), ":done/5") != NULL);
}
END_TEST

/* An operator ends a parked call; what it says why stands in the audit trail. */
START_TEST(test_dismiss)
{
	struct stripe_call call = plan(STRIPE_CANCEL, "sub_1", 0);

	ck_assert_int_eq(stripe_call_dismiss(&operation, call.call_id, "why"), FAIL_NOT_FOUND);
	ck_assert_str_eq(task.failure.code, "call_not_found");
	task_clear(&task);
	db_rollback_to(operation.db, 0);
	set(call.call_id, "parked", 12, 0);
	fine(stripe_call_dismiss(&operation, call.call_id, "cancelled in the dashboard"));
	ck_assert_str_eq(calls_now(), "subscription_cancel:failed/12*");
	ck_assert_int_eq(audited("stripe_call_dismiss"), 1);
}
END_TEST

START_TEST(test_drop)
{
	struct stripe_call sent = plan(STRIPE_CHANGE, "sub_1", 0);
	struct stripe_call done = plan(STRIPE_CHECKOUT, "cus_1", 0);
	struct stripe_call unsent = plan(STRIPE_CUSTOMER_UPDATE, "cus_1", 0);

	set(sent.call_id, "pending", 1, 0);
	set(done.call_id, "done", 0, 0);
	fine(stripe_call_drop(&operation, &sent));
	fine(stripe_call_drop(&operation, &done));
	fine(stripe_call_drop(&operation, &unsent));
	ck_assert_str_eq(calls_now(), "subscription_change:pending/1* checkout:done/0*");
}
END_TEST

/* The deletion of a customer deletes its updates and the parameters that name it. Cancellations
 * must still reach Stripe. */
START_TEST(test_forget)
{
	struct stripe_call parked, create;

	(void)plan(STRIPE_CUSTOMER_UPDATE, "cus_1", 0);
	(void)plan(STRIPE_CHECKOUT, "cus_1", 0);
	(void)plan(STRIPE_CANCEL, "sub_1", 0);
	parked = plan(STRIPE_CUSTOMER_UPDATE, "cus_1", 0);
	set(parked.call_id, "parked", 1, 0);
	create = plan(STRIPE_CUSTOMER_CREATE, NULL, 0);
	set(create.call_id, "parked", 12, 0);
	(void)plan(STRIPE_CUSTOMER_CREATE, NULL, 0);
	fine(stripe_call_forget(&operation, "cust_00000000000000000000000000000000"));
	fine(stripe_call_forget(&operation, customer_id));
	ck_assert_str_eq(calls_now(),
	                 "subscription_cancel:pending/0* customer_create:pending/0*");
}
END_TEST

static bool
begin_and_take(struct operation *process)
{
	struct stripe_call call;
	bool found;

	fine(db_begin(process->db, &task));
	fine(stripe_call_take(process, &call, &found));
	return found;
}

/* A call that is being sent is not deleted, and one that is being deleted is not sent. */
START_TEST(test_forget_beside_sending)
{
	struct operation sender = operation;

	sender.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	(void)plan(STRIPE_CUSTOMER_UPDATE, "cus_1", 0);
	ck_assert(begin_and_take(&sender));
	fine(stripe_call_forget(&operation, customer_id));
	ck_assert_str_eq(calls_now(), "customer_update:pending/0*");
	db_rollback_to(sender.db, 0);
	fine(db_begin(operation.db, &task));
	fine(stripe_call_forget(&operation, customer_id));
	ck_assert(!begin_and_take(&sender));
	db_rollback_to(sender.db, 0);
	fine(db_commit(operation.db, &task));
	ck_assert(!begin_and_take(&sender));
	ck_assert_str_eq(calls_now(), "");
	db_free(sender.db);
}
END_TEST

static bool
is_pending(const char *kind, const char *subject)
{
	bool out;

	fine(stripe_call_is_pending(&operation, kind, subject, &out));
	return out;
}

START_TEST(test_is_pending)
{
	struct stripe_call call = plan(STRIPE_CANCEL, "sub_1", 0), later;
	bool newer;

	ck_assert(is_pending(STRIPE_CANCEL, "sub_1"));
	ck_assert(is_pending(NULL, "sub_1"));
	ck_assert(!is_pending(STRIPE_CHANGE, "sub_1"));
	ck_assert(!is_pending(STRIPE_CANCEL, "sub_2"));
	set(call.call_id, "parked", 1, 0);
	ck_assert(!is_pending(NULL, "sub_1"));
	fine(stripe_call_has_newer(&operation, &call, &newer));
	ck_assert(!newer);
	(void)plan(STRIPE_CHANGE, "sub_1", 0);
	(void)plan(STRIPE_CANCEL, "sub_2", 0);
	fine(stripe_call_has_newer(&operation, &call, &newer));
	ck_assert(!newer);
	later = plan(STRIPE_CANCEL, "sub_1", 0);
	fine(stripe_call_has_newer(&operation, &call, &newer));
	ck_assert(newer);
	fine(stripe_call_has_newer(&operation, &later, &newer));
	ck_assert(!newer);
}
END_TEST

static const char *
take(void)
{
	struct stripe_call call;
	bool found;

	fine(stripe_call_take(&operation, &call, &found));
	return found ? call.subject : "none";
}

START_TEST(test_take)
{
	(void)plan(STRIPE_CHANGE, "later", 2 * HOUR_MS);
	(void)plan(STRIPE_CHANGE, "sooner", HOUR_MS);
	ck_assert_str_eq(take(), "none");
	operation.now_ms += HOUR_MS - 1;
	ck_assert_str_eq(take(), "none");
	operation.now_ms += 1;
	ck_assert_str_eq(take(), "sooner");
	operation.now_ms += 2 * HOUR_MS;
	ck_assert_str_eq(take(), "sooner");
}
END_TEST

static struct stripe_call
again(int64_t delay_ms)
{
	struct stripe_call call;
	bool found;

	operation.now_ms += delay_ms - 1;
	fine(stripe_call_take(&operation, &call, &found));
	ck_assert(!found);
	operation.now_ms += 1;
	fine(stripe_call_take(&operation, &call, &found));
	ck_assert(found);
	return call;
}

/* Delays grow, and the call is parked after the last one. */
START_TEST(test_postpone)
{
	struct stripe_call call = plan(STRIPE_CUSTOMER_UPDATE, "cus_1", 0);

	for (int i = 0; i < 12; i++) {
		ck_assert_int_eq(call.attempts, i);
		fine(stripe_call_postpone(&operation, &call, "unknown_customer", true));
		call = again(stripe_retry_delay_ms(i, 12));
	}
	/* A try while Stripe is away does not count. */
	for (int i = 0; i < 3; i++) {
		fine(stripe_call_postpone(&operation, &call, "stripe_error", false));
		call = again(60 * SECOND_MS);
	}
	fine(stripe_call_postpone(&operation, &call, "unknown_customer", true));
	ck_assert_str_eq(calls_now(), "customer_update:parked/12*");
	ck_assert_str_eq(error_of(call.call_id), "unknown_customer");
	set(call.call_id, "failed", 12, 0);
	fine(stripe_call_postpone(&operation, &call, "late", false));
	fine(stripe_call_postpone(&operation, &call, "late", true));
	ck_assert_str_eq(error_of(call.call_id), "unknown_customer");
}
END_TEST

START_TEST(test_end)
{
	struct stripe_call update = plan(STRIPE_CUSTOMER_UPDATE, "cus_1", 0);
	struct stripe_call parked = plan(STRIPE_CUSTOMER_UPDATE, "cus_2", 0);

	fine(stripe_call_end(&operation, &update, "done", "superseded"));
	fine(stripe_call_end(&operation, &parked, "parked", "by_hand"));
	fine(stripe_call_end(&operation, &update, "failed", "late"));
	ck_assert_str_eq(calls_now(), "customer_update:done/0 customer_update:parked/0*");
	/* The event names it as the command that tries it again does. */
	ck_assert_int_eq(count_of("SELECT count(*) FROM events e JOIN stripe_calls k "
	                          "ON e.data ->> 'id' = 'call:' || k.call_id "
	                          "WHERE e.type = 'stripe.parked' AND k.customer_id = ",
	                          ""),
	                 1);
}
END_TEST

START_TEST(test_parked)
{
	const struct stripe_call *rows;
	struct stripe_call_figures figures;
	struct stripe_call first = plan(STRIPE_CANCEL, "sub_1", 0);
	struct stripe_call second = plan(STRIPE_CANCEL, "sub_2", 0);
	struct stripe_call other = plan(STRIPE_CANCEL, "sub_3", 0);
	int64_t count;
	size_t rows_count;

	set(first.call_id, "parked", 12, 0);
	set(second.call_id, "parked", 7, 0);
	fine(stripe_call_figures(&operation, &figures));
	ck_assert_int_eq(figures.pending, 1);
	ck_assert_int_eq(figures.parked, 2);
	fine(stripe_call_list(&operation, "parked", 1, &rows, &rows_count));
	ck_assert_uint_eq(rows_count, 1);
	ck_assert_int_eq(rows[0].call_id, first.call_id);
	fine(stripe_call_retry(&operation, other.call_id, &count));
	ck_assert_int_eq(count, 0);
	fine(stripe_call_retry(&operation, second.call_id, &count));
	ck_assert_int_eq(count, 1);
	fine(stripe_call_retry(&operation, 0, &count));
	ck_assert_int_eq(count, 1);
	fine(stripe_call_figures(&operation, &figures));
	ck_assert_int_eq(figures.pending, 3);
}
END_TEST

/* A retried call gets a new key: Stripe replays its answer to the old one. */
START_TEST(test_retry_takes_a_new_key)
{
	struct stripe_call call = plan(STRIPE_CANCEL, "sub_1", 0), taken;
	const char *key = call.idempotency_key;
	int64_t count;
	bool found;

	for (int i = 0; i < 2; i++) {
		set(call.call_id, "parked", 12 + i, 0);
		fine(stripe_call_retry(&operation, 0, &count));
		fine(stripe_call_take(&operation, &taken, &found));
		ck_assert(found);
		ck_assert_str_ne(taken.idempotency_key, key);
		ck_assert_uint_lt(strlen(taken.idempotency_key), 100);
		ck_assert(text_starts_with(taken.idempotency_key,
		                           arena_printf(task.arena, "%.35s_", key)));
		key = taken.idempotency_key;
	}
}
END_TEST

/* Only one of several parked creations of a customer is retried; all other calls are. */
START_TEST(test_retry_one_creation)
{
	struct stripe_call parked[2];
	int64_t count;

	for (int i = 0; i < 2; i++) {
		parked[i] = plan(STRIPE_CUSTOMER_CREATE, NULL, 0);
		set(parked[i].call_id, "parked", 12, 0);
	}
	set(plan(STRIPE_CANCEL, "sub_1", 0).call_id, "parked", 12, 0);
	if (_i == 1)
		(void)plan(STRIPE_CUSTOMER_CREATE, NULL, 0);
	fine(stripe_call_retry(&operation, 0, &count));
	ck_assert_int_eq(count, _i == 1 ? 1 : 2);
	fine(stripe_call_retry(&operation, parked[0].call_id, &count));
	ck_assert_int_eq(count, 0);
}
END_TEST

START_TEST(test_prune)
{
	static const struct {
		const char *state;
		int64_t days;
	} rows[] = {
	        {"done", 91}, {"failed", 91}, {"parked", 91}, {"pending", 91}, {"done", 89}};
	int64_t pruned;

	for (int i = 0; i < ROWS(rows); i++)
		set(plan(STRIPE_CANCEL, "sub_1", 0).call_id, rows[i].state, 1, rows[i].days);
	operation.batch = 1;
	fine(stripe_call_prune(&operation, &pruned));
	ck_assert_int_eq(pruned, 1);
	operation.batch = 100;
	fine(stripe_call_prune(&operation, &pruned));
	ck_assert_int_eq(pruned, 1);
	ck_assert_str_eq(calls_now(),
	                 "subscription_cancel:parked/1* subscription_cancel:pending/1* "
	                 "subscription_cancel:done/1*");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe calls");
	TCase *tcase = tcase_create("stripe calls");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, fixture_teardown);
	tcase_add_test(tcase, test_plan);
	tcase_add_loop_test(tcase, test_intent, 0, 4);
	tcase_add_test(tcase, test_one_creation);
	tcase_add_test(tcase, test_done);
	tcase_add_loop_test(tcase, test_failed, 0, ROWS(failures));
	tcase_add_test(tcase, test_dismiss);
	tcase_add_test(tcase, test_drop);
	tcase_add_test(tcase, test_forget);
	tcase_add_test(tcase, test_forget_beside_sending);
	tcase_add_test(tcase, test_is_pending);
	tcase_add_test(tcase, test_take);
	tcase_add_test(tcase, test_postpone);
	tcase_add_test(tcase, test_end);
	tcase_add_test(tcase, test_parked);
	tcase_add_test(tcase, test_retry_takes_a_new_key);
	tcase_add_loop_test(tcase, test_retry_one_creation, 0, 2);
	tcase_add_test(tcase, test_prune);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
