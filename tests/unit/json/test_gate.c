/* test_gate.c: texts that the JSON gate accepts and refuses: a table, the bounds, JSONTestSuite,
 * and random texts on which gate and json-c must agree. */
#include "support/json_c.h"
#include "support/suite.h"

#include <dirent.h>

#include "base/file.h"
#include "json/view.h"

static const struct {
	const char *text;
	const char *why; /* NULL: accepted */
} texts[] = {
        {"{}", NULL},
        {" [ 1 , -0 , 0.5e-3 , true , false , null ] \r\n\t", NULL},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"", NULL},
        {"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", NULL},
        {"9223372036854775807", NULL},
        {"-9223372036854775808", NULL},
        {"1.7976931348623157e308", NULL},
        {"{\"a\":{\"a\":1},\"b\":{\"a\":2}}", NULL},
        {"{\"a\":1,\"A\":2,\"\":3}", NULL},
        {"", "a value is expected"},
        {" ", "a value is expected"},
        {"{\"a\":1,\"a\":2}", "a name occurs twice in an object"},
        {"{\"a\":1,\"\\u0061\":2}", "a name occurs twice in an object"},
        {"{\"\xc3\xa9\":1,\"b\":0,\"\\u00e9\":2}", "a name occurs twice in an object"},
        {"{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}", "a name occurs twice in an object"},
        {"[{\"x\":{\"a\":1,\"b\":[],\"a\":1}}]", "a name occurs twice in an object"},
        {"9223372036854775808", "a number is out of range"},
        {"-9223372036854775809", "a number is out of range"},
        {"1e400", "a number is out of range"},
        {"-1e400", "a number is out of range"},
        {"NaN", "a value is expected"},
        {"Infinity", "a value is expected"},
        {"-Infinity", "a value is expected"},
        {"nulL", "a value is expected"},
        {"tru", "a value is expected"},
        {"01", "a number starts with a superfluous zero"},
        {"+1", "a value is expected"},
        {".5", "a value is expected"},
        {"1.", "a digit is expected"},
        {"1e", "a digit is expected"},
        {"1e+-1", "a digit is expected"},
        {"0x10", "something follows the value"},
        {"{} {}", "something follows the value"},
        {"{}\f", "something follows the value"},
        {"\"a\\u0000b\"", "a string holds a NUL"},
        {"\"a\tb\"", "a string holds a control character"},
        {"\"\\ud800\"", "a string holds half a surrogate pair"},
        {"\"\\ud800x\"", "a string holds half a surrogate pair"},
        {"\"\\ud800\\u0041\"", "a string holds half a surrogate pair"},
        {"\"\\udc00\"", "a string holds half a surrogate pair"},
        {"\"\\u12g4\"", "an escape needs four hex digits"},
        {"\"\\x41\"", "an unknown escape"},
        {"\"\\", "an unknown escape"},
        {"\"\xc0\x80\"", "a string isn't well-formed UTF-8"},
        {"\"\xed\xa0\x80\"", "a string isn't well-formed UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "a string isn't well-formed UTF-8"},
        {"\"\xe2\x82", "a string isn't well-formed UTF-8"},
        {"\"\x80\"", "a string isn't well-formed UTF-8"},
        {"\"\xff\"", "a string isn't well-formed UTF-8"},
        {"\"abc", "a string doesn't end"},
        {"'a'", "a value is expected"},
        {"\xef\xbb\xbf", "a value is expected"},
        {"\xff\xfe{", "it is UTF-16, and must be UTF-8"},
        {"{\"a\":1,}", "a name in quotes is expected"},
        {"{a:1}", "a name in quotes is expected"},
        {"{\"a\" 1}", "a colon is expected"},
        {"{\"a\":1 \"b\":2}", "a comma or a closing brace is expected"},
        {"{\"a\":1", "a comma or a closing brace is expected"},
        {"[1,]", "a value is expected"},
        {"[1 2]", "a comma or a closing bracket is expected"},
        {"[1}", "a comma or a closing bracket is expected"},
        {"[1] // comment", "something follows the value"},
};

