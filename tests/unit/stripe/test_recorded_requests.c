/* test_recorded_requests.c: compares our requests with recorded ones of the official library:
 * what it sends, and how often it tries. Does nothing when the records are not beside the
 * project. */
#include "support/stripe_io.h"

#include "base/file.h"
#include "base/log.h"
#include "stripe/form.h"
#include "json/fields.h"
#include "json/view.h"

enum { RECORDS_MAX = 1024 * 1024 };

static struct task task;
static struct world world;

static void
setup(void)
{
	task = suite_task();
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
ask_it(const struct stripe_request *request)
{
	struct stripe_request copy = *request;
	struct stripe_answer answer;

	copy.deadline_us = world.now_us + 600000000;
	stripe_client_send(world.client, &task, &copy, &answer);
	return answer;
}

/* The member's text, or NULL. */
static const char *
member(const struct json_view *object, const char *name)
{
	const char *text;

	return json_view_string(object, name, &text) ? text : NULL;
}

/* The records of a file, at least `least`. When it does not exist: none, and a line says so. */
static struct json_view
read_records(const char *name, const char *list, size_t least)
{
	char *path = suite_shared(task.arena, name), *text;
	struct json_view root, records = {0};
	size_t length = 0;

	if (path == NULL)
		return records;
	ck_assert_int_eq(file_read(&task, path, RECORDS_MAX, &text, &length), FAIL_NONE);
	ck_assert_int_eq(json_view_open(&task, text, length, &root), FAIL_NONE);
	ck_assert(json_view_list(&root, list, &records));
	ck_assert_uint_ge(json_view_count(&records), least);
	return records;
}

/* Decodes a form and adds its parameters again, so that our encoding is compared. */
static const char *
encode_again(const char *form, size_t length)
{
	struct stripe_form out = stripe_form_new(task.arena);
	const char *end = form + length;

	while (form < end) {
		size_t pair = strcspn(form, "&"), key = strcspn(form, "=");

		stripe_form_string(&out, fields_percent_decode(task.arena, form, key, false),
		                   fields_percent_decode(task.arena, form + key + 1,
		                                         pair - key - 1, false));
		form += pair + (form[pair] == '&');
	}
	return out.text.data;
}

/* Stripe accepts brackets in values bare or encoded. The library leaves them bare. */
static char *
bare_brackets(const char *text)
{
	char *out = arena_copy(task.arena, text), *at = out;

	for (; *text != '\0'; text++) {
		if (strncmp(text, "%5B", 3) == 0 || strncmp(text, "%5D", 3) == 0) {
			*at++ = text[2] == 'B' ? '[' : ']';
			text += 2;
		} else {
			*at++ = *text;
		}
	}
	*at = '\0';
	return out;
}

static void
compare(const struct json_view *record)
{
	static const struct scripted done = {.status = 200};
	static const char *const same[][2] = {{"authorization", "Authorization"},
	                                      {"stripe-version", "Stripe-Version"},
	                                      {"content-type", "Content-Type"},
	                                      {"accept", "Accept"},
	                                      {"idempotency-key", "Idempotency-Key"}};
	struct json_view headers;
	const char *method = member(record, "method"), *target = member(record, "path");
	const char *body = member(record, "body"), *query = strchr(target, '?');
	const struct http_request *http = &world.asked[0].http;
	struct stripe_request ask = {
	        .method = STRIPE_GET,
	        .path = arena_copy_bytes(task.arena, target, strcspn(target, "?"))};

	ck_assert(json_view_object(record, "headers", &headers));
	ask.idempotency_key = member(&headers, "idempotency-key");
	ask.form = query ? encode_again(query + 1, strlen(query + 1))
	                 : encode_again(body, strlen(body));
	if (strcmp(method, "POST") == 0)
		ask.method = STRIPE_POST;
	else if (strcmp(method, "DELETE") == 0)
		ask.method = STRIPE_DELETE;
	world_script(&world, &done, 1);
	(void)ask_it(&ask);
	ck_assert_str_eq(http->method, method);
	ck_assert_str_eq(bare_brackets(http->url + strlen(STRIPE_TEST_BASE)), target);
	ck_assert_str_eq(http->body ? bare_brackets(http->body) : "", body);
	for (int i = 0; i < ROWS(same); i++)
		ck_assert_msg(text_equal(world_header(http, same[i][1]),
		                         member(&headers, same[i][0])),
		              "%s: %s", member(record, "name"), same[i][0]);
}

START_TEST(test_recorded_requests)
{
	struct json_view record,
	        records = read_records("stripe/wire/requests.json", "requests", 24);

	for (bool more = json_view_first(&records, &record); more;
	     more = json_view_next(&record))
		compare(&record);
}
END_TEST

/* The script of answers by a record's name: "503 then 200", "429 Stripe-Should-Retry: true",
 * ... */
static void
script_of(const char *name, const char *result, struct scripted script[static 2])
{
	const char *header = strstr(name, "Stripe-Should-Retry: ");
	const char *code = strrchr(result, ' ');

	script[0] = (struct scripted){.status = (int)strtol(name, NULL, 10)};
	script[0].reset = script[0].status == 0;
	if (header)
		script[0].should_retry = header + strlen("Stripe-Should-Retry: ");
	if (strstr(name, "not JSON"))
		script[0].body = "<html>not JSON</html>";
	else if (code && !strchr("0123456789", code[1]))
		script[0].body = arena_printf(
		        task.arena, "{\"error\":{\"type\":\"some_error\",\"code\":\"%s\"}}",
		        code + 1);
	script[1] = strstr(name, "then 200") ? (struct scripted){.status = 200} : script[0];
}

static void
replay(const struct json_view *record)
{
	static const char *const methods[] = {"GET", "POST", "DELETE"};
	const char *name = member(record, "answer"), *result = member(record, "result");
	struct json_view delays, delay;
	struct scripted script[2];
	struct stripe_answer answer;
	enum stripe_method method = STRIPE_GET;
	int64_t attempts = 0;
	size_t waited = 0;
	/* The library does not try again. */
	bool limited = strncmp(name, "429", 3) == 0 && !strstr(name, "Should-Retry");

	while (strcmp(methods[method], member(record, "method")) != 0)
		method++;
	ck_assert(json_view_int(record, "attempts", &attempts));
	ck_assert(json_view_list(record, "delays_ms", &delays));
	script_of(name, result, script);
	world_script(&world, script, 2);
	answer = ask_it(&(struct stripe_request){
	        .method = method,
	        .path = "/v1/things",
	        .idempotency_key = method == STRIPE_POST ? "a-key" : NULL});
	world_same_requests(&world);
	ck_assert_msg(answer.attempts == (limited ? 4 : (int)attempts), "%s", name);
	ck_assert_msg((answer.outcome == STRIPE_DONE) == (strcmp(result, "ok") == 0), "%s",
	              name);
	if (script[0].body && answer.status >= 300)
		ck_assert_str_eq(answer.error_code, strrchr(result, ' ') + 1);
	for (size_t i = 0; i < world.asked_count; i++)
		ck_assert_int_eq(world.asked[i].key != NULL,
		                 strncmp(member(record, "idempotency_key"), "same", 4) == 0);
	/* The library waits no longer for a rate limit than for other errors. */
	for (bool more = json_view_first(&delays, &delay); more && script[0].status != 429;
	     more = json_view_next(&delay)) {
		int64_t delay_ms = 0;

		ck_assert(json_view_number(&delay, &delay_ms));
		ck_assert_int_lt(llabs(delay_ms - world.waits_us[waited++] / 1000), 50);
	}
}

START_TEST(test_recorded_retries)
{
	struct json_view record,
	        records = read_records("stripe/wire/retries.json", "cases", 60);

	for (bool more = json_view_first(&records, &record); more;
	     more = json_view_next(&record))
		replay(&record);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe records");
	TCase *tcase = tcase_create("stripe records");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_recorded_requests);
	tcase_add_test(tcase, test_recorded_retries);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
