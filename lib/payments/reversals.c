/* reversals.c: payments that were given back, and what that does to access. */
#include "payments/reversals.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "db/render.h"
#include "events/event_keys.h"
#include "issuing/license_rights.h"
#include "outbox/enqueue.h"
#include "stripe/objects.h"
#include "subscriptions/subscriptions.h"

static const struct column columns[] =
        COLUMNS(struct reversal, object_id, kind, customer_id, stripe_subscription_id,
                invoice_id, amount, currency, status, policy, access_ends_at, ends_subscription,
                other_end_at, created_at, lifted_at, lifted_by);

#define ROW ROWS_OF(struct reversal, columns)
#define REVERSAL_COLUMNS                                                                       \
	"object_id, kind, customer_id, stripe_subscription_id, invoice_id, amount, currency, " \
	"status, policy, access_ends_at, ends_subscription, other_end_at, created_at, "        \
	"lifted_at, lifted_by "

struct refunds {
	int64_t amount;
	bool acted;
};

struct ending {
	bool by_us;
	struct instant other_end_at;
};

enum { FIND, STORE, REFUNDS, ACT, ENDING, YIELD, HOLD, HELD, LIFT, LIST };

static const struct statement statements[] = {
        [FIND] = {"reversal_find", ROW,
                  .sql = "SELECT " REVERSAL_COLUMNS
                         "FROM payment_reversals WHERE object_id = $1"},
        [STORE] = {"reversal_store",
                   .sql = "INSERT INTO payment_reversals AS r (object_id, kind, customer_id, "
                          "stripe_subscription_id, invoice_id, amount, currency, status, "
                          "created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
                          "ON CONFLICT (object_id) DO UPDATE SET amount = excluded.amount, "
                          "status = excluded.status WHERE (r.amount, r.status) "
                          "IS DISTINCT FROM (excluded.amount, excluded.status)"},
        /* An invoice may have been paid, and refunded, in several charges. */
        [REFUNDS] = {"reversal_refunds", ROWS_WITH(struct refunds, amount, acted),
                     .sql = "SELECT COALESCE(sum(amount), 0)::bigint AS amount, "
                            "COALESCE(bool_or(policy IS NOT NULL), false) AS acted "
                            "FROM payment_reversals WHERE invoice_id = $1 "
                            "AND kind = 'refund'"},
        [ACT] = {"reversal_act",
                 .sql = "UPDATE payment_reversals SET policy = $2, access_ends_at = $3, "
                        "ends_subscription = $4::boolean, other_end_at = $5 "
                        "WHERE object_id = $1"},
        [ENDING] = {"reversal_ending", ROWS_WITH(struct ending, by_us, other_end_at),
                    .sql = "SELECT count(*) > 0 AS by_us, max(other_end_at) AS other_end_at "
                           "FROM payment_reversals WHERE stripe_subscription_id = $1 "
                           "AND ends_subscription AND lifted_at IS NULL"},
        [YIELD] = {"reversal_yield_end",
                   .sql = "UPDATE payment_reversals SET ends_subscription = false, "
                          "other_end_at = NULL WHERE stripe_subscription_id = $1 "
                          "AND ends_subscription AND lifted_at IS NULL"},
        [HOLD] = {"reversal_hold",
                  .sql = "UPDATE subscriptions s SET hold_reason = h.reason, "
                         "hold_ends_access_at = h.access_ends_at, version = version + 1, "
                         "updated_at = $2 FROM (SELECT) AS one LEFT JOIN LATERAL ("
                         "  SELECT CASE kind WHEN 'refund' THEN 'refunded' ELSE 'disputed' "
                         "    END AS reason, access_ends_at FROM payment_reversals "
                         "  WHERE stripe_subscription_id = $1 AND access_ends_at IS NOT NULL "
                         "  AND lifted_at IS NULL ORDER BY access_ends_at, object_id "
                         "  LIMIT 1) h ON true WHERE s.stripe_subscription_id = $1 "
                         "AND (s.hold_reason, s.hold_ends_access_at) "
                         "IS DISTINCT FROM (h.reason, h.access_ends_at)"},
        [HELD] = {"reversal_held", ROW,
                  .sql = "SELECT " REVERSAL_COLUMNS "FROM payment_reversals "
                         "WHERE customer_id = $1 AND access_ends_at IS NOT NULL "
                         "AND lifted_at IS NULL ORDER BY object_id"},
        [LIFT] = {"reversal_lift",
                  .sql = "UPDATE payment_reversals SET lifted_at = $2, lifted_by = $3 "
                         "WHERE object_id = $1"},
        [LIST] = {"reversal_list", ROW,
                  .sql = "SELECT " REVERSAL_COLUMNS "FROM payment_reversals "
                         "WHERE customer_id = $1 ORDER BY created_at DESC, object_id DESC "
                         "LIMIT $2::bigint"},
};

