/*
 * test_json_view.c: values read in place are those that json-c finds in its tree.
 */
#include "support/suite.h"

#include "base/json_in.h"
#include "base/json_view.h"

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

/* The same answer of both for one name and every type. */
static void
compare_member(const struct json_view *view, const struct json_object *tree, const char *name)
{
	const char *text[2] = {"", ""};
	int64_t number[2] = {0};
	bool flag[2] = {false}, found[2];
	struct json_object *inner;
	struct json_view inner_view;

	found[0] = json_view_string(view, name, &text[0]);
	found[1] = json_in_string(tree, name, &text[1]);
	ck_assert_msg(found[0] == found[1] && strcmp(text[0], text[1]) == 0, "%s", name);
	found[0] = json_view_int(view, name, &number[0]);
	found[1] = json_in_int(tree, name, &number[1]);
	ck_assert_msg(found[0] == found[1] && number[0] == number[1], "%s", name);
	found[0] = json_view_bool(view, name, &flag[0]);
	found[1] = json_in_bool(tree, name, &flag[1]);
	ck_assert_msg(found[0] == found[1] && flag[0] == flag[1], "%s", name);
	found[0] = json_view_object(view, name, &inner_view);
	found[1] = json_in_object(tree, name, &inner);
	ck_assert_msg(found[0] == found[1], "%s", name);
	if (found[0])
		compare_member(&inner_view, inner, name);
	found[0] = json_view_member(view, name, &inner_view);
	found[1] = json_object_object_get_ex(tree, name, &inner);
	ck_assert_msg(found[0] == found[1], "%s", name);
	if (found[0])
		ck_assert_int_eq(json_view_is_null(&inner_view), inner == NULL);
	if (found[0] && json_view_is_list(&inner_view)) {
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

	ck_assert_int_eq(json_in_parse_object(&task, texts[_i], length, &tree), FAIL_NONE);
	ck_assert_int_eq(json_view_open(&task, texts[_i], length, &view), FAIL_NONE);
	ck_assert_uint_eq(json_view_members(&view), (size_t)json_object_object_length(tree));
	for (int i = 0; i < ROWS(names); i++)
		compare_member(&view, tree, names[i]);
	for (more = json_view_first_member(&view, &name, &member); more;
	     more = json_view_next_member(&name, &member), walked++)
		ck_assert_msg(json_object_object_get_ex(tree, name, &inner), "%s", name);
	ck_assert_uint_eq(walked, json_view_members(&view));
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

int
main(void)
{
	Suite *suite = suite_create("json view");
	TCase *tcase = tcase_create("view");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_against_json_c, 0, ROWS(texts));
	tcase_add_test(tcase, test_no_nul);
	tcase_add_loop_test(tcase, test_refused, 0, ROWS(refused));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
