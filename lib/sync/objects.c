/* objects.c: fetches an object of Stripe's and stores our copy of it. */
#include "sync/objects.h"

#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "contracts/contracts.h"
#include "outbox/account.h"
#include "outbox/call_records.h"
#include "outbox/fetch.h"
#include "outbox/locks.h"
#include "payments/invoices.h"
#include "payments/payment_events.h"
#include "stripe/form.h"
#include "subscriptions/recurring.h"
#include "subscriptions/sold_items.h"
#include "subscriptions/subscriptions.h"
#include "subscriptions/unknown_prices.h"
#include "sync/events.h"
#include "sync/price_plans.h"
#include "sync/sweep.h"
#include "json/view.h"

static bool
is_deletion(const struct sync_target *target)
{
	const char *type = target->event_type == NULL ? "" : target->event_type;

	return text_equal(strrchr(type, '.'), ".deleted");
}

/* Stripe has no such object. That is the object's end when an event of Stripe's says so. An
 * end that only a comparison has found must be proven: a key of another account finds no object. */
static enum fail
find_end(struct operation *operation, const struct sync_target *target, bool may_be_gone)
{
	bool is_deleted = is_deletion(target);
	bool is_from_sweep = is_deleted && text_starts_with(target->event_type, SWEEP_EVENT);

	task_clear(operation->task);
	if (!is_deleted)
		TRY(stripe_event_deletion_is_known(operation, target->id, &is_deleted));
	if (is_deleted && !is_from_sweep)
		return FAIL_NONE;
	if (is_from_sweep || may_be_gone)
		return stripe_account_must_be_ours(operation);
	return task_fail(operation->task, FAIL_NOT_FOUND, "stripe_not_found",
	                 "Stripe has no such object.");
}

/* Locks the object, then fetches it. `*gone` is true when it does not exist any more; with
 * `may_be_gone` no event need have told so. */
static enum fail
fetch(struct operation *operation, const struct sync_target *target, const char *format,
      const char *query, bool may_be_gone, struct json_view *out, bool *gone)
{
	enum fail kind;

	TRY(stripe_lock(operation, target->id));
	kind = stripe_fetch(operation, format, target->id, query, out);
	*gone = kind == FAIL_NOT_FOUND;
	return *gone ? find_end(operation, target, may_be_gone) : kind;
}

/* Stores a subscription without a plan. The vendor may sell other things through the same account:
 * those of a customer of ours are recorded until an operator says what they are. */
static enum fail
store_unknown(struct operation *operation, const char *customer_id,
              const struct sold_subscription *subscription, enum sync_result *out)
{
	bool is_new, deleted;

	if (customer_id == NULL)
		return FAIL_NONE;
	TRY(customer_lock(operation, customer_id, &deleted));
	TRY(unknown_prices_record(operation, customer_id, subscription, &is_new));
	if (subscription->unknown_count > 0 &&
	    !stripe_status_is_final(subscription->stripe.status))
		*out = is_new ? SYNC_CHANGED : SYNC_SAME;
	return FAIL_NONE;
}

enum fail
stripe_sync_must_wait(struct operation *operation, const struct stripe_subscription *theirs,
                      const struct synced_subscription *ours, bool *out)
{
	if (stripe_status_is_final(theirs->status) ||
	    (ours != NULL && !stripe_status_is_final(ours->status)))
		return stripe_call_is_pending(operation, STRIPE_CANCEL, theirs->id, out);
	return stripe_call_cancellation_is_open(operation, theirs->id, out);
}

enum fail
stripe_sync_store_subscription(struct operation *operation, const struct json_view *object,
                               const char *named_customer_id, const char **customer_id,
                               enum sync_result *out)
{
	struct sold_subscription subscription;
	struct synced_subscription ours;
	const struct stripe_subscription *stripe = &subscription.stripe;
	bool known, changed, deleted, waits;
	const char *named;

	TRY(sold_subscription_complete(operation, object, &subscription));
	named = own_customer_id(stripe->customer_id);
	TRY(customer_of_stripe(operation, stripe->customer, stripe->id,
	                       named != NULL ? named : named_customer_id, customer_id));
	TRY(price_plans_find(operation, *customer_id == NULL ? PRICES_MAPPED : PRICES_PRODUCTS,
	                     &subscription));
	if (*customer_id != NULL && stripe->contract_id != NULL)
		TRY(contract_link(operation, *customer_id, stripe->contract_id, stripe->id));
	TRY(subscription_sync_find(operation, stripe->id, &ours, &known));
	*out = SYNC_FOREIGN;
	if (!known && subscription.plan == NULL)
		return store_unknown(operation, *customer_id, &subscription, out);
	if (*customer_id == NULL)
		return task_fail(operation->task, FAIL_CONFLICT, "unknown_customer",
		                 "No customer has this subscription.");
	TRY(recurring_complete(operation, &subscription.stripe));
	/* A cancellation may have been enqueued during the fetch; that locks the customer
	 * too. */
	TRY(customer_lock(operation, *customer_id, &deleted));
	TRY(subscription_sync_find(operation, stripe->id, &ours, &known));
	TRY(stripe_sync_must_wait(operation, stripe, known ? &ours : NULL, &waits));
	*out = SYNC_WAITS;
	if (waits)
		return FAIL_NONE;
	TRY(subscription_sync_store(operation, *customer_id, &subscription, &changed));
	*out = changed ? SYNC_CHANGED : SYNC_SAME;
	return FAIL_NONE;
}

