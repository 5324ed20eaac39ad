/* plans_quantity.c: reads what plans and add-ons of plans.json sell in a quantity. */
#include "plans/plans_quantity.h"

#include <string.h>

#include "base/arena.h"

static enum fail
refuse_member(const struct reader *reader, const char *where, const char *name, const char *why)
{
	return plans_refuse(reader, arena_printf(reader->task->arena, "%s.%s", where, name),
	                    why);
}

/* The metric whose use the quantity is compared with: the named one, else that of the same name. */
static enum fail
read_metric(const struct reader *reader, const char *where, const struct json_view *object,
            const struct plans *plans, struct plan_quantity *out)
{
	const char *name = out->name;
	struct json_view value;
	bool given = json_view_member(object, "metric", &value);
	size_t metric;

	if (given && !json_view_text(&value, &name))
		return refuse_member(reader, where, "metric", "must name a metric");
	metric = plans_metric(plans, name);
	if (metric < plans->metric_count && plans->metrics[metric].kind == PLAN_METRIC_LEVEL)
		out->metric = plans->metrics[metric].name;
	else if (given)
		return refuse_member(reader, where, "metric",
		                     "must be one of the metrics whose kind is \"level\"");
	return FAIL_NONE;
}

enum fail
plans_read_quantity(const struct reader *reader, const char *where,
                    const struct json_view *object, const struct plans *plans,
                    struct plan_quantity *out)
{
	struct json_view value, other;
	bool has_per = json_view_member(object, "per", &value);

	*out = (struct plan_quantity){.per = 1};
	if (!json_view_member(object, "quantity", &other)) {
		if (has_per || json_view_member(object, "metric", &value))
			return plans_refuse(reader, where,
			                    "has \"per\" or \"metric\" without \"quantity\"");
		return FAIL_NONE;
	}
	if (!json_view_text(&other, &out->name) || !value_is_name(out->name))
		return refuse_member(reader, where, "quantity", "must be the name of a limit");
	if (has_per &&
	    (!json_view_number(&value, &out->per) || out->per < 1 || out->per > PLAN_PER_MAX))
		return refuse_member(reader, where, "per",
		                     "must be an integer from 1 to 1000000000");
	return read_metric(reader, where, object, plans, out);
}

/* Completes the quantity of a plan or add-on, which the reader names. */
static enum fail
complete(const struct reader *reader, const struct plans *plans, struct plan_quantity *quantity)
{
	const struct plan_name *known;

	if (quantity->name == NULL)
		return FAIL_NONE;
	known = plans_name(plans, quantity->name);
	if (known == NULL || known->type != VALUE_INTEGER)
		return refuse_member(reader, reader->plan, "quantity",
		                     "must name a limit, or a feature that is an integer, of "
		                     "a plan or the trial");
	quantity->kind = known->kind;
	return FAIL_NONE;
}

/* Gives the plan the value of one. */
static void
set_value(struct arena *arena, const struct plan_quantity *quantity,
          struct license_values *values)
{
	struct license_value *items = arena_array(arena, values->count + 1, sizeof(*items));
	size_t at = 0;

	if (values->count > 0)
		memcpy(items, values->items, values->count * sizeof(*items));
	while (at < values->count && strcmp(items[at].name, quantity->name) != 0)
		at++;
	items[at] = (struct license_value){
	        .name = quantity->name, .type = VALUE_INTEGER, .number = quantity->per};
	*values = (struct license_values){items, at == values->count ? at + 1 : values->count};
}

enum fail
plans_complete_quantities(const struct reader *reader, struct plans *plans)
{
	struct arena *arena = reader->task->arena;
	struct reader within = *reader;

	for (size_t i = 0; i < plans->count; i++) {
		struct plan *plan = &plans->items[i];
		struct plan_quantity *quantity = &plan->quantity;

		within.plan = plan->id;
		within.item = arena_printf(arena, "plans[%zu]", i);
		TRY(complete(&within, plans, quantity));
		if (quantity->name != NULL)
			set_value(arena, quantity,
			          quantity->kind == VALUE_LIMIT ? &plan->limits
			                                        : &plan->features);
	}
	for (size_t i = 0; i < plans->addon_count; i++) {
		within.plan = plans->addons[i].id;
		within.item = arena_printf(arena, "addons[%zu]", i);
		TRY(complete(&within, plans, &plans->addons[i].quantity));
	}
	return FAIL_NONE;
}

bool
plans_has_quantity(const struct plans *plans, const char *id)
{
	const struct plan *plan = plans_find(plans, id);

	return plan != NULL && plan->quantity.name != NULL;
}
