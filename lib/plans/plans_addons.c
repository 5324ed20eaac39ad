/* plans_addons.c: reads the add-ons of plans.json. */
#include "plans/plans_addons.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "plans/plans_prices.h"
#include "plans/plans_quantity.h"
#include "plans/plans_values.h"

static bool
is_addon_id(const char *id)
{
	return *id >= 'a' && *id <= 'z' &&
	       text_is_made_of(id, "abcdefghijklmnopqrstuvwxyz0123456789_-", 1, PLAN_ID_MAX);
}

/* Reads "features" or "limits"; the object may be absent. */
static enum fail
read_values(const struct reader *reader, const struct json_view *object, enum value_kind kind,
            struct plans *plans, struct license_values *out)
{
	struct json_view values;

	if (!json_view_member(object, value_kind_name(kind), &values))
		return FAIL_NONE;
	return plans_read_values(reader, reader->plan, object, kind, plans, out);
}

/* Reads an add-on whose id is known. */
static enum fail
read_terms(const struct reader *reader, const struct json_view *object, struct plans *out)
{
	static const char *const known[] = {"addon", "name",   "price",    "prices", "quantity",
	                                    "per",   "metric", "features", "limits", NULL};
	struct plan_addon *addon = &out->addons[out->addon_count];
	const char *where = reader->plan;

	if (plans_find_addon(out, where) != NULL)
		return plans_refuse(reader, where, "stands twice");
	if (plans_find(out, where) != NULL)
		return plans_refuse(reader, where, "has the name of a plan");
	if (!json_view_string(object, "name", &addon->name))
		return plans_refuse(reader, where, "needs a name");
	TRY(plans_read_prices(reader, where, object, addon->prices, &addon->price_count));
	TRY(plans_read_quantity(reader, where, object, out, &addon->quantity));
	TRY(read_values(reader, object, VALUE_FEATURE, out, &addon->features));
	TRY(read_values(reader, object, VALUE_LIMIT, out, &addon->limits));
	TRY(plans_refuse_unknown(reader, where, object, known));
	if (addon->quantity.name == NULL && addon->features.count + addon->limits.count == 0)
		return plans_refuse(reader, where, "adds nothing");
	addon->id = where;
	out->addon_count++;
	return FAIL_NONE;
}

static enum fail
read_addon(const struct reader *reader, const struct json_view *object, struct plans *out)
{
	const char *item = arena_printf(reader->task->arena, "addons[%zu]", out->addon_count);
	struct reader within = *reader;
	const char *id;

	if (!json_view_is_object(object))
		return plans_refuse(reader, item, "must be an object");
	if (!json_view_string(object, "addon", &id) || !is_addon_id(id))
		return plans_refuse(reader, item,
		                    "needs an \"addon\" of lower-case letters, its id");
	within.item = item;
	within.plan = id;
	return read_terms(&within, object, out);
}

enum fail
plans_read_addons(const struct reader *reader, const struct json_view *root, struct plans *out)
{
	struct json_view list, item;

	if (!json_view_member(root, "addons", &list))
		return FAIL_NONE;
	if (!json_view_is_list(&list) || json_view_count(&list) > PLAN_ADDONS_SOLD_MAX)
		return plans_refuse(reader, "addons", "must be a list of at most 32 add-ons");
	for (bool more = json_view_first(&list, &item); more; more = json_view_next(&item))
		TRY(read_addon(reader, &item, out));
	return FAIL_NONE;
}

static const struct plan_addon *
find_among(const struct plans *plans, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(plans->addons[i].id, id) == 0)
			return &plans->addons[i];
	return NULL;
}

const struct plan_addon *
plans_find_addon(const struct plans *plans, const char *id)
{
	return find_among(plans, plans->addon_count, id);
}

size_t
plans_known_addons(const struct plans *plans)
{
	return plans->addon_count + plans->gone_count;
}

const struct plan_addon *
plans_known_addon(const struct plans *plans, const char *id)
{
	return find_among(plans, plans_known_addons(plans), id);
}
