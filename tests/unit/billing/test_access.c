/* test_access.c: when a subscription gives access, to the millisecond, and how long a licence
 * lives. */
#include "support/suite.h"

#include "billing/access.h"

#define NOW ((int64_t)1739577600123)
#define AT(offset)                                                                             \
	{                                                                                      \
		true, NOW + (offset)                                                           \
	}
#define NONE                                                                                   \
	{                                                                                      \
		false, 0                                                                       \
	}

static const struct billing_policy by_ttl = {
        .license_ttl_days = 365, .license_grace_days = 7, .past_due_grace_days = 7};
static const struct billing_policy by_paid = {.license_ttl_days = 365,
                                              .paid_through = true,
                                              .license_grace_days = 7,
                                              .past_due_grace_days = 7};

/* clang-format off */
static const struct {
	const char *status;
	struct instant trial_ends_at, past_due_since;
	bool granted;
	const char *now; /* the status that counts */
} cases[] = {
        {"trialing", AT(1), NONE, true, "trialing"},
        {"trialing", AT(0), NONE, false, "canceled"},
        {"trialing", AT(-1), NONE, false, "canceled"},
        {"trialing", AT(14 * DAY_MS), NONE, true, "trialing"},
        {"trialing", NONE, NONE, false, "canceled"},
        {"active", NONE, NONE, true, "active"},
        {"active", AT(-1), NONE, true, "active"},
        {"active", NONE, AT(-30 * DAY_MS), true, "active"},
        {"past_due", NONE, AT(0), true, "past_due"},
        {"past_due", NONE, AT(-7 * DAY_MS + 1), true, "past_due"},
        {"past_due", NONE, AT(-7 * DAY_MS), false, "past_due"},
        {"past_due", NONE, AT(-7 * DAY_MS - 1), false, "past_due"},
        {"past_due", NONE, NONE, false, "past_due"},
        {"past_due", AT(DAY_MS), NONE, false, "past_due"},
        {"unpaid", AT(DAY_MS), AT(0), false, "unpaid"},
        {"canceled", AT(DAY_MS), AT(0), false, "canceled"},
        {"incomplete", AT(DAY_MS), AT(0), false, "incomplete"},
        {"incomplete_expired", AT(DAY_MS), AT(0), false, "incomplete_expired"},
        {"paused", AT(DAY_MS), AT(0), false, "paused"},
        {"", AT(DAY_MS), AT(0), false, ""},
        {"ACTIVE", AT(DAY_MS), AT(0), false, "ACTIVE"},
        {"active ", AT(DAY_MS), AT(0), false, "active "},
        {"something_new", AT(DAY_MS), AT(0), false, "something_new"},
};
/* clang-format on */

static struct subscription
subscription_of(int i)
{
	return (struct subscription){.status = cases[i].status,
	                             .trial_ends_at = cases[i].trial_ends_at,
	                             .past_due_since = cases[i].past_due_since};
}

START_TEST(test_table)
{
	const struct subscription subscription = subscription_of(_i);

	ck_assert_msg(access_granted(&subscription, &by_ttl, NOW) == cases[_i].granted,
	              "row %d: %s", _i, cases[_i].status);
	ck_assert_str_eq(access_status(&subscription, NOW), cases[_i].now);
	ck_assert(access_is_trial(&subscription, NOW) ==
	          (strcmp(cases[_i].now, "trialing") == 0));
	ck_assert(access_is_paid(&subscription, &by_ttl, NOW) ==
	          (cases[_i].granted && strcmp(cases[_i].status, "trialing") != 0));
	/* The policy of licences does not change who has access. */
	ck_assert(access_granted(&subscription, &by_paid, NOW) == cases[_i].granted);
}
END_TEST

