/* test_races.c: several processes change calls, events and subscriptions at the same time, each
 * with its own connection. */
#include "support/subscription_sync_fixture.h"

#include <pthread.h>
#include <time.h>

#include "accounts/accounts.h"
#include "billing/customers.h"
#include "contracts/contracts.h"
#include "outbox/calls.h"
#include "outbox/locks.h"
#include "sync/events.h"

struct actor;

typedef enum fail action(struct actor *);

struct actor {
	pthread_t thread;
	struct task task;
	struct operation operation;
	action *act;
	enum fail kind;
	struct stripe_call call;
	bool flag;
};

static struct db *other; /* observes the others */

static void
setup(void)
{
	stripe_setup();
	other = database_open(database_url(), DATABASE_PATIENT_MS, false);
	database_script(other, &task, "DELETE FROM stripe_events; DELETE FROM stripe_calls");
}

static void
teardown(void)
{
	db_free(other);
	fixture_teardown();
}

static void
open_actor(struct actor *actor)
{
	*actor = (struct actor){.task = suite_task(), .operation = operation};
	actor->task.request_id = "actor";
	actor->operation.task = &actor->task;
	actor->operation.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
}

static void
close_actor(struct actor *actor)
{
	db_free(actor->operation.db);
	suite_task_end(&actor->task);
}

static void *
run_actor(void *argument)
{
	struct actor *actor = (struct actor *)argument;

	actor->kind = actor->act(actor);
	return NULL;
}

/* Runs in a thread, which must wait for a lock of our transaction. */
static void
go_and_wait(struct actor *actor, action *act)
{
	int64_t deadline_us = clock_monotonic_us() + 30 * 1000000;

	actor->act = act;
	ck_assert_int_eq(pthread_create(&actor->thread, NULL, run_actor, actor), 0);
	while (database_number(other, &task,
	                       "SELECT count(*) FROM pg_stat_activity WHERE datname = "
	                       "current_database() AND wait_event_type = 'Lock'") == 0) {
		ck_assert_msg(clock_monotonic_us() < deadline_us, "it never waited");
		ck_assert_int_eq(nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL), 0);
	}
}

static void
start_and_wait(struct actor *actor, action *act)
{
	open_actor(actor);
	go_and_wait(actor, act);
}

static void
join(struct actor *actor)
{
	ck_assert_int_eq(pthread_join(actor->thread, NULL), 0);
	ck_assert_msg(actor->kind == FAIL_NONE, "%s", actor->task.failure.message);
}

static enum fail
plan(struct operation *by, const char *kind, bool by_client, struct stripe_call *out)
{
	const struct stripe_call wanted = {.kind = kind,
	                                   .customer_id = customer_id,
	                                   .path = "/v1/things",
	                                   .parameters = "",
	                                   .by_client = by_client};

	return stripe_call_write(by, &wanted, 0, out);
}

static enum fail
plan_creation(struct actor *actor)
{
	return plan(&actor->operation, STRIPE_CUSTOMER_CREATE, false, &actor->call);
}

static enum fail
plan_change(struct actor *actor)
{
	return plan(&actor->operation, STRIPE_CHANGE, true, &actor->call);
}

static const struct {
	const char *kind;
	action *act;
	bool commits;
} plans[] = {
        {STRIPE_CUSTOMER_CREATE, plan_creation, true},
        {STRIPE_CUSTOMER_CREATE, plan_creation, false},
        {STRIPE_CHANGE, plan_change, true},
        {STRIPE_CHANGE, plan_change, false},
};

/* Two record the same call: the second gets the first one's, or its own if the first rolls
 * back. */
START_TEST(test_plan_at_once)
{
	static const struct intent intent = {.key = {{1}}, .request = {{2}}};
	struct stripe_call first;
	struct actor second;

	operation.intent = &intent;
	fine(db_begin(operation.db, &task));
	fine(plan(&operation, plans[_i].kind, plans[_i].act == plan_change, &first));
	start_and_wait(&second, plans[_i].act);
	if (plans[_i].commits)
		fine(db_commit(operation.db, &task));
	else
		db_rollback_to(operation.db, 0);
	join(&second);
	ck_assert_int_eq(second.call.is_new, !plans[_i].commits);
	ck_assert_int_eq(second.call.call_id == first.call_id, plans[_i].commits);
	ck_assert_int_eq(database_number(other, &task, "SELECT count(*) FROM stripe_calls"), 1);
	close_actor(&second);
}
END_TEST

