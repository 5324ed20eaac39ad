/* enqueue.c: records requests to Stripe that follow from a change here. */
#include "outbox/enqueue.h"

#include "base/arena.h"
#include "base/text.h"
#include "billing/subscriptions.h"
#include "outbox/call_records.h"
#include "outbox/locks.h"
#include "stripe/form.h"

static enum fail
enqueue(struct operation *operation, const struct stripe_call *wanted)
{
	struct stripe_call call;

	TRY(stripe_call_write(operation, wanted, 0, &call));
	return stripe_jobs_wake(operation);
}

const char *
stripe_cancel_parameters(const struct operation *operation)
{
	return operation->billing->meter_prices.count > 0 ? "invoice_now=true" : "";
}

enum fail
stripe_cancel_enqueue(struct operation *operation, const char *customer_id,
                      const char *stripe_subscription_id, const char *parameters)
{
	struct arena *arena = operation->task->arena;
	const struct stripe_call wanted = {
	        .kind = STRIPE_CANCEL,
	        .customer_id = customer_id,
	        .subject = stripe_subscription_id,
	        .deletes = true,
	        .path = stripe_path(arena, "/v1/subscriptions/%s", stripe_subscription_id),
	        .parameters = parameters,
	};
	bool pending;

	TRY(stripe_call_is_pending(operation, STRIPE_CANCEL, stripe_subscription_id, &pending));
	return pending ? FAIL_NONE : enqueue(operation, &wanted);
}

enum fail
stripe_cancel_enqueue_all(struct operation *operation, const char *customer_id)
{
	const struct subscription *open;
	size_t count;

	TRY(subscription_open_at_stripe(operation, customer_id, &open, &count));
	for (size_t i = 0; i < count; i++)
		TRY(stripe_cancel_enqueue(operation, customer_id,
		                          open[i].stripe_subscription_id,
		                          stripe_cancel_parameters(operation)));
	return FAIL_NONE;
}

/* The end of the item whose period ends last, or first; unknown when no item has a period. */
static struct instant
period_end(const struct stripe_subscription *subscription, bool last)
{
	struct instant out = INSTANT_NONE;

	for (size_t i = 0; i < subscription->item_count; i++) {
		const struct instant end = subscription->items[i].period_end;

		if (end.known && (!out.known || (last ? end.ms > out.ms : end.ms < out.ms)))
			out = end;
	}
	return out;
}

static const char *
cancel_at(struct arena *arena, struct instant at)
{
	return arena_printf(arena, "cancel_at=%lld", (long long)(at.ms / SECOND_MS));
}

/* In flexible billing mode the periods of items can differ, and `cancel_at_period_end` would end
 * with the earliest of them (docs.stripe.com/changelog, 2025-07-30.basil). */
const char *
stripe_end_parameters(struct arena *arena, const struct stripe_subscription *subscription)
{
	const struct instant first = period_end(subscription, false);
	const struct instant last = period_end(subscription, true);

	return first.known && first.ms < last.ms ? cancel_at(arena, last)
	                                         : STRIPE_ENDS_WITH_PERIOD;
}

bool
stripe_ends_with_period(const struct stripe_subscription *subscription)
{
	const struct instant end = subscription->cancel_at;
	struct instant last = period_end(subscription, true);

	if (!last.known)
		last = subscription->period_end;
	return stripe_status_is_final(subscription->status) ||
	       subscription->cancel_at_period_end ||
	       (end.known && (!last.known || end.ms <= last.ms));
}

enum fail
stripe_end_enqueue(struct operation *operation, const char *customer_id,
                   const char *stripe_subscription_id, bool ends, struct instant other_end)
{
	struct arena *arena = operation->task->arena;
	const struct stripe_call wanted = {
	        .kind = STRIPE_END,
	        .customer_id = customer_id,
	        .subject = stripe_subscription_id,
	        .path = stripe_path(arena, "/v1/subscriptions/%s", stripe_subscription_id),
	        .parameters = ends              ? STRIPE_ENDS_WITH_PERIOD
	                      : other_end.known ? cancel_at(arena, other_end)
	                                        : "cancel_at_period_end=false",
	};

	return enqueue(operation, &wanted);
}

enum fail
stripe_end_is_under_way(struct operation *operation, const char *customer_id,
                        const char *stripe_subscription_id, bool *out)
{
	struct stripe_call newest = {0};

	TRY(stripe_call_newest(operation, STRIPE_END, customer_id, stripe_subscription_id,
	                       &newest));
	*out = (text_equal(newest.state, "pending") || text_equal(newest.state, "parked")) &&
	       text_equal(newest.parameters, STRIPE_ENDS_WITH_PERIOD);
	return FAIL_NONE;
}

enum fail
stripe_checkout_close_enqueue(struct operation *operation, const char *customer_id,
                              const char *stripe_customer_id)
{
	const struct stripe_call wanted = {.kind = STRIPE_CHECKOUT_CLOSE,
	                                   .customer_id = customer_id,
	                                   .subject = stripe_customer_id,
	                                   .path = "/v1/checkout/sessions",
	                                   .parameters = ""};

	return stripe_customer_id == NULL ? FAIL_NONE : enqueue(operation, &wanted);
}

const char *
stripe_customer_parameters(const struct operation *operation, const struct customer *customer)
{
	struct stripe_form form = stripe_form_new(operation->task->arena);

	stripe_form_string(&form, "email", customer->email);
	stripe_form_string(&form, "name", customer->company_name);
	stripe_form_string(&form, "metadata[customer_id]", customer->customer_id);
	return form.text.data;
}

enum fail
stripe_customer_create_enqueue(struct operation *operation, const struct customer *customer)
{
	const struct stripe_call wanted = {
	        .kind = STRIPE_CUSTOMER_CREATE,
	        .customer_id = customer->customer_id,
	        .path = "/v1/customers",
	        .parameters = stripe_customer_parameters(operation, customer)};

	return enqueue(operation, &wanted);
}

/* A moment later than other calls: one of them may create the customer. */
enum fail
stripe_contract_enqueue(struct operation *operation, const char *customer_id,
                        const char *contract_id)
{
	const struct stripe_call wanted = {.kind = STRIPE_CONTRACT,
	                                   .customer_id = customer_id,
	                                   .subject = contract_id,
	                                   .path = "/v1/subscriptions",
	                                   .parameters = ""};
	struct stripe_call call;

	TRY(stripe_call_write(operation, &wanted, 1, &call));
	return stripe_jobs_wake(operation);
}

enum fail
stripe_customer_update_enqueue(struct operation *operation, const struct customer *customer)
{
	struct arena *arena = operation->task->arena;
	struct stripe_form form = stripe_form_new(arena);
	struct stripe_call wanted = {
	        .kind = STRIPE_CUSTOMER_UPDATE,
	        .customer_id = customer->customer_id,
	        .subject = customer->stripe_customer_id,
	};

	if (customer->stripe_customer_id == NULL)
		return FAIL_NONE;
	stripe_form_string(&form, "email", customer->email);
	stripe_form_string(&form, "name",
	                   customer->company_name == NULL ? "" : customer->company_name);
	wanted.path = stripe_path(arena, "/v1/customers/%s", customer->stripe_customer_id);
	wanted.parameters = form.text.data;
	return enqueue(operation, &wanted);
}
