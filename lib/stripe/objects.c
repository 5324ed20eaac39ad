/* objects.c: reads Stripe's objects into structs. */
#include "stripe/objects.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"

enum { ID_MAX = 255, NO_QUANTITY = -1, ITEM_QUANTITY_MAX = 1000 * 1000 * 1000 };

const char *
stripe_text_of(const struct json_view *object, const char *path)
{
	struct json_view value;
	const char *out;

	return json_view_find(object, path, &value) && json_view_text(&value, &out) ? out
	                                                                            : NULL;
}

static int64_t
number(const struct json_view *object, const char *path)
{
	struct json_view value;
	int64_t out;

	return json_view_find(object, path, &value) && json_view_number(&value, &out) ? out : 0;
}

static bool
flag(const struct json_view *object, const char *path)
{
	struct json_view value;
	bool out;

	return json_view_find(object, path, &value) && json_view_truth(&value, &out) && out;
}

struct instant
stripe_instant(int64_t seconds)
{
	return seconds > 0 && seconds < CLOCK_END_S ? INSTANT_MS(seconds * SECOND_MS)
	                                            : INSTANT_NONE;
}

static struct instant
moment(const struct json_view *object, const char *name)
{
	return stripe_instant(number(object, name));
}

/* A path with an empty id would name the whole list. Stripe's ids have at most 255 characters
 * (docs.stripe.com/upgrades), and the database's indexes take no much longer ones. */
bool
stripe_id_is_valid(const char *id)
{
	return id != NULL && *id != '\0' && strnlen(id, ID_MAX + 1) <= ID_MAX;
}

const char *
stripe_id_of(const struct json_view *object, const char *path)
{
	struct json_view value;
	const char *id;

	if (!json_view_find(object, path, &value) ||
	    (!json_view_text(&value, &id) && !json_view_string(&value, "id", &id)))
		return NULL;
	return stripe_id_is_valid(id) ? id : NULL;
}

static bool
is_a(const struct json_view *object, const char *kind)
{
	return text_equal(stripe_text_of(object, "object"), kind) &&
	       stripe_id_is_valid(stripe_text_of(object, "id"));
}

/* Quantities of several items are added. */
static int64_t
quantity_of(const struct json_view *item)
{
	int64_t out;

	if (!json_view_int(item, "quantity", &out) || out < 0)
		return NO_QUANTITY;
	return out < ITEM_QUANTITY_MAX ? out : ITEM_QUANTITY_MAX;
}

const char *
stripe_metadata_sells(const struct json_view *object)
{
	const char *plan = stripe_text_of(object, "metadata.plan");

	return plan != NULL ? plan : stripe_text_of(object, "metadata.addon");
}

static const char *
sells_at(const struct json_view *item, const char *path)
{
	struct json_view object;

	return json_view_find(item, path, &object) ? stripe_metadata_sells(&object) : NULL;
}

static bool
is_metered(const struct json_view *item)
{
	const char *type = stripe_text_of(item, "price.recurring.usage_type");

	return type != NULL && strcmp(type, "metered") == 0;
}

static const char *
unit_amount(const struct json_view *item)
{
	struct json_view transform;
	const char *exact = stripe_decimal_of(item, "price.unit_amount_decimal");

	if (json_view_find(item, "price.transform_quantity", &transform) &&
	    json_view_is_object(&transform))
		return NULL;
	return exact != NULL ? exact : stripe_decimal_of(item, "price.unit_amount");
}

void
stripe_items_append(struct stripe_subscription *subscription, const struct json_view *data)
{
	size_t count = subscription->item_count;
	struct stripe_item *items =
	        arena_array(data->arena, count + json_view_count(data) + 1, sizeof(*items));
	struct json_view item;

	if (count > 0)
		memcpy(items, subscription->items, count * sizeof(*items));
	for (bool more = json_view_first(data, &item); more; more = json_view_next(&item))
		items[count++] = (struct stripe_item){
		        .id = stripe_text_of(&item, "id"),
		        .price_id = stripe_id_of(&item, "price"),
		        .product_id = stripe_id_of(&item, "price.product"),
		        .sells = sells_at(&item, "price"),
		        .product_sells = sells_at(&item, "price.product"),
		        .interval = stripe_text_of(&item, "price.recurring.interval"),
		        .interval_count = number(&item, "price.recurring.interval_count"),
		        .currency = stripe_text_of(&item, "price.currency"),
		        .unit_amount = unit_amount(&item),
		        .discounts = stripe_discounts_read(&item),
		        .quantity = quantity_of(&item),
		        .metered = is_metered(&item),
		        .period_start = moment(&item, "current_period_start"),
		        .period_end = moment(&item, "current_period_end"),
		};
	subscription->items = items;
	subscription->item_count = count;
}

