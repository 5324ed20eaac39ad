/* test_contract_billing.c: a contract's subscription at Stripe is made once, and brought to what the
 * newest terms say. */
#include "support/stripe_flow_fixture.h"

#include "accounts/accounts.h"
#include "billing/access.h"
#include "contracts/contracts.h"
#include "sales/resolve.h"
#include "sync/objects.h"

#define ENDS_S "1771113600"
#define PRICE(amount)                                                                          \
	"{'id':'price_c','unit_amount':" amount ",'currency':'eur','recurring':{'interval':"   \
	"'month','interval_count':1},'metadata':{'plan':'enterprise','contract_id':'CONTRACT'" \
	"}}"
#define CONTRACT_AT_STRIPE(status, amount)                                                     \
	"{'id':'sub_c','object':'subscription','customer':'cus_1','status':'" status "',"      \
	"'created':1739580000,'cancel_at':" ENDS_S ",'days_until_due':30,"                     \
	"'items':{'data':[{'id':'si_1','quantity':1,'price':" PRICE(                           \
	        amount) ","                                                                    \
	                "'current_period_end':1747000000}]},"                                  \
	                "'metadata':{'customer_id':'OURS','contract_id':'CONTRACT'}}"
#define NONE BODY("{'object':'list','data':[]}")

static struct contract contract;

/* The body with the contract's id for each CONTRACT. */
static const char *
with_contract(const char *body)
{
	const char *at = strstr(body, "CONTRACT");

	return at == NULL ? body
	                  : arena_printf(task.arena, "%.*s%s%s", (int)(at - body), body,
	                                 contract.contract_id,
	                                 with_contract(at + strlen("CONTRACT")));
}

static struct json_view
object(const char *text)
{
	struct json_view out = {0};

	ck_assert(json_view_try(task.arena, text, strlen(text), &out));
	return out;
}

/* Forgets the calls so far, but for that of the contract. */
static void
only_contract(void)
{
	static const struct statement statement = {
	        .name = "test_only_contract",
	        .sql = "DELETE FROM stripe_calls WHERE kind <> 'contract'"};

	fine(db_run(operation.db, &task, &statement, NO_PARAMETERS, NULL));
}

static void
make_beginning(struct instant starts_at)
{
	const char *price =
	        "{\"amount_minor\":100,\"currency\":\"eur\",\"interval\":\"month\"}";
	const struct contract_input input = {.plan = "enterprise",
	                                     .billing = CONTRACT_STRIPE,
	                                     .price = {object(price)},
	                                     .starts_at = starts_at,
	                                     .ends_at = INSTANT_MS(1771113600000)};

	link_customer();
	fine(contract_create(&operation, customer_id, &input, &contract));
	only_contract();
	operation.now_ms += SECOND_MS;
}

static void
make(void)
{
	make_beginning(INSTANT_NONE);
}

static enum fail
run(void)
{
	return flow_run(stripe_resolve_run);
}

static void
status_is(const char *status)
{
	fine(contract_find(&operation, customer_id, contract.contract_id, &contract));
	ck_assert_str_eq(access_status(&contract.subscription, operation.now_ms), status);
}

START_TEST(test_creation)
{
	struct subscription now;

	make();
	status_is("incomplete");
	SCRIPT(NONE, BODY("{'id':'price_c'}"),
	       BODY(with_contract(CONTRACT_AT_STRIPE("active", "100"))));
	fine(run());
	asked("GET /v1/subscriptions POST /v1/prices POST /v1/subscriptions");
	ck_assert_str_eq(calls_now(), "contract:done");
	status_is("active");
	ck_assert_str_eq(contract.subscription.stripe_subscription_id, "sub_c");
	subscriptions_are("sub_c:active+ trial:canceled+");
	/* As many seats as without a contract. */
	fine(subscription_find(&operation, customer_id, &now));
	ck_assert_int_eq(now.quantity, 1);
}
END_TEST

