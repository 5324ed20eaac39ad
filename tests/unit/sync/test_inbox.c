/* test_inbox.c: how an event is processed, for every answer of Stripe's. */
#include "support/stripe_flow_fixture.h"

#include "billing/customers.h"
#include "outbox/account.h"
#include "outbox/call_records.h"
#include "outbox/enqueue.h"
#include "payments/invoices.h"
#include "sync/inbox.h"

static void
receive(const char *type, const char *family, const char *subject, const char *hint)
{
	const struct stripe_event event = {.id = arena_printf(task.arena, "evt_%s", subject),
	                                   .type = type,
	                                   .ref = {.family = family,
	                                           .subject = subject,
	                                           .customer = "cus_1",
	                                           .customer_id = hint}};
	bool is_new;

	fine(stripe_event_receive(&operation, &event, "{}", "webhook", &is_new));
}

static enum fail
run(void)
{
	return flow_run(stripe_inbox_run);
}

/* "evt_sub_1:pending/1 unknown_customer": each event with its tries and its error. */
static const char *
events_now(void)
{
	static const struct statement statement = {
	        .name = "test_events_now",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(event_id || ':' || state || '/' || attempts || "
	               "COALESCE(' ' || error, ''), ', ' ORDER BY event_id) AS text "
	               "FROM stripe_events"};

	return stripe_text(&statement, NO_PARAMETERS);
}

static const char *
invoices_now(void)
{
	static const struct statement statement = {
	        .name = "test_invoices_now",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(invoice_id || ':' || status || ' ' || amount_paid, "
	               "', ') "
	               "AS text FROM invoices WHERE customer_id = $1"};

	return stripe_text(&statement, PARAMETERS(customer_id));
}

#define UPDATED "customer.subscription.updated"
#define DELETED "customer.subscription.deleted"
#define NOBODYS                                                                                \
	"{'id':'sub_1','object':'subscription','customer':'cus_9','status':'active',"          \
	"'items':{'data':[{'price':{'id':'price_s'},'current_period_end':1747000000}]}}"

static const struct {
	const char *type;
	struct scripted answer;
	enum fail fail;
	const char *event, *subscriptions;
} subscription_events[] = {
        {UPDATED, BODY(SUBSCRIPTION("active", "price_s")), FAIL_NONE, "done/1",
         "sub_1:active+ trial:canceled-"},
        {DELETED, BODY(SUBSCRIPTION("canceled", "price_s")), FAIL_NONE, "done/1",
         "sub_1:canceled+ trial:canceled-"},
        {UPDATED, BODY(SUBSCRIPTION("invented", "price_s")), FAIL_NONE, "done/1",
         "sub_1:invented- trial:trialing+"},
        /* No plan has its price: it is recorded, and grants nothing. */
        {UPDATED, BODY(SUBSCRIPTION("active", "price_other")), FAIL_NONE, "done/1",
         "trial:trialing+"},
        /* It has one of our prices and no customer: our customer may not be committed yet. */
        {UPDATED, BODY(NOBODYS), FAIL_NONE, "pending/1 unknown_customer", "trial:trialing+"},
        {UPDATED, REFUSED(404), FAIL_NONE, "pending/1 stripe_not_found", "trial:trialing+"},
        {DELETED, REFUSED(404), FAIL_NONE, "done/1", "trial:trialing+"},
        {UPDATED, BODY("{'id':'sub_1','object':'subscription'}"), FAIL_NONE,
         "pending/1 stripe_error", "trial:trialing+"},
        {UPDATED, REFUSED(400), FAIL_NONE, "pending/1 stripe_error", "trial:trialing+"},
        {UPDATED, REFUSED(401), FAIL_STRIPE, "pending/0 stripe_error", "trial:trialing+"},
        {UPDATED, BUSY, FAIL_STRIPE, "pending/0 stripe_error", "trial:trialing+"},
        {UPDATED, BROKEN, FAIL_STRIPE, "pending/0 stripe_error", "trial:trialing+"},
        {DELETED, SILENT, FAIL_STRIPE, "pending/0 stripe_error", "trial:trialing+"},
};

START_TEST(test_subscription)
{
	receive(subscription_events[_i].type, "subscription", "sub_1", NULL);
	SCRIPT(subscription_events[_i].answer);
	ck_assert_int_eq(run(), subscription_events[_i].fail);
	ck_assert_uint_eq(world.asked_count, 1);
	asked("GET /v1/subscriptions/sub_1");
	ck_assert_str_eq(events_now(), arena_printf(task.arena, "evt_sub_1:%s",
	                                            subscription_events[_i].event));
	subscriptions_are(subscription_events[_i].subscriptions);
}
END_TEST

START_TEST(test_nothing_due)
{
	int64_t done = 0;

	SCRIPT(END);
	fine(stripe_inbox_run(&operation, &done));
	ck_assert_int_eq(done, 0);
	asked("");
}
END_TEST

/* The customer is found by our row, then by Stripe's customer, then by metadata or the
 * event. */
START_TEST(test_owner)
{
	static const char *const names[] = {"row", "link", "event"};
	const char *first = customer_id;

	if (_i == 0) {
		receive(UPDATED, "subscription", "sub_1", NULL);
		SCRIPT(BODY(SUBSCRIPTION("active", "price_s")));
		ck_assert_int_eq(run(), FAIL_NONE);
		/* Stripe's customer is linked to another of ours meanwhile. */
		flow_change("test_unlink",
		            "UPDATE customers SET stripe_customer_id = NULL WHERE "
		            "customer_id = $1 AND $2::text IS NULL",
		            NULL);
		stripe_customer();
	}
	if (_i <= 1)
		flow_change("test_link_9",
		            "UPDATE customers SET stripe_customer_id = $2 WHERE "
		            "customer_id = $1",
		            "cus_9");
	receive(UPDATED, "subscription", "sub_1", _i == 2 ? customer_id : NULL);
	if (_i == 0)
		flow_change("test_again",
		            "UPDATE stripe_events SET state = 'pending', next_try_at = "
		            "now() - interval '1 second' WHERE $1 <> '' AND $2::text IS NULL",
		            NULL);
	SCRIPT(BODY(NOBODYS));
	ck_assert_msg(run() == FAIL_NONE, "%s", names[_i]);
	customer_id = first;
	subscriptions_are("sub_1:active+ trial:canceled-");
}
END_TEST

/* A subscription that we have cancelled stays so until Stripe has received it. */
START_TEST(test_ending)
{
	fine(stripe_cancel_enqueue(&operation, customer_id, "sub_1", ""));
	receive(UPDATED, "subscription", "sub_1", NULL);
	SCRIPT(END);
	ck_assert_int_eq(run(), FAIL_NONE);
	asked("");
	ck_assert_str_eq(events_now(), "evt_sub_1:done/1");
}
END_TEST

/* The subscription has ended here, and Stripe has refused to cancel it. */
static void
revoke_in_vain(void)
{
	store_synced("sub_1", "active");
	flow_change("test_revoke",
	            "UPDATE subscriptions SET status = 'canceled' WHERE customer_id = $1 "
	            "AND stripe_subscription_id = $2",
	            "sub_1");
	fine(stripe_cancel_enqueue(&operation, customer_id, "sub_1", ""));
	flow_change("test_park",
	            "UPDATE stripe_calls SET state = $2, next_try_at = NULL "
	            "WHERE customer_id = $1",
	            "parked");
}

/* A revoked subscription does not come back while the cancellation waits for an operator. */
static const struct {
	const char *type, *status, *subscriptions;
	bool is_dismissed;
} revoked[] = {
        {UPDATED, "active", "sub_1:canceled+ trial:canceled-", false},
        {UPDATED, "active", "sub_1:active+ trial:canceled-", true},
        /* The operator has cancelled it in Stripe's dashboard. */
        {DELETED, "incomplete_expired", "sub_1:incomplete_expired+ trial:canceled-", false},
};

START_TEST(test_parked_cancellation)
{
	const struct stripe_call *calls;
	size_t count;

	revoke_in_vain();
	fine(stripe_call_list(&operation, "parked", 10, &calls, &count));
	ck_assert_uint_eq(count, 1);
	if (revoked[_i].is_dismissed)
		fine(stripe_call_dismiss(&operation, calls[0].call_id, "a mistake"));
	receive(revoked[_i].type, "subscription", "sub_1", NULL);
	SCRIPT({.status = 200,
	        .body = arena_printf(task.arena,
	                             "{'id':'sub_1','object':'subscription','customer':'cus_1',"
	                             "'status':'%s','items':{'data':[{'price':{'id':'price_s'},"
	                             "'current_period_end':1747000000}]}}",
	                             revoked[_i].status)});
	ck_assert_int_eq(run(), FAIL_NONE);
	ck_assert_str_eq(events_now(), "evt_sub_1:done/1");
	subscriptions_are(revoked[_i].subscriptions);
}
END_TEST

/* A subscription that goes on here is stored although an earlier cancellation is parked. */
START_TEST(test_parked_cancellation_of_live)
{
	revoke_in_vain();
	store_synced("sub_1", "active");
	receive(UPDATED, "subscription", "sub_1", NULL);
	SCRIPT(BODY(SUBSCRIPTION("past_due", "price_s")));
	ck_assert_int_eq(run(), FAIL_NONE);
	subscriptions_are("sub_1:past_due+ trial:canceled-");
}
END_TEST

#define INVOICE(status, paid)                                                                  \
	"{'id':'in_1','object':'invoice','customer':'cus_1','status':'" status                 \
	"','currency':'usd','created':1739580000,'amount_due':2900,'amount_paid':" paid        \
	",'parent':{'subscription_details':{'subscription':'sub_1',"                           \
	"'metadata':{'customer_id':'OURS'}}}}"
#define LOOSE                                                                                  \
	"{'id':'in_1','object':'invoice','customer':'cus_1','status':'paid','currency':'usd'," \
	"'created':1739580000,'amount_due':500,'amount_paid':500,'parent':null}"

static const struct {
	struct scripted script[2];
	enum fail fail;
	const char *asked, *event, *invoices;
} invoice_events[] = {
        {{BODY(INVOICE("paid", "2900")), BODY(SUBSCRIPTION("active", "price_s"))},
         FAIL_NONE,
         "GET /v1/invoices/in_1 GET /v1/subscriptions/sub_1",
         "done/1",
         "in_1:paid 2900"},
        /* An invoice without a subscription, of an unknown customer. */
        {{BODY(LOOSE), END}, FAIL_NONE, "GET /v1/invoices/in_1", "ignored/1", ""},
        {{BODY("{'id':'in_1','object':'invoice'}"), END},
         FAIL_NONE,
         "GET /v1/invoices/in_1",
         "pending/1 stripe_error",
         ""},
        {{BODY(INVOICE("paid", "2900")), BROKEN},
         FAIL_STRIPE,
         "GET /v1/invoices/in_1 GET /v1/subscriptions/sub_1",
         "pending/0 stripe_error",
         ""},
        {{REFUSED(404), END},
         FAIL_NONE,
         "GET /v1/invoices/in_1",
         "pending/1 stripe_not_found",
         ""},
        {{BROKEN, END}, FAIL_STRIPE, "GET /v1/invoices/in_1", "pending/0 stripe_error", ""},
};

START_TEST(test_invoice)
{
	receive("invoice.paid", "invoice", "in_1", NULL);
	flow_script(invoice_events[_i].script, 2);
	ck_assert_int_eq(run(), invoice_events[_i].fail);
	asked(invoice_events[_i].asked);
	ck_assert_str_eq(events_now(),
	                 arena_printf(task.arena, "evt_in_1:%s", invoice_events[_i].event));
	ck_assert_str_eq(invoices_now(), invoice_events[_i].invoices);
}
END_TEST

/* A deleted draft is deleted here; a finalised invoice stays. */
START_TEST(test_invoice_deleted)
{
	static const char *const bodies[] = {INVOICE("draft", "0"), INVOICE("open", "0")};

	receive("invoice.created", "invoice", "in_1", NULL);
	SCRIPT(BODY(bodies[_i]), BODY(SUBSCRIPTION("active", "price_s")));
	ck_assert_int_eq(run(), FAIL_NONE);
	flow_change("test_clear",
	            "DELETE FROM stripe_events WHERE $1 <> '' AND $2::text IS NULL", NULL);
	receive("invoice.deleted", "invoice", "in_1", NULL);
	SCRIPT(REFUSED(404));
	ck_assert_int_eq(run(), FAIL_NONE);
	ck_assert_str_eq(invoices_now(), _i == 0 ? "" : "in_1:open 0");
}
END_TEST

/* A deletion ends the events about the object that could not be fetched any more, and that arrive
 * later. */
START_TEST(test_deletion_ends_others)
{
	receive("invoice.updated", "invoice", "in_1", NULL);
	flow_change("test_park",
	            "UPDATE stripe_events SET state = 'parked', next_try_at = NULL, event_id = "
	            "'evt_parked', received_at = received_at - interval '1 second' "
	            "WHERE $1 <> '' AND $2::text IS NULL",
	            NULL);
	receive("invoice.deleted", "invoice", "in_1", NULL);
	SCRIPT(REFUSED(404));
	ck_assert_int_eq(run(), FAIL_NONE);
	ck_assert_str_eq(events_now(), "evt_in_1:done/1, evt_parked:done/0");
	flow_change("test_rename",
	            "UPDATE stripe_events SET event_id = 'evt_deleted' "
	            "WHERE event_id = 'evt_in_1' AND $1 <> '' AND $2::text IS NULL",
	            NULL);
	receive("invoice.updated", "invoice", "in_1", NULL);
	SCRIPT(REFUSED(404));
	ck_assert_int_eq(run(), FAIL_NONE);
	ck_assert_str_eq(events_now(),
	                 "evt_deleted:done/1, evt_in_1:done/1, evt_parked:done/0");
}
END_TEST

static struct customer
customer_now(void)
{
	struct customer out;

	fine(customer_find(&operation, customer_id, &out));
	return out;
}

/* Stripe's e-mail and name are taken over where our rules allow them. */
static const struct {
	const char *body, *email, *name; /* NULL: as it was */
} changes[] = {
        {"{'id':'cus_1','email':'new@example.com','name':'New Name'}", "new@example.com",
         "New Name"},
        {"{'id':'cus_1','email':'not an address','name':'New Name'}", NULL, "New Name"},
        {"{'id':'cus_1','email':null,'name':' '}", NULL, NULL},
        {"{'id':'cus_1','email':7,'name':['x']}", NULL, NULL},
        /* The address is another customer's here: nothing is taken over. */
        {"{'id':'cus_1','email':'taken@example.com','name':'New Name'}", NULL, NULL},
};

START_TEST(test_customer)
{
	const char *first = customer_id;
	const char *email;

	stripe_customer();
	flow_change("test_taken", "UPDATE customers SET email = $2 WHERE customer_id = $1",
	            "taken@example.com");
	customer_id = first;
	email = customer_now().email;
	link_customer();
	receive("customer.updated", "customer", "cus_1", NULL);
	SCRIPT(BODY(changes[_i].body));
	ck_assert_int_eq(run(), FAIL_NONE);
	asked("GET /v1/customers/cus_1");
	ck_assert_str_eq(events_now(), "evt_cus_1:done/1");
	ck_assert_str_eq(customer_now().email,
	                 changes[_i].email == NULL ? email : changes[_i].email);
	ck_assert(text_equal(customer_now().company_name, changes[_i].name));
	/* Another test uses the address too. */
	flow_change("test_free",
	            "UPDATE customers SET email = customer_id || '@example.com' "
	            "WHERE deleted_at IS NULL AND $1 <> '' AND $2::text IS NULL",
	            NULL);
}
END_TEST

/* Our newer values are about to be sent. An unknown customer is not fetched. */
START_TEST(test_customer_not_asked)
{
	struct customer customer;

	if (_i == 0) {
		link_customer();
		customer = customer_now();
		fine(stripe_customer_update_enqueue(&operation, &customer));
	}
	receive("customer.updated", "customer", "cus_1", customer_id);
	SCRIPT(BODY("{'id':'cus_1','email':'new@example.com'}"));
	ck_assert_int_eq(run(), FAIL_NONE);
	ck_assert_str_ne(customer_now().email, "new@example.com");
	ck_assert_str_eq(events_now(), _i == 0 ? "evt_cus_1:done/1" : "evt_cus_1:ignored/1");
}
END_TEST

/* A customer who is deleted at Stripe loses all subscriptions. */
START_TEST(test_customer_deleted)
{
	receive(UPDATED, "subscription", "sub_1", NULL);
	SCRIPT(BODY(SUBSCRIPTION("active", "price_s")));
	ck_assert_int_eq(run(), FAIL_NONE);
	ck_assert_str_eq(linked(), "cus_1");
	receive("customer.deleted", "customer", "cus_1", NULL);
	if (_i == 0)
		SCRIPT(BODY("{'id':'cus_1','deleted':true}"),
		       BODY(SUBSCRIPTION("canceled", "price_s")));
	else
		SCRIPT(REFUSED(404), REFUSED(404));
	ck_assert_int_eq(run(), FAIL_NONE);
	asked("GET /v1/customers/cus_1 GET /v1/subscriptions/sub_1");
	ck_assert_str_eq(linked(), "nobody");
	subscriptions_are("sub_1:canceled+ trial:canceled-");
}
END_TEST

#define ACCOUNT(id) BODY("{'id':'" id "','object':'account'}")

/* An object that a comparison, or an event of another kind, finds gone has not ended while the key
 * may be of another account. */
static const struct {
	const char *type, *family, *subject;
	struct scripted account;
	enum fail fail;
	const char *event, *linked, *subscriptions;
} missing[] = {
        {"sweep.subscription.deleted", "subscription", "sub_1", ACCOUNT("acct_1"), FAIL_NONE,
         "done/1", "cus_1", "sub_1:canceled+ trial:canceled-"},
        {"sweep.subscription.deleted", "subscription", "sub_1", ACCOUNT("acct_2"), FAIL_STRIPE,
         "pending/0 stripe_other_account", "cus_1", "sub_1:active+ trial:canceled-"},
        {"sweep.subscription.deleted", "subscription", "sub_1", REFUSED(403), FAIL_NONE,
         "pending/1 stripe_account_unknown", "cus_1", "sub_1:active+ trial:canceled-"},
        {"customer.updated", "customer", "cus_1", ACCOUNT("acct_2"), FAIL_STRIPE,
         "pending/0 stripe_other_account", "cus_1", "sub_1:active+ trial:canceled-"},
};

START_TEST(test_missing)
{
	fine(stripe_account_replace(&operation,
	                            &(struct stripe_account){.account_id = "acct_1"}));
	link_customer();
	store_synced("sub_1", "active");
	receive(missing[_i].type, missing[_i].family, missing[_i].subject, customer_id);
	SCRIPT(REFUSED(404), missing[_i].account);
	ck_assert_int_eq(run(), missing[_i].fail);
	ck_assert_str_eq(events_now(), arena_printf(task.arena, "evt_%s:%s",
	                                            missing[_i].subject, missing[_i].event));
	ck_assert_str_eq(linked(), missing[_i].linked);
	subscriptions_are(missing[_i].subscriptions);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe inbox");
	TCase *tcase = tcase_create("stripe inbox");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, flow_setup, flow_teardown);
	tcase_add_test(tcase, test_nothing_due);
	tcase_add_loop_test(tcase, test_subscription, 0, ROWS(subscription_events));
	tcase_add_loop_test(tcase, test_owner, 0, 3);
	tcase_add_test(tcase, test_ending);
	tcase_add_loop_test(tcase, test_parked_cancellation, 0, ROWS(revoked));
	tcase_add_test(tcase, test_parked_cancellation_of_live);
	tcase_add_loop_test(tcase, test_invoice, 0, ROWS(invoice_events));
	tcase_add_loop_test(tcase, test_invoice_deleted, 0, 2);
	tcase_add_test(tcase, test_deletion_ends_others);
	tcase_add_loop_test(tcase, test_customer, 0, ROWS(changes));
	tcase_add_loop_test(tcase, test_customer_not_asked, 0, 2);
	tcase_add_loop_test(tcase, test_customer_deleted, 0, 2);
	tcase_add_loop_test(tcase, test_missing, 0, ROWS(missing));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
