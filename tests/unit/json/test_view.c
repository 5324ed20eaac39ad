/* test_view.c: values read in place are those that json-c finds in its tree; paths lead to
 * them. */
#include "support/json_c.h"
#include "support/suite.h"

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

static const char *const texts[] = {
        "{}",
        " { } ",
        "{\"a\":1}",
        "{\"b\":{\"a\":2},\"a\":-0,\"c\":[1,{\"a\":3},\"]}\"]}",
        "{\"\\u0061\":\"x\\u0041\\ud83d\\ude00\\n\\\\\", \"b\" : \"\" }",
        "{\"a\":1.5,\"b\":1e3,\"c\":-9223372036854775808,\"d\":9223372036854775807}",
        "{\"a\":true,\"b\":false,\"c\":null,\"d\":\"null\",\"e\":\"12abc\"}",
        "{\"a\":[],\"b\":[[]],\"c\":[ 1 , 2 ],\"d\":{\"a\":[true,null]}}",
        "{\"\":\"empty\",\"a\\\"b\":\"quote\",\"a\":{}}",
};

/* json-c's member when it is of that type. */
static struct json_object *
member(const struct json_object *tree, const char *name, enum json_type type)
{
	struct json_object *out;

	return json_object_object_get_ex(tree, name, &out) && json_object_is_type(out, type)
	               ? out
	               : NULL;
}

/* Checks that both readers give the same answer for one name and every type. */
static void
compare_member(const struct json_view *view, const struct json_object *tree, const char *name)
{
	struct json_object *inner;
	const char *text;
	int64_t number;
	double real;
	bool flag, found;
	struct json_view inner_view;

	inner = member(tree, name, json_type_string);
	ck_assert_msg(json_view_string(view, name, &text) == (inner != NULL), "%s", name);
	if (inner != NULL)
		ck_assert_str_eq(text, json_object_get_string(inner));
	inner = member(tree, name, json_type_int);
	ck_assert_msg(json_view_int(view, name, &number) == (inner != NULL), "%s", name);
	if (inner != NULL)
		ck_assert_int_eq(number, json_object_get_int64(inner));
	inner = member(tree, name, json_type_boolean);
	ck_assert_msg(json_view_bool(view, name, &flag) == (inner != NULL), "%s", name);
	if (inner != NULL)
		ck_assert_int_eq(flag, json_object_get_boolean(inner));
	inner = member(tree, name, json_type_object);
	ck_assert_msg(json_view_object(view, name, &inner_view) == (inner != NULL), "%s", name);
	if (inner != NULL)
		compare_member(&inner_view, inner, name);
	found = json_view_member(view, name, &inner_view);
	ck_assert_msg(found == json_object_object_get_ex(tree, name, &inner), "%s", name);
	if (!found)
		return;
	ck_assert_int_eq(json_view_is_null(&inner_view), inner == NULL);
	ck_assert(json_view_double(&inner_view, &real) ==
	          (json_object_is_type(inner, json_type_double) ||
	           json_object_is_type(inner, json_type_int)));
	if (json_object_is_type(inner, json_type_double))
		ck_assert_double_eq(real, json_object_get_double(inner));
	if (json_view_is_list(&inner_view)) {
		struct json_view item;
		size_t count = 0;

		for (bool more = json_view_first(&inner_view, &item); more;
		     more = json_view_next(&item))
			count++;
		ck_assert_uint_eq(count, json_object_array_length(inner));
	}
}

START_TEST(test_against_json_c)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "", "a\"b", "\\u0061"};
	size_t length = strlen(texts[_i]);
	struct json_object *tree, *inner;
	struct json_view view, member;
	const char *name;
	size_t walked = 0;
	bool more;

	ck_assert(json_c_parse(task.arena, texts[_i], length, JSON_DEPTH, &tree));
	ck_assert_int_eq(json_view_open(&task, texts[_i], length, &view), FAIL_NONE);
	ck_assert_uint_eq(json_view_count(&view), (size_t)json_object_object_length(tree));
	for (int i = 0; i < ROWS(names); i++)
		compare_member(&view, tree, names[i]);
	for (more = json_view_first_member(&view, &name, &member); more;
	     more = json_view_next_member(&name, &member), walked++)
		ck_assert_msg(json_object_object_get_ex(tree, name, &inner), "%s", name);
	ck_assert_uint_eq(walked, json_view_count(&view));
}
END_TEST

