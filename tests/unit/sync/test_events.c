/* test_events.c: the life of an event: it is stored once, taken when due, tried again, parked
 * and deleted. */
#include "support/stripe_fixture.h"

#include "outbox/calls.h"
#include "sync/events.h"

/* Each test runs in a transaction that is rolled back, and begins with an empty queue. */
static void
setup(void)
{
	static const struct statement clear = {.name = "test_clear",
	                                       .sql = "DELETE FROM stripe_events"};

	stripe_setup();
	fine(db_begin(operation.db, &task));
	fine(db_run(operation.db, &task, &clear, NO_PARAMETERS, NULL));
}

static struct stripe_event
event(const char *id, const char *subject)
{
	return (struct stripe_event){.id = id,
	                             .type = "customer.subscription.updated",
	                             .api_version = "2025-03-31.basil",
	                             .created = AT(-1),
	                             .ref = {.family = subject == NULL ? NULL : "subscription",
	                                     .subject = subject,
	                                     .customer = "cus_1",
	                                     .customer_id = customer_id}};
}

static const char payload[] = "{\"a\":\"\\\\\xc3\xa9\\u0000'\" }\n";

static bool
receive(const struct stripe_event *one)
{
	bool is_new = false;

	fine(stripe_event_receive(&operation, one, payload, "webhook", &is_new));
	return is_new;
}

static void
receive_simple(const char *id, const char *subject)
{
	struct stripe_event one = event(id, subject);

	ck_assert(receive(&one));
}

static struct stripe_event_row
find(const char *id)
{
	struct stripe_event_row row;
	const char *kept;

	fine(stripe_event_find(&operation, id, &row, &kept));
	return row;
}

static void
set(const char *id, const char *state, int64_t attempts, int64_t received_seconds_ago)
{
	static const struct statement statement = {
	        .name = "test_set_event",
	        .sql = "UPDATE stripe_events SET state = $2, attempts = $3::integer, "
	               "next_try_at = "
	               "CASE WHEN $2 = 'pending' THEN now() - interval '1 minute' END, "
	               "received_at = now() - $4::bigint * interval '1 second' "
	               "WHERE event_id = $1"};

	fine(db_run(operation.db, &task, &statement,
	            PARAMETERS(id, state, param_int(&task, attempts),
	                       param_int(&task, received_seconds_ago)),
	            NULL));
}

