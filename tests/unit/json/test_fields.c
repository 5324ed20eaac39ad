/* test_fields.c: structs filled from JSON and from query strings, and every bad field named. */
#include "support/suite.h"

#include "base/text.h"
#include "json/fields.h"

/* One member of each type, each with the rules that it can have. */
struct sample {
	const char *text;
	const char *optional;
	int64_t number;
	bool flag;
	struct patch_text patch;
	struct patch_text fixed;
	struct string_list list;
	struct instant time;
	struct any_object object;
	struct object_list objects;
};

static const char *
check_no_x(const char *value)
{
	return strchr(value, 'x') == NULL ? NULL : "must not have an x";
}

/* clang-format off */
static const struct field json_fields[] = {
        FIELD(struct sample, text, .required = true, .min = 2, .max = 4, .check = check_no_x),
        FIELD(struct sample, optional, .nullable = true, .min = 1),
        FIELD(struct sample, number, .min = -5, .max = 10, .initial = 7),
        FIELD(struct sample, flag, .initial = 1),
        FIELD(struct sample, patch, .min = 1, .max = 3),
        FIELD(struct sample, fixed, .not_null = true),
        FIELD(struct sample, list, .min = 1, .max = 2, .check = check_no_x),
        FIELD(struct sample, time, .min = 0),
        FIELD(struct sample, object, .nullable = true),
        FIELD(struct sample, objects, .min = 1, .max = 2),
        FIELD_END(struct sample),
};

static const struct field query_fields[] = {
        FIELD(struct sample, text, .min = 1, .max = 4, .check = check_no_x),
        FIELD(struct sample, number, .min = 1, .max = 100, .initial = 50),
        FIELD(struct sample, flag, .initial = 0),
        FIELD(struct sample, time, .min = 0),
        FIELD_END(struct sample),
};

static const struct field required_fields[] = {
        FIELD(struct sample, text, .required = true),
        FIELD(struct sample, number, .required = true),
        FIELD_END(struct sample),
};
static const struct field renamed_fields[] = {
        FIELD(struct sample, text, .required = true, .older = "optional"),
        FIELD(struct sample, optional, .min = 1),
        FIELD(struct sample, number, .required = true),
        FIELD_END(struct sample),
};
/* clang-format on */

static struct task task;
static struct sample sample;

static void
setup(void)
{
	task = suite_task();
	memset(&sample, 0, sizeof sample);
}

static void
teardown(void)
{
	suite_task_end(&task);
}

/* All bad fields as "name: message; ...". */
static const char *
faults(void)
{
	struct text text = text_new(task.arena, 64);

	for (const struct field_error *e = task.failure.fields; e != NULL; e = e->next)
		text_printf(&text, "%s%s: %s", text.length > 0 ? "; " : "", e->field,
		            e->message);
	return text.data;
}

static enum fail
from_json(const struct field *fields, const char *json)
{
	struct json_view object;

	ck_assert_int_eq(json_view_open_body(&task, json, strlen(json), &object), FAIL_NONE);
	return fields_from_json(&task, fields, &object, &sample);
}

START_TEST(test_fills_every_type)
{
	struct json_view item;

	ck_assert_int_eq(
	        from_json(json_fields,
	                  "{\"text\":\"a\\u00e9\\ud83d\\ude00b\",\"optional\":\"o\","
	                  "\"number\":-5,\"flag\":false,\"patch\":\"p\",\"fixed\":\"\","
	                  "\"list\":[\"one\",\"\"],\"time\":\"2025-02-15T00:00:00Z\","
	                  "\"object\":{\"a\":1},\"objects\":[{},{\"b\":2}]}"),
	        FAIL_NONE);
	ck_assert_str_eq(sample.text, "a\xc3\xa9\xf0\x9f\x98\x80"
	                              "b");
	ck_assert_str_eq(sample.optional, "o");
	ck_assert_int_eq(sample.number, -5);
	ck_assert(!sample.flag);
	ck_assert(sample.patch.present);
	ck_assert_str_eq(sample.patch.value, "p");
	ck_assert(sample.fixed.present);
	ck_assert_str_eq(sample.fixed.value, "");
	ck_assert(sample.list.present && sample.list.count == 2);
	ck_assert_str_eq(sample.list.items[0], "one");
	ck_assert_str_eq(sample.list.items[1], "");
	ck_assert(sample.time.known && sample.time.ms == 1739577600000);
	ck_assert_uint_eq(json_view_count(&sample.object.object), 1);
	ck_assert_uint_eq(sample.objects.count, 2);
	ck_assert(json_view_find(&sample.objects.list, "[1]", &item));
	ck_assert_uint_eq(json_view_count(&item), 1);
}
END_TEST

