/* test_objects.c: reads subscriptions and invoices of two API versions, and with other values
 * in their places. */
#include "support/stripe_objects_fixture.h"

/* Every member, where 2025-03-31.basil has it, where it was before, and with expanded
 * references. */
START_TEST(test_subscription_shapes)
{
	static const char common[] =
	        "'trial_end':1760003000,'cancel_at':1760004000,'canceled_at':1760005000,"
	        "'ended_at':1760006000,'created':1760000000,'cancel_at_period_end':true,"
	        "'metadata':{'customer_id':'" OURS "','other':'x'},";
	static const char *const shapes[] = {
	        "'customer':'cus_1','latest_invoice':{'id':'in_1','status':'open',"
	        "'created':1760007000},'items':{'data':[{'id':'si_1','quantity':3,"
	        "'price':{'id':'price_pro_yearly'},'current_period_start':1760001000,"
	        "'current_period_end':1760002000}]}",
	        "'customer':{'id':'cus_1','object':'customer'},'latest_invoice':{'id':'in_1',"
	        "'status':'open','created':1760007000},'current_period_start':1760001000,"
	        "'current_period_end':1760002000,'items':{'data':[{'id':'si_1','quantity':3,"
	        "'price':{'id':'price_pro_yearly'}}]}",
	        /* When both places have a value, the newer place counts. */
	        "'customer':'cus_1','latest_invoice':{'id':'in_1','status':'open'},"
	        "'current_period_start':1,'current_period_end':2,'items':{'data':[{'id':'si_1',"
	        "'quantity':3,'price':'price_pro_yearly','current_period_start':1760001000,"
	        "'current_period_end':1760002000}]}",
	};
	struct sold_subscription read =
	        subscription_of(arena_printf(task.arena, "{" SUB ",%s%s}", common, shapes[_i]));

	ck_assert_str_eq(print_subscription(&read),
	                 "sub_1 of cus_1 (" OURS
	                 ") active item si_1 price price_pro_yearly plan "
	                 "professional/1 x3 period 1760001000..1760002000 trial 1760003000 "
	                 "cancel 1760004000 asked 1760005000 ended 1760006000 created "
	                 "1760000000 unpaid in_1 due -1 will end");
}
END_TEST

/* A subscription, with members of its item and of its own that newer versions have added. */
static struct sold_subscription
with_members(const char *item, const char *own)
{
	return subscription_of(arena_printf(
	        task.arena,
	        "{" SUB
	        ",'customer':'cus_1','created':1760000000,'items':{'data':[{'id':'si_1',"
	        "'quantity':3,'price':{'id':'price_pro_yearly'},'current_period_start':"
	        "1760001000,"
	        "'current_period_end':1760002000%s}],'has_more':false}%s}",
	        item, own));
}

static const struct {
	const char *item, *own;
} added[] = {
        {"", ",'billing_mode':{'flexible':null,'type':'classic'}"},
        {",'current_trial':null,'billing_thresholds':null",
         ",'billing_mode':{'flexible':{'proration_discounts':'included'},'type':'flexible',"
         "'updated_at':1760000000},'customer_account':'acct_1','billing_schedules':[],"
         "'managed_payments':null,'automatic_tax':{'enabled':false,'provider':null}"},
        {"", ",'status_details':{'paused':{'subscription':{'type':'pause_requested'},"
             "'transitioned_at':1760001000,'type':'subscription'}}"},
};

/* The members that 2026-10-28.endive has added, in both billing modes, change nothing. */
START_TEST(test_newest_members)
{
	struct sold_subscription plain = with_members("", ""),
	                         read = with_members(added[_i].item, added[_i].own);

	ck_assert(!read.stripe.has_more_items && !read.stripe.automatic_tax);
	ck_assert_str_eq(print_subscription(&read), print_subscription(&plain));
}
END_TEST

/* The portal sets only `cancel_at` of a subscription in flexible billing mode. */
START_TEST(test_flexible_end)
{
	struct sold_subscription read = subscription_of(
	        "{" SUB ",'cancel_at':1766491200,'cancel_at_period_end':false}");

	ck_assert_int_eq(seconds(read.stripe.cancel_at), 1766491200);
	ck_assert(!read.stripe.cancel_at_period_end);
}
END_TEST

