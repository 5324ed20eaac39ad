/* subscriptions.c: our copies of Stripe's subscriptions, and which one of a customer counts. */
#include "subscriptions/subscriptions.h"

#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "billing/subscription_events.h"
#include "issuing/license_rights.h"
#include "outbox/call_records.h"
#include "outbox/enqueue.h"
#include "subscriptions/bought.h"
#include "subscriptions/recurring.h"
#include "subscriptions/second_subscriptions.h"
#include "subscriptions/subscription_audit.h"
#include "subscriptions/unknown_prices.h"

static const struct column columns[] =
        COLUMNS(struct synced_subscription, customer_id, stripe_subscription_id, plan, status,
                current_period_ends_at, period_unpaid_from, trial_ends_at, cancel_at_period_end,
                cancel_at, pause_behavior, pause_resumes_at, quantity, addons, superseded,
                contract_id, recurring);
static const struct column found_columns[] =
        COLUMNS(struct synced_subscription, customer_id, stripe_subscription_id, plan, status,
                current_period_ends_at, period_unpaid_from, trial_ends_at, cancel_at_period_end,
                cancel_at, pause_behavior, pause_resumes_at, quantity, addons, superseded,
                contract_id, recurring, must_end);

#define ROW ROWS_OF(struct synced_subscription, columns)
#define SYNCED                                                                                 \
	"s.customer_id, s.stripe_subscription_id, s.plan, s.status, "                          \
	"s.current_period_ends_at, s.period_unpaid_from, s.trial_ends_at, "                    \
	"s.cancel_at_period_end, s.cancel_at, s.pause_behavior, s.pause_resumes_at, "          \
	"COALESCE(s.quantity, 1) AS quantity, s.addons::text AS addons, s.superseded, "        \
	"s.contract_id, s.recurring"
#define FINAL "('canceled', 'incomplete_expired')"
#define BEST                                                                                   \
	"(SELECT subscription_id FROM subscriptions WHERE customer_id = $1 "                   \
	"AND contract_id IS NULL ORDER BY "                                                    \
	"CASE WHEN status IN ('trialing', 'active') THEN 0 WHEN status = 'past_due' THEN 1 "   \
	"  WHEN status IN " FINAL " THEN 3 ELSE 2 END, "                                       \
	"stripe_subscription_id IS NULL, "                                                     \
	"CASE WHEN status IN " FINAL " THEN NULL ELSE created_at END, created_at DESC, "       \
	"stripe_subscription_id, subscription_id DESC LIMIT 1)"

enum {
	STORE,
	KEEP_RECURRING,
	END_TRIAL,
	SUPERSEDE,
	RESTORE,
	GONE,
	FIND,
	END_IS_OURS,
	OPEN,
	OPEN_OF,
	SEEN,
	UNSEEN
};

extern const char subscriptions_store_sql[]; /* store.sql */

