/* test_lanes.c: lanes share what one step takes. */
#include "support/suite.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "webhooks/lane.h"
#include "webhooks/sender.h"

enum { BUSY = 7, WINDOW = 256, ROOM = 1000, NOW_MS = 1000 };

static struct lanes lanes;

static void
open_lane(size_t i, int64_t window)
{
	lanes.items[i] = (struct lane){.can_send = true, .may_be_due = true, .window = window};
	(void)snprintf(lanes.items[i].endpoint_id, sizeof(lanes.items[i].endpoint_id), "we_%zu",
	               i);
}

/* All of a step's deliveries are answered before the next one. */
static int64_t
step(int64_t taken[static LANES_MAX])
{
	struct webhook_want wants[LANES_MAX];
	size_t count = lanes_ask(&lanes, NOW_MS, ROOM, wants);
	int64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		size_t lane = (size_t)strtoul(wants[i].endpoint_id + strlen("we_"), NULL, 10);

		ck_assert_int_eq(wants[i].want, lanes.items[lane].rows_requested);
		taken[lane] += wants[i].want;
		sum += wants[i].want;
	}
	return sum;
}

/* Lanes that could use up every step leave room for each other and for those behind them. */
START_TEST(test_busy_lanes_leave_room)
{
	int64_t taken[LANES_MAX] = {0};

	memset(&lanes, 0, sizeof(lanes));
	for (size_t i = 0; i < BUSY; i++)
		open_lane(i, WINDOW);
	open_lane(BUSY + 1, 8);
	open_lane(LANES_MAX - 1, 8);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(step(taken), ROOM);
	for (size_t i = 0; i < BUSY; i++)
		ck_assert_int_ge(taken[i], WINDOW);
	ck_assert_int_ge(taken[BUSY + 1], 8);
	ck_assert_int_ge(taken[LANES_MAX - 1], 8);
	for (int i = 3; i < 100; i++)
		ck_assert_int_eq(step(taken), ROOM);
	for (size_t i = 0; i < BUSY; i++)
		ck_assert_int_ge(taken[i], (int64_t)40 * WINDOW);
	ck_assert_int_ge(taken[LANES_MAX - 1], 320);
}
END_TEST

/* A step with room for all begins where it began. */
START_TEST(test_room_for_all)
{
	int64_t taken[LANES_MAX] = {0};

	memset(&lanes, 0, sizeof(lanes));
	open_lane(0, WINDOW);
	open_lane(5, 8);
	ck_assert_int_eq(step(taken), WINDOW + 8);
	ck_assert_int_eq(taken[5], 8);
	ck_assert_uint_eq(lanes.first, 0);
	lanes.items[0].may_be_due = false;
	ck_assert_int_eq(step(taken), 8);
}
END_TEST

/* A delivery in memory can be sent unless the endpoint has enough requests, fails or is paused. */
START_TEST(test_what_can_be_sent)
{
	static struct delivery delivery;

	memset(&lanes, 0, sizeof(lanes));
	open_lane(3, WINDOW);
	ck_assert(!lanes_can_send(&lanes, NOW_MS));
	lanes.items[3].first = &delivery;
	lanes.items[3].running = WEBHOOK_REQUESTS_MAX - 1;
	ck_assert(lanes_can_send(&lanes, NOW_MS));
	lanes.items[3].running = WEBHOOK_REQUESTS_MAX;
	ck_assert(!lanes_can_send(&lanes, NOW_MS));
	lanes.items[3].running = 0;
	lanes.items[3].failing_since = INSTANT_MS(NOW_MS);
	ck_assert(!lanes_can_send(&lanes, NOW_MS));
	lanes.items[3].failing_since = INSTANT_NONE;
	lanes.items[3].paused_until = INSTANT_MS(NOW_MS + 1);
	ck_assert(!lanes_can_send(&lanes, NOW_MS));
	ck_assert(lanes_can_send(&lanes, NOW_MS + 1));
	lanes.items[3].can_send = false;
	ck_assert(!lanes_can_send(&lanes, NOW_MS + 1));
}
END_TEST

/* Rows whose lease is nearly over may soon be another process's. */
START_TEST(test_what_is_unsent)
{
	enum { ATTEMPT_US = 16000000 };
	struct arena *arena = arena_new(1 << 20);
	struct string_list rows;

	memset(&lanes, 0, sizeof(lanes));
	open_lane(0, WINDOW);
	lane_add(&lanes.items[0], &(struct webhook_taken){.row_id = "a", .event_id = "evt_a"},
	         "{}", ATTEMPT_US - 1);
	lane_add(&lanes.items[0], &(struct webhook_taken){.row_id = "b", .event_id = "evt_b"},
	         "{}", ATTEMPT_US);
	rows = lane_unsent(&lanes.items[0], arena, 0);
	ck_assert_uint_eq(rows.count, 1);
	ck_assert_str_eq(rows.items[0], "b");
	lanes_clear(&lanes);
	ck_assert_uint_eq(lane_unsent(&lanes.items[0], arena, 0).count, 0);
	arena_free(arena);
}
END_TEST

/* A write would end the test, and would cost each process the page. */
START_TEST(test_free_lanes_are_only_read)
{
	struct webhook_want wants[LANES_MAX];
	struct arena *arena = arena_new(1 << 20);
	struct lanes *unused =
	        mmap(NULL, sizeof(*unused), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(unused != MAP_FAILED);
	lanes_follow(unused, arena, NULL, NULL, 0);
	ck_assert_uint_eq(lanes_ask(unused, NOW_MS, ROOM, wants), 0);
	ck_assert(!lanes_can_send(unused, NOW_MS));
	ck_assert_ptr_null(lane_next(&unused->items[0], NOW_MS, 0));
	ck_assert_int_eq(munmap(unused, sizeof(*unused)), 0);
	arena_free(arena);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lanes");
	TCase *tcase = tcase_create("lanes");

	tcase_add_test(tcase, test_busy_lanes_leave_room);
	tcase_add_test(tcase, test_room_for_all);
	tcase_add_test(tcase, test_what_can_be_sent);
	tcase_add_test(tcase, test_what_is_unsent);
	tcase_add_test(tcase, test_free_lanes_are_only_read);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
