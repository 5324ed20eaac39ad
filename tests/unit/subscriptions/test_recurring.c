/* test_recurring.c: items and discounts of a subscription as they are stored, and their monthly value. */
#include "support/stripe_flow_fixture.h"

#include "subscriptions/recurring.h"
#include "sync/inbox.h"

#define ITEM(id, amount, interval, count, quantity, more)                                      \
	"{'id':'" id "','quantity':" quantity ",'price':{'id':'price_s','currency':'usd',"     \
	"'unit_amount_decimal':'" amount "','recurring':{'interval':'" interval                \
	"','interval_count':" count "}}" more "}"
#define SOLD(items, more)                                                                      \
	"{'id':'sub_1','object':'subscription','customer':'cus_1','status':'active',"          \
	"'currency':'usd','created':1739580000,'metadata':{'customer_id':'OURS'},"             \
	"'items':{'data':[" items "]}" more "}"
#define FOREVER(value) "{'id':'di_1','coupon':{'duration':'forever'," value "}}"
#define ONCE "{'id':'di_2','coupon':{'id':'c','duration':'once','percent_off':50}}"

/* The monthly value of what is stored for the customer's subscription. */
static const char *
value_of(const char *text)
{
	static const struct statement statement = {
	        .name = "test_value",
	        STRIPE_TEXT,
	        .sql = "SELECT trim_scale(revenue_of($1::jsonb))::text AS text"};

	return stripe_text(&statement, PARAMETERS(text));
}

static const char *
stored(void)
{
	static const struct statement statement = {
	        .name = "test_stored",
	        STRIPE_TEXT,
	        .sql = "SELECT recurring AS text FROM subscriptions "
	               "WHERE customer_id = $1 AND stripe_subscription_id = 'sub_1'"};

	return stripe_text(&statement, PARAMETERS(customer_id));
}

static const struct {
	const char *items, *more, *value;
} lives[] = {
        {ITEM("a", "4900", "month", "1", "1", ""), "", "4900"},
        {ITEM("a", "10000", "year", "1", "1", ""), "", "833.333333"},
        {ITEM("a", "1000", "week", "1", "1", ""), "", "4333.333333"},
        {ITEM("a", "100", "day", "1", "1", ""), "", "3041.666667"},
        {ITEM("a", "9000", "month", "3", "1", ""), "", "3000"},
        {ITEM("a", "0.5", "month", "1", "7", ""), "", "3.5"},
        {ITEM("a", "4900", "month", "1", "3", "") "," ITEM("b", "700", "month", "1", "2", ""),
         "", "16100"},
        {ITEM("a", "4900", "month", "1", "0", ""), "", "0"},
        /* Discounts that last are taken off, one after the other, of an item first. */
        {ITEM("a", "10000", "month", "1", "1", ""),
         ",'discounts':[" FOREVER("'percent_off':33.33") "]", "6667"},
        {ITEM("a", "10000", "month", "1", "1", ""), ",'discounts':[" ONCE "]", "10000"},
        {ITEM("a", "12000", "year", "1", "1", ""),
         ",'discounts':[" FOREVER("'amount_off':1200,'currency':'usd'") "]", "900"},
        {ITEM("a", "12000", "year", "1", "1", ""),
         ",'discounts':[" FOREVER("'amount_off':1200,'currency':'eur'") "]", "1000"},
        {ITEM("a", "1000", "month", "1", "1", ""),
         ",'discounts':[" FOREVER("'amount_off':5000,'currency':'usd'") "]", "0"},
        {ITEM("a", "1000", "month", "1", "1",
              ",'discounts':[" FOREVER("'percent_off':50") "]") "," ITEM("b", "1000", "month",
                                                                         "1", "1", ""),
         ",'discounts':[" FOREVER("'percent_off':10") "," FOREVER(
                 "'amount_off':50,'currency':'usd'") "]",
         "1300"},
        {ITEM("a", "1000", "month", "1", "1", ""),
         ",'discount':{'coupon':{'duration':'forever','percent_off':25}}", "750"},
        /* Metered items, tiers and other currencies have no value. */
        {"{'id':'m','price':{'id':'price_s','currency':'usd','unit_amount':5,'recurring':"
         "{'interval':'month','interval_count':1,'usage_type':'metered'}}}",
         "", "0"},
        {"{'id':'t','quantity':1,'price':{'id':'price_s','currency':'usd','unit_amount':null,"
         "'recurring':{'interval':'month','interval_count':1}}}",
         "", "0"},
        {"{'id':'e','quantity':1,'price':{'id':'price_s','currency':'eur','unit_amount':500,"
         "'recurring':{'interval':'month','interval_count':1}}}",
         "", "0"},
        {"{'id':'d','quantity':10,'price':{'id':'price_s','currency':'usd','unit_amount':500,"
         "'transform_quantity':{'divide_by':5,'round':'up'},'recurring':{'interval':'month',"
         "'interval_count':1}}}",
         "", "0"},
};

