/* plans_diff.c: what changes when a plan's terms are replaced by others. */
#include "plans/plans_diff.h"

#include "base/arena.h"
#include "plans/plans_usage.h"

/* Each name is of the terms before, of those after, or of both; a list may have limits added. */
enum { CHANGES_MAX = 2 * (3 * VALUES_MAX + PLAN_METRICS_MAX + 8) };

static const char *
shown(struct arena *arena, enum value_kind kind, const struct license_value *value)
{
	struct json_out json = json_out_new(arena, 32);

	if (value == NULL)
		return kind == VALUE_LIMIT ? "no bound" : "nothing";
	if (value->type == VALUE_INTEGER && value->number == LICENSE_UNLIMITED)
		return "no bound";
	value_write(&json, NULL, value);
	return json.text.data;
}

/* A value against one that may be absent. */
static bool
is_more(enum value_kind kind, const struct license_value *value,
        const struct license_value *than)
{
	if (value != NULL)
		return value_is_more(kind, value, than);
	return kind == VALUE_LIMIT && than->number != LICENSE_UNLIMITED;
}

static void
compare(struct arena *arena, enum value_kind kind, const struct license_value *from,
        const struct license_value *to, struct term_changes *out)
{
	struct term_change change = {
	        .name = from != NULL ? from->name : to->name,
	        .gains = is_more(kind, to, from),
	        .loses = is_more(kind, from, to),
	};

	if (!change.gains && !change.loses)
		return;
	change.from = shown(arena, kind, from);
	change.to = shown(arena, kind, to);
	out->items[out->count++] = change;
	out->gains |= change.gains;
	out->loses |= change.loses;
}

static void
compare_lists(struct arena *arena, enum value_kind kind, const struct license_values *from,
              const struct license_values *to, struct term_changes *out)
{
	for (size_t i = 0; i < from->count; i++)
		compare(arena, kind, &from->items[i], values_find(to, from->items[i].name),
		        out);
	for (size_t i = 0; i < to->count; i++)
		if (values_find(from, to->items[i].name) == NULL)
			compare(arena, kind, NULL, &to->items[i], out);
}

struct term_changes
plans_changes(struct arena *arena, const struct plans *plans, const struct plan_terms *from,
              const struct plan_terms *to)
{
	struct term_changes changes = {
	        .items = arena_array(arena, CHANGES_MAX, sizeof(*changes.items))};

	compare_lists(arena, VALUE_FEATURE, &from->features, &to->features, &changes);
	compare_lists(arena, VALUE_LIMIT, &from->limits, &to->limits, &changes);
	for (int kind = VALUE_FEATURE; kind <= VALUE_LIMIT; kind++) {
		const struct license_values before = plans_usage_values(arena, plans,
		                                                        (enum value_kind)kind,
		                                                        &from->usage),
		                            after = plans_usage_values(arena, plans,
		                                                       (enum value_kind)kind,
		                                                       &to->usage);

		compare_lists(arena, (enum value_kind)kind, &before, &after, &changes);
	}
	return changes;
}

const char *
plans_changes_text(struct arena *arena, const struct term_changes *changes, bool losses_only)
{
	struct text text = text_new(arena, 128);

	for (size_t i = 0; i < changes->count; i++) {
		const struct term_change *change = &changes->items[i];

		if (losses_only && !change->loses)
			continue;
		text_printf(&text, "%s%s %s -> %s", text.length == 0 ? "" : ", ", change->name,
		            change->from, change->to);
	}
	return text.data;
}