/* Only a licence without access ends within a day. Every licence has an end. */
START_TEST(test_license_of_the_table)
{
	const struct subscription subscription = subscription_of(_i);
	struct instant end = access_license_end(&subscription, &by_ttl, NOW);

	ck_assert(end.known);
	ck_assert_int_gt(end.ms, NOW);
	if (!cases[_i].granted)
		ck_assert_int_eq(end.ms, NOW + DAY_MS);
	else if (strcmp(cases[_i].now, "trialing") == 0)
		ck_assert_int_eq(end.ms, cases[_i].trial_ends_at.ms);
	else
		ck_assert_int_eq(end.ms, NOW + 365 * DAY_MS);
}
END_TEST

/* Stripe decides when a trial that it runs ends, so its status is not "canceled" here. The
 * event that says what follows may come a day late; then access ends. */
START_TEST(test_trial_in_stripe)
{
	struct subscription subscription = {.status = "trialing",
	                                    .stripe_subscription_id = "sub_1",
	                                    .trial_ends_at = AT(0)};

	ck_assert_str_eq(access_status(&subscription, NOW), "trialing");
	ck_assert(access_granted(&subscription, &by_ttl, NOW));
	ck_assert(!access_is_trial(&subscription, NOW));
	ck_assert_int_eq(access_license_end(&subscription, &by_ttl, NOW).ms, NOW + DAY_MS);
	subscription.trial_ends_at = INSTANT_MS(NOW - DAY_MS + 1);
	ck_assert(access_granted(&subscription, &by_ttl, NOW));
	subscription.trial_ends_at = INSTANT_MS(NOW - DAY_MS);
	ck_assert(!access_granted(&subscription, &by_ttl, NOW));
	ck_assert_int_eq(access_license_end(&subscription, &by_ttl, NOW).ms, NOW + DAY_MS);
	subscription.trial_ends_at = INSTANT_NONE;
	ck_assert(!access_granted(&subscription, &by_ttl, NOW));
	/* A card that is charged later is no payment. */
	subscription.trial_ends_at = INSTANT_MS(NOW + DAY_MS);
	ck_assert(!access_is_paid(&subscription, &by_ttl, NOW));
}
END_TEST

START_TEST(test_no_grace)
{
	struct billing_policy policy = by_ttl;
	struct subscription subscription = {.status = "past_due", .past_due_since = AT(0)};

	policy.past_due_grace_days = 0;
	ck_assert(!access_granted(&subscription, &policy, NOW));
	subscription.past_due_since.ms++;
	ck_assert(access_granted(&subscription, &policy, NOW));
}
END_TEST

/* clang-format off */
static const struct {
	const char *status;
	struct instant trial_ends_at, past_due_since, period_ends_at;
	struct instant end; /* of a licence that follows the paid period */
} ends[] = {
        {"active", NONE, NONE, AT(30 * DAY_MS), AT(37 * DAY_MS)},
        {"active", NONE, NONE, AT(1), AT(7 * DAY_MS + 1)},
        {"active", NONE, NONE, AT(-7 * DAY_MS + 1), AT(1)},
        /* The renewal is late, but access is not over. */
        {"active", NONE, NONE, AT(-7 * DAY_MS), AT(DAY_MS)},
        {"active", NONE, NONE, AT(-300 * DAY_MS), AT(DAY_MS)},
        /* The end of the paid period is unknown. */
        {"active", NONE, NONE, NONE, NONE},
        {"past_due", NONE, AT(-DAY_MS), NONE, NONE},
        {"past_due", NONE, AT(-DAY_MS), AT(-DAY_MS), AT(6 * DAY_MS)},
        {"past_due", NONE, AT(0), AT(-DAY_MS), AT(6 * DAY_MS)},
        /* Stripe has begun the next period, which is not paid. */
        {"past_due", NONE, AT(-DAY_MS), AT(30 * DAY_MS), AT(6 * DAY_MS)},
        {"past_due", NONE, AT(-7 * DAY_MS + 1), AT(365 * DAY_MS), AT(1)},
        /* Without access no end is needed. */
        {"past_due", NONE, AT(-8 * DAY_MS), NONE, AT(DAY_MS)},
        {"canceled", NONE, NONE, AT(30 * DAY_MS), AT(DAY_MS)},
        {"canceled", NONE, NONE, NONE, AT(DAY_MS)},
        {"unpaid", NONE, NONE, NONE, AT(DAY_MS)},
        /* A trial's licence ends with the trial. */
        {"trialing", AT(5 * DAY_MS), NONE, NONE, AT(5 * DAY_MS)},
        {"trialing", AT(5 * DAY_MS), NONE, AT(30 * DAY_MS), AT(5 * DAY_MS)},
};
/* clang-format on */

