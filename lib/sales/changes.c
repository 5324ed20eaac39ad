/* changes.c: changes, cancels and resumes a customer's subscription. */
#include "sales/changes.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "billing/access.h"
#include "billing/audit.h"
#include "billing/scheduled_plans.h"
#include "contracts/contracts.h"
#include "issuing/license_rights.h"
#include "outbox/enqueue.h"
#include "outbox/fetch.h"
#include "payments/reversals.h"
#include "sales/checkout.h"
#include "sales/perform.h"
#include "sales/resolve.h"
#include "json/view.h"

/* A scheduled plan change is sent to Stripe this long before the period ends, when Stripe
 * drafts the next invoice. */
#define SCHEDULE_AHEAD_MS HOUR_MS
/* A scheduled plan change that failed is tried again after this time. */
#define SCHEDULE_RETRY_MS ((int64_t)10 * 60 * SECOND_MS)

static const char plan_change_action[] = "plan_change";
static const char cancel_action[] = "subscription_cancel";

/* A change of the subscription at Stripe. */
struct change {
	const struct subscription *subscription;
	bool deletes;     /* sent as DELETE, else as POST */
	const char *path; /* a format of its id; NULL: the subscription itself */
	const char *parameters;
	const char *plan;   /* the new one; NULL: the plan does not change */
	const char *action; /* for the audit trail */
};

/* Sends the change and stores the outcome; `context` is the name of the audited action. */
static enum fail
send_change(struct operation *operation, const struct stripe_call *call, void *context)
{
	const char *const *action = context;

	bool yielded;

	TRY(stripe_resolve_change(operation, call));
	/* The end by a refund or dispute is now the customer's wish too. */
	if (text_equal(*action, cancel_action))
		TRY(reversal_yield_end(operation, call->subject, &yielded));
	return audit_record(operation, *action, call->customer_id, call->subject, NULL);
}

/* Records the change, then performs it. */
static enum fail
record_and_perform(struct operation *operation, const struct change *change)
{
	const struct subscription *subscription = change->subscription;
	const struct stripe_call wanted = {
	        .kind = STRIPE_CHANGE,
	        .customer_id = subscription->customer_id,
	        .subject = subscription->stripe_subscription_id,
	        .deletes = change->deletes,
	        .path = stripe_path(operation->task->arena,
	                            change->path == NULL ? "/v1/subscriptions/%s"
	                                                 : change->path,
	                            subscription->stripe_subscription_id),
	        .parameters = change->parameters,
	        .plan = change->plan,
	        .by_client = true,
	};
	const char *action = change->action;
	struct stripe_call call;

	TRY(audit_admit_payment(operation, subscription->customer_id));
	TRY(call_prepare(operation, &wanted, &call));
	return call_perform(operation, &call, call.is_new ? subscription : NULL, send_change,
	                    &action);
}

/* Performs again the change that an earlier request with the same Idempotency-Key recorded;
 * Stripe replays its answer. `*repeated` is false when there is none. */
static enum fail
repeat(struct operation *operation, const char *action, bool *repeated)
{
	struct stripe_call call;

	TRY(stripe_call_find_begun(operation, &call, repeated));
	if (!*repeated || text_equal(call.kind, STRIPE_NOTHING))
		return FAIL_NONE;
	TRY(stripe_is_configured(operation));
	return call_perform(operation, &call, NULL, send_change, &action);
}

static const char *
change_form(struct operation *operation, const struct change_terms *terms)
{
	struct stripe_form form = stripe_form_new(operation->task->arena);

	change_terms_add_items(&form, "items", operation->billing, terms);
	change_terms_add_anchor(&form, "billing_cycle_anchor", operation->billing, terms);
	stripe_form_string(&form, "proration_behavior", terms->proration);
	if (terms->proration_at.known)
		stripe_form_int(&form, "proration_date", terms->proration_at.ms / SECOND_MS);
	/* Without a successful payment the plan stays as it is. Another interval begins a new
	 * period, which is charged at once. */
	if (terms->is_upgrade || terms->changes_interval)
		stripe_form_string(&form, "payment_behavior", "error_if_incomplete");
	return form.text.data;
}

