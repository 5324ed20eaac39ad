/* test_agent.c: usage across crashes, damaged files and a full buffer; the schedule; the parser
 * of requests. */
#include "support/suite.h"

#include "agent-store/spool.h"
#include "agent/local_http.h"
#include "agent/schedule.h"
#include "base/file.h"
#include "base/log.h"

static struct task task;
static struct agent_settings settings;
static struct state state;
static char *folder;

static void
setup(void)
{
	task = suite_task();
	folder = suite_folder(task.arena);
	settings = (struct agent_settings){.state_dir = folder, .instance_id = "one"};
	ck_assert_int_eq(state_open(&task, &settings, &state), FAIL_NONE);
	log_set_level(LOG_LEVEL_ERROR);
}

static void
teardown(void)
{
	suite_folder_remove(task.arena, folder);
	suite_task_end(&task);
}

static void
post(struct spool *spool, const char *text)
{
	struct json_view body;

	ck_assert_int_eq(json_view_open(&task, text, strlen(text), &body), FAIL_NONE);
	ck_assert_int_eq(spool_post(&task, spool, &body), FAIL_NONE);
}

static void
make_report(struct spool *spool, int64_t now_ms)
{
	ck_assert_int_eq(spool_make_report(&task, spool, now_ms), FAIL_NONE);
}

static size_t
list(struct report **out)
{
	size_t count = 0;

	ck_assert_int_eq(spool_list(&task, &state, out, &count), FAIL_NONE);
	return count;
}

/* The sum of the first metric over all reports and the counts that are in no report yet. */
static int64_t
total(const struct spool *spool)
{
	struct report *reports = NULL;
	size_t count = list(&reports);
	int64_t sum = spool->current.metric_count ? spool->current.metrics[0].value : 0;

	for (size_t i = 0; i < count; i++)
		sum += reports[i].tally.metric_count ? reports[i].tally.metrics[0].value : 0;
	return sum;
}

START_TEST(test_a_report)
{
	struct report *reports = NULL;
	struct spool spool;

	spool_open(&task, &state, &spool);
	make_report(&spool, 1000);
	ck_assert_uint_eq(list(&reports), 0);
	post(&spool, "{\"total_devices\":3,\"counts\":{\"a\":2},\"levels\":{\"b\":5}}");
	post(&spool, "{\"active_devices\":1,\"metrics\":{\"a\":4},\"levels\":{\"b\":6}}");
	spool_open(&task, &state, &spool);
	make_report(&spool, 1705276800000);
	make_report(&spool, 1705276800001);
	ck_assert_uint_eq(list(&reports), 1);
	ck_assert_int_eq(reports[0].number, 1);
	ck_assert_int_eq(reports[0].tally.active_devices, 1);
	ck_assert_int_eq(reports[0].tally.total_devices, 3);
	ck_assert_int_eq(reports[0].tally.metrics[0].value, 6);
	ck_assert_int_eq(reports[0].tally.metrics[1].value, 6);
	ck_assert_int_eq(spool_done(&task, &state, &reports[0]), FAIL_NONE);
	ck_assert_uint_eq(list(&reports), 0);
	/* Its number is never used again, even when every other file is lost. */
	ck_assert_int_eq(unlink(state_path(task.arena, &state, "usage/current.json")), 0);
	spool_open(&task, &state, &spool);
	ck_assert_int_eq(spool.number, 2);
}
END_TEST

/* The newest version is kept for all later reports, also when reports are merged. */
START_TEST(test_version_of_the_application)
{
	struct report *reports = NULL;
	struct spool spool;

	spool_open(&task, &state, &spool);
	post(&spool, "{\"version\":\"3.1.4\"}");
	make_report(&spool, 1000);
	post(&spool, "{\"version\":\"3.2.0\"}");
	make_report(&spool, 2000);
	spool_open(&task, &state, &spool);
	post(&spool, "{\"counts\":{\"a\":2}}");
	make_report(&spool, 3000);
	ck_assert_uint_eq(list(&reports), 3);
	ck_assert_str_eq(reports[0].tally.version, "3.1.4");
	ck_assert_str_eq(reports[1].tally.version, "3.2.0");
	ck_assert_str_eq(reports[2].tally.version, "3.2.0");
	ck_assert_int_eq(spool_compact(&task, &state, 1), FAIL_NONE);
	ck_assert_uint_eq(list(&reports), 1);
	ck_assert_str_eq(reports[0].tally.version, "3.2.0");
}
END_TEST

