/* test_bought.c: which items of a subscription at Stripe count, and how many of each. */
#include "support/stripe_objects_fixture.h"

#include "subscriptions/bought.h"

#define ITEM(id, price, quantity)                                                              \
	"{'id':'" id "','price':{'id':'" price "'},'quantity':" #quantity "}"
#define BY_USE(id, price)                                                                      \
	"{'id':'" id "','price':{'id':'" price "','recurring':{'usage_type':'metered'}}}"

static struct bought
bought_by(const char *items, const struct synced_subscription *row)
{
	struct sold_subscription read = subscription_of(
	        arena_printf(task.arena, "{" SUB ",'items':{'data':[%s]}}", items));
	struct bought out;

	bought_find(&operation, &read, row, &out);
	return out;
}

static const struct {
	const char *items, *plan;
	int64_t quantity;
	const char *addons;
} items[] = {
        {ITEM("si_1", "price_starter", 4), "starter", 4, "{}"},
        {ITEM("si_1", "price_starter", 0), "starter", 0, "{}"},
        {"{'id':'si_1','price':{'id':'price_starter'}}", "starter", 1, "{}"},
        {ITEM("si_2", "price_more", 3) "," ITEM("si_1", "price_starter", 2), "starter", 2,
         "{\"more\":3}"},
        /* Two prices of one add-on are two purchases of it. */
        {ITEM("si_1", "price_starter", 1) "," ITEM("si_2", "price_more",
                                                   3) "," ITEM("si_3", "price_more_yearly", 4),
         "starter", 1, "{\"more\":7}"},
        /* So are two prices of one plan; a smaller plan's quantity does not count. */
        {ITEM("si_1", "price_pro", 2) "," ITEM("si_2", "price_pro_yearly",
                                               5) "," ITEM("si_3", "price_starter", 9),
         "professional", 7, "{}"},
        {BY_USE("si_m", "price_metered") "," ITEM("si_1", "price_starter",
                                                  2) "," ITEM("si_2", "price_sso", 1),
         "starter", 2, "{\"sso\":1}"},
        {ITEM("si_1", "price_starter", 1) "," ITEM("si_2", "price_more", 0), "starter", 1,
         "{}"},
        {ITEM("si_1", "price_starter", 1) "," ITEM("si_2", "price_other", 6), "starter", 1,
         "{}"},
        /* A higher plan of which none is bought does not count, in whatever order. */
        {ITEM("si_1", "price_starter", 2) "," ITEM("si_2", "price_pro", 0), "starter", 2, "{}"},
        {ITEM("si_1", "price_pro", 0) "," ITEM("si_2", "price_starter", 2), "starter", 2, "{}"},
        {ITEM("si_1", "price_pro", 0) "," ITEM("si_2", "price_starter",
                                               2) "," ITEM("si_3", "price_pro_yearly", 1),
         "professional", 1, "{}"},
        {ITEM("si_1", "price_starter", 0) "," ITEM("si_2", "price_pro", 0), "professional", 0,
         "{}"},
        /* No quantities that Stripe may name overflow. */
        {ITEM("si_1", "price_pro", 9223372036854775807) "," ITEM(
                 "si_2", "price_pro_yearly",
                 9223372036854775807) "," ITEM("si_3", "price_more",
                                               9223372036854775807) "," ITEM("si_4",
                                                                             "price_more_"
                                                                             "yearly",
                                                                             5),
         "professional", 2000000000, "{\"more\":1000000005}"},
};

/* The item with which the plan is changed is the bought one. */
START_TEST(test_bought_item)
{
	struct sold_subscription read = subscription_of(
	        "{" SUB ",'items':{'data':[" ITEM("si_1", "price_pro", 0) "," ITEM(
	                "si_2", "price_pro_yearly", 3) "," ITEM("si_3", "price_pro", 0) "]}}");

	ck_assert_str_eq(read.item.id, "si_2");
	ck_assert_int_eq(read.quantity, 3);
}
END_TEST

START_TEST(test_items)
{
	struct bought got = bought_by(items[_i].items, NULL);

	ck_assert_str_eq(got.plan, items[_i].plan);
	ck_assert_int_eq(got.purchase.quantity, items[_i].quantity);
	ck_assert_str_eq(purchase_addons_text(task.arena, &billing.plans, &got.purchase),
	                 items[_i].addons);
}
END_TEST

/* Without a price of a plan the row's plan stays, and add-ons count. */
START_TEST(test_unknown_price)
{
	const struct synced_subscription row = {
	        .plan = "starter", .quantity = 6, .addons = "{\"sso\":1}"};
	struct bought got = bought_by(
	        ITEM("si_1", "price_deal", 2) "," ITEM("si_2", "price_more", 2), &row);

	ck_assert_str_eq(got.plan, "starter");
	ck_assert_int_eq(got.purchase.quantity, 6);
	ck_assert_str_eq(purchase_addons_text(task.arena, &billing.plans, &got.purchase),
	                 "{\"more\":2}");
}
END_TEST

