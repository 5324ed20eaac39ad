/* test_resolve.c: the Stripe jobs resolve each kind of pending call, for each kind of
 * answer. */
#include "support/stripe_flow_fixture.h"

#include "outbox/account.h"
#include "outbox/enqueue.h"
#include "sales/resolve.h"

static const char *
parameters_of(const char *kind)
{
	struct customer customer;

	if (!text_equal(kind, STRIPE_CUSTOMER_CREATE))
		return "a=b";
	fine(customer_find(&operation, customer_id, &customer));
	return stripe_customer_parameters(&operation, &customer);
}

static struct stripe_call
enqueue(const char *kind, const char *subject, const char *path)
{
	const struct stripe_call wanted = {.kind = kind,
	                                   .customer_id = customer_id,
	                                   .subject = subject,
	                                   .deletes = text_equal(kind, STRIPE_CANCEL),
	                                   .path = path,
	                                   .parameters = parameters_of(kind)};
	struct stripe_call out;

	fine(stripe_call_write(&operation, &wanted, 0, &out));
	return out;
}

/* Runs the job once, as the process does. */
static enum fail
run(void)
{
	return flow_run(stripe_resolve_run);
}

static int64_t
waiting_s(void)
{
	static const struct statement statement = {
	        .name = "test_waiting",
	        STRIPE_NUMBER,
	        .sql = "SELECT (extract(epoch FROM min(next_try_at) - "
	               "$1::timestamptz))::bigint AS "
	               "number FROM stripe_calls WHERE state = 'pending'"};

	return stripe_number(&statement,
	                     PARAMETERS(param_time(&task, INSTANT_MS(operation.now_ms))));
}

START_TEST(test_nothing_due)
{
	int64_t done = 0;

	SCRIPT(END);
	fine(stripe_resolve_run(&operation, &done));
	ck_assert_int_eq(done, 0);
	asked("");
}
END_TEST

/* Each kind of call with each kind of answer. Without an answer the call is tried again in a
 * minute and the try is not counted. An unusable answer counts as a try. */
static const struct {
	const char *kind, *subject, *path;
	struct scripted answer;
	enum fail fail;
	const char *end;
} answers[] = {
        {STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers", BODY("{'id':'cus_1'}"), FAIL_NONE,
         "customer_create:done"},
        {STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers", BODY("{'object':'customer'}"),
         FAIL_NONE, "customer_create:pending stripe_error"},
        {STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers", BODY("<html>"), FAIL_STRIPE,
         "customer_create:pending stripe_error"},
        {STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers", REFUSED(400), FAIL_NONE,
         "customer_create:failed status_400"},
        {STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers", BUSY, FAIL_STRIPE,
         "customer_create:pending stripe_error"},
        {STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers", BROKEN, FAIL_STRIPE,
         "customer_create:pending stripe_error"},
        {STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers", SILENT, FAIL_STRIPE,
         "customer_create:pending stripe_error"},
        {STRIPE_CUSTOMER_UPDATE, "cus_1", "/v1/customers/cus_1", BODY("{'id':'cus_1'}"),
         FAIL_NONE, "customer_update:done"},
        {STRIPE_CUSTOMER_UPDATE, "cus_1", "/v1/customers/cus_1", REFUSED(400), FAIL_NONE,
         "customer_update:parked status_400"},
        {STRIPE_CUSTOMER_UPDATE, "cus_1", "/v1/customers/cus_1", REFUSED(401), FAIL_STRIPE,
         "customer_update:parked status_401"},
        {STRIPE_CUSTOMER_UPDATE, "cus_1", "/v1/customers/cus_1", BROKEN, FAIL_STRIPE,
         "customer_update:pending stripe_error"},
        {STRIPE_CANCEL, "sub_1", "/v1/subscriptions/sub_1",
         BODY(SUBSCRIPTION("canceled", "price_s")), FAIL_NONE, "subscription_cancel:done"},
        {STRIPE_CANCEL, "sub_1", "/v1/subscriptions/sub_1", BODY("{'id':'sub_1'}"), FAIL_NONE,
         "subscription_cancel:pending stripe_error"},
        {STRIPE_CANCEL, "sub_1", "/v1/subscriptions/sub_1", BUSY, FAIL_STRIPE,
         "subscription_cancel:pending stripe_error"},
        {STRIPE_CANCEL, "sub_1", "/v1/subscriptions/sub_1", SILENT, FAIL_STRIPE,
         "subscription_cancel:pending stripe_error"},
        {STRIPE_CHANGE, "sub_1", "/v1/subscriptions/sub_1",
         BODY(SUBSCRIPTION("active", "price_p")), FAIL_NONE,
         "subscription_change:done looked_up"},
        {STRIPE_CHANGE, "sub_1", "/v1/subscriptions/sub_1", BROKEN, FAIL_STRIPE,
         "subscription_change:pending stripe_error"},
};

