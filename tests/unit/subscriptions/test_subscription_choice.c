/* test_subscription_choice.c: which of a customer's subscriptions counts. The choice is the
 * same in whatever order they are stored, and whichever earlier states were stored. */
#include "support/subscription_sync_fixture.h"

enum { SET_MAX = 4 };

/* The one of two whose status gives more counts, then the older of two that run and the newer
 * of two that ended, in whichever order they are stored. */
static const struct {
	const char *a, *b; /* a is the older one */
	const char *end;
} pairs[] = {
        {"active", "active", "sub_a:active+ sub_b:active- trial:canceled-"},
        {"active", "trialing", "sub_a:active+ sub_b:trialing- trial:canceled-"},
        {"past_due", "active", "sub_a:past_due- sub_b:active+ trial:canceled-"},
        {"past_due", "past_due", "sub_a:past_due+ sub_b:past_due- trial:canceled-"},
        {"unpaid", "past_due", "sub_a:unpaid- sub_b:past_due+ trial:canceled-"},
        {"canceled", "active", "sub_a:canceled- sub_b:active+ trial:canceled-"},
        {"active", "canceled", "sub_a:active+ sub_b:canceled- trial:canceled-"},
        {"canceled", "canceled", "sub_a:canceled- sub_b:canceled+ trial:canceled-"},
        {"canceled", "incomplete", "sub_a:canceled- sub_b:incomplete+ trial:canceled-"},
        {"active", "incomplete", "sub_a:active+ sub_b:incomplete- trial:canceled-"},
        {"active", "invented", "sub_a:active+ sub_b:invented- trial:canceled-"},
        {"incomplete", "incomplete_expired",
         "sub_a:incomplete- sub_b:incomplete_expired- trial:trialing+"},
        {"unpaid", "paused", "sub_a:unpaid+ sub_b:paused- trial:canceled-"},
};

START_TEST(test_pairs)
{
	int pair = _i / 2;

	if (_i % 2 == 0)
		store_simple("sub_a", pairs[pair].a, 1);
	store_simple("sub_b", pairs[pair].b, 2);
	if (_i % 2 == 1)
		store_simple("sub_a", pairs[pair].a, 1);
	subscriptions_are(pairs[pair].end);
}
END_TEST

/* The earlier statuses that a status may have. */
static const struct {
	const char *status, *before[3];
} histories[] = {
        {"trialing", {NULL}},
        {"active", {"incomplete", "trialing", "past_due"}},
        {"past_due", {"active", "unpaid", NULL}},
        {"unpaid", {"past_due", "active", NULL}},
        {"paused", {"trialing", NULL, NULL}},
        {"incomplete", {NULL}},
        {"canceled", {"active", "past_due", "trialing"}},
        {"incomplete_expired", {"incomplete", NULL, NULL}},
        {"invented", {NULL}},
};

struct set {
	struct sold_subscription items[SET_MAX];
	const char *before[SET_MAX]; /* an earlier status that is stored; NULL: none */
	int count;
};

static struct set
random_set(uint64_t *state)
{
	struct set set = {.count = 1 + (int)(suite_random(state) % SET_MAX)};

	for (int i = 0; i < set.count; i++) {
		size_t history = suite_random(state) % ROWS(histories);

		/* Some are created at the same time. */
		set.items[i] = subscription(arena_printf(task.arena, "sub_%d", i),
		                            histories[history].status,
		                            (int64_t)(suite_random(state) % 3));
		set.before[i] = histories[history].before[suite_random(state) % 3];
	}
	return set;
}

/* Stores the set in the order of the permutation's number; with `histories_too` also the
 * earlier statuses, at any time before. */
static const char *
end_of(const struct set *set, int permutation, bool histories_too, uint64_t *state)
{
	int order[SET_MAX] = {0, 1, 2, 3};
	const char *end;

	for (int left = set->count; left > 1; left--) {
		int at = permutation % left, last = order[left - 1];

		permutation /= left;
		order[left - 1] = order[at];
		order[at] = last;
	}
	fine(db_begin(operation.db, &task));
	for (int i = 0; histories_too && i < set->count; i++)
		if (set->before[i] != NULL && suite_random(state) % 2 == 0) {
			struct sold_subscription one = set->items[i];

			one.stripe.status = set->before[i];
			(void)store(&one);
		}
	for (int i = 0; i < set->count; i++)
		(void)store(&set->items[order[i]]);
	end = subscriptions_now();
	db_rollback_to(operation.db, 1);
	return end;
}

/* All orders of a random set give the same result, with and without earlier statuses. */
START_TEST(test_order)
{
	static const int permutations[] = {1, 1, 2, 6, 24};
	const char *mutations = getenv("MUTATIONS");
	long sets = 3 + (mutations ? strtol(mutations, NULL, 10) : 200000) / 40000;
	uint64_t state = suite_seed("orders of subscriptions");

	while (sets-- > 0) {
		struct set set = random_set(&state);
		const char *wanted = end_of(&set, 0, false, &state);

		for (int i = 0; i < permutations[set.count]; i++) {
			ck_assert_str_eq(end_of(&set, i, false, &state), wanted);
			ck_assert_str_eq(end_of(&set, i, true, &state), wanted);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe choice");
	TCase *tcase = tcase_create("stripe choice");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, sync_setup, fixture_teardown);
	tcase_add_loop_test(tcase, test_pairs, 0, 2 * ROWS(pairs));
	tcase_add_test(tcase, test_order);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
