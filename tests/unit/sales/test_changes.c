/* test_changes.c: checkouts and changes for each kind of Stripe's answers: the result, the
 * stored state, and the request of a second try. */
#include "support/stripe_flow_fixture.h"

#include "contracts/contracts.h"
#include "sales/changes.h"
#include "sales/checkout.h"
#include "sales/plan_change.h"
#include "subscriptions/subscriptions.h"

static const struct intent intent = {.key = {{1}}, .request = {{2}}};

/* Checks the result and ends a transaction that was left open. */
static void
ends(enum fail kind, enum fail wanted, const char *code)
{
	ck_assert_msg(kind == wanted, "%d: %s", kind, task.failure.message);
	if (kind != FAIL_NONE)
		ck_assert_str_eq(task.failure.code, code);
	db_rollback_to(operation.db, 0);
	task_clear(&task);
}

#define PAGE "{'id':'cs_1','url':'https://pay/1','status':'open'}"
#define NONE "{'data':[]}"
#define LINKED BODY("{'id':'cus_1'}")
#define ASKED_ALL                                                                              \
	"POST /v1/customers POST /v1/checkout/sessions GET /v1/checkout/sessions "             \
	"GET /v1/subscriptions"
#define BOTH "customer_create:done, checkout:"

static const struct {
	struct scripted script[6];
	enum fail fail;
	const char *code, *asked, *calls;
} checkouts[] = {
        {{LINKED, BODY(PAGE), BODY("{'data':[{'id':'cs_1'}]}"), BODY(NONE)},
         FAIL_NONE,
         NULL,
         ASKED_ALL,
         BOTH "done"},
        {{LINKED, BODY(PAGE), BODY("{'data':[{'id':'cs_0'},{'id':'cs_1'}]}"), REFUSED(400),
          BODY(NONE)},
         FAIL_NONE,
         NULL,
         "POST /v1/customers POST /v1/checkout/sessions GET /v1/checkout/sessions "
         "POST /v1/checkout/sessions/cs_0/expire GET /v1/subscriptions",
         BOTH "done"},
        {{LINKED, REPLAYED(PAGE), BODY(PAGE), BODY(NONE), BODY(NONE)},
         FAIL_NONE,
         NULL,
         "POST /v1/customers POST /v1/checkout/sessions GET /v1/checkout/sessions/cs_1 "
         "GET /v1/checkout/sessions GET /v1/subscriptions",
         BOTH "done"},
        /* Stripe's customer cannot be created: no session is requested. */
        {{BROKEN},
         FAIL_STRIPE,
         "stripe_error",
         "POST /v1/customers",
         "customer_create:pending status_500"},
        {{REFUSED(400)},
         FAIL_STRIPE,
         "stripe_error",
         "POST /v1/customers",
         "customer_create:failed status_400"},
        {{BODY("{}")},
         FAIL_STRIPE,
         "stripe_error",
         "POST /v1/customers",
         "customer_create:pending"},
        /* Stripe creates no session, or an unusable one. */
        {{LINKED, BROKEN},
         FAIL_STRIPE,
         "stripe_error",
         "POST /v1/customers POST /v1/checkout/sessions",
         BOTH "pending status_500"},
        {{LINKED, BUSY},
         FAIL_STRIPE,
         "stripe_error",
         "POST /v1/customers POST /v1/checkout/sessions",
         BOTH "pending status_429"},
        {{LINKED, REFUSED(400)},
         FAIL_STRIPE,
         "stripe_error",
         "POST /v1/customers POST /v1/checkout/sessions",
         BOTH "failed status_400"},
        {{LINKED, BODY("{'url':'https://pay/1'}")},
         FAIL_STRIPE,
         "stripe_error",
         "POST /v1/customers POST /v1/checkout/sessions",
         BOTH "pending"},
        {{LINKED, BODY("{'id':'cs_1','url':null}")},
         FAIL_CONFLICT,
         "checkout_closed",
         "POST /v1/customers POST /v1/checkout/sessions",
         BOTH "failed checkout_closed"},
        {{LINKED, REPLAYED(PAGE), BODY("{'id':'cs_1','status':'complete'}")},
         FAIL_CONFLICT,
         "checkout_closed",
         "POST /v1/customers POST /v1/checkout/sessions GET /v1/checkout/sessions/cs_1",
         BOTH "failed checkout_closed"},
        /* The page's URL is given out only when no other page can be paid. */
        {{LINKED, BODY(PAGE), BROKEN},
         FAIL_STRIPE,
         "stripe_error",
         "POST /v1/customers POST /v1/checkout/sessions GET /v1/checkout/sessions",
         BOTH "pending"},
        {{LINKED, BODY(PAGE), BODY("{}")},
         FAIL_STRIPE,
         "stripe_error",
         "POST /v1/customers POST /v1/checkout/sessions GET /v1/checkout/sessions",
         BOTH "pending"},
        {{LINKED, BODY(PAGE), BODY("{'data':[{'id':'cs_0'}]}"), BROKEN},
         FAIL_STRIPE,
         "stripe_error",
         "POST /v1/customers POST /v1/checkout/sessions GET /v1/checkout/sessions "
         "POST /v1/checkout/sessions/cs_0/expire",
         BOTH "pending"},
};

