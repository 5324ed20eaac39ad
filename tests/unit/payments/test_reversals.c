/* test_reversals.c: what refunds and disputes do to access, and what gives it back. */
#include "support/stripe_flow_fixture.h"

#include "base/random.h"
#include "billing/access.h"
#include "billing/subscriptions.h"
#include "outbox/enqueue.h"
#include "payments/reversals.h"
#include "sales/changes.h"
#include "sync/inbox.h"

#define PERIOD_END INSTANT_MS(1747000000000)

#define ACTIVE SUBSCRIPTION("active", "price_s")
#define INVOICE(lines)                                                                         \
	"{'id':'in_1','object':'invoice','customer':'cus_1','status':'paid','currency':'usd'," \
	"'created':1739580000,'amount_due':2900,'amount_paid':2900,'lines':{" lines "},"       \
	"'parent':{'subscription_details':{'subscription':'sub_1','metadata':{"                \
	"'customer_id':'OURS'}}}}"
#define LINE(end, proration)                                                                   \
	"{'amount':2900,'period':{'start':1739580000,'end':" end "},'parent':{'type':"         \
	"'subscription_item_details','subscription_item_details':{'proration':" proration      \
	"}}}"
#define PAID_INVOICE INVOICE("'data':[" LINE("1747000000", "false") "]")
#define PAYMENTS_OF(invoice) "{'object':'list','data':[{'id':'inpay_1','invoice':" invoice "}]}"
#define PAYMENTS PAYMENTS_OF(PAID_INVOICE)
#define CHARGE(id, refunded)                                                                   \
	"{'id':'" id "','object':'charge','customer':'cus_1','payment_intent':'pi_1',"         \
	"'currency':'usd','amount':2900,'amount_refunded':" refunded "}"
#define DISPUTE(status)                                                                        \
	"{'id':'du_1','object':'dispute','charge':'ch_1','currency':'usd','amount':2900,"      \
	"'status':'" status "'}"

static void
setup(void)
{
	flow_setup();
	flow_change("test_no_reversals", "DELETE FROM payment_reversals WHERE $1 <> $2", "");
}

/* Processes an event about the object. */
static void
happens(const char *type, const char *family, const char *subject)
{
	const struct stripe_event event = {.id = random_id(task.arena, "evt_", 12),
	                                   .type = type,
	                                   .ref = {.family = family, .subject = subject}};
	bool is_new;
	int64_t done = 0;

	fine(stripe_event_receive(&operation, &event, "{}", "webhook", &is_new));
	ck_assert_int_eq(stripe_inbox_run(&operation, &done), FAIL_NONE);
	ck_assert_int_eq(done, 1);
}

static void
refund(const char *charge_id, const char *charge)
{
	SCRIPT({.status = 200, .body = charge}, BODY(PAYMENTS), BODY(ACTIVE));
	happens("charge.refunded", "charge", charge_id);
}

static void
dispute(const char *object)
{
	SCRIPT({.status = 200, .body = object}, BODY(CHARGE("ch_1", "0")), BODY(PAYMENTS),
	       BODY(ACTIVE));
	happens("charge.dispute.created", "dispute", "du_1");
}

static struct subscription
current(void)
{
	struct subscription out;

	fine(subscription_find(&operation, customer_id, &out));
	return out;
}

/* When the price has lost its plan; NULL: it has one. */
static void
end_by_price(const char *at)
{
	flow_change("test_price",
	            "UPDATE subscriptions SET price_ends_access_at = $2::timestamptz "
	            "WHERE customer_id = $1",
	            at);
}

static bool
has_access(void)
{
	struct subscription now = current();

	return access_granted(&now, &billing.policy, operation.now_ms);
}

