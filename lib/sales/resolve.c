/* resolve.c: resolves calls of Stripe's API that are still pending. */
#include "sales/resolve.h"

#include "base/log.h"
#include "base/text.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "billing/scheduled_plans.h"
#include "billing/subscriptions.h"
#include "outbox/account.h"
#include "outbox/call_records.h"
#include "outbox/enqueue.h"
#include "outbox/fetch.h"
#include "outbox/locks.h"
#include "sales/checkout_sessions.h"
#include "sales/contract_billing.h"
#include "sales/stripe_customer.h"
#include "stripe/form.h"
#include "stripe/objects.h"
#include "subscriptions/sold_items.h"
#include "sync/objects.h"
#include "json/view.h"

enum { CUSTOMERS_MAX = 100, NOT_FOUND = 404 };

/* The error of a call whose customer was deleted at Stripe. */
static const char customer_gone[] = "customer_gone";

static bool
key_is_young(const struct operation *operation, const struct stripe_call *call)
{
	return operation->now_ms - call->created_at.ms < STRIPE_KEY_LIFE_MS;
}

/* Finds the customer that an earlier attempt may have created, by our id in its metadata; NULL:
 * none. Stripe's search is some time behind, its list is not. */
static enum fail
find_customer_at_stripe(struct operation *operation, const struct customer *customer,
                        const char **stripe_customer_id)
{
	struct stripe_form form = stripe_form_new(operation->task->arena);
	struct json_view data, item;

	*stripe_customer_id = NULL;
	stripe_form_string(&form, "email", customer->email);
	stripe_form_int(&form, "limit", CUSTOMERS_MAX);
	TRY(stripe_fetch_list(operation, "/v1/customers", NULL, form.text.data, &data, NULL));
	for (bool more = json_view_first(&data, &item); more; more = json_view_next(&item))
		if (text_equal(stripe_text_of(&item, "metadata.customer_id"),
		               customer->customer_id))
			(void)json_view_string(&item, "id", stripe_customer_id);
	return FAIL_NONE;
}

/* Links our customer with Stripe's. Then pushes the customer's data if it differs from the
 * call's parameters, as it may have changed while Stripe created its customer. Times would not
 * show that: the change may have begun earlier. The link locks our customer, so that each later
 * change sees it and is pushed itself. */
static enum fail
link_customer(struct operation *operation, const struct stripe_call *call,
              const char *stripe_customer_id)
{
	struct customer customer;

	TRY(customer_link_stripe(operation, call->customer_id, stripe_customer_id));
	TRY(audit_record(operation, "stripe_customer", call->customer_id, stripe_customer_id,
	                 NULL));
	TRY(customer_find(operation, call->customer_id, &customer));
	if (text_equal(call->parameters, stripe_customer_parameters(operation, &customer)))
		return FAIL_NONE;
	return stripe_customer_update_enqueue(operation, &customer);
}

/* Marks the call as failed: it cannot create a usable customer any more. The next checkout
 * records another one. */
static enum fail
fail_creation(struct operation *operation, const struct stripe_call *call, const char *reason)
{
	db_rollback_to(operation->db, 0);
	TRY(stripe_call_end(operation, call, "failed", reason));
	return fail_in_progress(operation->task, false,
	                        "An earlier attempt has just been given up; try again.");
}

/* Stripe replays the answer of a creation even when the customer has been deleted since. */
static enum fail
check_not_deleted(struct operation *operation, const struct stripe_call *call,
                  const char *stripe_customer_id)
{
	struct json_view object;
	bool deleted = false;

	TRY(stripe_fetch(operation, "/v1/customers/%s", stripe_customer_id, NULL, &object));
	(void)json_view_bool(&object, "deleted", &deleted);
	return deleted ? fail_creation(operation, call, customer_gone) : FAIL_NONE;
}

