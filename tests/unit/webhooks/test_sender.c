/* test_sender.c: events on their way to an endpoint: fed, taken, sent, recorded, and what the answers mean for the
 * endpoint. */
#include "support/billing_fixture.h"
#include "support/http_server.h"

#include "webhooks/deliveries.h"
#include "webhooks/endpoints.h"
#include "webhooks/known_keys.h"
#include "webhooks/outcomes.h"
#include "webhooks/queue.h"
#include "webhooks/sender.h"

#define OK_ANSWER "HTTP/1.1 204 No Content\r\n\r\n"
#define COUNT(condition) number("SELECT count(*) FROM webhook_deliveries WHERE " condition)
#define ACTS(...) (const struct act[]){__VA_ARGS__}, ROWS(((const struct act[]){__VA_ARGS__}))

static struct server server;
static const char *folder;
static struct webhook_endpoint endpoint;
static const char *secret;

/* A number that a query gives, on a connection of its own. */
static int64_t
number(const char *query)
{
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);
	int64_t out = database_number(db, &task, query);

	db_free(db);
	return out;
}

/* Runs commands, likewise. */
static void
script(const char *sql)
{
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);

	database_script(db, &task, sql);
	db_free(db);
}

/* An endpoint for events of a customer, at a server that follows the script. */
static void
begin(const struct act *acts, int count)
{
	static const char *const types[] = {"customer.updated"};
	struct webhook_endpoint_change input = {.types = {true, 1, types}};
	struct webhook_keys webhook_keys;

	operation.now_ms = clock_now_ms();
	folder = suite_folder(task.arena);
	server_start(&server, NULL, NULL, acts, (size_t)count);
	input.url =
	        arena_printf(task.arena, "http://127.0.0.1:%d/hook?token=hidden", server.port);
	script("DELETE FROM webhook_deliveries; DELETE FROM webhook_endpoints; "
	       "DELETE FROM webhook_keys");
	fine(webhook_keys_open(&operation, folder, &webhook_keys));
	fine(webhook_endpoint_create(&operation, &webhook_keys, &input, &endpoint, &secret));
	webhook_keys_release(&webhook_keys);
	operation.webhooks = webhook_sender_new(
	        &(struct webhook_sender_options){.keys_dir = folder, .allowed = "127.0.0.1"});
	ck_assert_ptr_nonnull(operation.webhooks);
}

static void
end(void)
{
	webhook_sender_end(operation.webhooks, &operation);
	server_stop(&server);
	suite_folder_remove(task.arena, folder);
}

static void
happen(void)
{
	change("SELECT event_add('customer.updated', ",
	       ", now(), '{\"company_name\":\"Bolt\"}')");
}

/* Runs the job until so many deliveries are in the state. */
static void
run_until(const char *state, int64_t wanted)
{
	const char *condition = arena_printf(
	        task.arena,
	        "SELECT count(*) FROM webhook_deliveries WHERE attempts > 0 AND state = '%s'",
	        state);
	const int64_t until_us = clock_monotonic_us() + 50000000;

	while (clock_monotonic_us() < until_us) {
		int64_t done;

		operation.now_ms = clock_now_ms();
		fine(webhook_send_run(&operation, &done));
		if (number(condition) >= wanted)
			return;
		usleep(5000);
	}
	ck_abort_msg("not %s", state);
}

START_TEST(test_an_event_is_sent)
{
	struct webhook_figures figures;

	begin(ACTS({ACT_ANSWER, OK_ANSWER}));
	change("SELECT event_add('customer.created', ", ", now(), '{}')");
	happen();
	run_until("delivered", 1);
	ck_assert_ptr_nonnull(strstr(server.requests[0], "\"company_name\":\"Bolt\""));
	ck_assert_ptr_nonnull(strstr(server.requests[0], customer_id));
	ck_assert_ptr_nonnull(strstr(server.requests[0], "webhook-signature: v1,"));
	ck_assert_ptr_nonnull(strstr(server.requests[0], " v1a,"));
	ck_assert_uint_eq(server.request_count, 1);
	fine(webhook_endpoint_find(&operation, endpoint.endpoint_id, &endpoint));
	ck_assert(endpoint.last_success_at.known && !endpoint.failing_since.known);
	fine(webhook_figures(&operation, &figures));
	ck_assert_int_eq(figures.enabled, 1);
	ck_assert_int_eq(figures.pending, 0);
	ck_assert(!figures.waiting_since.known);
	end();
}
END_TEST

