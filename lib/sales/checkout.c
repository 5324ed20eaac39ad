/* checkout.c: opens Stripe's pages where a customer pays for a plan or manages its payments. */
#include "sales/checkout.h"

#include "base/arena.h"
#include "base/text.h"
#include "billing/access.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "contracts/contracts.h"
#include "outbox/enqueue.h"
#include "outbox/fetch.h"
#include "sales/addon_items.h"
#include "sales/checkout_sessions.h"
#include "sales/items.h"
#include "sales/perform.h"
#include "sales/plan_change.h"
#include "sales/resolve.h"
#include "sales/return_urls.h"
#include "sales/stripe_customer.h"
#include "stripe/form.h"
#include "stripe/objects.h"
#include "sync/objects.h"
#include "json/view.h"

/* Checkout refuses a trial that ends within 48 hours (docs.stripe.com, Checkout Session,
 * subscription_data.trial_end). The hour more is for clocks that differ and for the request's
 * way. */
#define TRIAL_LEFT_MS (49 * HOUR_MS)

/* The goods of a checkout. */
struct order {
	const struct price *price; /* of the plan */
	struct purchase purchase;
	struct addon_prices addons;
};

static enum fail
check_url(struct operation *operation, const char *field, const char *url)
{
	const char *fault =
	        url == NULL ? NULL : return_url_fault(&operation->billing->sales, url);

	return fault == NULL ? FAIL_NONE : task_fail_field(operation->task, field, "%s", fault);
}

static const struct price *
requested_price(const struct billing *billing, const struct checkout_request *request)
{
	const struct price_list *prices = &billing->plan_prices;
	const struct price_terms terms = {.interval = request->interval,
	                                  .interval_count = request->interval_count,
	                                  .currency = request->currency};

	if (request->price_id != NULL)
		return price_list_find(prices, request->price_id);
	if (terms.interval != NULL || terms.currency != NULL)
		return price_list_for_terms(prices, &billing->plans, request->plan, &terms,
		                            SIZE_MAX);
	return price_list_for(prices, request->plan, 0);
}

static enum fail
fail_price(struct operation *operation, const struct checkout_request *request)
{
	const struct price_list *prices = &operation->billing->plan_prices;

	if (request->price_id != NULL)
		return task_fail_field(operation->task, "price_id",
		                       "is not a price of this plan");
	if (price_list_for(prices, request->plan, 0) != NULL)
		return task_fail_field(operation->task,
		                       request->interval != NULL ? "interval" : "currency",
		                       "is not one by which this plan is sold");
	return task_fail_field(operation->task, "plan", "is not a plan that is sold online");
}

/* Finds the quantity and the add-ons, with their prices. */
static enum fail
check_purchase(struct operation *operation, const struct checkout_request *request,
               struct order *out)
{
	const struct plans *plans = &operation->billing->plans;
	const struct purchase one = {.quantity = 1};
	const struct price_terms terms = price_terms_of(plans, out->price);
	enum fail kind, fault;
	size_t count = 1 + stripe_items_count_metered(operation->billing, out->price, NULL);

	out->purchase = purchase_changed(&one, &request->purchase);
	kind = purchase_check_quantity(operation->task, plans_find(plans, request->plan),
	                               &request->purchase);
	fault = addon_prices_find(operation, &terms, &out->purchase, &out->addons);
	for (size_t i = 0; i < PLAN_ADDONS_MAX; i++)
		count += out->purchase.addons[i] > 0;
	if (fault == FAIL_NONE && count > PURCHASE_ITEMS_MAX)
		fault = task_fail_field(operation->task, "addons",
		                        "a subscription has %d items at most",
		                        PURCHASE_ITEMS_MAX);
	return fault == FAIL_NONE ? kind : fault;
}

/* Finds what is to be sold; the failure names all bad fields of the request. */
static enum fail
check_request(struct operation *operation, const struct checkout_request *request,
              struct order *out)
{
	enum fail kind = FAIL_NONE, fault;

	*out = (struct order){.price = requested_price(operation->billing, request)};
	if (out->price == NULL || !text_equal(out->price->sells, request->plan))
		kind = fail_price(operation, request);
	else
		kind = check_purchase(operation, request, out);
	fault = check_url(operation, "success_url", request->success_url);
	kind = fault == FAIL_NONE ? kind : fault;
	fault = check_url(operation, "cancel_url", request->cancel_url);
	return fault == FAIL_NONE ? kind : fault;
}

static enum fail
fail_subscription_exists(struct operation *operation)
{
	return task_fail(operation->task, FAIL_CONFLICT, "subscription_exists",
	                 "The customer has a paid subscription; change its plan instead.");
}

/* The client's URL, or without one the address of a page of this service. */
static const char *
url_or_ours(struct operation *operation, const char *url, const char *page)
{
	return url != NULL ? url
	                   : arena_printf(operation->task->arena, "%s/checkout/%s",
	                                  operation->billing->sales.base_url, page);
}