enum fail
stripe_resolve_creation(struct operation *operation, const struct stripe_call *call,
                        const char **stripe_customer_id)
{
	struct stripe_answer answer = {.outcome = STRIPE_DONE};
	struct customer customer;

	TRY(customer_find(operation, call->customer_id, &customer));
	*stripe_customer_id = customer.stripe_customer_id;
	if (*stripe_customer_id == NULL && !key_is_young(operation, call)) {
		TRY(find_customer_at_stripe(operation, &customer, stripe_customer_id));
		if (*stripe_customer_id == NULL)
			return fail_creation(operation, call, "key_too_old");
	}
	if (*stripe_customer_id == NULL) {
		stripe_call_send(operation, call, &answer);
		if (stripe_call_key_spent(&answer))
			TRY(find_customer_at_stripe(operation, &customer, stripe_customer_id));
		if (answer.outcome != STRIPE_DONE && *stripe_customer_id == NULL)
			return stripe_call_failed(operation, call, &answer);
		if (answer.outcome == STRIPE_DONE)
			*stripe_customer_id = stripe_id_of(&answer.object, "id");
	}
	if (*stripe_customer_id == NULL)
		return stripe_answer_unusable(operation->task);
	if (answer.replayed)
		TRY(check_not_deleted(operation, call, *stripe_customer_id));
	TRY(link_customer(operation, call, *stripe_customer_id));
	return stripe_call_done(operation, call, &answer, *stripe_customer_id);
}

/* Fetches the present state, which a refusal or a replayed answer does not show. */
static enum fail
fetch_subscription(struct operation *operation, const struct stripe_call *call,
                   struct json_view *object)
{
	return stripe_fetch(operation, "/v1/subscriptions/%s", call->subject,
	                    "expand[0]=latest_invoice&expand[1]=customer", object);
}

static bool
has_ended(const struct json_view *object)
{
	struct stripe_subscription subscription;

	return stripe_subscription_read(object, &subscription) &&
	       stripe_status_is_final(subscription.status);
}

/* Stripe refused a cancellation. That is a success if the subscription has ended already. */
static enum fail
find_end(struct operation *operation, const struct stripe_call *call,
         const struct stripe_answer *refusal, struct json_view *object)
{
	enum fail kind = fetch_subscription(operation, call, object);

	if (kind != FAIL_NONE && kind != FAIL_NOT_FOUND)
		return kind;
	if (kind == FAIL_NONE && has_ended(object))
		return FAIL_NONE;
	task_clear(operation->task);
	return stripe_call_failed(operation, call, refusal);
}

static enum fail
drop_older_schedule(struct operation *operation, const struct stripe_call *call)
{
	if (call->plan == NULL)
		return FAIL_NONE;
	return subscription_drop_scheduled(operation, call->subject, call->plan,
	                                   call->created_at);
}

enum fail
stripe_resolve_change(struct operation *operation, const struct stripe_call *call)
{
	struct stripe_answer answer;
	struct json_view object;
	enum sync_result synced;
	const char *customer_id;

	TRY(stripe_lock(operation, call->subject));
	stripe_call_send(operation, call, &answer);
	object = answer.object;
	if (answer.outcome == STRIPE_REFUSED &&
	    (call->deletes || text_equal(call->kind, STRIPE_END)))
		TRY(find_end(operation, call, &answer, &object));
	else if (answer.outcome != STRIPE_DONE)
		return stripe_call_failed(operation, call, &answer);
	else if (answer.replayed)
		TRY(fetch_subscription(operation, call, &object));
	TRY(stripe_call_done(operation, call, &answer, call->subject));
	TRY(stripe_sync_store_subscription(operation, &object, call->customer_id, &customer_id,
	                                   &synced));
	return drop_older_schedule(operation, call);
}