static const struct statement statements[] = {
        [STORE] = {"subscription_sync_store", .sql = subscriptions_store_sql},
        /* It changes no licence, so the version stays. */
        [KEEP_RECURRING] = {"subscription_sync_keep_recurring",
                            .sql = "UPDATE subscriptions SET recurring = $2 "
                                   "WHERE stripe_subscription_id = $1"},
        /* A trial of ours ends when a subscription at Stripe has begun, even if that has ended
         * or is paused: the result must not depend on when we saw it. */
        [END_TRIAL] = {"subscription_sync_end_trial",
                       .sql = "UPDATE subscriptions SET status = 'canceled', ended_at = $2, "
                              "version = version + 1, updated_at = $2 "
                              "WHERE customer_id = $1 AND stripe_subscription_id IS NULL "
                              "AND contract_id IS NULL "
                              "AND status NOT IN " FINAL " AND EXISTS (SELECT FROM "
                              "  subscriptions WHERE customer_id = $1 AND "
                              "  contract_id IS NULL AND "
                              "  stripe_subscription_id IS NOT NULL AND status IN ('trialing', "
                              "  'active', 'past_due', 'unpaid', 'paused', 'canceled'))"},
        [SUPERSEDE] = {"subscription_sync_supersede",
                       .sql = "UPDATE subscriptions SET superseded = true, "
                              "version = version + 1 WHERE customer_id = $1 "
                              "AND NOT superseded AND contract_id IS NULL "
                              "AND subscription_id <> " BEST},
        [RESTORE] = {"subscription_sync_restore",
                     .sql = "UPDATE subscriptions SET superseded = false, "
                            "version = version + 1 WHERE customer_id = $1 "
                            "AND superseded AND subscription_id = " BEST},
        [GONE] = {"subscription_sync_gone",
                  .sql = "UPDATE subscriptions SET status = 'canceled', "
                         "cancel_at_period_end = false, scheduled_plan = NULL, "
                         "ended_at = COALESCE(ended_at, $2), version = version + 1, "
                         "updated_at = $2 WHERE stripe_subscription_id = $1 "
                         "AND status NOT IN " FINAL},
        [FIND] = {"subscription_sync_find", ROWS_OF(struct synced_subscription, found_columns),
                  .sql = "SELECT " SYNCED ", EXISTS (SELECT FROM payment_reversals r "
                         "  WHERE r.stripe_subscription_id = $1 "
                         "  AND r.access_ends_at IS NOT NULL "
                         "  AND r.lifted_at IS NULL) AS must_end "
                         "FROM subscriptions s WHERE s.stripe_subscription_id = $1"},
        /* The customer's last wish was to go on: access that is given back takes this end back,
	 * too. */
        [END_IS_OURS] = {"subscription_sync_end_is_ours",
                         .sql = "UPDATE payment_reversals SET ends_subscription = true, "
                                "other_end_at = $2 WHERE stripe_subscription_id = $1 "
                                "AND access_ends_at IS NOT NULL AND NOT ends_subscription "
                                "AND lifted_at IS NULL"},
        [OPEN] = {"subscription_sync_open", ROW,
                  .sql = "SELECT " SYNCED " FROM subscriptions s "
                         "WHERE s.stripe_subscription_id > $1 AND s.status NOT IN " FINAL
                         " ORDER BY s.stripe_subscription_id LIMIT $2::bigint"},
        [OPEN_OF] = {"subscription_sync_open_of", ROW,
                     .sql = "SELECT " SYNCED " FROM customers c JOIN subscriptions s "
                            "ON s.customer_id = c.customer_id WHERE c.stripe_customer_id = $3 "
                            "AND s.stripe_subscription_id > $1 AND s.status NOT IN " FINAL
                            " ORDER BY s.stripe_subscription_id LIMIT $2::bigint"},
        [SEEN] = {"subscription_sync_seen", .sql = "WITH unknown AS (UPDATE "
                                                   "  stripe_unknown_prices SET seen_at = $2 "
                                                   "  WHERE stripe_subscription_id = ANY ($1)) "
                                                   "UPDATE subscriptions SET seen_at = $2 "
                                                   "WHERE stripe_subscription_id = ANY ($1)"},
        [UNSEEN] = {"subscription_sync_unseen", ROW,
                    .sql = "SELECT " SYNCED " FROM subscriptions s "
                           "WHERE s.stripe_subscription_id > $2 AND s.status NOT IN " FINAL
                           " AND (s.seen_at IS NULL OR s.seen_at < $1) "
                           "ORDER BY s.stripe_subscription_id LIMIT $3::bigint"},
};

const struct statement_list subscription_sync_statements = STATEMENT_LIST(statements);

/* A vendor who marks invoices as uncollectible serves the customer for free. */
static bool
pause_ends_access(const struct operation *operation, const struct stripe_subscription *stripe)
{
	return operation->billing->sales.pause_ends_access &&
	       (text_equal(stripe->pause_behavior, "void") ||
	        text_equal(stripe->pause_behavior, "keep_as_draft"));
}

/* A trial needs an end, by which access is decided. */
static struct instant
trial_end_of(const struct sold_subscription *subscription, struct instant now)
{
	const struct instant end = subscription->item.period_end;

	if (strcmp(subscription->stripe.status, "trialing") != 0 ||
	    subscription->stripe.trial_end.known)
		return subscription->stripe.trial_end;
	return end.known ? end : now;
}

static enum fail
store(struct operation *operation, const char *customer_id,
      const struct sold_subscription *subscription, const struct bought *bought, bool *changed)
{
	struct task *task = operation->task;
	const struct stripe_item *item = &subscription->item;
	const struct stripe_subscription *stripe = &subscription->stripe;
	struct instant now = INSTANT_MS(operation->now_ms);
	bool past_due = strcmp(stripe->status, "past_due") == 0;
	struct instant due = stripe->due_at;
	struct instant since = due.known && due.ms < now.ms ? due : now;
	int64_t rows;

	TRY(db_run(operation->db, task, &statements[STORE],
	           PARAMETERS(customer_id, stripe->id, bought->plan, stripe->status,
	                      param_time(task, trial_end_of(subscription, now)),
	                      param_time(task, item->period_end),
	                      past_due ? param_time(task, since) : NULL,
	                      param_bool(stripe->cancel_at_period_end),
	                      param_time(task, stripe->cancel_at),
	                      param_time(task, stripe->canceled_at),
	                      param_time(task, stripe->ended_at), item->price_id,
	                      param_time(task, stripe->created.known ? stripe->created : now),
	                      param_time(task, now), past_due ? stripe->unpaid_invoice : NULL,
	                      stripe->pause_behavior,
	                      param_time(task, stripe->pause_resumes_at),
	                      param_bool(pause_ends_access(operation, stripe)),
	                      param_int(task, bought->purchase.quantity),
	                      purchase_addons_text(task->arena, &operation->billing->plans,
	                                           &bought->purchase),
	                      item->interval,
	                      item->interval_count > 0 ? param_int(task, item->interval_count)
	                                               : NULL,
	                      item->currency,
	                      recurring_text(task->arena, &subscription->stripe, NULL),
	                      param_bool(stripe->shows_invoice),
	                      param_time(task, sold_unpaid_from(subscription))),
	           &rows));
	*changed = rows > 0;
	return FAIL_NONE;
}