START_TEST(test_checkout)
{
	const struct checkout_request request = {.customer_id = customer_id,
	                                         .plan = "professional"};
	struct checkout_session session;

	flow_script(checkouts[_i].script, 6);
	ends(checkout_open(&operation, &request, &session), checkouts[_i].fail,
	     checkouts[_i].code);
	if (checkouts[_i].fail == FAIL_NONE)
		ck_assert_str_eq(session.url, "https://pay/1");
	asked(checkouts[_i].asked);
	ck_assert_str_eq(calls_now(), checkouts[_i].calls);
}
END_TEST

/* Stripe has a subscription whose event has not arrived: it is stored, and the new page is
 * closed. */
static const struct {
	struct scripted look;
	enum fail fail;
	const char *code, *subscriptions;
} looks[] = {
        {BODY("{'data':[" SUBSCRIPTION("active", "price_s") "]}"), FAIL_CONFLICT,
         "subscription_exists", "sub_1:active+ trial:canceled-"},
        {BODY("{'data':[" SUBSCRIPTION("active", "price_other") "]}"), FAIL_NONE, NULL,
         "trial:trialing+"},
        {BODY("{'data':[" SUBSCRIPTION("incomplete", "price_s") "]}"), FAIL_NONE, NULL,
         "trial:trialing+"},
        {BODY("{'data':'none'}"), FAIL_STRIPE, "stripe_error", "trial:trialing+"},
        {BROKEN, FAIL_STRIPE, "stripe_error", "trial:trialing+"},
};

START_TEST(test_second_subscription)
{
	const struct checkout_request request = {.customer_id = customer_id, .plan = "starter"};
	struct checkout_session session;

	link_customer();
	SCRIPT(BODY(PAGE), BODY(NONE), looks[_i].look, BODY(SUBSCRIPTION("active", "price_s")),
	       BODY(PAGE));
	ends(checkout_open(&operation, &request, &session), looks[_i].fail, looks[_i].code);
	subscriptions_are(looks[_i].subscriptions);
	if (looks[_i].fail != FAIL_NONE)
		asked(arena_printf(
		        task.arena,
		        "POST /v1/checkout/sessions GET /v1/checkout/sessions "
		        "GET /v1/subscriptions %sPOST /v1/checkout/sessions/cs_1/expire",
		        looks[_i].fail == FAIL_CONFLICT ? "GET /v1/subscriptions/sub_1 " : ""));
}
END_TEST

/* The answer to the first request is lost: the second sends the same one and gets the same
 * page. */
START_TEST(test_checkout_again)
{
	const struct checkout_request request = {.customer_id = customer_id, .plan = "starter"};
	struct checkout_session session;
	const char *key;

	operation.intent = &intent;
	link_customer();
	SCRIPT(BROKEN);
	ends(checkout_open(&operation, &request, &session), FAIL_STRIPE, "stripe_error");
	key = world.asked[0].key;
	SCRIPT(REPLAYED(PAGE), BODY(PAGE), BODY(NONE), BODY(NONE));
	ends(checkout_open(&operation, &request, &session), FAIL_NONE, NULL);
	ck_assert_str_eq(world.asked[0].key, key);
	ck_assert_str_eq(calls_now(), "checkout:done");
}
END_TEST

static enum fail
upgrade(void)
{
	return change_plan(&operation, &(struct plan_change){.customer_id = customer_id,
	                                                     .new_plan = "professional"});
}

static enum fail
cancel_now(void)
{
	return change_cancel(&operation, customer_id, CANCEL_NOW);
}

static enum fail
cancel_later(void)
{
	return change_cancel(&operation, customer_id, CANCEL_AT_PERIOD_END);
}

