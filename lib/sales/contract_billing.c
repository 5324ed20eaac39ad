/* contract_billing.c: brings a contract's subscription at Stripe to what the newest terms say. */
#include "sales/contract_billing.h"

#include "base/arena.h"
#include "base/encoding.h"
#include "base/text.h"
#include "billing/access.h"
#include "billing/customers.h"
#include "contracts/contracts.h"
#include "outbox/call_records.h"
#include "outbox/enqueue.h"
#include "outbox/fetch.h"
#include "outbox/locks.h"
#include "stripe/form.h"
#include "stripe/objects.h"
#include "sync/objects.h"

enum { PAGE = 100, KEY_BYTES = 8 };

struct bill {
	const struct stripe_call *call;
	struct contract contract;
	struct customer customer;
};

static const char expanded[] = "expand[0]=latest_invoice&expand[1]=customer";

/* Sends a part of the call. Its key follows from the call's and from the form: a repeated attempt sends the
 * same request under the same key, and another request under another one. */
static enum fail
send(struct operation *operation, const struct bill *bill, const char *path, const char *form,
     struct stripe_answer *answer)
{
	struct arena *arena = operation->task->arena;
	struct sha256 digest = digest_strings((const char *const[]){path, form}, 2);
	struct stripe_call part = *bill->call;

	part.path = path;
	part.parameters = form;
	part.idempotency_key = arena_printf(arena, "%s_%s", bill->call->idempotency_key,
	                                    hex_encode(arena, digest.bytes, KEY_BYTES));
	stripe_call_send(operation, &part, answer);
	return answer->outcome == STRIPE_DONE
	               ? FAIL_NONE
	               : stripe_call_failed(operation, bill->call, answer);
}

static int64_t
number_at(const struct json_view *object, const char *path)
{
	struct json_view value;
	int64_t out;

	return json_view_find(object, path, &value) && json_view_number(&value, &out) ? out : 0;
}

/* Makes a price of the contract's terms; its id. */
static enum fail
make_price(struct operation *operation, const struct bill *bill, const char **price_id)
{
	const struct contract *contract = &bill->contract;
	const struct contract_terms *terms = &contract->terms;
	struct stripe_form form = stripe_form_new(operation->task->arena);
	struct stripe_answer answer;

	stripe_form_string(&form, "currency", terms->currency);
	stripe_form_int(&form, "unit_amount", terms->amount_minor);
	stripe_form_string(&form, "recurring[interval]", terms->interval);
	stripe_form_int(&form, "recurring[interval_count]", terms->interval_count);
	stripe_form_string(&form, "product_data[name]",
	                   terms->reference != NULL ? terms->reference : terms->plan);
	stripe_form_string(&form, "metadata[plan]", terms->plan);
	stripe_form_string(&form, "metadata[contract_id]", contract->contract_id);
	TRY(send(operation, bill, "/v1/prices", form.text.data, &answer));
	*price_id = stripe_id_of(&answer.object, "id");
	return *price_id != NULL ? FAIL_NONE : stripe_answer_unusable(operation->task);
}

/* Stores the subscription of Stripe's, whose metadata names the contract that it is linked to. The
 * customer is locked only after all requests to Stripe. */
static enum fail
store(struct operation *operation, const struct bill *bill, const struct json_view *object)
{
	enum sync_result synced;
	const char *customer_id;

	return stripe_sync_store_subscription(operation, object, bill->contract.customer_id,
	                                      &customer_id, &synced);
}

static bool
is_to_begin(const struct operation *operation, const struct contract *contract)
{
	return contract->terms.starts_at.ms / SECOND_MS > operation->now_ms / SECOND_MS;
}

/* A subscription that begins later has a trial until then, which gives no access here. */
static const char *
creation_form(struct operation *operation, const struct bill *bill, const char *price_id)
{
	const struct sales_policy *sales = &operation->billing->sales;
	const struct contract *contract = &bill->contract;
	const struct contract_terms *terms = &contract->terms;
	struct stripe_form form = stripe_form_new(operation->task->arena);

	stripe_form_string(&form, "customer", bill->customer.stripe_customer_id);
	stripe_form_string(&form, "items[0][price]", price_id);
	stripe_form_int(&form, "items[0][quantity]", 1);
	stripe_form_string(&form, "collection_method", "send_invoice");
	stripe_form_int(&form, "days_until_due", terms->days_until_due);
	stripe_form_int(&form, "cancel_at", terms->ends_at.ms / SECOND_MS);
	if (is_to_begin(operation, contract))
		stripe_form_int(&form, "trial_end", terms->starts_at.ms / SECOND_MS);
	stripe_form_string(&form, "proration_behavior", "none");
	if (sales->billing_mode != NULL)
		stripe_form_string(&form, "billing_mode[type]", sales->billing_mode);
	if (sales->automatic_tax)
		stripe_form_bool(&form, "automatic_tax[enabled]", true);
	stripe_form_string(&form, "metadata[customer_id]", contract->customer_id);
	stripe_form_string(&form, "metadata[contract_id]", contract->contract_id);
	stripe_form_string(&form, "expand[0]", "latest_invoice");
	stripe_form_string(&form, "expand[1]", "customer");
	return form.text.data;
}

