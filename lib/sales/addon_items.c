/* addon_items.c: the add-ons of a purchase as items of a checkout or a subscription. */
#include "sales/addon_items.h"

#include "base/arena.h"
#include "base/text.h"

enum fail
addon_prices_find(struct operation *operation, const struct price_terms *terms,
                  const struct purchase *purchase, struct addon_prices *out)
{
	const struct billing *billing = operation->billing;
	const struct plans *plans = &billing->plans;
	enum fail kind = FAIL_NONE;

	*out = (struct addon_prices){.of = {NULL}};
	for (size_t i = 0; i < plans_known_addons(plans); i++) {
		const char *id = plans->addons[i].id;

		if (purchase->addons[i] == 0)
			continue;
		if (terms->interval != NULL)
			out->of[i] = price_list_for_terms(&billing->addon_prices, plans, id,
			                                  terms, SIZE_MAX);
		if (out->of[i] == NULL)
			kind = task_fail_field(
			        operation->task,
			        arena_printf(operation->task->arena, "addons.%s", id), "%s",
			        price_list_for(&billing->addon_prices, id, 0) == NULL
			                ? "is not an add-on that is sold online"
			                : "is not sold by the interval and in the currency "
			                  "of the plan");
	}
	return kind;
}

static void
add_price(struct stripe_form *form, const char *prefix, size_t index, const char *price_id)
{
	stripe_form_string(form,
	                   arena_printf(form->text.arena, "%s[%zu][price]", prefix, index),
	                   price_id);
}

static void
add_quantity(struct stripe_form *form, const char *prefix, size_t index, int64_t quantity)
{
	stripe_form_int(form,
	                arena_printf(form->text.arena, "%s[%zu][quantity]", prefix, index),
	                quantity);
}

void
addon_items_add(struct stripe_form *form, const char *prefix, size_t *next,
                const struct addon_prices *prices, const struct purchase *purchase)
{
	for (size_t i = 0; i < PLAN_ADDONS_MAX; i++) {
		if (purchase->addons[i] == 0 || prices->of[i] == NULL)
			continue;
		add_price(form, prefix, *next, prices->of[i]->price_id);
		add_quantity(form, prefix, (*next)++, purchase->addons[i]);
	}
}

/* The add-on's place in the table. Items of add-ons that are in no file are not in the list. */
static size_t
index_of(const struct plans *plans, const struct sold_addon *item)
{
	return (size_t)(plans_known_addon(plans, item->addon) - plans->addons);
}

/* Whether an earlier item has the add-on, too. */
static bool
is_repeated(const struct sold_subscription *sold, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (text_equal(sold->addons[i].addon, sold->addons[at].addon))
			return true;
	return false;
}

/* The quantity of an item after the change; the first item of an add-on has all of it. */
static int64_t
quantity_after(const struct plans *plans, const struct addon_change *change, size_t at)
{
	const struct sold_addon *item = &change->sold->addons[at];
	size_t i = index_of(plans, item);

	if (change->after.addons[i] == change->before.addons[i] && !change->reprices)
		return stripe_item_quantity(&item->item);
	return is_repeated(change->sold, at) ? 0 : change->after.addons[i];
}

bool
addon_change_is_new(const struct plans *plans, const struct addon_change *change, size_t i)
{
	for (size_t at = 0; at < change->sold->addon_count; at++)
		if (index_of(plans, &change->sold->addons[at]) == i)
			return false;
	return true;
}

/* Whether the item stays as it is. One that is there without being bought does, too. */
static bool
is_kept(const struct plans *plans, const struct addon_change *change, size_t at)
{
	return !change->reprices &&
	       quantity_after(plans, change, at) ==
	               stripe_item_quantity(&change->sold->addons[at].item);
}

size_t
addon_change_count(const struct plans *plans, const struct addon_change *change)
{
	size_t count = change->sold->stripe.item_count;

	for (size_t at = 0; at < change->sold->addon_count; at++)
		if (!is_kept(plans, change, at) && quantity_after(plans, change, at) == 0)
			count--;
	for (size_t i = 0; i < plans_known_addons(plans); i++)
		if (change->after.addons[i] > 0 && addon_change_is_new(plans, change, i))
			count++;
	return count;
}

static void
change_item(struct stripe_form *form, const char *prefix, size_t *next,
            const struct plans *plans, const struct addon_change *change, size_t at)
{
	const struct sold_addon *item = &change->sold->addons[at];
	const struct price *price = change->prices.of[index_of(plans, item)];
	int64_t quantity = quantity_after(plans, change, at);
	struct arena *arena = form->text.arena;

	if (is_kept(plans, change, at))
		return;
	stripe_form_string(form, arena_printf(arena, "%s[%zu][id]", prefix, *next),
	                   item->item.id);
	if (quantity == 0) {
		stripe_form_bool(form, arena_printf(arena, "%s[%zu][deleted]", prefix, *next),
		                 true);
	} else {
		if (change->reprices && price != NULL)
			add_price(form, prefix, *next, price->price_id);
		add_quantity(form, prefix, *next, quantity);
	}
	(*next)++;
}

void
addon_change_items(struct stripe_form *form, const char *prefix, size_t *next,
                   const struct plans *plans, const struct addon_change *change)
{
	struct purchase added = {.quantity = 0};

	for (size_t at = 0; at < change->sold->addon_count; at++)
		change_item(form, prefix, next, plans, change, at);
	for (size_t i = 0; i < plans_known_addons(plans); i++)
		if (addon_change_is_new(plans, change, i))
			added.addons[i] = change->after.addons[i];
	addon_items_add(form, prefix, next, &change->prices, &added);
}