START_TEST(test_older_name)
{
	ck_assert_int_eq(from_json(renamed_fields, "{\"optional\":\"o\",\"number\":1}"),
	                 FAIL_NONE);
	ck_assert_ptr_null(sample.text);
	ck_assert_str_eq(sample.optional, "o");
	ck_assert_int_eq(from_json(renamed_fields, "{}"), FAIL_INVALID);
	ck_assert_str_eq(faults(), "text: is required; number: is required");
	task_clear(&task);
	ck_assert_int_eq(from_json(renamed_fields, "{\"optional\":null,\"number\":1}"),
	                 FAIL_INVALID);
	ck_assert_str_eq(faults(), "optional: must be a string");
}
END_TEST

START_TEST(test_absent)
{
	ck_assert_int_eq(from_json(json_fields, "{\"text\":\"ab\"}"), FAIL_NONE);
	ck_assert_ptr_null(sample.optional);
	ck_assert_int_eq(sample.number, 7);
	ck_assert(sample.flag);
	ck_assert(!sample.patch.present && !sample.fixed.present && !sample.list.present);
	ck_assert(!sample.time.known);
	ck_assert(!json_view_is_object(&sample.object.object));
	ck_assert_uint_eq(sample.objects.count, 0);
}
END_TEST

START_TEST(test_null)
{
	ck_assert_int_eq(
	        from_json(json_fields, "{\"text\":\"ab\",\"optional\":null,\"patch\":null}"),
	        FAIL_NONE);
	ck_assert_ptr_null(sample.optional);
	ck_assert(sample.patch.present);
	ck_assert_ptr_null(sample.patch.value);
}
END_TEST

#define TIME_FAULT "must be an RFC 3339 time such as 2025-02-15T00:00:00Z"