static enum fail
resume(void)
{
	return change_resume(&operation, customer_id);
}

#define NOW BODY(SUBSCRIPTION("active", "price_s"))
#define THEN BODY(SUBSCRIPTION("active", "price_p"))
#define ENDED BODY(SUBSCRIPTION("canceled", "price_s"))
#define ENDING                                                                                 \
	"{'id':'sub_1','object':'subscription','status':'active','cancel_at':1747000000,"      \
	"'items':{'data':[{'id':'si_1','price':{'id':'price_s'}}]}}"
#define ENDS(at)                                                                               \
	"{'id':'sub_1','object':'subscription','status':'active','cancel_at':" at ",'items':{" \
	"'data':[{'id':'si_1','price':{'id':'price_s'},'current_period_end':1747000000}]}}"
#define MIXED                                                                                  \
	"{'id':'sub_1','object':'subscription','status':'active','customer':'cus_1','items':"  \
	"{'data':[{'id':'si_m','price':{'id':'price_m'},'current_period_end':1747000000},"     \
	"{'id':'si_1','price':{'id':'price_s'},'current_period_end':1778000000}]}}"
#define REFUSAL(members)                                                                       \
	{                                                                                      \
		.status = 400,                                                                 \
		.body = "{'error':{'type':'invalid_request_error'," members "}}"               \
	}
#define LOOK "GET /v1/subscriptions/sub_1"
#define CHANGE " POST /v1/subscriptions/sub_1"

static const struct {
	enum fail (*request)(void);
	struct scripted script[2];
	enum fail fail;
	const char *code, *asked, *calls, *sent; /* a part of the last form */
} requests[] = {
        {upgrade,
         {NOW, THEN},
         FAIL_NONE,
         NULL,
         LOOK CHANGE,
         "subscription_change:done",
         "items[0][id]=si_1&items[0][price]=price_p&items[0][quantity]=2"},
        {upgrade,
         {NOW, REFUSED(402)},
         FAIL_PAYMENT,
         "payment_failed",
         LOOK CHANGE,
         "subscription_change:failed status_402",
         "payment_behavior=error_if_incomplete"},
        /* Refusals that a client can do something about. */
        {upgrade,
         {NOW,
          REFUSAL("'message':'The subscription is managed by the subscription schedule `sub_"
                  "sched_1`, and updating any cancelation behavior directly is not allowed.'")},
         FAIL_CONFLICT,
         "subscription_scheduled",
         LOOK CHANGE,
         "subscription_change:failed invalid_request_error",
         NULL},
        {upgrade,
         {NOW, REFUSAL("'message':'You cannot combine currencies on a single customer.'")},
         FAIL_CONFLICT,
         "currency_mismatch",
         LOOK CHANGE,
         "subscription_change:failed invalid_request_error",
         NULL},
        {upgrade,
         {NOW,
          REFUSAL("'message':'The price specified is inactive. This field only accepts active "
                  "prices.'")},
         FAIL_CONFLICT,
         "price_unavailable",
         LOOK CHANGE,
         "subscription_change:failed invalid_request_error",
         NULL},
        {upgrade,
         {NOW, REFUSAL("'code':'resource_missing','param':'items[0][price]'")},
         FAIL_CONFLICT,
         "price_unavailable",
         LOOK CHANGE,
         "subscription_change:failed resource_missing",
         NULL},
        {upgrade,
         {NOW, REFUSAL("'code':'customer_tax_location_invalid'")},
         FAIL_CONFLICT,
         "tax_location_invalid",
         LOOK CHANGE,
         "subscription_change:failed customer_tax_location_invalid",
         NULL},
        {upgrade,
         {NOW, REFUSAL("'code':'failed_tax_calculation'")},
         FAIL_CONFLICT,
         "tax_location_invalid",
         LOOK CHANGE,
         "subscription_change:failed failed_tax_calculation",
         NULL},
        {upgrade,
         {NOW, REFUSAL("'code':'resource_missing','param':'items[0][id]'")},
         FAIL_STRIPE,
         "stripe_error",
         LOOK CHANGE,
         "subscription_change:failed resource_missing",
         NULL},
        {upgrade,
         {NOW, BROKEN},
         FAIL_STRIPE,
         "stripe_error",
         LOOK CHANGE,
         "subscription_change:pending status_500",
         NULL},
        {upgrade,
         {NOW, SILENT},
         FAIL_STRIPE,
         "stripe_error",
         LOOK CHANGE,
         "subscription_change:pending no_answer",
         NULL},
        {upgrade,
         {NOW, BODY("{'id':'sub_1'}")},
         FAIL_STRIPE,
         "stripe_error",
         LOOK CHANGE,
         "subscription_change:pending",
         NULL},
        {upgrade, {THEN, END}, FAIL_CONFLICT, "nothing_to_change", LOOK, "", NULL},
        {upgrade, {ENDED, END}, FAIL_CONFLICT, "subscription_ended", LOOK, "", NULL},
        {upgrade, {REFUSED(404), END}, FAIL_NOT_FOUND, "stripe_not_found", LOOK, "", NULL},
        {upgrade, {BROKEN, END}, FAIL_STRIPE, "stripe_error", LOOK, "", NULL},
        {cancel_now,
         {ENDED, END},
         FAIL_NONE,
         NULL,
         "DELETE /v1/subscriptions/sub_1",
         "subscription_change:done",
         NULL},
        {cancel_now,
         {REFUSED(404), ENDED},
         FAIL_NONE,
         NULL,
         "DELETE /v1/subscriptions/sub_1 " LOOK,
         "subscription_change:done",
         NULL},
        {cancel_now,
         {REFUSED(404), NOW},
         FAIL_NOT_FOUND,
         "stripe_not_found",
         "DELETE /v1/subscriptions/sub_1 " LOOK,
         "subscription_change:failed status_404",
         NULL},
        {cancel_later,
         {NOW, BODY(ENDING)},
         FAIL_NONE,
         NULL,
         LOOK CHANGE,
         "subscription_change:done",
         "cancel_at_period_end=true"},
        /* In flexible billing mode the periods can differ: the latest end counts. */
        {cancel_later,
         {BODY(MIXED), BODY(ENDING)},
         FAIL_NONE,
         NULL,
         LOOK CHANGE,
         "subscription_change:done",
         "cancel_at=1778000000"},
        {cancel_later, {BODY(ENDING), END}, FAIL_CONFLICT, "nothing_to_change", LOOK, "", NULL},
        {cancel_later,
         {BODY(ENDS("1747000000")), END},
         FAIL_CONFLICT,
         "nothing_to_change",
         LOOK,
         "",
         NULL},
        /* A later end lets further periods be charged. */
        {cancel_later,
         {BODY(ENDS("1768000000")), BODY(ENDING)},
         FAIL_NONE,
         NULL,
         LOOK CHANGE,
         "subscription_change:done",
         "cancel_at_period_end=true"},
        {resume,
         {BODY(ENDING), NOW},
         FAIL_NONE,
         NULL,
         LOOK CHANGE,
         "subscription_change:done",
         "cancel_at="},
        {resume, {NOW, END}, FAIL_CONFLICT, "nothing_to_change", LOOK, "", NULL},
};