/* A crash between the two writes of a report, before and after it was sent. */
START_TEST(test_crash_in_a_report)
{
	const char *path = state_path(task.arena, &state, "usage/current.json");
	struct report *reports = NULL;
	struct spool spool;
	size_t length;
	char *before;

	spool_open(&task, &state, &spool);
	post(&spool, "{\"counts\":{\"a\":7}}");
	ck_assert_int_eq(file_read(&task, path, 65536, &before, &length), FAIL_NONE);
	make_report(&spool, 1000);
	ck_assert_int_eq(file_write(&task, path, 0600, before, length, true), FAIL_NONE);
	spool_open(&task, &state, &spool);
	ck_assert_int_eq(total(&spool), 7);
	ck_assert_int_eq(spool.number, 2);
	ck_assert_uint_eq(list(&reports), 1);
	ck_assert_int_eq(spool_done(&task, &state, &reports[0]), FAIL_NONE);
	ck_assert_int_eq(file_write(&task, path, 0600, before, length, true), FAIL_NONE);
	spool_open(&task, &state, &spool);
	ck_assert_int_eq(total(&spool), 0);
	ck_assert_int_eq(spool.number, 2);
}
END_TEST

/* Many reports in a buffer of ten: the reports of a day are merged. */
START_TEST(test_full_buffer)
{
	struct report *reports = NULL;
	struct spool spool;
	size_t count;

	spool_open(&task, &state, &spool);
	for (int i = 0; i < 48; i++) {
		post(&spool, "{\"active_devices\":1,\"total_devices\":1,\"counts\":{\"a\":1}}");
		make_report(&spool, i * HOUR_MS * 2);
		ck_assert_int_eq(spool_compact(&task, &state, 10), FAIL_NONE);
		count = list(&reports);
		ck_assert_uint_le(count, 10);
		ck_assert_int_eq(total(&spool), i + 1);
		ck_assert_int_eq(reports[0].first, 1);
		for (size_t r = 1; r < count; r++)
			ck_assert_int_eq(reports[r].first, reports[r - 1].number + 1);
	}
	ck_assert_int_lt(reports[0].first, reports[0].number);
	/* With one report a day nothing can be merged, so the oldest is dropped. */
	for (int i = 0; i < 12; i++) {
		post(&spool, "{\"counts\":{\"a\":1}}");
		make_report(&spool, (i + 10) * DAY_MS);
	}
	ck_assert_int_eq(spool_compact(&task, &state, 10), FAIL_NONE);
	ck_assert_uint_eq(list(&reports), 10);
	ck_assert_int_gt(reports[0].first, 1);
}
END_TEST

/* A crash while merging: the merged report exists beside those that it covers. */
START_TEST(test_crash_while_merging)
{
	char *kept[12];
	size_t lengths[12];
	struct report *reports = NULL;
	struct spool spool;

	spool_open(&task, &state, &spool);
	for (int i = 0; i < 12; i++) {
		const char *name = arena_printf(task.arena, "usage/%018d.json", i + 1);

		post(&spool, "{\"counts\":{\"a\":1}}");
		make_report(&spool, i * HOUR_MS);
		ck_assert_int_eq(file_read(&task, state_path(task.arena, &state, name), 65536,
		                           &kept[i], &lengths[i]),
		                 FAIL_NONE);
	}
	ck_assert_int_eq(spool_compact(&task, &state, 10), FAIL_NONE);
	for (int i = 3; i < 11; i++) {
		const char *name = arena_printf(task.arena, "usage/%018d.json", i + 1);

		ck_assert_int_eq(file_write(&task, state_path(task.arena, &state, name), 0600,
		                            kept[i], lengths[i], true),
		                 FAIL_NONE);
	}
	ck_assert_uint_eq(list(&reports), 1);
	ck_assert_int_eq(total(&spool), 12);
}
END_TEST

/* A truncated file, or one with a random byte, leaves the other reports intact. */
START_TEST(test_damaged_files)
{
	static const char *const names[] = {"usage/current.json", "usage/sent.json",
	                                    "usage/000000000000000002.json"};
	uint64_t seed = suite_seed("damaged spool");
	const char *path = state_path(task.arena, &state, names[_i]);
	struct report *reports = NULL;
	struct spool spool;
	size_t length;
	char *good;

	spool_open(&task, &state, &spool);
	for (int i = 0; i < 3; i++) {
		post(&spool, "{\"counts\":{\"a\":1}}");
		make_report(&spool, 1000 + i);
	}
	ck_assert_uint_eq(list(&reports), 3);
	ck_assert_int_eq(spool_done(&task, &state, &reports[0]), FAIL_NONE);
	post(&spool, "{\"counts\":{\"a\":1}}");
	ck_assert_int_eq(file_read(&task, path, 65536, &good, &length), FAIL_NONE);
	for (size_t i = 0; i < length; i += suite_is_slow() ? 9 : 1) {
		char *spoiled = arena_copy_bytes(task.arena, good, length);
		size_t kept = i % 2 ? length : i;

		if (i % 2)
			spoiled[suite_random(&seed) % length] = (char)suite_random(&seed);
		ck_assert_int_eq(file_write(&task, path, 0600, spoiled, kept, true), FAIL_NONE);
		spool_open(&task, &state, &spool);
		ck_assert_int_ge(spool.number, 4);
		ck_assert_uint_ge(list(&reports), 1);
		ck_assert_int_eq(reports[list(&reports) - 1].number, 3);
		ck_assert_int_eq(file_write(&task, path, 0600, good, length, true), FAIL_NONE);
	}
}
END_TEST

