/* test_subscriptions.c: the changes and records that storing a subscription makes. */
#include "support/subscription_sync_fixture.h"

#include "base/random.h"
#include "billing/access.h"
#include "billing/customers.h"
#include "billing/scheduled_plans.h"
#include "subscriptions/second_subscriptions.h"
#include "sync/events.h"

static struct subscription
current(void)
{
	struct subscription out;

	fine(subscription_find(&operation, customer_id, &out));
	return out;
}

/* Our trial ends when a subscription at Stripe has begun, but not for one that never began. */
static const struct {
	const char *status;
	bool ends;
} trials[] = {
        {"trialing", true},  {"active", true},      {"past_due", true},
        {"unpaid", true},    {"paused", true},      {"canceled", true},
        {"invented", false}, {"incomplete", false}, {"incomplete_expired", false},
};

START_TEST(test_trial)
{
	int64_t version = current().version;

	store_simple("sub_a", trials[_i].status, 1);
	ck_assert_ptr_nonnull(strstr(subscriptions_now(),
	                             trials[_i].ends ? "trial:canceled-" : "trial:trialing+"));
	if (trials[_i].ends)
		ck_assert_str_eq(current().stripe_subscription_id, "sub_a");
	else
		ck_assert_int_eq(current().version, version);
}
END_TEST

/* Values that are stored already are neither stored again nor recorded in the audit trail. */
START_TEST(test_same)
{
	struct sold_subscription one = subscription("sub_a", "active", 1);
	int64_t version;

	ck_assert(store(&one));
	version = current().version;
	ck_assert(!store(&one));
	ck_assert_int_eq(current().version, version);
	ck_assert_int_eq(audited("subscription_sync"), 1);
	one.item.period_end = AT(50);
	ck_assert(store(&one));
	ck_assert_int_gt(current().version, version);
	ck_assert_int_eq(current().current_period_ends_at.ms, AT(50).ms);
	/* Our period stays when Stripe's object has none. */
	one.item.period_end = INSTANT_NONE;
	ck_assert(!store(&one));
	ck_assert_int_eq(current().current_period_ends_at.ms, AT(50).ms);
}
END_TEST

/* clang-format off */
static const struct {
	const char *what, *status, *plan;
	bool at_period_end, gone;
	bool revoked; /* the previous licence */
} rights[] = {
	{"canceled", "canceled", "professional", false, false, true},
	{"unpaid", "unpaid", "professional", false, false, true},
	{"paused", "paused", "professional", false, false, true},
	{"a smaller plan", "active", "starter", false, false, true},
	{"unknown to Stripe", "active", "professional", false, true, true},
	{"a larger plan", "active", "enterprise", false, false, false},
	{"a failed payment", "past_due", "professional", false, false, false},
	{"the end of the period", "active", "professional", true, false, false},
};
/* clang-format on */

/* The transaction that stores a reduced plan revokes the licences of the larger one. */
START_TEST(test_rights_that_end)
{
	struct sold_subscription one = subscription("sub_a", "active", 1);

	one.plan = "professional";
	one.item.period_end = INSTANT_MS(operation.now_ms + 30 * DAY_MS);
	(void)store(&one);
	/* The test is one transaction, and has no signing key. */
	database_script(
	        operation.db, &task,
	        arena_printf(task.arena,
	                     "INSERT INTO licenses (jti, customer_id, kid, plan, reason, "
	                     "fingerprint, issued_at, expires_at) "
	                     "VALUES ('lic_k', '%s', 'k', 'professional', 'first', '', "
	                     "'2020-01-01', '2100-01-01')",
	                     customer_id));
	one.stripe.status = rights[_i].status;
	one.plan = rights[_i].plan;
	one.stripe.cancel_at_period_end = rights[_i].at_period_end;
	if (rights[_i].gone)
		fine(subscription_sync_gone(&operation, "sub_a"));
	else
		ck_assert(store(&one));
	ck_assert_msg(database_number(operation.db, &task,
	                              "SELECT count(*) FROM licenses WHERE jti = 'lic_k' AND "
	                              "revoked_at IS NOT NULL") == (rights[_i].revoked ? 1 : 0),
	              "%s", rights[_i].what);
	ck_assert_int_eq(audited("license_revoke"), rights[_i].revoked ? 1 : 0);
}
END_TEST