/* Whether the subscription's schedule has the plan and the purchase already. */
static bool
is_scheduled(struct operation *operation, const struct subscription *subscription,
             const char *plan, const struct purchase_change *purchase)
{
	const struct plans *plans = &operation->billing->plans;
	struct arena *arena = operation->task->arena;
	struct purchase_change scheduled = {.quantity = subscription->scheduled_quantity};

	if (plan == NULL || subscription->scheduled_plan == NULL)
		return plan == NULL && subscription->scheduled_plan == NULL;
	if (!text_equal(subscription->scheduled_plan, plan))
		return false;
	purchase_change_parse(arena, plans, subscription->scheduled_addons, &scheduled);
	return scheduled.quantity == purchase->quantity &&
	       text_equal(purchase_change_text(arena, plans, &scheduled),
	                  purchase_change_text(arena, plans, purchase));
}

/* Stores the plan and purchase that begin with the next period (NULL: none). Stripe learns of them
 * when the period ends. */
static enum fail
schedule(struct operation *operation, const struct change_terms *terms, const char *plan,
         const struct purchase_change *purchase)
{
	const struct subscription *subscription = &terms->subscription;
	const char *id = subscription->stripe_subscription_id;

	if (is_scheduled(operation, subscription, plan, purchase))
		return fail_nothing_to_change(operation);
	TRY(audit_admit_payment(operation, subscription->customer_id));
	TRY(db_begin(operation->db, operation->task));
	TRY(customer_lock_as_seen(operation, subscription->customer_id, subscription));
	TRY(subscription_schedule(operation, id, plan, purchase, terms->sold.item.period_end));
	TRY(stripe_call_record_nothing(operation, subscription->customer_id, id));
	TRY(audit_record(operation, "plan_schedule", subscription->customer_id, id, plan));
	return db_commit(operation->db, operation->task);
}

static enum fail
change_now(struct operation *operation, const struct change_terms *terms)
{
	return record_and_perform(operation,
	                          &(struct change){.subscription = &terms->subscription,
	                                           .parameters = change_form(operation, terms),
	                                           .plan = terms->price->sells,
	                                           .action = plan_change_action});
}

enum fail
change_plan(struct operation *operation, const struct plan_change *change)
{
	struct change_terms terms = {0};
	bool repeated;

	TRY(stripe_is_configured(operation));
	TRY(repeat(operation, plan_change_action, &repeated));
	if (repeated)
		return FAIL_NONE;
	TRY(change_terms_find(operation, change, &terms));
	if (change_terms_are_present(&terms))
		return terms.subscription.scheduled_plan == NULL
		               ? fail_nothing_to_change(operation)
		               : schedule(operation, &terms, NULL, NULL);
	if (!terms.is_upgrade && operation->billing->sales.downgrade_at_period_end)
		return schedule(operation, &terms, change->new_plan, &change->purchase);
	TRY(change_terms_check_paid(operation, &terms));
	return change_now(operation, &terms);
}

/* Cancels a trial that Stripe does not know. */
static enum fail
cancel_trial(struct operation *operation, const struct subscription *trial)
{
	const char *customer_id = trial->customer_id;
	struct arena *arena = operation->task->arena;
	bool ended;

	TRY(db_begin(operation->db, operation->task));
	TRY(subscription_cancel_trial(operation, customer_id, &ended));
	/* At this moment the trial has ended or a plan was bought. */
	if (!ended)
		return fail_nothing_to_change(operation);
	TRY(license_revoke_excess(operation, customer_id));
	TRY(stripe_call_record_nothing(operation, customer_id, NULL));
	TRY(audit_record_values(operation, "trial_cancel", customer_id, NULL, NULL,
	                        subscription_trial_state(arena, trial, "trialing"),
	                        subscription_trial_state(arena, trial, "canceled")));
	return db_commit(operation->db, operation->task);
}

