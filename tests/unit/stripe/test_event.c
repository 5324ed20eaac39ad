/* test_event.c: which object an event is about. Real events of two API versions give the same
 * result, and an event with any values in any place is read or refused. */
#include "support/json_c.h"
#include "support/stripe_objects_fixture.h"

#include "base/file.h"

#define EVENT(type, object) "{'id':'evt_1','type':'" type "','data':{'object':{" object "}}}"
#define SESSION "'id':'cs_1','object':'checkout.session'"
#define NOTHING "- - of - (-)"

static const struct {
	const char *text, *ref;
} refs[] = {
        {EVENT("customer.subscription.updated", SUB ",'customer':'cus_1'"),
         "subscription sub_1 of cus_1 (-)"},
        {EVENT("customer.subscription.something_new", SUB), "subscription sub_1 of - (-)"},
        {EVENT("checkout.session.completed",
               SESSION ",'subscription':'sub_1','customer':{'id':'cus_1'},"
                       "'client_reference_id':'" OURS "','metadata':{'customer_id':'x'}"),
         "subscription sub_1 of cus_1 (" OURS ")"},
        {EVENT("checkout.session.completed",
               SESSION ",'subscription':'sub_1','client_reference_id':'42',"
                       "'metadata':{'customer_id':'" OURS "'}"),
         "subscription sub_1 of - (" OURS ")"},
        {EVENT("checkout.session.completed", SESSION ",'subscription':{'id':'sub_1'}"),
         "subscription sub_1 of - (-)"},
        {EVENT("invoice.paid", INVOICE ",'customer':'cus_1'"), "invoice in_1 of cus_1 (-)"},
        {EVENT("invoice.something_new", INVOICE), "invoice in_1 of - (-)"},
        {EVENT("customer.deleted", "'id':'cus_1','object':'customer','deleted':true"),
         "customer cus_1 of cus_1 (-)"},
        /* The last one of repeated names counts, with all its members. */
        {"{'id':'evt_1','type':'invoice.paid','data':{'object':{" INVOICE
         ",'customer':'cus_1'}},'data':{'object':{'id':'in_2','object':'invoice'}}}",
         "invoice in_2 of - (-)"},
        {EVENT("invoice.paid", INVOICE ",'customer':{'id':'cus_1'},'customer':null"),
         "invoice in_1 of - (-)"},
        {EVENT("invoice.paid", INVOICE ",'parent':{'subscription_details':{'metadata':"
                                       "{'customer_id':'" OURS "'}}},'parent':{}"),
         "invoice in_1 of - (-)"},
        /* Names that contain dots, and lists in place of objects. */
        {"{'id':'evt_1','type':'invoice.paid','data':{'object':{" INVOICE
         "},'object.id':'in_2'},"
         "'data.object.id':'in_3','data.object':{'id':'in_4'}}",
         "invoice in_1 of - (-)"},
        {EVENT("invoice.paid", INVOICE ",'customer':[{'id':'cus_1'}]"),
         "invoice in_1 of - (-)"},
        /* The object does not exist, or has no id yet. */
        {EVENT("checkout.session.expired", SESSION ",'subscription':null"), NOTHING},
        {EVENT("checkout.session.completed", SESSION ",'subscription':''"), NOTHING},
        {EVENT("invoice.upcoming", "'object':'invoice','customer':'cus_1'"), NOTHING},
        {EVENT("invoice.paid", "'id':'','object':'invoice'"), NOTHING},
        /* Types that resemble ours, and objects of another kind than the type says. */
        {EVENT("customer.created2", "'id':'cus_1','object':'customer'"), NOTHING},
        {EVENT("customer.discount.created", "'id':'di_1','object':'discount'"), NOTHING},
        {EVENT("customer.subscription", SUB), NOTHING},
        {EVENT("invoice", INVOICE), NOTHING},
        {EVENT("invoice_payment.paid", "'id':'inpay_1','object':'invoice_payment'"), NOTHING},
        {EVENT("invoiceitem.created", "'id':'ii_1','object':'invoiceitem'"), NOTHING},
        {EVENT("Invoice.paid", INVOICE), NOTHING},
        {EVENT("", SUB), NOTHING},
        {EVENT("customer.subscription.updated", INVOICE), NOTHING},
        {EVENT("invoice.paid", SUB), NOTHING},
        {"{'id':'evt_1','type':'invoice.paid','data':{'object':'in_1'}}", NOTHING},
        {"{'id':'evt_1','type':'invoice.paid','data':[]}", NOTHING},
        {"{'id':'evt_1','type':'invoice.paid','data':null}", NOTHING},
        {"{'id':'evt_1','type':'invoice.paid'}", NOTHING},
        /* Thin events about meters are read, and no others. */
        {"{'id':'evt_1','object':'v2.core.event','type':'v1.billing.meter.error_report_"
         "triggered','created':'2025-02-15T00:00:00.000Z','data':{'developer_message_summary':"
         "'x'},'related_object':{'id':'mtr_1','type':'billing.meter'}}",
         "meter mtr_1 of - (-)"},
        {"{'id':'evt_1','object':'v2.core.event','type':'v2.core.account.updated',"
         "'created':'2025-02-15T00:00:00.000Z','related_object':{'id':'acct_1','type':"
         "'v2.core.account'}}",
         NOTHING},
};