static const char *
event_state(void)
{
	static const struct statement statement = {
	        .name = "test_event_state",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(DISTINCT state, ' ') AS text FROM stripe_events"};

	return stripe_text(&statement, NO_PARAMETERS);
}

/* "cancel_at_period_end=true": what Stripe is told, in this order. */
static const char *
told(void)
{
	static const struct statement statement = {
	        .name = "test_told",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(parameters, ' ' ORDER BY call_id) AS text "
	               "FROM stripe_calls WHERE kind = 'subscription_end'"};

	return stripe_text(&statement, NO_PARAMETERS);
}

#define ENDS "cancel_at_period_end=true"
#define GOES_ON "cancel_at_period_end=false"

/* clang-format off */
static const struct {
	const char *policy;
	bool access, held, at_once;
	const char *told;
} policies[] = {
	{"keep", true, false, false, ""},
	{"period_end", true, true, false, ENDS},
	{"revoke", false, true, true, ENDS},
};
/* clang-format on */

static void
check_policy(int i, const char *action, const char *reason)
{
	struct subscription now;

	ck_assert(has_access() == policies[i].access);
	ck_assert_str_eq(told(), policies[i].told);
	ck_assert_int_eq(audited(action), 1);
	ck_assert(current().hold_ends_access_at.known == policies[i].held);
	if (!policies[i].held)
		return;
	ck_assert_str_eq(current().hold_reason, reason);
	ck_assert_int_eq(current().hold_ends_access_at.ms,
	                 policies[i].at_once ? operation.now_ms : PERIOD_END.ms);
	now = current();
	ck_assert_str_eq(access_status(&now, PERIOD_END.ms), "unpaid");
}

START_TEST(test_full_refund)
{
	billing.sales.refund_policy = policies[_i].policy;
	refund("ch_1", CHARGE("ch_1", "2900"));
	asked("GET /v1/charges/ch_1 GET /v1/invoice_payments GET /v1/subscriptions/sub_1");
	ck_assert_str_eq(event_state(), "done");
	check_policy(_i, "payment_refunded", "refunded");
	/* The event may come again, and the policy may be another one by then. */
	billing.sales.refund_policy = "revoke";
	refund("ch_1", CHARGE("ch_1", "2900"));
	check_policy(_i, "payment_refunded", "refunded");
	ck_assert_int_eq(written("refund.created"), 1);
}
END_TEST

START_TEST(test_dispute)
{
	billing.sales.dispute_policy = policies[_i].policy;
	dispute(DISPUTE("needs_response"));
	asked("GET /v1/disputes/du_1 GET /v1/charges/ch_1 GET /v1/invoice_payments "
	      "GET /v1/subscriptions/sub_1");
	check_policy(_i, "payment_disputed", "disputed");
	ck_assert_int_eq(written("dispute.closed"), 0);
	dispute(DISPUTE("lost"));
	check_policy(_i, "payment_disputed", "disputed");
	dispute(DISPUTE("lost"));
	ck_assert_int_eq(written("dispute.opened"), 1);
	ck_assert_int_eq(written("dispute.closed"), 1);
}
END_TEST

/* A part of the payment changes nothing; the rest of it, in whichever charge, does. */
START_TEST(test_parts)
{
	billing.sales.refund_policy = "revoke";
	refund("ch_1", CHARGE("ch_1", "900"));
	ck_assert(has_access());
	ck_assert_int_eq(audited("payment_refunded"), 0);
	refund("ch_2", CHARGE("ch_2", "1999"));
	ck_assert(has_access());
	refund("ch_2", CHARGE("ch_2", "2000"));
	ck_assert(!has_access());
	refund("ch_1", CHARGE("ch_1", "901"));
	ck_assert_int_eq(audited("payment_refunded"), 1);
	ck_assert_int_eq(written("refund.created"), 4);
}
END_TEST

/* A bank's inquiry takes nothing yet; the event about the money does. */
START_TEST(test_inquiry)
{
	billing.sales.dispute_policy = "revoke";
	dispute(DISPUTE("warning_needs_response"));
	dispute(DISPUTE("warning_under_review"));
	ck_assert(has_access());
	dispute(_i == 0 ? DISPUTE("warning_closed") : DISPUTE("needs_response"));
	ck_assert(has_access() == (_i == 0));
	ck_assert_int_eq(written("dispute.opened"), _i);
	ck_assert_int_eq(written("dispute.closed"), 0);
}
END_TEST

/* Events of the subscription do not give access back. */
START_TEST(test_later_events)
{
	struct sold_subscription one = {
	        .stripe = {.id = "sub_1", .customer = "cus_1", .status = "past_due"},
	        .item = {.price_id = "price_s", .period_end = INSTANT_MS(1760000000000)},
	        .plan = "starter"};
	bool changed;

	billing.sales.refund_policy = "revoke";
	refund("ch_1", CHARGE("ch_1", "2900"));
	fine(subscription_sync_store(&operation, customer_id, &one, &changed));
	one.stripe.status = "active";
	fine(subscription_sync_store(&operation, customer_id, &one, &changed));
	ck_assert(changed && !has_access());
	ck_assert_str_eq(current().status, "active");
}
END_TEST

/* A dispute that is won gives back what it took, and nothing else. */
START_TEST(test_won)
{
	billing.sales.dispute_policy = "period_end";
	billing.sales.refund_policy = "revoke";
	if (_i > 0)
		refund("ch_1", CHARGE("ch_1", "2900"));
	dispute(DISPUTE("under_review"));
	ck_assert(current().hold_ends_access_at.known);
	dispute(DISPUTE("won"));
	ck_assert(has_access() == (_i == 0));
	ck_assert_int_eq(audited("access_restored"), 1);
	ck_assert_str_eq(told(), _i == 0 ? ENDS " " GOES_ON : ENDS);
	dispute(DISPUTE("won"));
	ck_assert_int_eq(audited("access_restored"), 1);
	/* A won dispute does not begin anew. */
	dispute(DISPUTE("needs_response"));
	ck_assert(has_access() == (_i == 0));
	ck_assert_int_eq(written("dispute.opened"), 1);
	ck_assert_int_eq(written("dispute.closed"), 1);
}
END_TEST

/* A price without a plan and a refund end access independently: the end of one does not give back
 * what the other has taken. */
START_TEST(test_price_without_plan)
{
	int64_t count = 0;

	billing.sales.refund_policy = "period_end";
	store_synced("sub_1", "active");
	if (_i == 1)
		end_by_price("2020-01-01");
	SCRIPT(BODY(CHARGE("ch_1", "2900")), BODY(PAYMENTS),
	       BODY(SUBSCRIPTION("active", "price_other")));
	happens("charge.refunded", "charge", "ch_1");
	ck_assert(has_access() == (_i == 0));
	end_by_price("2020-01-01");
	ck_assert(!has_access());
	ck_assert_int_eq(current().hold_ends_access_at.ms, PERIOD_END.ms);
	if (_i == 0) {
		fine(reversal_lift(&operation, customer_id, "why", &count));
		ck_assert(!has_access() && current().hold_reason == NULL);
	}
	end_by_price(NULL);
	ck_assert(has_access());
	ck_assert(current().hold_ends_access_at.known == (_i == 1));
}
END_TEST

/* An operator gives access back; the same refund and dispute do not end it again. */
START_TEST(test_operator)
{
	int64_t count = 0;

	billing.sales.dispute_policy = "period_end";
	billing.sales.refund_policy = "revoke";
	ck_assert_int_eq(reversal_lift(&operation, customer_id, "why", &count), FAIL_CONFLICT);
	task_clear(&task);
	db_rollback_to(operation.db, 0);
	refund("ch_1", CHARGE("ch_1", "2900"));
	dispute(DISPUTE("needs_response"));
	ck_assert(!has_access());
	fine(reversal_lift(&operation, customer_id, "A friendly call", &count));
	ck_assert_int_eq(count, 2);
	ck_assert(has_access());
	ck_assert_str_eq(told(), ENDS " " GOES_ON);
	refund("ch_1", CHARGE("ch_1", "2900"));
	dispute(DISPUTE("lost"));
	ck_assert(has_access());
	ck_assert(!current().hold_ends_access_at.known);
	ck_assert_int_eq(audited("access_restored"), 2);
}
END_TEST

/* An end that the customer has scheduled stays. */
START_TEST(test_ending_subscription)
{
	int64_t count = 0;

	billing.sales.refund_policy = "revoke";
	SCRIPT(BODY(CHARGE("ch_1", "2900")), BODY(PAYMENTS),
	       BODY("{'id':'sub_1','object':'subscription','customer':'cus_1','status':'active'"
	            ","
	            "'cancel_at_period_end':true,'created':1739580000,'items':{'data':[{'id':"
	            "'si_1','price':{'id':'price_s'},'current_period_end':1747000000}]},"
	            "'metadata':{'customer_id':'OURS'}}"));
	happens("charge.refunded", "charge", "ch_1");
	ck_assert(!has_access());
	fine(reversal_lift(&operation, customer_id, "why", &count));
	ck_assert_str_eq(told(), "");
}
END_TEST

/* clang-format off */
static const struct {
	const char *charge;
	const char *second; /* Stripe's answer to the second request */
	const char *asked;
	bool found;
} ways[] = {
	{"'invoice':'in_1','payment_intent':'pi_1'", PAID_INVOICE, "GET /v1/invoices/in_1", true},
	{"'payment_intent':'pi_1'", "{'data':[]}", "GET /v1/invoice_payments", false},
	{"'payment_intent':'pi_1'", "{'data':[{'invoice':{'id':'in_1','object':'invoice','status':"
	 "'paid','currency':'usd','created':1739580000,'parent':null}}]}",
	 "GET /v1/invoice_payments", false},
	{"'payment_intent':null", "{'data':[{'id':'in_0','payments':{'data':[{'payment':{'charge':"
	 "'ch_0'}}]}},{'id':'in_1','object':'invoice','status':'paid','currency':'usd','created':"
	 "1739580000,'amount_paid':2900,'subscription':'sub_1','lines':{'data':[{'type':"
	 "'subscription','amount':2900,'period':{'end':1747000000}}]},'payments':{'data':[{'payment':"
	 "{'type':'charge','charge':'ch_1'}}]}}]}", "GET /v1/invoices", true},
	{"'payment_intent':null", "{'data':[{'id':'in_0'}]}", "GET /v1/invoices", false},
};
/* clang-format on */

/* How the subscription of a charge is found, in old and new shapes. */
START_TEST(test_ways)
{
	billing.sales.refund_policy = "revoke";
	SCRIPT({.status = 200,
	        .body = arena_printf(task.arena,
	                             "{'id':'ch_1','object':'charge','customer':'cus_1',"
	                             "'currency':'usd','amount_refunded':2900,%s}",
	                             ways[_i].charge)},
	       {.status = 200, .body = ways[_i].second}, BODY(ACTIVE));
	happens("charge.refunded", "charge", "ch_1");
	asked(arena_printf(task.arena, "GET /v1/charges/ch_1 %s%s", ways[_i].asked,
	                   ways[_i].found ? " GET /v1/subscriptions/sub_1" : ""));
	ck_assert_str_eq(event_state(), ways[_i].found ? "done" : "ignored");
	ck_assert_int_eq(audited("payment_refunded"), ways[_i].found ? 1 : 0);
}
END_TEST

/* The vendor sells other things through the account too. */
START_TEST(test_others)
{
	flow_change("test_not_ours",
	            "INSERT INTO stripe_prices (price_id, plan, mapped_at) "
	            "SELECT $2, NULL, now() WHERE $1 <> ''",
	            "price_other");
	SCRIPT(BODY(CHARGE("ch_1", "2900")), BODY(PAYMENTS),
	       BODY(SUBSCRIPTION("active", "price_other")));
	happens("charge.refunded", "charge", "ch_1");
	ck_assert_str_eq(event_state(), "ignored");
	SCRIPT(BODY(CHARGE("ch_2", "0")));
	happens("charge.refunded", "charge", "ch_2");
	asked("GET /v1/charges/ch_2");
}
END_TEST

/* clang-format off */
static const struct {
	const char *payments, *lines;
	bool applies;
} invoices[] = {
	{PAYMENTS_OF(INVOICE("'data':[" LINE("1705000000", "false") "]")), NULL, false},
	{PAYMENTS_OF(INVOICE("'data':[" LINE("1747000000", "true") "]")), NULL, false},
	{PAYMENTS_OF(INVOICE("'data':[{'type':'invoiceitem','amount':1,'period':{'end':1747000000}}]")),
	 NULL, false},
	{PAYMENTS_OF("{'id':'in_1','object':'invoice','status':'paid','currency':'usd','created':"
	 "1739580000,'amount_paid':2900,'subscription':'sub_1','billing_reason':"
	 "'subscription_threshold','lines':{'data':[" LINE("1747000000", "false") "]}}"), NULL, false},
	{PAYMENTS_OF(INVOICE("'data':[" LINE("1747000000", "true") "," LINE("1747000000", "false") "]")),
	 NULL, true},
	{PAYMENTS_OF(INVOICE("'has_more':true,'data':[]")),
	 "{'data':[" LINE("1747000000", "false") "]}", true},
	{PAYMENTS_OF(INVOICE("'has_more':true,'data':[]")),
	 "{'data':[" LINE("1747000000", "true") "]}", false},
};
/* clang-format on */

/* Money for a past period, prorations or use takes nothing from the paid period. */
START_TEST(test_other_invoices)
{
	const struct scripted payments = {.status = 200, .body = invoices[_i].payments};

	billing.sales.refund_policy = "revoke";
	if (invoices[_i].lines == NULL)
		SCRIPT(BODY(CHARGE("ch_1", "2900")), payments, BODY(ACTIVE));
	else
		SCRIPT(BODY(CHARGE("ch_1", "2900")), payments,
		       {.status = 200, .body = invoices[_i].lines}, BODY(ACTIVE));
	happens("charge.refunded", "charge", "ch_1");
	ck_assert_str_eq(event_state(), "done");
	ck_assert(has_access() == !invoices[_i].applies);
	ck_assert_int_eq(audited("payment_refunded"), 1);
	ck_assert_str_eq(told(), invoices[_i].applies ? ENDS : "");
}
END_TEST

/* Has the calls so far end as an operator or Stripe may. */
static void
calls_are(const char *state)
{
	flow_change(
	        "test_calls_are",
	        "UPDATE stripe_calls SET state = $2, next_try_at = NULL, finished_at = now() "
	        "WHERE customer_id = $1",
	        state);
}

/* The subscription as an event has brought it. */
static void
sync_as(const struct stripe_subscription *stripe)
{
	struct sold_subscription one = {
	        .stripe = *stripe,
	        .item = {.price_id = "price_s", .period_end = PERIOD_END},
	        .plan = "starter"};
	bool changed;

	one.stripe.id = "sub_1";
	one.stripe.customer = "cus_1";
	one.stripe.status = "active";
	fine(subscription_sync_store(&operation, customer_id, &one, &changed));
}

/* The customer renews in Stripe's portal: the end is sent again, but not while it is on its way. */
START_TEST(test_renewed)
{
	billing.sales.refund_policy = "revoke";
	refund("ch_1", CHARGE("ch_1", "2900"));
	sync_as(&(struct stripe_subscription){.cancel_at = INSTANT_NONE});
	ck_assert_str_eq(told(), ENDS);
	calls_are(_i == 0 ? "done" : "parked");
	sync_as(&(struct stripe_subscription){.cancel_at_period_end = true});
	ck_assert_str_eq(told(), ENDS);
	sync_as(&(struct stripe_subscription){.cancel_at = INSTANT_NONE});
	sync_as(&(struct stripe_subscription){.cancel_at = INSTANT_NONE});
	ck_assert_str_eq(told(), _i == 0 ? ENDS " " ENDS : ENDS);
	ck_assert_int_eq(audited("subscription_end_again"), _i == 0 ? 1 : 0);
}
END_TEST

#define CANCEL_AT(at)                                                                          \
	"{'id':'sub_1','object':'subscription','customer':'cus_1','status':'active',"          \
	"'cancel_at':" at ",'created':1739580000,'items':{'data':[{'id':'si_1','price':{'id':" \
	"'price_s'},'current_period_end':1747000000}]},'metadata':{'customer_id':'OURS'}}"

/* The customer had cancelled before the refund, or after it, and renews in Stripe's portal: he would pay
 * without access, so the end is sent. It is ours now. */
START_TEST(test_renewed_after_cancelling)
{
	const struct stripe_subscription ends = {.cancel_at_period_end = true}, goes_on = {0},
	                                 later = {.cancel_at = INSTANT_MS(1768000000000),
	                                          .period_end = PERIOD_END};
	const struct scripted ending = BODY(CANCEL_AT("1747000000"));
	int64_t count = 0;

	billing.sales.refund_policy = "period_end";
	SCRIPT(BODY(CHARGE("ch_1", "2900")), BODY(PAYMENTS),
	       {.status = 200, .body = _i == 0 ? ending.body : ACTIVE});
	happens("charge.refunded", "charge", "ch_1");
	ck_assert_str_eq(told(), _i == 0 ? "" : ENDS);
	calls_are("done");
	if (_i > 0) {
		SCRIPT(ending);
		fine(change_cancel(&operation, customer_id, CANCEL_AT_PERIOD_END));
	}
	sync_as(&ends);
	ck_assert_str_eq(told(), _i == 0 ? "" : ENDS);
	sync_as(_i == 2 ? &later : &goes_on);
	sync_as(_i == 2 ? &later : &goes_on);
	ck_assert_str_eq(told(), _i == 0 ? ENDS : ENDS " " ENDS);
	calls_are("done");
	fine(reversal_lift(&operation, customer_id, "why", &count));
	ck_assert_str_eq(told(), _i == 0   ? ENDS " " GOES_ON
	                         : _i == 1 ? ENDS " " ENDS " " GOES_ON
	                                   : ENDS " " ENDS " cancel_at=1768000000");
}
END_TEST

/* Nothing is sent for a subscription that refunds and disputes do not end any more. */
START_TEST(test_renewed_after_restoring)
{
	int64_t count = 0;

	billing.sales.refund_policy = "revoke";
	refund("ch_1", CHARGE("ch_1", "2900"));
	fine(reversal_lift(&operation, customer_id, "why", &count));
	calls_are("done");
	sync_as(&(struct stripe_subscription){.cancel_at = INSTANT_NONE});
	ck_assert_str_eq(told(), ENDS " " GOES_ON);
}
END_TEST

/* A dispute after a refund ends the subscription when that goes on by then. */
START_TEST(test_later_dispute)
{
	billing.sales.refund_policy = "revoke";
	billing.sales.dispute_policy = "revoke";
	refund("ch_1", CHARGE("ch_1", "2900"));
	calls_are("done");
	dispute(DISPUTE("needs_response"));
	ck_assert_str_eq(told(), ENDS " " ENDS);
}
END_TEST

/* An end in eleven months does not keep ten more months from being charged. Restored access has it
 * again. */
START_TEST(test_later_end)
{
	int64_t count = 0;

	billing.sales.refund_policy = "revoke";
	SCRIPT(BODY(CHARGE("ch_1", "2900")), BODY(PAYMENTS),
	       {.status = 200,
	        .body = _i == 0 ? CANCEL_AT("1768000000") : CANCEL_AT("1747000000")});
	happens("charge.refunded", "charge", "ch_1");
	ck_assert_str_eq(told(), _i == 0 ? ENDS : "");
	fine(reversal_lift(&operation, customer_id, "why", &count));
	ck_assert_str_eq(told(), _i == 0 ? ENDS " cancel_at=1768000000" : "");
}
END_TEST

/* The customer cancels a subscription that a refund has ended: it stays so when he gets access
 * back. */
START_TEST(test_customer_cancels)
{
	int64_t count = 0;

	billing.sales.refund_policy = "revoke";
	refund("ch_1", CHARGE("ch_1", "2900"));
	calls_are("done");
	if (_i == 0)
		SCRIPT(BODY(CANCEL_AT("1747000000")));
	else
		SCRIPT(BODY(ACTIVE), BODY(CANCEL_AT("1747000000")));
	fine(change_cancel(&operation, customer_id, CANCEL_AT_PERIOD_END));
	ck_assert_int_eq(audited("subscription_cancel"), 1);
	fine(reversal_lift(&operation, customer_id, "why", &count));
	ck_assert_int_eq(count, 1);
	ck_assert_str_eq(told(), ENDS);
	SCRIPT(BODY(CANCEL_AT("1747000000")));
	ck_assert_int_eq(change_cancel(&operation, customer_id, CANCEL_AT_PERIOD_END),
	                 FAIL_CONFLICT);
	ck_assert_str_eq(task.failure.code, "nothing_to_change");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reversals");
	TCase *tcase = tcase_create("reversals");

	tcase_add_checked_fixture(tcase, setup, flow_teardown);
	tcase_add_loop_test(tcase, test_full_refund, 0, ROWS(policies));
	tcase_add_loop_test(tcase, test_dispute, 0, ROWS(policies));
	tcase_add_test(tcase, test_parts);
	tcase_add_loop_test(tcase, test_inquiry, 0, 2);
	tcase_add_test(tcase, test_later_events);
	tcase_add_loop_test(tcase, test_won, 0, 2);
	tcase_add_loop_test(tcase, test_price_without_plan, 0, 2);
	tcase_add_test(tcase, test_operator);
	tcase_add_test(tcase, test_ending_subscription);
	tcase_add_loop_test(tcase, test_ways, 0, ROWS(ways));
	tcase_add_test(tcase, test_others);
	tcase_add_loop_test(tcase, test_other_invoices, 0, ROWS(invoices));
	tcase_add_loop_test(tcase, test_renewed, 0, 2);
	tcase_add_loop_test(tcase, test_renewed_after_cancelling, 0, 3);
	tcase_add_test(tcase, test_renewed_after_restoring);
	tcase_add_test(tcase, test_later_dispute);
	tcase_add_loop_test(tcase, test_later_end, 0, 2);
	tcase_add_loop_test(tcase, test_customer_cancels, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