START_TEST(test_paid_through)
{
	const struct subscription subscription = {
	        .status = ends[_i].status,
	        .trial_ends_at = ends[_i].trial_ends_at,
	        .past_due_since = ends[_i].past_due_since,
	        .current_period_ends_at = ends[_i].period_ends_at,
	};
	struct instant end = access_license_end(&subscription, &by_paid, NOW);

	ck_assert_int_eq(end.known, ends[_i].end.known);
	if (end.known)
		ck_assert_int_eq(end.ms, ends[_i].end.ms);
}
END_TEST

/* The charge for the period is on its way: the licence of the period before lasts seven days of grace longer, and a
 * debit that takes longer than a card gets two weeks. */
static const struct {
	const char *status;
	struct instant unpaid_from, period_ends_at;
	int64_t end_ms;
} unpaid[] = {
        {"active", AT(-HOUR_MS), AT(365 * DAY_MS), 7 * DAY_MS - HOUR_MS},
        {"active", AT(-3 * HOUR_MS + 1), AT(365 * DAY_MS), 7 * DAY_MS - 3 * HOUR_MS + 1},
        {"active", AT(-3 * HOUR_MS), AT(365 * DAY_MS), 14 * DAY_MS - 3 * HOUR_MS},
        {"active", AT(-10 * DAY_MS), AT(355 * DAY_MS), 4 * DAY_MS},
        /* The last day of the two weeks, and later: from day to day. */
        {"active", AT(-14 * DAY_MS + 1), AT(351 * DAY_MS), DAY_MS},
        {"active", AT(-300 * DAY_MS), AT(65 * DAY_MS), DAY_MS},
        /* Never beyond what a payment would give. */
        {"active", AT(-3 * HOUR_MS), AT(4 * DAY_MS), 11 * DAY_MS},
        /* The clock is late. */
        {"active", AT(HOUR_MS), AT(365 * DAY_MS), 7 * DAY_MS + HOUR_MS},
        {"active", NONE, AT(365 * DAY_MS), 372 * DAY_MS},
        {"past_due", AT(-DAY_MS), AT(365 * DAY_MS), 6 * DAY_MS},
};

START_TEST(test_payment_on_its_way)
{
	const struct subscription subscription = {
	        .status = unpaid[_i].status,
	        .past_due_since = AT(-DAY_MS),
	        .period_unpaid_from = unpaid[_i].unpaid_from,
	        .current_period_ends_at = unpaid[_i].period_ends_at,
	};

	ck_assert(access_granted(&subscription, &by_paid, NOW));
	ck_assert_int_eq(access_license_end(&subscription, &by_paid, NOW).ms,
	                 NOW + unpaid[_i].end_ms);
	ck_assert_int_eq(access_license_end(&subscription, &by_ttl, NOW).ms,
	                 NOW + by_ttl.license_ttl_days * DAY_MS);
}
END_TEST

/* A canceled subscription's licence ends with it, and seven days of grace, under both policies. */
static const struct {
	struct instant cancel_at, period_ends_at;
	bool at_period_end;
	int64_t end_ms;
} scheduled[] = {
        {AT(5 * DAY_MS), AT(300 * DAY_MS), false, 12 * DAY_MS},
        {AT(5 * DAY_MS), AT(3 * DAY_MS), true, 10 * DAY_MS},
        {NONE, AT(30 * DAY_MS), true, 37 * DAY_MS},
        /* The event that says that it has ended is late. */
        {AT(-8 * DAY_MS), AT(300 * DAY_MS), false, DAY_MS},
};