static void
receive(const char *id)
{
	const struct stripe_event event = {
	        .id = id,
	        .type = "customer.subscription.updated",
	        .ref = {.family = "subscription", .subject = "sub_1", .customer = "cus_1"}};
	int64_t done = 0;
	bool is_new;

	fine(stripe_event_receive(&operation, &event, "{}", "webhook", &is_new));
	fine(stripe_inbox_run(&operation, &done));
	ck_assert_int_eq(done, 1);
	db_rollback_to(operation.db, 0);
	task_clear(&task);
}

START_TEST(test_values)
{
	SCRIPT({.status = 200,
	        .body = arena_printf(task.arena, SOLD("%s", "%s"), lives[_i].items,
	                             lives[_i].more)});
	receive("evt_1");
	ck_assert_str_eq(value_of(stored()), lives[_i].value);
	asked("GET /v1/subscriptions/sub_1");
}
END_TEST

/* An object shows its discounts by their ids, and newer versions name their coupons. */
START_TEST(test_discounts_are_fetched)
{
	SCRIPT(BODY(SOLD(ITEM("a", "1000", "month", "1", "1", ",'discounts':['di_1']"),
	                 ",'discounts':['di_2']")),
	       BODY(SOLD(ITEM("a", "1000", "month", "1", "1",
	                      ",'discounts':[" FOREVER("'percent_off':50") "]"),
	                 ",'discounts':[{'id':'di_2','source':{'type':'coupon','coupon':"
	                 "'TEN'}}]")),
	       BODY("{'id':'TEN','object':'coupon','duration':'forever','percent_off':10}"));
	receive("evt_1");
	asked("GET /v1/subscriptions/sub_1 GET /v1/subscriptions/sub_1 GET /v1/coupons/TEN");
	ck_assert_str_eq(value_of(stored()), "450");
}
END_TEST

#define OF(id, product, amount)                                                                \
	"{'id':'" id                                                                           \
	"','quantity':1,'price':{'id':'price_s','currency':'usd','product':'" product          \
	"','unit_amount':" amount ",'recurring':{'interval':'month',"                          \
	"'interval_count':1}}}"
#define NAMED(coupon) "{'id':'di_1','source':{'type':'coupon','coupon':'" coupon "'}}"
#define OWN(list) ",'discounts':[" list "]"
/* The customer's discount, as the expanded customer shows it. */
#define CUSTOMERS(discount)                                                                    \
	",'customer':{'id':'cus_1','object':'customer','discount':" discount "}"
#define COUPON(values) "{'id':'c','object':'coupon'," values "}"
#define LASTS "'duration':'forever',"
#define LIMITED ",'applies_to':{'products':['prod_a']}"
#define TWO OF("a", "prod_a", "4000") "," OF("b", "prod_b", "6000")

