/*
 * resolve.c: ends what is open between Stripe and us.
 */
#include "sales/resolve.h"

#include "base/json_in.h"
#include "base/log.h"
#include "base/text.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "billing/subscriptions.h"
#include "outbox/enqueue.h"
#include "outbox/fetch.h"
#include "outbox/locks.h"
#include "sales/checkout_sessions.h"
#include "stripe/form.h"
#include "stripe/objects.h"
#include "sync/objects.h"

enum { CUSTOMERS_TO_LOOK_AT = 100, NOT_FOUND = 404 };

/* Deleted at Stripe. */
static const char customer_gone[] = "customer_gone";

static bool
key_is_young(const struct operation *operation, const struct stripe_call *call)
{
	return operation->now_ms - call->created_at.ms < STRIPE_KEY_LIFE_MS;
}

/* The customer that an earlier attempt may have made, by our id in its metadata; NULL: none.
 * Stripe's search lags behind, the list does not. */
static enum fail
look_for_customer(struct operation *operation, const struct customer *customer,
                  const char **stripe_customer_id)
{
	struct stripe_form form = stripe_form_new(operation->task->arena);
	struct json_object *data;

	*stripe_customer_id = NULL;
	stripe_form_string(&form, "email", customer->email);
	stripe_form_int(&form, "limit", CUSTOMERS_TO_LOOK_AT);
	TRY(stripe_fetch_list(operation, "/v1/customers", NULL, form.text.data, &data, NULL));
	for (size_t i = 0; i < json_object_array_length(data); i++) {
		const struct json_object *item = json_object_array_get_idx(data, i);
		struct json_object *metadata;
		const char *id;

		if (json_in_object(item, "metadata", &metadata) &&
		    json_in_string(metadata, "customer_id", &id) &&
		    text_equal(id, customer->customer_id))
			(void)json_in_string(item, "id", stripe_customer_id);
	}
	return FAIL_NONE;
}

/* What was changed here while Stripe was making the customer has not reached it: times do not tell, as
 * who changes it may have begun before. The link locks the customer: what changes from now on is told
 * by whoever changes it. */
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

/* The creation leads to nothing any more; the next wish begins another. */
static enum fail
give_up(struct operation *operation, const struct stripe_call *call, const char *reason)
{
	db_rollback_to(operation->db, 0);
	TRY(stripe_call_end(operation, call, "failed", reason));
	return task_fail(operation->task, FAIL_BUSY, "operation_in_progress",
	                 "An earlier attempt has just been given up; try again.");
}

/* Stripe remembers its answer for longer than a customer may live there. */
static enum fail
look_at_remembered(struct operation *operation, const struct stripe_call *call,
                   const char *stripe_customer_id)
{
	struct json_object *object;
	bool deleted = false;

	TRY(stripe_fetch(operation, "/v1/customers/%s", stripe_customer_id, NULL, &object));
	(void)json_in_bool(object, "deleted", &deleted);
	return deleted ? give_up(operation, call, customer_gone) : FAIL_NONE;
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
		TRY(look_for_customer(operation, &customer, stripe_customer_id));
		if (*stripe_customer_id == NULL)
			return give_up(operation, call, "key_too_old");
	}
	if (*stripe_customer_id == NULL) {
		stripe_call_send(operation, call, &answer);
		if (stripe_call_key_spent(&answer))
			TRY(look_for_customer(operation, &customer, stripe_customer_id));
		if (answer.outcome != STRIPE_DONE && *stripe_customer_id == NULL)
			return stripe_call_failed(operation, call, &answer);
		if (answer.outcome == STRIPE_DONE)
			*stripe_customer_id = stripe_id_of(answer.object, "id");
	}
	if (*stripe_customer_id == NULL)
		return stripe_answer_unusable(operation->task);
	if (answer.replayed)
		TRY(look_at_remembered(operation, call, *stripe_customer_id));
	TRY(link_customer(operation, call, *stripe_customer_id));
	return stripe_call_done(operation, call, &answer, *stripe_customer_id);
}

/* What Stripe has now, when its answer does not show it: it was refused, or it is an old one. */
static enum fail
look_at_subscription(struct operation *operation, const struct stripe_call *call,
                     struct json_object **object)
{
	return stripe_fetch(operation, "/v1/subscriptions/%s", call->subject,
	                    "expand[0]=latest_invoice", object);
}

static bool
has_ended(const struct operation *operation, const struct json_object *object)
{
	struct stripe_subscription subscription;

	return stripe_subscription_read(operation->task->arena, object, &subscription) &&
	       stripe_status_is_final(subscription.status);
}

/* An end was refused: because it had ended already? Without an answer nobody knows yet. */
static enum fail
look_for_end(struct operation *operation, const struct stripe_call *call,
             const struct stripe_answer *refusal, struct json_object **object)
{
	enum fail kind = look_at_subscription(operation, call, object);

	if (kind != FAIL_NONE && kind != FAIL_NOT_FOUND)
		return kind;
	if (kind == FAIL_NONE && has_ended(operation, *object))
		return FAIL_NONE;
	task_clear(operation->task);
	return stripe_call_failed(operation, call, refusal);
}

static enum fail
end_schedule(struct operation *operation, const struct stripe_call *call)
{
	if (call->plan == NULL)
		return FAIL_NONE;
	return subscription_overtake(operation, call->subject, call->plan, call->created_at);
}