/* A discount of the subscription counts in place of the customer's (docs.stripe.com/api/subscriptions). */
static void
read_inherited(const struct json_view *object, struct stripe_subscription *out)
{
	struct json_view customer;

	out->shows_customer = json_view_object(object, "customer", &customer);
	if (!out->shows_customer || out->discounts.count > 0)
		return;
	out->discounts = stripe_discount_of(&customer);
	out->inherits = out->discounts.count > 0;
}

/* An invoice with a due date is not unpaid before that date. */
static void
read_latest_invoice(const struct json_view *object, struct stripe_subscription *out)
{
	const char *status = stripe_text_of(object, "latest_invoice.status");

	out->shows_invoice = status != NULL || stripe_id_of(object, "latest_invoice") == NULL;
	out->invoice_created = moment(object, "latest_invoice.created");
	out->invoice_waits = text_equal(status, "draft") || text_equal(status, "open");
	out->invoice_is_of_change = text_equal(
	        stripe_text_of(object, "latest_invoice.billing_reason"), "subscription_update");
	if (!text_equal(status, "open"))
		return;
	out->due_at = moment(object, "latest_invoice.due_date");
	if (out->due_at.known)
		return;
	out->unpaid_invoice = stripe_id_of(object, "latest_invoice");
	out->owes_change = out->unpaid_invoice != NULL && out->invoice_is_of_change;
}

bool
stripe_subscription_read(const struct json_view *object, struct stripe_subscription *out)
{
	struct json_view items;

	if (!is_a(object, "subscription") || stripe_text_of(object, "status") == NULL)
		return false;
	*out = (struct stripe_subscription){
	        .id = stripe_text_of(object, "id"),
	        .customer = stripe_id_of(object, "customer"),
	        .customer_id = stripe_text_of(object, "metadata.customer_id"),
	        .contract_id = stripe_text_of(object, "metadata.contract_id"),
	        .status = stripe_text_of(object, "status"),
	        .currency = stripe_text_of(object, "currency"),
	        .discounts = stripe_discounts_read(object),
	        .period_start = moment(object, "current_period_start"),
	        .period_end = moment(object, "current_period_end"),
	        .trial_end = moment(object, "trial_end"),
	        .cancel_at = moment(object, "cancel_at"),
	        .canceled_at = moment(object, "canceled_at"),
	        .ended_at = moment(object, "ended_at"),
	        .created = moment(object, "created"),
	        .cancel_at_period_end = flag(object, "cancel_at_period_end"),
	        .sends_invoices =
	                text_equal(stripe_text_of(object, "collection_method"), "send_invoice"),
	        .automatic_tax = flag(object, "automatic_tax.enabled"),
	        .flexible = text_equal(stripe_text_of(object, "billing_mode.type"), "flexible"),
	        .has_more_items = flag(object, "items.has_more"),
	};
	out->pause_behavior = stripe_text_of(object, "pause_collection.behavior");
	out->pause_resumes_at = stripe_instant(number(object, "pause_collection.resumes_at"));
	(void)json_view_find(object, "items.data", &items);
	stripe_items_append(out, &items);
	read_latest_invoice(object, out);
	read_inherited(object, out);
	return true;
}

struct json_view
stripe_invoice_details(const struct json_view *invoice)
{
	struct json_view details;

	if (!json_view_find(invoice, "parent.subscription_details", &details) ||
	    !json_view_is_object(&details))
		(void)json_view_object(invoice, "subscription_details", &details);
	return details;
}

/* Whether the line charges for a period of a subscription's price. Only a threshold has an invoice
 * charge for use in a period that goes on. */
