/* test_contract_life.c: no sequence of contracts, amendments, ends, imports, jobs and events of Stripe
 * leaves a customer two subscriptions that count at one moment. FULL=1: ten times as many. */
#include "support/subscription_sync_fixture.h"

#include <stdlib.h>

#include "accounts/adopt.h"
#include "billing/access.h"
#include "contracts/contracts.h"

enum { SEQUENCES = 40, STEPS = 25, MOMENTS = 12, CONTRACTS = 8 };

static const char *const plans_sold[] = {"starter", "professional", "enterprise"};
static const char *const statuses[] = {"trialing", "active",   "past_due",  "unpaid",
                                       "paused",   "canceled", "incomplete"};
static unsigned int seed;
static const char *made[CONTRACTS];
static int made_count;

static int
draw(int below)
{
	return rand_r(&seed) % below;
}

/* Steps that are refused, change nothing. */
static void
may_fail(enum fail kind)
{
	ck_assert_msg(kind == FAIL_NONE || kind == FAIL_CONFLICT || kind == FAIL_INVALID,
	              "%s: %s", task.failure.code, task.failure.message);
	if (kind != FAIL_NONE)
		db_rollback_to(operation.db, 1);
	task_clear(&task);
}

static struct instant
some_time(void)
{
	return INSTANT_MS(operation.now_ms + (draw(40) - 5) * DAY_MS + draw(3) * SECOND_MS);
}

static void
create(void)
{
	struct contract_input input = {.plan = plans_sold[draw(3)],
	                               .billing = draw(2) ? CONTRACT_MANUAL : CONTRACT_STRIPE,
	                               .starts_at = draw(2) ? some_time() : INSTANT_NONE,
	                               .ends_at = some_time()};
	struct contract contract;
	const char *price = "{\"amount_minor\":1,\"currency\":\"eur\",\"interval\":\"month\"}";
	enum fail kind;

	ck_assert(json_view_try(task.arena, price, strlen(price), &input.price.object));
	kind = contract_create(&operation, customer_id, &input, &contract);
	may_fail(kind);
	if (kind == FAIL_NONE && made_count < CONTRACTS)
		made[made_count++] = contract.contract_id;
}

static void
amend(const char *contract_id)
{
	struct contract_input input = {.version = 1 + draw(3),
	                               .plan = plans_sold[draw(3)],
	                               .starts_at = draw(3) ? INSTANT_NONE : some_time(),
	                               .ends_at = draw(2) ? INSTANT_NONE : some_time()};
	struct contract contract;

	may_fail(contract_amend(&operation, customer_id, contract_id, &input, &contract));
}

static void
end(const char *contract_id)
{
	const struct contract_end at = {.at = draw(2) ? INSTANT_NONE : some_time()};
	struct contract contract;

	may_fail(contract_end(&operation, customer_id, contract_id, &at, &contract));
}

/* Stripe tells about a subscription: one of its own, or a contract's. */
static void
tell(const char *contract_id)
{
	const char *id = contract_id != NULL
	                         ? arena_printf(task.arena, "sub_%s", contract_id)
	                         : arena_printf(task.arena, "sub_%s_%d", customer_id, draw(3));
	struct sold_subscription one =
	        subscription(id, statuses[draw((int)ROWS(statuses))], draw(5) - 5);
	bool changed;

	one.stripe.cancel_at_period_end = draw(3) == 0;
	if (contract_id != NULL)
		fine(contract_link(&operation, customer_id, contract_id, id));
	may_fail(subscription_sync_store(&operation, customer_id, &one, &changed));
}

/* An import brings a subscription of an earlier service: Stripe's, or a trial. */
static void
import(void)
{
	const char *id = arena_printf(task.arena, "sub_%s_%d", customer_id, draw(3));
	const bool trial = draw(2) == 0;
	const struct subscription_to_adopt item = {
	        .subscription = {.customer_id = customer_id,
	                         .stripe_subscription_id = trial ? NULL : id,
	                         .plan = plans_sold[draw(3)],
	                         .status = trial ? "trialing" : statuses[1 + draw(5)],
	                         .trial_ends_at = trial ? some_time() : INSTANT_NONE,
	                         .current_period_ends_at = trial ? INSTANT_NONE : some_time(),
	                         .created_at = INSTANT_MS(operation.now_ms),
	                         .updated_at = INSTANT_MS(operation.now_ms)},
	        .email = "life@example.com"};
	const struct adopted_subscription *result;

	may_fail(account_adopt_subscriptions(&operation, &item, 1, &result));
}