/* The gate's answer to a copy without a byte more, so that ASan sees every look beyond. */
static const char *
gate(struct arena *arena, const char *text, size_t length)
{
	char *exact = malloc(length ? length : 1);
	struct json_refusal refusal;

	memcpy(exact, text, length);
	ck_assert((json_gate(arena, exact, length, JSON_STRICT, &refusal) == NULL) ==
	          (refusal.why != NULL));
	ck_assert_uint_le(refusal.offset, length);
	free(exact);
	return refusal.why;
}

START_TEST(test_table)
{
	struct task task = suite_task();
	const char *text = texts[_i].text, *why = gate(task.arena, text, strlen(text));
	struct json_object *tree;
	struct json_view value;
	enum fail kind = json_view_open(&task, text, strlen(text), &value);

	if (texts[_i].why) {
		ck_assert_msg(why && strcmp(why, texts[_i].why) == 0, "%s: got %s, want %s",
		              text, why ? why : "accepted", texts[_i].why);
		ck_assert_int_eq(kind, FAIL_INVALID);
		ck_assert_str_eq(task.failure.code, "invalid_json");
		ck_assert_ptr_nonnull(strstr(task.failure.message, why));
	} else {
		ck_assert_msg(!why, "%s: %s", text, why);
		ck_assert_int_eq(kind == FAIL_NONE, json_view_is_object(&value));
		ck_assert_msg(json_c_parse(task.arena, text, strlen(text), JSON_DEPTH, &tree),
		              "%s", text);
	}
	suite_task_end(&task);
}
END_TEST

/* `open` repeated, a middle, `close` repeated. */
static char *
nested(struct arena *arena, const char *open, const char *middle, const char *close,
       size_t levels)
{
	size_t size = levels * (strlen(open) + strlen(close)) + strlen(middle) + 1;
	char *text = arena_alloc(arena, size), *end = text;

	for (size_t i = 0; i < levels; i++)
		end = stpcpy(end, open);
	end = stpcpy(end, middle);
	for (size_t i = 0; i < levels; i++)
		end = stpcpy(end, close);
	return text;
}

START_TEST(test_depth)
{
	static const struct {
		const char *open, *middle, *close;
	} shapes[] = {{"[", "", "]"}, {"[", "1", "]"}, {"{\"a\":", "{}", "}"}};
	struct task task = suite_task();
	size_t most = JSON_DEPTH - (size_t)(_i == 2);
	char *text =
	        nested(task.arena, shapes[_i].open, shapes[_i].middle, shapes[_i].close, most);

	ck_assert_ptr_null(gate(task.arena, text, strlen(text)));
	text = nested(task.arena, shapes[_i].open, shapes[_i].middle, shapes[_i].close,
	              most + 1);
	ck_assert_str_eq(gate(task.arena, text, strlen(text)), "too many levels");
	text = nested(task.arena, shapes[_i].open, shapes[_i].middle, "", 100000);
	ck_assert_str_eq(gate(task.arena, text, strlen(text)), "too many levels");
	suite_task_end(&task);
}
END_TEST

static char *
object_of(struct arena *arena, int members)
{
	char *text = arena_alloc(arena, (size_t)members * 16 + 3), *end = text;

	*end++ = '{';
	for (int i = 0; i < members; i++)
		end += sprintf(end, "%s\"m%d\":%d", i ? "," : "", i, i);
	*end = '}';
	return text;
}

START_TEST(test_bounds)
{
	struct task task = suite_task();
	char *text = object_of(task.arena, 1024);
	char digits[202];

	ck_assert_ptr_null(gate(task.arena, text, strlen(text)));
	text = object_of(task.arena, 1025);
	ck_assert_str_eq(gate(task.arena, text, strlen(text)),
	                 "an object has too many members");
	memset(digits, '0', sizeof digits);
	digits[1] = '.';
	ck_assert_ptr_null(gate(task.arena, digits, 200));
	ck_assert_str_eq(gate(task.arena, digits, 201), "a number is too long");
	ck_assert_str_eq(gate(task.arena, "1\0", 2), "something follows the value");
	ck_assert_str_eq(gate(task.arena, "\0", 1), "a value is expected");
	/* json-c, which the table compares with, refuses the mark. */
	ck_assert_ptr_null(gate(task.arena, "\xef\xbb\xbf{}", 5));
	ck_assert_str_eq(gate(task.arena, "{\0}\0", 4), "it is UTF-16, and must be UTF-8");
	ck_assert_str_eq(gate(task.arena, "\0{\0}", 4), "it is UTF-16, and must be UTF-8");
	ck_assert_str_eq(gate(task.arena, "\"\0\"", 3), "a string holds a control character");
	suite_task_end(&task);
}
END_TEST

