/* items.c: adds the items of a subscription that bill metered use. */
#include "sales/items.h"

#include "base/arena.h"
#include "base/text.h"

/* Whether an item bills the meter, at any of its prices. */
static bool
is_billed(const struct price_list *meter_prices, const struct stripe_subscription *subscription,
          const char *meter)
{
	for (size_t i = 0; subscription != NULL && i < subscription->item_count; i++) {
		const struct price *price =
		        price_list_find(meter_prices, subscription->items[i].price_id);

		if (price != NULL && text_equal(price->sells, meter))
			return true;
	}
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

/* The metered price of a metric that goes with the plan's price; NULL: none, or it is there already. */
static const struct price *
price_to_add(const struct billing *billing, const struct price *price, size_t metric,
             const struct stripe_subscription *subscription)
{
	const struct price_list *meter_prices = &billing->meter_prices;
	const struct plan *plan = plans_find(&billing->plans, price->sells);
	const char *meter = plan == NULL ? NULL : plan->usage.meters[metric];

	if (meter == NULL || is_named_before(plan, metric) ||
	    is_billed(meter_prices, subscription, meter))
		return NULL;
	return price_list_for(meter_prices, meter, price->position);
}

size_t
stripe_items_count_metered(const struct billing *billing, const struct price *price,
                           const struct stripe_subscription *subscription)
{
	size_t count = 0;

	for (size_t i = 0; i < billing->plans.metric_count; i++)
		count += price_to_add(billing, price, i, subscription) != NULL;
	return count;
}

void
stripe_items_add_metered(struct stripe_form *form, const char *prefix, size_t first,
                         const struct billing *billing, const struct price *price,
                         const struct stripe_subscription *subscription)
{
	for (size_t i = 0; i < billing->plans.metric_count; i++) {
		const struct price *metered = price_to_add(billing, price, i, subscription);

		if (metered == NULL)
			continue;
		stripe_form_string(
		        form, arena_printf(form->text.arena, "%s[%zu][price]", prefix, first++),
		        metered->price_id);
	}
}
