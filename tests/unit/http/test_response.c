/* test_response.c: each kind of failure has its status, and internal messages stay in the
 * log. */
#include "support/suite.h"

#include "base/text.h"
#include "http/response.h"
#include "json/out.h"
#include "json/view.h"

static struct task task;
static struct response response;

static void
setup(void)
{
	task = suite_task();
	task.request_id = "req-1";
	response = (struct response){0};
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static const struct {
	enum fail kind;
	int status;
	const char *retry_after;
} kinds[] = {
        {FAIL_INVALID, 400, NULL},       {FAIL_UNAUTHENTICATED, 401, NULL},
        {FAIL_FORBIDDEN, 403, NULL},     {FAIL_NOT_FOUND, 404, NULL},
        {FAIL_METHOD, 405, NULL},        {FAIL_CONFLICT, 409, NULL},
        {FAIL_TOO_LARGE, 413, NULL},     {FAIL_MEDIA_TYPE, 415, NULL},
        {FAIL_UNPROCESSABLE, 422, NULL}, {FAIL_UNAVAILABLE, 503, "1"},
        {FAIL_UNCERTAIN, 503, "1"},      {FAIL_INTERNAL, 500, NULL},
        {FAIL_BUSY, 409, "1"},           {FAIL_LIMITED, 429, "1"},
        {FAIL_PAYMENT, 402, NULL},       {FAIL_STRIPE, 502, "5"},
};

_Static_assert(sizeof(kinds) / sizeof(*kinds) == FAIL_COUNT - 1, "every kind but success");

static struct json_view
body(void)
{
	struct json_view object;

	ck_assert_uint_eq(response.length, strlen(response.body));
	ck_assert_str_eq(response_header_value(&response, "content-type"), "application/json");
	ck_assert_int_eq(json_view_open(&(struct task){.arena = task.arena}, response.body,
	                                response.length, &object),
	                 FAIL_NONE);
	return object;
}

static const char *
member(const struct json_view *object, const char *name)
{
	const char *value;

	ck_assert_msg(json_view_string(object, name, &value), "%s is missing", name);
	return value;
}

START_TEST(test_kinds)
{
	struct json_view object;
	bool ours = kinds[_i].kind == FAIL_INTERNAL;

	(void)task_fail(&task, kinds[_i].kind, "some_code", "Table %s has no \"column\".",
	                "customers");
	response_failure(&response, &task);
	ck_assert_int_eq(response.status, kinds[_i].status);
	ck_assert_int_eq(response_status_of(kinds[_i].kind), kinds[_i].status);
	ck_assert(text_equal(response_header_value(&response, "Retry-After"),
	                     kinds[_i].retry_after));
	ck_assert(text_equal(response_header_value(&response, "WWW-Authenticate"),
	                     kinds[_i].kind == FAIL_UNAUTHENTICATED ? "Bearer" : NULL));
	object = body();
	ck_assert_int_eq((int)json_view_count(&object), 3);
	ck_assert_str_eq(member(&object, "request_id"), "req-1");
	ck_assert_str_eq(member(&object, "code"), ours ? "internal_error" : "some_code");
	ck_assert_str_eq(member(&object, "error"), ours ? "Something went wrong on our side."
	                                                : "Table customers has no \"column\".");
	ck_assert((strstr(response.body, "customers") == NULL) == ours);
	ck_assert((strstr(response.body, "some_code") == NULL) == ours);
}
END_TEST

START_TEST(test_details)
{
	struct json_view object, list, item;

	(void)task_fail_field(&task, "email", "is required");
	(void)task_fail_field(&task, "a \"quoted\"\r\n\x01 name", "is not a known field");
	response_failure(&response, &task);
	ck_assert_int_eq(response.status, 400);
	object = body();
	ck_assert(json_view_list(&object, "details", &list));
	ck_assert_uint_eq(json_view_count(&list), 2);
	ck_assert(json_view_first(&list, &item));
	ck_assert_str_eq(member(&item, "field"), "email");
	ck_assert_str_eq(member(&item, "message"), "is required");
	ck_assert(json_view_next(&item));
	ck_assert_str_eq(member(&item, "field"), "a \"quoted\"\r\n\x01 name");
}
END_TEST

START_TEST(test_a_failure_replaces_what_was_there)
{
	struct json_out json = json_out_new(task.arena, 8);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "secret", "half an answer");
	json_out_close(&json, '}');
	response_json(&response, 201, &json);
	ck_assert_int_eq(response.status, 201);
	ck_assert_str_eq(response.body, "{\"secret\":\"half an answer\"}");
	(void)task_fail(&task, FAIL_UNAVAILABLE, "database_unavailable", "Later.");
	response_failure(&response, &task);
	ck_assert_int_eq(response.status, 503);
	ck_assert_ptr_null(strstr(response.body, "half"));
	ck_assert_uint_eq(response.header_count, 2);
}
END_TEST

START_TEST(test_headers)
{
	ck_assert_ptr_null(response_header_value(&response, "ETag"));
	response_header(&response, "ETag", "\"1\"");
	response_header(&response, "Allow", "GET");
	response_header(&response, "etag", "\"2\"");
	ck_assert_uint_eq(response.header_count, 2);
	ck_assert_str_eq(response_header_value(&response, "ETAG"), "\"2\"");
	ck_assert_str_eq(response_header_value(&response, "Allow"), "GET");
	ck_assert_ptr_null(response_header_value(&response, "ETa"));
	ck_assert_ptr_null(response_header_value(&response, "ETags"));
}
END_TEST

START_TEST(test_room_for_headers)
{
	for (int i = 0; i < RESPONSE_HEADERS_MAX; i++)
		response_header(&response, arena_printf(task.arena, "X-%d", i), "v");
	for (int i = 0; i < RESPONSE_HEADERS_MAX; i++)
		response_header(&response, arena_printf(task.arena, "x-%d", i), "w");
	ck_assert_uint_eq(response.header_count, RESPONSE_HEADERS_MAX);
	ck_assert_str_eq(response_header_value(&response, "X-15"), "w");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("response");
	TCase *tcase = tcase_create("response");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_kinds, 0, ROWS(kinds));
	tcase_add_test(tcase, test_details);
	tcase_add_test(tcase, test_a_failure_replaces_what_was_there);
	tcase_add_test(tcase, test_headers);
	tcase_add_test(tcase, test_room_for_headers);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
