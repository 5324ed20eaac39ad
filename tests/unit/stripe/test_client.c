/* test_client.c: the content of a request to Stripe, how long it may take, when it is not sent,
 * what is logged, which failure it becomes, and one request through a real connection. */
#include "support/http_server.h"
#include "support/stripe_io.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/version.h"

enum { LOG_MAX = 1024 * 1024, SECOND_US = 1000000, LEAST_US = 200000 };

static struct task task;
static struct world world;

static void
setup(void)
{
	task = suite_task();
	task.request_id = "req-of-ours";
	log_set_level(LOG_LEVEL_ERROR);
	world_begin(&world, task.arena);
}

static void
teardown(void)
{
	world_end(&world);
	suite_task_end(&task);
}

static struct stripe_answer
send_within(const struct stripe_request *request, int64_t us)
{
	struct stripe_request copy = *request;
	struct stripe_answer answer;

	copy.deadline_us = world.now_us + us;
	stripe_client_send(world.client, &task, &copy, &answer);
	return answer;
}

static const struct {
	struct stripe_request request;
	const char *method, *url, *body;
} requests[] = {
        {{STRIPE_POST, "/v1/customers", "a=b&c[d]=", "key-1", 0},
         "POST",
         STRIPE_TEST_BASE "/v1/customers",
         "a=b&c[d]="},
        {{STRIPE_POST, "/v1/customers", NULL, "key-1", 0},
         "POST",
         STRIPE_TEST_BASE "/v1/customers",
         ""},
        {{STRIPE_POST, "/v1/customers", "", NULL, 0},
         "POST",
         STRIPE_TEST_BASE "/v1/customers",
         ""},
        {{STRIPE_GET, "/v1/invoices", "limit=3", NULL, 0},
         "GET",
         STRIPE_TEST_BASE "/v1/invoices?limit=3",
         NULL},
        {{STRIPE_GET, "/v1/invoices", "", "unwanted", 0},
         "GET",
         STRIPE_TEST_BASE "/v1/invoices",
         NULL},
        {{STRIPE_DELETE, "/v1/subscriptions/sub_1", "prorate=true", "unwanted", 0},
         "DELETE",
         STRIPE_TEST_BASE "/v1/subscriptions/sub_1?prorate=true",
         NULL},
};

START_TEST(test_requests)
{
	static const struct scripted done = {.status = 200};
	const char *key = requests[_i].request.method == STRIPE_POST
	                          ? requests[_i].request.idempotency_key
	                          : NULL;
	const struct http_request *http = &world.asked[0].http;
	struct stripe_answer answer;
	const char *id;

	world_script(&world, &done, 1);
	answer = send_within(&requests[_i].request, 10 * SECOND_US);
	ck_assert_int_eq(answer.outcome, STRIPE_DONE);
	ck_assert_str_eq(answer.request_id, "req_1");
	ck_assert(json_view_string(&answer.object, "id", &id) && strcmp(id, "obj_1") == 0);
	ck_assert(!answer.replayed);
	ck_assert_str_eq(http->method, requests[_i].method);
	ck_assert_str_eq(http->url, requests[_i].url);
	ck_assert(text_equal(http->body, requests[_i].body));
	ck_assert(text_equal(world_header(http, "Idempotency-Key"), key));
	ck_assert_str_eq(world_header(http, "Authorization"), "Bearer " STRIPE_TEST_KEY);
	ck_assert_str_eq(world_header(http, "Stripe-Version"), "2025-03-31.basil");
	ck_assert_str_eq(world_header(http, "Accept"), "application/json");
	ck_assert_str_eq(world_header(http, "Content-Type"),
	                 "application/x-www-form-urlencoded");
	ck_assert_uint_eq(http->header_count, key ? 5 : 4);
}
END_TEST

START_TEST(test_error_members)
{
	static const struct scripted declined = {
	        .status = 402,
	        .body = "{\"error\":{\"type\":\"card_error\",\"code\":\"card_declined\","
	                "\"decline_code\":\"x\",\"message\":\"Your card was declined.\"}}"};
	struct stripe_answer answer;
	const char *text;

	world_script(&world, &declined, 1);
	answer = send_within(&requests[0].request, 10 * SECOND_US);
	ck_assert_int_eq(answer.outcome, STRIPE_REFUSED);
	ck_assert_int_eq(answer.status, 402);
	ck_assert_str_eq(answer.error_type, "card_error");
	ck_assert_str_eq(answer.error_code, "card_declined");
	ck_assert_str_eq(answer.error_message, "Your card was declined.");
	ck_assert(json_view_string(&answer.object, "decline_code", &text));
}
END_TEST