static const struct {
	const char *items, *more, *coupons[2], *value;
	bool uncounted;
} deals[] = {
        /* A discount of the customer counts unless the subscription has one of its own. */
        {TWO, CUSTOMERS(NAMED("c")), {COUPON(LASTS "'percent_off':10")}, "9000", false},
        {TWO, CUSTOMERS("null"), {NULL}, "10000", false},
        {TWO,
         CUSTOMERS(NAMED("c")) OWN(NAMED("d")),
         {COUPON(LASTS "'percent_off':50")},
         "5000",
         false},
        {TWO,
         CUSTOMERS(NAMED("c")) OWN(NAMED("d")),
         {COUPON("'duration':'once','percent_off':50")},
         "10000",
         false},
        {TWO,
         CUSTOMERS("{'id':'di_1','coupon':{'id':'c','duration':'forever','percent_off':10}}"),
         {COUPON(LASTS "'percent_off':10")},
         "9000",
         false},
        /* Only discounts that last count. */
        {TWO,
         CUSTOMERS(NAMED("c")),
         {COUPON("'duration':'repeating','duration_in_months':12,'percent_off':10")},
         "10000",
         false},
        {TWO, OWN(NAMED("c")), {COUPON(LASTS "'percent_off':100")}, "0", false},
        /* A discount limited to products reduces no other item. */
        {TWO, OWN(NAMED("c")), {COUPON(LASTS "'percent_off':50" LIMITED)}, "8000", false},
        {TWO,
         OWN(NAMED("c")),
         {COUPON(LASTS "'amount_off':5000,'currency':'usd'" LIMITED)},
         "6000",
         false},
        {OF("b", "prod_b", "6000"),
         OWN(NAMED("c")),
         {COUPON(LASTS "'percent_off':50" LIMITED)},
         "6000",
         false},
        {OF("a", "prod_a", "4000") "," OF("b", "prod_a", "6000"),
         OWN(NAMED("c")),
         {COUPON(LASTS "'amount_off':5000,'currency':'usd'" LIMITED)},
         "5000",
         false},
        {OF("a", "prod_a", "4000") "," TWO,
         OWN(NAMED("c")),
         {COUPON(LASTS "'amount_off':5000,'currency':'usd'" LIMITED)},
         "14000",
         true},
        {TWO,
         OWN(NAMED("c") "," NAMED("d")),
         {COUPON(LASTS "'percent_off':50" LIMITED), COUPON(LASTS "'percent_off':10")},
         "7200",
         false},
        {TWO,
         OWN(NAMED("c") "," NAMED("d")),
         {COUPON(LASTS "'amount_off':1000,'currency':'usd'"),
          COUPON(LASTS "'percent_off':50" LIMITED)},
         "9000",
         true},
        /* In the order in which they are listed. */
        {TWO,
         OWN(NAMED("c") "," NAMED("d")),
         {COUPON(LASTS "'amount_off':1000,'currency':'usd'"), COUPON(LASTS "'percent_off':50")},
         "4500",
         false},
        {TWO,
         OWN(NAMED("d") "," NAMED("c")),
         {COUPON(LASTS "'percent_off':50"), COUPON(LASTS "'amount_off':1000,'currency':'usd'")},
         "4000",
         false},
        /* An amount of another currency. */
        {TWO,
         OWN(NAMED("c")),
         {COUPON(LASTS "'amount_off':900,'currency':'eur'"),
          COUPON(LASTS "'amount_off':900,'currency':'eur','currency_options':{'usd':"
                       "{'amount_off':1000}}")},
         "9000",
         false},
        {TWO,
         OWN(NAMED("c")),
         {COUPON(LASTS "'amount_off':900,'currency':'eur'"),
          COUPON(LASTS "'amount_off':900,'currency':'eur'")},
         "10000",
         true},
};

START_TEST(test_deals)
{
	const char *const *coupons = deals[_i].coupons;
	const char *sold =
	        arena_printf(task.arena, SOLD("%s", "%s"), deals[_i].items, deals[_i].more);

	SCRIPT({.status = 200, .body = sold}, {.status = 200, .body = coupons[0]},
	       {.status = 200, .body = coupons[1]});
	receive("evt_1");
	ck_assert_str_eq(value_of(stored()), deals[_i].value);
	ck_assert(deals[_i].uncounted == (strstr(stored(), "\"uncounted\"") != NULL));
	ck_assert_uint_eq(world.asked_count,
	                  1 + (size_t)(coupons[0] != NULL) + (size_t)(coupons[1] != NULL));
}
END_TEST

/* An object that does not show the customer says nothing of the customer's discount, which stays. */
START_TEST(test_an_inherited_discount_stays)
{
	const char *shows = SOLD(OF("a", "prod_a", "4000"), CUSTOMERS(NAMED("c")));
	const char *changed = SOLD(OF("a", "prod_a", "8000"), "");
	const char *without = SOLD(OF("a", "prod_a", "8000"), CUSTOMERS("null"));
	struct stripe_subscription subscription;
	struct json_view object;

	SCRIPT({.status = 200, .body = shows}, BODY(COUPON(LASTS "'percent_off':25")),
	       {.status = 200, .body = changed}, {.status = 200, .body = without});
	receive("evt_1");
	ck_assert_str_eq(value_of(stored()), "3000");
	receive("evt_2");
	ck_assert_str_eq(value_of(stored()), "6000");
	shows = flow_body(SOLD(OF("a", "prod_a", "8000"), CUSTOMERS(NAMED("c"))));
	ck_assert(json_view_read_foreign(task.arena, shows, strlen(shows), &object));
	ck_assert(stripe_subscription_read(&object, &subscription));
	ck_assert_str_eq(recurring_listed(task.arena, &subscription, stored()), stored());
	receive("evt_3");
	ck_assert_str_eq(value_of(stored()), "8000");
	/* A list shows that the customer has a discount again. */
	ck_assert_str_ne(recurring_listed(task.arena, &subscription, stored()), stored());
}
END_TEST

