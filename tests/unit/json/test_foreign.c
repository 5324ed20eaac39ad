/* test_foreign.c: text that services may send although the strict gate refuses it: the
 * foreign gate and json-c agree on it, and the values at paths are those that json-c finds in
 * its tree. */
#include "support/json_c.h"
#include "support/suite.h"

#include <dirent.h>

#include "base/file.h"
#include "base/text.h"
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

/* The answer to a copy without a byte more, so that ASan sees every look beyond. */
static bool
gate(const char *text, size_t length)
{
	char *exact = malloc(length ? length : 1);
	struct json_view value;
	bool taken;

	memcpy(exact, text, length);
	taken = json_view_read_foreign(task.arena, exact, length, &value);
	free(exact);
	return taken;
}

/* Texts that the foreign reader accepts, and texts that it refuses too. */
static const struct {
	const char *text;
	bool taken;
} texts[] = {
        {"{\"id\":\"evt_1\"}\n \n", true},
        {"{\"a\":1,\"a\":2}", true},
        {"{\"name\":\"\\ud83d\"}", true},
        {"{\"name\":\"\\ude00\\ud83d\\ud83d\\ude00\\ud83dx\"}", true},
        {"{\"name\":\"a\\u0000b\"}", true},
        {"{\"a\":-123456789012345678901234567890,\"b\":1e999,\"c\":-0.0E-0}", true},
        {"[1,2]", true},
        {"null", true},
        {"17", true},
        {"", false},
        {" ", false},
        {"{", false},
        {"{\"a\":1", false},
        {"{\"a\":1}}", false},
        {"{\"a\":1} x", false},
        {"{\"a\":1,}", false},
        {"{\"a\" 1}", false},
        {"{a:1}", false},
        {"[1 2]", false},
        {"{\"a\":tRue}", false},
        {"{\"a\":01}", false},
        {"<html></html>", false},
        {"\"cut", false},
        {"\"\\ud83d", false},
        {"\"\\ud83d\\u12\"", false},
        {"{\"name\":\"\xff\"}", false},
        {"{\"name\":\"\xed\xa0\x80\"}", false},
        {"{\"name\":\"\xc0\x80\"}", false},
};

START_TEST(test_texts)
{
	const char *text = texts[_i].text;
	struct json_object *value = NULL;

	ck_assert_msg(json_c_parse(task.arena, text, strlen(text), JSON_FOREIGN_DEPTH,
	                           &value) == texts[_i].taken,
	              "%s", text);
	ck_assert(texts[_i].taken || value == NULL);
	ck_assert_msg(gate(text, strlen(text)) == texts[_i].taken, "%s", text);
}
END_TEST

/* No body at all; what json-c is too lax for; what is longer than any text. */
START_TEST(test_nothing)
{
	struct json_view value;

	ck_assert(!json_view_read_foreign(task.arena, NULL, 0, &value));
	ck_assert(!gate("{\"a\":\"\n\"}", 9));
	ck_assert(!json_view_read_foreign(task.arena, "{}", SIZE_MAX, &value));
}
END_TEST

START_TEST(test_depth)
{
	char text[4 * JSON_FOREIGN_DEPTH];
	struct json_object *value;

	for (size_t depth = 1; depth <= 2 * JSON_FOREIGN_DEPTH; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		ck_assert(gate(text, 2 * depth) == (depth <= JSON_FOREIGN_DEPTH));
		/* json-c is generous by a level or two. */
		if (depth <= JSON_FOREIGN_DEPTH || depth > JSON_FOREIGN_DEPTH + 2)
			ck_assert(json_c_parse(task.arena, text, 2 * depth, JSON_FOREIGN_DEPTH,
			                       &value) == (depth <= JSON_FOREIGN_DEPTH));
	}
}
END_TEST

/* The value at the path as text: a string decoded, a number, or the first byte of anything else; "-":
 * nowhere. */