enum fail
stripe_sync_subscription(struct operation *operation, const struct sync_target *target,
                         const char **customer_id, enum sync_result *out)
{
	struct json_view object;
	bool cancelling, gone;

	*customer_id = NULL;
	TRY(stripe_lock(operation, target->id));
	/* Nothing is fetched that stripe_sync_must_wait() would not let us store. */
	TRY(stripe_call_is_pending(operation, STRIPE_CANCEL, target->id, &cancelling));
	if (cancelling) {
		*out = SYNC_WAITS;
		return customer_of_stripe(operation, target->customer, target->id, NULL,
		                          customer_id);
	}
	TRY(fetch(operation, target, "/v1/subscriptions/%s",
	          "expand[0]=latest_invoice&expand[1]=customer", false, &object, &gone));
	if (gone) {
		*out = SYNC_CHANGED;
		TRY(customer_of_stripe(operation, target->customer, target->id, NULL,
		                       customer_id));
		return subscription_sync_gone(operation, target->id);
	}
	return stripe_sync_store_subscription(operation, &object, target->customer_id,
	                                      customer_id, out);
}

/* Also syncs the invoice's subscription, whose event may be lost. */
static enum fail
sync_subscription_of(struct operation *operation, const struct stripe_invoice *invoice,
                     enum sync_result *out)
{
	const struct sync_target target = {.id = invoice->subscription,
	                                   .customer = invoice->customer,
	                                   .customer_id = invoice->customer_id};
	const char *customer_id;

	if (invoice->subscription == NULL)
		return FAIL_NONE;
	return stripe_sync_subscription(operation, &target, &customer_id, out);
}

enum fail
stripe_sync_invoice(struct operation *operation, const struct sync_target *target,
                    const char **customer_id, enum sync_result *out)
{
	struct stripe_invoice invoice;
	struct json_view object;
	bool changed, gone;

	*customer_id = NULL;
	*out = SYNC_FOREIGN;
	TRY(fetch(operation, target, "/v1/invoices/%s", NULL, false, &object, &gone));
	if (gone) {
		*out = SYNC_CHANGED;
		return invoice_gone(operation, target->id);
	}
	if (!stripe_invoice_read(&object, &invoice))
		return stripe_answer_unusable(operation->task);
	TRY(sync_subscription_of(operation, &invoice, out));
	TRY(customer_of_stripe(operation, invoice.customer, invoice.subscription,
	                       own_customer_id(invoice.customer_id), customer_id));
	if (*customer_id == NULL)
		return FAIL_NONE;
	TRY(invoice_store(operation, *customer_id, &invoice, &changed));
	TRY(payment_events_write(operation, *customer_id, &invoice));
	if (*out != SYNC_WAITS)
		*out = changed || *out == SYNC_CHANGED ? SYNC_CHANGED : SYNC_SAME;
	return FAIL_NONE;
}

/* Stripe has deleted the customer and all its subscriptions; `owner` is ours. */
static enum fail
forget_customer(struct operation *operation, const char *stripe_customer_id, const char *owner)
{
	const struct synced_subscription *open;
	const char *customer_id;
	enum sync_result synced;
	size_t count;

	TRY(subscription_sync_open(operation, stripe_customer_id, "", 100, &open, &count));
	for (size_t i = 0; i < count; i++) {
		const struct sync_target target = {.id = open[i].stripe_subscription_id,
		                                   .customer = stripe_customer_id,
		                                   .event_type = "customer.deleted"};

		TRY(stripe_sync_subscription(operation, &target, &customer_id, &synced));
	}
	TRY(audit_record(operation, "stripe_customer_unlink", owner, stripe_customer_id, NULL));
	return customer_unlink_stripe(operation, stripe_customer_id);
}

/* Their value, unless it is ours already or our rules refuse it. */
static struct patch_text
change_of(const char *theirs, const char *ours, const char *(*check)(const char *value),
          size_t characters)
{
	if (theirs == NULL || text_equal(theirs, ours) || check(theirs) != NULL ||
	    text_characters(theirs) > characters)
		return (struct patch_text){0};
	return (struct patch_text){true, theirs};
}