/* The subscription ends already. When that is the effect of a refund or dispute alone, it becomes
 * the customer's wish, and stays when access is given back. */
static enum fail
cancel_ending(struct operation *operation, const struct subscription *subscription)
{
	const char *id = subscription->stripe_subscription_id;
	bool yielded;

	TRY(db_begin(operation->db, operation->task));
	TRY(customer_lock_as_seen(operation, subscription->customer_id, subscription));
	TRY(reversal_yield_end(operation, id, &yielded));
	if (!yielded)
		return fail_nothing_to_change(operation);
	TRY(stripe_call_record_nothing(operation, subscription->customer_id, id));
	TRY(audit_record(operation, cancel_action, subscription->customer_id, id, NULL));
	return db_commit(operation->db, operation->task);
}

enum fail
change_cancel(struct operation *operation, const char *customer_id, enum cancel_when when)
{
	struct subscription subscription;
	struct sold_subscription now = {0};
	struct change change = {.subscription = &subscription, .action = cancel_action};
	bool repeated;

	TRY(repeat(operation, cancel_action, &repeated));
	if (repeated)
		return FAIL_NONE;
	TRY(change_find(operation, customer_id, &subscription));
	if (subscription.stripe_subscription_id == NULL) {
		if (!access_is_trial(&subscription, operation->now_ms))
			return fail_subscription_ended(operation);
		/* A trial ends without a charge at its end anyway. */
		return when == CANCEL_AT_PERIOD_END ? fail_nothing_to_change(operation)
		                                    : cancel_trial(operation, &subscription);
	}
	TRY(stripe_is_configured(operation));
	if (stripe_status_is_final(subscription.status))
		return fail_subscription_ended(operation);
	if (when == CANCEL_AT_PERIOD_END ||
	    (when == CANCEL_BY_POLICY && operation->billing->sales.cancel_at_period_end)) {
		TRY(change_fetch(operation, &subscription, &now));
		if (stripe_ends_with_period(&now.stripe))
			return cancel_ending(operation, &subscription);
		change.parameters = stripe_end_parameters(operation->task->arena, &now.stripe);
	} else {
		change.deletes = true;
		change.parameters = stripe_cancel_parameters(operation);
	}
	return record_and_perform(operation, &change);
}

enum fail
change_resume(struct operation *operation, const char *customer_id)
{
	static const char action[] = "subscription_resume";
	struct subscription subscription;
	struct sold_subscription now = {0};
	struct change change = {
	        .subscription = &subscription, .parameters = "", .action = action};
	struct instant contract_ends_at;
	bool repeated;

	TRY(stripe_is_configured(operation));
	TRY(repeat(operation, action, &repeated));
	if (repeated)
		return FAIL_NONE;
	/* The subscription ends because a contract follows. */
	TRY(contract_must_end(operation, customer_id, &contract_ends_at));
	if (contract_ends_at.known)
		return fail_contract_exists(operation);
	TRY(change_find_paid(operation, customer_id, &subscription));
	TRY(change_fetch(operation, &subscription, &now));
	if (now.stripe.cancel_at_period_end)
		change.parameters = "cancel_at_period_end=false";
	/* After a trial without a way to pay, Stripe pauses the subscription. */
	else if (text_equal(now.stripe.status, "paused"))
		change.path = "/v1/subscriptions/%s/resume";
	/* In flexible billing mode the portal sets `cancel_at` alone. */
	else if (now.stripe.cancel_at.known)
		change.parameters = "cancel_at=";
	else
		return fail_nothing_to_change(operation);
	return record_and_perform(operation, &change);
}

static enum fail
postpone(struct operation *operation, const struct scheduled_plan *due)
{
	return subscription_postpone(operation, due->stripe_subscription_id,
	                             INSTANT_MS(operation->now_ms + SCHEDULE_RETRY_MS));
}

