/* event.c: reads the few members of an event that say what it is about. */
#include "stripe/event.h"

#include "stripe/objects.h"

static const char *
valid_id(const struct json_view *event, const char *path)
{
	const char *id = stripe_text_of(event, path);

	return stripe_id_is_valid(id) ? id : NULL;
}

void
event_read_session(const struct json_view *event, struct event_ref *out)
{
	out->subject = stripe_id_of(event, "data.object.subscription");
	out->customer = stripe_id_of(event, "data.object.customer");
	out->customer_id = stripe_text_of(event, "data.object.metadata.customer_id");
	out->client_reference_id = stripe_text_of(event, "data.object.client_reference_id");
}

void
event_read_subscription(const struct json_view *event, struct event_ref *out)
{
	out->subject = valid_id(event, "data.object.id");
	out->customer = stripe_id_of(event, "data.object.customer");
	out->customer_id = stripe_text_of(event, "data.object.metadata.customer_id");
}

void
event_read_invoice(const struct json_view *event, struct event_ref *out)
{
	struct json_view invoice, details;

	(void)json_view_find(event, "data.object", &invoice);
	details = stripe_invoice_details(&invoice);
	out->subject = valid_id(event, "data.object.id");
	out->customer = stripe_id_of(event, "data.object.customer");
	out->customer_id = stripe_text_of(&details, "metadata.customer_id");
}

void
event_read_customer(const struct json_view *event, struct event_ref *out)
{
	out->subject = valid_id(event, "data.object.id");
	out->customer = out->subject;
	out->customer_id = stripe_text_of(event, "data.object.metadata.customer_id");
}

void
event_read_charge(const struct json_view *event, struct event_ref *out)
{
	out->subject = valid_id(event, "data.object.id");
	out->customer = stripe_id_of(event, "data.object.customer");
}

/* A dispute names only its charge and its payment. */
void
event_read_dispute(const struct json_view *event, struct event_ref *out)
{
	out->subject = valid_id(event, "data.object.id");
}

/* A thin event names the meter at most; the usage events are named only when it is fetched. */
void
event_read_meter(const struct json_view *event, struct event_ref *out)
{
	out->subject = valid_id(event, "related_object.id");
	if (out->subject == NULL)
		out->subject = "unknown";
}

/* Seconds since 1970; in thin events a text. */
static struct instant
created(const struct json_view *event)
{
	struct json_view value;
	const char *text;
	int64_t number;

	(void)json_view_member(event, "created", &value);
	if (json_view_text(&value, &text))
		return clock_parse(text, &number) ? INSTANT_MS(number) : INSTANT_NONE;
	return json_view_number(&value, &number) ? stripe_instant(number) : INSTANT_NONE;
}

bool
stripe_event_read(const struct json_view *event, struct stripe_event *out)
{
	*out = (struct stripe_event){
	        .id = valid_id(event, "id"),
	        .type = stripe_text_of(event, "type"),
	        .object = stripe_text_of(event, "data.object.object"),
	        .api_version = stripe_text_of(event, "api_version"),
	        .account = stripe_text_of(event, "account"),
	        .created = created(event),
	};
	(void)json_view_bool(event, "livemode", &out->livemode);
	return out->id != NULL && out->type != NULL;
}
