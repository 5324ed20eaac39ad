/* test_sweep.c: the comparison with Stripe, page by page: where it continues, what it finds,
 * and that it changes nothing when Stripe does not answer. Also our copies of invoices. */
#include "support/stripe_flow_fixture.h"

#include "outbox/account.h"
#include "outbox/enqueue.h"
#include "payments/invoices.h"
#include "subscriptions/subscriptions.h"
#include "sync/inbox.h"
#include "sync/sweep.h"

static void
setup(void)
{
	flow_setup();
	flow_change("test_fresh",
	            "UPDATE stripe_sweeps SET since = NULL, part = 0, after_id = '', "
	            "started_at = NULL, finished_at = NULL, differences = 0, "
	            "complete_to = NULL WHERE $1 <> '' AND $2::text IS NULL",
	            NULL);
}

static enum fail
run(enum fail (*sweep)(struct operation *operation, int64_t *done), int64_t wanted)
{
	int64_t done = 0;
	enum fail kind = sweep(&operation, &done);

	ck_assert_int_eq(done, wanted);
	db_rollback_to(operation.db, 0);
	task_clear(&task);
	return kind;
}

/* "part 0 after evt_9 found 2, under way": the state of a sweep. */
static const char *
sweep_now(const char *name)
{
	static const struct statement statement = {
	        .name = "test_sweep_now",
	        STRIPE_TEXT,
	        .sql = "SELECT 'part ' || part || ' after ' || after_id || ' found ' || "
	               "differences || CASE WHEN finished_at IS NOT NULL THEN ', finished' "
	               "WHEN "
	               "started_at IS NULL THEN ', new' ELSE ', under way' END AS text "
	               "FROM stripe_sweeps WHERE name = $1"};

	return stripe_text(&statement, PARAMETERS(name));
}