/* Every value and every name is a node of the index, which is bounded. */
START_TEST(test_many_values)
{
	struct task task = suite_task();
	size_t most = (1 << 20) - 1, length = 2 * most + 1;
	char *text = arena_alloc(task.arena, length + 3);

	for (size_t i = 0; i < length + 2; i += 2)
		memcpy(text + i, i == 0 ? "[0" : ",0", 2);
	text[length - 1] = ']';
	ck_assert_ptr_null(gate(task.arena, text, length));
	text[length - 1] = ',';
	text[length + 1] = ']';
	ck_assert_str_eq(gate(task.arena, text, length + 2), "it has too many values");
	suite_task_end(&task);
}
END_TEST

START_TEST(test_members_are_not_coerced)
{
	static const char text[] =
	        "{\"s\":\"12abc\",\"i\":12,\"d\":1.9,\"whole\":1.0,\"b\":true,"
	        "\"n\":null,\"o\":{\"x\":1},\"a\":[1]}";
	struct task task = suite_task();
	struct json_view object, inner;
	const char *string;
	int64_t number;
	bool flag;

	ck_assert_int_eq(json_view_open(&task, text, strlen(text), &object), FAIL_NONE);
	ck_assert(json_view_string(&object, "s", &string) && strcmp(string, "12abc") == 0);
	ck_assert(json_view_int(&object, "i", &number) && number == 12);
	ck_assert(json_view_bool(&object, "b", &flag) && flag);
	ck_assert(json_view_object(&object, "o", &inner) &&
	          json_view_int(&inner, "x", &number));
	ck_assert(!json_view_int(&object, "s", &number) &&
	          !json_view_int(&object, "d", &number));
	ck_assert(!json_view_int(&object, "whole", &number) &&
	          !json_view_int(&object, "b", &number));
	ck_assert(!json_view_string(&object, "i", &string) &&
	          !json_view_bool(&object, "i", &flag));
	ck_assert(!json_view_string(&object, "n", &string) &&
	          !json_view_object(&object, "n", &inner));
	ck_assert(!json_view_object(&object, "a", &inner) &&
	          !json_view_int(&object, "none", &number));
	suite_task_end(&task);
}
END_TEST

/* A number of any size leaves the rest of a body readable; all else is as strict. */
START_TEST(test_a_body)
{
	static const char text[] = "{\"a\":99999999999999999999,\"b\":-1e400,\"c\":7}";
	static const char *const refused[] = {"{\"a\":1e,\"b\":1}", "{\"a\":1,\"a\":1e400}",
	                                      "{\"a\":NaN}", "{\"a\":\"\\ud800\"}", "[1e400]"};
	struct task task = suite_task();
	struct json_view object;
	int64_t number;
	double size;

	ck_assert_int_eq(json_view_open(&task, text, strlen(text), &object), FAIL_INVALID);
	suite_task_end(&task);
	task = suite_task();
	ck_assert_int_eq(json_view_open_body(&task, text, strlen(text), &object), FAIL_NONE);
	ck_assert(!json_view_int(&object, "a", &number) &&
	          !json_view_int(&object, "b", &number));
	ck_assert(json_view_int(&object, "c", &number) && number == 7);
	ck_assert(json_view_member(&object, "b", &object) && json_view_double(&object, &size) &&
	          size < -1e300);
	for (size_t i = 0; i < ROWS(refused); i++)
		ck_assert_int_eq(
		        json_view_open_body(&task, refused[i], strlen(refused[i]), &object),
		        FAIL_INVALID);
	suite_task_end(&task);
}
END_TEST

START_TEST(test_only_objects)
{
	static const char *const others[] = {"[]", "null", "1", "\"x\"", "true"};
	struct task task = suite_task();
	struct json_view object;

	ck_assert_int_eq(json_view_open(&task, others[_i], strlen(others[_i]), &object),
	                 FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "invalid_json");
	suite_task_end(&task);
}
END_TEST