const struct statement_list reversal_statements = STATEMENT_LIST(statements);

static bool
is_refund(const struct reversal *reversal)
{
	return text_equal(reversal->kind, "refund");
}

/* Whether the policy is to be applied now: once for each dispute, and once for all refunds of an
 * invoice, when they are all that was paid. */
static enum fail
find_need(struct operation *operation, const struct reversal *reversal, int64_t paid,
          const char *policy_before, bool *needed)
{
	struct refunds refunds = {0};
	bool found;

	*needed = policy_before == NULL;
	if (!is_refund(reversal)) {
		*needed = *needed && !text_equal(reversal->status, "won") &&
		          !text_starts_with(reversal->status, "warning_");
		return FAIL_NONE;
	}
	TRY(db_row(operation->db, operation->task, &statements[REFUNDS],
	           PARAMETERS(reversal->invoice_id), &refunds, &found));
	*needed = *needed && !refunds.acted && refunds.amount >= paid;
	return FAIL_NONE;
}

/* Has the subscription's row tell the earliest end of access that is in force. */
static enum fail
set_hold(struct operation *operation, const struct reversal *reversal)
{
	return db_run(operation->db, operation->task, &statements[HOLD],
	              PARAMETERS(reversal->stripe_subscription_id, param_now(operation)), NULL);
}

static enum fail
find_ending(struct operation *operation, const struct reversal *reversal, struct ending *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[ENDING],
	              PARAMETERS(reversal->stripe_subscription_id), out, &found);
}

/* Whether another period would be charged at Stripe. An end that the customer or Stripe has
 * scheduled stays when access is given back. */
static bool
goes_on(const struct synced_subscription *subscription)
{
	const struct instant end = subscription->cancel_at;
	const struct instant period_end = subscription->current_period_ends_at;

	return !subscription->cancel_at_period_end &&
	       !stripe_status_is_final(subscription->status) &&
	       (!end.known || (period_end.known && end.ms > period_end.ms));
}

static struct instant
access_end(const struct operation *operation, const struct synced_subscription *subscription,
           const char *policy)
{
	struct instant now = INSTANT_MS(operation->now_ms);
	struct instant period_end = subscription->current_period_ends_at;

	if (text_equal(policy, "keep"))
		return INSTANT_NONE;
	return text_equal(policy, "period_end") && period_end.known && period_end.ms > now.ms
	               ? period_end
	               : now;
}

/* Has the subscription end with its period unless that is under way. */
static enum fail
end_subscription(struct operation *operation, const struct reversal *reversal)
{
	const char *id = reversal->stripe_subscription_id;
	bool under_way;

	TRY(stripe_end_is_under_way(operation, reversal->customer_id, id, &under_way));
	return under_way ? FAIL_NONE
	                 : stripe_end_enqueue(operation, reversal->customer_id, id, true,
	                                      INSTANT_NONE);
}