/* Only an open invoice is unpaid. One that is sent has a day when it is due. */
START_TEST(test_unpaid_invoice)
{
	static const struct {
		const char *invoice, *unpaid;
		int64_t due;
	} invoices[] = {
	        {"{'id':'in_1','status':'open','due_date':null}", "in_1", -1},
	        {"{'id':'in_1','status':'open','due_date':1760007000}", "-", 1760007000},
	        {"{'id':'in_1','status':'paid','due_date':1760007000}", "-", -1},
	        {"{'id':'in_1','status':'draft'}", "-", -1},
	        {"{'id':'in_1','status':'uncollectible'}", "-", -1},
	        {"{'status':'open'}", "-", -1},
	        {"'in_1'", "-", -1},
	        {"null", "-", -1},
	        {"['open']", "-", -1},
	};

	for (int i = 0; i < ROWS(invoices); i++) {
		struct sold_subscription read = subscription_of(arena_printf(
		        task.arena, "{" SUB ",'latest_invoice':%s}", invoices[i].invoice));

		ck_assert_str_eq(or_none(read.stripe.unpaid_invoice), invoices[i].unpaid);
		ck_assert_int_eq(seconds(read.stripe.due_at), invoices[i].due);
	}
}
END_TEST

/* A charge that is on its way: until Stripe knows its outcome the subscription is active. */
START_TEST(test_unpaid_period)
{
#define PERIOD                                                                                 \
	"'id':'sub_1','object':'subscription','items':{'data':[{'id':'si_1','price':{'id':"    \
	"'price_s'},'current_period_start':1760000000,'current_period_end':1762000000}]},"
#define AT_START(status)                                                                       \
	"'latest_invoice':{'id':'in_1','created':1760000060,'status':" status "}"
#define OF_CHANGE(status, created)                                                             \
	"'latest_invoice':{'id':'in_1','billing_reason':'subscription_update','created'"       \
	":" created ",'status':" status "}"
	static const struct {
		const char *object;
		int64_t from;
		bool shows;
	} objects[] = {
	        {"'status':'active'," AT_START("'draft'"), 1760000000, true},
	        {"'status':'active'," AT_START("'open'"), 1760000000, true},
	        {"'status':'active'," AT_START("'paid'"), -1, true},
	        {"'status':'active'," AT_START("'void'"), -1, true},
	        {"'status':'active'," AT_START("'uncollectible'"), -1, true},
	        {"'status':'past_due'," AT_START("'open'"), -1, true},
	        {"'status':'trialing'," AT_START("'draft'"), -1, true},
	        {"'status':'active','collection_method':'send_invoice'," AT_START("'draft'"),
	         -1, true},
	        {"'status':'active','collection_method':'charge_automatically'," AT_START(
	                 "'open'"),
	         1760000000, true},
	        {"'status':'active','pause_collection':{'behavior':'keep_as_draft'}," AT_START(
	                 "'draft'"),
	         -1, true},
	        /* The invoice is that of a change in the middle of the period. */
	        {"'status':'active','latest_invoice':{'id':'in_1','created':1760086400,"
	         "'status':'open'}",
	         -1, true},
	        /* A change soon after the begin has an invoice of its own, unless it begins a period. */
	        {"'status':'active'," OF_CHANGE("'open'", "1760003600"), -1, true},
	        {"'status':'active'," OF_CHANGE("'draft'", "1760003600"), -1, true},
	        {"'status':'active'," OF_CHANGE("'open'", "1759990000"), -1, true},
	        {"'status':'active'," OF_CHANGE("'open'", "1760000000"), 1760000000, true},
	        {"'status':'active'," OF_CHANGE("'draft'", "1760000002"), 1760000000, true},
	        {"'status':'active','latest_invoice':null", -1, true},
	        {"'status':'active','latest_invoice':'in_1'", -1, false},
	};

	for (int i = 0; i < ROWS(objects); i++) {
		struct sold_subscription read = subscription_of(
		        arena_printf(task.arena, "{" PERIOD "%s}", objects[i].object));

		ck_assert_int_eq(seconds(sold_unpaid_from(&read)), objects[i].from);
		ck_assert(read.stripe.shows_invoice == objects[i].shows);
	}
}
END_TEST