/* An add-on that the file lost counts while an item at an unknown price may be its item, and no longer. */
static const struct {
	const char *items, *addons;
} gone[] = {
        {ITEM("si_1", "price_starter", 1) "," ITEM("si_2", "price_old", 3), "{\"old\":3}"},
        {ITEM("si_1", "price_starter", 1) "," ITEM("si_2", "price_old", 2), "{\"old\":2}"},
        {ITEM("si_1", "price_starter", 1) "," ITEM("si_2", "price_old", 8), "{\"old\":3}"},
        {ITEM("si_1", "price_starter", 1) "," ITEM("si_2", "price_odd",
                                                   1) "," ITEM("si_3", "price_old", 3),
         "{\"old\":3}"},
        {ITEM("si_1", "price_starter", 1) "," ITEM("si_2", "price_old", 0), "{}"},
        {ITEM("si_1", "price_starter", 1) "," BY_USE("si_m", "price_use"), "{}"},
        {ITEM("si_1", "price_starter", 1), "{}"},
        {ITEM("si_1", "price_starter", 1) "," ITEM("si_2", "price_more", 2), "{\"more\":2}"},
        /* The only item at an unknown price is the plan's. */
        {ITEM("si_1", "price_deal", 3), "{}"},
};

START_TEST(test_gone_addon)
{
	const struct synced_subscription row = {
	        .plan = "starter", .quantity = 1, .addons = "{\"old\":3}"};
	struct sold_subscription read = subscription_of(
	        arena_printf(task.arena, "{" SUB ",'items':{'data':[%s]}}", gone[_i].items));
	struct billing later = billing;
	struct plans *plans = &later.plans;
	struct operation with = operation;
	struct bought got;

	with.billing = &later;
	plans->addons[plans->addon_count] = (struct plan_addon){.id = "old"};
	plans->gone_count = 1;
	read.unknown = arena_array(task.arena, read.stripe.item_count, sizeof(*read.unknown));
	for (size_t i = 0; i < read.stripe.item_count; i++) {
		const char *price = read.stripe.items[i].price_id;

		if (price_list_find(&billing.plan_prices, price) == NULL &&
		    price_list_find(&billing.addon_prices, price) == NULL)
			read.unknown[read.unknown_count++] = read.stripe.items[i];
	}
	sold_subscription_take_unknown(&read);
	bought_find(&with, &read, &row, &got);
	ck_assert_str_eq(purchase_addons_text(task.arena, plans, &got.purchase),
	                 gone[_i].addons);
}
END_TEST

#define OWES(reason, more)                                                                     \
	",'status':'past_due','latest_invoice':{'id':'in_1','status':'open','billing_reason'"  \
	":'" reason "'" more "}"

/* More than the row has counts once it is paid; less counts at once. */
static const struct {
	const char *state, *plan;
	int64_t quantity;
	const char *addons, *before; /* the row's status */
} states[] = {
        {OWES("subscription_update", ""), "starter", 2, "{\"more\":1}", NULL},
        {OWES("subscription_update", ""), "starter", 2, "{\"more\":1}", "active"},
        /* The renewal fails, too: the change is not paid by that. */
        {OWES("subscription_cycle", ""), "starter", 2, "{\"more\":1}", "past_due"},
        {OWES("subscription_cycle", ""), "starter", 2, "{\"more\":1}", "unpaid"},
        {",'status':'unpaid','latest_invoice':{'id':'in_1','status':'draft'}", "starter", 2,
         "{\"more\":1}", "past_due"},
        {OWES("subscription_cycle", ""), "professional", 9, "{\"sso\":1,\"more\":1}", "active"},
        {",'status':'active'", "professional", 9, "{\"sso\":1,\"more\":1}", "past_due"},
        {OWES("subscription_cycle", ",'due_date':1760000000"), "professional", 9,
         "{\"sso\":1,\"more\":1}", "past_due"},
        {OWES("subscription_cycle", ""), "professional", 9, "{\"sso\":1,\"more\":1}", NULL},
        {OWES("subscription_update", ",'due_date':1760000000"), "professional", 9,
         "{\"sso\":1,\"more\":1}", NULL},
        {",'status':'past_due','latest_invoice':'in_1'", "professional", 9,
         "{\"sso\":1,\"more\":1}", NULL},
        {",'status':'active','latest_invoice':{'id':'in_1','status':'open',"
         "'billing_reason':'subscription_update'}",
         "professional", 9, "{\"sso\":1,\"more\":1}", NULL},
        {",'status':'past_due','latest_invoice':{'id':'in_1','status':'paid',"
         "'billing_reason':'subscription_update'}",
         "professional", 9, "{\"sso\":1,\"more\":1}", NULL},
};

START_TEST(test_unpaid_change)
{
	const struct synced_subscription row = {
	        .plan = "starter",
	        .quantity = 2,
	        .addons = "{\"more\":5}",
	        .status = states[_i].before == NULL ? "active" : states[_i].before};
	struct sold_subscription read = subscription_of(arena_printf(
	        task.arena, "{'id':'sub_1','object':'subscription','items':{'data':[%s]}%s}",
	        ITEM("si_1", "price_pro", 9) "," ITEM("si_2", "price_more",
	                                              1) "," ITEM("si_3", "price_sso", 1),
	        states[_i].state));
	struct bought got;

	bought_find(&operation, &read, &row, &got);
	if (bought_is_unpaid(&read.stripe, &row))
		bought_take_back(&operation, &row, &got);
	ck_assert_str_eq(got.plan, states[_i].plan);
	ck_assert_int_eq(got.purchase.quantity, states[_i].quantity);
	ck_assert_str_eq(purchase_addons_text(task.arena, &billing.plans, &got.purchase),
	                 states[_i].addons);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("what is bought");
	TCase *tcase = tcase_create("what is bought");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_items, 0, (int)ROWS(items));
	tcase_add_test(tcase, test_bought_item);
	tcase_add_test(tcase, test_unknown_price);
	tcase_add_loop_test(tcase, test_gone_addon, 0, ROWS(gone));
	tcase_add_loop_test(tcase, test_unpaid_change, 0, (int)ROWS(states));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