/* Impossible numbers in each file that has one: usage posted afterwards is still reported. */
static const struct {
	const char *name, *text;
} impossible[] = {
        {"usage/sent.json", "{\"number\":9223372036854775807}"},
        {"usage/sent.json", "{\"number\":999999999999999999}"},
        {"usage/doubt.json", "{\"number\":9223372036854775807}"},
        {"usage/current.json",
         "{\"number\":9223372036854775807,\"posted\":false,\"tally\":{}}"},
        {"usage/current.json", "{\"number\":999999999999999999,\"posted\":false,\"tally\":{}}"},
        {"usage/999999999999999999.json", "{}"},
};

START_TEST(test_impossible_numbers)
{
	struct report *reports = NULL;
	struct spool spool;

	ck_assert_int_eq(
	        state_keep_text(&task, &state, impossible[_i].name, impossible[_i].text),
	        FAIL_NONE);
	spool_open(&task, &state, &spool);
	for (int i = 0; i < 12; i++) {
		post(&spool, "{\"counts\":{\"a\":1}}");
		make_report(&spool, i * HOUR_MS);
	}
	ck_assert_uint_eq(list(&reports), 12);
	ck_assert_int_eq(reports[11].number, 12);
	ck_assert_int_eq(spool_compact(&task, &state, 10), FAIL_NONE);
	ck_assert_uint_le(list(&reports), 10);
	ck_assert_int_eq(total(&spool), 12);
}
END_TEST

START_TEST(test_schedule)
{
	struct schedule schedule = {0};
	int64_t expected_s[] = {30, 60, 120, 240, 480, 960, 1920, 3600, 3600};

	for (int i = 0; i < ROWS(expected_s); i++) {
		for (uint32_t chance = 0; chance <= 1000; chance += 500) {
			struct schedule copy = schedule;

			schedule_next(&copy, 0, false, 86400, 0, chance);
			ck_assert_int_le(copy.due_us, expected_s[i] * 1000000);
			ck_assert_int_ge(copy.due_us, expected_s[i] * 500000);
		}
		schedule_next(&schedule, 0, false, 86400, 0, 0);
	}
	schedule_next(&schedule, 7, false, 86400, 7200, 0);
	ck_assert_int_eq(schedule.due_us, INT64_C(7200000007));
	/* The service cannot ask for more than a day, nor make the time overflow. */
	schedule_next(&schedule, 7, false, 86400, INT64_MAX, 0);
	ck_assert_int_eq(schedule.due_us, INT64_C(86400000007));
	schedule_next(&schedule, 0, true, 3600, 0, 0);
	ck_assert_int_eq(schedule.due_us, INT64_C(3240000000));
	schedule_next(&schedule, 0, true, 3600, 0, 1000);
	ck_assert_int_eq(schedule.due_us, INT64_C(3960000000));
	ck_assert_int_eq(schedule.failures, 0);
	schedule_next(&schedule, 0, false, 60, 0, 1000);
	ck_assert_int_eq(schedule.due_us, 30000000);
}
END_TEST

/* A request that arrives byte by byte is complete with its last byte and not before. */
START_TEST(test_request_in_pieces)
{
	static const char text[] =
	        "POST /usage?x HTTP/1.1\r\nhost: a\r\nContent-Length: 2\r\n\r\n{}";
	struct local_request request;
	size_t consumed;
	int status;

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		ck_assert_int_eq(local_http_read(text, i, &request, &consumed, &status),
		                 LOCAL_MORE);
	ck_assert_int_eq(local_http_read(text, sizeof(text) - 1, &request, &consumed, &status),
	                 LOCAL_WHOLE);
	ck_assert_str_eq(request.path, "/usage");
	ck_assert_str_eq(request.host, "a");
	ck_assert(request.keep_alive);
	ck_assert_uint_eq(consumed, sizeof(text) - 1);
	ck_assert_int_eq(memcmp(request.body, "{}", 2), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("agent");
	TCase *tcase = tcase_create("parts");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_a_report);
	tcase_add_test(tcase, test_version_of_the_application);
	tcase_add_test(tcase, test_crash_in_a_report);
	tcase_add_loop_test(tcase, test_impossible_numbers, 0, ROWS(impossible));
	tcase_add_test(tcase, test_full_buffer);
	tcase_add_test(tcase, test_crash_while_merging);
	tcase_add_loop_test(tcase, test_damaged_files, 0, 3);
	tcase_add_test(tcase, test_schedule);
	tcase_add_test(tcase, test_request_in_pieces);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