START_TEST(test_refs)
{
	struct stripe_event event;

	ck_assert(is_event(refs[_i].text, &event));
	ck_assert_str_eq(event.id, "evt_1");
	ck_assert_str_eq(print_ref(&event.ref), refs[_i].ref);
}
END_TEST

START_TEST(test_event_members)
{
	static const char *const none[] = {
	        "null",
	        "7",
	        "[{'id':'evt_1','type':'a'}]",
	        "{}",
	        "{'type':'a'}",
	        "{'id':'evt_1'}",
	        "{'id':'','type':'a'}",
	        "{'id':1,'type':'a'}",
	        "{'id':'evt_1','type':null}",
	        "{'id':'evt_1','type':['a']}",
	};
	struct stripe_event event;

	ck_assert(is_event("{'id':'evt_1','type':'a','api_version':'2023-10-16',"
	                   "'livemode':true,'created':1760000000}",
	                   &event));
	ck_assert_str_eq(event.type, "a");
	ck_assert_str_eq(event.api_version, "2023-10-16");
	ck_assert(event.livemode);
	ck_assert_int_eq(seconds(event.created), 1760000000);
	ck_assert(is_event("{'id':'evt_1','type':'a','livemode':'true','created':"
	                   "'2025-02-15T00:00:00.500Z','api_version':7}",
	                   &event));
	ck_assert(!event.livemode && event.api_version == NULL && event.created.known);
	ck_assert_int_eq(event.created.ms, 1739577600500);
	ck_assert(is_event("{'id':'evt_1','type':'a','created':'yesterday'}", &event));
	ck_assert(!event.created.known);
	/* The last second of the calendar, and one that nothing could be added to. */
	ck_assert(is_event("{'id':'evt_1','type':'a','created':253402300799}", &event));
	ck_assert(event.created.known);
	ck_assert(is_event("{'id':'evt_1','type':'a','created':9223372036854775}", &event));
	ck_assert(!event.created.known);
	for (int i = 0; i < ROWS(none); i++)
		ck_assert_msg(!is_event(none[i], &event), "%s", none[i]);
}
END_TEST

/* Stripe's longest ids have 255 characters. */
START_TEST(test_longest_ids)
{
	static const char format[] = "{'id':'%0*d','type':'invoice.paid','data':{'object':"
	                             "{'id':'%0*d','object':'invoice'}}}";
	struct stripe_event event;

	ck_assert(is_event(arena_printf(task.arena, format, 255, 1, 255, 2), &event));
	ck_assert_str_eq(event.ref.family, "invoice");
	ck_assert(is_event(arena_printf(task.arena, format, 255, 1, 256, 2), &event));
	ck_assert_ptr_null(event.ref.family);
	ck_assert(!is_event(arena_printf(task.arena, format, 256, 1, 9, 2), &event));
}
END_TEST