/* However long attempts take, none begins too late or exceeds the deadline. */
START_TEST(test_deadline)
{
	const char *mutations = getenv("MUTATIONS");
	long rounds = (mutations ? strtol(mutations, NULL, 10) : 200000) / 100;
	uint64_t state = suite_seed("deadlines");

	for (long round = 0; round < rounds; round++) {
		struct scripted script = {
		        .status = (int[]){0, 500, 429, 409}[suite_random(&state) % 4],
		        .takes_us = (int64_t)(suite_random(&state) % (6 * SECOND_US))};
		int64_t within_us = (int64_t)(suite_random(&state) % (12 * SECOND_US));
		int64_t deadline_us = world.now_us + within_us;
		struct stripe_answer answer;

		world.random = (double)(suite_random(&state) % 1000) / 1000;
		world_script(&world, &script, 1);
		answer = send_within(&requests[0].request, within_us);
		ck_assert_int_le(world.now_us, deadline_us);
		ck_assert_int_eq(answer.attempts, (int)world.asked_count);
		for (size_t i = 0; i < world.asked_count; i++) {
			int64_t left_us = deadline_us - world.asked[i].at_us;

			ck_assert_int_ge(left_us, LEAST_US);
			ck_assert_int_le(world.asked[i].http.timeout_ms, left_us / 1000);
		}
		/* The pause after unanswered requests is over. */
		world.now_us += 5 * SECOND_US;
		arena_reset(task.arena);
	}
}
END_TEST

START_TEST(test_too_late)
{
	static const struct scripted done = {.status = 200};
	static const int64_t lefts_us[] = {LEAST_US - 1, 0, -1, -10 * SECOND_US};
	struct stripe_answer answer;

	world_script(&world, &done, 1);
	answer = send_within(&requests[0].request, lefts_us[_i]);
	ck_assert_int_eq(answer.outcome, STRIPE_NOT_NOW);
	ck_assert_int_eq(answer.status, 0);
	ck_assert_int_eq(answer.attempts, 0);
	ck_assert_uint_eq(world.asked_count, 0);
}
END_TEST