static enum fail
create(struct operation *operation, const struct bill *bill)
{
	struct stripe_answer answer;
	struct json_view object;
	const char *price_id, *id;

	TRY(make_price(operation, bill, &price_id));
	TRY(send(operation, bill, "/v1/subscriptions", creation_form(operation, bill, price_id),
	         &answer));
	object = answer.object;
	id = stripe_id_of(&object, "id");
	if (id == NULL)
		return stripe_answer_unusable(operation->task);
	TRY(stripe_lock(operation, id));
	if (answer.replayed)
		TRY(stripe_fetch(operation, "/v1/subscriptions/%s", id, expanded, &object));
	TRY(store(operation, bill, &object));
	return stripe_call_done(operation, bill->call, &answer, id);
}

/* The item of the subscription whose price was made for the contract; others may have been added at
 * Stripe. False when none or several are. */
static bool
find_item(const struct json_view *object, const struct contract *contract,
          struct json_view *out)
{
	struct json_view items, item;
	int found = 0;

	if (!json_view_find(object, "items.data", &items))
		return false;
	for (bool more = json_view_first(&items, &item); more; more = json_view_next(&item))
		if (text_equal(stripe_text_of(&item, "price.metadata.contract_id"),
		               contract->contract_id)) {
			*out = item;
			found++;
		}
	return found == 1;
}

static bool
has_interval(const struct json_view *item, const struct contract_terms *terms)
{
	return text_equal(stripe_text_of(item, "price.recurring.interval"), terms->interval) &&
	       number_at(item, "price.recurring.interval_count") == terms->interval_count;
}

static bool
has_price(const struct json_view *item, const struct contract_terms *terms)
{
	return number_at(item, "price.unit_amount") == terms->amount_minor &&
	       text_equal(stripe_text_of(item, "price.currency"), terms->currency) &&
	       has_interval(item, terms);
}

/* Adds what the subscription lacks but for the price. */
static void
add_lacks(const struct operation *operation, const struct contract *contract,
          const struct json_view *object, struct stripe_form *form)
{
	const struct contract_terms *terms = &contract->terms;

	if (number_at(object, "cancel_at") != terms->ends_at.ms / SECOND_MS)
		stripe_form_int(form, "cancel_at", terms->ends_at.ms / SECOND_MS);
	if (number_at(object, "days_until_due") != terms->days_until_due)
		stripe_form_int(form, "days_until_due", terms->days_until_due);
	if (is_to_begin(operation, contract) &&
	    number_at(object, "trial_end") != terms->starts_at.ms / SECOND_MS)
		stripe_form_int(form, "trial_end", terms->starts_at.ms / SECOND_MS);
	else if (!is_to_begin(operation, contract) &&
	         number_at(object, "trial_end") > operation->now_ms / SECOND_MS)
		stripe_form_string(form, "trial_end", "now");
}

/* Sends what the subscription lacks of the newest terms. Another price counts from the next period; in
 * place of a price of 0 Stripe may begin a period with it at once, when there is nothing to credit. */
static enum fail
update(struct operation *operation, const struct bill *bill, const struct json_view *item,
       struct json_view *object)
{
	struct arena *arena = operation->task->arena;
	struct stripe_form form = stripe_form_new(arena);
	struct stripe_answer answer;
	const char *price_id;

	add_lacks(operation, &bill->contract, object, &form);
	if (!has_price(item, &bill->contract.terms)) {
		TRY(make_price(operation, bill, &price_id));
		stripe_form_string(&form, "items[0][id]", stripe_text_of(item, "id"));
		stripe_form_string(&form, "items[0][price]", price_id);
	}
	if (form.text.length == 0)
		return FAIL_NONE;
	stripe_form_string(&form, "proration_behavior", "none");
	TRY(send(operation, bill,
	         stripe_path(arena, "/v1/subscriptions/%s", stripe_id_of(object, "id")),
	         form.text.data, &answer));
	return stripe_fetch(operation, "/v1/subscriptions/%s", stripe_id_of(object, "id"),
	                    expanded, object);
}

/* Stores the subscription as it is. An operator has to look at it. */
static enum fail
park(struct operation *operation, const struct bill *bill, const struct json_view *object,
     const char *why)
{
	TRY(store(operation, bill, object));
	return stripe_call_end(operation, bill->call, "parked", why);
}