/* Adds what the vendor lets customers do at checkout. Stripe refuses automatic tax and tax IDs for
 * a customer that exists unless the address and the name may be kept at the customer
 * (docs.stripe.com/tax/checkout). */
static void
add_options(struct stripe_form *form, const struct sales_policy *sales)
{
	if (sales->billing_mode != NULL)
		stripe_form_string(form, "subscription_data[billing_mode][type]",
		                   sales->billing_mode);
	if (sales->promotion_codes)
		stripe_form_bool(form, "allow_promotion_codes", true);
	if (sales->automatic_tax)
		stripe_form_bool(form, "automatic_tax[enabled]", true);
	if (sales->automatic_tax || sales->tax_ids)
		stripe_form_string(form, "customer_update[address]", "auto");
	if (sales->tax_ids) {
		stripe_form_bool(form, "tax_id_collection[enabled]", true);
		stripe_form_string(form, "customer_update[name]", "auto");
	}
}

static const char *
session_form(struct operation *operation, const struct checkout_request *request,
             const struct order *order, const char *stripe_customer_id,
             struct instant free_until)
{
	struct arena *arena = operation->task->arena;
	struct stripe_form form = stripe_form_new(arena);
	size_t next = 1;

	stripe_form_string(&form, "mode", "subscription");
	stripe_form_string(&form, "line_items[0][price]", order->price->price_id);
	stripe_form_int(&form, "line_items[0][quantity]", order->purchase.quantity);
	addon_items_add(&form, "line_items", &next, &order->addons, &order->purchase);
	stripe_items_add_metered(&form, "line_items", next, operation->billing, order->price,
	                         NULL);
	stripe_form_string(&form, "customer", stripe_customer_id);
	stripe_form_string(&form, "client_reference_id", request->customer_id);
	stripe_form_string(
	        &form, "success_url",
	        url_or_ours(operation, request->success_url,
	                    arena_printf(arena, "done?plan=%s&session_id={CHECKOUT_SESSION_ID}",
	                                 request->plan)));
	stripe_form_string(&form, "cancel_url",
	                   url_or_ours(operation, request->cancel_url,
	                               arena_printf(arena, "canceled?plan=%s", request->plan)));
	stripe_form_string(&form, "metadata[customer_id]", request->customer_id);
	stripe_form_string(&form, "subscription_data[metadata][customer_id]",
	                   request->customer_id);
	add_options(&form, &operation->billing->sales);
	if (free_until.known && free_until.ms - operation->now_ms >= TRIAL_LEFT_MS)
		stripe_form_int(&form, "subscription_data[trial_end]",
		                free_until.ms / SECOND_MS);
	return form.text.data;
}

/* When the new subscription begins to bill: a contract that ends counts until then, and a trial where
 * the policy keeps it. Unknown: at once. */
static struct instant
free_until(const struct operation *operation, const struct subscription *subscription,
           struct instant contract_ends_at)
{
	if (contract_ends_at.known)
		return contract_ends_at;
	if (operation->billing->sales.keep_trial && subscription != NULL &&
	    access_is_trial(subscription, operation->now_ms))
		return subscription->trial_ends_at;
	return INSTANT_NONE;
}

static bool
is_paid_and_live(const struct subscription *subscription)
{
	return subscription != NULL && !subscription_is_contract(subscription) &&
	       subscription->stripe_subscription_id != NULL &&
	       stripe_status_is_live(subscription->status);
}

/* Records the call that creates the session, or finds the call that an earlier request with the
 * same Idempotency-Key recorded. */
static enum fail
prepare_session(struct operation *operation, const struct checkout_request *request,
                const struct order *order, struct stripe_call *call)
{
	const struct subscription *subscription;
	struct instant contract_ends_at;
	struct stripe_call wanted = {.kind = STRIPE_CHECKOUT,
	                             .customer_id = request->customer_id,
	                             .path = "/v1/checkout/sessions",
	                             .by_client = true};
	struct customer customer;
	bool begun;

	TRY(customer_find(operation, request->customer_id, &customer));
	TRY(stripe_call_find_begun(operation, call, &begun));
	if (begun)
		return FAIL_NONE;
	TRY(subscription_newest(operation, request->customer_id, &subscription));
	if (is_paid_and_live(subscription))
		return fail_subscription_exists(operation);
	TRY(contract_must_end(operation, request->customer_id, &contract_ends_at));
	TRY(audit_admit_payment(operation, request->customer_id));
	TRY(stripe_customer_ensure(operation, &customer, &wanted.subject));
	wanted.parameters = session_form(operation, request, order, wanted.subject,
	                                 free_until(operation, subscription, contract_ends_at));
	/* A call that has failed keeps the client's key. */
	wanted.by_client = call->state == NULL;
	return call_prepare(operation, &wanted, call);
}

