/* test_log.c: each call is one line, each line is JSON, whatever was logged. */
#include "support/suite.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "json/view.h"

static struct task task;
static int kept_stderr, out[2];

static void
setup(void)
{
	task = suite_task();
	fflush(stderr);
	kept_stderr = dup(STDERR_FILENO);
	ck_assert_int_eq(pipe2(out, O_NONBLOCK | O_CLOEXEC), 0);
	ck_assert_int_ge(dup2(out[1], STDERR_FILENO), 0);
}

static void
teardown(void)
{
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	close(out[0]);
	close(out[1]);
	log_set_level(LOG_LEVEL_INFO);
	suite_task_end(&task);
}

/* The text written since the last call, or "". */
static char *
written(void)
{
	char *text = arena_alloc(task.arena, 65536);
	ssize_t length = read(out[0], text, 65535);

	text[length < 0 ? 0 : length] = '\0';
	return text;
}

/* The one line as an object; it must be one, plain ASCII, and end in the only line break. */
static struct json_view
line(void)
{
	char *text = written();
	size_t length = strlen(text);
	struct json_view object;

	ck_assert_uint_gt(length, 0);
	ck_assert_uint_le(length, 4096);
	ck_assert_int_eq(text[length - 1], '\n');
	text[--length] = '\0';
	for (size_t i = 0; i < length; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			ck_abort_msg("byte %zu is %02x", i, (unsigned char)text[i]);
	ck_assert_msg(json_view_open(&task, text, length, &object) == FAIL_NONE, "...%s: %s",
	              text + (length > 300 ? length - 300 : 0), task.failure.message);
	return object;
}

static const char *
text_of(const struct json_view *object, const char *name)
{
	const char *value;

	ck_assert_msg(json_view_string(object, name, &value), "%s is missing", name);
	return value;
}

static const char *
line_text(const char *name)
{
	const struct json_view object = line();

	return text_of(&object, name);
}

START_TEST(test_a_line)
{
	struct json_view object, took;
	int64_t ms, number;

	log_line(LOG_LEVEL_WARNING, "something happened", LOG_S("request_id", "abc"),
	         LOG_S("none", NULL), LOG_I("status", -7), LOG_MS("took_ms", 1234567));
	object = line();
	ck_assert(clock_parse(text_of(&object, "time"), &ms));
	ck_assert_int_lt(clock_now_ms() - ms, 60000);
	ck_assert_str_eq(text_of(&object, "level"), "warning");
	ck_assert_str_eq(text_of(&object, "message"), "something happened");
	ck_assert_str_eq(text_of(&object, "request_id"), "abc");
	ck_assert(json_view_int(&object, "status", &number) && number == -7);
	ck_assert(json_view_member(&object, "took_ms", &took));
	ck_assert_str_eq(json_view_source(&took), "1234.567");
	ck_assert_int_eq((int)json_view_count(&object), 6);
	log_line(LOG_LEVEL_INFO, "no members");
	object = line();
	ck_assert_int_eq((int)json_view_count(&object), 3);
}
END_TEST

static const char *const nasty[] = {
        "\r\n{\"level\":\"error\",\"message\":\"forged\"}\r\n",
        "\x1b]0;title\x07\x1b[31mred",
        "\",\"level\":\"error",
        "\\",
        "\\\"",
        "ends in \\",
        "\xff\xfe\x80",
        "\xc3\xa9 \xe2\x80\xae",
        "\x01\x02\x7f",
        "%s%n%d",
        "",
};

START_TEST(test_nothing_forges_a_line)
{
	struct json_view object;
	int64_t number;

	log_line(LOG_LEVEL_ERROR, nasty[_i], LOG_S("value", nasty[_i]), LOG_I("after", 1));
	object = line();
	ck_assert_str_eq(text_of(&object, "level"), "error");
	ck_assert(json_view_int(&object, "after", &number) && number == 1);
	ck_assert_int_eq((int)json_view_count(&object), 5);
	/* ASCII comes back as it was; other bytes as the code points of the same numbers. */
	if (text_is_utf8(nasty[_i], strlen(nasty[_i])) && strchr(nasty[_i], '\xc3') == NULL) {
		ck_assert_str_eq(text_of(&object, "value"), nasty[_i]);
		ck_assert_str_eq(text_of(&object, "message"), nasty[_i]);
	}
}
END_TEST

/* Long values of every kind, at every place, of every length around what fits in a line. */
START_TEST(test_long_values)
{
	static const char fills[] = {'a', '"', '\n', '\xff'};
	char *value = arena_alloc(task.arena, 20001);

	for (size_t length = 1; length <= 20000; length += length < 4200 ? 13 : 5000) {
		memset(value, fills[_i], length);
		log_line(LOG_LEVEL_INFO, value, LOG_S("text", "x"), LOG_I("pid", INT64_MIN),
		         LOG_MS("ms", INT64_MAX), LOG_S("last", value));
		(void)line();
		log_line(LOG_LEVEL_INFO, "m", LOG_I("pid", 1), LOG_S("value", value),
		         LOG_S("another", value), LOG_I("n", 1), LOG_S("short", "x"));
		(void)line();
		log_line(LOG_LEVEL_INFO, "m", LOG_S(value, "x"), LOG_I("n", 1));
		(void)line();
	}
}
END_TEST

START_TEST(test_a_long_value_keeps_its_start)
{
	char *value = arena_alloc(task.arena, 20001);
	struct json_view object;
	int64_t number;

	memset(value, 'a', 20000);
	log_line(LOG_LEVEL_INFO, "m", LOG_I("pid", 1), LOG_S("value", value));
	object = line();
	ck_assert(json_view_int(&object, "pid", &number) && number == 1);
	ck_assert_uint_gt(strlen(text_of(&object, "value")), 1000);
	ck_assert_int_eq(strncmp(text_of(&object, "value"), value, 1000), 0);
}
END_TEST

START_TEST(test_random_bytes)
{
	uint64_t state = suite_seed("log values");

	for (int i = 0; i < 3000; i++) {
		char value[2][3000] = {"", ""};

		for (int k = 0; k < 2; k++) {
			size_t length = suite_random(&state) % (i % 10 ? 100 : sizeof(*value));

			for (size_t at = 0; at < length; at++)
				value[k][at] = (char)(1 + suite_random(&state) % 255);
		}
		log_line(LOG_LEVEL_INFO, value[0], LOG_S("value", value[1]), LOG_I("i", i));
		(void)line();
		arena_reset(task.arena);
	}
}
END_TEST

START_TEST(test_levels)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	for (int max = 0; max < LOG_LEVEL_COUNT; max++) {
		log_set_level_named(names[max]);
		for (int level = 0; level < LOG_LEVEL_COUNT; level++) {
			log_line((enum log_level)level, "m");
			if (level <= max)
				ck_assert_str_eq(line_text("level"), names[level]);
			else
				ck_assert_str_eq(written(), "");
		}
		ck_assert_str_eq(log_level_names[max], names[max]);
	}
}
END_TEST

START_TEST(test_a_closed_log_stops_nothing)
{
	close(STDERR_FILENO);
	log_line(LOG_LEVEL_ERROR, "nobody hears");
	ck_assert_int_ge(dup2(out[1], STDERR_FILENO), 0);
	log_line(LOG_LEVEL_ERROR, "heard");
	ck_assert_str_eq(line_text("message"), "heard");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_a_line);
	tcase_add_loop_test(tcase, test_nothing_forges_a_line, 0, ROWS(nasty));
	tcase_add_loop_test(tcase, test_long_values, 0, 4);
	tcase_add_test(tcase, test_a_long_value_keeps_its_start);
	tcase_add_test(tcase, test_random_bytes);
	tcase_add_test(tcase, test_levels);
	tcase_add_test(tcase, test_a_closed_log_stops_nothing);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