/* Stores what the subscription bills in its row. This comes before its status changes: what was not known
 * before, while it counted, is no business of today. */
static enum fail
keep_recurring(struct operation *operation, const struct sold_subscription *subscription,
               const struct synced_subscription *before)
{
	struct task *task = operation->task;
	const char *recurring =
	        recurring_text(task->arena, &subscription->stripe, before->recurring);

	if (text_equal(recurring, before->recurring) ||
	    stripe_status_is_final(subscription->stripe.status))
		return FAIL_NONE;
	return db_run(operation->db, task, &statements[KEEP_RECURRING],
	              PARAMETERS(subscription->stripe.id, recurring), NULL);
}

/* SUPERSEDE comes first: a unique index allows a customer one row that counts. */
static enum fail
choose(struct operation *operation, const char *customer_id)
{
	struct task *task = operation->task;

	TRY(db_run(operation->db, task, &statements[END_TRIAL],
	           PARAMETERS(customer_id, param_now(operation)), NULL));
	TRY(db_run(operation->db, task, &statements[SUPERSEDE], PARAMETERS(customer_id), NULL));
	return db_run(operation->db, task, &statements[RESTORE], PARAMETERS(customer_id), NULL);
}

/* Each item is paid, but a customer has one plan. */
static enum fail
report_several_plans(struct operation *operation, const char *customer_id,
                     const struct sold_subscription *subscription)
{
	const char *id = subscription->stripe.id;

	if (subscription->plan_items < 2 || stripe_status_is_final(subscription->stripe.status))
		return FAIL_NONE;
	log_line(LOG_LEVEL_WARNING, "a subscription has several prices of plans",
	         LOG_S("customer_id", customer_id), LOG_S("subscription", id),
	         LOG_S("plan", subscription->plan),
	         LOG_I("items", (int64_t)subscription->plan_items));
	return audit_record(operation, "several_plans", customer_id, id, subscription->plan);
}

/* A refund or dispute ends access, but the customer has renewed the subscription in Stripe's portal, say:
 * he would pay without access. That he had cancelled it before does not matter. */
static enum fail
end_again(struct operation *operation, const char *customer_id,
          const struct stripe_subscription *stripe)
{
	bool under_way;

	if (stripe_ends_with_period(stripe))
		return FAIL_NONE;
	TRY(stripe_end_is_under_way(operation, customer_id, stripe->id, &under_way));
	if (under_way)
		return FAIL_NONE;
	log_line(LOG_LEVEL_WARNING, "a subscription without access goes on, and is ended again",
	         LOG_S("customer_id", customer_id), LOG_S("subscription", stripe->id));
	TRY(audit_record(operation, "subscription_end_again", customer_id, stripe->id, NULL));
	TRY(db_run(operation->db, operation->task, &statements[END_IS_OURS],
	           PARAMETERS(stripe->id, param_time(operation->task, stripe->cancel_at)),
	           NULL));
	return stripe_end_enqueue(operation, customer_id, stripe->id, true, INSTANT_NONE);
}

/* Finds what the subscription buys, whose row is `before`, or NULL. A contract says itself which plan it
 * buys, whatever its price. */
static enum fail
find_bought(struct operation *operation, const struct sold_subscription *subscription,
            const struct synced_subscription *before, struct bought *out)
{
	bought_find(operation, subscription, before, out);
	if (out->plan == NULL)
		return task_fail(operation->task, FAIL_CONFLICT, "unknown_price",
		                 "No plan has the price of this subscription.");
	if (before == NULL)
		return FAIL_NONE;
	if (bought_is_unpaid(&subscription->stripe, before))
		bought_take_back(operation, before, out);
	if (before->contract_id != NULL)
		*out = (struct bought){.plan = before->plan,
		                       .purchase = {.quantity = before->quantity}};
	return FAIL_NONE;
}