START_TEST(test_pause)
{
	struct sold_subscription read = subscription_of(
	        "{" SUB ",'pause_collection':{'behavior':'void','resumes_at':1766491200}}");

	ck_assert_str_eq(read.stripe.pause_behavior, "void");
	ck_assert_int_eq(seconds(read.stripe.pause_resumes_at), 1766491200);
	read = subscription_of(
	        "{" SUB ",'pause_collection':{'behavior':'keep_as_draft','resumes_at':null}}");
	ck_assert_str_eq(read.stripe.pause_behavior, "keep_as_draft");
	ck_assert(!read.stripe.pause_resumes_at.known);
	read = subscription_of("{" SUB ",'pause_collection':null}");
	ck_assert_ptr_null(read.stripe.pause_behavior);
}
END_TEST

static const struct {
	const char *value;
	int64_t seconds;
} times[] = {
        {"1", 1},
        {"1760000000", 1760000000},
        {"253402300799", 253402300799},
        {"0", -1},
        {"-1", -1},
        {"-9223372036854775808", -1},
        {"253402300800", -1},
        {"9223372036854774", -1},
        {"9223372036854775807", -1},
        {"99999999999999999999999", -1},
        {"1e9", -1},
        {"1760000000.5", -1},
        {"'1760000000'", -1},
        {"true", -1},
        {"null", -1},
        {"[1760000000]", -1},
        {"{'id':1760000000}", -1},
};

START_TEST(test_times)
{
	struct sold_subscription read = subscription_of(
	        arena_printf(task.arena,
	                     "{" SUB ",'created':%s,'trial_end':%s,'items':"
	                     "{'data':[{'current_period_end':%s}]}}",
	                     times[_i].value, times[_i].value, times[_i].value));

	ck_assert_int_eq(seconds(read.stripe.created), times[_i].seconds);
	ck_assert_int_eq(seconds(read.stripe.trial_end), times[_i].seconds);
	ck_assert_int_eq(seconds(read.item.period_end), times[_i].seconds);
}
END_TEST

static const char *const no_subscriptions[] = {
        "null",
        "[]",
        "'sub_1'",
        "{}",
        "{'id':'sub_1','status':'active'}",
        "{'id':'sub_1','object':'invoice','status':'active'}",
        "{'object':'subscription','status':'active'}",
        "{'id':'','object':'subscription','status':'active'}",
        "{'id':1,'object':'subscription','status':'active'}",
        "{'id':{'id':'sub_1'},'object':'subscription','status':'active'}",
        "{'id':'sub_1','object':'subscription'}",
        "{'id':'sub_1','object':'subscription','status':null}",
        "{'id':'sub_1','object':['subscription'],'status':'active'}",
        "{'id':'sub_1','object':'subscription','deleted':true}",
};

START_TEST(test_no_subscription)
{
	struct sold_subscription read;
	struct stripe_invoice invoice;

	ck_assert(!sold_subscription_read(&operation, parse(no_subscriptions[_i]), &read));
	ck_assert(!stripe_invoice_read(parse(no_subscriptions[_i]), &invoice));
}
END_TEST