#define AT_STRIPE(status, amount) BODY(with_contract(CONTRACT_AT_STRIPE(status, amount)))
#define LISTED                                                                                 \
	BODY(with_contract("{'object':'list','data':[{'id':'sub_c','metadata':{'contract_id':" \
	                   "'CONTRACT'}}]}"))

/* The time of the next try comes. */
static void
again(void)
{
	operation.now_ms += HOUR_MS;
}

static void
make_at_stripe(void)
{
	make();
	SCRIPT(NONE, BODY("{'id':'price_c'}"), AT_STRIPE("active", "100"));
	fine(run());
	status_is("active");
}

/* The answer to the creation is lost: the next try finds what was made. */
START_TEST(test_lost_answer)
{
	make();
	SCRIPT(NONE, BODY("{'id':'price_c'}"), SILENT);
	ck_assert_int_ne(run(), FAIL_NONE);
	status_is("incomplete");
	again();
	SCRIPT(LISTED, AT_STRIPE("active", "100"));
	fine(run());
	asked("GET /v1/subscriptions GET /v1/subscriptions/sub_c");
	ck_assert_str_eq(calls_now(), "contract:done");
	status_is("active");
}
END_TEST

/* A repeated try sends the same request under the same key. */
START_TEST(test_same_keys)
{
	const char *price_key;

	make();
	SCRIPT(NONE, SILENT);
	ck_assert_int_ne(run(), FAIL_NONE);
	price_key = arena_copy(task.arena, world.asked[1].key);
	again();
	SCRIPT(NONE, BODY("{'id':'price_c'}"), AT_STRIPE("active", "100"));
	fine(run());
	ck_assert_str_eq(world.asked[1].key, price_key);
	ck_assert_str_ne(world.asked[2].key, price_key);
}
END_TEST

START_TEST(test_refusal)
{
	struct subscription now;

	make();
	SCRIPT(NONE, REFUSED(400));
	fine(run());
	ck_assert_str_eq(calls_now(), "contract:parked status_400");
	status_is("incomplete");
	fine(subscription_find(&operation, customer_id, &now));
	ck_assert_str_eq(subscription_kind(&now), "trial");
}
END_TEST

START_TEST(test_amendment)
{
	const char *price =
	        "{\"amount_minor\":200,\"currency\":\"eur\",\"interval\":\"month\"}";
	struct contract_input input = {.version = 1, .plan = "professional"};

	make_at_stripe();
	/* Stripe need not know the plan. */
	fine(contract_amend(&operation, customer_id, contract.contract_id, &input, &contract));
	ck_assert_str_eq(calls_now(), "contract:done");
	input = (struct contract_input){.version = 2, .price = {object(price)}};
	fine(contract_amend(&operation, customer_id, contract.contract_id, &input, &contract));
	again();
	SCRIPT(AT_STRIPE("active", "100"), BODY("{'id':'price_d'}"), AT_STRIPE("active", "200"),
	       AT_STRIPE("active", "200"));
	fine(run());
	asked("GET /v1/subscriptions/sub_c POST /v1/prices POST /v1/subscriptions/sub_c "
	      "GET /v1/subscriptions/sub_c");
	ck_assert_str_eq(calls_now(), "contract:done, contract:done");
	status_is("active");
	ck_assert_str_eq(contract.subscription.plan, "professional");
}
END_TEST

#define ITEM(id, price) "{'id':'" id "','quantity':1,'price':" price "}"
#define OTHER_PRICE                                                                            \
	"{'id':'price_x','unit_amount':900,'currency':'eur','recurring':{'interval':'month'}}"
#define WITH_ITEMS(items)                                                                      \
	BODY(with_contract("{'id':'sub_c','object':'subscription','customer':'cus_1',"         \
	                   "'status':'active','created':1739580000,'cancel_at':" ENDS_S        \
	                   ",'days_until_due':30,'items':{'data':[" items "]},"                \
	                   "'metadata':{'customer_id':'OURS','contract_id':'CONTRACT'}}"))