/* The subscription ends because a contract follows; that the contract's end is set too changes nothing. */
START_TEST(test_resume_before_a_contract)
{
	const struct contract_input input = {.plan = "enterprise",
	                                     .billing = CONTRACT_MANUAL,
	                                     .starts_at = AT(30),
	                                     .ends_at = AT(300)};
	const struct contract_end end = {.at = AT(200)};
	struct contract contract;

	fine(contract_create(&operation, customer_id, &input, &contract));
	fine(contract_end(&operation, customer_id, contract.contract_id, &end, &contract));
	store_synced("sub_1", "active");
	SCRIPT(BODY(ENDING), NOW);
	ends(resume(), FAIL_CONFLICT, "contract_exists");
	asked("");
}
END_TEST

START_TEST(test_change)
{
	const char *body;

	store_synced("sub_1", "active");
	flow_script(requests[_i].script, 2);
	ends(requests[_i].request(), requests[_i].fail, requests[_i].code);
	asked(requests[_i].asked);
	ck_assert_str_eq(calls_now(), requests[_i].calls);
	body = world.asked[world.asked_count - 1].http.body;
	if (requests[_i].sent != NULL)
		ck_assert_msg(strstr(body, requests[_i].sent) != NULL, "%s", body);
}
END_TEST

#define WITH_INVOICE(status, price, invoice)                                                   \
	BODY("{'id':'sub_1','object':'subscription','customer':'cus_1','status':'" status      \
	     "','latest_invoice':{'id':'in_1','billing_reason':'subscription_cycle'," invoice  \
	     "},'items':{'data':[{'id':'si_1','quantity':2,'price':{'id':'" price "'}}]}}")