static const char *
events_now(void)
{
	static const struct statement statement = {
	        .name = "test_events_now",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(type || ' ' || COALESCE(subject, '-') || ' ' || "
	               "origin "
	               "|| ' ' || state, ', ' ORDER BY event_id) AS text FROM stripe_events"};

	return stripe_text(&statement, NO_PARAMETERS);
}

/* The query of the n-th request. */
static bool
query_has(size_t at, const char *what)
{
	return strstr(world.asked[at].http.url, what) != NULL;
}

#define EVENT(id, type)                                                                        \
	"{'id':'" id "','type':'" type "','data':{'object':{'id':'sub_1','object':"            \
	"'subscription','status':'active'}}}"

START_TEST(test_events)
{
	struct instant last;
	const char *since;

	SCRIPT(BODY("{'data':[" EVENT(
	               "evt_1",
	               "customer.subscription.updated") ",7,"
	                                                "{'id':'evt_2','type':'charge."
	                                                "succeeded','data':{'object':{}}}],"
	                                                "'has_more':true}"),
	       BROKEN,
	       BODY("{'data':[" EVENT("evt_3",
	                              "customer.subscription.deleted") "],'has_more':false}"),
	       BODY("{'data':[{'id':'evt_4','type':'charge.refunded','data':{'object':{'id':'"
	            "ch_1',"
	            "'object':'charge'}}}]}"));
	ck_assert_int_eq(run(stripe_sweep_run_events, 1), FAIL_NONE);
	ck_assert_str_eq(sweep_now("events"), "part 0 after evt_2 found 1, under way");
	/* Stripe is away: the sweep continues where it was. */
	ck_assert_int_eq(run(stripe_sweep_run_events, 1), FAIL_STRIPE);
	ck_assert_str_eq(sweep_now("events"), "part 0 after evt_2 found 1, under way");
	operation.now_ms += HOUR_MS;
	ck_assert_int_eq(run(stripe_sweep_run_events, 1), FAIL_NONE);
	ck_assert_str_eq(sweep_now("events"), "part 1 after  found 2, under way");
	/* Stripe lists 20 types at once: the others are another part. */
	ck_assert_int_eq(run(stripe_sweep_run_events, 1), FAIL_NONE);
	ck_assert_str_eq(sweep_now("events"), "part 1 after  found 3, finished");
	asked("GET /v1/events GET /v1/events GET /v1/events GET /v1/events");
	ck_assert(query_has(2, "types[19]=") && !query_has(2, "types[20]="));
	ck_assert(query_has(3, "types[0]=") && query_has(3, "charge.refunded"));
	ck_assert(!query_has(3, "starting_after"));
	since = arena_printf(task.arena, "=%lld&",
	                     (long long)((NOW_MS - 3 * DAY_MS) / SECOND_MS));
	ck_assert_msg(query_has(0, since), "%s", world.asked[0].http.url);
	ck_assert(!query_has(0, "starting_after") && query_has(2, "starting_after=evt_2"));
	ck_assert_str_eq(events_now(), "customer.subscription.updated sub_1 sweep pending, "
	                               "customer.subscription.deleted sub_1 sweep pending, "
	                               "charge.refunded ch_1 sweep pending");
	/* The next sweep compares from the time when this one began. */
	fine(stripe_sweep_last(&operation, "events", &last));
	ck_assert_int_eq(last.ms, NOW_MS);
}
END_TEST

/* A sweep runs every quarter of an hour or on demand, from an hour before the last one
 * began. */
START_TEST(test_events_again)
{
	SCRIPT(BODY("{'data':[]}"), BODY("{'data':[]}"), BODY("{'data':[],'has_more':true}"),
	       BODY("{'data':[]}"), BODY("{'data':[]}"));
	ck_assert_int_eq(run(stripe_sweep_run_events, 1), FAIL_NONE);
	ck_assert_int_eq(run(stripe_sweep_run_events, 1), FAIL_NONE);
	ck_assert_int_eq(run(stripe_sweep_run_events, 0), FAIL_NONE);
	operation.now_ms += 900 * SECOND_MS + 1;
	ck_assert_int_eq(run(stripe_sweep_run_events, 1), FAIL_NONE);
	ck_assert_int_eq(run(stripe_sweep_run_events, 1), FAIL_NONE);
	ck_assert(query_has(2, arena_printf(task.arena, "=%lld&",
	                                    (long long)((NOW_MS - HOUR_MS) / SECOND_MS))));
	ck_assert_str_eq(sweep_now("events"), "part 1 after  found 0, finished");
	ck_assert_int_eq(run(stripe_sweep_run_events, 0), FAIL_NONE);
	fine(stripe_sweep_make_all_due(&operation));
	ck_assert_int_eq(run(stripe_sweep_run_events, 1), FAIL_NONE);
}
END_TEST

/* First Stripe's list is compared, then our rows that were not in it. */
START_TEST(test_subscriptions)
{
	store_synced("sub_1", "active");
	store_synced("sub_2", "active");
	store_synced("sub_3", "canceled");
	SCRIPT(BODY("{'data':[" SUBSCRIPTION("past_due", "price_s") ",null]}"), REFUSED(404),
	       BODY("{'id':'acct_1','object':'account'}"));
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_NONE);
	ck_assert_str_eq(sweep_now("subscriptions"), "part 1 after  found 1, under way");
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_NONE);
	ck_assert_str_eq(sweep_now("subscriptions"), "part 1 after sub_2 found 2, finished");
	asked("GET /v1/subscriptions GET /v1/subscriptions/sub_2 GET /v1/account");
	ck_assert_str_eq(events_now(), "sweep.subscription sub_1 sweep pending, "
	                               "sweep.subscription.deleted sub_2 sweep pending");
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 0), FAIL_NONE);
}
END_TEST

static void
record_account(const char *account_id)
{
	fine(stripe_account_replace(&operation,
	                            &(struct stripe_account){.account_id = account_id}));
}

/* A key of another account finds no subscription. The sweep stops, and none has ended. */
START_TEST(test_other_account)
{
	record_account("acct_1");
	store_synced("sub_1", "active");
	SCRIPT(BODY("{'data':[]}"), REFUSED(404), BODY("{'id':'acct_2','object':'account'}"));
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_NONE);
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_STRIPE);
	ck_assert_str_eq(sweep_now("subscriptions"), "part 1 after  found 0, under way");
	ck_assert_str_eq(events_now(), "");
	subscriptions_are("sub_1:active+ trial:canceled-");
}
END_TEST

/* Changes the row of the sweeps as another process does while Stripe is asked. */
static void
change_meanwhile(const char *change)
{
	struct db *other = database_open(database_url(), DATABASE_PATIENT_MS, false);

	world.on_ask = NULL;
	database_script(other, &task, change);
	db_free(other);
}

static void
make_due(void)
{
	change_meanwhile("UPDATE stripe_sweeps SET started_at = NULL, finished_at = NULL");
}

/* A host of an older version does the same step; it locks the row, not the name. */
static void
do_step(void)
{
	change_meanwhile("UPDATE stripe_sweeps SET started_at = now(), part = 1 "
	                 "WHERE name = 'subscriptions'");
}