/* Refuses a second subscription. The event of the first one may not have arrived yet, and an operator may
 * have made a contract since the request was looked at. */
static enum fail
refuse_second(struct operation *operation, const struct stripe_call *call)
{
	struct instant contract_ends_at;
	bool bought;

	TRY(contract_must_end(operation, call->customer_id, &contract_ends_at));
	TRY(stripe_sync_bought(operation, call->subject, call->customer_id, &bought));
	if (!bought)
		return FAIL_NONE;
	TRY(db_commit(operation->db, operation->task));
	return fail_subscription_exists(operation);
}

/* Reads the session's id and URL. An answer that Stripe replays shows the session's earlier
 * state, so the session is fetched. */
static enum fail
read_session(struct operation *operation, const struct stripe_answer *answer,
             struct checkout_session *out)
{
	struct json_view object = answer->object;
	const char *status = "open";

	if (!json_view_string(&object, "id", &out->session_id))
		return stripe_answer_unusable(operation->task);
	if (answer->replayed)
		TRY(stripe_fetch(operation, "/v1/checkout/sessions/%s", out->session_id, NULL,
		                 &object));
	(void)json_view_string(&object, "status", &status);
	if (!text_equal(status, "open") || !json_view_string(&object, "url", &out->url))
		return task_fail(
		        operation->task, FAIL_CONFLICT, "checkout_closed",
		        "The checkout of this Idempotency-Key is closed; use a new key.");
	return FAIL_NONE;
}

/* Creates the session, closes all others and then looks for a subscription at Stripe. No
 * purchase can follow that look: the new page's URL has not been given to anyone yet. */
static enum fail
open_session(struct operation *operation, const struct stripe_call *call, void *context)
{
	struct checkout_session *out = context;
	struct stripe_answer answer;
	enum fail kind;

	stripe_call_send(operation, call, &answer);
	if (answer.outcome != STRIPE_DONE)
		return stripe_call_failed(operation, call, &answer);
	TRY(read_session(operation, &answer, out));
	TRY(checkout_close_others(operation, call->subject, out->session_id));
	kind = refuse_second(operation, call);
	if (kind != FAIL_NONE) {
		TRY(checkout_close(operation, out->session_id));
		return kind;
	}
	TRY(stripe_call_done(operation, call, &answer, out->session_id));
	return audit_record(operation, "checkout", call->customer_id, out->session_id, NULL);
}

static enum fail
open_checkout(struct operation *operation, const struct checkout_request *request,
              const struct order *order, struct checkout_session *out)
{
	struct stripe_call call;
	enum fail kind;

	TRY(prepare_session(operation, request, order, &call));
	kind = call_perform(operation, &call, NULL, open_session, out);
	/* The page of this call is closed or was never opened. */
	if (kind == FAIL_CONFLICT)
		TRY(stripe_call_end(operation, &call, "failed", operation->task->failure.code));
	return kind;
}

enum fail
checkout_open(struct operation *operation, const struct checkout_request *request,
              struct checkout_session *out)
{
	struct order order;
	enum fail kind;

	TRY(stripe_is_configured(operation));
	TRY(check_request(operation, request, &order));
	kind = open_checkout(operation, request, &order, out);
	if (!stripe_customer_is_missing(operation, kind))
		return kind;
	TRY(stripe_customer_unlink_missing(operation, request->customer_id));
	return open_checkout(operation, request, &order, out);
}

static enum fail
open_portal(struct operation *operation, const struct customer *customer,
            const char *return_url, const char **url)
{
	struct task *task = operation->task;
	struct stripe_form form = stripe_form_new(task->arena);
	const char *stripe_customer_id;
	struct json_view object;

	TRY(stripe_customer_ensure(operation, customer, &stripe_customer_id));
	stripe_form_string(&form, "customer", stripe_customer_id);
	stripe_form_string(&form, "return_url", url_or_ours(operation, return_url, "back"));
	TRY(stripe_post(operation, "/v1/billing_portal/sessions", form.text.data, &object));
	if (!json_view_string(&object, "url", url))
		return stripe_answer_unusable(task);
	return audit_record(operation, "portal", customer->customer_id, NULL, NULL);
}

enum fail
checkout_portal(struct operation *operation, const char *customer_id, const char *return_url,
                const char **url)
{
	struct customer customer;
	enum fail kind;

	TRY(stripe_is_configured(operation));
	TRY(check_url(operation, "return_url", return_url));
	TRY(customer_find(operation, customer_id, &customer));
	if (customer.stripe_customer_id == NULL)
		return fail_checkout_needed(operation);
	TRY(audit_admit_payment(operation, customer_id));
	kind = open_portal(operation, &customer, return_url, url);
	if (!stripe_customer_is_missing(operation, kind))
		return kind;
	TRY(stripe_customer_unlink_missing(operation, customer_id));
	TRY(customer_find(operation, customer_id, &customer));
	return open_portal(operation, &customer, return_url, url);
}
