/* test_sold_items.c: the item of a subscription that we sell, and the customer that an object
 * names. */
#include "support/stripe_objects_fixture.h"

static const struct {
	const char *items;
	const char *item, *price, *plan;
	int64_t period_end;
} items[] = {
        /* A metered item stands first and ends later. */
        {"[{'id':'si_m','price':{'id':'price_metered'},'current_period_end':99},"
         "{'id':'si_p'," PRICED ",'current_period_end':50}]",
         "si_p", "price_pro", "professional", 50},
        /* The higher plan of two with our prices counts, in either order. */
        {"[{'id':'si_s','price':{'id':'price_starter'},'current_period_end':60},"
         "{'id':'si_p'," PRICED ",'current_period_end':70}]",
         "si_p", "price_pro", "professional", 70},
        {"[{'id':'si_p'," PRICED ",'current_period_end':70},"
         "{'id':'si_s','price':{'id':'price_starter'},'current_period_end':60}]",
         "si_p", "price_pro", "professional", 70},
        /* The first of two of the same plan counts. */
        {"[{'id':'si_y','price':{'id':'price_pro_yearly'},'current_period_end':60},"
         "{'id':'si_p'," PRICED ",'current_period_end':70}]",
         "si_y", "price_pro_yearly", "professional", 60},
        /* Without one of our prices the latest end counts. */
        {"[{'id':'si_a','price':{'id':'price_a'},'current_period_end':60},"
         "{'id':'si_b','price':{'id':'price_b'},'current_period_end':80},"
         "{'id':'si_c','price':{'id':'price_c'},'current_period_end':70}]",
         "si_a", "price_a", NULL, 80},
        {"[]", NULL, NULL, NULL, 40},
        {"{}", NULL, NULL, NULL, 40},
        {"null", NULL, NULL, NULL, 40},
        {"['si_1',7,[],{'id':'si_p'," PRICED "}]", "si_p", "price_pro", "professional", 40},
        {"[null,{'id':'si_p'," PRICED ",'current_period_end':50}]", "si_p", "price_pro",
         "professional", 50},
        {"[{'id':7,'price':{'id':null}}]", NULL, NULL, NULL, 40},
        {"[{'id':'','price':{'id':''}}]", "", NULL, NULL, 40},
};

START_TEST(test_items)
{
	struct sold_subscription read = subscription_of(arena_printf(
	        task.arena, "{" SUB ",'current_period_end':40,'items':{'data':%s}}",
	        items[_i].items));

	if (items[_i].item == NULL || items[_i].item[0] != '\0')
		ck_assert_msg(text_equal(read.item.id, items[_i].item), "%s",
		              or_none(read.item.id));
	ck_assert_msg(text_equal(read.item.price_id, items[_i].price), "%s",
	              or_none(read.item.price_id));
	ck_assert_msg(text_equal(read.plan, items[_i].plan), "%s", or_none(read.plan));
	ck_assert_int_eq(seconds(read.item.period_end), items[_i].period_end);
}
END_TEST

/* Only a text in the form of our ids names a customer: metadata may hold anything. */
static const struct {
	const char *metadata;
	bool ours;
} owners[] = {
        {"{'customer_id':'" OURS "'}", true},
        {"{'customer_id':'cust_00112233445566778899AABBCCDDEEFF'}", false},
        {"{'customer_id':'cust_00112233445566778899aabbccddeef'}", false},
        {"{'customer_id':'cust_00112233445566778899aabbccddeeff0'}", false},
        {"{'customer_id':' " OURS "'}", false},
        {"{'customer_id':'cus_TBq3kYw8fHn2Lx'}", false},
        {"{'customer_id':''}", false},
        {"{'customer_id':42}", false},
        {"{'customer_id':null}", false},
        {"{'customer_id':{'id':'" OURS "'}}", false},
        {"{'CUSTOMER_ID':'" OURS "'}", false},
        {"{}", false},
        {"[]", false},
        {"null", false},
        {"'" OURS "'", false},
};

START_TEST(test_owners)
{
	const char *wanted = owners[_i].ours ? OURS : NULL, *metadata = owners[_i].metadata;
	struct sold_subscription read =
	        subscription_of(arena_printf(task.arena, "{" SUB ",'metadata':%s}", metadata));
	struct stripe_event event;
	struct stripe_invoice invoice;

	ck_assert(text_equal(own_customer_id(read.stripe.customer_id), wanted));
	ck_assert(stripe_invoice_read(
	        parse(arena_printf(task.arena,
	                           "{'id':'in_1','object':'invoice','status':'paid','currency':"
	                           "'usd','created':9,'metadata':{'customer_id':'" OURS "'},"
	                           "'parent':{'subscription_details':{'metadata':%s}}}",
	                           metadata)),
	        &invoice));
	ck_assert(text_equal(own_customer_id(invoice.customer_id), wanted));
	ck_assert(is_event(
	        arena_printf(task.arena,
	                     "{'id':'evt_1','type':'customer.updated','data':{'object':"
	                     "{'id':'cus_1','object':'customer','metadata':%s}}}",
	                     metadata),
	        &event));
	ck_assert(text_equal(event_customer_id(&event.ref), wanted));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("what is ours");
	TCase *tcase = tcase_create("what is ours");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_items, 0, ROWS(items));
	tcase_add_loop_test(tcase, test_owners, 0, ROWS(owners));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