static const struct {
	const char *json, *faults;
} bad_json[] = {
        {"{}", "text: is required"},
        {"{\"text\":null}", "text: must be a string"},
        {"{\"text\":1}", "text: must be a string"},
        {"{\"text\":\"a\"}", "text: must have at least 2 characters"},
        {"{\"text\":\"abcde\"}", "text: must have at most 4 characters"},
        {"{\"text\":\"\\u00e9\"}", "text: must have at least 2 characters"},
        {"{\"text\":\"axb\"}", "text: must not have an x"},
        {"{\"text\":\"ab\",\"optional\":\"\"}", "optional: must not be empty"},
        {"{\"text\":\"ab\",\"number\":11}", "number: must be at most 10"},
        {"{\"text\":\"ab\",\"number\":-6}", "number: must be at least -5"},
        {"{\"text\":\"ab\",\"number\":1.0}", "number: must be an integer"},
        {"{\"text\":\"ab\",\"number\":99999999999999999999,\"flag\":1}",
         "number: is out of range; flag: must be true or false"},
        {"{\"text\":\"ab\",\"number\":-9223372036854775809}", "number: is out of range"},
        {"{\"text\":\"ab\",\"number\":1e400}", "number: is out of range"},
        {"{\"text\":\"ab\",\"number\":1e18}", "number: must be an integer"},
        {"{\"text\":\"ab\",\"number\":\"1\"}", "number: must be an integer"},
        {"{\"text\":\"ab\",\"number\":true}", "number: must be an integer"},
        {"{\"text\":\"ab\",\"number\":null}", "number: must be an integer"},
        {"{\"text\":\"ab\",\"flag\":1}", "flag: must be true or false"},
        {"{\"text\":\"ab\",\"flag\":\"true\"}", "flag: must be true or false"},
        {"{\"text\":\"ab\",\"flag\":null}", "flag: must be true or false"},
        {"{\"text\":\"ab\",\"patch\":\"\"}", "patch: must not be empty"},
        {"{\"text\":\"ab\",\"patch\":\"long\"}", "patch: must have at most 3 characters"},
        {"{\"text\":\"ab\",\"patch\":[]}", "patch: must be a string or null"},
        {"{\"text\":\"ab\",\"fixed\":null}", "fixed: must not be null"},
        {"{\"text\":\"ab\",\"fixed\":{}}", "fixed: must be a string"},
        {"{\"text\":\"ab\",\"list\":[]}", "list: must have 1 to 2 items"},
        {"{\"text\":\"ab\",\"list\":[\"a\",\"b\",\"c\"]}", "list: must have 1 to 2 items"},
        {"{\"text\":\"ab\",\"list\":[\"a\",1]}", "list: must be a list of strings"},
        {"{\"text\":\"ab\",\"list\":[null]}", "list: must be a list of strings"},
        {"{\"text\":\"ab\",\"list\":\"a\"}", "list: must be a list of strings"},
        {"{\"text\":\"ab\",\"list\":null}", "list: must be a list of strings"},
        {"{\"text\":\"ab\",\"list\":[\"a\",\"x\"]}", "list: must not have an x"},
        {"{\"text\":\"ab\",\"time\":\"yesterday\"}", "time: " TIME_FAULT},
        {"{\"text\":\"ab\",\"time\":1739577600}", "time: " TIME_FAULT},
        {"{\"text\":\"ab\",\"object\":[]}", "object: must be an object"},
        {"{\"text\":\"ab\",\"object\":\"{}\"}", "object: must be an object"},
        {"{\"text\":\"ab\",\"objects\":null}", "objects: must be a list of objects"},
        {"{\"text\":\"ab\",\"objects\":{}}", "objects: must be a list of objects"},
        {"{\"text\":\"ab\",\"objects\":[]}", "objects: must have 1 to 2 items"},
        {"{\"text\":\"ab\",\"objects\":[{},{},{}]}", "objects: must have 1 to 2 items"},
        {"{\"text\":\"ab\",\"Text\":\"ab\"}", "Text: is not a known field"},
        {"{\"text\":\"ab\",\"\":1}", ": is not a known field"},
        {"{\"zzz\":null,\"text\":\"a\",\"number\":99,\"flag\":0,\"patch\":1,\"fixed\":null,"
         "\"list\":{},\"time\":{},\"optional\":[]}",
         "text: must have at least 2 characters; optional: must be a string; "
         "number: must be at most 10; flag: must be true or false; "
         "patch: must be a string or null; fixed: must not be null; "
         "list: must be a list of strings; time: " TIME_FAULT "; zzz: is not a known field"},
};

START_TEST(test_bad_json)
{
	ck_assert_int_eq(from_json(json_fields, bad_json[_i].json), FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "invalid_request");
	ck_assert_msg(strcmp(faults(), bad_json[_i].faults) == 0, "%s:\n got %s\nwant %s",
	              bad_json[_i].json, faults(), bad_json[_i].faults);
}
END_TEST

/* The strings outlive the text that they came from. */
START_TEST(test_strings_are_copies)
{
	char json[] = "{\"text\":\"abcd\"}";

	ck_assert_int_eq(from_json(json_fields, json), FAIL_NONE);
	memset(json, 'x', sizeof json - 1);
	ck_assert_str_eq(sample.text, "abcd");
}
END_TEST