START_TEST(test_a_failure_waits_for_its_next_attempt)
{
	const struct webhook_delivery *rows;
	struct page page = {.limit = 10};
	size_t count;

	begin(ACTS({ACT_ANSWER, "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n\xc3("},
	           {ACT_ANSWER, OK_ANSWER}));
	happen();
	run_until("pending", 1);
	fine(webhook_delivery_list(&operation, endpoint.endpoint_id, "pending", &page, &rows,
	                           &count));
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(rows[0].status, 500);
	ck_assert_str_eq(rows[0].answer, "?(");
	ck_assert_int_ge(rows[0].due_at.ms, rows[0].attempted_at.ms + 5000);
	fine(webhook_endpoint_find(&operation, endpoint.endpoint_id, &endpoint));
	ck_assert(endpoint.failing_since.known);
	/* After an outage the rest is due at once, and the attempt that follows does not count. */
	script("UPDATE webhook_endpoints SET failing_since = failing_since - interval "
	       "'1 day'; "
	       "UPDATE webhook_deliveries SET attempts = 5, due_at = now() + interval "
	       "'9 hours'");
	happen();
	run_until("delivered", 1);
	ck_assert_int_eq(number("SELECT attempts FROM webhook_deliveries "
	                        "WHERE state = 'pending' "
	                        "AND due_at < now() + interval '1 minute'"),
	                 4);
	end();
}
END_TEST

START_TEST(test_a_receiver_that_is_gone)
{
	begin(ACTS({ACT_ANSWER_CLOSE, "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"}));
	happen();
	run_until("failed", 1);
	fine(webhook_endpoint_find(&operation, endpoint.endpoint_id, &endpoint));
	ck_assert_str_eq(endpoint.disabled_reason, "gone");
	ck_assert_int_eq(number(arena_printf(
	                         task.arena,
	                         "SELECT count(*) FROM events WHERE type = 'endpoint.disabled' "
	                         "AND data ->> 'endpoint_id' = '%s'",
	                         endpoint.endpoint_id)),
	                 1);
	/* A query may hold a secret, which neither the event nor the audit trail keeps. */
	ck_assert_int_eq(
	        number(arena_printf(
	                task.arena,
	                "SELECT count(*) FROM (SELECT data::text FROM events UNION ALL "
	                "SELECT value_after::text FROM audit_log) AS t (text) "
	                "WHERE text LIKE '%%%s%%' AND text LIKE '%%/hook\"%%'",
	                endpoint.endpoint_id)),
	        3);
	ck_assert_int_eq(
	        number("SELECT count(*) FROM (SELECT data::text FROM events UNION ALL "
	               "SELECT concat(value_before, value_after, detail) FROM audit_log) "
	               "AS t (text) WHERE text LIKE '%hidden%'"),
	        0);
	ck_assert_ptr_nonnull(strstr(endpoint.url, "token=hidden"));
	end();
}
END_TEST

/* Stores a delivery of an event; its row_id. */
static const char *
store_delivery(void)
{
	const struct webhook_delivery *rows;
	struct page page = {.limit = 10};
	size_t count;

	script("INSERT INTO webhook_deliveries (endpoint_id, event_id, type, position, number, "
	       "event_at, state, due_at, created_at) SELECT endpoint_id, gen_random_uuid(), "
	       "'customer.updated', 1, 1, now(), 'pending', now(), now() FROM "
	       "webhook_endpoints");
	fine(webhook_delivery_list(&operation, endpoint.endpoint_id, NULL, &page, &rows,
	                           &count));
	ck_assert_uint_eq(count, 1);
	return rows[0].row_id;
}

/* Records an answer of a URL to a delivery; the process has seen that the endpoint has `seen_url`. */
static void
answer_of(const char *url, const char *seen_url, const char *row_id,
          const struct post_answer *answer)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));
	static struct lane lane;
	struct outcomes outcomes = {0};

	lane = (struct lane){.can_send = true};
	(void)snprintf(lane.endpoint_id, sizeof(lane.endpoint_id), "%s", endpoint.endpoint_id);
	(void)snprintf(lane.url, sizeof(lane.url), "%s", seen_url);
	*delivery = (struct delivery){.lane = &lane,
	                              .body = strdup("{}"),
	                              .url = strdup(url),
	                              .attempts = 5,
	                              .started_ms = operation.now_ms};
	(void)snprintf(delivery->row_id, sizeof(delivery->row_id), "%s", row_id);
	(void)snprintf(delivery->customer_id, sizeof(delivery->customer_id), "%s", customer_id);
	outcomes_add(&outcomes, delivery, answer);
	fine(outcomes_write(&outcomes, &operation));
}