static const struct {
	const char *text, *read; /* NULL: it is none */
} invoices[] = {
        {"{" INVOICE ",'customer':'cus_1','number':'A-1','billing_reason':'subscription_cycle',"
         "'amount_due':2900,'amount_paid':2900,'hosted_invoice_url':'https://h',"
         "'invoice_pdf':'https://p','parent':{'type':'subscription_details',"
         "'subscription_details':{'subscription':'sub_1','metadata':{'customer_id':'" OURS
         "'}}}}",
         "in_1 of cus_1 (" OURS ") for sub_1 number A-1 paid subscription_cycle eur https://h "
         "https://p 2900 2900 created 1760000000"},
        {"{" INVOICE ",'customer':{'id':'cus_1'},'number':'A-1','billing_reason':"
         "'subscription_cycle','amount_due':2900,'amount_paid':2900,'hosted_invoice_url':"
         "'https://h','invoice_pdf':'https://p','subscription':'sub_1',"
         "'subscription_details':{'metadata':{'customer_id':'" OURS "'}}}",
         "in_1 of cus_1 (" OURS ") for sub_1 number A-1 paid subscription_cycle eur https://h "
         "https://p 2900 2900 created 1760000000"},
        {"{" INVOICE ",'parent':{'subscription_details':{'subscription':{'id':'sub_2'}}},"
         "'subscription':'sub_1'}",
         "in_1 of - (-) for sub_2 number - paid - eur - - 0 0 created 1760000000"},
        {"{" INVOICE ",'subscription':{'id':'sub_1','object':'subscription'}}",
         "in_1 of - (-) for sub_1 number - paid - eur - - 0 0 created 1760000000"},
        /* Without a subscription, and with amounts that are no integers. */
        {"{" INVOICE ",'customer':'cus_1','parent':null,'subscription':null,'number':null,"
         "'amount_due':-500,'amount_paid':'500'}",
         "in_1 of cus_1 (-) for - number - paid - eur - - -500 0 created 1760000000"},
        {"{" INVOICE ",'parent':{'type':'quote_details','quote_details':{'quote':'qt_1'}},"
         "'amount_due':1.5,'amount_paid':true}",
         "in_1 of - (-) for - number - paid - eur - - 0 0 created 1760000000"},
        {"{" INVOICE ",'parent':{'subscription_details':{'subscription':''}},'customer':''}",
         "in_1 of - (-) for - number - paid - eur - - 0 0 created 1760000000"},
        {"{'id':'in_1','object':'invoice','currency':'eur','created':1}", NULL},
        {"{'id':'in_1','object':'invoice','status':'paid','created':1}", NULL},
        {"{'id':'in_1','object':'invoice','status':'paid','currency':'eur'}", NULL},
        {"{'id':'in_1','object':'invoice','status':'paid','currency':'eur','created':'1'}",
         NULL},
        {"{'id':'in_1','object':'invoiceitem','status':'paid','currency':'eur','created':1}",
         NULL},
        {"{'object':'invoice','status':'draft','currency':'eur','created':1}", NULL},
};

START_TEST(test_invoices)
{
	struct stripe_invoice read;
	bool is_one = stripe_invoice_read(parse(invoices[_i].text), &read);

	ck_assert_int_eq(is_one, invoices[_i].read != NULL);
	if (is_one)
		ck_assert_str_eq(print_invoice(&read), invoices[_i].read);
}
END_TEST

static const struct {
	const char *line;
	bool proration;
} lines[] = {
        {"{'parent':{'type':'subscription_item_details','subscription_item_details':"
         "{'proration':true}}}",
         true},
        {"{'parent':{'invoice_item_details':{'proration':true}}}", true},
        {"{'proration':true}", true},
        {"{'parent':{'subscription_item_details':{'proration':false}},'proration':false}",
         false},
        {"{'parent':{'subscription_item_details':{'proration':'true'}}}", false},
        {"{'parent':'x'}", false},
        {"{}", false},
        {"[]", false},
        {"null", false},
};

START_TEST(test_proration_lines)
{
	ck_assert_int_eq(stripe_line_is_proration(parse(lines[_i].line)), lines[_i].proration);
}
END_TEST

START_TEST(test_statuses)
{
	static const struct {
		const char *status;
		bool final, live;
	} statuses[] = {
	        {"trialing", false, true}, {"active", false, true},
	        {"past_due", false, true}, {"unpaid", false, true},
	        {"paused", false, true},   {"incomplete", false, false},
	        {"canceled", true, false}, {"incomplete_expired", true, false},
	        {"invented", false, true}, {"", false, true},
	        {"Canceled", false, true},
	};

	for (int i = 0; i < ROWS(statuses); i++) {
		ck_assert_int_eq(stripe_status_is_final(statuses[i].status), statuses[i].final);
		ck_assert_int_eq(stripe_status_is_live(statuses[i].status), statuses[i].live);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe objects");
	TCase *tcase = tcase_create("stripe objects");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_subscription_shapes, 0, 3);
	tcase_add_loop_test(tcase, test_newest_members, 0, ROWS(added));
	tcase_add_test(tcase, test_flexible_end);
	tcase_add_test(tcase, test_unpaid_invoice);
	tcase_add_test(tcase, test_unpaid_period);
	tcase_add_test(tcase, test_pause);
	tcase_add_loop_test(tcase, test_times, 0, ROWS(times));
	tcase_add_loop_test(tcase, test_no_subscription, 0, ROWS(no_subscriptions));
	tcase_add_loop_test(tcase, test_invoices, 0, ROWS(invoices));
	tcase_add_loop_test(tcase, test_proration_lines, 0, ROWS(lines));
	tcase_add_test(tcase, test_statuses);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