static const struct {
	const char *query;
	const char *text;
	int64_t number;
	bool flag;
	bool timed;
} queries[] = {
        {"", NULL, 50, false, false},
        {NULL, NULL, 50, false, false},
        {"text=a", "a", 50, false, false},
        {"text=a&number=100", "a", 100, false, false},
        {"&&number=1&", NULL, 1, false, false},
        {"text=a+b", "a+b", 50, false, false},
        {"text=a%20b", "a b", 50, false, false},
        {"time=2025-02-15T00:00:00+00:00", NULL, 50, false, true},
        {"text=a%2Bb", "a+b", 50, false, false},
        {"te%78t=%C3%a9", "\xc3\xa9", 50, false, false},
        {"text==", "=", 50, false, false},
        {"text=a%26b", "a&b", 50, false, false},
        {"time=2025-02-15T00:00:00%2B00:00&flag=false", NULL, 50, false, true},
};

START_TEST(test_query)
{
	const char *query = queries[_i].query;

	ck_assert_msg(fields_from_query(&task, query_fields, query, &sample) == FAIL_NONE,
	              "%s: %s", query, faults());
	ck_assert_msg(text_equal(sample.text, queries[_i].text), "%s: %s", query, sample.text);
	ck_assert_int_eq(sample.number, queries[_i].number);
	ck_assert(sample.flag == queries[_i].flag);
	ck_assert(sample.time.known == queries[_i].timed);
}
END_TEST

static const struct {
	const char *query, *faults;
} bad_queries[] = {
        {"number=0", "number: must be at least 1"},
        {"number=101", "number: must be at most 100"},
        {"number=", "number: must be an integer"},
        {"number", "number: must be an integer"},
        {"number=+5", "number: must be an integer"},
        {"number=05", "number: must be an integer"},
        {"number=5&number=5", "number: is given twice"},
        {"number=5&n%75mber=6", "number: is given twice"},
        {"number=99999999999999999999", "number: must be an integer"},
        {"flag=1", "flag: must be true or false"},
        {"flag=", "flag: must be true or false"},
        {"text=", "text: must not be empty"},
        {"text=abcde", "text: must have at most 4 characters"},
        {"text=x", "text: must not have an x"},
        {"text=%", "text: is not well-formed"},
        {"text=%4", "text: is not well-formed"},
        {"text=%4g", "text: is not well-formed"},
        {"text=%00", "text: is not well-formed"},
        {"text=%ff", "text: is not well-formed"},
        {"text=%c3", "text: is not well-formed"},
        {"time=2025-02-15", "time: " TIME_FAULT},
        {"flags=x", "flags: is not a known parameter"},
        {"number=5&unknown", "unknown: is not a known parameter"},
        {"=5", ": is not a known parameter"},
        {"te+xt=a", "te xt: is not a known parameter"},
        {"%zz=1", "query: has a name that is not well-formed"},
        {"\xff=1", "query: has a name that is not well-formed"},
        {"number=x&text=&flag=y&time=z",
         "number: must be an integer; text: must not be empty; flag: must be true or false; "
         "time: " TIME_FAULT},
};

START_TEST(test_bad_query)
{
	ck_assert_int_eq(fields_from_query(&task, query_fields, bad_queries[_i].query, &sample),
	                 FAIL_INVALID);
	ck_assert_msg(strcmp(faults(), bad_queries[_i].faults) == 0, "%s: %s",
	              bad_queries[_i].query, faults());
}
END_TEST

/* In words a + is a space, elsewhere it is one. */
START_TEST(test_plus)
{
	static const struct field fields[] = {
	        FIELD(struct sample, text, .plus_is_space = true),
	        FIELD_END(struct sample),
	};

	ck_assert_int_eq(fields_from_query(&task, fields, "text=a+b%2Bc", &sample), FAIL_NONE);
	ck_assert_str_eq(sample.text, "a b+c");
}
END_TEST

