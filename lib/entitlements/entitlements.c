/* entitlements.c: puts the layers of what a customer may use on top of each other. */
#include "entitlements/entitlements.h"

#include <string.h>

#include "base/arena.h"
#include "base/wire.h"
#include "billing/access.h"
#include "billing/purchase.h"
#include "plans/plans_terms.h"
#include "plans/plans_values.h"

/* One computation. */
struct layers {
	struct arena *arena;
	const struct plans *plans;
	struct entitlement_list *lists[2]; /* by enum value_kind */
	struct plan_room room;             /* for names that only older files have */
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

/* Fills the list with the values of a plan; there is room for every name that a licence can have. */
static void
begin(struct layers *layers, enum value_kind kind, const struct license_values *values,
      struct instant until)
{
	struct entitlement_list *list = layers->lists[kind];
	size_t room = values->count + PLAN_NAMES_MAX;

	*list = (struct entitlement_list){
	        arena_array(layers->arena, room, sizeof(*list->items)), 0};
	for (size_t i = 0; i < values->count; i++) {
		set(list, &values->items[i], ENTITLEMENT_PLAN, until);
		if (plans_name(layers->plans, values->items[i].name) == NULL)
			(void)plan_room_take(&layers->room, &values->items[i]);
	}
}

/* Whether the layers have the name, or a licence has room for it: an add-on of an older file may have
 * others. */
static bool
has_room(struct layers *layers, enum value_kind kind, const struct license_value *value)
{
	return plans_name(layers->plans, value->name) != NULL ||
	       find(layers->lists[kind], value->name) != NULL ||
	       plan_room_take(&layers->room, value);
}

/* The number multiplied by the count, as far as a licence can say it. */
static int64_t
times(int64_t number, int64_t count)
{
	if (number == LICENSE_UNLIMITED || number == 0 || count <= 0)
		return count <= 0 ? 0 : number;
	return count > WIRE_NUMBER_MAX / number ? WIRE_NUMBER_MAX : number * count;
}

/* Raises an integer. A feature that is absent is 0; a limit that is absent has no bound already. */
static void
raise_integer(struct layers *layers, enum value_kind kind, const char *name, int64_t by,
              struct instant until)
{
	struct entitlement_list *list = layers->lists[kind];
	const struct entitlement *present = find(list, name);
	struct license_value value = {.name = name, .type = VALUE_INTEGER};

	if (by == 0 || (present == NULL && kind == VALUE_LIMIT))
		return;
	if (present != NULL)
		value = present->value;
	if (value.type != VALUE_INTEGER || value.number == LICENSE_UNLIMITED)
		return;
	value.number = by == LICENSE_UNLIMITED               ? LICENSE_UNLIMITED
	               : by > WIRE_NUMBER_MAX - value.number ? WIRE_NUMBER_MAX
	                                                     : value.number + by;
	if (has_room(layers, kind, &value))
		set(list, &value, ENTITLEMENT_ADDON, until);
}

/* Adds what so many of an add-on give. */
static void
add(struct layers *layers, const struct plan_addon *addon, int64_t count, struct instant until)
{
	const struct plan_quantity *quantity = &addon->quantity;

	for (size_t i = 0; i < addon->features.count; i++)
		if (has_room(layers, VALUE_FEATURE, &addon->features.items[i]))
			set(layers->lists[VALUE_FEATURE], &addon->features.items[i],
			    ENTITLEMENT_ADDON, until);
	for (size_t i = 0; i < addon->limits.count; i++)
		raise_integer(layers, VALUE_LIMIT, addon->limits.items[i].name,
		              times(addon->limits.items[i].number, count), until);
	if (quantity->name != NULL)
		raise_integer(layers, quantity->kind, quantity->name,
		              times(quantity->per, count), until);
}

/* The quantity of the plan, then the add-ons in the order of the table. */
static void
set_purchase(struct layers *layers, const struct plan_quantity *quantity,
             const struct subscription *subscription, struct instant until)
{
	struct purchase purchase;

	purchase_read(layers->arena, layers->plans, subscription->quantity,
	              subscription->addons, &purchase);
	if (quantity->name != NULL) {
		struct license_value value = {.name = quantity->name,
		                              .type = VALUE_INTEGER,
		                              .number =
		                                      times(quantity->per, purchase.quantity)};

		if (has_room(layers, quantity->kind, &value))
			set(layers->lists[quantity->kind], &value, ENTITLEMENT_PLAN, until);
	}
	for (size_t i = 0; i < plans_known_addons(layers->plans); i++)
		if (purchase.addons[i] > 0)
			add(layers, &layers->plans->addons[i], purchase.addons[i], until);
}

/* Sets the values of a stored object (NULL: none) that plans.json knows. */
static void
set_stored(struct layers *layers, enum value_kind kind, const char *text,
           enum entitlement_source source, struct instant until)
{
	struct json_view object = {0}, view;
	const char *name;

	if (text != NULL)
		(void)json_view_try(layers->arena, text, strlen(text), &object);
	for (bool more = json_view_first_member(&object, &name, &view); more;
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

/* Whether the plan with its quantity and add-ons counts: not in a trial, nor one that no file had. */
static bool
is_bought(const struct plans *plans, const struct subscription *subscription, int64_t now_ms)
{
	return subscription->plan != NULL && !access_is_trial(subscription, now_ms) &&
	       plans_are_known(plans, subscription->plan);
}

/* Sets both kinds of a layer's stored values. */
static void
set_layer(struct layers *layers, const char *features, const char *limits,
          enum entitlement_source source, struct instant until)
{
	set_stored(layers, VALUE_FEATURE, features, source, until);
	set_stored(layers, VALUE_LIMIT, limits, source, until);
}

void
entitlements_compute(struct arena *arena, const struct billing *billing,
                     const struct subscription *subscription,
                     const struct entitlement_terms *terms, int64_t now_ms,
                     struct entitlements *out)
{
	const struct plans *plans = &billing->plans;
	bool bought = is_bought(plans, subscription, now_ms);
	const struct plan_terms first =
	        plans_terms(arena, plans, bought ? subscription->plan : PLANS_TRIAL,
	                    subscription->bought_at);
	struct layers layers = {
	        arena, plans, {&out->features, &out->limits}, plans_room(plans)};

	out->access = subscription->plan != NULL &&
	              access_granted(subscription, &billing->policy, now_ms);
	out->until = out->access ? access_until(subscription, &billing->policy, now_ms)
	                         : INSTANT_NONE;
	begin(&layers, VALUE_FEATURE, &first.features, out->until);
	begin(&layers, VALUE_LIMIT, &first.limits, out->until);
	if (bought)
		set_purchase(&layers, &first.quantity, subscription, out->until);
	set_layer(&layers, terms->contract_features, terms->contract_limits,
	          ENTITLEMENT_CONTRACT, out->until);
	if (overrides_count(terms, now_ms))
		set_layer(&layers, terms->override_features, terms->override_limits,
		          ENTITLEMENT_OVERRIDE, earliest(out->until, terms->override_ends_at));
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