static const struct {
	struct scripted now;
	const char *plan;
	bool refused;
} unpaid[] = {
        {WITH_INVOICE("active", "price_s", "'status':'paid'"), "professional", false},
        {WITH_INVOICE("active", "price_p", "'status':'paid'"), "starter", false},
        {WITH_INVOICE("active", "price_p", "'status':'void'"), "starter", false},
        /* The payment failed, perhaps of an invoice before the latest one. */
        {WITH_INVOICE("past_due", "price_s", "'status':'open'"), "professional", true},
        {WITH_INVOICE("past_due", "price_p", "'status':'open'"), "starter", true},
        {WITH_INVOICE("unpaid", "price_p", "'status':'draft'"), "starter", true},
        {WITH_INVOICE("past_due", "price_p", "'status':'paid'"), "starter", true},
        /* A direct debit takes days, a draft an hour. */
        {WITH_INVOICE("active", "price_s", "'status':'open'"), "professional", true},
        {WITH_INVOICE("active", "price_p", "'status':'open'"), "starter", true},
        {WITH_INVOICE("active", "price_s", "'status':'draft'"), "professional", false},
        {WITH_INVOICE("active", "price_p", "'status':'draft'"), "starter", true},
        /* An invoice that was sent. */
        {WITH_INVOICE("active", "price_s", "'status':'open','due_date':1900000000"),
         "professional", false},
        {WITH_INVOICE("active", "price_p", "'status':'open','due_date':1900000000"), "starter",
         true},
};

/* While a payment is due the plan stays: Stripe would credit the rest of a period that is not paid. With the
 * next period it may change. */
START_TEST(test_change_of_an_unpaid_subscription)
{
	const struct plan_change change = {
	        .customer_id = customer_id, .field = "plan", .new_plan = unpaid[_i].plan};
	const bool refused = unpaid[_i].refused;
	struct change_preview preview;

	store_synced("sub_1", "active");
	SCRIPT(unpaid[_i].now, BODY("{'id':'upcoming_in_1','currency':'eur'}"));
	ends(change_preview(&operation, &change, &preview), refused ? FAIL_CONFLICT : FAIL_NONE,
	     "payment_due");
	ck_assert_uint_eq(world.asked_count, refused ? 1 : 2);
	ck_assert_ptr_nonnull(strstr(world.asked[0].http.url, "expand[0]=latest_invoice"));
	SCRIPT(unpaid[_i].now, NOW);
	ends(change_plan(&operation, &change), refused ? FAIL_CONFLICT : FAIL_NONE,
	     "payment_due");
	ck_assert_str_eq(calls_now(), refused ? "" : "subscription_change:done");
	billing.sales.downgrade_at_period_end = true;
	SCRIPT(unpaid[_i].now, NOW);
	if (refused && text_equal(change.new_plan, "starter"))
		ends(change_plan(&operation, &change), FAIL_NONE, NULL);
}
END_TEST

#define PERIOD(start, end, invoice)                                                            \
	BODY("{'id':'sub_1','object':'subscription','customer':'cus_1','status':'active',"     \
	     "'latest_invoice':{'id':'in_1','status':'" invoice "'},'items':{'data':[{"        \
	     "'id':'si_1','quantity':2,'price':{'id':'price_p'},'current_period_start':" start \
	     ",'current_period_end':" end "}]}}")

static const struct {
	struct scripted now;
	const char *proration; /* NULL: nothing is sent yet */
	bool is_renewed;       /* in our row too: its event came first */
} begun[] = {
        {PERIOD("1744000000", "1747000000", "paid"), "proration_behavior=none", false},
        /* The payment of the period that ends does not matter. */
        {PERIOD("1744000000", "1747000000", "open"), "proration_behavior=none", false},
        {PERIOD("1747000000", "1749000000", "paid"), "create_prorations", false},
        {PERIOD("1747000000", "1749000000", "paid"), "create_prorations", true},
        /* Stripe would credit what is not paid. */
        {PERIOD("1747000000", "1749000000", "draft"), NULL, true},
        {PERIOD("1747000000", "1749000000", "open"), NULL, true},
        /* The vendor has made the period longer. */
        {PERIOD("1744000000", "1749000000", "paid"), NULL, false},
        {PERIOD("1744000000", "1749000000", "paid"), NULL, true},
};