static const char *
find(const char *text, const char *path)
{
	const char *string;
	struct json_view text_view, value;
	int64_t number;
	bool flag;

	ck_assert(json_view_read_foreign(task.arena, text, strlen(text), &text_view));
	ck_assert(json_view_find(&text_view, path, &value) == (value.node != NULL));
	if (json_view_text(&value, &string))
		return string;
	if (json_view_number(&value, &number))
		return arena_printf(task.arena, "%lld", (long long)number);
	if (json_view_truth(&value, &flag))
		return flag ? "true" : "false";
	if (json_view_is_null(&value))
		return "null";
	if (json_view_is_object(&value))
		return "{";
	return json_view_is_list(&value) ? "[" : "-";
}

/* Finds the value in json-c's tree. */
static const char *
find_in_tree(const char *text, const char *path)
{
	struct json_object *value;
	char *names = arena_copy(task.arena, path), *cursor = names, *name;

	ck_assert(json_c_parse(task.arena, text, strlen(text), JSON_FOREIGN_DEPTH, &value));
	while ((name = strsep(&cursor, ".")) != NULL)
		if (!json_object_is_type(value, json_type_object) ||
		    !json_object_object_get_ex(value, name, &value))
			return "-";
	if (json_object_is_type(value, json_type_object))
		return "{";
	if (json_object_is_type(value, json_type_array))
		return "[";
	if (json_object_is_type(value, json_type_double))
		return "-";
	return value ? json_object_get_string(value) : "null";
}

static const struct {
	const char *text, *path, *value;
} finds[] = {
        {"{\"a\":\"x\"}", "a", "x"},
        {" {\n\"a\" : 17 }", "a", "17"},
        {"{\"a\":{\"b\":{\"c\":true}}}", "a.b.c", "true"},
        {"{\"a\":{\"b\":{\"c\":true}}}", "a.b", "{"},
        {"{\"a\":{\"b\":[1]}}", "a.b", "["},
        {"{\"a\":{\"b\":null}}", "a.b", "null"},
        {"{\"a\":{\"b\":1}}", "a.c", "-"},
        {"{\"a\":{\"b\":1}}", "b", "-"},
        {"{\"a\":[{\"b\":1}]}", "a.b", "-"},
        {"[{\"a\":1}]", "a", "-"},
        {"\"a\"", "a", "-"},
        {"{\"b\":{\"a\":1},\"c\":[{\"a\":2}],\"a\":3}", "a", "3"},
        {"{\"aa\":1,\"\":2,\"A\":3}", "a", "-"},
        /* The last of repeated names, with all that it has. */
        {"{\"a\":1,\"a\":2}", "a", "2"},
        {"{\"a\":1,\"\\u0061\":\"2\"}", "a", "2"},
        {"{\"a\":{\"b\":1},\"a\":{}}", "a.b", "-"},
        {"{\"a\":{\"b\":1},\"a\":7}", "a.b", "-"},
        {"{\"a\":{\"b\":{\"c\":1}},\"a\":{\"b\":{\"c\":2}},\"x\":0}", "a.b.c", "2"},
        {"{\"a\":{\"b\":{\"c\":1},\"b\":[]}}", "a.b.c", "-"},
        /* A name may hold anything. */
        {"{\"a.b\":1}", "a.b", "-"},
        {"{\"a\\u002eb\":1,\"a\":{\"b\":2}}", "a.b", "2"},
        {"{\"a\\u0000z\":1}", "a", "1"},
        {"{\"a\":\"x\\u0000y\"}", "a", "x"},
        {"{\"a\":\"\\udc00\\ud83d\\u0041\"}", "a",
         "\xef\xbf\xbd\xef\xbf\xbd"
         "A"},
        {"{\"a\":1.0}", "a", "-"},
        {"{\"a\":-0}", "a", "0"},
};

START_TEST(test_paths)
{
	ck_assert_str_eq(find(finds[_i].text, finds[_i].path), finds[_i].value);
	ck_assert_str_eq(find_in_tree(finds[_i].text, finds[_i].path), finds[_i].value);
}
END_TEST