/* An item of a list that is no object fails where it is read, and the others do not. */
START_TEST(test_items_that_are_no_objects)
{
	struct json_view item;

	ck_assert_int_eq(from_json(json_fields, "{\"text\":\"ab\",\"objects\":[\"x\",null]}"),
	                 FAIL_NONE);
	ck_assert_uint_eq(sample.objects.count, 2);
	for (bool more = json_view_first(&sample.objects.list, &item); more;
	     more = json_view_next(&item)) {
		struct task reading = task_attempt(&task);
		struct sample other;

		ck_assert_int_eq(fields_from_json(&reading, json_fields, &item, &other),
		                 FAIL_INVALID);
		ck_assert_str_eq(reading.failure.code, "invalid_request");
	}
}
END_TEST

START_TEST(test_query_required)
{
	ck_assert_int_eq(fields_from_query(&task, required_fields, "number=3", &sample),
	                 FAIL_INVALID);
	ck_assert_str_eq(faults(), "text: is required");
	task_clear(&task);
	ck_assert_int_eq(fields_from_query(&task, required_fields, "", &sample), FAIL_INVALID);
	ck_assert_str_eq(faults(), "text: is required; number: is required");
	task_clear(&task);
	ck_assert_int_eq(fields_from_query(&task, required_fields, "number=0&text", &sample),
	                 FAIL_NONE);
	ck_assert_str_eq(sample.text, "");
}
END_TEST

static const struct {
	const char *text, *decoded;
	bool plus;
} escapes[] = {
        {"", "", false},
        {"abc", "abc", false},
        {"a%20b", "a b", false},
        {"a+b", "a+b", false},
        {"a+b", "a b", true},
        {"%2f%2F", "//", false},
        {"%25%32%35", "%25", false},
        {"%e2%82%AC", "\xe2\x82\xac", false},
        {"%", NULL, false},
        {"%a", NULL, false},
        {"%%41", NULL, false},
        {"%g0", NULL, false},
        {"%0g", NULL, false},
        {"%00", NULL, false},
        {"%-1", NULL, false},
        {"% 1", NULL, false},
        {"%\x11"
         "1",
         NULL, false},
        {"%80", NULL, false},
        {"%c0%80", NULL, false},
        {"%ed%a0%80", NULL, false},
        {"\xff", NULL, false},
        {"%1@", NULL, false},
        {"%`1", NULL, false},
};

START_TEST(test_percent_decode)
{
	const char *text = escapes[_i].text;
	char *exact = malloc(strlen(text) + 1);
	char *decoded;

	/* Followed by hex digits that do not belong to it. */
	memcpy(exact, text, strlen(text));
	exact[strlen(text)] = '1';
	decoded = fields_percent_decode(task.arena, exact, strlen(text), escapes[_i].plus);
	ck_assert_msg(text_equal(decoded, escapes[_i].decoded), "%s: %s", text, decoded);
	free(exact);
}
END_TEST

/* Every byte, escaped in both cases, comes back. */
START_TEST(test_percent_round_trip)
{
	for (unsigned byte = 1; byte < 0x80; byte++) {
		char lower[8], upper[8];

		snprintf(lower, sizeof lower, "%%%02x", byte);
		snprintf(upper, sizeof upper, "%%%02X", byte);
		ck_assert_int_eq(fields_percent_decode(task.arena, lower, 3, true)[0],
		                 (int)byte);
		ck_assert_int_eq(fields_percent_decode(task.arena, upper, 3, false)[0],
		                 (int)byte);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fields");
	TCase *tcase = tcase_create("fields");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_fills_every_type);
	tcase_add_test(tcase, test_absent);
	tcase_add_test(tcase, test_older_name);
	tcase_add_test(tcase, test_null);
	tcase_add_loop_test(tcase, test_bad_json, 0, ROWS(bad_json));
	tcase_add_test(tcase, test_strings_are_copies);
	tcase_add_loop_test(tcase, test_query, 0, ROWS(queries));
	tcase_add_loop_test(tcase, test_bad_query, 0, ROWS(bad_queries));
	tcase_add_test(tcase, test_plus);
	tcase_add_test(tcase, test_items_that_are_no_objects);
	tcase_add_test(tcase, test_query_required);
	tcase_add_loop_test(tcase, test_percent_decode, 0, ROWS(escapes));
	tcase_add_test(tcase, test_percent_round_trip);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
