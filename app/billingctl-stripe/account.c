/* account.c: reads prices, webhook endpoints and meters of the account at Stripe. */
#include "billingctl-stripe/account.h"

#include <string.h>

#include "base/arena.h"
#include "base/money.h"
#include "base/text.h"
#include "billingctl-stripe/request.h"
#include "stripe/form.h"
#include "stripe/objects.h"
#include "sync/families.h"
#include "json/view.h"

void
account_price_read(const struct json_view *object, struct account_price *out)
{
	const char *usage_type = NULL;
	struct json_view recurring;
	int64_t amount;

	*out = (struct account_price){.id = NULL};
	(void)json_view_string(object, "id", &out->id);
	(void)json_view_string(object, "currency", &out->currency);
	(void)json_view_string(object, "unit_amount_decimal", &out->amount);
	if (json_view_int(object, "unit_amount", &amount))
		out->amount = arena_printf(object->arena, "%lld", (long long)amount);
	(void)json_view_bool(object, "active", &out->active);
	if (!json_view_object(object, "recurring", &recurring))
		return;
	(void)json_view_string(&recurring, "interval", &out->interval);
	(void)json_view_int(&recurring, "interval_count", &out->interval_count);
	(void)json_view_string(&recurring, "usage_type", &usage_type);
	out->meter = stripe_id_of(&recurring, "meter");
	out->metered = text_equal(usage_type, "metered");
}

const char *
account_price_fault(struct arena *arena, const struct account_price *price,
                    const struct account_price_spec *spec)
{
	const int64_t count = spec->interval_count == 0 ? 1 : spec->interval_count;

	if (!price->active)
		return "is archived";
	if (price->interval == NULL)
		return "is paid once, not again and again";
	if (!text_equal(price->interval, spec->interval) || price->interval_count != count)
		return arena_printf(arena, "is paid every %lld %ss",
		                    (long long)price->interval_count, price->interval);
	if (price->metered != spec->metered)
		return price->metered ? "is metered" : "isn't metered";
	if (spec->metered && !text_equal(price->meter, spec->meter_id))
		return "bills another meter";
	if (spec->amount == NULL || (text_equal(price->amount, spec->amount) &&
	                             text_equal(price->currency, spec->currency)))
		return NULL;
	return arena_printf(arena, "is %s, but %s in PLANS_FILE",
	                    price->amount == NULL
	                            ? arena_printf(arena, "in tiers of %s", price->currency)
	                            : money_text(arena, price->amount, price->currency),
	                    money_text(arena, spec->amount, spec->currency));
}

enum fail
account_price_look(struct ctl *ctl, const char *id, struct account_price *out, bool *there)
{
	struct json_view object;
	enum fail kind = request_get(ctl, stripe_path(ctl->task.arena, "/v1/prices/%s", id),
	                             NULL, &object);

	*there = kind == FAIL_NONE;
	if (kind == FAIL_NOT_FOUND) {
		task_clear(&ctl->task);
		return FAIL_NONE;
	}
	TRY(kind);
	account_price_read(&object, out);
	return FAIL_NONE;
}

const char *
account_webhook_url(struct ctl *ctl)
{
	return arena_printf(ctl->task.arena, "%s/api/webhooks/stripe", ctl->settings.base_url);
}

static bool
has_item(const struct json_view *list, const char *wanted)
{
	struct json_view item;

	for (bool more = json_view_first(list, &item); more; more = json_view_next(&item)) {
		const char *type = NULL;

		(void)json_view_text(&item, &type);
		if (text_equal(type, wanted) || text_equal(type, "*"))
			return true;
	}
	return false;
}

/* The first type of event that this service handles and the list lacks. */
static const char *
first_missing(const struct json_view *events)
{
	const char *type;
	size_t i = 0;

	while ((type = event_type(EVENT_SUBSCRIBED, i)) != NULL && has_item(events, type))
		i++;
	return type;
}

static struct account_endpoint
read_endpoint(const struct ctl *ctl, const struct json_view *object)
{
	struct account_endpoint endpoint = {.id = NULL};
	struct json_view events;
	const char *status = NULL;

	(void)json_view_string(object, "id", &endpoint.id);
	(void)json_view_string(object, "api_version", &endpoint.api_version);
	(void)json_view_string(object, "status", &status);
	(void)json_view_list(object, "enabled_events", &events);
	endpoint.enabled = text_equal(status, "enabled");
	endpoint.version_fits =
	        text_equal(endpoint.api_version, ctl->settings.stripe_api_version);
	endpoint.lacks = first_missing(&events);
	return endpoint;
}

static int
worth(const struct account_endpoint *endpoint)
{
	return (endpoint->version_fits ? 4 : 0) + (endpoint->enabled ? 2 : 0) +
	       (endpoint->lacks == NULL ? 1 : 0);
}

enum fail
account_endpoint_find(struct ctl *ctl, const char *url, struct account_endpoint *out)
{
	struct json_view list, object;

	*out = (struct account_endpoint){.id = NULL};
	TRY(request_list(ctl, "/v1/webhook_endpoints", NULL, &list));
	for (bool more = json_view_first(&list, &object); more;
	     more = json_view_next(&object)) {
		struct account_endpoint endpoint = read_endpoint(ctl, &object);
		const char *sends_to = NULL;

		if (json_view_string(&object, "url", &sends_to) && text_equal(sends_to, url) &&
		    (out->id == NULL || worth(&endpoint) > worth(out)))
			*out = endpoint;
	}
	return FAIL_NONE;
}

static bool
is_named(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

const char *const *
account_meters(struct ctl *ctl)
{
	const struct plans *plans = &ctl->billing.plans;
	const char **names = arena_array(ctl->task.arena, plans->count * PLAN_METRICS_MAX + 1,
	                                 sizeof(*names));
	size_t count = 0;

	for (size_t i = 0; i < plans->count * PLAN_METRICS_MAX; i++) {
		const struct plan *plan = &plans->items[i / PLAN_METRICS_MAX];
		const char *name = plan->usage.meters[i % PLAN_METRICS_MAX];

		if (name != NULL && !is_named(names, name))
			names[count++] = name;
	}
	return names;
}

enum fail
account_meter_find(struct ctl *ctl, const char *event_name, const char **out)
{
	struct json_view list, meter;

	*out = NULL;
	TRY(request_list(ctl, "/v1/billing/meters", "status=active", &list));
	for (bool more = json_view_first(&list, &meter); more && *out == NULL;
	     more = json_view_next(&meter)) {
		const char *name = NULL;

		if (json_view_string(&meter, "event_name", &name) &&
		    text_equal(name, event_name))
			(void)json_view_string(&meter, "id", out);
	}
	return FAIL_NONE;
}