static enum fail
take_over(struct operation *operation, const char *customer_id, const struct json_view *object,
          enum sync_result *out)
{
	const char *email = NULL, *name = NULL;
	struct customer_change change = {.email_pends = false};
	struct customer customer;
	enum fail kind = customer_find(operation, customer_id, &customer);

	if (kind == FAIL_NOT_FOUND) {
		task_clear(operation->task);
		return FAIL_NONE;
	}
	TRY(kind);
	(void)json_view_string(object, "email", &email);
	(void)json_view_string(object, "name", &name);
	change.email = change_of(email, customer.email, address_check, 254);
	change.company_name = change_of(name, customer.company_name, customer_check_name, 200);
	if (!change.email.present && !change.company_name.present)
		return FAIL_NONE;
	*out = SYNC_CHANGED;
	return customer_update(operation, customer_id, &change, &customer);
}

/* Keeps our values when another customer of ours has the e-mail. */
static enum fail
take_over_or_keep(struct operation *operation, const char *customer_id,
                  const struct json_view *object, enum sync_result *out)
{
	int depth = db_depth(operation->db);
	enum fail kind;

	TRY(db_begin(operation->db, operation->task));
	kind = take_over(operation, customer_id, object, out);
	if (kind != FAIL_CONFLICT) {
		TRY(kind);
		return db_commit(operation->db, operation->task);
	}
	db_rollback_to(operation->db, depth);
	task_clear(operation->task);
	*out = SYNC_SAME;
	log_line(LOG_LEVEL_WARNING, "Stripe's e-mail of a customer is another customer's here",
	         LOG_S("customer_id", customer_id));
	return FAIL_NONE;
}

enum fail
stripe_sync_customer(struct operation *operation, const struct sync_target *target,
                     const char **customer_id, enum sync_result *out)
{
	struct json_view object;
	bool deleted = false, gone, pending;

	*out = SYNC_FOREIGN;
	TRY(customer_of_stripe(operation, target->id, NULL, NULL, customer_id));
	if (*customer_id == NULL)
		return FAIL_NONE;
	TRY(fetch(operation, target, "/v1/customers/%s", NULL, true, &object, &gone));
	if (!gone)
		(void)json_view_bool(&object, "deleted", &deleted);
	if (gone || deleted) {
		*out = SYNC_CHANGED;
		return forget_customer(operation, target->id, *customer_id);
	}
	/* Our newer values are about to be sent. */
	TRY(stripe_call_is_pending(operation, STRIPE_CUSTOMER_UPDATE, target->id, &pending));
	*out = pending ? SYNC_WAITS : SYNC_SAME;
	if (pending)
		return FAIL_NONE;
	return take_over_or_keep(operation, *customer_id, &object, out);
}

/* Stripe does not know the customer that was to be looked up. */
static enum fail
forget_missing(struct operation *operation, const char *stripe_customer_id)
{
	const struct sync_target target = {.id = stripe_customer_id};
	enum sync_result synced;
	const char *customer_id;

	task_clear(operation->task);
	return stripe_sync_customer(operation, &target, &customer_id, &synced);
}

enum fail
stripe_sync_bought(struct operation *operation, const char *stripe_customer_id,
                   const char *customer_id, bool *found)
{
	struct stripe_form form = stripe_form_new(operation->task->arena);
	struct json_view data, item;
	enum fail kind;

	*found = false;
	stripe_form_string(&form, "customer", stripe_customer_id);
	stripe_form_int(&form, "limit", 100);
	kind = stripe_fetch_list(operation, "/v1/subscriptions", NULL, form.text.data, &data,
	                         NULL);
	if (kind == FAIL_STRIPE &&
	    text_equal(operation->task->failure.code, STRIPE_CUSTOMER_MISSING))
		return forget_missing(operation, stripe_customer_id);
	TRY(kind);
	for (bool more = json_view_first(&data, &item); more && !*found;
	     more = json_view_next(&item)) {
		struct sold_subscription subscription;
		struct sync_target target = {.customer_id = customer_id};
		const char *owner;
		enum sync_result synced;

		if (!sold_subscription_read(operation, &item, &subscription) ||
		    subscription.stripe.contract_id != NULL ||
		    !stripe_status_is_live(subscription.stripe.status))
			continue;
		TRY(price_plans_find(operation, PRICES_PRODUCTS, &subscription));
		if (subscription.plan == NULL)
			continue;
		target.id = subscription.stripe.id;
		TRY(stripe_sync_subscription(operation, &target, &owner, &synced));
		*found = true;
	}
	return FAIL_NONE;
}

enum fail
stripe_sync_meters(struct operation *operation, const struct sync_target *target,
                   const char **customer_id, enum sync_result *out)
{
	(void)target;
	*customer_id = NULL;
	*out = SYNC_CHANGED;
	return stripe_sweep_make_due(operation, "meters");
}
