/* test_price_plans.c: prices that no setting names: where their plan comes from, and what becomes of
 * subscriptions at a price without a plan. */
#include "support/stripe_flow_fixture.h"

#include "billing/access.h"
#include "billing/subscriptions.h"
#include "subscriptions/unknown_prices.h"
#include "sync/inbox.h"
#include "sync/price_plans.h"
#include "sync/sweep.h"

#define PERIOD "'current_period_end':1747000000"
#define SOLD(status, customer, metadata, items)                                                \
	"{'id':'sub_1','object':'subscription','customer':'" customer "','status':'" status    \
	"','created':1739580000,'items':{'data':[" items "]},'metadata':" metadata "}"
#define OURS_DEAL(status, price)                                                               \
	SOLD(status, "cus_1", "{'customer_id':'OURS'}", "{'price':" price "," PERIOD "}")

static void
receive(const char *id)
{
	const struct stripe_event event = {
	        .id = id,
	        .type = "customer.subscription.updated",
	        .ref = {.family = "subscription", .subject = "sub_1", .customer = "cus_1"}};
	bool is_new;

	fine(stripe_event_receive(&operation, &event, "{}", "webhook", &is_new));
}

static enum fail
run(void)
{
	return flow_run(stripe_inbox_run);
}

/* An event brings the subscription as the body has it. */
static void
arrive(const char *body)
{
	static int number;

	receive(arena_printf(task.arena, "evt_%d", number++));
	SCRIPT(BODY(body));
	fine(run());
}

static struct price_mapping
mapping_of(const char *price_id, const char *plan)
{
	struct price_mapping mapping;

	fine(price_mapping_read(&operation, price_id, &mapping));
	mapping.plan = plan;
	return mapping;
}

static void
map(const char *price_id, const char *plan)
{
	const struct price_mapping mapping = mapping_of(price_id, plan);

	fine(price_mapping_change(&operation, &mapping, false));
	flow_change("test_no_resync",
	            "DELETE FROM stripe_events WHERE event_id LIKE 'map_%' AND $1 <> '' "
	            "AND $2::text IS NULL",
	            NULL);
}

/* "price_deal active": the subscription's unknown prices. */
static const char *
unknown_now(void)
{
	static const struct statement statement = {
	        .name = "test_unknown_now",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(price_id || ' ' || status, ', ' ORDER BY price_id) "
	               "AS text FROM stripe_unknown_prices WHERE customer_id = $1"};

	return stripe_text(&statement, PARAMETERS(customer_id));
}

