/* charges.c: finds the subscription whose payment was refunded or disputed. */
#include "base/text.h"
#include "outbox/fetch.h"
#include "outbox/locks.h"
#include "payments/reversals.h"
#include "stripe/form.h"
#include "subscriptions/subscriptions.h"
#include "sync/objects.h"
#include "json/view.h"

/* The most objects that Stripe lists at once. */
enum { LIST_MAX = 100 };

/* The invoice that was paid by the charge's payment. */
static enum fail
find_by_payment(struct operation *operation, const struct stripe_charge *charge,
                struct json_view *invoice, bool *found)
{
	struct stripe_form form = stripe_form_new(operation->task->arena);
	struct json_view data, item;

	stripe_form_string(&form, "payment[type]", "payment_intent");
	stripe_form_string(&form, "payment[payment_intent]", charge->payment_intent);
	stripe_form_string(&form, "expand[0]", "data.invoice");
	TRY(stripe_fetch_list(operation, "/v1/invoice_payments", NULL, form.text.data, &data,
	                      NULL));
	*found = json_view_first(&data, &item) && json_view_object(&item, "invoice", invoice);
	return FAIL_NONE;
}

static bool
is_paid_by(const struct json_view *invoice, const char *charge_id)
{
	struct json_view payments, payment;

	if (!json_view_find(invoice, "payments.data", &payments))
		return false;
	for (bool more = json_view_first(&payments, &payment); more;
	     more = json_view_next(&payment))
		if (text_equal(stripe_id_of(&payment, "payment.charge"), charge_id))
			return true;
	return false;
}

/* A charge without a payment is named by the customer's invoice alone. */
static enum fail
find_by_customer(struct operation *operation, const struct stripe_charge *charge,
                 struct json_view *invoice, bool *found)
{
	struct stripe_form form = stripe_form_new(operation->task->arena);
	struct json_view data;

	stripe_form_string(&form, "customer", charge->customer);
	stripe_form_string(&form, "status", "paid");
	stripe_form_int(&form, "limit", LIST_MAX);
	stripe_form_string(&form, "expand[0]", "data.payments");
	TRY(stripe_fetch_list(operation, "/v1/invoices", NULL, form.text.data, &data, NULL));
	*found = false;
	for (bool more = json_view_first(&data, invoice); more && !*found;
	     more = !*found && json_view_next(invoice))
		*found = is_paid_by(invoice, charge->id);
	return FAIL_NONE;
}

static enum fail
read_invoice(struct operation *operation, const struct json_view *object,
             struct stripe_invoice *out)
{
	struct stripe_form form = stripe_form_new(operation->task->arena);
	struct json_view lines;

	if (!stripe_invoice_read(object, out))
		return stripe_answer_unusable(operation->task);
	if (out->subscription == NULL || !out->has_more_lines)
		return FAIL_NONE;
	stripe_form_int(&form, "limit", LIST_MAX);
	TRY(stripe_fetch_list(operation, "/v1/invoices/%s/lines", out->id, form.text.data,
	                      &lines, NULL));
	stripe_lines_read(out, &lines);
	return FAIL_NONE;
}

/* The invoice of a subscription that the charge has paid; `*found`. Before 2025-03-31.basil the
 * charge names its invoice. */
static enum fail
find_invoice(struct operation *operation, const struct stripe_charge *charge,
             struct stripe_invoice *out, bool *found)
{
	struct json_view invoice;

	*found = false;
	if (charge->invoice != NULL) {
		TRY(stripe_fetch(operation, "/v1/invoices/%s", charge->invoice, NULL,
		                 &invoice));
		*found = true;
	} else if (charge->payment_intent != NULL) {
		TRY(find_by_payment(operation, charge, &invoice, found));
	} else if (charge->customer != NULL) {
		TRY(find_by_customer(operation, charge, &invoice, found));
	}
	if (!*found)
		return FAIL_NONE;
	TRY(read_invoice(operation, &invoice, out));
	*found = out->subscription != NULL;
	return FAIL_NONE;
}

/* Syncs the subscription that the charge has paid, whose event may be lost, and stores what was
 * given back. */
static enum fail
store(struct operation *operation, const struct stripe_charge *charge,
      struct reversal *reversal, const char **customer_id, enum sync_result *out)
{
	struct stripe_invoice invoice;
	struct sync_target target;
	struct synced_subscription row;
	bool found, changed;

	*customer_id = NULL;
	*out = SYNC_FOREIGN;
	TRY(find_invoice(operation, charge, &invoice, &found));
	if (!found)
		return FAIL_NONE;
	target = (struct sync_target){.id = invoice.subscription,
	                              .customer = invoice.customer,
	                              .customer_id = invoice.customer_id};
	TRY(stripe_sync_subscription(operation, &target, customer_id, out));
	TRY(subscription_sync_find(operation, invoice.subscription, &row, &found));
	if (!found)
		return FAIL_NONE;
	*customer_id = row.customer_id;
	reversal->customer_id = row.customer_id;
	reversal->stripe_subscription_id = invoice.subscription;
	reversal->invoice_id = invoice.id;
	TRY(reversal_store(operation, reversal, &invoice, &changed));
	*out = changed || *out == SYNC_CHANGED ? SYNC_CHANGED : SYNC_SAME;
	return FAIL_NONE;
}

static enum fail
fetch_charge(struct operation *operation, const char *id, struct stripe_charge *out)
{
	struct json_view object;

	TRY(stripe_fetch(operation, "/v1/charges/%s", id, NULL, &object));
	return stripe_charge_read(&object, out) ? FAIL_NONE
	                                        : stripe_answer_unusable(operation->task);
}

enum fail
stripe_sync_charge(struct operation *operation, const struct sync_target *target,
                   const char **customer_id, enum sync_result *out)
{
	struct stripe_charge charge;
	struct reversal reversal = {.kind = "refund"};

	TRY(stripe_lock(operation, target->id));
	TRY(fetch_charge(operation, target->id, &charge));
	*customer_id = NULL;
	*out = SYNC_FOREIGN;
	if (charge.amount_refunded == 0)
		return FAIL_NONE;
	reversal.object_id = charge.id;
	reversal.amount = charge.amount_refunded;
	reversal.currency = charge.currency;
	return store(operation, &charge, &reversal, customer_id, out);
}

enum fail
stripe_sync_dispute(struct operation *operation, const struct sync_target *target,
                    const char **customer_id, enum sync_result *out)
{
	struct json_view object;
	struct stripe_dispute dispute;
	struct stripe_charge charge;
	struct reversal reversal = {.kind = "dispute"};

	TRY(stripe_lock(operation, target->id));
	TRY(stripe_fetch(operation, "/v1/disputes/%s", target->id, NULL, &object));
	if (!stripe_dispute_read(&object, &dispute))
		return stripe_answer_unusable(operation->task);
	TRY(fetch_charge(operation, dispute.charge, &charge));
	reversal.object_id = dispute.id;
	reversal.amount = dispute.amount;
	reversal.currency = dispute.currency;
	reversal.status = dispute.status;
	return store(operation, &charge, &reversal, customer_id, out);
}