static void
period_ends(const char *at)
{
	flow_change(
	        "test_period",
	        "UPDATE subscriptions SET current_period_ends_at = to_timestamp($2::bigint) "
	        "WHERE customer_id = $1 AND stripe_subscription_id IS NOT NULL",
	        at);
}

static enum fail
downgrade(void)
{
	return change_plan(&operation, &(struct plan_change){.customer_id = customer_id,
	                                                     .field = "plan",
	                                                     .new_plan = "starter"});
}

/* A smaller plan begins with the next period, also when Stripe learns of it after the renewal's event: then
 * the rest of that period is credited. */
START_TEST(test_scheduled_plan)
{
	int64_t done = 0;

	billing.sales.downgrade_at_period_end = true;
	store_synced("sub_1", "active");
	SCRIPT(PERIOD("1744000000", "1747000000", "paid"));
	ends(downgrade(), FAIL_NONE, NULL);
	operation.now_ms = 1747000000000 - SECOND_MS;
	if (begun[_i].is_renewed)
		period_ends("1749000000");
	SCRIPT(begun[_i].now, NOW);
	fine(change_run_scheduled(&operation, &done));
	ck_assert_int_eq(done, 1);
	asked(begun[_i].proration == NULL ? LOOK : LOOK CHANGE);
	if (begun[_i].proration != NULL)
		ck_assert_ptr_nonnull(strstr(world.asked[1].http.body, begun[_i].proration));
	/* It is done, or looked at again later. */
	done = 0;
	fine(change_run_scheduled(&operation, &done));
	ck_assert_int_eq(done, 0);
}
END_TEST

static const struct {
	struct scripted scheduled, due;
} ahead[] = {
        /* The renewal's event waits while the plan is scheduled. */
        {PERIOD("1747000000", "1749000000", "paid"),
         PERIOD("1747000000", "1749000000", "paid")},
        /* The period becomes longer, and the event of that waits. */
        {PERIOD("1744000000", "1747000000", "paid"),
         PERIOD("1744000000", "1749000000", "paid")},
};

/* A plan waits for the end of its period though our row shows an earlier one. */
START_TEST(test_scheduled_ahead_of_our_row)
{
	int64_t done;

	billing.sales.downgrade_at_period_end = true;
	store_synced("sub_1", "active");
	SCRIPT(ahead[_i].scheduled);
	ends(downgrade(), FAIL_NONE, NULL);
	operation.now_ms = 1747000000000;
	for (int i = 0; i < 3; i++) {
		SCRIPT(ahead[_i].due, NOW);
		done = 0;
		fine(change_run_scheduled(&operation, &done));
		ck_assert_int_eq(done, 1);
		asked(LOOK);
		operation.now_ms += 11 * 60 * SECOND_MS;
	}
}
END_TEST

/* Stripe shows a part of the items: the others are fetched before the plan's item is chosen. */
START_TEST(test_items_on_further_pages)
{
	store_synced("sub_1", "active");
	SCRIPT(BODY("{'id':'sub_1','object':'subscription','customer':'cus_1','status':'active'"
	            ","
	            "'items':{'has_more':true,'data':[{'id':'si_a','price':{'id':'price_a'}}]}"
	            "}"),
	       BODY("{'has_more':true,'data':[{'id':'si_b','price':{'id':'price_b'}}]}"),
	       BODY("{'has_more':false,'data':[{'id':'si_1','quantity':2,'price':{'id':"
	            "'price_s'},'current_period_end':1747000000}]}"),
	       THEN);
	ends(upgrade(), FAIL_NONE, NULL);
	asked(LOOK " GET /v1/subscription_items GET /v1/subscription_items" CHANGE);
	ck_assert_ptr_nonnull(strstr(world.asked[2].http.url,
	                             "subscription=sub_1&limit=100&starting_after=si_b"));
	ck_assert_ptr_nonnull(strstr(world.asked[3].http.body, "items[0][id]=si_1"));
}
END_TEST

#define METERED "{'id':'si_m','price':{'id':'price_m'}}"
#define BY_USE "{'id':'si_u','price':{'id':'price_u','recurring':{'usage_type':'metered'}}}"
#define DEAL(id) "{'id':'si_" id "','price':{'id':'price_" id "'}}"

