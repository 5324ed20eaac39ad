/* test_contract_billing.c: a contract's subscription at Stripe is made once, and brought to what the
 * newest terms say. */
#include "support/stripe_flow_fixture.h"

#include "billing/access.h"
#include "contracts/contracts.h"
#include "sales/resolve.h"

#define ENDS_S "1771113600"
#define PRICE(amount)                                                                          \
	"{'id':'price_c','unit_amount':" amount ",'currency':'eur','recurring':{'interval':"   \
	"'month','interval_count':1},'metadata':{'plan':'enterprise'}}"
#define CONTRACT_AT_STRIPE(status, amount)                                                     \
	"{'id':'sub_c','object':'subscription','customer':'cus_1','status':'" status "',"      \
	"'created':1739580000,'cancel_at':" ENDS_S ",'days_until_due':30,"                     \
	"'items':{'data':[{'id':'si_1','quantity':1,'price':" PRICE(                           \
	        amount) ","                                                                    \
	                "'current_period_end':1747000000}]},"                                  \
	                "'metadata':{'customer_id':'OURS','contract_id':'CONTRACT'}}"
#define NONE BODY("{'object':'list','data':[]}")

static struct contract contract;

/* The body with the contract's id for CONTRACT. */
static const char *
with_contract(const char *body)
{
	const char *at = strstr(body, "CONTRACT");

	return at == NULL ? body
	                  : arena_printf(task.arena, "%.*s%s%s", (int)(at - body), body,
	                                 contract.contract_id, at + strlen("CONTRACT"));
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
make(void)
{
	const char *price =
	        "{\"amount_minor\":100,\"currency\":\"eur\",\"interval\":\"month\"}";
	const struct contract_input input = {.plan = "enterprise",
	                                     .billing = CONTRACT_STRIPE,
	                                     .price = {object(price)},
	                                     .ends_at = INSTANT_MS(1771113600000)};

	link_customer();
	fine(contract_create(&operation, customer_id, &input, &contract));
	only_contract();
	operation.now_ms += SECOND_MS;
}

static enum fail
run(void)
{
	int64_t done = 0;
	enum fail kind = stripe_resolve_run(&operation, &done);

	ck_assert_int_eq(done, 1);
	db_rollback_to(operation.db, 0);
	task_clear(&task);
	return kind;
}

static void
status_is(const char *status)
{
	fine(contract_find(&operation, customer_id, contract.contract_id, &contract));
	ck_assert_str_eq(access_status(&contract.subscription, operation.now_ms), status);
}

START_TEST(test_creation)
{
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
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
