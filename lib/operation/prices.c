/* prices.c: Stripe's prices of the plans, add-ons and meters that this service sells. */
#include "operation/prices.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "operation/operation.h"

static size_t
count_of(const struct price_list *list, const char *sold)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += text_equal(list->items[i].sells, sold);
	return count;
}

static bool
is_metered(const struct plans *plans, const char *meter)
{
	for (size_t i = 0; i < plans->count; i++)
		if (plan_has_meter(plans, &plans->items[i], meter))
			return true;
	return false;
}

static bool
is_known(const struct billing *billing, const char *price_id)
{
	return price_list_find(&billing->plan_prices, price_id) != NULL ||
	       price_list_find(&billing->addon_prices, price_id) != NULL ||
	       price_list_find(&billing->meter_prices, price_id) != NULL;
}

/* Adds one price that sells `sold` to `list`, one of the three lists. The list of plans takes an
 * add-on's price, too. */
static enum fail
add(struct task *task, struct billing *billing, struct price_list *list, const char *setting,
    const char *sold, const char *price_id)
{
	bool of_plan = list == &billing->plan_prices;
	size_t position;

	if (of_plan && plans_find_addon(&billing->plans, sold) != NULL) {
		list = &billing->addon_prices;
		of_plan = false;
	}
	position = count_of(list, sold);
	if (of_plan && plans_find(&billing->plans, sold) == NULL)
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "%s: PLANS_FILE has no plan or add-on '%s'; remove its "
		                 "prices from this setting",
		                 setting, sold);
	if (list == &billing->meter_prices && !is_metered(&billing->plans, sold))
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "%s: no plan names the meter '%s'", setting, sold);
	if (is_known(billing, price_id))
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "%s: the price %s stands twice", setting, price_id);
	if (list->count == PRICES_MAX)
		return task_fail(task, FAIL_INVALID, "invalid_setting", "%s: too many prices",
		                 setting);
	list->items[list->count++] = (struct price){price_id, sold, position};
	return FAIL_NONE;
}

/* Adds the pairs "sold:price_id,..."; `noun` is what is sold, for the message. */
static enum fail
add_pairs(struct task *task, struct billing *billing, struct price_list *list,
          const char *setting, const char *value, const char *noun)
{
	const char *item;
	size_t length;

	while (text_next_item(&value, &item, &length)) {
		const char *pair = arena_copy_bytes(task->arena, item, length);
		const char *colon = strchr(pair, ':');

		if (colon == NULL || colon == pair || colon[1] == '\0')
			return task_fail(task, FAIL_INVALID, "invalid_setting",
			                 "%s: '%s' is not a %s, a colon and a price", setting,
			                 pair, noun);
		TRY(add(task, billing, list, setting,
		        arena_copy_bytes(task->arena, pair, (size_t)(colon - pair)),
		        colon + 1));
	}
	return FAIL_NONE;
}

enum fail
prices_add_plans(struct task *task, struct billing *billing, const char *setting,
                 const char *value)
{
	return add_pairs(task, billing, &billing->plan_prices, setting, value,
	                 "plan or add-on");
}

enum fail
prices_add_meters(struct task *task, struct billing *billing, const char *setting,
                  const char *value)
{
	return add_pairs(task, billing, &billing->meter_prices, setting, value, "meter");
}

/* Whether the plan's prices are these and no others, in this order. */
static bool
has_just(const struct price_list *list, const char *plan, const char *value)
{
	size_t length, position = 0;
	const char *item;

	while (text_next_item(&value, &item, &length)) {
		const struct price *price = price_list_for(list, plan, position++);

		if (price == NULL || strlen(price->price_id) != length ||
		    memcmp(price->price_id, item, length) != 0)
			return false;
	}
	return position == count_of(list, plan);
}

enum fail
prices_add_plan(struct task *task, struct billing *billing, const char *setting,
                const char *plan, const char *value)
{
	struct price_list *list = &billing->plan_prices;
	const char *rest = value, *item;
	size_t length;

	if (count_of(list, plan) == 0) {
		while (text_next_item(&rest, &item, &length))
			TRY(add(task, billing, list, setting, plan,
			        arena_copy_bytes(task->arena, item, length)));
		return FAIL_NONE;
	}
	if (!text_next_item(&rest, &item, &length) || has_just(list, plan, value))
		return FAIL_NONE;
	return task_fail(task, FAIL_INVALID, "invalid_setting",
	                 "%s: STRIPE_PRICES has other prices of the plan %s; remove %s",
	                 setting, plan, setting);
}

const struct price *
price_list_find(const struct price_list *list, const char *price_id)
{
	for (size_t i = 0; i < list->count; i++)
		if (text_equal(list->items[i].price_id, price_id))
			return &list->items[i];
	return NULL;
}

const struct price *
price_list_for(const struct price_list *list, const char *sold, size_t position)
{
	const struct price *first = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct price *price = &list->items[i];

		if (!text_equal(price->sells, sold))
			continue;
		if (price->position == position)
			return price;
		if (first == NULL)
			first = price;
	}
	return first;
}

struct price_terms
price_terms_of(const struct plans *plans, const struct price *price)
{
	const struct plan_price *listed = plans_price(plans, price->sells, price->position);

	if (listed == NULL)
		return (struct price_terms){0};
	return (struct price_terms){listed->interval, listed->interval_count, listed->currency};
}

bool
price_terms_match(const struct price_terms *terms, const struct price_terms *wanted)
{
	return terms->interval != NULL &&
	       (wanted->interval == NULL || text_equal(terms->interval, wanted->interval)) &&
	       (wanted->interval_count == 0 ||
	        terms->interval_count == wanted->interval_count) &&
	       (wanted->currency == NULL || text_equal(terms->currency, wanted->currency));
}

const struct price *
price_list_for_terms(const struct price_list *list, const struct plans *plans, const char *sold,
                     const struct price_terms *wanted, size_t near)
{
	const struct price *first = NULL;
	bool first_is_one = false;

	for (size_t i = 0; i < list->count; i++) {
		const struct price *price = &list->items[i];
		struct price_terms terms;
		bool is_one;

		if (!text_equal(price->sells, sold))
			continue;
		terms = price_terms_of(plans, price);
		if (!price_terms_match(&terms, wanted))
			continue;
		if (price->position == near)
			return price;
		is_one = wanted->interval_count == 0 && terms.interval_count == 1;
		if (first == NULL || (is_one && !first_is_one)) {
			first = price;
			first_is_one = is_one;
		}
	}
	return first;
}