#define MONTHLY(id, more) ITEM(id, "1000", "month", "1", "1", more)
#define LISTED(id) "{'id':'" id "','source':{'type':'coupon','coupon':'c'}}"

static const struct {
	const char *stored, *listed;
	bool same;
} lists[] = {
        {CUSTOMERS(LISTED("di_1")), CUSTOMERS(LISTED("di_1")), true},
        {CUSTOMERS(LISTED("di_1")), CUSTOMERS(LISTED("di_7")), false},
        {CUSTOMERS(LISTED("di_1")), CUSTOMERS("null"), false},
        {CUSTOMERS("null"), CUSTOMERS(LISTED("di_1")), false},
        {CUSTOMERS(LISTED("di_1")), OWN("'di_7'"), false},
        {OWN(LISTED("di_1")), OWN("'di_1'"), true},
        {OWN(LISTED("di_1")), OWN("'di_7'"), false},
        {OWN(LISTED("di_1") "," LISTED("di_2")), OWN("'di_2','di_1'"), false},
};

static struct stripe_subscription
listed_with(const char *more)
{
	const char *body =
	        flow_body(arena_printf(task.arena, SOLD("%s", "%s"), MONTHLY("a", ""), more));
	struct stripe_subscription subscription;
	struct json_view object;

	ck_assert(json_view_read_foreign(task.arena, body, strlen(body), &object));
	ck_assert(stripe_subscription_read(&object, &subscription));
	return subscription;
}

/* A coupon is replaced by another one. */
START_TEST(test_other_discounts_are_listed)
{
	const char *sold =
	        arena_printf(task.arena, SOLD("%s", "%s"), MONTHLY("a", ""), lists[_i].stored);
	const struct stripe_subscription listed = listed_with(lists[_i].listed);
	const char *text;

	SCRIPT({.status = 200, .body = sold}, BODY(COUPON(LASTS "'percent_off':10")),
	       BODY(COUPON(LASTS "'percent_off':10")));
	receive("evt_1");
	text = recurring_listed(task.arena, &listed, stored());
	ck_assert(text_equal(text, stored()) == lists[_i].same);
}
END_TEST

/* A text older than the ids is read, but written anew. */
START_TEST(test_a_text_without_ids)
{
	const struct stripe_subscription untold = listed_with(""),
	                                 listed = listed_with(CUSTOMERS(LISTED("di_1")));
	const char *ours = flow_body(
	        "{'currency':'usd','interval':'month','interval_count':1,'items':["
	        "{'amount':'1000','quantity':1,'interval':'month','interval_count':1}],"
	        "'discounts':[{'percent':'10'}],'inherited':true}");

	ck_assert_str_eq(recurring_text(task.arena, &untold, ours), ours);
	ck_assert_str_ne(recurring_listed(task.arena, &listed, ours), ours);
}
END_TEST

/* The customer's discount counts beside those of items, which are fetched by their ids. */
START_TEST(test_an_inherited_discount_beside_an_items)
{
	SCRIPT(BODY(SOLD(ITEM("a", "1000", "month", "1", "1", OWN("'di_2'")),
	                 CUSTOMERS(FOREVER("'percent_off':10")))),
	       BODY(SOLD(ITEM("a", "1000", "month", "1", "1", OWN(FOREVER("'percent_off':50"))),
	                 "")));
	receive("evt_1");
	ck_assert_str_eq(value_of(stored()), "450");
}
END_TEST

#define SHOWN(value) "{'id':'di_1','coupon':{'id':'c','duration':'forever'," value "}}"
#define TEN SHOWN("'percent_off':10")

static const struct {
	const char *items, *more;
	int statuses[2]; /* of the answers after the subscription's */
	const char *value;
	bool uncounted;
} refusals[] = {
        /* Nothing can be known of a coupon that was deleted, or that the key may not read. */
        {MONTHLY("a", ""), OWN(NAMED("c")), {404}, "1000", true},
        {MONTHLY("a", ""), OWN(NAMED("c")), {403}, "1000", true},
        {MONTHLY("a", ""), CUSTOMERS(NAMED("c")), {403}, "1000", true},
        {MONTHLY("a", OWN(NAMED("c"))), "", {403}, "1000", true},
        {MONTHLY("a", ""), OWN("'di_1'"), {403}, "1000", true},
        {MONTHLY("a", OWN("'di_1'")), "", {400}, "1000", true},
        /* But for the values that the discount shows. */
        {MONTHLY("a", ""), OWN(TEN), {404}, "900", false},
        {MONTHLY("a", ""), OWN(TEN), {403}, "900", false},
        {MONTHLY("a", ""), CUSTOMERS(TEN), {403}, "900", false},
        {MONTHLY("a", OWN(TEN)) "," MONTHLY("b", ""), "", {403}, "1900", false},
        /* Its products are not shown: of several items it may take nothing off of some. */
        {TWO, OWN(TEN), {404}, "10000", true},
        {TWO, CUSTOMERS(TEN), {403}, "10000", true},
        {MONTHLY("a", ""),
         OWN(SHOWN("'amount_off':5,'currency':'eur'")),
         {403, 403},
         "1000",
         true},
};

