/* test_values.c: names and values of features and limits, and which value grants more. */
#include "support/suite.h"
#include "support/values.h"

#include "base/wire.h"

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

START_TEST(test_names)
{
	static const char *const good[] = {"a", "Z", "maxDevices", "a1", "SSO"};
	static const char *const bad[] = {"",    "1a",       "max_devices", "a-b",
	                                  "a b", "\xc3\xa9", "a.b",         "a\n"};
	char long_name[VALUE_NAME_MAX + 2];

	for (int i = 0; i < ROWS(good); i++)
		ck_assert_msg(value_is_name(good[i]), "%s", good[i]);
	for (int i = 0; i < ROWS(bad); i++)
		ck_assert_msg(!value_is_name(bad[i]), "%s", bad[i]);
	memset(long_name, 'a', sizeof(long_name));
	long_name[VALUE_NAME_MAX + 1] = '\0';
	ck_assert(!value_is_name(long_name));
	long_name[VALUE_NAME_MAX] = '\0';
	ck_assert(value_is_name(long_name));
}
END_TEST

/* Reads one value's JSON. Returns why it is refused, or NULL. */
static const char *
read_one(const char *json, enum value_kind kind, struct license_value *out)
{
	struct json_refusal refusal;
	struct json_view view;

	ck_assert(json_view_read(task.arena, json, strlen(json), &view, &refusal));
	return value_read(&view, kind, "name", out);
}

START_TEST(test_values_at_their_bounds)
{
	static const char *const features[] = {
	        "true", "false", "0", "9007199254740991", "\"a\"", "\"\xe2\x82\xac \\\"\""};
	static const char *const bad[] = {"null", "-1",      "9007199254740992", "1.5", "1.0",
	                                  "\"\"", "\"\\n\"", "\"\\u007f\"",      "[]",  "{}"};
	struct license_value value;
	char *text;

	for (int i = 0; i < ROWS(features); i++)
		ck_assert_msg(read_one(features[i], VALUE_FEATURE, &value) == NULL, "%s",
		              features[i]);
	for (int i = 0; i < ROWS(bad); i++)
		ck_assert_msg(read_one(bad[i], VALUE_FEATURE, &value) != NULL, "%s", bad[i]);
	text = arena_printf(task.arena, "\"%0*d\"", VALUE_TEXT_MAX, 7);
	ck_assert_ptr_null(read_one(text, VALUE_FEATURE, &value));
	ck_assert_uint_eq(strlen(value.text), VALUE_TEXT_MAX);
	text = arena_printf(task.arena, "\"%0*d\"", VALUE_TEXT_MAX + 1, 7);
	ck_assert_ptr_nonnull(read_one(text, VALUE_FEATURE, &value));
	ck_assert_ptr_null(read_one("null", VALUE_LIMIT, &value));
	ck_assert_int_eq(value.number, LICENSE_UNLIMITED);
	ck_assert_ptr_null(read_one("9007199254740991", VALUE_LIMIT, &value));
	ck_assert_int_eq(value.number, WIRE_NUMBER_MAX);
	ck_assert_ptr_nonnull(read_one("-1", VALUE_LIMIT, &value));
	ck_assert_ptr_nonnull(read_one("\"1\"", VALUE_LIMIT, &value));
	ck_assert_ptr_nonnull(read_one("true", VALUE_LIMIT, &value));
}
END_TEST

START_TEST(test_too_many_names)
{
	struct license_values values;
	struct json_view object;
	const char *bad;
	char *text = arena_copy(task.arena, "{");

	for (int i = 0; i <= VALUES_MAX; i++) {
		struct json_refusal refusal;
		char *whole;

		text = arena_printf(task.arena, "%s%s\"n%d\":%d", text, i > 0 ? "," : "", i, i);
		whole = arena_printf(task.arena, "%s}", text);
		ck_assert(json_view_read(task.arena, whole, strlen(whole), &object, &refusal));
		ck_assert_int_eq(values_read(&object, VALUE_FEATURE, &values, &bad) == NULL,
		                 i < VALUES_MAX);
	}
	ck_assert_uint_eq(values.count, VALUES_MAX);
	ck_assert_ptr_null(bad);
}
END_TEST

/* Each list grants more than the other when it is in the table, in that direction alone. */
START_TEST(test_what_grants_more)
{
	const struct {
		enum value_kind kind;
		struct license_values a, b;
		bool a_more, b_more;
	} rows[] = {
	        {VALUE_FEATURE, VALUES(TRUTH("a", true)), VALUES(TRUTH("a", false)), true,
	         false},
	        {VALUE_FEATURE, VALUES(TRUTH("a", true)), VALUES(TRUTH("a", true)), false,
	         false},
	        {VALUE_FEATURE, VALUES(TRUTH("a", true)), VALUES(TRUTH("b", false)), true,
	         false},
	        {VALUE_FEATURE, VALUES(TRUTH("a", false)), VALUES(TRUTH("b", false)), false,
	         false},
	        {VALUE_FEATURE, VALUES(TRUTH("a", true)), VALUES(TRUTH("b", true)), true, true},
	        {VALUE_FEATURE, VALUES(NUMBER("a", 2)), VALUES(NUMBER("a", 1)), true, false},
	        {VALUE_FEATURE, VALUES(NUMBER("a", 0)), VALUES(TRUTH("b", false)), false,
	         false},
	        {VALUE_FEATURE, VALUES(NUMBER("a", 1)), VALUES(TRUTH("b", false)), true, false},
	        {VALUE_FEATURE, VALUES(TEXT("a", "eu")), VALUES(TEXT("a", "us")), true, true},
	        {VALUE_FEATURE, VALUES(TEXT("a", "eu")), VALUES(TEXT("a", "eu")), false, false},
	        {VALUE_FEATURE, VALUES(TEXT("a", "eu")), VALUES(TRUTH("b", false)), true,
	         false},
	        {VALUE_FEATURE, VALUES(TEXT("a", "eu")), VALUES(NUMBER("a", 1)), true, true},
	        {VALUE_LIMIT, VALUES(NUMBER("a", 2)), VALUES(NUMBER("a", 1)), true, false},
	        {VALUE_LIMIT, VALUES(NUMBER("a", LICENSE_UNLIMITED)), VALUES(NUMBER("a", 9)),
	         true, false},
	        {VALUE_LIMIT, VALUES(NUMBER("a", LICENSE_UNLIMITED)),
	         VALUES(NUMBER("b", LICENSE_UNLIMITED)), false, false},
	        {VALUE_LIMIT, VALUES(NUMBER("a", 1)), VALUES(NUMBER("b", LICENSE_UNLIMITED)),
	         false, true},
	        {VALUE_LIMIT, VALUES(NUMBER("a", 1)), VALUES(NUMBER("b", 1)), true, true},
	};

	for (int i = 0; i < ROWS(rows); i++) {
		ck_assert_msg(values_are_more(rows[i].kind, &rows[i].a, &rows[i].b) ==
		                      rows[i].a_more,
		              "row %d", i);
		ck_assert_msg(values_are_more(rows[i].kind, &rows[i].b, &rows[i].a) ==
		                      rows[i].b_more,
		              "row %d, reversed", i);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("values");
	TCase *tcase = tcase_create("values");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_names);
	tcase_add_test(tcase, test_values_at_their_bounds);
	tcase_add_test(tcase, test_too_many_names);
	tcase_add_test(tcase, test_what_grants_more);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