/* A change of any one member is stored. */
START_TEST(test_each_change)
{
	struct sold_subscription one = subscription("sub_a", "active", 1), other = one;

	(void)store(&one);
	switch (_i) {
	case 0:
		other.stripe.status = "past_due";
		break;
	case 1:
		other.plan = "professional";
		break;
	case 2:
		other.item.price_id = "price_sy";
		break;
	case 3:
		other.stripe.trial_end = AT(11);
		break;
	case 4:
		other.item.period_end = AT(21);
		break;
	case 5:
		other.stripe.cancel_at = AT(20);
		break;
	case 6:
		other.stripe.canceled_at = AT(2);
		break;
	case 7:
		other.stripe.ended_at = AT(3);
		break;
	default:
		other.stripe.cancel_at_period_end = true;
		break;
	}
	ck_assert(store(&other));
	ck_assert(!store(&other));
	ck_assert(store(&one));
	ck_assert_int_eq(audited("subscription_sync"), 3);
}
END_TEST

START_TEST(test_trial_without_end)
{
	struct sold_subscription one = subscription("sub_a", "trialing", 1);

	one.stripe.trial_end = INSTANT_NONE;
	(void)store(&one);
	ck_assert_int_eq(current().trial_ends_at.ms, one.item.period_end.ms);
	one = subscription("sub_b", "trialing", 0);
	one.stripe.trial_end = one.item.period_end = INSTANT_NONE;
	(void)store(&one);
	ck_assert_str_eq(current().stripe_subscription_id, "sub_b");
	ck_assert_int_eq(current().trial_ends_at.ms, NOW_MS);
}
END_TEST

static int64_t
cancels_planned(const char *id)
{
	static const struct statement statement = {
	        .name = "test_cancels_planned",
	        STRIPE_NUMBER,
	        .sql = "SELECT count(*) AS number FROM stripe_calls WHERE customer_id = $1 AND "
	               "subject = $2 AND kind = 'subscription_cancel' AND state = 'pending'"};

	return stripe_number(&statement, PARAMETERS(customer_id, id));
}

/* A second live subscription is reported at each change, and cancelled once if the policy says
 * so. */
START_TEST(test_second)
{
	int64_t before, after;

	billing.sales.cancel_second = _i == 1;
	fine(second_subscriptions_count(&operation, &before));
	store_simple("sub_a", "active", 1);
	ck_assert_int_eq(audited("second_subscription"), 0);
	store_simple("sub_b", "active", 2);
	ck_assert_int_eq(audited("second_subscription"), 1);
	fine(second_subscriptions_count(&operation, &after));
	ck_assert_int_eq(after, before + 1);
	store_simple("sub_b", "past_due", 2);
	ck_assert_int_eq(cancels_planned("sub_a"), 0);
	ck_assert_int_eq(cancels_planned("sub_b"), _i);
	store_simple("sub_b", "canceled", 2);
	fine(second_subscriptions_count(&operation, &after));
	ck_assert_int_eq(after, before);
	subscriptions_are("sub_a:active+ sub_b:canceled- trial:canceled-");
}
END_TEST

/* Each of several second subscriptions is cancelled, also while the cancellation of another is pending. */
START_TEST(test_several_seconds)
{
	billing.sales.cancel_second = true;
	store_simple("sub_a", "active", 1);
	store_simple("sub_b", "active", 2);
	store_simple("sub_c", "active", 3);
	ck_assert_int_eq(cancels_planned("sub_a"), 0);
	ck_assert_int_eq(cancels_planned("sub_b"), 1);
	ck_assert_int_eq(cancels_planned("sub_c"), 1);
}
END_TEST

/* A cancellation that is pending, or parked until an operator sends it again, and then the other subscription
 * counts less: not both are cancelled. One that was given up leaves nothing to wait for. */