static void
amend_amount(int version, const char *amount)
{
	const char *price = arena_printf(
	        task.arena, "{\"amount_minor\":%s,\"currency\":\"eur\",\"interval\":\"month\"}",
	        amount);
	const struct contract_input input = {.version = version, .price = {object(price)}};

	fine(contract_amend(&operation, customer_id, contract.contract_id, &input, &contract));
	again();
}

/* An item that was added at Stripe stands first: it stays, and that of the contract gets the
 * price. */
START_TEST(test_an_item_of_others)
{
	make_at_stripe();
	amend_amount(1, "200");
	SCRIPT(WITH_ITEMS(ITEM("si_x", OTHER_PRICE) "," ITEM("si_1", PRICE("100"))),
	       BODY("{'id':'price_d'}"),
	       WITH_ITEMS(ITEM("si_x", OTHER_PRICE) "," ITEM("si_1", PRICE("200"))),
	       WITH_ITEMS(ITEM("si_x", OTHER_PRICE) "," ITEM("si_1", PRICE("200"))));
	fine(run());
	asked("GET /v1/subscriptions/sub_c POST /v1/prices POST /v1/subscriptions/sub_c "
	      "GET /v1/subscriptions/sub_c");
	ck_assert_ptr_nonnull(strstr(world.asked[2].http.body, "=si_1&"));
	ck_assert_ptr_null(strstr(world.asked[2].http.body, "si_x"));
	ck_assert_str_eq(calls_now(), "contract:done, contract:done");
}
END_TEST

static void
amend_interval(int version, const char *interval, enum fail expected)
{
	const char *price = arena_printf(
	        task.arena, "{\"amount_minor\":100,\"currency\":\"eur\",\"interval\":\"%s\"}",
	        interval);
	const struct contract_input input = {.version = version, .price = {object(price)}};
	enum fail kind = contract_amend(&operation, customer_id, contract.contract_id, &input,
	                                &contract);

	ck_assert_int_eq(kind, expected);
	if (kind == FAIL_CONFLICT)
		ck_assert_str_eq(task.failure.code, "interval_fixed");
	task_clear(&task);
	again();
}

/* A running period keeps its interval, also when it is not known here that Stripe has begun it. */
START_TEST(test_another_interval)
{
	make();
	SCRIPT(NONE, BODY("{'id':'price_c'}"), SILENT);
	ck_assert_int_ne(run(), FAIL_NONE);
	amend_interval(1, "year", FAIL_NONE);
	SCRIPT(LISTED, AT_STRIPE("active", "100"), END);
	fine(run());
	asked("GET /v1/subscriptions GET /v1/subscriptions/sub_c");
	ck_assert_str_eq(calls_now(), "contract:pending stripe_error, "
	                              "contract:parked interval_fixed");
	status_is("active");
	amend_interval(2, "month", FAIL_NONE);
	SCRIPT(END);
	fine(run());
	SCRIPT(AT_STRIPE("active", "100"), AT_STRIPE("active", "100"));
	fine(run());
	asked("GET /v1/subscriptions/sub_c");
	ck_assert_str_eq(calls_now(), "contract:done superseded, "
	                              "contract:parked interval_fixed, contract:done");
	amend_interval(3, "year", FAIL_CONFLICT);
}
END_TEST

/* Until the contract begins, Stripe has a trial in place of a period. */
START_TEST(test_another_interval_before_the_start)
{
	make_beginning(AT(3));
	SCRIPT(NONE, BODY("{'id':'price_c'}"), AT_STRIPE("trialing", "100"));
	fine(run());
	amend_interval(1, "year", FAIL_NONE);
	SCRIPT(AT_STRIPE("trialing", "100"), BODY("{'id':'price_d'}"),
	       AT_STRIPE("trialing", "100"), AT_STRIPE("trialing", "100"));
	fine(run());
	asked("GET /v1/subscriptions/sub_c POST /v1/prices POST /v1/subscriptions/sub_c "
	      "GET /v1/subscriptions/sub_c");
	ck_assert_str_eq(calls_now(), "contract:done, contract:done");
}
END_TEST

