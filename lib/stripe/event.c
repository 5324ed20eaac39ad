/*
 * event.c: reads the few members of an event that say what it is about, in place: building a tree of
 * all members would take longer than the rest of the intake.
 */
#include "stripe/event.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_in.h"
#include "base/json_view.h"
#include "base/text.h"
#include "stripe/objects.h"

/* All that is read of an event. A reference (customer, subscription) may be an id or an object. An
 * invoice names its subscription in `parent` since 2025-03-31.basil, beside it before. */
enum {
	ID,
	TYPE,
	API_VERSION,
	LIVEMODE,
	CREATED,
	METER,
	ABOUT,
	ABOUT_ID,
	CUSTOMER,
	CUSTOMER_OBJECT,
	SUBSCRIPTION,
	SUBSCRIPTION_OBJECT,
	REFERENCE,
	OWNER,
	DETAILS,
	DETAILS_OWNER,
	OLD_DETAILS_OWNER,
	MEMBERS
};

static const char *const paths[MEMBERS] = {
        [ID] = "id",
        [TYPE] = "type",
        [API_VERSION] = "api_version",
        [LIVEMODE] = "livemode",
        [CREATED] = "created",
        [METER] = "related_object.id",
        [ABOUT] = "data.object.object",
        [ABOUT_ID] = "data.object.id",
        [CUSTOMER] = "data.object.customer",
        [CUSTOMER_OBJECT] = "data.object.customer.id",
        [SUBSCRIPTION] = "data.object.subscription",
        [SUBSCRIPTION_OBJECT] = "data.object.subscription.id",
        [REFERENCE] = "data.object.client_reference_id",
        [OWNER] = "data.object.metadata.customer_id",
        [DETAILS] = "data.object.parent.subscription_details",
        [DETAILS_OWNER] = "data.object.parent.subscription_details.metadata.customer_id",
        [OLD_DETAILS_OWNER] = "data.object.subscription_details.metadata.customer_id",
};

struct event_members {
	struct json_view values[MEMBERS];
};

static const struct event_members *
find_members(struct arena *arena, const char *text, size_t length)
{
	struct json_wanted wanted[MEMBERS];
	struct event_members *out = arena_alloc(arena, sizeof(*out));

	for (size_t i = 0; i < MEMBERS; i++)
		wanted[i].path = paths[i];
	if (!json_in_gate_foreign(arena, text, length, wanted, MEMBERS))
		return NULL;
	for (size_t i = 0; i < MEMBERS; i++)
		out->values[i] = json_view_wanted(arena, text, length, &wanted[i]);
	return out;
}

static const char *
string(const struct event_members *members, int which)
{
	const char *out;

	return json_view_text(&members->values[which], &out) ? out : NULL;
}

static const char *
identifier(const struct event_members *members, int which)
{
	const char *id = string(members, which);

	return stripe_id_is_valid(id) ? id : NULL;
}

static const char *
reference(const struct event_members *members, int id, int object)
{
	const char *out = identifier(members, id);

	return out != NULL ? out : identifier(members, object);
}

void
event_read_session(const struct event_members *members, struct event_ref *out)
{
	out->subject = reference(members, SUBSCRIPTION, SUBSCRIPTION_OBJECT);
	out->customer = reference(members, CUSTOMER, CUSTOMER_OBJECT);
	out->customer_id = string(members, OWNER);
	out->client_reference_id = string(members, REFERENCE);
}

void
event_read_subscription(const struct event_members *members, struct event_ref *out)
{
	out->subject = identifier(members, ABOUT_ID);
	out->customer = reference(members, CUSTOMER, CUSTOMER_OBJECT);
	out->customer_id = string(members, OWNER);
}

void
event_read_invoice(const struct event_members *members, struct event_ref *out)
{
	bool is_new = json_view_is_object(&members->values[DETAILS]);

	out->subject = identifier(members, ABOUT_ID);
	out->customer = reference(members, CUSTOMER, CUSTOMER_OBJECT);
	out->customer_id = string(members, is_new ? DETAILS_OWNER : OLD_DETAILS_OWNER);
}

void
event_read_customer(const struct event_members *members, struct event_ref *out)
{
	out->subject = identifier(members, ABOUT_ID);
	out->customer = out->subject;
	out->customer_id = string(members, OWNER);
}

/* A thin event names the meter at most; the usage events are named only when it is fetched. */
void
event_read_meter(const struct event_members *members, struct event_ref *out)
{
	out->subject = identifier(members, METER);
	if (out->subject == NULL)
		out->subject = "unknown";
}

/* Seconds since 1970; in thin events a text. */
static struct instant
moment(const struct event_members *members, int which)
{
	const char *text = string(members, which);
	int64_t number;

	if (text != NULL)
		return clock_parse(text, &number) ? INSTANT_MS(number) : INSTANT_NONE;
	return json_view_number(&members->values[which], &number) ? stripe_instant(number)
	                                                          : INSTANT_NONE;
}

bool
stripe_event_read(struct arena *arena, const char *text, size_t length,
                  struct stripe_event *out)
{
	const struct event_members *members = find_members(arena, text, length);

	*out = (struct stripe_event){.members = members};
	if (members == NULL)
		return false;
	out->id = identifier(members, ID);
	out->type = string(members, TYPE);
	out->object = string(members, ABOUT);
	out->api_version = string(members, API_VERSION);
	out->created = moment(members, CREATED);
	(void)json_view_truth(&members->values[LIVEMODE], &out->livemode);
	return out->id != NULL && out->type != NULL;
}