/* A step during which the sweep is changed keeps nothing. The next round goes on from the row. */
START_TEST(test_changed_meanwhile)
{
	static const struct {
		void (*change)(void);
		const char *left;
	} changes[] = {{make_due, "part 0 after  found 0, new"},
	               {do_step, "part 1 after  found 0, under way"}};

	store_synced("sub_1", "active");
	SCRIPT(BODY("{'data':[" SUBSCRIPTION("past_due", "price_s") "]}"));
	world.on_ask = changes[_i].change;
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 0), FAIL_NONE);
	ck_assert_str_eq(sweep_now("subscriptions"), changes[_i].left);
	ck_assert_str_eq(events_now(), "");
}
END_TEST

/* A sweep that was made due meanwhile does its first step again, once. */
START_TEST(test_made_due_meanwhile)
{
	store_synced("sub_1", "active");
	SCRIPT(BODY("{'data':[" SUBSCRIPTION("past_due", "price_s") "]}"),
	       BODY("{'data':[" SUBSCRIPTION("past_due", "price_s") "]}"));
	world.on_ask = make_due;
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 0), FAIL_NONE);
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_NONE);
	ck_assert_str_eq(sweep_now("subscriptions"), "part 1 after  found 1, under way");
	ck_assert_str_eq(events_now(), "sweep.subscription sub_1 sweep pending");
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_NONE);
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 0), FAIL_NONE);
	asked("GET /v1/subscriptions GET /v1/subscriptions");
}
END_TEST

/* No answer, or one that is no list, changes nothing. */
START_TEST(test_no_list)
{
	static const struct scripted answers[] = {BROKEN, SILENT, REFUSED(401), BODY("{}"),
	                                          BODY("{'data':{'id':'sub_1'}}")};

	store_synced("sub_1", "active");
	flow_script(&answers[_i], 1);
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_STRIPE);
	ck_assert_str_eq(sweep_now("subscriptions"), "part 0 after  found 0, new");
	ck_assert_str_eq(events_now(), "");
	subscriptions_are("sub_1:active+ trial:canceled-");
}
END_TEST

/* A subscription without a difference is not changed. */
START_TEST(test_same)
{
	store_synced("sub_1", "active");
	SCRIPT(BODY("{'data':[" SUBSCRIPTION("active", "price_s") "]}"));
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_NONE);
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_NONE);
	asked("GET /v1/subscriptions");
	ck_assert_str_eq(sweep_now("subscriptions"), "part 1 after  found 0, finished");
	ck_assert_str_eq(events_now(), "");
}
END_TEST

/* A subscription that was revoked here, and not cancelled at Stripe, does not become active again. */
START_TEST(test_parked_cancellation)
{
	static const char *const found[] = {"", "sweep.subscription sub_1 sweep pending"};

	store_synced("sub_1", "active");
	flow_change("test_revoke",
	            "UPDATE subscriptions SET status = 'canceled' WHERE customer_id = $1 "
	            "AND stripe_subscription_id = $2",
	            "sub_1");
	fine(stripe_cancel_enqueue(&operation, customer_id, "sub_1", ""));
	flow_change("test_park",
	            "UPDATE stripe_calls SET state = $2, next_try_at = NULL "
	            "WHERE customer_id = $1",
	            _i == 0 ? "parked" : "failed");
	SCRIPT(BODY("{'data':[" SUBSCRIPTION("active", "price_s") "]}"));
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_NONE);
	ck_assert_str_eq(events_now(), found[_i]);
}
END_TEST

/* The event about another end of a pause was lost. */
START_TEST(test_pause_that_changed)
{
	store_synced("sub_1", "active");
	flow_change("test_pause",
	            "UPDATE subscriptions SET pause_behavior = 'void', pause_resumes_at = "
	            "to_timestamp(1747000000) WHERE customer_id = $1 "
	            "AND stripe_subscription_id = $2",
	            "sub_1");
	SCRIPT({.status = 200,
	        .body = arena_printf(
	                task.arena,
	                "{'data':[{'id':'sub_1','object':'subscription','customer':'cus_1',"
	                "'status':'active','pause_collection':{'behavior':'void',"
	                "'resumes_at':%d},'items':{'data':[{'price':{'id':'price_s'},"
	                "'current_period_end':1747000000}]}}]}",
	                1747000000 + _i)});
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_NONE);
	ck_assert_str_eq(events_now(), _i == 0 ? "" : "sweep.subscription sub_1 sweep pending");
}
END_TEST