/* JSON that Stripe may send although a strict reader refuses it. */
static const struct {
	const char *text, *says; /* NULL: no event */
} foreign[] = {
        {"{'id':'evt_0','type':'b','id':'evt_1','type':'a'}", "evt_1 a"},
        {"{'id':'evt_1','type':'a','id':null}", NULL},
        {"{'\\u0069d':'evt_1','\\u0074ype':'\\u0061'}", "evt_1 a"},
        {"{'id':'evt_1','type':'a\\ud83db\\udc00'}", "evt_1 a\xef\xbf\xbd"
                                                     "b\xef\xbf\xbd"},
        {"{'id':'evt_1','type':'a\\u0000b'}", "evt_1 a"},
        {"{'id':'evt_1','type':'a','x':123456789012345678901234567890,'y':1e999}", "evt_1 a"},
        {"\r\n\t {'id' :\n'evt_1' , 'type':'a' } \n", "evt_1 a"},
        {"{'id':'evt_1','type':'a'} x", NULL},
        {"{'id':'evt_1','type':'a'", NULL},
        {"{'id':'evt_1','type':'a','x':01}", NULL},
        {"{'id':'evt_1','type':'a','x':'\n'}", NULL},
        {"{'id':'evt_1','type':'a','x':'\xff'}", NULL},
};

START_TEST(test_foreign)
{
	const char *says = foreign[_i].says;
	struct stripe_event event;

	ck_assert_msg(is_event(foreign[_i].text, &event) == (says != NULL), "%s",
	              foreign[_i].text);
	if (says != NULL)
		ck_assert_str_eq(arena_printf(task.arena, "%s %s", event.id, event.type), says);
}
END_TEST

/* All that is read of an event and of its object, as one text. */
static const char *
digest(const char *text, size_t length)
{
	struct json_view object, about;
	struct sold_subscription subscription;
	struct stripe_invoice invoice;
	struct stripe_event event;
	struct text out = text_new(task.arena, 512);

	if (!read_event(text, length, &event))
		return "no event";
	ck_assert(json_view_read_foreign(task.arena, text, length, &object));
	text_printf(&out, "%s %s %d %lld %s", event.id, event.type, event.livemode,
	            seconds(event.created), print_ref(&event.ref));
	(void)json_view_find(&object, "data.object", &about);
	if (sold_subscription_read(&operation, &about, &subscription))
		text_printf(&out, "; %s", print_subscription(&subscription));
	if (stripe_invoice_read(&about, &invoice))
		text_printf(&out, "; %s", print_invoice(&invoice));
	return out.data;
}

/* NULL when the file does not exist. */
static const char *
digest_of_file(const char *folder, const char *name)
{
	char *path = suite_shared(
	             task.arena, arena_printf(task.arena, "stripe/events/%s/%s", folder, name)),
	     *text;
	size_t length;

	if (path == NULL)
		return NULL;
	ck_assert_int_eq(file_read(&task, path, 1024 * 1024, &text, &length), FAIL_NONE);
	return digest(text, length);
}

/* Recorded events, and part of what is read of them. */
static const struct {
	const char *name, *says;
} events[] = {
        {"01-customer.created.json", "customer cus_TBq3kYw8fHn2Lx"},
        {"02-checkout.session.completed-trial.json",
         "subscription sub_1SGHkqJx2WnvPYtb7QdR4mZe"},
        {"03-subscription.created-trialing.json",
         " trialing item si_TBq3vXo5Jc9Rpt price "
         "price_1SFyAbJx2WnvPYtbQ0pro001 plan starter"},
        {"04-invoice.paid-trial-zero.json", "; in_"},
        {"05-subscription.trial_will_end.json", " trialing item "},
        {"06-subscription.updated-trial-to-active.json", " active item "},
        {"07-invoice.paid-cycle.json", " paid subscription_cycle usd "},
        {"08-subscription.updated-upgrade.json", " plan professional/0 x1 period 176"},
        {"09-invoice.paid-proration.json", " paid subscription_update usd "},
        {"10-invoice.payment_failed.json", " open subscription_cycle usd "},
        {"11-subscription.updated-past_due.json", " past_due item "},
        {"12-invoice.paid-recovered.json", " paid subscription_cycle usd "},
        {"13-subscription.updated-recovered.json", " active item "},
        {"14-subscription.updated-cancel-at-period-end.json", " will end"},
        {"15-subscription.updated-cancel-undone.json", " cancel -1 asked -1 "},
        {"16-subscription.deleted-immediate.json", " canceled item "},
        {"17-subscription.deleted-payment-failed.json", " canceled item "},
        {"18-subscription.created-incomplete.json", " incomplete item "},
        {"19-subscription.updated-incomplete_expired.json", " incomplete_expired item "},
        {"20-subscription.updated-unpaid.json", " unpaid item "},
        {"21-subscription.paused.json", " paused item "},
        {"22-subscription.resumed.json", " active item "},
        {"23-checkout.session.completed-paid.json", " subscription sub_"},
        {"24-checkout.session.completed-new-customer-email.json", " subscription sub_"},
        {"25-checkout.session.expired.json", " " NOTHING},
        {"26-invoice.payment_action_required.json", " open subscription_"},
        {"27-invoice.paid-not-a-subscription.json", " for - number "},
        {"28-customer.deleted.json", "customer cus_"},
        {"29-livemode-subscription.updated.json", " customer.subscription.updated 1 "},
        {"30-subscription.updated-cancel_at-only.json", " cancel 176"},
        {"31-subscription.updated-two-items.json",
         " item si_TBq3vXo5Jc9Rpt price "
         "price_1SFyAbJx2WnvPYtbQ0team02 plan "
         "professional/0 x1 period 1763899200..176649"},
};