/* Sends what the subscription lacks; that of a contract that is over is cancelled. For another interval of
 * a period that runs Stripe would invoice a new period at once and credit nothing. */
static enum fail
bring_in_line(struct operation *operation, const struct bill *bill, const char *id)
{
	struct stripe_subscription subscription;
	struct json_view object, item;

	TRY(stripe_lock(operation, id));
	TRY(stripe_fetch(operation, "/v1/subscriptions/%s", id, expanded, &object));
	if (!stripe_subscription_read(&object, &subscription))
		return stripe_answer_unusable(operation->task);
	if (stripe_status_is_final(subscription.status))
		TRY(store(operation, bill, &object));
	else if (contract_is_over(&bill->contract, operation->now_ms)) {
		TRY(store(operation, bill, &object));
		TRY(stripe_cancel_enqueue(operation, bill->contract.customer_id, id,
		                          stripe_cancel_parameters(operation)));
	} else if (!find_item(&object, &bill->contract, &item)) {
		return park(operation, bill, &object, "price_unclear");
	} else if (!has_interval(&item, &bill->contract.terms) &&
	           !text_equal(subscription.status, "trialing")) {
		return park(operation, bill, &object, "interval_fixed");
	} else {
		TRY(update(operation, bill, &item, &object));
		TRY(store(operation, bill, &object));
	}
	return stripe_call_end(operation, bill->call, "done", NULL);
}

/* Looks at a page of the customer's subscriptions. `*after` becomes its last id, NULL when no other page
 * follows. */
static enum fail
look_at_page(struct operation *operation, const struct bill *bill, const char **after,
             const char **id)
{
	struct stripe_form form = stripe_form_new(operation->task->arena);
	struct json_view data, item;
	const char *last = NULL;
	bool has_more;

	stripe_form_string(&form, "customer", bill->customer.stripe_customer_id);
	stripe_form_string(&form, "status", "all");
	stripe_form_int(&form, "limit", PAGE);
	if (*after != NULL)
		stripe_form_string(&form, "starting_after", *after);
	TRY(stripe_fetch_list(operation, "/v1/subscriptions", NULL, form.text.data, &data,
	                      &has_more));
	for (bool more = json_view_first(&data, &item); more; more = json_view_next(&item)) {
		last = stripe_id_of(&item, "id");
		if (text_equal(stripe_text_of(&item, "metadata.contract_id"),
		               bill->contract.contract_id))
			*id = last;
	}
	if (has_more && last == NULL)
		return stripe_answer_unusable(operation->task);
	*after = has_more ? last : NULL;
	return FAIL_NONE;
}

/* Finds the subscription that an earlier attempt may have made: by the contract's id in its metadata. NULL
 * when Stripe has none. */
static enum fail
find_at_stripe(struct operation *operation, const struct bill *bill, const char **id)
{
	const char *after = NULL;

	*id = NULL;
	do
		TRY(look_at_page(operation, bill, &after, id));
	while (after != NULL && *id == NULL);
	return FAIL_NONE;
}

/* The customer is created by a call of its own, whose key is stored before it is sent. */
static enum fail
await_customer(struct operation *operation, const struct bill *bill)
{
	TRY(stripe_customer_create_enqueue(operation, &bill->customer));
	return stripe_call_postpone(operation, bill->call, "customer_pending", true);
}

static enum fail
resolve(struct operation *operation, const struct bill *bill)
{
	const char *id = bill->contract.subscription.stripe_subscription_id;
	bool over = contract_is_over(&bill->contract, operation->now_ms);

	if (id == NULL && bill->customer.stripe_customer_id == NULL)
		return over ? stripe_call_end(operation, bill->call, "done", "contract_ended")
		            : await_customer(operation, bill);
	if (id == NULL)
		TRY(find_at_stripe(operation, bill, &id));
	if (id != NULL)
		return bring_in_line(operation, bill, id);
	return over ? stripe_call_end(operation, bill->call, "done", "contract_ended")
	            : create(operation, bill);
}

enum fail
stripe_resolve_contract(struct operation *operation, const struct stripe_call *call)
{
	struct bill bill = {.call = call};
	enum fail kind;
	bool newer;

	TRY(stripe_lock(operation, call->subject));
	TRY(stripe_call_has_newer(operation, call, &newer));
	if (newer)
		return stripe_call_end(operation, call, "done", "superseded");
	kind = contract_find(operation, call->customer_id, call->subject, &bill.contract);
	if (kind == FAIL_NOT_FOUND) {
		task_clear(operation->task);
		return stripe_call_end(operation, call, "failed", "customer_deleted");
	}
	TRY(kind);
	TRY(customer_find(operation, call->customer_id, &bill.customer));
	return resolve(operation, &bill);
}