START_TEST(test_the_choice_changes_during_a_cancellation)
{
	static const struct statement statement = {
	        .name = "test_cancel_ends",
	        .sql = "UPDATE stripe_calls SET state = $2, next_try_at = NULL "
	               "WHERE customer_id = $1 AND kind = 'subscription_cancel'"};
	static const char *const states[] = {"pending", "parked", "failed"};

	billing.sales.cancel_second = true;
	store_simple("sub_a", "active", 1);
	store_simple("sub_b", "active", 2);
	if (_i > 0)
		fine(db_run(operation.db, &task, &statement,
		            PARAMETERS(customer_id, states[_i]), NULL));
	store_simple("sub_a", "past_due", 1);
	subscriptions_are("sub_a:past_due- sub_b:active+ trial:canceled-");
	ck_assert_int_eq(cancels_planned("sub_a"), _i == 2 ? 1 : 0);
}
END_TEST

/* A subscription that was never paid or has ended is no second one. */
START_TEST(test_no_second)
{
	static const char *const statuses[] = {"incomplete", "canceled", "incomplete_expired"};

	billing.sales.cancel_second = true;
	store_simple("sub_a", "active", 1);
	store_simple("sub_b", statuses[_i], 2);
	ck_assert_int_eq(audited("second_subscription"), 0);
	ck_assert_int_eq(cancels_planned("sub_b"), 0);
}
END_TEST

/* A price that is not ours is refused for a new subscription; a known one keeps its plan. */
START_TEST(test_unknown_price)
{
	struct sold_subscription one = subscription("sub_a", "active", 1);
	bool changed;

	one.plan = NULL;
	one.item.price_id = "price_other";
	ck_assert_int_eq(subscription_sync_store(&operation, customer_id, &one, &changed),
	                 FAIL_CONFLICT);
	ck_assert_str_eq(task.failure.code, "unknown_price");
	task_clear(&task);
	store_simple("sub_a", "active", 1);
	one.stripe.status = "past_due";
	ck_assert(store(&one));
	ck_assert_str_eq(current().plan, "starter");
	ck_assert_str_eq(current().status, "past_due");
	ck_assert_str_eq(current().stripe_price_id, "price_other");
	ck_assert(!store(&one));
}
END_TEST

/* A subscription with two prices of plans is reported at each change while it is live. */
START_TEST(test_several_plans)
{
	struct sold_subscription one = subscription("sub_a", "active", 1);

	one.plan_items = 1;
	ck_assert(store(&one));
	ck_assert_int_eq(audited("several_plans"), 0);
	one.plan_items = 2;
	one.plan = "professional";
	ck_assert(store(&one));
	ck_assert(!store(&one));
	ck_assert_int_eq(audited("several_plans"), 1);
	one.stripe.status = "canceled";
	ck_assert(store(&one));
	ck_assert_int_eq(audited("several_plans"), 1);
}
END_TEST

/* An event of the invoice, with the day of NOW_MS when Stripe wrote it. */
static void
receive(const char *type, const char *invoice, int64_t day)
{
	const struct stripe_event event = {
	        .id = random_id(task.arena, "evt_", 12),
	        .type = type,
	        .created = AT(day),
	        .ref = {.family = "invoice", .subject = invoice, .customer = customer_id}};
	bool is_new;

	fine(stripe_event_receive(&operation, &event, NULL, "webhook", &is_new));
}

static void
past_due_since(const struct sold_subscription *one, int64_t day)
{
	(void)store(one);
	ck_assert_int_eq(current().past_due_since.ms, AT(day).ms);
}

static void
unpaid_from_is(struct instant from)
{
	struct synced_subscription row;
	bool found;

	fine(subscription_sync_find(&operation, "sub_a", &row, &found));
	ck_assert(found);
	ck_assert_int_eq(row.period_unpaid_from.known, from.known);
	if (from.known)
		ck_assert_int_eq(row.period_unpaid_from.ms, from.ms);
}

/* The period has begun, and the charge for it is on its way. An answer of Stripe's that does not show the
 * invoice tells nothing of it. */
