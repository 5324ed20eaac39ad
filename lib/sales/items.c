/*
 * items.c: adds the items of a subscription that bill metered use.
 */
#include "sales/items.h"

#include "base/arena.h"
#include "base/text.h"

/* Whether an item bills the meter, at any of its prices. */
static bool
is_billed(const struct price_list *prices, const struct stripe_subscription *subscription,
          const char *meter)
{
	for (size_t i = 0; subscription != NULL && i < subscription->item_count; i++)
		if (text_equal(price_list_meter_of(prices, subscription->items[i].price_id),
		               meter))
			return true;
	return false;
}

/* Whether the plan has the same meter for an earlier metric, too. */
static bool
is_named_before(const struct plan *plan, size_t metric)
{
	for (size_t i = 0; i < metric; i++)
		if (text_equal(plan->usage.meters[i], plan->usage.meters[metric]))
			return true;
	return false;
}

void
stripe_items_add_metered(struct stripe_form *form, const char *prefix, size_t first,
                         const struct billing *billing, const struct plan_price *price,
                         const struct stripe_subscription *subscription)
{
	const struct price_list *prices = &billing->prices;
	const struct plan *plan = plans_find(&billing->plans, price->plan);

	for (size_t i = 0; plan != NULL && i < billing->plans.metric_count; i++) {
		const char *meter = plan->usage.meters[i], *metered;

		if (meter == NULL || is_named_before(plan, i) ||
		    is_billed(prices, subscription, meter))
			continue;
		metered = price_list_for_meter(prices, meter, price->position);
		if (metered == NULL)
			continue;
		stripe_form_string(
		        form, arena_printf(form->text.arena, "%s[%zu][price]", prefix, first++),
		        metered);
	}
}