/* One request drops a call while another with the same key locks it: only one succeeds. */
START_TEST(test_drop_beside_the_same_key)
{
	static const struct intent intent = {.key = {{1}}, .request = {{2}}};
	struct stripe_call own;
	struct actor same;

	operation.intent = &intent;
	fine(plan(&operation, STRIPE_CHANGE, true, &own));
	open_actor(&same);
	ck_assert_int_eq(plan_change(&same), FAIL_NONE);
	ck_assert(own.is_new && !same.call.is_new && own.call_id == same.call.call_id);
	ck_assert_int_eq(db_begin(same.operation.db, &same.task), FAIL_NONE);
	ck_assert_int_eq(stripe_call_hold(&same.operation, &same.call), FAIL_NONE);
	fine(stripe_call_drop(&operation, &own));
	ck_assert_int_eq(database_number(other, &task, "SELECT count(*) FROM stripe_calls"), 1);
	db_rollback_to(same.operation.db, 0);
	fine(stripe_call_drop(&operation, &own));
	ck_assert_int_eq(db_begin(same.operation.db, &same.task), FAIL_NONE);
	ck_assert_int_eq(stripe_call_hold(&same.operation, &same.call), FAIL_BUSY);
	close_actor(&same);
}
END_TEST

static void
plan_one(const char *kind)
{
	struct stripe_call call;

	fine(plan(&operation, kind, false, &call));
}

/* Two processes take different calls, and a third finds none. */
START_TEST(test_take_at_once)
{
	struct stripe_call calls[2];
	struct actor actor;
	bool found;

	plan_one(STRIPE_CHANGE);
	plan_one(STRIPE_CANCEL);
	open_actor(&actor);
	fine(db_begin(operation.db, &task));
	fine(stripe_call_take(&operation, &calls[0], &found));
	ck_assert(found);
	ck_assert_int_eq(db_begin(actor.operation.db, &actor.task), FAIL_NONE);
	ck_assert_int_eq(stripe_call_take(&actor.operation, &calls[1], &found), FAIL_NONE);
	ck_assert(found && calls[0].call_id != calls[1].call_id);
	db_rollback_to(operation.db, 0);
	ck_assert_int_eq(stripe_call_end(&actor.operation, &calls[1], "done", NULL), FAIL_NONE);
	ck_assert_int_eq(db_commit(actor.operation.db, &actor.task), FAIL_NONE);
	fine(stripe_call_take(&operation, &calls[1], &found));
	ck_assert(found && calls[0].call_id == calls[1].call_id);
	close_actor(&actor);
}
END_TEST

static enum fail
lock_object(struct actor *actor)
{
	return stripe_lock(&actor->operation, "sub_1");
}

START_TEST(test_locks)
{
	static const struct intent intent = {.key = {{1}}};
	struct actor actor;

	fine(db_begin(operation.db, &task));
	fine(stripe_lock(&operation, "sub_1"));
	fine(stripe_lock(&operation, "sub_1"));
	fine(stripe_lock_customer(&operation, customer_id));
	start_and_wait(&actor, lock_object);
	fine(db_commit(operation.db, &task));
	join(&actor);
	ck_assert_int_eq(db_begin(actor.operation.db, &actor.task), FAIL_NONE);
	ck_assert_int_eq(stripe_lock_customer(&actor.operation, customer_id), FAIL_NONE);
	refused(stripe_lock_customer(&operation, customer_id), FAIL_BUSY,
	        "operation_in_progress");
	operation.intent = &intent;
	refused(stripe_lock_customer(&operation, customer_id), FAIL_BUSY,
	        "idempotency_in_progress");
	fine(stripe_lock_customer(&operation, "cust_of_somebody_else"));
	close_actor(&actor);
}
END_TEST

static void
receive(const char *id)
{
	const struct stripe_event event = {
	        .id = id,
	        .type = "customer.subscription.updated",
	        .ref = {.family = "subscription", .subject = "sub_1"}};
	bool is_new;

	fine(stripe_event_receive(&operation, &event, "{}", "webhook", &is_new));
	ck_assert(is_new);
}

