/* test_clock.c: RFC 3339 both ways, against a table, the C library and itself. */
#include "support/suite.h"

#include <time.h>

#include "base/clock.h"

static const struct {
	const char *text;
	int64_t ms;
} known[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.001Z", 1},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2025-02-15T00:00:00.000Z", 1739577600000},
        {"2000-02-29T12:00:00Z", 951825600000},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"0001-01-01T00:00:00.000Z", -62135596800000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"1600-02-29T00:00:00Z", -11670998400000},
        {"1900-02-28T23:59:59Z", -2203891201000},
        {"2025-02-15t01:02:03z", 1739581323000},
        {"2025-02-15 01:02:03Z", 1739581323000},
        {"2025-02-15T01:02:03.5Z", 1739581323500},
        {"2025-02-15T01:02:03.45Z", 1739581323450},
        {"2025-02-15T01:02:03.123456789Z", 1739581323123},
        {"2025-02-15T01:02:03.999999999Z", 1739581323999},
        {"2025-02-15T01:02:03+00:00", 1739581323000},
        {"2025-02-15T01:02:03-00:00", 1739581323000},
        {"2025-02-15T02:32:03+01:30", 1739581323000},
        {"2025-02-14T17:02:03-08:00", 1739581323000},
        {"2025-02-15T01:02:03+23:59", 1739494983000},
        /* A leap second is the first one of the next minute. */
        {"2016-12-31T23:59:60Z", 1483228800000},
};

static const char *const refused[] = {
        "",
        "now",
        "2025-02-15",
        "2025-02-15T00:00Z",
        "2025-02-15T00:00:00",
        "2025-02-15T00:00:00.Z",
        "2025-02-15T00:00:00,5Z",
        "2025-02-15T00:00:00.1234567890Z",
        "2025-02-15T00:00:00Z ",
        " 2025-02-15T00:00:00Z",
        "2025-02-15T00:00:00ZZ",
        "2025-02-15T00:00:00+0100",
        "2025-02-15T00:00:00+01",
        "2025-02-15T00:00:00+24:00",
        "2025-02-15T00:00:00+01:60",
        "2025-02-15T24:00:00Z",
        "2025-02-15T00:60:00Z",
        "2025-02-15T00:00:61Z",
        "2025-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2025-04-31T00:00:00Z",
        "2025-00-15T00:00:00Z",
        "2025-13-15T00:00:00Z",
        "2025-02-00T00:00:00Z",
        "2025-01-32T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "25-02-15T00:00:00Z",
        "02025-02-15T00:00:00Z",
        "+2025-02-15T00:00:00Z",
        "-2025-02-15T00:00:00Z",
        "2025-2-15T00:00:00Z",
        "2025/02/15T00:00:00Z",
        "2025-02-15X00:00:00Z",
        "2025-02-15T0a:00:00Z",
        "2025-02-15T00:00:-1Z",
        "2025-02-15T\xd9\xa1:00:00Z",
};

START_TEST(test_known)
{
	int64_t ms = 77;

	ck_assert_msg(clock_parse(known[_i].text, &ms), "%s", known[_i].text);
	ck_assert_msg(ms == known[_i].ms, "%s: %lld", known[_i].text, (long long)ms);
}
END_TEST

START_TEST(test_refused)
{
	int64_t ms = 77;

	ck_assert_msg(!clock_parse(refused[_i], &ms), "%s", refused[_i]);
	ck_assert_int_eq(ms, 77);
}
END_TEST

/* The form that the interface promises: always milliseconds, always Z, always 24 characters. */
START_TEST(test_form)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(1739577600000, text);
	ck_assert_str_eq(text, "2025-02-15T00:00:00.000Z");
	clock_format(-1, text);
	ck_assert_str_eq(text, "1969-12-31T23:59:59.999Z");
	clock_format(INT64_MIN, text);
	ck_assert_str_eq(text, "0001-01-01T00:00:00.000Z");
	clock_format(INT64_MAX, text);
	ck_assert_str_eq(text, "9999-12-31T23:59:59.999Z");
}
END_TEST

/* Not with ck_assert(), which writes a note each time. */
static void
check_round_trip(int64_t ms)
{
	char text[CLOCK_TEXT_SIZE], want[64];
	int64_t back = 77, second = ms / 1000 - (ms % 1000 < 0);
	time_t seconds = (time_t)second;
	struct tm date = {0};

	clock_format(ms, text);
	if (!clock_parse(text, &back) || back != ms)
		ck_abort_msg("%lld became %s, then %lld", (long long)ms, text, (long long)back);
	(void)gmtime_r(&seconds, &date);
	(void)strftime(want, sizeof(want), "-%m-%dT%H:%M:%S", &date);
	if (atoi(text) != date.tm_year + 1900 || strncmp(text + 4, want, 15) != 0 ||
	    atoi(text + 20) != ms - second * 1000)
		ck_abort_msg("%lld is %d%s, not %s", (long long)ms, date.tm_year + 1900, want,
		             text);
}

START_TEST(test_round_trips)
{
	static const int64_t first = -62135596800000, span = 315537897600000;
	uint64_t state = suite_seed("times");

	for (int i = 0; i < 100000; i++)
		check_round_trip(first + (int64_t)(suite_random(&state) % (uint64_t)span));
	check_round_trip(first);
	check_round_trip(first + span - 1);
}
END_TEST

/* The two sides of every midnight of 400 years, which have every leap rule. */
START_TEST(test_every_day)
{
	static const int64_t first = -8520336000000;

	for (int64_t day = 0; day < 146097; day++) {
		check_round_trip(first + day * DAY_MS);
		check_round_trip(first + day * DAY_MS - 1);
	}
}
END_TEST

START_TEST(test_offsets)
{
	for (int minutes = -23 * 60 - 59; minutes <= 23 * 60 + 59; minutes++) {
		int size = minutes < 0 ? -minutes : minutes;
		char text[64];
		int64_t ms;

		snprintf(text, sizeof(text), "2025-02-15T00:00:00%c%02d:%02d",
		         minutes < 0 ? '-' : '+', size / 60, size % 60);
		ck_assert(clock_parse(text, &ms));
		ck_assert_int_eq(ms, 1739577600000 - (int64_t)minutes * 60000);
	}
}
END_TEST

START_TEST(test_clocks_run)
{
	int64_t before_s = (int64_t)time(NULL), wall = clock_now_ms(),
	        start = clock_monotonic_us();

	ck_assert_int_ge(wall / 1000, before_s);
	ck_assert_int_le(wall / 1000, (int64_t)time(NULL) + 1);
	usleep(20000);
	ck_assert_int_ge(clock_monotonic_us() - start, 20000);
	ck_assert_int_lt(clock_monotonic_us() - start, 20000000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tcase = tcase_create("clock");

	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, test_known, 0, ROWS(known));
	tcase_add_loop_test(tcase, test_refused, 0, ROWS(refused));
	tcase_add_test(tcase, test_form);
	tcase_add_test(tcase, test_round_trips);
	tcase_add_test(tcase, test_every_day);
	tcase_add_test(tcase, test_offsets);
	tcase_add_test(tcase, test_clocks_run);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
