/* plans_terms.c: terms of plans, stored and as they count for a customer. */
#include "plans/plans_terms.h"

#include <string.h>

#include "base/arena.h"
#include "plans/plans_usage.h"
#include "plans/plans_values.h"

/* All that an add-on gives are features here: one that it does not name adds nothing. */
static struct plan_terms
addon_terms(struct arena *arena, const struct plans *plans, const struct plan_addon *addon)
{
	struct license_value *items = arena_array(
	        arena, addon->features.count + addon->limits.count + 1, sizeof(*items));
	const struct license_values none = {NULL, 0};
	struct plan_terms terms = {.usage = plans_usage_of(plans, &none)};
	size_t count = 0;

	for (size_t i = 0; i < addon->features.count; i++)
		items[count++] = addon->features.items[i];
	for (size_t i = 0; i < addon->limits.count; i++)
		items[count++] = addon->limits.items[i];
	terms.features = (struct license_values){items, count};
	if (addon->quantity.name != NULL &&
	    values_find(&terms.features, addon->quantity.name) == NULL)
		items[terms.features.count++] =
		        (struct license_value){.name = addon->quantity.name,
		                               .type = VALUE_INTEGER,
		                               .number = addon->quantity.per};
	terms.quantity = addon->quantity;
	plans_add_unbounded(arena, plans, &terms.limits);
	return terms;
}

bool
plans_present_terms(struct arena *arena, const struct plans *plans, const char *id,
                    struct plan_terms *out)
{
	const struct plan *plan = plans_find(plans, id);
	const struct plan_addon *addon =
	        *id == PLANS_ADDON ? plans_find_addon(plans, id + 1) : NULL;

	if (addon != NULL)
		*out = addon_terms(arena, plans, addon);
	if (strcmp(id, PLANS_TRIAL) == 0)
		*out = (struct plan_terms){.features = plans->trial_features,
		                           .limits = plans->trial_limits,
		                           .usage = plans->trial_usage};
	else if (plan != NULL)
		*out = (struct plan_terms){plan->features, plan->limits, plan->usage,
		                           plan->quantity};
	return addon != NULL || plan != NULL || strcmp(id, PLANS_TRIAL) == 0;
}

/* The newest of the plan's stored terms that were in force at the time, which is known; else its oldest
 * ones. NULL when none are stored. They are in the order of their time, the newest first. */
static const struct sold_terms *
sold_at(const struct plans *plans, const char *id, struct instant at)
{
	const struct sold_terms *found = NULL;

	for (size_t i = 0; i < plans->sold_count; i++) {
		const struct sold_terms *sold = &plans->sold[i];

		if (strcmp(sold->plan, id) != 0)
			continue;
		found = sold;
		if (sold->since.ms <= at.ms)
			break;
	}
	return found;
}

static const struct sold_terms *
last_sold(const struct plans *plans, const char *id)
{
	return sold_at(plans, id, INSTANT_MS(INT64_MAX));
}

bool
plans_are_known(const struct plans *plans, const char *id)
{
	return plans_find(plans, id) != NULL ||
	       (strcmp(id, PLANS_TRIAL) != 0 && last_sold(plans, id) != NULL);
}

bool
plans_oldest_terms(struct arena *arena, const struct plans *plans, const char *id,
                   struct plan_terms *out)
{
	const struct sold_terms *sold = sold_at(plans, id, INSTANT_MS(INT64_MIN));

	if (sold == NULL)
		return plans_present_terms(arena, plans, id, out);
	*out = sold->terms;
	return true;
}

/* The values, each raised to what `than` grants. */
static struct license_values
raised(struct arena *arena, enum value_kind kind, struct license_values values,
       const struct license_values *than)
{
	struct license_value *items =
	        arena_array(arena, values.count + than->count, sizeof(*items));
	struct license_values made = {items, values.count};

	for (size_t i = 0; i < values.count; i++)
		items[i] = values.items[i];
	for (size_t i = 0; i < than->count; i++) {
		const struct license_value *value = &than->items[i];
		const struct license_value *present = values_find(&made, value->name);

		if (!value_is_more(kind, value, present))
			continue;
		if (present == NULL)
			items[made.count++] = *value;
		else
			items[present - made.items] = *value;
	}
	return made;
}