/* Two processes have events about one object: neither waits, and each ends its own event. */
START_TEST(test_finish_at_once)
{
	struct stripe_event_row rows[2];
	struct instant since;
	struct actor actor;
	bool found;

	receive("evt_1");
	receive("evt_2");
	receive("evt_3");
	open_actor(&actor);
	fine(db_begin(operation.db, &task));
	fine(stripe_event_take(&operation, &rows[0], &found));
	ck_assert(found);
	ck_assert_int_eq(db_begin(actor.operation.db, &actor.task), FAIL_NONE);
	ck_assert_int_eq(stripe_event_take(&actor.operation, &rows[1], &found), FAIL_NONE);
	ck_assert(found);
	ck_assert_str_ne(rows[0].event_id, rows[1].event_id);
	fine(db_clock(operation.db, &task, &since));
	since.ms += SECOND_MS;
	fine(stripe_event_finish(&operation, &rows[0], "done", NULL, since));
	ck_assert_int_eq(
	        stripe_event_finish(&actor.operation, &rows[1], "ignored", NULL, since),
	        FAIL_NONE);
	fine(db_commit(operation.db, &task));
	ck_assert_int_eq(db_commit(actor.operation.db, &actor.task), FAIL_NONE);
	ck_assert_int_eq(
	        database_number(other, &task,
	                        "SELECT 100 * count(*) FILTER (WHERE state = 'done') + "
	                        "count(*) FILTER (WHERE state = 'ignored') "
	                        "FROM stripe_events"),
	        201);
	close_actor(&actor);
}
END_TEST

/* How the event is tied to the customer, and how it ends. */
static struct stripe_event_row held;

static enum fail
finish_held(struct actor *actor)
{
	TRY(stripe_event_finish(&actor->operation, &held, "done", customer_id,
	                        INSTANT_MS(NOW_MS)));
	return db_commit(actor->operation.db, &actor->task);
}

static enum fail
park_held(struct actor *actor)
{
	db_rollback_to(actor->operation.db, 0);
	return stripe_event_fail(&actor->operation, &held, "unknown_price", true);
}

static const struct {
	action *end;
	const char *hint;
	const char *stripe_id;
} ends[] = {
        {finish_held, "own", NULL}, {finish_held, NULL, "cus"}, {finish_held, NULL, NULL},
        {park_held, "own", NULL},   {park_held, NULL, "cus"},
};

static void
receive_of(const char *hint, const char *stripe_customer_id)
{
	const struct stripe_event event = {.id = "evt_held",
	                                   .type = "customer.subscription.updated",
	                                   .ref = {.family = "subscription",
	                                           .subject = "sub_1",
	                                           .customer = stripe_customer_id,
	                                           .customer_id = hint}};
	bool is_new;

	fine(stripe_event_receive(&operation, &event, "{}", "webhook", &is_new));
}

static int64_t
payloads(void)
{
	return database_number(other, &task, "SELECT count(payload) FROM stripe_events");
}

/* A customer is deleted while an event about it is being processed: the deletion does not wait,
 * the end of the event waits for the deletion, and the payload is deleted. */
START_TEST(test_delete_beside_an_event)
{
	const char *stripe_id = arena_printf(task.arena, "cus_%s", customer_id + 5);
	struct actor actor;
	bool found;

	billing.sales.event_tries = 1;
	fine(customer_link_stripe(&operation, customer_id, stripe_id));
	receive_of(ends[_i].hint == NULL ? NULL : customer_id,
	           ends[_i].stripe_id == NULL ? NULL : stripe_id);
	open_actor(&actor);
	ck_assert_int_eq(db_begin(actor.operation.db, &actor.task), FAIL_NONE);
	ck_assert_int_eq(stripe_event_take(&actor.operation, &held, &found), FAIL_NONE);
	ck_assert(found);
	fine(db_begin(operation.db, &task));
	fine(account_delete(&operation, customer_id));
	go_and_wait(&actor, ends[_i].end);
	ck_assert_int_eq(payloads(), 1);
	fine(db_commit(operation.db, &task));
	join(&actor);
	ck_assert_int_eq(payloads(), 0);
	close_actor(&actor);
}
END_TEST

/* A call that updates the customer at Stripe. */
static enum fail
refuse_held(struct actor *actor)
{
	static const struct stripe_answer refusal = {
	        .outcome = STRIPE_REFUSED, .status = 404, .error_code = "resource_missing"};
	enum fail kind = stripe_call_failed(&actor->operation, &actor->call, &refusal);

	return kind == FAIL_STRIPE || kind == FAIL_NOT_FOUND ? FAIL_NONE : kind;
}