START_TEST(test_payment_on_its_way)
{
	struct sold_subscription one = subscription("sub_a", "active", 1);

	one.item.period_start = AT(0);
	one.stripe.shows_invoice = one.stripe.invoice_waits = true;
	one.stripe.invoice_created = AT(0);
	ck_assert(store(&one));
	unpaid_from_is(AT(0));
	ck_assert(!store(&one));
	one.stripe.shows_invoice = one.stripe.invoice_waits = false;
	ck_assert(!store(&one));
	unpaid_from_is(AT(0));
	one.stripe.shows_invoice = true;
	ck_assert(store(&one));
	unpaid_from_is(INSTANT_NONE);
	ck_assert(!store(&one));
}
END_TEST

/* Grace begins with the first failed payment of the open invoice, in whatever order its events
 * come. Without an event it begins when we see that the subscription is past due. */
START_TEST(test_first_failed_payment)
{
	struct sold_subscription one = subscription("sub_a", "past_due", 1);

	one.stripe.unpaid_invoice = random_id(task.arena, "in_", 12);
	receive("invoice.finalized", one.stripe.unpaid_invoice, -10);
	receive("invoice.payment_failed", random_id(task.arena, "in_", 12), -9);
	past_due_since(&one, 0);
	receive("invoice.payment_failed", one.stripe.unpaid_invoice, -1);
	past_due_since(&one, -1);
	ck_assert(!store(&one));
	receive("invoice.payment_failed", one.stripe.unpaid_invoice, -3);
	past_due_since(&one, -3);
	/* A later attempt, and the invoice of the next period, do not begin grace anew. */
	operation.now_ms += DAY_MS;
	receive("invoice.payment_failed", one.stripe.unpaid_invoice, 1);
	past_due_since(&one, -3);
	one.stripe.unpaid_invoice = random_id(task.arena, "in_", 12);
	one.item.period_end = AT(60);
	past_due_since(&one, -3);
	one.stripe.status = "active";
	(void)store(&one);
	ck_assert(!current().past_due_since.known);
	one.stripe.status = "past_due";
	past_due_since(&one, 1);
}
END_TEST

/* An invoice that is sent is late from the day on when it is due; a failed attempt to pay it
 * earlier does not count. */
START_TEST(test_due_invoice)
{
	struct sold_subscription one = subscription("sub_a", "past_due", 1);

	receive("invoice.payment_failed", "in_due", -20);
	/* The next period's invoice is not due yet. */
	one.stripe.due_at = AT(30);
	past_due_since(&one, 0);
	one.stripe.due_at = AT(-2);
	past_due_since(&one, -2);
}
END_TEST

/* clang-format off */
static const struct {
	const char *behavior;
	int64_t resumes; /* the day; 0: not known */
	int64_t ends;    /* the day on which access ends; 0: it does not */
} pauses[] = {
	{"void", 0, 20},
	{"keep_as_draft", 0, 20},
	{"mark_uncollectible", 0, 0},
	{"void", 20, 0},
	{"void", 21, 20},
	{NULL, 0, 0},
};
/* clang-format on */

/* The status in the list of customers is that of the subscription, at any time. */
static void
listed_alike(void)
{
	static const int64_t days[] = {0, 19, 20, 21, 25, 60};
	const struct subscription subscription = current();
	const struct customer_filter filter = {.stripe = "sub_a"};
	const struct customer *rows;
	size_t count;

	for (size_t i = 0; i < sizeof(days) / sizeof(*days); i++) {
		struct page page = {.limit = 2};

		operation.now_ms = AT(days[i]).ms;
		fine(customer_list(&operation, &filter, &page, &rows, &count));
		ck_assert_uint_eq(count, 1);
		ck_assert_str_eq(rows[0].status, access_status(&subscription, AT(days[i]).ms));
	}
	operation.now_ms = NOW_MS;
}

static void
ends_access(int64_t day)
{
	const struct subscription subscription = current();
	struct access_end end = access_early_end(&subscription, operation.now_ms);

	ck_assert(end.at.known == (day > 0));
	if (day > 0)
		ck_assert_int_eq(end.at.ms, AT(day).ms);
	listed_alike();
}