/* Checks that the events of two folders differ in their ids, but not in what is read of them. */
static void
read_alike(const char *older, const char *newer, const char *name, const char *says)
{
	const char *before = digest_of_file(older, name), *said = digest_of_file(newer, name);

	if (before == NULL || said == NULL)
		return;
	ck_assert_str_eq(strchr(said, ' '), strchr(before, ' '));
	ck_assert_msg(strstr(said, says) != NULL, "%s", said);
}

START_TEST(test_real_events)
{
	read_alike("2023-10-16", "2025-03-31.basil", events[_i].name, events[_i].says);
	read_alike("2025-03-31.basil", "2026-10-28.endive", events[_i].name, events[_i].says);
}
END_TEST

/* Kinds that only newer versions have, or that differ in flexible billing mode. */
static const struct {
	const char *name, *says;
} newer_events[] = {
        {"32-subscription.updated-pause_collection.json", " active item "},
        {"33-subscription.updated-pause_collection-ended.json", " active item "},
        {"34-subscription.updated-negotiated-price-metadata-plan.json",
         " price price_1SZnegJx2WnvPYtbQ0nego0"},
        {"35-subscription.updated-negotiated-price-known-product.json",
         " price price_1SZnegJx2WnvPYtbQ0nego0"},
        {"36-subscription.updated-two-plan-items.json", " plan professional/0 "},
        {"37-subscription.created-flexible.json", " active item "},
        {"38-subscription.updated-flexible-upgrade.json", " plan professional/0 "},
        {"39-subscription.updated-migrated-to-flexible.json", " active item "},
        {"40-subscription.updated-flexible-portal-cancel.json", " cancel 17"},
        {"41-subscription.updated-flexible-portal-cancel-undone.json", " cancel -1 "},
        {"42-subscription.updated-flexible-mixed-interval.json", " plan professional/0 "},
        {"43-subscription.paused-on-request.json", " paused item "},
        {"44-subscription.resumed-on-request.json", " active item "},
        {"45-invoice.payment_failed-net30.json", " open "},
        {"46-invoice.will_be_due.json", "; in_"},
        {"47-invoice.overdue.json", "; in_"},
        {"48-subscription.updated-net30-active.json", " active item "},
        {"49-subscription.updated-net30-past_due.json", " past_due item "},
        {"50-invoice_payment.paid-invoice4.json", " invoice_payment.paid "},
        {"51-refund.created-partial.json", " refund.created "},
        {"52-charge.refunded-partial.json", " charge.refunded "},
        {"53-refund.created-rest.json", " refund.created "},
        {"54-charge.refunded-full.json", " charge.refunded "},
        {"55-refund.failed.json", " refund.failed "},
        {"56-charge.updated-refund-failed.json", " charge.updated "},
        {"57-invoice_payment.paid-invoice2.json", " invoice_payment.paid "},
        {"58-charge.dispute.created.json", " charge.dispute.created "},
        {"59-charge.dispute.closed-won.json", " charge.dispute.closed "},
        {"60-charge.dispute.closed-lost.json", " charge.dispute.closed "},
        {"61-charge.dispute.closed-warning_closed.json", " charge.dispute.closed "},
        {"62-subscription.deleted-disputed.json", " canceled item "},
        {"63-connect-subscription.updated.json", " active item "},
        {"64-checkout.session.completed-unpaid.json", " subscription sub_"},
        {"65-checkout.session.async_payment_failed.json", " subscription sub_"},
        {"66-checkout.session.async_payment_succeeded.json", " subscription sub_"},
        {"67-checkout.session.completed-promotion-tax.json", " subscription sub_"},
};