/* None or several could be the contract's: an operator must look. */
START_TEST(test_an_unclear_item)
{
	make_at_stripe();
	amend_amount(1, "200");
	SCRIPT(WITH_ITEMS(ITEM("si_x", OTHER_PRICE)), END);
	fine(run());
	asked("GET /v1/subscriptions/sub_c");
	amend_amount(2, "300");
	SCRIPT(WITH_ITEMS(ITEM("si_1", PRICE("100")) "," ITEM("si_2", PRICE("100"))), END);
	fine(run());
	asked("GET /v1/subscriptions/sub_c");
	ck_assert_str_eq(calls_now(), "contract:done, contract:parked price_unclear, "
	                              "contract:parked price_unclear");
	status_is("active");
}
END_TEST

/* The subscription that an earlier try has made is found behind a page of others. */
START_TEST(test_lost_answer_of_many)
{
	make();
	SCRIPT(NONE, BODY("{'id':'price_c'}"), SILENT);
	ck_assert_int_ne(run(), FAIL_NONE);
	again();
	SCRIPT(BODY("{'object':'list','has_more':true,'data':[{'id':'sub_8'},{'id':'sub_9'}]}"),
	       LISTED, AT_STRIPE("active", "100"));
	fine(run());
	asked("GET /v1/subscriptions GET /v1/subscriptions GET /v1/subscriptions/sub_c");
	ck_assert_ptr_nonnull(strstr(world.asked[1].http.url, "starting_after=sub_9"));
	ck_assert_str_eq(calls_now(), "contract:done");
}
END_TEST

/* The newest of several calls does what all of them want. */
START_TEST(test_superseded)
{
	struct contract_input input = {.version = 1, .ends_at = AT(300)};

	make();
	fine(contract_amend(&operation, customer_id, contract.contract_id, &input, &contract));
	again();
	SCRIPT(END);
	fine(run());
	asked("");
	SCRIPT(NONE, BODY("{'id':'price_c'}"), AT_STRIPE("active", "100"));
	fine(run());
	ck_assert_str_eq(calls_now(), "contract:done superseded, contract:done");
}
END_TEST

/* An operator ends the contract while it is not known whether Stripe has the subscription. */
START_TEST(test_end_of_an_unknown_creation)
{
	const struct contract_end now = {.reason = NULL};

	make();
	SCRIPT(NONE, BODY("{'id':'price_c'}"), SILENT);
	ck_assert_int_ne(run(), FAIL_NONE);
	fine(contract_end(&operation, customer_id, contract.contract_id, &now, &contract));
	status_is("canceled");
	again();
	SCRIPT(LISTED, AT_STRIPE("active", "100"));
	fine(run());
	SCRIPT(END);
	fine(run());
	ck_assert_str_eq(calls_now(), "contract:done superseded, contract:done, "
	                              "subscription_cancel:pending");
	status_is("canceled");
	SCRIPT(AT_STRIPE("canceled", "100"));
	again();
	fine(run());
	asked("DELETE /v1/subscriptions/sub_c");
	status_is("canceled");
}
END_TEST

/* Stripe tells about a subscription. */
static void
told(const char *body)
{
	struct json_view subscription = object(flow_body(with_contract(body)));
	enum sync_result synced;
	const char *owner;

	fine(db_begin(operation.db, &task));
	fine(stripe_sync_store_subscription(&operation, &subscription, NULL, &owner, &synced));
	fine(db_commit(operation.db, &task));
}

/* Licences are revoked while the answer to the creation is lost: what Stripe tells later brings nothing
 * back, and the subscription is cancelled. */
START_TEST(test_revocation_of_an_unknown_creation)
{
	make();
	SCRIPT(NONE, BODY("{'id':'price_c'}"), SILENT);
	ck_assert_int_ne(run(), FAIL_NONE);
	fine(account_revoke_licenses(&operation, customer_id, "a test"));
	status_is("canceled");
	again();
	told(CONTRACT_AT_STRIPE("active", "100"));
	status_is("canceled");
	SCRIPT(AT_STRIPE("active", "100"));
	fine(run());
	SCRIPT(END);
	fine(run());
	ck_assert_str_eq(calls_now(), "contract:done superseded, contract:done, "
	                              "subscription_cancel:pending");
	status_is("canceled");
}
END_TEST