/* The parameters that bring the subscription to the end that the call wants; NULL: it has it. */
static const char *
missing_end(struct arena *arena, const struct stripe_call *call,
            const struct stripe_subscription *now)
{
	if (text_equal(call->parameters, STRIPE_ENDS_WITH_PERIOD))
		return stripe_ends_with_period(now) ? NULL : stripe_end_parameters(arena, now);
	if (stripe_status_is_final(now->status))
		return NULL;
	if (text_starts_with(call->parameters, "cancel_at="))
		return call->parameters;
	if (now->cancel_at_period_end)
		return call->parameters;
	return now->cancel_at.known ? "cancel_at=" : NULL;
}

/* Sends an end with the period, or takes it back, unless there is a newer call about it. The form
 * depends on the present state. */
static enum fail
resolve_end(struct operation *operation, const struct stripe_call *call)
{
	struct stripe_call missing = *call;
	struct sold_subscription now;
	struct json_view object;
	enum sync_result synced;
	const char *customer_id;
	bool newer;

	TRY(stripe_lock(operation, call->subject));
	TRY(stripe_call_has_newer(operation, call, &newer));
	if (newer)
		return stripe_call_end(operation, call, "done", "superseded");
	TRY(fetch_subscription(operation, call, &object));
	TRY(sold_subscription_complete(operation, &object, &now));
	missing.parameters = missing_end(operation->task->arena, call, &now.stripe);
	if (missing.parameters != NULL)
		return stripe_resolve_change(operation, &missing);
	TRY(stripe_sync_store_subscription(operation, &object, call->customer_id, &customer_id,
	                                   &synced));
	return stripe_call_end(operation, call, "done", "looked_up");
}

static enum fail
resolve_creation(struct operation *operation, const struct stripe_call *call)
{
	const char *stripe_customer_id;
	enum fail kind = stripe_resolve_creation(operation, call, &stripe_customer_id);

	if (kind != FAIL_NOT_FOUND)
		return kind;
	/* A customer that was deleted here is not created at Stripe. */
	task_clear(operation->task);
	return stripe_call_end(operation, call, "failed", "customer_deleted");
}

/* Finds out why an update need not be sent any more; `*reason` is NULL when it must be. */
static enum fail
find_reason_to_skip(struct operation *operation, const struct stripe_call *call,
                    const char **reason)
{
	struct customer customer;
	enum fail kind = customer_find(operation, call->customer_id, &customer);

	*reason = NULL;
	if (kind == FAIL_NOT_FOUND) {
		task_clear(operation->task);
		*reason = "customer_deleted";
		return FAIL_NONE;
	}
	TRY(kind);
	if (!text_equal(customer.stripe_customer_id, call->subject))
		*reason = customer_gone;
	return FAIL_NONE;
}

/* Stripe does not know the customer. When it was deleted there, the sync unlinks it and the
 * update has failed for good. */
static enum fail
find_deletion(struct operation *operation, const struct stripe_call *call,
              const struct stripe_answer *refusal)
{
	const struct sync_target target = {.id = call->subject};
	const char *customer_id, *reason;
	enum sync_result synced;

	TRY(stripe_sync_customer(operation, &target, &customer_id, &synced));
	TRY(find_reason_to_skip(operation, call, &reason));
	return reason != NULL ? stripe_call_end(operation, call, "failed", reason)
	                      : stripe_call_failed(operation, call, refusal);
}

/* Sends an update unless there is a newer one: calls may be tried in any order. */
static enum fail
resolve_update(struct operation *operation, const struct stripe_call *call)
{
	struct stripe_answer answer;
	const char *reason;
	bool newer;

	TRY(stripe_lock(operation, call->subject));
	TRY(find_reason_to_skip(operation, call, &reason));
	if (reason != NULL)
		return stripe_call_end(operation, call, "failed", reason);
	TRY(stripe_call_has_newer(operation, call, &newer));
	if (newer)
		return stripe_call_end(operation, call, "done", "superseded");
	stripe_call_send(operation, call, &answer);
	if (answer.outcome == STRIPE_REFUSED && answer.status == NOT_FOUND)
		return find_deletion(operation, call, &answer);
	if (answer.outcome != STRIPE_DONE)
		return stripe_call_failed(operation, call, &answer);
	return stripe_call_done(operation, call, &answer, call->subject);
}

