/* purchase.c: how many of a plan and of which add-ons a subscription buys, and requests to change
 * that. */
#include "billing/purchase.h"

#include <string.h>

#include "base/arena.h"
#include "json/out.h"

/* The add-on's place in the table, or PLAN_ADDONS_MAX. */
static size_t
index_of(const struct plans *plans, const char *id)
{
	const struct plan_addon *addon = plans_known_addon(plans, id);

	return addon == NULL ? PLAN_ADDONS_MAX : (size_t)(addon - plans->addons);
}

/* The object in the text; an empty one without any. */
static struct json_view
object_of(struct arena *arena, const char *text)
{
	struct json_view object = {0};

	if (text != NULL)
		(void)json_view_try(arena, text, strlen(text), &object);
	return object;
}

void
purchase_read(struct arena *arena, const struct plans *plans, int64_t quantity,
              const char *addons, struct purchase *out)
{
	const struct json_view object = object_of(arena, addons);
	struct json_view value;
	const char *name;

	*out = (struct purchase){.quantity = quantity};
	for (bool more = json_view_first_member(&object, &name, &value); more;
	     more = json_view_next_member(&name, &value)) {
		size_t i = index_of(plans, name);
		int64_t number;

		if (i < PLAN_ADDONS_MAX && json_view_number(&value, &number) && number > 0)
			out->addons[i] = number;
	}
}

const char *
purchase_addons_text(struct arena *arena, const struct plans *plans,
                     const struct purchase *purchase)
{
	struct json_out json = json_out_new(arena, 64);

	json_out_open(&json, NULL, '{');
	for (size_t i = 0; i < plans_known_addons(plans); i++)
		if (purchase->addons[i] > 0)
			json_out_int(&json, plans->addons[i].id, purchase->addons[i]);
	json_out_close(&json, '}');
	return json.text.data;
}

bool
purchase_is_equal(const struct purchase *one, const struct purchase *other)
{
	return !purchase_has_more(one, other) && !purchase_has_more(other, one);
}

bool
purchase_has_more(const struct purchase *one, const struct purchase *than)
{
	for (size_t i = 0; i < PLAN_ADDONS_MAX; i++)
		if (one->addons[i] > than->addons[i])
			return true;
	return one->quantity > than->quantity;
}

static int64_t
lesser(int64_t one, int64_t other)
{
	return one < other ? one : other;
}

struct purchase
purchase_lesser(const struct purchase *one, const struct purchase *other)
{
	struct purchase out = {.quantity = lesser(one->quantity, other->quantity)};

	for (size_t i = 0; i < PLAN_ADDONS_MAX; i++)
		out.addons[i] = lesser(one->addons[i], other->addons[i]);
	return out;
}

struct purchase
purchase_changed(const struct purchase *before, const struct purchase_change *change)
{
	struct purchase out = *before;

	if (change->quantity != 0)
		out.quantity = change->quantity;
	for (size_t i = 0; i < PLAN_ADDONS_MAX; i++)
		if (change->addons[i].named)
			out.addons[i] = change->addons[i].quantity;
	return out;
}

/* How many of the add-on may be bought: one where more do not add more, none of one that is not sold any
 * more. */
static int64_t
most_of(const struct plans *plans, const struct plan_addon *addon)
{
	if (plans_find_addon(plans, addon->id) == NULL)
		return 0;
	return addon->quantity.name != NULL || addon->limits.count > 0 ? QUANTITY_MAX : 1;
}

enum fail
purchase_change_read(struct task *task, const struct plans *plans,
                     const struct json_view *addons, struct purchase_change *out)
{
	enum fail kind = FAIL_NONE;
	struct json_view value;
	const char *name;

	for (bool more = json_view_first_member(addons, &name, &value); more;
	     more = json_view_next_member(&name, &value)) {
		const char *field = arena_printf(task->arena, "addons.%s", name);
		size_t i = index_of(plans, name);
		int64_t number = -1, most;

		if (i == PLAN_ADDONS_MAX) {
			kind = task_fail_field(task, field, "is not an add-on");
			continue;
		}
		most = most_of(plans, &plans->addons[i]);
		if (!json_view_number(&value, &number) || number < 0 || number > most)
			kind = task_fail_field(task, field, "must be an integer from 0 to %lld",
			                       (long long)most);
		else
			out->addons[i] = (struct quantity_choice){true, number};
	}
	return kind;
}

const char *
purchase_change_text(struct arena *arena, const struct plans *plans,
                     const struct purchase_change *change)
{
	struct json_out json = json_out_new(arena, 64);
	bool any = false;

	json_out_open(&json, NULL, '{');
	for (size_t i = 0; i < plans_known_addons(plans); i++)
		if (change->addons[i].named) {
			json_out_int(&json, plans->addons[i].id, change->addons[i].quantity);
			any = true;
		}
	json_out_close(&json, '}');
	return any ? json.text.data : NULL;
}

void
purchase_change_parse(struct arena *arena, const struct plans *plans, const char *text,
                      struct purchase_change *out)
{
	const struct json_view object = object_of(arena, text);
	struct json_view value;
	const char *name;

	for (bool more = json_view_first_member(&object, &name, &value); more;
	     more = json_view_next_member(&name, &value)) {
		size_t i = index_of(plans, name);
		int64_t number;

		if (i < PLAN_ADDONS_MAX && json_view_number(&value, &number))
			out->addons[i] = (struct quantity_choice){true, number};
	}
}

enum fail
purchase_check_quantity(struct task *task, const struct plan *plan,
                        const struct purchase_change *change)
{
	if (change->quantity <= 1 || plan == NULL || plan->quantity.name != NULL)
		return FAIL_NONE;
	return task_fail_field(task, "quantity", "must be 1: this plan is bought once");
}