/* "evt_a:done": each event. */
static const char *
events_now(void)
{
	static const struct statement statement = {
	        .name = "test_events_now",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(type || ' ' || state || COALESCE(' ' || error, ''), "
	               "', ' ORDER BY received_at, event_id) AS text FROM stripe_events"};

	return stripe_text(&statement, NO_PARAMETERS);
}

static struct subscription
current(void)
{
	const struct subscription *out;

	fine(subscription_newest(&operation, customer_id, &out));
	return *out;
}

#define PRODUCT(plan) BODY("{'id':'prod_1','object':'product','metadata':" plan "}")
#define DEAL "{'id':'price_deal','product':'prod_1'}"
#define NAMED(plan) "{'id':'price_deal','product':'prod_1','metadata':{'plan':'" plan "'}}"

static const struct {
	const char *what, *mapped; /* to this plan; "" is none of ours, NULL is no mapping */
	const char *body;
	struct scripted product;
	bool fetches; /* the product */
	const char *plan, *unknown, *event;
} sources[] = {
        {"a mapping", "professional", OURS_DEAL("active", DEAL), END, false, "professional", "",
         "done"},
        {"a mapping as something else", "", OURS_DEAL("active", DEAL), END, false, NULL, "",
         "ignored"},
        {"a mapping before the metadata", "starter", OURS_DEAL("active", NAMED("enterprise")),
         END, false, "starter", "", "done"},
        {"the price's metadata", NULL, OURS_DEAL("active", NAMED("enterprise")), END, false,
         "enterprise", "", "done"},
        {"the product's metadata", NULL, OURS_DEAL("active", DEAL),
         PRODUCT("{'plan':'professional'}"), true, "professional", "", "done"},
        {"an expanded product", NULL,
         OURS_DEAL("active", "{'id':'price_deal','product':{'id':'prod_1','metadata':"
                             "{'plan':'professional'}}}"),
         END, false, "professional", "", "done"},
        {"a plan that does not exist", NULL, OURS_DEAL("active", NAMED("gold")),
         PRODUCT("{'plan':'silver'}"), true, NULL, "price_deal active", "done"},
        {"no answer anywhere", NULL, OURS_DEAL("active", DEAL), PRODUCT("{}"), true, NULL,
         "price_deal active", "done"},
        {"a key that may not read products", NULL, OURS_DEAL("active", DEAL), REFUSED(403),
         true, NULL, "price_deal active", "done"},
        {"Stripe is away", NULL, OURS_DEAL("active", DEAL), BROKEN, true, NULL, "",
         "pending stripe_error"},
        {"a subscription that has ended", NULL, OURS_DEAL("canceled", DEAL), PRODUCT("{}"),
         true, NULL, "", "ignored"},
        {"the higher plan of a setting and a mapping", "enterprise",
         SOLD("active", "cus_1", "{'customer_id':'OURS'}",
              "{'price':{'id':'price_s'}," PERIOD "},{'price':" DEAL "," PERIOD "}"),
         END, false, "enterprise", "", "done"},
        {"an unknown price beside a plan", NULL,
         SOLD("active", "cus_1", "{'customer_id':'OURS'}",
              "{'price':" DEAL "," PERIOD "},{'price':{'id':'price_s'}," PERIOD "}"),
         END, false, "starter", "", "done"},
        /* The vendor sells other things to other people. */
        {"an unknown customer", NULL,
         SOLD("active", "cus_9", "{}", "{'price':" NAMED("enterprise") "," PERIOD "}"), END,
         false, NULL, "", "ignored"},
        {"a mapped price of an unknown customer", "starter",
         SOLD("active", "cus_9", "{}", "{'price':" DEAL "," PERIOD "}"), END, false, NULL, "",
         "pending unknown_customer"},
};

START_TEST(test_sources)
{
	const char *mapped = sources[_i].mapped, *plan = sources[_i].plan;

	if (mapped != NULL)
		map("price_deal", *mapped == '\0' ? NULL : mapped);
	receive("evt_1");
	SCRIPT(BODY(sources[_i].body), sources[_i].product);
	(void)run();
	asked(sources[_i].fetches ? "GET /v1/subscriptions/sub_1 GET /v1/products/prod_1"
	                          : "GET /v1/subscriptions/sub_1");
	ck_assert_str_eq(unknown_now(), sources[_i].unknown);
	ck_assert_str_eq(events_now(),
	                 arena_printf(task.arena, "customer.subscription.updated %s",
	                              sources[_i].event));
	subscriptions_are(plan != NULL ? "sub_1:active+ trial:canceled-" : "trial:trialing+");
	if (plan != NULL)
		ck_assert_msg(text_equal(current().plan, plan), "%s: %s", sources[_i].what,
		              current().plan);
}
END_TEST

/* An unknown price is reported once, follows the subscription's status, and goes with it. */
START_TEST(test_record)
{
	arrive(OURS_DEAL("trialing", "{'id':'price_deal'}"));
	ck_assert_str_eq(unknown_now(), "price_deal trialing");
	arrive(OURS_DEAL("active", "{'id':'price_deal'}"));
	ck_assert_str_eq(unknown_now(), "price_deal active");
	ck_assert_int_eq(audited("unknown_price"), 1);
	arrive(OURS_DEAL("active", "{'id':'price_other'}"));
	ck_assert_str_eq(unknown_now(), "price_other active");
	ck_assert_int_eq(audited("unknown_price"), 2);
	ck_assert_int_eq(written("stripe.unknown_price"), 2);
	arrive(OURS_DEAL("canceled", "{'id':'price_other'}"));
	ck_assert_str_eq(unknown_now(), "");
	subscriptions_are("trial:trialing+");
}
END_TEST

/* A subscription that changes to an unknown price keeps its plan, and is listed. */
START_TEST(test_change_to_unknown)
{
	const struct unknown_price *rows;
	int64_t count;
	size_t listed;

	arrive(OURS_DEAL("active", "{'id':'price_p'}"));
	arrive(OURS_DEAL("active", "{'id':'price_deal'}"));
	ck_assert_str_eq(current().plan, "professional");
	fine(unknown_prices_list(&operation, 50, &rows, &listed));
	ck_assert_uint_eq(listed, 1);
	ck_assert_str_eq(rows[0].price_id, "price_deal");
	ck_assert_str_eq(rows[0].plan, "professional");
	fine(unknown_prices_count(&operation, &count));
	ck_assert_int_eq(count, 1);
	arrive(OURS_DEAL("active", "{'id':'price_s'}"));
	ck_assert_str_eq(unknown_now(), "");
	ck_assert_str_eq(current().plan, "starter");
}
END_TEST

static bool
has_access(void)
{
	const struct subscription subscription = current();

	return access_granted(&subscription, &billing.policy, operation.now_ms);
}

/* A mapping has those who wait synced. Without it the price grants nothing, with it again. */
START_TEST(test_mapping)
{
	struct price_mapping mapping;

	arrive(OURS_DEAL("active", "{'id':'price_deal'}"));
	mapping = mapping_of("price_deal", "professional");
	ck_assert_int_eq(mapping.waiting, 1);
	ck_assert_int_eq(mapping.subscriptions, 0);
	ck_assert(!mapping.known_before);
	fine(price_mapping_change(&operation, &mapping, false));
	SCRIPT(BODY(OURS_DEAL("active", "{'id':'price_deal'}")));
	fine(run());
	ck_assert_str_eq(events_now(), "customer.subscription.updated done, "
	                               "sweep.subscription done");
	ck_assert_str_eq(unknown_now(), "");
	ck_assert_str_eq(current().plan, "professional");
	ck_assert(has_access());

	mapping = mapping_of("price_deal", NULL);
	ck_assert_str_eq(mapping.plan_before, "professional");
	ck_assert_int_eq(mapping.subscriptions, 1);
	operation.now_ms += SECOND_MS;
	fine(price_mapping_change(&operation, &mapping, true));
	/* Its metadata may name a plan, and Stripe may be away. */
	ck_assert(has_access());
	SCRIPT(BODY(OURS_DEAL("active", "{'id':'price_deal'}")));
	fine(run());
	ck_assert(!has_access());
	ck_assert_int_eq(current().price_ends_access_at.ms, operation.now_ms);
	ck_assert_str_eq(unknown_now(), "price_deal active");
	arrive(OURS_DEAL("past_due", "{'id':'price_deal'}"));
	ck_assert(!has_access());

	map("price_deal", "starter");
	arrive(OURS_DEAL("active", "{'id':'price_deal'}"));
	ck_assert(has_access());
	ck_assert_str_eq(current().plan, "starter");
	ck_assert(!current().price_ends_access_at.known);
	ck_assert_str_eq(unknown_now(), "");
}
END_TEST

/* A price that was never mapped leaves a known subscription its plan, also after the mapping of
 * another price was removed. */
START_TEST(test_unmap_of_another)
{
	struct price_mapping mapping;

	map("price_deal", "professional");
	arrive(OURS_DEAL("active", DEAL));
	arrive(OURS_DEAL("active", "{'id':'price_other'}"));
	mapping = mapping_of("price_deal", NULL);
	fine(price_mapping_change(&operation, &mapping, true));
	arrive(OURS_DEAL("active", "{'id':'price_other'}"));
	ck_assert(has_access());
	ck_assert_str_eq(current().plan, "professional");
}
END_TEST

/* The price is of something else: its subscription has no access, and is not listed. */
START_TEST(test_not_ours)
{
	map("price_deal", "starter");
	arrive(OURS_DEAL("active", "{'id':'price_deal'}"));
	ck_assert(has_access());
	map("price_deal", NULL);
	ck_assert(!has_access());
	arrive(OURS_DEAL("active", "{'id':'price_deal'}"));
	ck_assert(!has_access());
	ck_assert_str_eq(unknown_now(), "");
}
END_TEST

/* A refund ends access later: that the price is none of ours ends it now, and stays. */
START_TEST(test_not_ours_after_refund)
{
	map("price_deal", "starter");
	arrive(OURS_DEAL("active", "{'id':'price_deal'}"));
	flow_change("test_hold",
	            "UPDATE subscriptions SET hold_reason = 'refunded', "
	            "hold_ends_access_at = '2100-01-01' WHERE customer_id = $1 "
	            "AND stripe_subscription_id = $2",
	            "sub_1");
	map("price_deal", NULL);
	ck_assert(!has_access());
	map("price_deal", "starter");
	arrive(OURS_DEAL("active", "{'id':'price_deal'}"));
	ck_assert(has_access());
	ck_assert_str_eq(current().hold_reason, "refunded");
}
END_TEST

/* The metadata of the price keeps access after the mapping has gone. */
START_TEST(test_metadata_after_unmap)
{
	struct price_mapping mapping;

	map("price_deal", "professional");
	arrive(OURS_DEAL("active", NAMED("starter")));
	mapping = mapping_of("price_deal", NULL);
	fine(price_mapping_change(&operation, &mapping, true));
	ck_assert(has_access());
	SCRIPT(BODY(OURS_DEAL("active", NAMED("starter"))));
	fine(run());
	ck_assert(has_access());
	ck_assert(!current().price_ends_access_at.known);
	ck_assert_str_eq(current().plan, "starter");
}
END_TEST

START_TEST(test_mappings_that_are_refused)
{
	struct price_mapping mapping = mapping_of("price_s", "starter");

	refused(price_mapping_change(&operation, &mapping, false), FAIL_CONFLICT,
	        "price_in_settings");
	mapping = mapping_of("price_deal", "gold");
	refused(price_mapping_change(&operation, &mapping, false), FAIL_INVALID,
	        "unknown_plan");
	mapping.plan = NULL;
	refused(price_mapping_change(&operation, &mapping, true), FAIL_NOT_FOUND,
	        "price_not_mapped");
}
END_TEST

static void
sweep(void)
{
	int64_t done = 0;

	fine(stripe_sweep_run_subscriptions(&operation, &done));
	db_rollback_to(operation.db, 0);
	ck_assert_int_eq(done, 1);
}

static void
make_due(void)
{
	flow_change("test_due",
	            "UPDATE stripe_sweeps SET part = 0, after_id = '', started_at = NULL, "
	            "finished_at = NULL, differences = 0, complete_to = NULL "
	            "WHERE $1 <> '' AND $2::text IS NULL",
	            NULL);
}

/* The nightly comparison finds a subscription whose event was lost, once, and one that ended. */
START_TEST(test_sweep)
{
	static const char listed[] =
	        "{'data':[" OURS_DEAL("active", "{'id':'price_deal'}") "]}";

	make_due();
	SCRIPT(BODY(listed));
	sweep();
	ck_assert_str_eq(events_now(), "sweep.subscription pending");
	SCRIPT(BODY(OURS_DEAL("active", "{'id':'price_deal'}")));
	fine(run());
	ck_assert_str_eq(unknown_now(), "price_deal active");
	operation.now_ms += DAY_MS;
	make_due();
	SCRIPT(BODY(listed));
	sweep();
	sweep();
	ck_assert_str_eq(events_now(), "sweep.subscription done");
	operation.now_ms += DAY_MS;
	make_due();
	SCRIPT(BODY("{'data':[]}"));
	sweep();
	sweep();
	ck_assert_str_eq(events_now(),
	                 "sweep.subscription done, sweep.subscription.deleted pending");
	SCRIPT(BODY(OURS_DEAL("canceled", "{'id':'price_deal'}")));
	fine(run());
	ck_assert_str_eq(unknown_now(), "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("prices that no setting names");
	TCase *tcase = tcase_create("prices that no setting names");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, flow_setup, flow_teardown);
	tcase_add_loop_test(tcase, test_sources, 0, ROWS(sources));
	tcase_add_test(tcase, test_record);
	tcase_add_test(tcase, test_change_to_unknown);
	tcase_add_test(tcase, test_mapping);
	tcase_add_test(tcase, test_unmap_of_another);
	tcase_add_test(tcase, test_not_ours);
	tcase_add_test(tcase, test_not_ours_after_refund);
	tcase_add_test(tcase, test_metadata_after_unmap);
	tcase_add_test(tcase, test_mappings_that_are_refused);
	tcase_add_test(tcase, test_sweep);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