static const char *const refused[] = {"",
                                      " ",
                                      "[]",
                                      "1",
                                      "\"{}\"",
                                      "{",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"a\":1,\"\\u0061\":2}",
                                      "{}x",
                                      "{\"a\":\"\\u0000\"}"};

START_TEST(test_refused)
{
	struct json_view view;

	ck_assert_int_eq(json_view_open(&task, refused[_i], strlen(refused[_i]), &view),
	                 FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "invalid_json");
}
END_TEST

/* A text that lies in memory up to its last byte, without a NUL behind it. */
START_TEST(test_no_nul)
{
	static const char text[] = "{\"a\":123}";
	size_t length = sizeof text - 1;
	char *exact = malloc(length);
	struct json_view view;
	int64_t number = 0;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, text, length);
	ck_assert_int_eq(json_view_open(&task, exact, length, &view), FAIL_NONE);
	ck_assert(json_view_int(&view, "a", &number));
	ck_assert_int_eq(number, 123);
	ck_assert(!json_view_int(&view, "b", &number));
	free(exact);
}
END_TEST

static const char document[] =
        "{\"a\": [1, {\"b\": \"x\"}, [2.5, -3]], \"c\": {\"d\": {\"e\": null}}}";

/* Paths, the source of what stands there, and the rest of the path that leads no further. */
static const struct {
	const char *path, *source, *rest;
} paths[] = {
        {"a[0]", "1", ""},
        {"a[1].b", "\"x\"", ""},
        {"a[2]", "[2.5, -3]", ""},
        {"a[2][1]", "-3", ""},
        {"c.d", "{\"e\": null}", ""},
        {"c.d.e", "null", ""},
        {"a[3]", NULL, "[3]"},
        {"a[1].c", NULL, "c"},
        {"a.b", NULL, "b"},
        {"a[1", "{\"b\": \"x\"}", ""},
        {"c[0]", NULL, "[0]"},
        {"c.d.e.f", NULL, "f"},
        {"C", NULL, "C"},
};

START_TEST(test_paths)
{
	const char *rest = paths[_i].path;
	struct json_view view, value;

	ck_assert_int_eq(json_view_open(&task, document, strlen(document), &view), FAIL_NONE);
	ck_assert_int_eq(json_view_find(&view, rest, &value), paths[_i].source != NULL);
	if (paths[_i].source != NULL)
		ck_assert_str_eq(json_view_source(&value), paths[_i].source);
	value = json_view_follow(&view, &rest);
	ck_assert_ptr_nonnull(value.node);
	ck_assert_str_eq(rest, paths[_i].rest);
}
END_TEST

/* Nothing is a value of no type. */
START_TEST(test_none)
{
	const struct json_view none = {0};
	struct json_view value;
	const char *text;
	int64_t number;
	double real;
	bool flag;

	ck_assert(!json_view_is_null(&none) && !json_view_is_object(&none));
	ck_assert(!json_view_text(&none, &text) && !json_view_number(&none, &number));
	ck_assert(!json_view_double(&none, &real) && !json_view_truth(&none, &flag));
	ck_assert(!json_view_member(&none, "a", &value) && !json_view_find(&none, "a", &value));
	ck_assert(!json_view_first(&none, &value));
	ck_assert(!json_view_first_member(&none, &text, &value));
	ck_assert_uint_eq(json_view_count(&none), 0);
	ck_assert(!json_view_try(task.arena, "[1]", 3, &value) && value.node == NULL);
	ck_assert_int_eq(task.failure.kind, FAIL_NONE);
}
END_TEST

/* A name that occurs twice is a bad field. */
START_TEST(test_repeated_name)
{
	static const char text[] = "{\"a\":{\"\\u0062\":1,\"b\":2}}";
	struct json_view view;

	ck_assert_int_eq(json_view_open(&task, text, strlen(text), &view), FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "invalid_json");
	ck_assert_str_eq(task.failure.fields->field, "b");
	ck_assert_str_eq(task.failure.fields->message, "is given twice");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("json view");
	TCase *tcase = tcase_create("view");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_against_json_c, 0, ROWS(texts));
	tcase_add_test(tcase, test_no_nul);
	tcase_add_loop_test(tcase, test_paths, 0, ROWS(paths));
	tcase_add_test(tcase, test_none);
	tcase_add_test(tcase, test_repeated_name);
	tcase_add_loop_test(tcase, test_refused, 0, ROWS(refused));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