/* Valid by RFC 8259, refused by I-JSON, on purpose. */
static bool
is_refused_on_purpose(const char *name)
{
	static const char *const names[] = {
	        "y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json",
	        "y_object_escaped_null_in_key.json", "y_string_null_escape.json"};

	for (int i = 0; i < ROWS(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static int
is_json_file(const struct dirent *entry)
{
	return strstr(entry->d_name, ".json") != NULL;
}

/* Judges one file of JSONTestSuite: y_ must pass, n_ must not, i_ is free. */
static void
run_corpus_file(const char *folder, const char *name, int counts[static 2])
{
	struct task task = suite_task();
	const char *why;
	size_t length = 0;
	char *text = suite_read_bytes(task.arena,
	                              arena_printf(task.arena, "%s/%s", folder, name), &length);
	struct json_object *value;

	why = gate(task.arena, text, length);
	/* json-c knows no byte order mark. */
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		length -= 3;
	}
	counts[why ? 1 : 0]++;
	if (!why)
		ck_assert_msg(json_c_parse(task.arena, text, length, JSON_DEPTH, &value),
		              "%s: json-c refuses it", name);
	if (name[0] == 'y')
		ck_assert_msg(!why == !is_refused_on_purpose(name), "%s: %s", name,
		              why ? why : "accepted");
	if (name[0] == 'n')
		ck_assert_msg(why, "%s: accepted", name);
	suite_task_end(&task);
}

START_TEST(test_corpus)
{
	struct task task = suite_task();
	const char *folder = suite_corpus(task.arena, "json-test-suite/test_parsing");
	int counts[2] = {0, 0};
	struct dirent **entries;
	int count;

	if (folder) {
		count = scandir(folder, &entries, is_json_file, alphasort);
		ck_assert_int_gt(count, 0);
		for (int i = 0; i < count; i++) {
			run_corpus_file(folder, entries[i]->d_name, counts);
			free(entries[i]);
		}
		free(entries);
		printf("JSONTestSuite: %d texts, %d accepted, %d refused\n", count, counts[0],
		       counts[1]);
	}
	suite_task_end(&task);
}
END_TEST

/* Changes a few bytes of a text to ones that matter in JSON. */
static size_t
mutate(uint64_t *state, char *text, size_t length)
{
	static const char bytes[] = "{}[]\",:\\u0019-+.eEtfn d8\x80\xc3\n";
	size_t changes = 1 + suite_random(state) % 3;

	for (size_t i = 0; i < changes; i++)
		text[suite_random(state) % length] =
		        bytes[suite_random(state) % (sizeof bytes - 1)];
	return length - suite_random(state) % 3;
}

START_TEST(test_gate_and_parser_agree)
{
	static const char seed_text[] =
	        "{\"a\":[1,-2.5e3,true,null],\"\\u00e9\":\"\\ud83d\\ude00x\","
	        "\"b\":{\"c\":\"d\",\"e\":0}}";
	uint64_t state = suite_seed("JSON mutations");
	int accepted = 0;

	for (int i = 0; i < 60000; i++) {
		struct task task = suite_task();
		char text[sizeof seed_text];
		struct json_object *value;
		size_t length;

		memcpy(text, seed_text, sizeof text);
		length = mutate(&state, text, sizeof text - 1);
		if (!gate(task.arena, text, length)) {
			accepted++;
			ck_assert_msg(
			        json_c_parse(task.arena, text, length, JSON_DEPTH, &value),
			        "json-c refuses: %.*s", (int)length, text);
		}
		suite_task_end(&task);
	}
	printf("JSON mutations: 60000 tried, %d still JSON, all read by json-c\n", accepted);
	ck_assert_int_gt(accepted, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("json_gate");
	TCase *tcase = tcase_create("gate");

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, test_table, 0, ROWS(texts));
	tcase_add_loop_test(tcase, test_depth, 0, 3);
	tcase_add_test(tcase, test_bounds);
	tcase_add_test(tcase, test_many_values);
	tcase_add_test(tcase, test_members_are_not_coerced);
	tcase_add_test(tcase, test_a_body);
	tcase_add_loop_test(tcase, test_only_objects, 0, 5);
	tcase_add_test(tcase, test_corpus);
	tcase_add_test(tcase, test_gate_and_parser_agree);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