/* An answer of the URL that an endpoint had before says nothing of the new one, to which the delivery goes next:
 * whether the process has seen the change, or not yet. */
START_TEST(test_an_answer_of_the_url_before)
{
	struct webhook_endpoint_change change = {.url = "https://example.com/new"};
	struct post_answer answer = {.status = _i < 2 ? 410 : 500};
	const char *row_id, *old;

	begin(ACTS({ACT_ANSWER, OK_ANSWER}));
	row_id = store_delivery();
	old = endpoint.url;
	fine(webhook_endpoint_update(&operation, endpoint.endpoint_id, &change, &endpoint));
	answer_of(old, _i % 2 == 0 ? change.url : old, row_id, &answer);
	fine(webhook_endpoint_find(&operation, endpoint.endpoint_id, &endpoint));
	ck_assert_str_eq(endpoint.state, "enabled");
	ck_assert(!endpoint.failing_since.known && !endpoint.last_failure_at.known);
	ck_assert_int_eq(COUNT("attempts = 1 AND state = 'pending' AND due_at < now() + "
	                       "interval '1 minute'"),
	                 1);
	end();
}
END_TEST

/* Answers to a customer's events are erased when it is deleted, and no other ones; an answer that comes later is
 * not kept. */
START_TEST(test_answers_of_a_deleted_customer)
{
	struct post_answer answer = {.status = 200, .body = "later", .length = 5};
	const char *row_id;

	begin(ACTS({ACT_ANSWER, OK_ANSWER}));
	row_id = store_delivery();
	answer_of(endpoint.url, endpoint.url, row_id, &answer);
	ck_assert_int_eq(COUNT("answer = 'later'"), 1);
	happen();
	change("INSERT INTO webhook_deliveries (endpoint_id, event_id, type, position, number, "
	       "event_at, state, due_at, created_at, answer) SELECT e.endpoint_id, v.event_id, "
	       "v.type, v.position, v.number, v.created_at, 'delivered', now(), now(), 'sent' "
	       "FROM webhook_endpoints e CROSS JOIN events v WHERE v.customer_id = ",
	       "");
	ck_assert_int_ge(COUNT("answer = 'sent'"), 1);
	fine(account_delete(&operation, customer_id));
	ck_assert_int_eq(COUNT("answer = 'sent'"), 0);
	script("UPDATE webhook_deliveries SET state = 'pending' WHERE answer = 'later'");
	answer_of(endpoint.url, endpoint.url, row_id, &answer);
	ck_assert_int_eq(COUNT("answer IS NULL AND attempts = 2 AND state = 'delivered'"), 1);
	end();
}
END_TEST

/* The URL is changed between the record of an outcome and that of the endpoint's health. */
START_TEST(test_health_of_the_url_before)
{
	struct webhook_health health = {
	        .failed = true, .gone = true, .url = "https://old.invalid/"};

	begin(ACTS({ACT_ANSWER, OK_ANSWER}));
	(void)store_delivery();
	script("UPDATE webhook_deliveries SET attempts = 5, due_at = now() + interval '9 "
	       "hours'");
	health.endpoint_id = endpoint.endpoint_id;
	fine(webhook_health_write(&operation, &health));
	fine(webhook_endpoint_find(&operation, endpoint.endpoint_id, &endpoint));
	ck_assert_str_eq(endpoint.state, "enabled");
	ck_assert(!endpoint.failing_since.known);
	ck_assert_int_eq(COUNT("due_at < now() + interval '1 minute'"), 1);
	end();
}
END_TEST

/* A process that ends with requests on their way loses nothing: the rows are sent again later. */
START_TEST(test_an_end_in_the_middle)
{
	const int64_t until_us = clock_monotonic_us() + 30000000;
	int64_t done = 0;

	begin(ACTS({ACT_HANG, NULL}));
	happen();
	while (done == 0 && clock_monotonic_us() < until_us) {
		operation.now_ms = clock_now_ms();
		fine(webhook_send_run(&operation, &done));
	}
	ck_assert_int_eq(done, 1);
	/* Deleted meanwhile, its answer belongs to no lane of another endpoint. */
	fine(webhook_endpoint_delete(&operation, endpoint.endpoint_id));
	fine(webhook_send_run(&operation, &done));
	webhook_sender_end(operation.webhooks, &operation);
	server_stop(&server);
	ck_assert_int_eq(number("SELECT count(*) FROM webhook_deliveries"), 1);
	operation.batch = 10;
	fine(webhook_prune(&operation, &done));
	ck_assert_int_eq(done, 1);
	fine(webhook_prune(&operation, &done));
	ck_assert_int_eq(number("SELECT count(*) FROM webhook_endpoints"), 0);
	suite_folder_remove(task.arena, folder);
}
END_TEST