/* Chooses how the plan begins. Before the period ends nothing is credited. When the next period has begun
 * already, its rest is, once it is paid. The plan waits for the end of a period that our row does not show
 * yet, and a period that has become longer moves the beginning. `*waits`: it does not begin now. */
static enum fail
begin_scheduled(struct operation *operation, const struct scheduled_plan *due,
                struct change_terms *terms, bool *waits)
{
	const struct stripe_item *item = &terms->sold.item;
	const struct instant *end = &item->period_end, *requested = &due->requested_for;

	*waits = false;
	if (!end->known || end->ms <= due->begins_at.ms) {
		terms->proration = "none";
		return FAIL_NONE;
	}
	if (item->period_start.known && item->period_start.ms < requested->ms &&
	    end->ms >= requested->ms)
		TRY(subscription_move_scheduled(operation, due, *end));
	else if (!change_terms_owe(terms))
		return FAIL_NONE;
	*waits = true;
	return postpone(operation, due);
}

/* Sends the scheduled plan to Stripe. */
static enum fail
run_scheduled(struct operation *operation, const struct scheduled_plan *due)
{
	struct plan_change change = {.customer_id = due->customer_id,
	                             .field = "plan",
	                             .new_plan = due->plan,
	                             .purchase = {.quantity = due->quantity}};
	struct change_terms terms = {0};
	bool waits;

	purchase_change_parse(operation->task->arena, &operation->billing->plans, due->addons,
	                      &change.purchase);
	TRY(change_terms_find(operation, &change, &terms));
	if (terms.subscription.subscription_id != due->subscription_id)
		return fail_subscription_ended(operation);
	if (change_terms_are_present(&terms))
		return subscription_schedule(operation, due->stripe_subscription_id, NULL, NULL,
		                             INSTANT_NONE);
	TRY(begin_scheduled(operation, due, &terms, &waits));
	return waits ? FAIL_NONE : change_now(operation, &terms);
}

/* Drops a scheduled plan whose subscription has ended or that is no longer sold. */
static enum fail
drop_scheduled(struct operation *operation, const struct scheduled_plan *due)
{
	task_clear(operation->task);
	TRY(db_begin(operation->db, operation->task));
	TRY(subscription_schedule(operation, due->stripe_subscription_id, NULL, NULL,
	                          INSTANT_NONE));
	TRY(audit_record(operation, "plan_schedule", due->customer_id,
	                 due->stripe_subscription_id, "given up"));
	return db_commit(operation->db, operation->task);
}

static enum fail
record_failure(struct operation *operation, const struct scheduled_plan *due, enum fail kind)
{
	/* The vendor may change what Stripe refuses for, such as an archived price. */
	bool refused = stripe_code_is_refusal(operation->task->failure.code);
	bool is_final = kind == FAIL_NOT_FOUND || (kind == FAIL_CONFLICT && !refused) ||
	                kind == FAIL_INVALID;
	bool away = stripe_is_away(operation, kind);

	db_rollback_to(operation->db, 0);
	log_line(LOG_LEVEL_WARNING,
	         is_final ? "scheduled plan change dropped" : "scheduled plan change failed",
	         LOG_S("customer_id", due->customer_id),
	         LOG_S("code", operation->task->failure.code));
	if (is_final)
		return drop_scheduled(operation, due);
	TRY(postpone(operation, due));
	return away ? kind : FAIL_NONE;
}

enum fail
change_run_scheduled(struct operation *operation, int64_t *done)
{
	struct instant until = INSTANT_MS(operation->now_ms + SCHEDULE_AHEAD_MS);
	struct scheduled_plan due;
	bool found;
	enum fail kind;

	TRY(subscription_scheduled(operation, until, &due, &found));
	if (!found)
		return FAIL_NONE;
	*done = 1;
	kind = run_scheduled(operation, &due);
	return kind == FAIL_NONE ? FAIL_NONE : record_failure(operation, &due, kind);
}