START_TEST(test_one_attempt_has_its_own_limit)
{
	static const struct scripted slow = {.status = 200, .takes_us = 100 * SECOND_US};

	world_script(&world, &slow, 1);
	(void)send_within(&requests[0].request, 1000 * SECOND_US);
	ck_assert_uint_eq(world.asked_count, 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(world.asked[i].http.timeout_ms, 80000);
}
END_TEST

/* After five unanswered requests nothing is sent for five seconds, then one request at a
 * time. */
START_TEST(test_breaker)
{
	static const struct scripted away = {.unsent = true}, done = {.status = 200};
	static const struct scripted late[] = {{.status = 0}, {.status = 500}, {.status = 0}};

	for (int round = 0; round < 3; round++) {
		world_script(&world, &away, 1);
		for (int i = 0; i < 4; i++)
			ck_assert_int_gt(send_within(&requests[0].request, SECOND_US).attempts,
			                 0);
		/* Any answer, even to one of several attempts, resets the count. */
		world_script(&world, late, 3);
		ck_assert_int_eq(send_within(&requests[0].request, 10 * SECOND_US).attempts, 3);
		for (int i = 0; i < 5; i++) {
			world_script(&world, &away, 1);
			ck_assert_int_gt(send_within(&requests[0].request, SECOND_US).attempts,
			                 0);
		}
		for (int again = 0; again < 3; again++) {
			world_script(&world, &done, 1);
			ck_assert_int_eq(send_within(&requests[0].request, SECOND_US).outcome,
			                 STRIPE_NOT_NOW);
			world.now_us += 5 * SECOND_US - 1;
			ck_assert_int_eq(send_within(&requests[0].request, SECOND_US).attempts,
			                 0);
			ck_assert_uint_eq(world.asked_count, 0);
			world.now_us += 1;
			world_script(&world, &away, 1);
			ck_assert_int_gt(send_within(&requests[0].request, SECOND_US).attempts,
			                 0);
		}
		world.now_us += 5 * SECOND_US;
		world_script(&world, &done, 1);
		ck_assert_int_eq(send_within(&requests[0].request, SECOND_US).outcome,
		                 STRIPE_DONE);
	}
}
END_TEST

static const struct {
	struct stripe_answer answer;
	enum fail kind;
	const char *code;
	const char *message; /* a part of it */
} failures[] = {
        {{.outcome = STRIPE_DONE, .status = 200}, FAIL_NONE, NULL, NULL},
        {{.outcome = STRIPE_REFUSED,
          .status = 402,
          .error_type = "card_error",
          .error_message = "Your card has 100% insufficient funds."},
         FAIL_PAYMENT,
         "payment_failed",
         "Your card has 100% insufficient funds."},
        {{.outcome = STRIPE_REFUSED, .status = 402, .error_type = "card_error"},
         FAIL_PAYMENT,
         "payment_failed",
         "did not go through"},
        {{.outcome = STRIPE_REFUSED,
          .status = 402,
          .error_type = "invalid_request_error",
          .error_message = "internal"},
         FAIL_PAYMENT,
         "payment_failed",
         "did not go through"},
        {{.outcome = STRIPE_REFUSED, .status = 404, .error_message = "No such customer: x"},
         FAIL_NOT_FOUND,
         "stripe_not_found",
         "no such object"},
        {{.outcome = STRIPE_REFUSED,
          .status = 400,
          .error_type = "invalid_request_error",
          .error_message = "internal"},
         FAIL_STRIPE,
         "stripe_error",
         "nothing was changed"},
        {{.outcome = STRIPE_REFUSED, .status = 401, .error_message = "internal"},
         FAIL_STRIPE,
         "stripe_error",
         "nothing was changed"},
        {{.outcome = STRIPE_NOT_NOW, .status = 429},
         FAIL_STRIPE,
         "stripe_error",
         "busy right now; nothing was changed"},
        {{.outcome = STRIPE_NOT_NOW},
         FAIL_STRIPE,
         "stripe_error",
         "cannot be reached right now; nothing was changed"},
        {{.outcome = STRIPE_UNKNOWN},
         FAIL_STRIPE,
         "stripe_error",
         "in time; it may have acted"},
        {{.outcome = STRIPE_UNKNOWN, .status = 500, .error_message = "internal"},
         FAIL_STRIPE,
         "stripe_error",
         "it may have acted"},
        {{.outcome = STRIPE_UNKNOWN,
          .status = 402,
          .error_type = "card_error",
          .error_message = "internal"},
         FAIL_STRIPE,
         "stripe_error",
         "it may have acted"},
};

START_TEST(test_failures)
{
	enum fail kind = stripe_client_failure(&task, &failures[_i].answer);

	ck_assert_int_eq(kind, failures[_i].kind);
	ck_assert_int_eq(task.failure.kind, failures[_i].kind);
	if (kind == FAIL_NONE)
		return;
	ck_assert_str_eq(task.failure.code, failures[_i].code);
	ck_assert_msg(strstr(task.failure.message, failures[_i].message) != NULL, "%s",
	              task.failure.message);
	ck_assert_ptr_null(strstr(task.failure.message, "internal"));
}
END_TEST

/* Sends the requests with stderr in a file, and returns what they logged. */
static char *
logged(const struct scripted *script, int count)
{
	char *folder = suite_folder(task.arena), *text;
	char *path = arena_printf(task.arena, "%s/log", folder);
	int kept = dup(STDERR_FILENO), file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	size_t length;

	log_set_level(LOG_LEVEL_INFO);
	fflush(stderr);
	ck_assert_int_ge(dup2(file, STDERR_FILENO), 0);
	for (int i = 0; i < count; i++) {
		world_script(&world, &script[i], 1);
		(void)send_within(
		        &(struct stripe_request){.method = STRIPE_POST,
		                                 .path = "/v1/customers/cus_1",
		                                 .form = "email=someone%40example.com",
		                                 .idempotency_key = "the-key"},
		        20 * SECOND_US);
	}
	ck_assert_int_ge(dup2(kept, STDERR_FILENO), 0);
	close(kept);
	close(file);
	ck_assert_int_eq(file_read(&task, path, LOG_MAX, &text, &length), FAIL_NONE);
	suite_folder_remove(task.arena, folder);
	return text;
}

/* Each attempt logs one line with Stripe's request id, and no key, parameter or personal
 * data. */
START_TEST(test_log)
{
	static const struct scripted script[] = {
	        {.status = 200, .body = "{\"email\":\"someone@example.com\"}"},
	        {.status = 400,
	         .body = "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"email_"
	                 "invalid\","
	                 "\"message\":\"Invalid email address: someone@example.com, "
	                 "key " STRIPE_TEST_KEY "\"}}"},
	        {.status = 400,
	         .body = "{\"error\":{\"type\":\"invalid_request_error\",\"param\":"
	                 "\"email\",\"message\":\"No such <someone@example.com> here\"}}"},
	        {.status = 503},
	        {.status = 0}};
	static const char *const wanted[] = {"\"request_id\":\"req-of-ours\"",
	                                     "\"method\":\"POST\"",
	                                     "\"path\":\"/v1/customers/cus_1\"",
	                                     "\"stripe_request_id\":\"req_1\"",
	                                     "\"status\":503",
	                                     "\"attempt\":3",
	                                     "\"error_code\":\"email_invalid\"",
	                                     "\"error_param\":\"email\"",
	                                     "\"error_message\":\"No such (address) here\"",
	                                     "\"reason\":\"as the script says\"",
	                                     "\"ms\":"};
	static const char *const unwanted[] = {"12345", "example", "email=", "the-key",
	                                       "Bearer"};
	char *text = logged(script, ROWS(script));
	int lines = 0;

	for (const char *at = text; *at != '\0'; at++)
		lines += *at == '\n';
	ck_assert_int_eq(lines, 1 + 1 + 1 + 3 + 3);
	for (int i = 0; i < ROWS(wanted); i++)
		ck_assert_msg(strstr(text, wanted[i]) != NULL, "no %s in %s", wanted[i], text);
	for (int i = 0; i < ROWS(unwanted); i++)
		ck_assert_msg(strstr(text, unwanted[i]) == NULL, "%s in %s", unwanted[i], text);
}
END_TEST

/* With a real connection: it is reset, and after half a second the same bytes are sent
 * again. */
START_TEST(test_real_world)
{
	static const struct act acts[] = {
	        {ACT_ANSWER_RESET, ""},
	        {ACT_ANSWER,
	         "HTTP/1.1 200 OK\r\nRequest-Id: req_2\r\nIdempotent-Replayed: true\r\n"
	         "Content-Length: 12\r\n\r\n{\"id\":\"a\"}\r\n"}};
	int64_t started_us = clock_monotonic_us();
	struct stripe_client *client;
	struct stripe_answer answer;
	struct server server;

	server_start(&server, NULL, NULL, acts, ROWS(acts));
	client = stripe_client_new(&(struct stripe_client_options){
	        .api_base = arena_printf(task.arena, "http://127.0.0.1:%d", server.port),
	        .secret_key = STRIPE_TEST_KEY,
	        .api_version = "2025-03-31.basil",
	        .max_retries = 2,
	        .connect_timeout_ms = 5000,
	        .attempt_timeout_ms = 5000});
	stripe_client_send(client, &task,
	                   &(struct stripe_request){.method = STRIPE_POST,
	                                            .path = "/v1/customers",
	                                            .form = "a=b",
	                                            .idempotency_key = "key-1",
	                                            .deadline_us = started_us + 10 * SECOND_US},
	                   &answer);
	stripe_client_free(client);
	stripe_client_free(NULL);
	server_stop(&server);
	ck_assert_int_eq(answer.outcome, STRIPE_DONE);
	ck_assert_int_eq(answer.attempts, 2);
	ck_assert_str_eq(answer.request_id, "req_2");
	ck_assert(answer.replayed);
	ck_assert_int_ge(clock_monotonic_us() - started_us, SECOND_US / 2);
	ck_assert_int_eq(server.connections, 2);
	ck_assert_str_eq(server.requests[0], server.requests[1]);
	ck_assert_str_eq(server.requests[1],
	                 arena_printf(task.arena,
	                              "POST /v1/customers HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
	                              "User-Agent: global-billing/" VERSION "\r\n"
	                              "Authorization: Bearer " STRIPE_TEST_KEY "\r\n"
	                              "Stripe-Version: 2025-03-31.basil\r\n"
	                              "Accept: application/json\r\n"
	                              "Content-Type: application/x-www-form-urlencoded\r\n"
	                              "Idempotency-Key: key-1\r\nContent-Length: 3\r\n\r\na=b",
	                              server.port));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe client");
	TCase *tcase = tcase_create("stripe client");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_requests, 0, ROWS(requests));
	tcase_add_test(tcase, test_error_members);
	tcase_add_test(tcase, test_deadline);
	tcase_add_loop_test(tcase, test_too_late, 0, 4);
	tcase_add_test(tcase, test_one_attempt_has_its_own_limit);
	tcase_add_test(tcase, test_breaker);
	tcase_add_loop_test(tcase, test_failures, 0, ROWS(failures));
	tcase_add_test(tcase, test_log);
	tcase_add_test(tcase, test_real_world);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