/* Writes the events of the change: `before` was the subscription that counts. */
static enum fail
tell(struct operation *operation, const char *customer_id, const struct subscription *before)
{
	const struct subscription *after;

	TRY(subscription_newest(operation, customer_id, &after));
	return subscription_write_events(operation, customer_id, before, after);
}

enum fail
subscription_sync_store(struct operation *operation, const char *customer_id,
                        const struct sold_subscription *subscription, bool *changed)
{
	const struct stripe_subscription *stripe = &subscription->stripe;
	struct synced_subscription before;
	const struct subscription *counted;
	struct bought bought;
	bool known, deleted, is_new = false;

	TRY(customer_lock(operation, customer_id, &deleted));
	TRY(subscription_newest(operation, customer_id, &counted));
	TRY(subscription_sync_find(operation, stripe->id, &before, &known));
	TRY(find_bought(operation, subscription, known ? &before : NULL, &bought));
	if (known)
		TRY(keep_recurring(operation, subscription, &before));
	TRY(store(operation, customer_id, subscription, &bought, changed));
	/* The customer of an ended subscription may have been deleted at Stripe. */
	if (stripe->customer != NULL && !stripe_status_is_final(stripe->status))
		TRY(customer_link_stripe(operation, customer_id, stripe->customer));
	if (!known || before.contract_id == NULL)
		TRY(unknown_prices_record(operation, customer_id, subscription, &is_new));
	TRY(choose(operation, customer_id));
	if (known && before.must_end)
		TRY(end_again(operation, customer_id, stripe));
	if (!*changed)
		return FAIL_NONE;
	TRY(subscription_sync_record(operation, customer_id, known ? &before : NULL, stripe->id,
	                             stripe->status));
	TRY(tell(operation, customer_id, counted));
	TRY(license_revoke_excess(operation, customer_id));
	TRY(report_several_plans(operation, customer_id, subscription));
	/* A checkout page was open when the customer was deleted, and was paid afterwards. */
	if (deleted && stripe_status_is_live(stripe->status))
		TRY(stripe_cancel_enqueue(operation, customer_id, stripe->id,
		                          "prorate=true&invoice_now=true"));
	return second_subscriptions_report(operation, customer_id);
}

enum fail
subscription_sync_gone(struct operation *operation, const char *stripe_subscription_id)
{
	const struct subscription *counted;
	struct synced_subscription row;
	int64_t changed;
	bool found, deleted;

	TRY(unknown_prices_gone(operation, stripe_subscription_id));
	TRY(subscription_sync_find(operation, stripe_subscription_id, &row, &found));
	if (!found)
		return FAIL_NONE;
	TRY(customer_lock(operation, row.customer_id, &deleted));
	TRY(subscription_newest(operation, row.customer_id, &counted));
	TRY(db_run(operation->db, operation->task, &statements[GONE],
	           PARAMETERS(stripe_subscription_id, param_now(operation)), &changed));
	TRY(choose(operation, row.customer_id));
	if (changed == 0)
		return FAIL_NONE;
	TRY(tell(operation, row.customer_id, counted));
	TRY(license_revoke_excess(operation, row.customer_id));
	return subscription_sync_record(operation, row.customer_id, &row,
	                                stripe_subscription_id, "gone");
}

enum fail
subscription_sync_find(struct operation *operation, const char *stripe_subscription_id,
                       struct synced_subscription *out, bool *found)
{
	return db_row(operation->db, operation->task, &statements[FIND],
	              PARAMETERS(stripe_subscription_id), out, found);
}

enum fail
subscription_sync_open(struct operation *operation, const char *stripe_customer_id,
                       const char *after, int64_t limit, const struct synced_subscription **out,
                       size_t *count)
{
	struct task *task = operation->task;
	const char *most = param_int(task, limit);

	if (stripe_customer_id == NULL)
		return db_rows(operation->db, task, &statements[OPEN], PARAMETERS(after, most),
		               (void *)out, count);
	return db_rows(operation->db, task, &statements[OPEN_OF],
	               PARAMETERS(after, most, stripe_customer_id), (void *)out, count);
}

enum fail
subscription_sync_seen(struct operation *operation, const struct string_list *ids,
                       struct instant at)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[SEEN],
	              PARAMETERS(param_list(task, ids), param_time(task, at)), NULL);
}

enum fail
subscription_sync_unseen(struct operation *operation, struct instant since, const char *after,
                         int64_t limit, const struct synced_subscription **out, size_t *count)
{
	struct task *task = operation->task;

	return db_rows(operation->db, task, &statements[UNSEEN],
	               PARAMETERS(param_time(task, since), after, param_int(task, limit)),
	               (void *)out, count);
}