static struct plan_terms
better(struct arena *arena, const struct plans *plans, struct plan_terms terms,
       const struct plan_terms *than)
{
	struct license_values bounds =
	        plans_usage_values(arena, plans, VALUE_LIMIT, &terms.usage);
	const struct license_values others =
	        plans_usage_values(arena, plans, VALUE_LIMIT, &than->usage);
	struct plan_usage usage;

	terms.features = raised(arena, VALUE_FEATURE, terms.features, &than->features);
	terms.limits = raised(arena, VALUE_LIMIT, terms.limits, &than->limits);
	bounds = raised(arena, VALUE_LIMIT, bounds, &others);
	usage = plans_usage_of(plans, &bounds);
	memcpy(usage.meters, terms.usage.meters, sizeof(usage.meters));
	usage.non_production = terms.usage.non_production > than->usage.non_production
	                               ? terms.usage.non_production
	                               : than->usage.non_production;
	terms.usage = usage;
	return terms;
}

struct plan_terms
plans_terms(struct arena *arena, const struct plans *plans, const char *id,
            struct instant bought_at)
{
	const struct sold_terms *sold;
	struct plan_terms terms;

	if (!plans_present_terms(arena, plans, id, &terms)) {
		sold = last_sold(plans, id);
		if (sold == NULL)
			return (struct plan_terms){.features = plans->trial_features,
			                           .limits = plans->trial_limits,
			                           .usage = plans->trial_usage};
		terms = sold->terms;
	}
	sold = plans->keeps_sold && bought_at.known ? sold_at(plans, id, bought_at) : NULL;
	return sold == NULL || sold->is_present ? terms
	                                        : better(arena, plans, terms, &sold->terms);
}

/* Writes the members of the terms' object. */
static void
write_terms(struct json_out *json, struct arena *arena, const struct plans *plans,
            const struct plan_terms *terms)
{
	values_write(json, VALUE_FEATURE, &terms->features);
	values_write(json, VALUE_LIMIT, &terms->limits);
	json_out_open(json, "usage", '{');
	for (int kind = VALUE_FEATURE; kind <= VALUE_LIMIT; kind++) {
		struct license_values values =
		        plans_usage_values(arena, plans, (enum value_kind)kind, &terms->usage);

		for (size_t i = 0; i < values.count; i++)
			value_write(json, values.items[i].name, &values.items[i]);
	}
	json_out_close(json, '}');
	if (terms->quantity.name == NULL) {
		json_out_null(json, "quantity");
		return;
	}
	json_out_open(json, "quantity", '{');
	json_out_string(json, "name", terms->quantity.name);
	json_out_bool(json, "of_limit", terms->quantity.kind == VALUE_LIMIT);
	json_out_int(json, "per", terms->quantity.per);
	json_out_close(json, '}');
}

const char *
plans_terms_write(struct arena *arena, const struct plans *plans,
                  const struct plan_terms *terms)
{
	struct json_out json = json_out_new(arena, 1024);

	json_out_open(&json, NULL, '{');
	write_terms(&json, arena, plans, terms);
	json_out_close(&json, '}');
	return json.text.data;
}

const char *
plans_addon_write(struct arena *arena, const struct plans *plans,
                  const struct plan_addon *addon)
{
	const struct plan_terms terms = addon_terms(arena, plans, addon);
	struct json_out json = json_out_new(arena, 1024);

	json_out_open(&json, NULL, '{');
	write_terms(&json, arena, plans, &terms);
	json_out_open(&json, "addon", '{');
	values_write(&json, VALUE_FEATURE, &addon->features);
	values_write(&json, VALUE_LIMIT, &addon->limits);
	json_out_close(&json, '}');
	json_out_close(&json, '}');
	return json.text.data;
}

/* The bounds of use; their names are not those of features. */
static struct plan_usage
read_bounds(struct arena *arena, const struct plans *plans, const struct json_view *object)
{
	struct license_values bounds = {NULL, 0};
	struct json_view usage, view;
	struct license_value *items;
	const char *name;

	if (!json_view_object(object, "usage", &usage))
		return plans_usage_of(plans, &bounds);
	items = arena_array(arena, json_view_count(&usage), sizeof(*items));
	for (bool more = json_view_first_member(&usage, &name, &view); more;
	     more = json_view_next_member(&name, &view)) {
		struct license_value value = {
		        .name = name, .type = VALUE_INTEGER, .number = LICENSE_UNLIMITED};

		if (json_view_is_null(&view) || json_view_number(&view, &value.number))
			items[bounds.count++] = value;
	}
	bounds.items = items;
	return plans_usage_of(plans, &bounds);
}

/* The quantity; none when the text has none, or its name is of something else in the file now. */
static struct plan_quantity
read_quantity(const struct plans *plans, const struct json_view *object)
{
	const struct plan_name *known;
	struct plan_quantity quantity = {.per = 1};
	struct json_view view;
	bool of_limit;

	if (!json_view_object(object, "quantity", &view) ||
	    !json_view_string(&view, "name", &quantity.name) ||
	    !json_view_bool(&view, "of_limit", &of_limit) ||
	    !json_view_int(&view, "per", &quantity.per))
		return (struct plan_quantity){.name = NULL};
	quantity.kind = of_limit ? VALUE_LIMIT : VALUE_FEATURE;
	known = plans_name(plans, quantity.name);
	if (known != NULL && (known->kind != quantity.kind || known->type != VALUE_INTEGER))
		quantity.name = NULL;
	return quantity;
}