static const char *
unpaid_periods(void)
{
	static const struct statement statement = {
	        .name = "test_unpaid_periods",
	        STRIPE_TEXT,
	        .sql = "SELECT count(period_unpaid_from)::text AS text FROM subscriptions"};

	return stripe_text(&statement, NO_PARAMETERS);
}

/* The charge of the period was paid, and its event was lost. Stripe's list does not show it. */
START_TEST(test_charge_that_was_paid)
{
	store_synced("sub_1", "active");
	flow_change("test_unpaid",
	            "UPDATE subscriptions SET period_unpaid_from = to_timestamp(1739580000) "
	            "WHERE customer_id = $1 AND stripe_subscription_id = $2",
	            "sub_1");
	SCRIPT(BODY("{'data':[" SUBSCRIPTION("active", "price_s") "]}"),
	       BODY(SUBSCRIPTION("active", "price_s")));
	ck_assert_int_eq(run(stripe_sweep_run_subscriptions, 1), FAIL_NONE);
	ck_assert_str_eq(sweep_now("subscriptions"), "part 1 after  found 0, under way");
	ck_assert_str_eq(events_now(), "sweep.subscription sub_1 sweep pending");
	ck_assert_str_eq(unpaid_periods(), "1");
	ck_assert_int_eq(flow_run(stripe_inbox_run), FAIL_NONE);
	ck_assert_str_eq(unpaid_periods(), "0");
	asked("GET /v1/subscriptions GET /v1/subscriptions/sub_1");
}
END_TEST

static bool
store_invoice(const char *id, int64_t day, const char *status)
{
	const struct stripe_invoice invoice = {.id = id,
	                                       .status = status,
	                                       .currency = "usd",
	                                       .amount_due = 2900,
	                                       .created = AT(day)};
	bool changed;

	fine(invoice_store(&operation, customer_id, &invoice, &changed));
	return changed;
}

START_TEST(test_invoices)
{
	struct page page = {.limit = 2};
	const struct invoice *rows;
	size_t count;

	fine(invoice_list(&operation, customer_id, &page, &rows, &count));
	ck_assert_uint_eq(count, 0);
	ck_assert(store_invoice("in_1", 1, "draft"));
	ck_assert(!store_invoice("in_1", 1, "draft"));
	ck_assert(store_invoice("in_1", 1, "open"));
	ck_assert(store_invoice("in_2", 2, "paid"));
	ck_assert(store_invoice("in_3", 2, "paid"));
	fine(invoice_list(&operation, customer_id, &page, &rows, &count));
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(rows[0].invoice_id, "in_3");
	ck_assert_str_eq(rows[1].invoice_id, "in_2");
	fine(page_read(&task, 2, page.next, &page));
	ck_assert_int_eq(page.at.ms, rows[1].created_at.ms);
	ck_assert_str_eq(page.id, "in_2");
	fine(invoice_list(&operation, customer_id, &page, &rows, &count));
	ck_assert_ptr_null(page.next);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(rows[0].invoice_id, "in_1");
	ck_assert_str_eq(rows[0].status, "open");
	ck_assert_int_eq(rows[0].amount_due, 2900);
	fine(invoice_gone(&operation, "in_1"));
	stripe_customer();
	page = (struct page){.limit = 2};
	fine(invoice_list(&operation, customer_id, &page, &rows, &count));
	ck_assert_uint_eq(count, 0);
	refused(invoice_list(&operation, "cust_00000000000000000000000000000000", &page, &rows,
	                     &count),
	        FAIL_NOT_FOUND, "customer_not_found");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe sweep");
	TCase *tcase = tcase_create("stripe sweep");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, flow_teardown);
	tcase_add_test(tcase, test_events);
	tcase_add_test(tcase, test_events_again);
	tcase_add_test(tcase, test_subscriptions);
	tcase_add_loop_test(tcase, test_no_list, 0, 5);
	tcase_add_test(tcase, test_other_account);
	tcase_add_loop_test(tcase, test_changed_meanwhile, 0, 2);
	tcase_add_test(tcase, test_made_due_meanwhile);
	tcase_add_test(tcase, test_same);
	tcase_add_loop_test(tcase, test_parked_cancellation, 0, 2);
	tcase_add_loop_test(tcase, test_pause_that_changed, 0, 2);
	tcase_add_test(tcase, test_charge_that_was_paid);
	tcase_add_test(tcase, test_invoices);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
