/*
 * objects.c: Stripe's objects as structs, whichever API version wrote them.
 */
#include "stripe/objects.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_in.h"
#include "base/text.h"

enum { ID_MAX = 255 };

/* The member, or NULL; missing objects on the way are fine. */
static struct json_object *
member(const struct json_object *object, const char *name)
{
	struct json_object *out;

	return object != NULL && json_in_object(object, name, &out) ? out : NULL;
}

static const char *
string(const struct json_object *object, const char *name)
{
	const char *out;

	return object != NULL && json_in_string(object, name, &out) ? out : NULL;
}

static int64_t
number(const struct json_object *object, const char *name)
{
	int64_t out;

	return object != NULL && json_in_int(object, name, &out) ? out : 0;
}

static bool
flag(const struct json_object *object, const char *name)
{
	bool out;

	return object != NULL && json_in_bool(object, name, &out) && out;
}

struct instant
stripe_instant(int64_t seconds)
{
	return seconds > 0 && seconds < INT64_MAX / SECOND_MS ? INSTANT_MS(seconds * SECOND_MS)
	                                                      : INSTANT_NONE;
}

static struct instant
moment(const struct json_object *object, const char *name)
{
	return stripe_instant(number(object, name));
}

struct json_object *
stripe_list_data(const struct json_object *list)
{
	struct json_object *data;

	return list != NULL && json_object_object_get_ex(list, "data", &data) &&
	                       json_object_is_type(data, json_type_array)
	               ? data
	               : NULL;
}

/* An empty one would ask Stripe for the whole list; one longer than Stripe's longest (255,
 * docs.stripe.com/upgrades) is none of Stripe's, and too long for the database's indexes. */
bool
stripe_id_is_valid(const char *id)
{
	return id != NULL && *id != '\0' && strnlen(id, ID_MAX + 1) <= ID_MAX;
}

static const char *
identifier(const struct json_object *object, const char *name)
{
	const char *id = string(object, name);

	return stripe_id_is_valid(id) ? id : NULL;
}

const char *
stripe_id_of(const struct json_object *object, const char *name)
{
	const char *id = identifier(object, name);

	return id != NULL ? id : identifier(member(object, name), "id");
}

static const char *
metadata_customer(const struct json_object *object)
{
	return string(member(object, "metadata"), "customer_id");
}

static bool
is_a(const struct json_object *object, const char *kind)
{
	return text_equal(string(object, "object"), kind) && identifier(object, "id") != NULL;
}

static void
read_items(struct arena *arena, const struct json_object *list, struct stripe_subscription *out)
{
	const struct json_object *data = stripe_list_data(list);
	struct stripe_item *items;

	out->item_count = data == NULL ? 0 : json_object_array_length(data);
	out->items = items = arena_array(arena, out->item_count + 1, sizeof(*items));
	for (size_t i = 0; i < out->item_count; i++) {
		const struct json_object *item = json_object_array_get_idx(data, i);

		items[i] = (struct stripe_item){
		        .id = string(item, "id"),
		        .price_id = stripe_id_of(item, "price"),
		        .quantity = number(item, "quantity"),
		        .period_start = moment(item, "current_period_start"),
		        .period_end = moment(item, "current_period_end"),
		};
	}
}

bool
stripe_subscription_read(struct arena *arena, const struct json_object *object,
                         struct stripe_subscription *out)
{
	const struct json_object *latest = member(object, "latest_invoice");

	if (!is_a(object, "subscription") || string(object, "status") == NULL)
		return false;
	*out = (struct stripe_subscription){
	        .id = string(object, "id"),
	        .customer = stripe_id_of(object, "customer"),
	        .customer_id = metadata_customer(object),
	        .status = string(object, "status"),
	        .period_start = moment(object, "current_period_start"),
	        .period_end = moment(object, "current_period_end"),
	        .trial_end = moment(object, "trial_end"),
	        .cancel_at = moment(object, "cancel_at"),
	        .canceled_at = moment(object, "canceled_at"),
	        .ended_at = moment(object, "ended_at"),
	        .created = moment(object, "created"),
	        .cancel_at_period_end = flag(object, "cancel_at_period_end"),
	};
	read_items(arena, member(object, "items"), out);
	if (text_equal(string(latest, "status"), "open"))
		out->unpaid_since = moment(latest, "created");
	return true;
}

/* Where an invoice tells of its subscription, since basil and before. */
static const struct json_object *
subscription_details(const struct json_object *invoice)
{
	const struct json_object *details =
	        member(member(invoice, "parent"), "subscription_details");

	return details != NULL ? details : member(invoice, "subscription_details");
}

static const char *
invoice_subscription(const struct json_object *invoice)
{
	const char *id = stripe_id_of(subscription_details(invoice), "subscription");

	return id != NULL ? id : stripe_id_of(invoice, "subscription");
}

bool
stripe_invoice_read(const struct json_object *object, struct stripe_invoice *out)
{
	if (!is_a(object, "invoice"))
		return false;
	*out = (struct stripe_invoice){
	        .id = string(object, "id"),
	        .customer = stripe_id_of(object, "customer"),
	        .customer_id = metadata_customer(subscription_details(object)),
	        .subscription = invoice_subscription(object),
	        .number = string(object, "number"),
	        .status = string(object, "status"),
	        .billing_reason = string(object, "billing_reason"),
	        .currency = string(object, "currency"),
	        .hosted_invoice_url = string(object, "hosted_invoice_url"),
	        .invoice_pdf = string(object, "invoice_pdf"),
	        .amount_due = number(object, "amount_due"),
	        .amount_paid = number(object, "amount_paid"),
	        .created = moment(object, "created"),
	};
	return out->status != NULL && out->currency != NULL && out->created.known;
}

bool
stripe_line_is_proration(const struct json_object *line)
{
	const struct json_object *parent = member(line, "parent");

	return flag(member(parent, "subscription_item_details"), "proration") ||
	       flag(member(parent, "invoice_item_details"), "proration") ||
	       flag(line, "proration");
}

static const struct {
	const char *status;
	bool final, live;
} statuses[] = {
        {"trialing", false, true}, {"active", false, true},
        {"past_due", false, true}, {"unpaid", false, true},
        {"paused", false, true},   {"incomplete", false, false},
        {"canceled", true, false}, {"incomplete_expired", true, false},
};

bool
stripe_status_is_final(const char *status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		if (strcmp(statuses[i].status, status) == 0)
			return statuses[i].final;
	return false;
}

bool
stripe_status_is_live(const char *status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		if (strcmp(statuses[i].status, status) == 0)
			return statuses[i].live;
	return true; /* one that Stripe invented later */
}