static void
step(void)
{
	const char *contract_id = made_count == 0 ? NULL : made[draw(made_count)];
	struct subscription trial;
	int64_t ended;

	switch (draw(9)) {
	case 0:
	case 1:
		create();
		return;
	case 2:
		if (contract_id != NULL)
			amend(contract_id);
		return;
	case 3:
		if (contract_id != NULL)
			end(contract_id);
		return;
	case 4:
		tell(NULL);
		return;
	case 5:
		tell(contract_id);
		return;
	case 6:
		operation.now_ms += draw(20) * DAY_MS;
		return;
	case 7:
		import();
		return;
	default:
		operation.batch = 100;
		fine(contract_expire_run(&operation, &ended));
		may_fail(subscription_start_trial(&operation, customer_id, &trial));
		return;
	}
}

/* Now and later: the rows do not say what they said before. At the moment at most one contract runs; beside
 * it no trial of ours and no other subscription of ours counts; and at most one that is no contract
 * counts. */
static void
check_moment(int64_t ms)
{
	static const struct statement statement = {
	        .name = "test_counting",
	        STRIPE_NUMBER,
	        .sql = "SELECT count(*) FILTER (WHERE at = 0) * 100 + count(*) FILTER (WHERE "
	               "at = 1) "
	               "* 10 + count(*) FILTER (WHERE at = 1 AND stripe_subscription_id IS "
	               "NULL) "
	               "AS number FROM (SELECT subscription_order(s, $2) AS at, s.* "
	               "FROM subscriptions s WHERE customer_id = $1 AND NOT superseded) AS "
	               "rows"};
	int64_t counting = stripe_number(
	        &statement, PARAMETERS(customer_id, param_time(&task, INSTANT_MS(ms))));

	/* None; one that is no contract; a trial; a contract; a contract beside Stripe's, which is
	 * reported as a second one. */
	ck_assert_msg(counting == 0 || counting == 10 || counting == 11 || counting == 100 ||
	                      counting == 110,
	              "%lld", (long long)counting);
}

/* Checks the state from now on at each start and end, a second before, and a second after. */
static void
check_boundaries(void)
{
	static const struct statement statement = {
	        .name = "test_boundaries",
	        STRIPE_NUMBER,
	        .sql = "SELECT count(*) AS number FROM (SELECT t + d * interval '1 second' AS "
	               "at "
	               "  FROM subscriptions b, unnest(ARRAY[b.starts_at, b.ends_at, "
	               "  b.trial_ends_at]) t, unnest(ARRAY[-1, 0, 1]) d "
	               "  WHERE b.customer_id = $1) m, LATERAL (SELECT "
	               "  count(*) FILTER (WHERE o = 0) AS contracts, "
	               "  count(*) FILTER (WHERE o = 1) AS others, "
	               "  count(*) FILTER (WHERE o = 1 AND ours) AS trials FROM (SELECT "
	               "    subscription_order(s, m.at) AS o, "
	               "    stripe_subscription_id IS NULL AS ours FROM subscriptions s "
	               "    WHERE customer_id = $1 AND NOT superseded) r) n "
	               "WHERE m.at >= $2 AND NOT (contracts <= 1 AND others <= 1 "
	               "AND (contracts = 0 OR trials = 0))"};

	ck_assert_int_eq(
	        stripe_number(&statement,
	                      PARAMETERS(customer_id,
	                                 param_time(&task, INSTANT_MS(operation.now_ms)))),
	        0);
}

START_TEST(test_sequences)
{
	made_count = 0;
	seed = 20250215u + (unsigned int)_i;
	for (int i = 0; i < STEPS; i++) {
		step();
		for (int m = 0; m < MOMENTS; m++)
			check_moment(operation.now_ms + m * 5 * DAY_MS / 2);
		check_boundaries();
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("contract_life");
	TCase *tcase = tcase_create("contract_life");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, sync_setup, fixture_teardown);
	tcase_add_loop_test(tcase, test_sequences, 0,
	                    getenv("FULL") != NULL ? 10 * SEQUENCES : SEQUENCES);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