/* The subscription is stored whatever MRR may know. */
START_TEST(test_refused)
{
	const int *statuses = refusals[_i].statuses;
	const char *sold = arena_printf(task.arena, SOLD("%s", "%s"), refusals[_i].items,
	                                refusals[_i].more);

	SCRIPT({.status = 200, .body = sold}, REFUSED(statuses[0]), REFUSED(statuses[1]));
	receive("evt_1");
	ck_assert_str_eq(value_of(stored()), refusals[_i].value);
	ck_assert(refusals[_i].uncounted ==
	          (strstr(stored(), "\"uncounted\":1,\"reasons\":[\"discount\"]") != NULL));
	ck_assert_uint_eq(world.asked_count, 2 + (size_t)(statuses[1] != 0));
}
END_TEST

/* A coupon that Stripe cannot show now is waited for. */
START_TEST(test_away)
{
	static const struct statement waits = {
	        .name = "test_waits",
	        STRIPE_TEXT,
	        .sql = "SELECT state || ' ' || attempts AS text FROM stripe_events"};
	const struct stripe_event event = {
	        .id = "evt_1",
	        .type = "customer.subscription.updated",
	        .ref = {.family = "subscription", .subject = "sub_1", .customer = "cus_1"}};
	bool is_new;

	SCRIPT(BODY(SOLD(MONTHLY("a", ""), OWN(TEN))), BUSY);
	fine(stripe_event_receive(&operation, &event, "{}", "webhook", &is_new));
	ck_assert_int_ne(flow_run(stripe_inbox_run), FAIL_NONE);
	ck_assert_str_eq(stripe_text(&waits, NO_PARAMETERS), "pending 0");
}
END_TEST

/* An earlier row opens: its value is nothing new. */
START_TEST(test_an_upgrade_opens)
{
	static const struct statement kinds = {
	        .name = "test_kinds",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(kind, ' ' ORDER BY movement_id) AS text "
	               "FROM revenue_movements WHERE customer_id = $1"};

	SCRIPT(BODY(SOLD(ITEM("a", "1000", "month", "1", "1", ""), "")),
	       BODY(SOLD(ITEM("a", "1000", "month", "1", "1", ""), "")),
	       BODY(SOLD(ITEM("a", "2000", "month", "1", "1", ""), "")));
	flow_change(
	        "test_old_row",
	        "INSERT INTO subscriptions (customer_id, stripe_subscription_id, plan, status, "
	        "superseded) VALUES ($1, $2, 'starter', 'active', true)",
	        "sub_1");
	receive("evt_1");
	ck_assert_str_eq(stripe_text(&kinds, PARAMETERS(customer_id)), "opening");
	receive("evt_2");
	receive("evt_3");
	ck_assert_str_eq(stripe_text(&kinds, PARAMETERS(customer_id)), "opening expansion");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("recurring");
	TCase *tcase = tcase_create("recurring");

	tcase_add_checked_fixture(tcase, flow_setup, flow_teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, test_values, 0, sizeof(lives) / sizeof(*lives));
	tcase_add_loop_test(tcase, test_deals, 0, sizeof(deals) / sizeof(*deals));
	tcase_add_test(tcase, test_an_inherited_discount_stays);
	tcase_add_loop_test(tcase, test_other_discounts_are_listed, 0,
	                    sizeof(lists) / sizeof(*lists));
	tcase_add_test(tcase, test_a_text_without_ids);
	tcase_add_test(tcase, test_an_inherited_discount_beside_an_items);
	tcase_add_test(tcase, test_discounts_are_fetched);
	tcase_add_loop_test(tcase, test_refused, 0, sizeof(refusals) / sizeof(*refusals));
	tcase_add_test(tcase, test_away);
	tcase_add_test(tcase, test_an_upgrade_opens);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