/* A number that does not fit is none, wherever it comes from. */
START_TEST(test_large_numbers)
{
	ck_assert_str_eq(find("{\"a\":9223372036854775807}", "a"), "9223372036854775807");
	ck_assert_str_eq(find("{\"a\":9223372036854775808}", "a"), "-");
	ck_assert_str_eq(find("{\"a\":-9223372036854775809}", "a"), "-");
	ck_assert_str_eq(find("{\"a\":1000000000000000000000000000000}", "a"), "-");
}
END_TEST

/* Judges one file of JSONTestSuite: y_ must pass, n_ must not, of i_ what json-c takes. */
static void
judge(const char *path, const char *name)
{
	size_t length = 0;
	char *text = suite_read_bytes(task.arena, path, &length);
	struct json_object *value;
	bool taken = gate(text, length);

	/* json-c knows no byte order mark. */
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		length -= 3;
	}
	if (taken)
		ck_assert_msg(
		        json_c_parse(task.arena, text, length, JSON_FOREIGN_DEPTH, &value),
		        "%s", name);
	if (*name == 'y')
		ck_assert_msg(taken, "%s", name);
	if (*name == 'n')
		ck_assert_msg(!taken, "%s", name);
	if (*name == 'i')
		ck_assert_msg(taken == json_c_parse(task.arena, text, length,
		                                    JSON_FOREIGN_DEPTH, &value),
		              "%s", name);
	arena_reset(task.arena);
}

START_TEST(test_corpus)
{
	const char *folder = suite_corpus(task.arena, "json-test-suite/test_parsing");
	struct dirent **entries;
	int count = folder ? scandir(folder, &entries, NULL, alphasort) : 0;
	struct task names = suite_task();

	folder = folder ? arena_copy(names.arena, folder) : NULL;
	for (int i = 0; i < count; i++) {
		if (*entries[i]->d_name != '.')
			judge(arena_printf(names.arena, "%s/%s", folder, entries[i]->d_name),
			      entries[i]->d_name);
		free(entries[i]);
	}
	if (folder)
		free(entries);
	suite_task_end(&names);
}
END_TEST

/* Whatever the gate takes of spoilt texts, json-c takes too and finds the same there. */
START_TEST(test_mutations)
{
	static const char seed_text[] = "{\"a\":[1,-2.5e3,true,null],\"b\":\"\\ud83d\\ude00x\","
	                                "\"a\":{\"b\":\"d\",\"a\":{\"b\":0}},\"b\":7}";
	static const char bytes[] = "{}[]\",:\\u0019-+.eEtfn dab\x80\xc3\n";
	static const char *const paths[] = {"a", "b", "a.b", "a.a", "a.a.b"};
	uint64_t state = suite_seed("foreign JSON");
	int accepted = 0;

	for (int i = 0; i < 60000; i++) {
		char text[sizeof seed_text];

		memcpy(text, seed_text, sizeof text);
		for (uint64_t left = 1 + suite_random(&state) % 3; left > 0; left--)
			text[suite_random(&state) % (sizeof text - 1)] =
			        bytes[suite_random(&state) % (sizeof bytes - 1)];
		if (gate(text, sizeof text - 1)) {
			const char *path = paths[accepted++ % ROWS(paths)];

			ck_assert_msg(strcmp(find(text, path), find_in_tree(text, path)) == 0,
			              "%s of %s", path, text);
		}
		arena_reset(task.arena);
	}
	ck_assert_int_gt(accepted, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("json foreign");
	TCase *tcase = tcase_create("foreign");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_texts, 0, ROWS(texts));
	tcase_add_test(tcase, test_nothing);
	tcase_add_test(tcase, test_depth);
	tcase_add_loop_test(tcase, test_paths, 0, ROWS(finds));
	tcase_add_test(tcase, test_large_numbers);
	tcase_add_test(tcase, test_corpus);
	tcase_add_test(tcase, test_mutations);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