/* A pause ends access with the period in which it began, whatever the next periods are. */
START_TEST(test_pause)
{
	struct sold_subscription one = subscription("sub_a", "active", 1);
	int64_t known = _i % 2;

	billing.sales.pause_ends_access = true;
	/* The first sight of a subscription may be a paused one. */
	if (known)
		(void)store(&one);
	one.stripe.pause_behavior = pauses[_i].behavior;
	one.stripe.pause_resumes_at =
	        pauses[_i].resumes > 0 ? AT(pauses[_i].resumes) : INSTANT_NONE;
	ck_assert(store(&one) == (!known || pauses[_i].behavior != NULL));
	for (int period = 0; period < 2; period++) {
		ends_access(pauses[_i].ends);
		ck_assert(!store(&one));
		one.item.period_end = AT(50);
		(void)store(&one);
	}
	one.stripe.pause_behavior = NULL;
	one.stripe.pause_resumes_at = INSTANT_NONE;
	ck_assert(store(&one) == (pauses[_i].behavior != NULL));
	ck_assert(!current().pause_ends_access_at.known);
	ck_assert_ptr_null(current().pause_behavior);
}
END_TEST

/* Another time at which the pause is over does not change in which period it began. */
START_TEST(test_pause_is_prolonged)
{
	struct sold_subscription one = subscription("sub_a", "active", 1);

	billing.sales.pause_ends_access = true;
	one.stripe.pause_behavior = "void";
	one.stripe.pause_resumes_at = AT(20);
	(void)store(&one);
	ends_access(0);
	one.item.period_end = AT(50);
	(void)store(&one);
	ends_access(0);
	one.stripe.pause_resumes_at = AT(40);
	(void)store(&one);
	ends_access(20);
	one.stripe.pause_resumes_at = AT(15);
	(void)store(&one);
	ends_access(0);
	/* The first pause is over, and the event about that was lost: another one has begun. */
	operation.now_ms = AT(30).ms;
	one.stripe.pause_resumes_at = INSTANT_NONE;
	(void)store(&one);
	ends_access(50);
}
END_TEST

START_TEST(test_pause_that_keeps_access)
{
	struct sold_subscription one = subscription("sub_a", "active", 1);

	one.stripe.pause_behavior = "void";
	(void)store(&one);
	ck_assert(!current().pause_ends_access_at.known);
	ck_assert_str_eq(current().pause_behavior, "void");
}
END_TEST

static void
schedule(const char *plan)
{
	fine(subscription_schedule(&operation, current().stripe_subscription_id, plan, NULL,
	                           INSTANT_NONE));
}

/* A scheduled plan stays until the subscription has it or has ended. */
START_TEST(test_schedule)
{
	struct sold_subscription one = subscription("sub_a", "active", 1);

	one.plan = "professional";
	(void)store(&one);
	schedule("starter");
	one.item.period_end = AT(50);
	(void)store(&one);
	ck_assert_str_eq(current().scheduled_plan, "starter");
	one.plan = "starter";
	(void)store(&one);
	ck_assert_ptr_null(current().scheduled_plan);
	schedule("professional");
	one.stripe.status = "canceled";
	(void)store(&one);
	ck_assert_ptr_null(current().scheduled_plan);
}
END_TEST

START_TEST(test_gone)
{
	store_simple("sub_a", "active", 1);
	schedule("professional");
	fine(subscription_sync_gone(&operation, "sub_unknown"));
	subscriptions_are("sub_a:active+ trial:canceled-");
	fine(subscription_sync_gone(&operation, "sub_a"));
	subscriptions_are("sub_a:canceled+ trial:canceled-");
	ck_assert_int_eq(current().ended_at.ms, NOW_MS);
	ck_assert_ptr_null(current().scheduled_plan);
	ck_assert_int_eq(audited("subscription_sync"), 2);
	operation.now_ms += DAY_MS;
	fine(subscription_sync_gone(&operation, "sub_a"));
	ck_assert_int_eq(current().ended_at.ms, NOW_MS);
	ck_assert_int_eq(audited("subscription_sync"), 2);
}
END_TEST