static bool
line_pays_period(const struct stripe_invoice *invoice, const struct json_view *line)
{
	return (text_equal(stripe_text_of(line, "parent.type"), "subscription_item_details") ||
	        text_equal(stripe_text_of(line, "type"), "subscription")) &&
	       !stripe_line_is_proration(line) && number(line, "amount") > 0 &&
	       !text_equal(invoice->billing_reason, "subscription_threshold");
}

void
stripe_lines_read(struct stripe_invoice *invoice, const struct json_view *data)
{
	struct json_view line;

	for (bool more = json_view_first(data, &line); more; more = json_view_next(&line)) {
		const struct instant end = moment(&line, "period.end");

		if (end.known && line_pays_period(invoice, &line) &&
		    (!invoice->paid_until.known || end.ms > invoice->paid_until.ms))
			invoice->paid_until = end;
	}
}

bool
stripe_invoice_read(const struct json_view *object, struct stripe_invoice *out)
{
	const struct json_view details = stripe_invoice_details(object);
	struct json_view lines;

	if (!is_a(object, "invoice"))
		return false;
	*out = (struct stripe_invoice){
	        .id = stripe_text_of(object, "id"),
	        .customer = stripe_id_of(object, "customer"),
	        .customer_id = stripe_text_of(&details, "metadata.customer_id"),
	        .subscription = stripe_id_of(&details, "subscription"),
	        .number = stripe_text_of(object, "number"),
	        .status = stripe_text_of(object, "status"),
	        .billing_reason = stripe_text_of(object, "billing_reason"),
	        .currency = stripe_text_of(object, "currency"),
	        .hosted_invoice_url = stripe_text_of(object, "hosted_invoice_url"),
	        .invoice_pdf = stripe_text_of(object, "invoice_pdf"),
	        .amount_due = number(object, "amount_due"),
	        .amount_paid = number(object, "amount_paid"),
	        .attempts = number(object, "attempt_count"),
	        .created = moment(object, "created"),
	        .paid_at = moment(object, "status_transitions.paid_at"),
	        .has_more_lines = flag(object, "lines.has_more"),
	};
	if (json_view_find(object, "lines.data", &lines))
		stripe_lines_read(out, &lines);
	if (out->subscription == NULL)
		out->subscription = stripe_id_of(object, "subscription");
	return out->status != NULL && out->currency != NULL && out->created.known;
}

bool
stripe_charge_read(const struct json_view *object, struct stripe_charge *out)
{
	*out = (struct stripe_charge){
	        .id = stripe_text_of(object, "id"),
	        .customer = stripe_id_of(object, "customer"),
	        .invoice = stripe_id_of(object, "invoice"),
	        .payment_intent = stripe_id_of(object, "payment_intent"),
	        .currency = stripe_text_of(object, "currency"),
	        .amount_refunded = number(object, "amount_refunded"),
	};
	return is_a(object, "charge");
}

bool
stripe_dispute_read(const struct json_view *object, struct stripe_dispute *out)
{
	*out = (struct stripe_dispute){
	        .id = stripe_text_of(object, "id"),
	        .charge = stripe_id_of(object, "charge"),
	        .status = stripe_text_of(object, "status"),
	        .currency = stripe_text_of(object, "currency"),
	        .amount = number(object, "amount"),
	};
	return is_a(object, "dispute") && out->charge != NULL && out->status != NULL;
}

int64_t
stripe_item_quantity(const struct stripe_item *item)
{
	return item->quantity == NO_QUANTITY ? 1 : item->quantity;
}

bool
stripe_line_is_proration(const struct json_view *line)
{
	return flag(line, "parent.subscription_item_details.proration") ||
	       flag(line, "parent.invoice_item_details.proration") || flag(line, "proration");
}

static const struct status {
	const char *name;
	bool final, live;
} statuses[] = {
        {"trialing", false, true}, {"active", false, true},
        {"past_due", false, true}, {"unpaid", false, true},
        {"paused", false, true},   {"incomplete", false, false},
        {"canceled", true, false}, {"incomplete_expired", true, false},
};

/* A status that Stripe adds later is live. */
static struct status
status_named(const char *name)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		if (strcmp(statuses[i].name, name) == 0)
			return statuses[i];
	return (struct status){name, false, true};
}

bool
stripe_status_is_final(const char *status)
{
	return status_named(status).final;
}

bool
stripe_status_is_live(const char *status)
{
	return status_named(status).live;
}