/* "evt_1:pending evt_2:done": all events. */
static const char *
events_now(void)
{
	static const struct statement statement = {
	        .name = "test_events_now",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(event_id || ':' || state || CASE WHEN payload IS "
	               "NULL "
	               "THEN '' ELSE '*' END, ' ' ORDER BY event_id) AS text "
	               "FROM stripe_events"};

	return stripe_text(&statement, NO_PARAMETERS);
}

static int64_t
audited_of(const char *subject)
{
	static const struct statement statement = {
	        .name = "test_audited_of",
	        STRIPE_NUMBER,
	        .sql = "SELECT count(*) AS number FROM audit_log WHERE subject = $1 "
	               "AND action = 'stripe_event_dismiss'"};

	return stripe_number(&statement, PARAMETERS(subject));
}

/* Milliseconds until the next try. */
static int64_t
delay_of(const char *id)
{
	static const struct statement statement = {
	        .name = "test_delay_of",
	        STRIPE_NUMBER,
	        .sql = "SELECT (extract(epoch FROM next_try_at - now()) * 1000)::bigint AS "
	               "number "
	               "FROM stripe_events WHERE event_id = $1"};

	return stripe_number(&statement, PARAMETERS(id));
}

START_TEST(test_receive)
{
	struct stripe_event one = event("evt_1", "sub_1");
	struct stripe_event_row row;
	const char *kept;

	ck_assert(receive(&one));
	fine(stripe_event_find(&operation, "evt_1", &row, &kept));
	ck_assert_str_eq(row.type, "customer.subscription.updated");
	ck_assert_str_eq(row.origin, "webhook");
	ck_assert_str_eq(row.state, "pending");
	ck_assert_str_eq(row.family, "subscription");
	ck_assert_str_eq(row.subject, "sub_1");
	ck_assert_str_eq(row.stripe_customer_id, "cus_1");
	ck_assert_str_eq(row.customer_hint, customer_id);
	ck_assert_ptr_null(row.customer_id);
	ck_assert_int_eq(row.attempts, 0);
	ck_assert_int_eq(row.happened_at.ms, AT(-1).ms);
	ck_assert(row.received_at.known && row.next_try_at.known && !row.finished_at.known);
	ck_assert_str_eq(kept, payload);
	/* A second event with the same id changes nothing. */
	one = event("evt_1", NULL);
	ck_assert(!receive(&one));
	ck_assert_str_eq(find("evt_1").state, "pending");
	ck_assert_int_eq(stripe_event_find(&operation, "evt_2", &row, &kept), FAIL_NOT_FOUND);
	ck_assert_str_eq(task.failure.code, "event_not_found");
}
END_TEST

/* An event that is stored already is not new; if it is parked, it becomes pending. */
static const struct {
	const char *before, *behind;
	int64_t attempts;
} repeats[] = {
        {"pending", "pending", 5},
        {"done", "done", 5},
        {"ignored", "ignored", 5},
        {"parked", "pending", 0},
};

START_TEST(test_receive_again)
{
	struct stripe_event one = event("evt_1", "sub_1");
	struct stripe_event_row row;
	bool is_new;

	fine(stripe_event_is_new(&operation, "evt_1", &is_new));
	ck_assert(is_new);
	ck_assert(receive(&one));
	set("evt_1", repeats[_i].before, 5, 60);
	ck_assert(!receive(&one));
	row = find("evt_1");
	ck_assert_str_eq(row.state, repeats[_i].behind);
	ck_assert_int_eq(row.attempts, repeats[_i].attempts);
	fine(stripe_event_is_new(&operation, "evt_1", &is_new));
	ck_assert(!is_new);
}
END_TEST

/* Events that we do not act on: about no object of ours, or of the other mode. */
START_TEST(test_receive_ignored)
{
	struct stripe_event one = event("evt_1", _i == 0 ? NULL : "sub_1");
	struct stripe_event_row row;
	int64_t count;

	one.livemode = _i == 1;
	billing.sales.live = _i == 2;
	ck_assert(receive(&one));
	row = find("evt_1");
	ck_assert_str_eq(row.state, "ignored");
	ck_assert(text_equal(row.error, _i == 0 ? NULL : "other_mode"));
	ck_assert(!row.next_try_at.known && row.finished_at.known);
	fine(stripe_event_retry(&operation, "evt_1", &count));
	ck_assert_int_eq(count, 0);
}
END_TEST

static const char *
take(void)
{
	struct stripe_event_row row;
	bool found;

	fine(stripe_event_take(&operation, &row, &found));
	return found ? row.event_id : "none";
}

/* An event is due at once: its time is not rounded up. */
START_TEST(test_due_at_once)
{
	for (int i = 0; i < 100; i++) {
		const char *id = arena_printf(task.arena, "evt_%d", i);

		db_rollback_to(operation.db, 0);
		fine(db_begin(operation.db, &task));
		receive_simple(id, "sub_1");
		ck_assert_str_eq(take(), id);
		set(id, "parked", 12, 60);
		fine(stripe_event_retry(&operation, id, &(int64_t){0}));
		ck_assert_str_eq(take(), id);
	}
}
END_TEST

START_TEST(test_take)
{
	struct stripe_event_row row = {.event_id = "evt_a"};

	ck_assert_str_eq(take(), "none");
	receive_simple("evt_b", "sub_1");
	receive_simple("evt_a", "sub_2");
	ck_assert_str_eq(take(), "evt_a");
	fine(stripe_event_fail(&operation, &row, "stripe_error", false));
	ck_assert_str_eq(take(), "evt_b");
	set("evt_b", "parked", 1, 0);
	ck_assert_str_eq(take(), "none");
}
END_TEST

/* One fetch finishes all events about the object that were received before it. */
START_TEST(test_finish)
{
	static const struct {
		const char *id, *subject, *state;
		int64_t age_s;
		const char *end;
	} others[] = {
	        {"evt_older", "sub_1", "pending", 60, "done"},
	        {"evt_newer", "sub_1", "pending", -60, "pending"},
	        {"evt_other", "sub_2", "pending", 60, "pending"},
	        {"evt_parked", "sub_1", "parked", 60, "done"},
	        {"evt_ignored", "sub_1", "ignored", 60, "ignored"},
	};
	struct stripe_event_row row;
	struct instant since;

	receive_simple("evt_1", "sub_1");
	set("evt_1", "pending", 3, 30);
	for (int i = 0; i < ROWS(others); i++) {
		receive_simple(others[i].id, others[i].subject);
		set(others[i].id, others[i].state, 0, others[i].age_s);
	}
	row = find("evt_1");
	fine(db_clock(operation.db, &task, &since));
	fine(stripe_event_finish(&operation, &row, "ignored", customer_id, since));
	row = find("evt_1");
	ck_assert_str_eq(row.state, "ignored");
	ck_assert_int_eq(row.attempts, 4);
	ck_assert_str_eq(row.customer_id, customer_id);
	ck_assert(row.finished_at.known && !row.next_try_at.known);
	for (int i = 0; i < ROWS(others); i++)
		ck_assert_msg(text_equal(find(others[i].id).state, others[i].end), "%s",
		              others[i].id);
	ck_assert_str_eq(find("evt_older").customer_id, customer_id);
}
END_TEST

/* Another kind of object may have the same id. */
START_TEST(test_finish_family)
{
	struct stripe_event one = event("evt_2", "x_1");
	struct stripe_event_row row;

	receive_simple("evt_1", "x_1");
	one.ref.family = "invoice";
	ck_assert(receive(&one));
	row = find("evt_1");
	fine(stripe_event_finish(&operation, &row, "done", NULL, INSTANT_MS(NOW_MS * 2)));
	ck_assert_str_eq(events_now(), "evt_1:done* evt_2:pending*");
}
END_TEST

static const int64_t delays_s[] = {5,    20,   60,   300,   900,   1800,
                                   3600, 7200, 7200, 14400, 14400, 0};

START_TEST(test_fail)
{
	struct stripe_event_row row;

	receive_simple("evt_1", "sub_1");
	for (int i = 0; i < ROWS(delays_s); i++) {
		row = find("evt_1");
		ck_assert_str_eq(row.state, "pending");
		ck_assert_int_eq(row.attempts, i);
		fine(stripe_event_fail(&operation, &row, "unknown_customer", true));
		if (delays_s[i] > 0)
			ck_assert_int_eq((delay_of("evt_1") + 500) / 1000, delays_s[i]);
	}
	row = find("evt_1");
	ck_assert_str_eq(row.state, "parked");
	ck_assert_int_eq(row.attempts, 12);
	ck_assert_str_eq(row.error, "unknown_customer");
	ck_assert(row.finished_at.known);
}
END_TEST

/* Tries that do not count never park an event. */
START_TEST(test_fail_without_fault)
{
	struct stripe_event_row row;

	receive_simple("evt_1", "sub_1");
	set("evt_1", "pending", 11, 0);
	for (int i = 0; i < 3; i++) {
		row = find("evt_1");
		fine(stripe_event_fail(&operation, &row, "stripe_error", false));
		ck_assert_int_eq((delay_of("evt_1") + 500) / 1000, 30);
	}
	row = find("evt_1");
	ck_assert_int_eq(row.attempts, 11);
	/* Another process has finished it meanwhile. */
	set("evt_1", "done", 12, 0);
	fine(stripe_event_fail(&operation, &row, "stripe_error", false));
	fine(stripe_event_fail(&operation, &row, "stripe_error", true));
	ck_assert_str_eq(find("evt_1").state, "done");
	/* With a policy of one try. */
	billing.sales.event_tries = 1;
	receive_simple("evt_2", "sub_1");
	row = find("evt_2");
	fine(stripe_event_fail(&operation, &row, "unknown_price", true));
	ck_assert_str_eq(find("evt_2").state, "parked");
}
END_TEST

/* An event that is given up is told once, with the customer that it is about. */
START_TEST(test_parked_is_told)
{
	const char *id = random_id(task.arena, "evt_", 8);
	struct stripe_event_row row;

	billing.sales.event_tries = 1;
	receive_simple(id, "sub_1");
	row = find(id);
	row.customer_id = customer_id;
	for (int i = 0; i < 2; i++)
		fine(stripe_event_fail(&operation, &row, "unknown_price", true));
	ck_assert_str_eq(find(id).state, "parked");
	ck_assert_int_eq(written("stripe.parked"), 1);
	ck_assert_int_eq(
	        count_of(arena_printf(task.arena,
	                              "SELECT count(*) FROM events WHERE data ->> 'id' = "
	                              "'%s' AND data ->> 'kind' = 'event' AND data ->> "
	                              "'error' = 'unknown_price' AND customer_id = ",
	                              id),
	                 ""),
	        1);
	change(arena_printf(task.arena, "DELETE FROM stripe_events WHERE event_id = '%s' AND ",
	                    id),
	       " IS NOT NULL");
}
END_TEST

/* Only a parked or pending event can be dismissed; a second delivery does not restore it. */
START_TEST(test_dismiss)
{
	receive_simple("evt_1", "sub_1");
	fine(stripe_event_dismiss(&operation, "evt_1", "an old shop's"));
	ck_assert_str_eq(find("evt_1").state, "dismissed");
	ck_assert_int_eq(audited_of("evt_1"), 1);
	ck_assert_int_eq(stripe_event_dismiss(&operation, "evt_1", "again"), FAIL_CONFLICT);
	ck_assert_str_eq(task.failure.code, "nothing_to_dismiss");
	task_clear(&task);
	ck_assert_int_eq(stripe_event_dismiss(&operation, "evt_2", "none"), FAIL_NOT_FOUND);
	task_clear(&task);
	{
		struct stripe_event again = event("evt_1", "sub_1");

		ck_assert(!receive(&again));
		ck_assert_str_eq(find("evt_1").state, "dismissed");
	}
}
END_TEST

/* A connected account's objects cannot be fetched with our key. */
START_TEST(test_other_account)
{
	struct stripe_event one = event("evt_1", "sub_1");

	one.account = "acct_1";
	ck_assert(receive(&one));
	ck_assert_str_eq(find("evt_1").state, "ignored");
	ck_assert_str_eq(find("evt_1").error, "other_account");
	ck_assert_str_eq(events_now(), "evt_1:ignored");
}
END_TEST

START_TEST(test_delays)
{
	static const int64_t all_s[] = {5,    20,   60,   300,   900,   1800,
	                                3600, 7200, 7200, 14400, 14400, 14400};

	for (int i = 0; i < ROWS(all_s); i++)
		ck_assert_int_eq(stripe_retry_delay_ms(i, 100), all_s[i] * 1000);
	ck_assert_int_eq(stripe_retry_delay_ms(99, 100), 14400000);
	ck_assert_int_eq(stripe_retry_delay_ms(100, 100), 0);
	ck_assert_int_eq(stripe_retry_delay_ms(0, 0), 0);
	ck_assert_int_eq(stripe_retry_delay_ms(3, 2), 0);
}
END_TEST

START_TEST(test_retry)
{
	static const char *const states[] = {"pending", "done", "ignored", "parked"};
	int64_t count;

	for (int i = 0; i < ROWS(states); i++) {
		const char *id = arena_printf(task.arena, "evt_%s", states[i]);

		receive_simple(id, "sub_1");
		set(id, states[i], 12, 60);
	}
	receive_simple("evt_parked2", "sub_2");
	set("evt_parked2", "parked", 12, 60);
	fine(stripe_event_retry(&operation, "evt_unknown", &count));
	ck_assert_int_eq(count, 0);
	fine(stripe_event_retry(&operation, "evt_pending", &count));
	ck_assert_int_eq(count, 0);
	fine(stripe_event_retry(&operation, "evt_done", &count));
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(find("evt_done").attempts, 0);
	fine(stripe_event_retry(&operation, NULL, &count));
	ck_assert_int_eq(count, 2);
	ck_assert_str_eq(events_now(),
	                 "evt_done:pending* evt_ignored:ignored* evt_parked:pending* "
	                 "evt_parked2:pending* evt_pending:pending*");
}
END_TEST

START_TEST(test_list_and_figures)
{
	const struct stripe_event_row *rows;
	struct stripe_event_figures figures;
	size_t count;

	fine(stripe_event_figures(&operation, &figures));
	ck_assert_int_eq(figures.pending + figures.parked, 0);
	ck_assert(!figures.oldest_pending.known);
	for (int i = 0; i < 4; i++) {
		const char *id = arena_printf(task.arena, "evt_%d", i);

		receive_simple(id, "sub_1");
		set(id, i == 3 ? "parked" : "pending", 0, 10 * i);
	}
	fine(stripe_event_figures(&operation, &figures));
	ck_assert_int_eq(figures.pending, 3);
	ck_assert_int_eq(figures.parked, 1);
	ck_assert_int_eq(figures.oldest_pending.ms, find("evt_2").received_at.ms);
	fine(stripe_event_list(&operation, NULL, 3, &rows, &count));
	ck_assert_uint_eq(count, 3);
	ck_assert_str_eq(rows[0].event_id, "evt_0");
	ck_assert_str_eq(rows[2].event_id, "evt_2");
	fine(stripe_event_list(&operation, "parked", 3, &rows, &count));
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(rows[0].event_id, "evt_3");
}
END_TEST

/* A customer's events lose their payload, however they name the customer; others keep it. */
START_TEST(test_forget)
{
	static const struct statement link = {.name = "test_link",
	                                      .sql = "UPDATE customers SET stripe_customer_id "
	                                             "= $1 WHERE customer_id = $1"};
	struct stripe_event hinted = event("evt_hinted", "sub_1");
	struct stripe_event linked = event("evt_linked", "sub_2");
	struct stripe_event found = event("evt_found", "sub_3");
	struct stripe_event strange = event("evt_strange", "sub_4");
	struct stripe_event_row row;

	hinted.ref.customer = found.ref.customer = strange.ref.customer = NULL;
	linked.ref.customer_id = found.ref.customer_id = NULL;
	linked.ref.customer = customer_id;
	strange.ref.customer_id = "cust_00000000000000000000000000000000";
	(void)receive(&hinted);
	(void)receive(&linked);
	(void)receive(&found);
	(void)receive(&strange);
	row = find("evt_found");
	fine(stripe_event_finish(&operation, &row, "done", customer_id, INSTANT_MS(0)));
	fine(db_run(operation.db, &task, &link, PARAMETERS(customer_id), NULL));
	fine(stripe_event_forget(&operation, customer_id));
	ck_assert_str_eq(
	        events_now(),
	        "evt_found:done evt_hinted:pending evt_linked:pending evt_strange:pending*");
}
END_TEST

/* Payloads are deleted after 30 days and events after 90, unless they are unfinished. */
START_TEST(test_prune)
{
	static const struct {
		const char *id, *state;
		int64_t days;
	} rows[] = {
	        {"evt_1", "done", 91},    {"evt_2", "ignored", 91}, {"evt_3", "parked", 91},
	        {"evt_4", "pending", 91}, {"evt_5", "done", 31},    {"evt_6", "ignored", 31},
	        {"evt_7", "done", 29},
	};
	int64_t pruned;

	operation.now_ms = clock_now_ms();
	for (int i = 0; i < ROWS(rows); i++) {
		receive_simple(rows[i].id, "sub_1");
		set(rows[i].id, rows[i].state, 1, rows[i].days * 86400);
	}
	operation.batch = 1;
	fine(stripe_event_prune(&operation, &pruned));
	ck_assert_int_eq(pruned, 1);
	operation.batch = 100;
	fine(stripe_event_prune(&operation, &pruned));
	ck_assert_int_eq(pruned, 1);
	ck_assert_str_eq(events_now(), "evt_3:parked* evt_4:pending* evt_5:done evt_6:ignored "
	                               "evt_7:done*");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe events");
	TCase *tcase = tcase_create("stripe events");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, fixture_teardown);
	tcase_add_test(tcase, test_receive);
	tcase_add_loop_test(tcase, test_receive_again, 0, ROWS(repeats));
	tcase_add_loop_test(tcase, test_receive_ignored, 0, 3);
	tcase_add_test(tcase, test_due_at_once);
	tcase_add_test(tcase, test_take);
	tcase_add_test(tcase, test_finish);
	tcase_add_test(tcase, test_finish_family);
	tcase_add_test(tcase, test_fail);
	tcase_add_test(tcase, test_fail_without_fault);
	tcase_add_test(tcase, test_dismiss);
	tcase_add_test(tcase, test_other_account);
	tcase_add_test(tcase, test_delays);
	tcase_add_test(tcase, test_retry);
	tcase_add_test(tcase, test_list_and_figures);
	tcase_add_test(tcase, test_forget);
	tcase_add_test(tcase, test_prune);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("committed");
	tcase_add_checked_fixture(tcase, stripe_setup, fixture_teardown);
	tcase_add_test(tcase, test_parked_is_told);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