/* Stores what the policy does; `*ends`: the subscription is to end now. */
static enum fail
store_effect(struct operation *operation, const struct reversal *reversal, const char *policy,
             bool *ends)
{
	struct task *task = operation->task;
	struct synced_subscription subscription = {.status = "canceled"};
	struct ending ending = {0};
	struct instant end;
	bool found;

	TRY(subscription_sync_find(operation, reversal->stripe_subscription_id, &subscription,
	                           &found));
	TRY(find_ending(operation, reversal, &ending));
	end = access_end(operation, &subscription, policy);
	*ends = end.known && goes_on(&subscription);
	if (!ending.by_us && *ends)
		ending.other_end_at = subscription.cancel_at;
	return db_run(operation->db, task, &statements[ACT],
	              PARAMETERS(reversal->object_id, policy, param_time(task, end),
	                         param_bool(*ends || (end.known && ending.by_us)),
	                         param_time(task, ending.other_end_at)),
	              NULL);
}

/* Applies the policy. A payment that is not for the present, paid period is recorded alone. */
static enum fail
act(struct operation *operation, const struct reversal *reversal, struct instant paid_until)
{
	const struct sales_policy *sales = &operation->billing->sales;
	const bool is_past = !paid_until.known || paid_until.ms <= operation->now_ms;
	const char *policy = is_past               ? "keep"
	                     : is_refund(reversal) ? sales->refund_policy
	                                           : sales->dispute_policy;
	const char *action = is_refund(reversal) ? "payment_refunded" : "payment_disputed";
	bool ends;

	TRY(store_effect(operation, reversal, policy, &ends));
	log_line(LOG_LEVEL_WARNING, "a payment was given back", LOG_S("action", action),
	         LOG_S("customer_id", reversal->customer_id),
	         LOG_S("object", reversal->object_id), LOG_S("policy", policy));
	TRY(audit_record(operation, action, reversal->customer_id, reversal->object_id,
	                 is_past ? "not for the present period" : policy));
	TRY(set_hold(operation, reversal));
	TRY(license_revoke_excess(operation, reversal->customer_id));
	return ends ? end_subscription(operation, reversal) : FAIL_NONE;
}

/* Takes the effect back, and the end of the subscription too when nothing else ends it. */
static enum fail
lift(struct operation *operation, const struct reversal *reversal, const char *by,
     const char *detail)
{
	struct synced_subscription subscription = {.status = "canceled"};
	struct ending still = {0};
	bool found;

	TRY(db_run(operation->db, operation->task, &statements[LIFT],
	           PARAMETERS(reversal->object_id, param_now(operation), by), NULL));
	TRY(audit_record(operation, "access_restored", reversal->customer_id,
	                 reversal->object_id, detail));
	TRY(set_hold(operation, reversal));
	TRY(find_ending(operation, reversal, &still));
	TRY(subscription_sync_find(operation, reversal->stripe_subscription_id, &subscription,
	                           &found));
	if (!reversal->ends_subscription || still.by_us ||
	    stripe_status_is_final(subscription.status))
		return FAIL_NONE;
	return stripe_end_enqueue(operation, reversal->customer_id,
	                          reversal->stripe_subscription_id, false,
	                          reversal->other_end_at);
}

/* The event that the state is, and its key; EVENT_TYPES: none. An inquiry of a bank is no dispute, and a
 * dispute that has ended already is told as that alone. */
static enum event_type
event_of(struct arena *arena, const struct reversal *reversal, const char **key)
{
	const char *status = reversal->status;
	bool is_closed = text_equal(status, "won") || text_equal(status, "lost");

	if (is_refund(reversal)) {
		*key = arena_printf(arena, "refund.created %s %lld", reversal->object_id,
		                    (long long)reversal->amount);
		return EVENT_REFUND_CREATED;
	}
	*key = arena_printf(arena, "dispute.%s %s", is_closed ? "closed" : "opened",
	                    reversal->object_id);
	if (text_starts_with(status, "warning_"))
		return EVENT_TYPES;
	return is_closed ? EVENT_DISPUTE_CLOSED : EVENT_DISPUTE_OPENED;
}