/* No client has received the page's URL, so it cannot be paid. */
static enum fail
resolve_checkout(struct operation *operation, const struct stripe_call *call)
{
	return stripe_call_end(operation, call, "failed", "abandoned");
}

/* Closes the pages of a deleted customer, which could still be paid. */
static enum fail
resolve_close(struct operation *operation, const struct stripe_call *call)
{
	enum fail kind = checkout_close_others(operation, call->subject, NULL);

	if (stripe_customer_is_missing(operation, kind)) {
		task_clear(operation->task);
		TRY(stripe_account_must_be_ours(operation));
		return stripe_call_end(operation, call, "done", customer_gone);
	}
	TRY(kind);
	return stripe_call_end(operation, call, "done", NULL);
}

/* Fetches the outcome of a change. The change is not sent again, because the client has been
 * told that it is unknown and may have requested another one since. */
static enum fail
resolve_by_fetching(struct operation *operation, const struct stripe_call *call)
{
	const struct sync_target target = {.id = call->subject,
	                                   .customer_id = call->customer_id};
	const char *customer_id;
	enum sync_result synced;

	TRY(stripe_sync_subscription(operation, &target, &customer_id, &synced));
	TRY(drop_older_schedule(operation, call));
	return stripe_call_end(operation, call, "done", "looked_up");
}

static const struct {
	const char *kind;
	enum fail (*resolve)(struct operation *operation, const struct stripe_call *call);
} kinds[] = {
        {STRIPE_CUSTOMER_CREATE, resolve_creation},
        {STRIPE_CUSTOMER_UPDATE, resolve_update},
        {STRIPE_CHECKOUT, resolve_checkout},
        {STRIPE_CHANGE, resolve_by_fetching},
        {STRIPE_CANCEL, stripe_resolve_change},
        {STRIPE_CHECKOUT_CLOSE, resolve_close},
        {STRIPE_END, resolve_end},
        {STRIPE_CONTRACT, stripe_resolve_contract},
};

static enum fail
resolve(struct operation *operation, const struct stripe_call *call)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (text_equal(kinds[i].kind, call->kind))
			return kinds[i].resolve(operation, call);
	return task_fail(operation->task, FAIL_INTERNAL, "internal_error",
	                 "a call of the unknown kind %s", call->kind);
}

/* Counts the attempt only when the failure is this call's own and Stripe can be reached. */
static enum fail
record_failure(struct operation *operation, const struct stripe_call *call, enum fail kind)
{
	const char *error = operation->task->failure.code;
	bool away = stripe_is_away(operation, kind);

	db_rollback_to(operation->db, 0);
	log_line(LOG_LEVEL_WARNING, "stripe call not resolved", LOG_I("call", call->call_id),
	         LOG_S("kind", call->kind), LOG_S("code", error));
	TRY(stripe_call_postpone(operation, call, error, !away));
	return away ? kind : FAIL_NONE;
}

enum fail
stripe_resolve_run(struct operation *operation, int64_t *done)
{
	struct stripe_call call = {0};
	enum fail kind;
	bool found;

	TRY(db_begin(operation->db, operation->task));
	TRY(stripe_call_take(operation, &call, &found));
	if (!found)
		return FAIL_NONE;
	*done = 1;
	kind = resolve(operation, &call);
	if (kind == FAIL_NONE)
		kind = db_commit(operation->db, operation->task);
	if (kind != FAIL_NONE)
		return record_failure(operation, &call, kind);
	log_line(LOG_LEVEL_INFO, "stripe call resolved", LOG_I("call", call.call_id),
	         LOG_S("kind", call.kind), LOG_S("customer_id", call.customer_id));
	return FAIL_NONE;
}