enum fail
stripe_resolve_change(struct operation *operation, const struct stripe_call *call)
{
	struct stripe_answer answer;
	struct json_object *object;
	enum sync_result synced;
	const char *customer_id;

	TRY(stripe_lock(operation, call->subject));
	stripe_call_send(operation, call, &answer);
	object = answer.object;
	if (answer.outcome == STRIPE_REFUSED && call->deletes)
		TRY(look_for_end(operation, call, &answer, &object));
	else if (answer.outcome != STRIPE_DONE)
		return stripe_call_failed(operation, call, &answer);
	else if (answer.replayed)
		TRY(look_at_subscription(operation, call, &object));
	TRY(stripe_call_done(operation, call, &answer, call->subject));
	TRY(stripe_sync_store_subscription(operation, object, call->customer_id, &customer_id,
	                                   &synced));
	return end_schedule(operation, call);
}

static enum fail
resolve_creation(struct operation *operation, const struct stripe_call *call)
{
	const char *stripe_customer_id;
	enum fail kind = stripe_resolve_creation(operation, call, &stripe_customer_id);

	/* A deleted customer needs no twin at Stripe. */
	if (kind == FAIL_NOT_FOUND) {
		task_clear(operation->task);
		return stripe_call_end(operation, call, "failed", "customer_deleted");
	}
	return kind;
}

/* Why nobody needs to be told any more; NULL when that is not so. */
static enum fail
reason_against_update(struct operation *operation, const struct stripe_call *call,
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

/* Stripe knows no such customer: because the vendor has deleted it there? It is ours no longer then,
 * and it is nobody's business to try again. */
static enum fail
look_for_deletion(struct operation *operation, const struct stripe_call *call,
                  const struct stripe_answer *refusal)
{
	const struct sync_target target = {.id = call->subject};
	const char *customer_id, *reason;
	enum sync_result synced;

	TRY(stripe_sync_customer(operation, &target, &customer_id, &synced));
	TRY(reason_against_update(operation, call, &reason));
	return reason != NULL ? stripe_call_end(operation, call, "failed", reason)
	                      : stripe_call_failed(operation, call, refusal);
}

/* Only the newest of several counts, whatever order they are tried in. */
static enum fail
resolve_update(struct operation *operation, const struct stripe_call *call)
{
	struct stripe_answer answer;
	const char *reason;
	bool newer;

	TRY(stripe_lock(operation, call->subject));
	TRY(reason_against_update(operation, call, &reason));
	if (reason != NULL)
		return stripe_call_end(operation, call, "failed", reason);
	TRY(stripe_call_has_newer(operation, call, &newer));
	if (newer)
		return stripe_call_end(operation, call, "done", "superseded");
	stripe_call_send(operation, call, &answer);
	if (answer.outcome == STRIPE_REFUSED && answer.status == NOT_FOUND)
		return look_for_deletion(operation, call, &answer);
	if (answer.outcome != STRIPE_DONE)
		return stripe_call_failed(operation, call, &answer);
	return stripe_call_done(operation, call, &answer, call->subject);
}

/* Nobody has the page's address, so nobody can pay there. */
static enum fail
resolve_checkout(struct operation *operation, const struct stripe_call *call)
{
	return stripe_call_end(operation, call, "failed", "abandoned");
}

/* Whoever still has such a page's address could pay for a customer that is gone. */
static enum fail
resolve_close(struct operation *operation, const struct stripe_call *call)
{
	TRY(checkout_close_others(operation, call->subject, NULL));
	return stripe_call_end(operation, call, "done", NULL);
}

/* The client has gone with an unknown outcome and may have asked for something else since: it is
 * not sent again. What Stripe has is the outcome. */
static enum fail
resolve_by_fetching(struct operation *operation, const struct stripe_call *call)
{
	const struct sync_target target = {.id = call->subject,
	                                   .customer_id = call->customer_id};
	const char *customer_id;
	enum sync_result synced;

	TRY(stripe_sync_subscription(operation, &target, &customer_id, &synced));
	TRY(end_schedule(operation, call));
	return stripe_call_end(operation, call, "done", "looked_up");
}

static const struct {
	const char *kind;
	enum fail (*resolve)(struct operation *operation, const struct stripe_call *call);
} kinds[] = {
        {STRIPE_CUSTOMER_CREATE, resolve_creation}, {STRIPE_CUSTOMER_UPDATE, resolve_update},
        {STRIPE_CHECKOUT, resolve_checkout},        {STRIPE_CHANGE, resolve_by_fetching},
        {STRIPE_CANCEL, stripe_resolve_change},     {STRIPE_CHECKOUT_CLOSE, resolve_close},
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

/* Without Stripe there is no use in counting tries; what it refused is this call's own fault. */
static enum fail
note_failure(struct operation *operation, const struct stripe_call *call, enum fail kind)
{
	const char *error = operation->task->failure.code;
	bool away = stripe_is_away(operation, kind);

	db_rollback_to(operation->db, 0);
	log_line(LOG_LEVEL_WARNING, "call of Stripe not settled", LOG_I("call", call->call_id),
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
		return note_failure(operation, &call, kind);
	log_line(LOG_LEVEL_INFO, "call of Stripe settled", LOG_I("call", call.call_id),
	         LOG_S("kind", call.kind), LOG_S("customer_id", call.customer_id));
	return FAIL_NONE;
}
