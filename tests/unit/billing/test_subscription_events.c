/* test_subscription_events.c: each change of the subscription that counts has its events. */
#include "support/suite.h"

#include "billing/subscription_events.h"

struct look {
	int64_t id; /* 0: there is none */
	const char *status;
	const char *plan;
	bool ends;
	const char *pause;
	const char *contract;
};

#define OURS                                                                                   \
	{                                                                                      \
		1, "trialing", "trial", false, NULL, NULL                                      \
	}
#define PAID(status)                                                                           \
	{                                                                                      \
		2, status, "pro", false, NULL, NULL                                            \
	}

static const struct {
	struct look before, after;
	const char *events;
} changes[] = {
        {{0}, OURS, "trial.started"},
        {OURS, OURS, ""},
        {OURS, PAID("active"), "trial.converted subscription.activated"},
        {OURS, PAID("trialing"), "subscription.plan_changed"},
        {PAID("trialing"), PAID("active"), "trial.converted subscription.activated"},
        {OURS, PAID("canceled"), "subscription.canceled"},
        {{0}, PAID("active"), "subscription.activated"},
        {{0}, PAID("incomplete"), ""},
        {PAID("incomplete"), PAID("active"), "subscription.activated"},
        {PAID("incomplete"), PAID("incomplete_expired"), ""},
        {PAID("canceled"), PAID("active"), "subscription.activated"},
        {PAID("active"), PAID("active"), ""},
        {PAID("active"), PAID("past_due"), "subscription.past_due"},
        {PAID("past_due"), PAID("unpaid"), ""},
        {PAID("unpaid"), PAID("active"), "subscription.recovered"},
        {PAID("past_due"), PAID("canceled"), "subscription.canceled"},
        {PAID("active"), PAID("paused"), "subscription.paused"},
        {PAID("paused"), PAID("active"), "subscription.resumed"},
        {PAID("active"), {2, "active", "team", false, NULL, NULL}, "subscription.plan_changed"},
        {PAID("active"),
         {2, "active", "pro", true, NULL, NULL},
         "subscription.cancel_scheduled"},
        {{2, "active", "pro", true, NULL, NULL}, PAID("active"), "subscription.resumed"},
        {{2, "active", "pro", true, NULL, NULL}, PAID("canceled"), "subscription.canceled"},
        {{1, "active", "pro", true, NULL, NULL}, PAID("active"), ""},
        {PAID("active"), {2, "active", "pro", false, "void", NULL}, "subscription.paused"},
        {{2, "active", "pro", false, "void", NULL}, PAID("active"), "subscription.resumed"},
        {PAID("active"), {0}, ""},
        {PAID("active"), {3, "active", "pro", false, NULL, "ctr_1"}, ""},
        {OURS,
         {2, "past_due", "pro", true, NULL, NULL},
         "subscription.past_due subscription.plan_changed subscription.cancel_scheduled"},
};

static struct subscription
row_of(const struct look *look)
{
	return (struct subscription){.subscription_id = look->id,
	                             .status = look->status,
	                             .plan = look->plan,
	                             .quantity = 1,
	                             .cancel_at_period_end = look->ends,
	                             .pause_behavior = look->pause,
	                             .contract_id = look->contract};
}

START_TEST(test_events_of_a_change)
{
	const struct subscription before = row_of(&changes[_i].before);
	const struct subscription after = row_of(&changes[_i].after);
	enum event_type types[SUBSCRIPTION_EVENTS_MAX];
	size_t count = subscription_events(before.status == NULL ? NULL : &before,
	                                   after.status == NULL ? NULL : &after, types);
	char names[200] = "";

	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(names);

		(void)snprintf(names + length, sizeof(names) - length, "%s%s", i > 0 ? " " : "",
		               event_type_name(types[i]));
	}
	ck_assert_str_eq(names, changes[_i].events);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("subscription_events");
	TCase *tcase = tcase_create("subscription_events");

	tcase_add_loop_test(tcase, test_events_of_a_change, 0, ROWS(changes));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
