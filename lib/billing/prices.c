/*
 * prices.c: Stripe's prices of the plans and meters that this installation sells.
 */
#include "billing/prices.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/plans.h"

/* Whether the price stands in any list. */
static bool
is_known(const struct price_list *list, const char *price_id)
{
	return price_list_find(list, price_id) != NULL ||
	       price_list_meter_of(list, price_id) != NULL;
}

enum fail
price_list_add(struct task *task, struct price_list *list, const struct plans *plans,
               const char *setting, const char *plan, const char *prices)
{
	size_t length, position = 0;
	const char *item;

	while (text_next_item(&prices, &item, &length)) {
		const char *price = arena_copy_bytes(task->arena, item, length);

		if (plans_find(plans, plan) == NULL)
			return task_fail(task, FAIL_INVALID, "invalid_setting",
			                 "%s: the table of plans has no plan '%s'", setting,
			                 plan);
		if (is_known(list, price))
			return task_fail(task, FAIL_INVALID, "invalid_setting",
			                 "%s: the price %s stands twice", setting, price);
		if (list->plan_price_count == PLAN_PRICES_MAX)
			return task_fail(task, FAIL_INVALID, "invalid_setting",
			                 "%s: too many prices", setting);
		list->plan_prices[list->plan_price_count++] =
		        (struct plan_price){price, plan, position++};
	}
	return FAIL_NONE;
}

static bool
is_named(const struct plans *plans, const char *meter)
{
	for (size_t i = 0; i < plans->count; i++)
		if (plan_has_meter(plans, &plans->items[i], meter))
			return true;
	return false;
}

static size_t
count_of_meter(const struct price_list *list, const char *meter)
{
	size_t count = 0;

	for (size_t i = 0; i < list->meter_price_count; i++)
		count += text_equal(list->meter_prices[i].meter, meter);
	return count;
}

static enum fail
add_metered(struct task *task, struct price_list *list, const struct plans *plans,
            const char *setting, const char *item)
{
	const char *colon = strchr(item, ':');
	struct meter_price price = {0};

	if (colon == NULL || colon == item || colon[1] == '\0')
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "%s: '%s' is not a meter, a colon and a price", setting, item);
	price.meter = arena_copy_bytes(task->arena, item, (size_t)(colon - item));
	price.price_id = colon + 1;
	price.position = count_of_meter(list, price.meter);
	if (!is_named(plans, price.meter))
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "%s: no plan names the meter '%s'", setting, price.meter);
	if (is_known(list, price.price_id))
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "%s: the price %s stands twice", setting, price.price_id);
	if (list->meter_price_count == METER_PRICES_MAX)
		return task_fail(task, FAIL_INVALID, "invalid_setting", "%s: too many prices",
		                 setting);
	list->meter_prices[list->meter_price_count++] = price;
	return FAIL_NONE;
}

enum fail
price_list_add_metered(struct task *task, struct price_list *list, const struct plans *plans,
                       const char *setting, const char *prices)
{
	const char *item;
	size_t length;

	while (text_next_item(&prices, &item, &length))
		TRY(add_metered(task, list, plans, setting,
		                arena_copy_bytes(task->arena, item, length)));
	return FAIL_NONE;
}

const struct plan_price *
price_list_find(const struct price_list *list, const char *price_id)
{
	for (size_t i = 0; i < list->plan_price_count; i++)
		if (text_equal(list->plan_prices[i].price_id, price_id))
			return &list->plan_prices[i];
	return NULL;
}

const struct plan_price *
price_list_for_plan(const struct price_list *list, const char *plan, size_t position)
{
	const struct plan_price *first = NULL;

	for (size_t i = 0; i < list->plan_price_count; i++) {
		const struct plan_price *price = &list->plan_prices[i];

		if (!text_equal(price->plan, plan))
			continue;
		if (price->position == position)
			return price;
		if (first == NULL)
			first = price;
	}
	return first;
}

const char *
price_list_meter_of(const struct price_list *list, const char *price_id)
{
	for (size_t i = 0; i < list->meter_price_count; i++)
		if (text_equal(list->meter_prices[i].price_id, price_id))
			return list->meter_prices[i].meter;
	return NULL;
}

const char *
price_list_for_meter(const struct price_list *list, const char *meter, size_t position)
{
	const char *first = NULL;

	for (size_t i = 0; i < list->meter_price_count; i++) {
		const struct meter_price *price = &list->meter_prices[i];

		if (!text_equal(price->meter, meter))
			continue;
		if (price->position == position)
			return price->price_id;
		if (first == NULL)
			first = price->price_id;
	}
	return first;
}