bool
plans_terms_are_whole(struct arena *arena, const char *text)
{
	struct json_view object, quantity;

	return json_view_try(arena, text, strlen(text), &object) &&
	       json_view_member(&object, "quantity", &quantity);
}

bool
plans_terms_read(struct arena *arena, const struct plans *plans, const char *text,
                 struct plan_terms *out)
{
	struct json_view object, features, limits;
	const char *bad;

	if (!json_view_try(arena, text, strlen(text), &object) ||
	    !json_view_object(&object, "features", &features) ||
	    !json_view_object(&object, "limits", &limits) ||
	    values_read(&features, VALUE_FEATURE, &out->features, &bad) != NULL ||
	    values_read(&limits, VALUE_LIMIT, &out->limits, &bad) != NULL)
		return false;
	plans_add_unbounded(arena, plans, &out->limits);
	out->usage = read_bounds(arena, plans, &object);
	out->quantity = read_quantity(plans, &object);
	return true;
}

static void
drop_others(struct arena *arena, const struct plans *plans, enum value_kind kind,
            struct plan_room *room, struct license_values *values)
{
	struct license_value *items = arena_array(arena, values->count, sizeof(*items));
	size_t count = 0;

	for (size_t i = 0; i < values->count; i++) {
		const struct plan_name *name = plans_name(plans, values->items[i].name);

		if (name == NULL ? plan_room_take(room, &values->items[i])
		                 : name->kind == kind && name->type == values->items[i].type)
			items[count++] = values->items[i];
	}
	*values = (struct license_values){items, count};
}

void
plan_terms_fit(struct arena *arena, const struct plans *plans, struct plan_terms *terms)
{
	struct plan_room room = plans_room(plans);

	drop_others(arena, plans, VALUE_FEATURE, &room, &terms->features);
	drop_others(arena, plans, VALUE_LIMIT, &room, &terms->limits);
}

/* Whether one of the values of this kind is more. */
static bool
are_more(struct arena *arena, const struct plans *plans, enum value_kind kind,
         const struct plan_terms *terms, const struct plan_terms *than)
{
	const struct license_values uses = plans_usage_values(arena, plans, kind,
	                                                      &terms->usage),
	                            others = plans_usage_values(arena, plans, kind,
	                                                        &than->usage);
	bool features = kind == VALUE_FEATURE;

	return values_are_more(kind, features ? &terms->features : &terms->limits,
	                       features ? &than->features : &than->limits) ||
	       values_are_more(kind, &uses, &others);
}

bool
plan_terms_equal(struct arena *arena, const struct plans *plans, const struct plan_terms *a,
                 const struct plan_terms *b)
{
	return !are_more(arena, plans, VALUE_FEATURE, a, b) &&
	       !are_more(arena, plans, VALUE_FEATURE, b, a) &&
	       !are_more(arena, plans, VALUE_LIMIT, a, b) &&
	       !are_more(arena, plans, VALUE_LIMIT, b, a);
}

/* Reads what each one of the add-on gives; false when the text does not say it. */
static bool
read_addon(struct arena *arena, const struct plans *plans, const char *text,
           struct plan_addon *out)
{
	struct json_view object, addon, features, limits;
	const char *bad;

	if (!json_view_try(arena, text, strlen(text), &object) ||
	    !json_view_object(&object, "addon", &addon) ||
	    !json_view_object(&addon, "features", &features) ||
	    !json_view_object(&addon, "limits", &limits))
		return false;
	out->quantity = read_quantity(plans, &object);
	return values_read(&features, VALUE_FEATURE, &out->features, &bad) == NULL &&
	       values_read(&limits, VALUE_LIMIT, &out->limits, &bad) == NULL;
}

void
plans_addon_keep(struct arena *arena, struct plans *plans, const char *id, const char *text)
{
	struct plan_addon *next = &plans->addons[plans_known_addons(plans)];
	struct plan_room room = plans_room(plans);

	if (plans_known_addons(plans) == PLAN_ADDONS_MAX || plans_find(plans, id) != NULL ||
	    plans_known_addon(plans, id) != NULL)
		return;
	*next = (struct plan_addon){.id = id, .name = id};
	if (!read_addon(arena, plans, text, next))
		return;
	drop_others(arena, plans, VALUE_FEATURE, &room, &next->features);
	drop_others(arena, plans, VALUE_LIMIT, &room, &next->limits);
	plans->gone_count++;
}
