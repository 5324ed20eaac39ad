/*
 * event.c: the few members of an event that say what it is about, found where they stand in its
 * text: a tree of all the others would cost more than the rest of its intake.
 */
#include "stripe/event.h"

#include <string.h>

#include "base/json_in.h"
#include "base/json_view.h"
#include "base/text.h"
#include "stripe/objects.h"

/* All that is read of an event. A reference (customer, subscription) may be an id or an object. An
 * invoice tells of its subscription inside of `parent` since basil, beside it before. */
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

/* The values at those paths. */
struct members {
	struct json_view values[MEMBERS];
};

static bool
find_members(struct arena *arena, const char *text, size_t length, struct members *out)
{
	struct json_wanted wanted[MEMBERS];

	for (size_t i = 0; i < MEMBERS; i++)
		wanted[i].path = paths[i];
	if (!json_in_gate_foreign(arena, text, length, wanted, MEMBERS))
		return false;
	for (size_t i = 0; i < MEMBERS; i++)
		out->values[i] = json_view_wanted(arena, text, length, &wanted[i]);
	return true;
}

static const char *
string(const struct members *members, int which)
{
	const char *out;

	return json_view_text(&members->values[which], &out) ? out : NULL;
}

static const char *
identifier(const struct members *members, int which)
{
	const char *id = string(members, which);

	return stripe_id_is_valid(id) ? id : NULL;
}

static const char *
reference(const struct members *members, int id, int object)
{
	const char *out = identifier(members, id);

	return out != NULL ? out : identifier(members, object);
}

static void
ref_of_session(const struct members *members, struct event_ref *out)
{
	out->family = "subscription";
	out->subject = reference(members, SUBSCRIPTION, SUBSCRIPTION_OBJECT);
	out->customer = reference(members, CUSTOMER, CUSTOMER_OBJECT);
	out->customer_id = string(members, OWNER);
	out->client_reference_id = string(members, REFERENCE);
}

static void
ref_of_subscription(const struct members *members, struct event_ref *out)
{
	out->family = "subscription";
	out->subject = identifier(members, ABOUT_ID);
	out->customer = reference(members, CUSTOMER, CUSTOMER_OBJECT);
	out->customer_id = string(members, OWNER);
}

static void
ref_of_invoice(const struct members *members, struct event_ref *out)
{
	bool is_new = json_view_is_object(&members->values[DETAILS]);

	out->family = "invoice";
	out->subject = identifier(members, ABOUT_ID);
	out->customer = reference(members, CUSTOMER, CUSTOMER_OBJECT);
	out->customer_id = string(members, is_new ? DETAILS_OWNER : OLD_DETAILS_OWNER);
}

static void
ref_of_customer(const struct members *members, struct event_ref *out)
{
	out->family = "customer";
	out->subject = identifier(members, ABOUT_ID);
	out->customer = out->subject;
	out->customer_id = string(members, OWNER);
}

/* A thin event: it names the meter at most, and which events it is about only when it is fetched. */
static void
ref_of_meter(const struct members *members, struct event_ref *out)
{
	out->family = "meter";
	out->subject = identifier(members, METER);
	if (out->subject == NULL)
		out->subject = "unknown";
}

/* Which events tell of something that we keep. The end of a name that ends with a dot is free. */
static const struct {
	const char *type;
	const char *object; /* that the type promises; NULL: none */
	void (*ref)(const struct members *members, struct event_ref *out);
} families[] = {
        {"checkout.session.", "checkout.session", ref_of_session},
        {"customer.subscription.", "subscription", ref_of_subscription},
        {"invoice.", "invoice", ref_of_invoice},
        {"customer.created", "customer", ref_of_customer},
        {"customer.updated", "customer", ref_of_customer},
        {"customer.deleted", "customer", ref_of_customer},
        {"v1.billing.meter.", NULL, ref_of_meter},
};

static bool
type_fits(const char *type, const char *pattern)
{
	size_t length = strlen(pattern);

	return strncmp(type, pattern, length) == 0 &&
	       (pattern[length - 1] == '.' || type[length] == '\0');
}

static void
read_ref(const struct members *members, const char *type, struct event_ref *out)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		if (type_fits(type, families[i].type) &&
		    (families[i].object == NULL ||
		     text_equal(string(members, ABOUT), families[i].object)))
			families[i].ref(members, out);
	/* A session that made no subscription, an upcoming invoice without an id. */
	if (out->subject == NULL)
		*out = (struct event_ref){0};
}

/* Seconds since 1970; in thin events a text. */
static struct instant
moment(const struct members *members, int which)
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
	struct members members;

	*out = (struct stripe_event){0};
	if (!find_members(arena, text, length, &members))
		return false;
	out->id = identifier(&members, ID);
	out->type = string(&members, TYPE);
	if (out->id == NULL || out->type == NULL)
		return false;
	out->api_version = string(&members, API_VERSION);
	out->created = moment(&members, CREATED);
	(void)json_view_truth(&members.values[LIVEMODE], &out->livemode);
	read_ref(&members, out->type, &out->ref);
	return true;
}