/* Another subscription counts when the first does not exist any more. */
START_TEST(test_gone_leaves_another)
{
	store_simple("sub_a", "active", 1);
	store_simple("sub_b", "past_due", 2);
	fine(subscription_sync_gone(&operation, "sub_a"));
	subscriptions_are("sub_a:canceled- sub_b:past_due+ trial:canceled-");
}
END_TEST

/* The ids of rows, in their order. */
static const char *
ids_of(const struct synced_subscription *rows, size_t count)
{
	struct text out = text_new(task.arena, 64);

	for (size_t i = 0; i < count; i++)
		if (text_equal(rows[i].customer_id, customer_id))
			text_printf(&out, "%s ", rows[i].stripe_subscription_id);
	return out.data;
}

START_TEST(test_lists)
{
	static const char *const ids[] = {"sub_b", "sub_nobody"};
	const struct synced_subscription *rows;
	size_t count;

	store_simple("sub_a", "active", 1);
	store_simple("sub_b", "past_due", 2);
	store_simple("sub_c", "canceled", 3);
	store_simple("sub_d", "incomplete", 4);
	fine(subscription_sync_open(&operation, customer_id, "", 100, &rows, &count));
	ck_assert_str_eq(ids_of(rows, count), "sub_a sub_b sub_d ");
	fine(subscription_sync_open(&operation, customer_id, "sub_a", 1, &rows, &count));
	ck_assert_str_eq(ids_of(rows, count), "sub_b ");
	fine(subscription_sync_open(&operation, "cus_other", "", 100, &rows, &count));
	ck_assert_uint_eq(count, 0);
	fine(subscription_sync_open(&operation, NULL, "", 1000000, &rows, &count));
	ck_assert_str_eq(ids_of(rows, count), "sub_a sub_b sub_d ");
	fine(subscription_sync_seen(&operation, &(struct string_list){true, 2, ids},
	                            INSTANT_MS(operation.now_ms)));
	fine(subscription_sync_unseen(&operation, AT(0), "", 1000000, &rows, &count));
	ck_assert_str_eq(ids_of(rows, count), "sub_a sub_d ");
	fine(subscription_sync_unseen(&operation, AT(0), "sub_a", 1000000, &rows, &count));
	ck_assert_str_eq(ids_of(rows, count), "sub_d ");
	fine(subscription_sync_unseen(&operation, AT(1), "", 1000000, &rows, &count));
	ck_assert_str_eq(ids_of(rows, count), "sub_a sub_b sub_d ");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("subscriptions");
	TCase *tcase = tcase_create("subscriptions");

	tcase_add_checked_fixture(tcase, sync_setup, fixture_teardown);
	tcase_add_loop_test(tcase, test_trial, 0, ROWS(trials));
	tcase_add_loop_test(tcase, test_rights_that_end, 0, ROWS(rights));
	tcase_add_test(tcase, test_same);
	tcase_add_loop_test(tcase, test_each_change, 0, 9);
	tcase_add_test(tcase, test_trial_without_end);
	tcase_add_loop_test(tcase, test_second, 0, 2);
	tcase_add_loop_test(tcase, test_no_second, 0, 3);
	tcase_add_test(tcase, test_several_seconds);
	tcase_add_loop_test(tcase, test_the_choice_changes_during_a_cancellation, 0, 3);
	tcase_add_test(tcase, test_unknown_price);
	tcase_add_test(tcase, test_several_plans);
	tcase_add_test(tcase, test_payment_on_its_way);
	tcase_add_test(tcase, test_first_failed_payment);
	tcase_add_test(tcase, test_due_invoice);
	tcase_add_loop_test(tcase, test_pause, 0, ROWS(pauses));
	tcase_add_test(tcase, test_pause_is_prolonged);
	tcase_add_test(tcase, test_pause_that_keeps_access);
	tcase_add_test(tcase, test_schedule);
	tcase_add_test(tcase, test_gone);
	tcase_add_test(tcase, test_gone_leaves_another);
	tcase_add_test(tcase, test_lists);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