/* Stripe has not ended the subscription with the contract: it is cancelled an hour later, once. */
START_TEST(test_end_that_stripe_missed)
{
	int64_t ended;

	make_at_stripe();
	operation.batch = 100;
	operation.now_ms = 1771113600000 + HOUR_MS - 1;
	fine(contract_expire_run(&operation, &ended));
	ck_assert_str_eq(calls_now(), "contract:done");
	operation.now_ms++;
	fine(contract_expire_run(&operation, &ended));
	ck_assert_str_eq(calls_now(), "contract:done, subscription_cancel:pending");
	fine(contract_expire_run(&operation, &ended));
	ck_assert_int_eq(ended, 0);
}
END_TEST

/* The event about the new subscription is processed before its call has an outcome. */
START_TEST(test_event_comes_first)
{
	make();
	told(CONTRACT_AT_STRIPE("active", "100"));
	status_is("active");
	subscriptions_are("sub_c:active+ trial:canceled+");
	SCRIPT(AT_STRIPE("active", "100"));
	fine(run());
	asked("GET /v1/subscriptions/sub_c");
	ck_assert_str_eq(calls_now(), "contract:done");
}
END_TEST

/* Each status of Stripe's counts; a failed payment has its days of grace. */
static const struct {
	const char *status;
	bool access;
} statuses[] = {{"active", true},  {"past_due", true},  {"unpaid", false},
                {"paused", false}, {"canceled", false}, {"incomplete_expired", false}};

START_TEST(test_status_counts)
{
	struct subscription now;

	make_at_stripe();
	told(arena_printf(task.arena, CONTRACT_AT_STRIPE("%s", "100"), statuses[_i].status));
	fine(subscription_find(&operation, customer_id, &now));
	ck_assert(subscription_is_contract(&now));
	ck_assert_str_eq(now.plan, "enterprise");
	ck_assert(access_granted(&now, &billing.policy, operation.now_ms) ==
	          statuses[_i].access);
	operation.now_ms += 7 * DAY_MS;
	ck_assert(access_granted(&now, &billing.policy, operation.now_ms) ==
	          text_equal(statuses[_i].status, "active"));
}
END_TEST

START_TEST(test_without_a_customer_at_stripe)
{
	make();
	flow_change("test_unlink",
	            "UPDATE customers SET stripe_customer_id = NULLIF($2, '') "
	            "WHERE customer_id = $1",
	            "");
	SCRIPT(END);
	fine(run());
	asked("");
	ck_assert_str_eq(calls_now(),
	                 "contract:pending customer_pending, customer_create:pending");
	SCRIPT(BODY("{'id':'cus_1'}"));
	fine(run());
	ck_assert_str_eq(linked(), "cus_1");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("contract_billing");
	TCase *tcase = tcase_create("contract_billing");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, flow_setup, flow_teardown);
	tcase_add_test(tcase, test_creation);
	tcase_add_test(tcase, test_lost_answer);
	tcase_add_test(tcase, test_same_keys);
	tcase_add_test(tcase, test_refusal);
	tcase_add_test(tcase, test_amendment);
	tcase_add_test(tcase, test_an_item_of_others);
	tcase_add_test(tcase, test_another_interval);
	tcase_add_test(tcase, test_another_interval_before_the_start);
	tcase_add_test(tcase, test_an_unclear_item);
	tcase_add_test(tcase, test_lost_answer_of_many);
	tcase_add_test(tcase, test_superseded);
	tcase_add_test(tcase, test_end_of_an_unknown_creation);
	tcase_add_test(tcase, test_revocation_of_an_unknown_creation);
	tcase_add_test(tcase, test_end_that_stripe_missed);
	tcase_add_test(tcase, test_event_comes_first);
	tcase_add_loop_test(tcase, test_status_counts, 0, ROWS(statuses));
	tcase_add_test(tcase, test_without_a_customer_at_stripe);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