START_TEST(test_scheduled_end)
{
	const struct subscription subscription = {
	        .status = "active",
	        .cancel_at = scheduled[_i].cancel_at,
	        .cancel_at_period_end = scheduled[_i].at_period_end,
	        .current_period_ends_at = scheduled[_i].period_ends_at,
	};

	ck_assert_int_eq(access_license_end(&subscription, &by_paid, NOW).ms,
	                 NOW + scheduled[_i].end_ms);
	ck_assert_int_eq(access_license_end(&subscription, &by_ttl, NOW).ms,
	                 NOW + scheduled[_i].end_ms);
}
END_TEST

/* clang-format off */
static const struct {
	const char *status;
	struct instant pause, resumes, hold;
	bool granted;
	const char *now, *reason;
	struct instant price; /* when its plan went */
} early[] = {
	{"active", NONE, NONE, NONE, true, "active", NULL, NONE},
	{"active", AT(1), NONE, NONE, true, "active", "paused", NONE},
	{"active", AT(0), NONE, NONE, false, "paused", "paused", NONE},
	{"trialing", AT(0), NONE, NONE, false, "paused", "paused", NONE},
	{"past_due", AT(-1), NONE, NONE, false, "paused", "paused", NONE},
	/* Stripe collects again, and the event about that has not come. */
	{"active", AT(-1), AT(0), NONE, true, "active", NULL, NONE},
	{"active", AT(-1), AT(1), NONE, false, "paused", "paused", NONE},
	/* The pause is over when the period ends. */
	{"active", AT(2), AT(2), NONE, true, "active", NULL, NONE},
	{"active", AT(1), AT(2), NONE, true, "active", "paused", NONE},
	{"active", AT(2), AT(1), AT(1), true, "active", "refunded", NONE},
	{"active", NONE, NONE, AT(1), true, "active", "refunded", NONE},
	{"active", NONE, NONE, AT(0), false, "unpaid", "refunded", NONE},
	{"active", AT(-1), AT(0), AT(0), false, "unpaid", "refunded", NONE},
	/* The earlier one counts. */
	{"active", AT(-2), NONE, AT(-1), false, "paused", "paused", NONE},
	{"active", AT(-1), NONE, AT(-2), false, "unpaid", "refunded", NONE},
	{"active", NONE, NONE, AT(1), false, "unpaid", "unknown_price", AT(-1)},
	{"active", NONE, NONE, AT(-2), false, "unpaid", "refunded", AT(-1)},
	{"active", AT(-2), NONE, NONE, false, "paused", "paused", AT(-1)},
	{"active", NONE, NONE, NONE, false, "unpaid", "unknown_price", AT(0)},
	/* A status without access stays. */
	{"canceled", AT(-1), NONE, AT(-1), false, "canceled", "refunded", NONE},
	{"paused", NONE, NONE, AT(-1), false, "paused", "refunded", NONE},
};
/* clang-format on */

/* Access may end although the subscription goes on at Stripe. */
START_TEST(test_early_end)
{
	const struct subscription subscription = {
	        .status = early[_i].status,
	        .stripe_subscription_id = "sub_1",
	        .trial_ends_at = AT(DAY_MS),
	        .past_due_since = AT(-1),
	        .current_period_ends_at = AT(30 * DAY_MS),
	        .pause_ends_access_at = early[_i].pause,
	        .pause_resumes_at = early[_i].resumes,
	        .hold_ends_access_at = early[_i].hold,
	        .hold_reason = early[_i].hold.known ? "refunded" : NULL,
	        .price_ends_access_at = early[_i].price,
	};
	struct access_end end = access_early_end(&subscription, NOW);
	struct instant license = access_license_end(&subscription, &by_ttl, NOW);

	ck_assert_str_eq(access_status(&subscription, NOW), early[_i].now);
	ck_assert(access_granted(&subscription, &by_ttl, NOW) == early[_i].granted);
	ck_assert(end.at.known == (early[_i].reason != NULL));
	if (end.at.known)
		ck_assert_str_eq(end.reason, early[_i].reason);
	/* No licence outlives the end, with the days of grace. */
	if (!early[_i].granted)
		ck_assert_int_eq(license.ms, NOW + DAY_MS);
	else if (end.at.known)
		ck_assert_int_eq(license.ms, NOW + 1 + 7 * DAY_MS);
}
END_TEST