/* Rows that are given back can be taken at once; one that was answered meanwhile stays as it is. */
START_TEST(test_rows_are_given_back)
{
	const struct webhook_taken *taken;
	struct webhook_want want = {.want = 10};
	struct string_list rows;
	int64_t events;
	size_t count;
	bool more;

	begin(ACTS({ACT_ANSWER, OK_ANSWER}));
	happen();
	happen();
	fine(webhook_feed(&operation, endpoint.endpoint_id, &events, &more));
	want.endpoint_id = endpoint.endpoint_id;
	want.url = endpoint.url;
	fine(webhook_take(&operation, &want, 1, &taken, &count));
	ck_assert_uint_eq(count, 2);
	rows = (struct string_list){
	        .count = 2, .items = (const char *[]){taken[0].row_id, taken[1].row_id}};
	script(arena_printf(
	        task.arena,
	        "UPDATE webhook_deliveries SET state = 'delivered' WHERE event_id = '%s'",
	        taken[0].row_id));
	fine(webhook_take(&operation, &want, 1, &taken, &count));
	ck_assert_uint_eq(count, 0);
	fine(webhook_give_back(&operation, endpoint.endpoint_id, &rows));
	fine(webhook_take(&operation, &want, 1, &taken, &count));
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(taken[0].row_id, rows.items[1]);
	end();
}
END_TEST

/* Deliveries that are stored by hand, as by a replay, and the feed do not wait for each other. */
START_TEST(test_feed_beside_a_replay)
{
	struct operation other = operation;
	struct webhook_delivery delivery;
	int64_t events = 0;
	bool more;

	begin(ACTS({ACT_ANSWER, OK_ANSWER}));
	happen();
	other.now_ms = operation.now_ms;
	other.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	fine(db_begin(other.db, &task));
	fine(webhook_test(&other, endpoint.endpoint_id, &delivery));
	fine(webhook_feed(&operation, endpoint.endpoint_id, &events, &more));
	ck_assert_int_ge(events, 1);
	db_rollback_to(other.db, 0);
	db_free(other.db);
	end();
}
END_TEST

START_TEST(test_keys_of_hosts)
{
	const char *other = suite_folder(task.arena);
	const struct webhook_known_key *known;
	struct webhook_keys webhook_keys;
	size_t count;

	begin(ACTS({ACT_ANSWER, OK_ANSWER}));
	/* Another host must have the same file, and makes none of its own. */
	refused(webhook_keys_open(&operation, other, &webhook_keys), FAIL_CONFLICT,
	        "webhook_key_missing");
	fine(webhook_key_generate(&task, other));
	refused(webhook_keys_open(&operation, other, &webhook_keys), FAIL_CONFLICT,
	        "webhook_key_unknown");
	/* After a change both keys count, and the new one opens what the old one has sealed. */
	operation.now_ms += 1000;
	fine(db_begin(operation.db, &task));
	fine(webhook_key_change(&operation, folder, &webhook_keys));
	fine(webhook_endpoints_reseal(&operation, &webhook_keys));
	fine(db_commit(operation.db, &task));
	webhook_keys_release(&webhook_keys);
	fine(webhook_known_keys(&operation, &known, &count));
	ck_assert_uint_eq(count, 2);
	happen();
	run_until("delivered", 1);
	suite_folder_remove(task.arena, other);
	end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sender");
	TCase *tcase = fixture_case("sender");

	tcase_add_test(tcase, test_an_event_is_sent);
	tcase_add_test(tcase, test_a_failure_waits_for_its_next_attempt);
	tcase_add_test(tcase, test_a_receiver_that_is_gone);
	tcase_add_loop_test(tcase, test_an_answer_of_the_url_before, 0, 4);
	tcase_add_test(tcase, test_health_of_the_url_before);
	tcase_add_test(tcase, test_answers_of_a_deleted_customer);
	tcase_add_test(tcase, test_an_end_in_the_middle);
	tcase_add_test(tcase, test_rows_are_given_back);
	tcase_add_test(tcase, test_feed_beside_a_replay);
	tcase_add_test(tcase, test_keys_of_hosts);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