/* Deletes a customer while a call that names it is refused. */
START_TEST(test_delete_beside_a_call)
{
	struct stripe_call planned = {.kind = STRIPE_CUSTOMER_UPDATE,
	                              .customer_id = customer_id,
	                              .subject = "cus_1",
	                              .path = "/v1/customers/cus_1",
	                              .parameters = "email=jane%40mail.example"};
	struct actor actor;
	bool found;

	fine(stripe_call_write(&operation, &planned, 0, &planned));
	open_actor(&actor);
	ck_assert_int_eq(db_begin(actor.operation.db, &actor.task), FAIL_NONE);
	ck_assert_int_eq(stripe_call_take(&actor.operation, &actor.call, &found), FAIL_NONE);
	ck_assert(found);
	fine(db_begin(operation.db, &task));
	fine(account_delete(&operation, customer_id));
	go_and_wait(&actor, refuse_held);
	fine(db_commit(operation.db, &task));
	join(&actor);
	ck_assert_int_eq(database_number(other, &task,
	                                 "SELECT count(*) FROM stripe_calls WHERE state = "
	                                 "'failed' AND parameters = ''"),
	                 1);
	close_actor(&actor);
}
END_TEST

static enum fail
store_second(struct actor *actor)
{
	struct sold_subscription one = subscription(
	        arena_printf(actor->task.arena, "sub_b%s", customer_id + 5), "active", 1);

	TRY(db_begin(actor->operation.db, &actor->task));
	TRY(subscription_sync_store(&actor->operation, customer_id, &one, &actor->flag));
	return db_commit(actor->operation.db, &actor->task);
}

/* Two subscriptions of one customer are stored at once: one counts, as if stored in
 * sequence. */
START_TEST(test_store_at_once)
{
	struct actor actor;

	fine(db_begin(operation.db, &task));
	store_simple(arena_printf(task.arena, "sub_a%s", customer_id + 5), "active", 2);
	start_and_wait(&actor, store_second);
	fine(db_commit(operation.db, &task));
	join(&actor);
	ck_assert(actor.flag);
	subscriptions_are(arena_printf(task.arena,
	                               "sub_a%s:active- sub_b%s:active+ trial:canceled-",
	                               customer_id + 5, customer_id + 5));
	close_actor(&actor);
}
END_TEST

static struct contract contract;

/* As a sync does. */
static enum fail
link_contract(struct actor *actor)
{
	struct operation *by = &actor->operation;

	TRY(db_begin(by->db, by->task));
	TRY(contract_link(by, customer_id, contract.contract_id, "sub_c"));
	TRY(customer_lock(by, customer_id, &actor->flag));
	return db_commit(by->db, by->task);
}

/* The two transactions lock the customer first, so that neither ends the other. */
START_TEST(test_a_contract_is_linked_while_it_is_ended)
{
	const char *price = "{\"amount_minor\":1,\"currency\":\"eur\",\"interval\":\"month\"}";
	struct contract_input input = {
	        .plan = "enterprise", .billing = CONTRACT_STRIPE, .ends_at = AT(300)};
	const struct contract_end now = {.reason = NULL};
	struct actor actor;
	bool deleted;

	billing.sales.configured = true;
	ck_assert(json_view_try(task.arena, price, strlen(price), &input.price.object));
	fine(contract_create(&operation, customer_id, &input, &contract));
	fine(db_begin(operation.db, &task));
	fine(customer_lock(&operation, customer_id, &deleted));
	start_and_wait(&actor, link_contract);
	fine(contract_end(&operation, customer_id, contract.contract_id, &now, &contract));
	fine(db_commit(operation.db, &task));
	join(&actor);
	close_actor(&actor);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe races");
	TCase *tcase = tcase_create("stripe races");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_plan_at_once, 0, ROWS(plans));
	tcase_add_test(tcase, test_drop_beside_the_same_key);
	tcase_add_test(tcase, test_take_at_once);
	tcase_add_test(tcase, test_locks);
	tcase_add_test(tcase, test_finish_at_once);
	tcase_add_loop_test(tcase, test_delete_beside_an_event, 0, ROWS(ends));
	tcase_add_test(tcase, test_delete_beside_a_call);
	tcase_add_test(tcase, test_store_at_once);
	tcase_add_test(tcase, test_a_contract_is_linked_while_it_is_ended);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