/* A trial's licence lives no longer than others, and a day's licence is one of a day. */
START_TEST(test_short_life)
{
	struct billing_policy policy = by_ttl;
	struct subscription subscription = {.status = "trialing",
	                                    .trial_ends_at = AT(5 * DAY_MS)};

	policy.license_ttl_days = 1;
	ck_assert_int_eq(access_license_end(&subscription, &policy, NOW).ms, NOW + DAY_MS);
	subscription.status = "active";
	ck_assert_int_eq(access_license_end(&subscription, &policy, NOW).ms, NOW + DAY_MS);
	subscription.status = "canceled";
	ck_assert_int_eq(access_license_end(&subscription, &policy, NOW).ms, NOW + DAY_MS);
}
END_TEST

/* A contract that Stripe bills, in what is a trial for Stripe: it counts from its start on, also when its
 * start was moved and Stripe knows the old one, and not for ever without a word of Stripe's. */
static const struct {
	struct instant starts_at, trial_ends_at;
	bool granted;
	const char *now;
} trialing[] = {
        {AT(1), AT(1), false, "incomplete"},
        {AT(0), AT(0), true, "active"},
        {AT(0), AT(30 * DAY_MS), true, "active"},
        {AT(0), NONE, true, "active"},
        {AT(-DAY_MS + 1), AT(-9 * DAY_MS), true, "active"},
        {AT(-9 * DAY_MS), AT(-DAY_MS + 1), true, "active"},
        {AT(-9 * DAY_MS), AT(-DAY_MS), false, "unpaid"},
        {AT(-DAY_MS), NONE, false, "unpaid"},
};

START_TEST(test_a_contract_that_is_a_trial_at_stripe)
{
	const struct subscription contract = {.status = "trialing",
	                                      .contract_id = "con_1",
	                                      .stripe_subscription_id = "sub_1",
	                                      .starts_at = trialing[_i].starts_at,
	                                      .trial_ends_at = trialing[_i].trial_ends_at,
	                                      .ends_at = AT(300 * DAY_MS)};

	ck_assert(access_granted(&contract, &by_ttl, NOW) == trialing[_i].granted);
	ck_assert(access_is_paid(&contract, &by_ttl, NOW) == trialing[_i].granted);
	ck_assert_str_eq(access_status(&contract, NOW), trialing[_i].now);
	if (trialing[_i].granted)
		ck_assert_int_gt(access_until(&contract, &by_ttl, NOW).ms, NOW);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("access");
	TCase *tcase = tcase_create("access");

	tcase_add_loop_test(tcase, test_table, 0, ROWS(cases));
	tcase_add_loop_test(tcase, test_license_of_the_table, 0, ROWS(cases));
	tcase_add_test(tcase, test_trial_in_stripe);
	tcase_add_test(tcase, test_no_grace);
	tcase_add_loop_test(tcase, test_paid_through, 0, ROWS(ends));
	tcase_add_loop_test(tcase, test_payment_on_its_way, 0, ROWS(unpaid));
	tcase_add_loop_test(tcase, test_scheduled_end, 0, ROWS(scheduled));
	tcase_add_loop_test(tcase, test_early_end, 0, ROWS(early));
	tcase_add_test(tcase, test_short_life);
	tcase_add_loop_test(tcase, test_a_contract_that_is_a_trial_at_stripe, 0,
	                    ROWS(trialing));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