/* Writes the event of what was given back, once for each amount and state. */
static enum fail
tell(struct operation *operation, const struct reversal *reversal)
{
	struct json_out json = json_out_new(operation->task->arena, 512);
	struct reversal stored = *reversal;
	enum event_type type;
	const char *key;
	bool found;

	type = event_of(operation->task->arena, reversal, &key);
	if (type == EVENT_TYPES)
		return FAIL_NONE;
	TRY(db_row(operation->db, operation->task, &statements[FIND],
	           PARAMETERS(reversal->object_id), &stored, &found));
	render_reversal(&json, &stored);
	return event_write_once(operation, type, reversal->customer_id, key, json.text.data,
	                        NULL);
}

enum fail
reversal_store(struct operation *operation, const struct reversal *reversal,
               const struct stripe_invoice *invoice, bool *changed)
{
	struct task *task = operation->task;
	struct reversal before = {0};
	bool known, deleted, needed;
	int64_t rows;

	TRY(customer_lock(operation, reversal->customer_id, &deleted));
	TRY(db_row(operation->db, task, &statements[FIND], PARAMETERS(reversal->object_id),
	           &before, &known));
	TRY(db_run(operation->db, task, &statements[STORE],
	           PARAMETERS(reversal->object_id, reversal->kind, reversal->customer_id,
	                      reversal->stripe_subscription_id, reversal->invoice_id,
	                      param_int(task, reversal->amount), reversal->currency,
	                      reversal->status, param_now(operation)),
	           &rows));
	*changed = rows > 0;
	TRY(find_need(operation, reversal, invoice->amount_paid, before.policy, &needed));
	if (needed)
		TRY(act(operation, reversal, invoice->paid_until));
	else if (before.access_ends_at.known && !before.lifted_at.known &&
	         (text_equal(reversal->status, "won") ||
	          text_equal(reversal->status, "warning_closed")))
		TRY(lift(operation, &before, "won", "won"));
	return *changed ? tell(operation, reversal) : FAIL_NONE;
}

enum fail
reversal_yield_end(struct operation *operation, const char *stripe_subscription_id,
                   bool *yielded)
{
	int64_t rows;

	TRY(db_run(operation->db, operation->task, &statements[YIELD],
	           PARAMETERS(stripe_subscription_id), &rows));
	*yielded = rows > 0;
	return FAIL_NONE;
}

enum fail
reversal_lift(struct operation *operation, const char *customer_id, const char *why,
              int64_t *count)
{
	struct task *task = operation->task;
	const struct reversal *rows;
	size_t held;
	bool deleted;

	TRY(db_begin(operation->db, task));
	TRY(customer_lock(operation, customer_id, &deleted));
	TRY(db_rows(operation->db, task, &statements[HELD], PARAMETERS(customer_id),
	            (void *)&rows, &held));
	if (held == 0)
		return task_fail(task, FAIL_CONFLICT, "nothing_to_restore",
		                 "No refund and no dispute ends this customer's access.");
	for (size_t i = 0; i < held; i++)
		TRY(lift(operation, &rows[i], operation->actor, why));
	*count = (int64_t)held;
	return db_commit(operation->db, task);
}

enum fail
reversal_list(struct operation *operation, const char *customer_id, int64_t limit,
              const struct reversal **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST],
	               PARAMETERS(customer_id, param_int(operation->task, limit)), (void *)out,
	               count);
}

/* Without the operator who gave access back. */
static const struct column reversal_columns[] =
        COLUMNS(struct reversal, object_id, kind, stripe_subscription_id, invoice_id, amount,
                currency, status, policy, access_ends_at, created_at, lifted_at);

void
render_reversal(struct json_out *json, const struct reversal *reversal)
{
	render_row(json, NULL, reversal_columns, reversal);
}