static const struct {
	const char *items;
	const char
	        *id; /* of the item that gets the plan's price; NULL: the change is refused */
} deals[] = {
        {DEAL("d"), "si_d"},
        {METERED "," DEAL("d"), "si_d"},
        {BY_USE "," METERED "," DEAL("d") "," BY_USE, "si_d"},
        {METERED, NULL},
        {BY_USE, NULL},
        {DEAL("d") "," DEAL("e"), NULL},
        {DEAL("o"), NULL},
        {DEAL("o") "," DEAL("d"), "si_d"},
};

/* A change of a subscription at a negotiated price exchanges that price, never another one. */
START_TEST(test_negotiated_price)
{
	const char *answer = arena_printf(
	        task.arena,
	        "{'id':'sub_1','object':'subscription','customer':'cus_1','status':'active',"
	        "'items':{'data':[%s]}}",
	        deals[_i].items);

	billing.meter_prices =
	        (struct price_list){.items = {{"price_m", "messages", 0}}, .count = 1};
	flow_change("test_not_ours",
	            "INSERT INTO stripe_prices (price_id, plan, mapped_at) "
	            "SELECT $2, NULL, now() WHERE $1 <> ''",
	            "price_o");
	store_synced("sub_1", "active");
	SCRIPT({.status = 200, .body = answer}, THEN);
	ends(upgrade(), deals[_i].id == NULL ? FAIL_CONFLICT : FAIL_NONE, "price_unclear");
	ck_assert_uint_eq(world.asked_count, deals[_i].id == NULL ? 1 : 2);
	if (deals[_i].id != NULL)
		ck_assert_ptr_nonnull(strstr(
		        world.asked[1].http.body,
		        arena_printf(task.arena, "items[0][id]=%s&items[0][price]=price_p",
		                     deals[_i].id)));
}
END_TEST

/* A list of items that never ends, or an item without an id, is not followed for ever. */
START_TEST(test_items_without_an_end)
{
	static const char first[] = "{'id':'sub_1','object':'subscription','status':'active','"
	                            "items':{'has_more':true,"
	                            "'data':[{'id':%s,'price':{'id':'price_s'}}]}}";
	struct scripted page = BODY("{'has_more':true,'data':[{'id':'si_b'}]}");

	store_synced("sub_1", "active");
	SCRIPT(BODY(arena_printf(task.arena, first, "'si_a'")), page, page, page, page, page,
	       BODY(ENDING));
	ends(cancel_later(), FAIL_NONE, NULL);
	ck_assert_uint_eq(world.asked_count, 7);
	SCRIPT(BODY(arena_printf(task.arena, first, "null")));
	ends(cancel_later(), FAIL_STRIPE, "stripe_error");
	ck_assert_uint_eq(world.asked_count, 1);
}
END_TEST

static const struct {
	struct sales_policy sales;
	const char *sent; /* between the metadata and the end; "": nothing of it */
} options[] = {
        {{.billing_mode = NULL}, ""},
        {{.billing_mode = "classic"}, "&subscription_data[billing_mode][type]=classic"},
        {{.billing_mode = "flexible", .promotion_codes = true},
         "&subscription_data[billing_mode][type]=flexible&allow_promotion_codes=true"},
        {{.automatic_tax = true}, "&automatic_tax[enabled]=true&customer_update[address]=auto"},
        {{.tax_ids = true},
         "&customer_update[address]=auto&tax_id_collection[enabled]=true&"
         "customer_update[name]=auto"},
        {{.automatic_tax = true, .tax_ids = true},
         "&automatic_tax[enabled]=true&customer_update[address]=auto&"
         "tax_id_collection[enabled]=true&customer_update[name]=auto"},
};

/* A checkout sends what the settings say, and what Stripe needs for a customer that exists. */
START_TEST(test_checkout_options)
{
	const struct checkout_request request = {.customer_id = customer_id, .plan = "starter"};
	struct sales_policy *sales = &billing.sales;
	struct checkout_session session;
	const char *body;

	link_customer();
	sales->billing_mode = options[_i].sales.billing_mode;
	sales->promotion_codes = options[_i].sales.promotion_codes;
	sales->automatic_tax = options[_i].sales.automatic_tax;
	sales->tax_ids = options[_i].sales.tax_ids;
	SCRIPT(BODY(PAGE), BODY(NONE), BODY(NONE));
	ends(checkout_open(&operation, &request, &session), FAIL_NONE, NULL);
	body = strstr(world.asked[0].http.body, "subscription_data[metadata][customer_id]=");
	ck_assert_ptr_nonnull(body);
	ck_assert_str_eq(body + strcspn(body, "&"), options[_i].sent);
}
END_TEST

