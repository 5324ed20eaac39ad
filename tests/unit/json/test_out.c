/* test_out.c: the written text is JSON, and reads back as the values that were given. */
#include "support/suite.h"

#include "json/out.h"
#include "json/view.h"

static struct task task;

static void
setup(void)
{
	task = suite_task();
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static const struct {
	const char *value, *json;
} quoted[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"\"\\/", "\"\\\"\\\\/\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1b\x1f", "\"\\u0001\\u001b\\u001f\""},
        {"\x7f", "\"\x7f\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"</script>", "\"</script>\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"\xc0\x80", "\"\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\""},
        {"ends in \xe2\x82", "\"\xef\xbf\xbd\""},
};

START_TEST(test_quote)
{
	struct text text = text_new(task.arena, 1);

	json_out_quote(&text, quoted[_i].value);
	ck_assert_str_eq(text.data, quoted[_i].json);
}
END_TEST

START_TEST(test_shape)
{
	struct json_out json = json_out_new(task.arena, 8);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "s", "x");
	json_out_string(&json, "none", NULL);
	json_out_int(&json, "least", INT64_MIN);
	json_out_bool(&json, "yes", true);
	json_out_bool(&json, "no", false);
	json_out_null(&json, "null");
	json_out_time(&json, "time", INSTANT_MS(1739577600000));
	json_out_time(&json, "never", INSTANT_NONE);
	json_out_raw(&json, "raw", "[1]");
	json_out_open(&json, "list", '[');
	json_out_int(&json, NULL, 1);
	json_out_open(&json, NULL, '{');
	json_out_close(&json, '}');
	json_out_open(&json, NULL, '[');
	json_out_close(&json, ']');
	json_out_string(&json, NULL, "y");
	json_out_close(&json, ']');
	json_out_string(&json, "a \"name\"", "z");
	json_out_close(&json, '}');
	ck_assert_str_eq(json.text.data,
	                 "{\"s\":\"x\",\"none\":null,\"least\":-9223372036854775808,"
	                 "\"yes\":true,\"no\":false,\"null\":null,"
	                 "\"time\":\"2025-02-15T00:00:00.000Z\",\"never\":null,\"raw\":[1],"
	                 "\"list\":[1,{},[],\"y\"],\"a \\\"name\\\"\":\"z\"}");
	ck_assert_uint_eq(json.text.length, strlen(json.text.data));
}
END_TEST

/* A string of random characters: mostly well-formed, when not it is any bytes. */
static char *
random_string(uint64_t *state, bool well_formed)
{
	static const char *const characters[] = {
	        "a",    "\"",       "\\",           "\n",           "\x01",
	        "\x7f", "\xc3\xa9", "\xe2\x80\xa8", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"};
	struct text text = text_new(task.arena, 16);
	size_t length = suite_random(state) % 40;

	for (size_t i = 0; i < length; i++) {
		if (well_formed)
			text_add(&text, characters[suite_random(state) % ROWS(characters)]);
		else
			text_add_char(&text, (char)(1 + suite_random(state) % 255));
	}
	return text.data;
}

static void
check_reads_back(const char *name, const char *value, bool well_formed)
{
	struct json_out json = json_out_new(task.arena, 16);
	struct json_view object;
	const char *back;

	json_out_open(&json, NULL, '{');
	json_out_string(&json, name, value);
	json_out_close(&json, '}');
	if (json_view_open(&task, json.text.data, json.text.length, &object) != FAIL_NONE)
		ck_abort_msg("%s: %s", json.text.data, task.failure.message);
	if (well_formed &&
	    (!json_view_string(&object, name, &back) || strcmp(back, value) != 0))
		ck_abort_msg("%s does not read back", json.text.data);
}

START_TEST(test_reads_back)
{
	uint64_t state = suite_seed("strings");

	for (int i = 0; i < 10000; i++) {
		bool well_formed = i % 4 != 0;

		check_reads_back(random_string(&state, well_formed),
		                 random_string(&state, well_formed), well_formed);
		arena_reset(task.arena);
	}
}
END_TEST

START_TEST(test_numbers_read_back)
{
	uint64_t state = suite_seed("numbers");

	for (int i = 0; i < 2000; i++) {
		struct json_out json = json_out_new(task.arena, 1);
		int64_t value = (int64_t)suite_random(&state) >> (i % 64), back = 0;
		struct json_view object;

		json_out_open(&json, NULL, '{');
		json_out_int(&json, "n", value);
		json_out_close(&json, '}');
		ck_assert_int_eq(
		        json_view_open(&task, json.text.data, json.text.length, &object),
		        FAIL_NONE);
		ck_assert(json_view_int(&object, "n", &back) && back == value);
		arena_reset(task.arena);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("json_out");
	TCase *tcase = tcase_create("json_out");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_quote, 0, ROWS(quoted));
	tcase_add_test(tcase, test_shape);
	tcase_add_test(tcase, test_reads_back);
	tcase_add_test(tcase, test_numbers_read_back);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