START_TEST(test_answers)
{
	struct stripe_call call =
	        enqueue(answers[_i].kind, answers[_i].subject, answers[_i].path);

	if (!text_equal(call.kind, STRIPE_CUSTOMER_CREATE))
		link_customer();
	SCRIPT(answers[_i].answer);
	ck_assert_int_eq(run(), answers[_i].fail);
	ck_assert_str_eq(calls_now(), answers[_i].end);
	ck_assert_uint_eq(world.asked_count, 1);
	if (strstr(answers[_i].end, "pending") != NULL)
		ck_assert_int_eq(waiting_s(), answers[_i].fail == FAIL_NONE ? 5 : 60);
	/* The outcome of a change is fetched; the other calls are sent with their own key. */
	if (!text_equal(call.kind, STRIPE_CHANGE) && !text_equal(call.kind, STRIPE_CANCEL))
		ck_assert_str_eq(world.asked[0].key, call.idempotency_key);
	if (text_equal(call.kind, STRIPE_CHANGE))
		asked("GET /v1/subscriptions/sub_1");
}
END_TEST

/* The call sends the same request until its outcome is known. */
START_TEST(test_same_key)
{
	struct stripe_call call = enqueue(STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers");

	SCRIPT(BROKEN, SILENT, BODY("{'id':'cus_1'}"));
	for (int i = 0; i < 3; i++) {
		(void)run();
		operation.now_ms += 60 * SECOND_MS;
		world.now_us += 60 * 1000000;
		operation.deadline_us = world.now_us + DEADLINE_US;
	}
	asked("POST /v1/customers POST /v1/customers POST /v1/customers");
	world_same_requests(&world);
	ck_assert_str_eq(world.asked[2].key, call.idempotency_key);
	ck_assert_str_eq(linked(), "cus_1");
	ck_assert_int_eq(audited("stripe_customer"), 1);
}
END_TEST

#define OTHER "{'id':'cus_9','metadata':{'customer_id':'somebody'}},{'id':'cus_8'},null,7"

/* When Stripe may have forgotten the key, the job looks for the customer and never creates a
 * second one. */
static const struct {
	int64_t age_ms;
	struct scripted answer;
	const char *asked, *linked, *end;
} old_keys[] = {
        {STRIPE_KEY_LIFE_MS - 1, BODY("{'id':'cus_1'}"), "POST /v1/customers", "cus_1",
         "customer_create:done"},
        {STRIPE_KEY_LIFE_MS,
         BODY("{'data':[" OTHER ",{'id':'cus_2','metadata':{'customer_id':'OURS'}}]}"),
         "GET /v1/customers", "cus_2", "customer_create:done"},
        {STRIPE_KEY_LIFE_MS, BODY("{'data':[" OTHER "]}"), "GET /v1/customers", "nobody",
         "customer_create:failed key_too_old"},
        {STRIPE_KEY_LIFE_MS, BODY("{'data':{}}"), "GET /v1/customers", "nobody",
         "customer_create:pending stripe_error"},
        {STRIPE_KEY_LIFE_MS, BROKEN, "GET /v1/customers", "nobody",
         "customer_create:pending stripe_error"},
};

START_TEST(test_old_key)
{
	(void)enqueue(STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers");
	operation.now_ms += old_keys[_i].age_ms;
	SCRIPT(old_keys[_i].answer);
	(void)run();
	asked(old_keys[_i].asked);
	ck_assert_str_eq(linked(), old_keys[_i].linked);
	ck_assert_str_eq(calls_now(), old_keys[_i].end);
}
END_TEST

/* When the customer was linked meanwhile, nothing is sent. */
START_TEST(test_linked_already)
{
	(void)enqueue(STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers");
	link_customer();
	SCRIPT(END);
	ck_assert_int_eq(run(), FAIL_NONE);
	asked("");
	ck_assert_str_eq(calls_now(), "customer_create:done");
}
END_TEST

START_TEST(test_customer_deleted)
{
	(void)enqueue(STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers");
	flow_change("test_delete",
	            "UPDATE customers SET email = NULL, deleted_at = $2 WHERE customer_id = $1",
	            param_time(&task, AT(0)));
	SCRIPT(END);
	ck_assert_int_eq(run(), FAIL_NONE);
	asked("");
	ck_assert_str_eq(calls_now(), "customer_create:failed customer_deleted");
}
END_TEST

/* A change of the customer while Stripe creates it is pushed afterwards, even when the change
 * began before the creation (updated_at says when it began). */
START_TEST(test_customer_changed)
{
	(void)enqueue(STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers");
	flow_change("test_rename",
	            "UPDATE customers SET company_name = 'New', updated_at = $2 WHERE "
	            "customer_id = $1",
	            param_time(&task, AT(-1)));
	SCRIPT(BODY("{'id':'cus_1'}"), BODY("{'id':'cus_1'}"));
	ck_assert_int_eq(run(), FAIL_NONE);
	ck_assert_str_eq(calls_now(), "customer_create:done, customer_update:pending");
	ck_assert_int_eq(run(), FAIL_NONE);
	asked("POST /v1/customers POST /v1/customers/cus_1");
}
END_TEST

/* Stripe replays the creation of a customer that may have been deleted there since. */
static const struct {
	struct scripted look;
	const char *linked, *end;
} replayed_creations[] = {
        {BODY("{'id':'cus_1'}"), "cus_1", "customer_create:done"},
        {BODY("{'id':'cus_1','deleted':true}"), "nobody",
         "customer_create:failed customer_gone"},
        {BROKEN, "nobody", "customer_create:pending stripe_error"},
};

START_TEST(test_replayed_creation)
{
	(void)enqueue(STRIPE_CUSTOMER_CREATE, NULL, "/v1/customers");
	SCRIPT(REPLAYED("{'id':'cus_1'}"), replayed_creations[_i].look);
	(void)run();
	asked("POST /v1/customers GET /v1/customers/cus_1");
	ck_assert_str_eq(linked(), replayed_creations[_i].linked);
	ck_assert_str_eq(calls_now(), replayed_creations[_i].end);
}
END_TEST

/* Stripe answers an update with 404. When the customer was deleted there, ours is unlinked;
 * otherwise the call is parked for the operator. */
static const struct {
	struct scripted look, account;
	const char *linked, *end;
} unknowns[] = {
        {BODY("{'id':'cus_1','deleted':true}"), END, "nobody",
         "customer_update:failed customer_gone"},
        {REFUSED(404), BODY("{'id':'acct_1','object':'account'}"), "nobody",
         "customer_update:failed customer_gone"},
        {REFUSED(404), BODY("{'id':'acct_2','object':'account'}"), "cus_1",
         "customer_update:pending stripe_other_account"},
        {BODY("{'id':'cus_1'}"), END, "cus_1", "customer_update:parked status_404"},
        {BROKEN, END, "cus_1", "customer_update:pending stripe_error"},
};

START_TEST(test_update_of_unknown_customer)
{
	(void)enqueue(STRIPE_CUSTOMER_UPDATE, "cus_1", "/v1/customers/cus_1");
	link_customer();
	fine(stripe_account_replace(&operation,
	                            &(struct stripe_account){.account_id = "acct_1"}));
	SCRIPT(REFUSED(404), unknowns[_i].look, unknowns[_i].account);
	(void)run();
	ck_assert(text_starts_with(flow_asked(),
	                           "POST /v1/customers/cus_1 GET /v1/customers/cus_1"));
	ck_assert_str_eq(linked(), unknowns[_i].linked);
	ck_assert_str_eq(calls_now(), unknowns[_i].end);
}
END_TEST

/* The update of a customer that is no longer linked is not sent. */
START_TEST(test_update_of_unlinked_customer)
{
	(void)enqueue(STRIPE_CUSTOMER_UPDATE, "cus_1", "/v1/customers/cus_1");
	SCRIPT(END);
	ck_assert_int_eq(run(), FAIL_NONE);
	asked("");
	ck_assert_str_eq(calls_now(), "customer_update:failed customer_gone");
}
END_TEST

#define NO_CUSTOMER                                                                            \
	{                                                                                      \
		.status = 400, .body = "{'error':{'code':'resource_missing','param':"          \
		                       "'customer'}}"                                          \
	}

/* The pages of a customer that Stripe has lost need not be closed. */
static const struct {
	const char *account, *end;
} closings[] = {
        {"{'id':'acct_1','object':'account'}", "checkout_close:done customer_gone"},
        {"{'id':'acct_2','object':'account'}", "checkout_close:pending stripe_other_account"},
};

START_TEST(test_close_of_lost_customer)
{
	fine(stripe_account_replace(&operation,
	                            &(struct stripe_account){.account_id = "acct_1"}));
	fine(stripe_checkout_close_enqueue(&operation, customer_id, "cus_1"));
	SCRIPT(NO_CUSTOMER, BODY(closings[_i].account));
	(void)run();
	asked("GET /v1/checkout/sessions GET /v1/account");
	ck_assert_str_eq(calls_now(), closings[_i].end);
}
END_TEST

/* Only the newest of several updates is sent. */
START_TEST(test_newest_update)
{
	link_customer();
	(void)enqueue(STRIPE_CUSTOMER_UPDATE, "cus_1", "/v1/customers/cus_1");
	(void)enqueue(STRIPE_CUSTOMER_UPDATE, "cus_1", "/v1/customers/cus_1");
	SCRIPT(BODY("{'id':'cus_1'}"));
	ck_assert_int_eq(run(), FAIL_NONE);
	ck_assert_int_eq(run(), FAIL_NONE);
	asked("POST /v1/customers/cus_1");
	ck_assert_str_eq(calls_now(), "customer_update:done superseded, customer_update:done");
}
END_TEST

/* The page of an abandoned checkout cannot be reached by anyone. */
START_TEST(test_checkout)
{
	(void)enqueue(STRIPE_CHECKOUT, "cus_1", "/v1/checkout/sessions");
	SCRIPT(END);
	ck_assert_int_eq(run(), FAIL_NONE);
	asked("");
	ck_assert_str_eq(calls_now(), "checkout:failed abandoned");
}
END_TEST

/* Stripe refuses a cancellation: the state of the subscription there decides. */
static const struct {
	struct scripted look;
	const char *end, *subscriptions;
} ends[] = {
        {BODY(SUBSCRIPTION("canceled", "price_s")), "subscription_cancel:done",
         "sub_1:canceled+ trial:canceled-"},
        {BODY(SUBSCRIPTION("incomplete_expired", "price_s")), "subscription_cancel:done",
         "sub_1:incomplete_expired- trial:trialing+"},
        {BODY(SUBSCRIPTION("active", "price_s")), "subscription_cancel:parked status_404",
         "trial:trialing+"},
        {REFUSED(404), "subscription_cancel:parked status_404", "trial:trialing+"},
        {BODY("[]"), "subscription_cancel:pending stripe_error", "trial:trialing+"},
        {BROKEN, "subscription_cancel:pending stripe_error", "trial:trialing+"},
        {SILENT, "subscription_cancel:pending stripe_error", "trial:trialing+"},
};

START_TEST(test_refused_cancellation)
{
	(void)enqueue(STRIPE_CANCEL, "sub_1", "/v1/subscriptions/sub_1");
	SCRIPT(REFUSED(404), ends[_i].look);
	(void)run();
	asked("DELETE /v1/subscriptions/sub_1 GET /v1/subscriptions/sub_1");
	ck_assert_str_eq(calls_now(), ends[_i].end);
	subscriptions_are(ends[_i].subscriptions);
}
END_TEST

/* A replayed answer may be old, so the state is fetched. */
START_TEST(test_replayed)
{
	struct stripe_call call = enqueue(STRIPE_CHANGE, "sub_1", "/v1/subscriptions/sub_1");

	SCRIPT(REPLAYED(SUBSCRIPTION("active", "price_s")),
	       BODY(SUBSCRIPTION("past_due", "price_p")));
	fine(db_begin(operation.db, &task));
	fine(stripe_resolve_change(&operation, &call));
	fine(db_commit(operation.db, &task));
	asked("POST /v1/subscriptions/sub_1 GET /v1/subscriptions/sub_1");
	subscriptions_are("sub_1:past_due+ trial:canceled-");
}
END_TEST

/* A call that cannot be resolved is parked after its last try, and not before. */
#define ENDS "cancel_at_period_end=true"
#define GOES_ON "cancel_at_period_end=false"
#define STATE(members)                                                                         \
	"{'id':'sub_1','object':'subscription','customer':'cus_1','status':'active',"          \
	"'created':1739580000," members "'items':{'data':[{'id':'si_m','price':{'id':"         \
	"'price_m'},'current_period_end':1747000000},{'id':'si_1','price':{'id':'price_s'},"   \
	"'current_period_end':1778000000}]},'metadata':{'customer_id':'OURS'}}"
#define LOOK "GET /v1/subscriptions/sub_1"
#define SEND LOOK " POST /v1/subscriptions/sub_1"

/* clang-format off */
static const struct {
	bool ends;
	struct instant other_end;
	struct scripted script[3];
	const char *asked, *sent, *end;
} period_ends[] = {
	{true, {0}, {BODY(SUBSCRIPTION("active", "price_s")), BODY(SUBSCRIPTION("active", "price_s"))},
	 SEND, ENDS, "subscription_end:done"},
	/* In flexible billing mode the periods can differ: the latest end counts. */
	{true, {0}, {BODY(STATE("")), BODY(STATE("'cancel_at':1778000000,"))},
	 SEND, "cancel_at=1778000000", "subscription_end:done"},
	{true, {0}, {BODY(STATE("'cancel_at':1790000000,")), BODY(STATE(""))},
	 SEND, "cancel_at=1778000000", "subscription_end:done"},
	{true, {0}, {BODY(STATE("'cancel_at':1778000000,"))}, LOOK, NULL,
	 "subscription_end:done looked_up"},
	{true, {0}, {BODY(SUBSCRIPTION("canceled", "price_s"))}, LOOK, NULL,
	 "subscription_end:done looked_up"},
	{false, {0}, {BODY(STATE("'cancel_at_period_end':true,'cancel_at':1747000000,")),
	 BODY(STATE(""))}, SEND, GOES_ON, "subscription_end:done"},
	{false, {0}, {BODY(STATE("'cancel_at':1778000000,")), BODY(STATE(""))}, SEND, "cancel_at=",
	 "subscription_end:done"},
	{false, {true, 1790000000000}, {BODY(STATE("'cancel_at':1778000000,")), BODY(STATE(""))},
	 SEND, "cancel_at=1790000000", "subscription_end:done"},
	{false, {0}, {BODY(STATE(""))}, LOOK, NULL, "subscription_end:done looked_up"},
	/* A refusal waits for an operator, since no client hears of it. */
	{true, {0}, {BODY(STATE("")), REFUSED(400), BODY(STATE(""))}, SEND " " LOOK,
	 "cancel_at=1778000000", "subscription_end:parked status_400"},
	{true, {0}, {BODY(STATE("")), REFUSED(400), BODY(SUBSCRIPTION("canceled", "price_s"))},
	 SEND " " LOOK, "cancel_at=1778000000", "subscription_end:done"},
	{true, {0}, {BROKEN}, LOOK, NULL, "subscription_end:pending stripe_error"},
};
/* clang-format on */

START_TEST(test_end_with_period)
{
	const char *sent = period_ends[_i].sent;

	link_customer();
	fine(stripe_end_enqueue(&operation, customer_id, "sub_1", period_ends[_i].ends,
	                        period_ends[_i].other_end));
	flow_script(period_ends[_i].script, 3);
	(void)run();
	asked(period_ends[_i].asked);
	ck_assert_str_eq(calls_now(), period_ends[_i].end);
	if (sent != NULL)
		ck_assert_str_eq(world.asked[1].http.body, sent);
}
END_TEST

START_TEST(test_unknown_kind)
{
	(void)enqueue("invented", "x_1", "/v1/x");
	SCRIPT(END);
	for (int i = 0; i < 13; i++) {
		ck_assert_int_eq(run(), FAIL_NONE);
		operation.now_ms += DAY_MS;
	}
	ck_assert_str_eq(calls_now(), "invented:parked internal_error");
	ck_assert_int_eq(written("stripe.parked"), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("resolve");
	TCase *tcase = tcase_create("resolve");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, flow_setup, flow_teardown);
	tcase_add_test(tcase, test_nothing_due);
	tcase_add_loop_test(tcase, test_answers, 0, ROWS(answers));
	tcase_add_test(tcase, test_same_key);
	tcase_add_loop_test(tcase, test_old_key, 0, ROWS(old_keys));
	tcase_add_test(tcase, test_linked_already);
	tcase_add_test(tcase, test_customer_deleted);
	tcase_add_test(tcase, test_customer_changed);
	tcase_add_loop_test(tcase, test_replayed_creation, 0, ROWS(replayed_creations));
	tcase_add_loop_test(tcase, test_update_of_unknown_customer, 0, ROWS(unknowns));
	tcase_add_test(tcase, test_update_of_unlinked_customer);
	tcase_add_loop_test(tcase, test_close_of_lost_customer, 0, ROWS(closings));
	tcase_add_test(tcase, test_newest_update);
	tcase_add_test(tcase, test_checkout);
	tcase_add_loop_test(tcase, test_refused_cancellation, 0, ROWS(ends));
	tcase_add_test(tcase, test_replayed);
	tcase_add_loop_test(tcase, test_end_with_period, 0, ROWS(period_ends));
	tcase_add_test(tcase, test_unknown_kind);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