/* The preview of a subscription whose tax Stripe computes asks for the tax too. */
START_TEST(test_preview_with_tax)
{
	const struct plan_change change = {.customer_id = customer_id,
	                                   .new_plan = "professional"};
	struct change_preview preview;

	for (int taxed = 0; taxed < 2; taxed++) {
		store_synced("sub_1", "active");
		SCRIPT(BODY(arena_printf(
		               task.arena,
		               "{'id':'sub_1','object':'subscription','status':'active',"
		               "'automatic_tax':{'enabled':%s},'items':{'data':[{'id':'si_1',"
		               "'price':{'id':'price_s'}}]}}",
		               taxed ? "true" : "false")),
		       BODY("{'id':'upcoming_in_1','currency':'eur','amount_due':119,'lines':"
		            "{'data':[{'description':'a','amount':100}]}}"));
		ends(change_preview(&operation, &change, &preview), FAIL_NONE, NULL);
		ck_assert_int_eq(preview.amount_due, 119);
		ck_assert(taxed == (strstr(world.asked[1].http.body,
		                           "automatic_tax[enabled]=true") != NULL));
	}
}
END_TEST

/* A second request with the same key is the same call, which takes effect once. */
START_TEST(test_change_again)
{
	static const struct scripted unknown[] = {BROKEN, SILENT, BUSY};
	struct scripted script[] = {NOW, unknown[_i]};
	const char *key, *body;

	operation.intent = &intent;
	store_synced("sub_1", "active");
	flow_script(script, 2);
	ends(upgrade(), FAIL_STRIPE, "stripe_error");
	key = world.asked[1].key;
	body = world.asked[1].http.body;
	world.now_us += 60 * 1000000;
	SCRIPT(THEN);
	ends(upgrade(), FAIL_NONE, NULL);
	asked("POST /v1/subscriptions/sub_1");
	ck_assert_str_eq(world.asked[0].key, key);
	ck_assert_str_eq(world.asked[0].http.body, body);
	ck_assert_str_eq(calls_now(), "subscription_change:done");
	ck_assert_int_eq(audited("plan_change"), 1);
}
END_TEST

static const struct {
	int64_t now_ms;
	struct instant start, end;
	int64_t moment_ms;
} moments[] = {
        {5999, {true, 1000}, {true, 9000}, 5000},
        {5999, {false, 0}, {false, 0}, 5000},
        {5999, {true, 5000}, {true, 9000}, 5000},
        /* Our clock is behind Stripe's or ahead of it. */
        {5999, {true, 6000}, {true, 9000}, 6000},
        {5999, {true, 1000}, {true, 4000}, 4000},
};

/* The time of proration lies within the period: Stripe accepts no other. */
START_TEST(test_proration_at)
{
	const struct change_terms terms = {.sold = {.item = {.period_start = moments[_i].start,
	                                                     .period_end = moments[_i].end}}};

	ck_assert_int_eq(change_terms_proration_at(&terms, moments[_i].now_ms).ms,
	                 moments[_i].moment_ms);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("changes");
	TCase *tcase = tcase_create("changes");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, flow_setup, flow_teardown);
	tcase_add_loop_test(tcase, test_checkout, 0, ROWS(checkouts));
	tcase_add_loop_test(tcase, test_second_subscription, 0, ROWS(looks));
	tcase_add_test(tcase, test_checkout_again);
	tcase_add_test(tcase, test_resume_before_a_contract);
	tcase_add_loop_test(tcase, test_change, 0, ROWS(requests));
	tcase_add_loop_test(tcase, test_change_of_an_unpaid_subscription, 0, ROWS(unpaid));
	tcase_add_loop_test(tcase, test_scheduled_plan, 0, ROWS(begun));
	tcase_add_loop_test(tcase, test_scheduled_ahead_of_our_row, 0, ROWS(ahead));
	tcase_add_loop_test(tcase, test_change_again, 0, 3);
	tcase_add_test(tcase, test_items_on_further_pages);
	tcase_add_loop_test(tcase, test_negotiated_price, 0, ROWS(deals));
	tcase_add_test(tcase, test_items_without_an_end);
	tcase_add_loop_test(tcase, test_checkout_options, 0, ROWS(options));
	tcase_add_test(tcase, test_preview_with_tax);
	tcase_add_loop_test(tcase, test_proration_at, 0, ROWS(moments));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