START_TEST(test_newer_events)
{
	read_alike("2025-03-31.basil-more", "2026-10-28.endive", newer_events[_i].name,
	           newer_events[_i].says);
}
END_TEST

/* A random value of any type; some texts have a meaning for the reader. */
static struct json_object *
any_value(uint64_t *state)
{
	static const char *const texts[] = {
	        "",   "subscription",         "invoice",         "price_pro", "open",
	        OURS, "2025-02-15T00:00:00Z", "customer.updated"};

	switch (suite_random(state) % 7) {
	case 0:
		return NULL;
	case 1:
		return json_object_new_object();
	case 2:
		return json_object_new_array();
	case 3:
		return json_object_new_boolean((int)(suite_random(state) % 2));
	case 4:
		return json_object_new_int64((int64_t)suite_random(state));
	case 5:
		return json_object_new_double(1.5);
	default:
		return json_object_new_string(texts[suite_random(state) % ROWS(texts)]);
	}
}

/* Replaces or removes a random value in the tree. */
static void
mutate(struct json_object *tree, uint64_t *state)
{
	while (json_object_is_type(tree, json_type_object) &&
	       json_object_object_length(tree) > 0) {
		int at = (int)(suite_random(state) % (uint64_t)json_object_object_length(tree));
		struct json_object_iterator one = json_object_iter_begin(tree);
		const char *name;

		while (at-- > 0)
			json_object_iter_next(&one);
		name = json_object_iter_peek_name(&one);
		if (suite_random(state) % 4 == 0) {
			if (suite_random(state) % 4 == 0)
				json_object_object_del(tree, name);
			else
				json_object_object_add(tree, arena_copy(task.arena, name),
				                       any_value(state));
			return;
		}
		tree = json_object_iter_peek_value(&one);
		if (json_object_is_type(tree, json_type_array) &&
		    json_object_array_length(tree) > 0) {
			if (suite_random(state) % 4 == 0) {
				(void)json_object_array_put_idx(tree, 0, any_value(state));
				return;
			}
			tree = json_object_array_get_idx(
			        tree, suite_random(state) % json_object_array_length(tree));
		}
	}
}

/* An event with random values is read or refused; an event that is read has an id. */
START_TEST(test_mutations)
{
	static const char *const seeds[] = {
	        EVENT("customer.subscription.updated",
	              SUB ",'customer':{'id':'cus_1'},'metadata':{'customer_id':'" OURS "'},"
	                  "'latest_invoice':{'status':'open','created':5},'created':1,"
	                  "'items':{'data':[{'id':'si_1'," PRICED ",'quantity':1,"
	                  "'current_period_end':7},{'id':'si_2','price':'price_x'}]}"),
	        EVENT("invoice.paid", INVOICE
	              ",'parent':{'subscription_details':{'subscription':'sub_1',"
	              "'metadata':{'customer_id':'" OURS "'}}},'lines':{'data':[{'parent':"
	              "{'invoice_item_details':{'proration':true}}}]}"),
	        EVENT("checkout.session.completed",
	              SESSION ",'subscription':'sub_1','customer':"
	                      "{'id':'cus_1'}"),
	};
	const char *mutations = getenv("MUTATIONS");
	long rounds = (mutations ? strtol(mutations, NULL, 10) : 200000) / 20;
	uint64_t state = suite_seed("mutations of objects");

	for (long round = 0; round < rounds; round++) {
		const char *text = quoted(seeds[round % ROWS(seeds)]);
		struct json_object *tree;

		ck_assert(json_c_parse(task.arena, text, strlen(text), JSON_DEPTH, &tree));
		for (uint64_t left = suite_random(&state) % 6; left > 0; left--)
			mutate(tree, &state);
		text = json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN);
		ck_assert_ptr_nonnull(digest(text, strlen(text)));
		(void)stripe_line_is_proration(parse(text));
		arena_reset(task.arena);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("event references");
	TCase *tcase = tcase_create("event references");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_refs, 0, ROWS(refs));
	tcase_add_test(tcase, test_event_members);
	tcase_add_test(tcase, test_longest_ids);
	tcase_add_loop_test(tcase, test_foreign, 0, ROWS(foreign));
	tcase_add_loop_test(tcase, test_real_events, 0, ROWS(events));
	tcase_add_loop_test(tcase, test_newer_events, 0, ROWS(newer_events));
	tcase_add_test(tcase, test_mutations);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
