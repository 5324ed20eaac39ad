/* entitlements.c: puts the layers of what a customer may use on top of each other. */
#include "entitlements/entitlements.h"

#include <string.h>

#include "base/arena.h"
#include "billing/access.h"
#include "plans/plans_terms.h"

/* One computation. */
struct layers {
	struct arena *arena;
	const struct plans *plans;
	struct entitlement_list *lists[2]; /* by enum value_kind */
};

const char *
entitlement_source_name(enum entitlement_source source)
{
	static const char *const names[] = {[ENTITLEMENT_PLAN] = "plan",
	                                    [ENTITLEMENT_ADDON] = "addon",
	                                    [ENTITLEMENT_CONTRACT] = "contract",
	                                    [ENTITLEMENT_OVERRIDE] = "override"};

	return names[source];
}

static struct entitlement *
find(const struct entitlement_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].value.name, name) == 0)
			return &list->items[i];
	return NULL;
}

/* Sets a value, whatever an earlier layer says. The list has room for it. */
static void
set(struct entitlement_list *list, const struct license_value *value,
    enum entitlement_source source, struct instant until)
{
	struct entitlement *place = find(list, value->name);

	if (place == NULL)
		place = &list->items[list->count++];
	*place = (struct entitlement){*value, source, until};
}

/* Fills the list with the plan's values; there is room for `more` others. */
static void
begin(struct layers *layers, enum value_kind kind, const struct license_values *values,
      size_t more, struct instant until)
{
	struct entitlement_list *list = layers->lists[kind];

	*list = (struct entitlement_list){
	        arena_array(layers->arena, values->count + more, sizeof(*list->items)), 0};
	for (size_t i = 0; i < values->count; i++)
		set(list, &values->items[i], ENTITLEMENT_PLAN, until);
}

/* An object of stored values, or none. */
static struct json_view
stored(struct arena *arena, const char *text)
{
	struct json_view object = {0};

	if (text != NULL)
		(void)json_view_try(arena, text, strlen(text), &object);
	return object;
}

/* Sets the stored values of the object that plans.json knows. */
static void
set_stored(struct layers *layers, enum value_kind kind, const struct json_view *object,
           enum entitlement_source source, struct instant until)
{
	struct json_view view;
	const char *name;

	for (bool more = json_view_first_member(object, &name, &view); more;
	     more = json_view_next_member(&name, &view)) {
		const struct plan_name *known = entitlement_name(layers->plans, kind, name);
		struct license_value value;

		if (known != NULL && value_read(&view, kind, known->name, &value) == NULL &&
		    value.type == known->type)
			set(layers->lists[kind], &value, source, until);
	}
}

/* The earlier of the times that are known. */
static struct instant
earliest(struct instant a, struct instant b)
{
	return a.known && (!b.known || a.ms < b.ms) ? a : b;
}

static bool
overrides_count(const struct entitlement_terms *terms, int64_t now_ms)
{
	return terms->override_features != NULL &&
	       (!terms->override_ends_at.known || now_ms < terms->override_ends_at.ms);
}

/* The values of the first layer. */
static struct entitlement_values
plan_values(struct arena *arena, const struct plans *plans,
            const struct subscription *subscription, int64_t now_ms)
{
	bool trial = subscription->plan == NULL || access_is_trial(subscription, now_ms);
	const struct plan_terms terms =
	        plans_terms(arena, plans, trial ? PLANS_TRIAL : subscription->plan,
	                    subscription->bought_at);

	return (struct entitlement_values){terms.features, terms.limits};
}

void
entitlements_compute(struct arena *arena, const struct billing *billing,
                     const struct subscription *subscription,
                     const struct entitlement_terms *terms, int64_t now_ms,
                     struct entitlements *out)
{
	struct layers layers = {arena, &billing->plans, {&out->features, &out->limits}};
	struct entitlement_values first =
	        plan_values(arena, &billing->plans, subscription, now_ms);
	bool overridden = overrides_count(terms, now_ms);
	struct json_view features, limits;
	struct instant until;

	out->access = subscription->plan != NULL &&
	              access_granted(subscription, &billing->policy, now_ms);
	out->until = out->access ? access_until(subscription, &billing->policy, now_ms)
	                         : INSTANT_NONE;
	features = stored(arena, overridden ? terms->override_features : NULL);
	limits = stored(arena, overridden ? terms->override_limits : NULL);
	begin(&layers, VALUE_FEATURE, &first.features, json_view_count(&features), out->until);
	begin(&layers, VALUE_LIMIT, &first.limits, json_view_count(&limits), out->until);
	until = earliest(out->until, terms->override_ends_at);
	set_stored(&layers, VALUE_FEATURE, &features, ENTITLEMENT_OVERRIDE, until);
	set_stored(&layers, VALUE_LIMIT, &limits, ENTITLEMENT_OVERRIDE, until);
}

static struct license_values
values_of(struct arena *arena, const struct entitlement_list *list)
{
	struct license_value *items = arena_array(arena, list->count, sizeof(*items));

	for (size_t i = 0; i < list->count; i++)
		items[i] = list->items[i].value;
	return (struct license_values){items, list->count};
}

void
entitlements_values(struct arena *arena, const struct billing *billing,
                    const struct subscription *subscription,
                    const struct entitlement_terms *terms, int64_t now_ms,
                    struct entitlement_values *out)
{
	struct entitlements computed;

	entitlements_compute(arena, billing, subscription, terms, now_ms, &computed);
	*out = (struct entitlement_values){values_of(arena, &computed.features),
	                                   values_of(arena, &computed.limits)};
}

bool
entitlements_are_more(const struct entitlement_values *values,
                      const struct entitlement_values *than)
{
	return values_are_more(VALUE_FEATURE, &values->features, &than->features) ||
	       values_are_more(VALUE_LIMIT, &values->limits, &than->limits);
}

struct instant
entitlements_reduced_at(struct arena *arena, const struct billing *billing,
                        const struct subscription *subscription,
                        const struct entitlement_terms *terms, int64_t now_ms)
{
	struct entitlement_terms later = *terms;
	struct entitlement_values present, below;

	if (!terms->override_ends_at.known || !overrides_count(terms, now_ms))
		return INSTANT_NONE;
	later.override_features = NULL;
	entitlements_values(arena, billing, subscription, terms, now_ms, &present);
	entitlements_values(arena, billing, subscription, &later, now_ms, &below);
	return entitlements_are_more(&present, &below) ? terms->override_ends_at : INSTANT_NONE;
}
