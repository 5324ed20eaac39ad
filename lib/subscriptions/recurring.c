/* recurring.c: what a subscription at Stripe bills again and again, as text. */
#include "subscriptions/recurring.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "json/out.h"
#include "json/view.h"

/* The first item that is not metered says how often the subscription is billed. */
static const struct stripe_item *
first_item(const struct stripe_subscription *stripe)
{
	static const struct stripe_item none = {0};

	for (size_t i = 0; i < stripe->item_count; i++)
		if (!stripe->items[i].metered)
			return &stripe->items[i];
	return &none;
}

const char *
recurring_currency(const struct stripe_subscription *stripe)
{
	return stripe->currency != NULL ? stripe->currency : first_item(stripe)->currency;
}

/* Why an item or a discount has no monthly value. */
enum reason { REASON_PRICE, REASON_INTERVAL, REASON_CURRENCY, REASON_DISCOUNT, REASONS };

static const char *const reason_names[REASONS] = {
        [REASON_PRICE] = "price",
        [REASON_INTERVAL] = "interval",
        [REASON_CURRENCY] = "currency",
        [REASON_DISCOUNT] = "discount",
};

/* The items that a discount reduces. */
enum scope { SCOPE_NONE, SCOPE_ALL, SCOPE_ITEMS, SCOPE_UNKNOWN };

struct writer {
	struct json_out json;
	const struct stripe_subscription *stripe;
	const char *currency;
	enum scope *scopes; /* of the subscription's discounts */
	int64_t uncounted[REASONS];
};

static void
write_uncounted(struct writer *writer)
{
	int64_t count = 0;

	for (size_t i = 0; i < REASONS; i++)
		count += writer->uncounted[i];
	if (count == 0)
		return;
	json_out_int(&writer->json, "uncounted", count);
	json_out_open(&writer->json, "reasons", '[');
	for (size_t i = 0; i < REASONS; i++)
		if (writer->uncounted[i] > 0)
			json_out_string(&writer->json, NULL, reason_names[i]);
	json_out_close(&writer->json, ']');
}

static bool
is_unknown(const struct stripe_discount *discount, const char *currency)
{
	return !discount->known || (discount->coupon != NULL && !discount->shown) ||
	       (discount->forever && discount->percent == NULL &&
	        !text_equal(discount->currency, currency));
}

static void
write_discount(struct json_out *json, const struct stripe_discount *discount)
{
	json_out_open(json, NULL, '{');
	if (discount->percent != NULL)
		json_out_string(json, "percent", discount->percent);
	else
		json_out_string(json, "amount", discount->amount);
	json_out_close(json, '}');
}

static bool
is_interval(const char *interval, int64_t count)
{
	static const char *const known[] = {"day", "week", "month", "year"};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (text_equal(interval, known[i]))
			return count > 0;
	return false;
}

/* Why the item is not counted; REASONS: it is. */
static enum reason
reason_of(const struct stripe_item *item, const char *currency)
{
	if (item->unit_amount == NULL)
		return REASON_PRICE;
	if (!is_interval(item->interval, item->interval_count))
		return REASON_INTERVAL;
	return text_equal(item->currency, currency) ? REASONS : REASON_CURRENCY;
}

static bool
is_counted(const struct stripe_item *item, const char *currency)
{
	return !item->metered && reason_of(item, currency) == REASONS;
}

/* The number of items that the discount takes something off. `*all`: there is no other item. */
static size_t
count_discounted(const struct writer *writer, const struct stripe_discount *discount, bool *all)
{
	size_t count = 0, items = 0;

	for (size_t i = 0; i < writer->stripe->item_count; i++) {
		const struct stripe_item *item = &writer->stripe->items[i];

		if (!is_counted(item, writer->currency))
			continue;
		items++;
		count += stripe_discount_is_of(discount, item->product_id);
	}
	*all = count == items;
	return count;
}

/* A discount that is limited to products can be taken off of the items, as if it were theirs, unless
 * another one comes off of all before it, or it is one amount for several items. While its coupon is still
 * to be fetched, its products are not known, which makes no difference to one item. */
static enum scope
scope_of(const struct writer *writer, const struct stripe_discount *discount, bool is_first)
{
	size_t count;
	bool all;

	if (is_unknown(discount, writer->currency))
		return SCOPE_UNKNOWN;
	if (!discount->forever)
		return SCOPE_NONE;
	count = count_discounted(writer, discount, &all);
	if (discount->coupon != NULL && count > 1)
		return SCOPE_UNKNOWN;
	if (!discount->limited || (all && count > 0))
		return SCOPE_ALL;
	if (count == 0)
		return SCOPE_NONE;
	return is_first && (discount->percent != NULL || count == 1) ? SCOPE_ITEMS
	                                                             : SCOPE_UNKNOWN;
}

static void
find_scopes(struct writer *writer, struct arena *arena)
{
	const struct stripe_discounts *discounts = &writer->stripe->discounts;
	bool is_first = true;

	writer->scopes = arena_array(arena, discounts->count + 1, sizeof(*writer->scopes));
	for (size_t i = 0; i < discounts->count; i++) {
		enum scope scope = scope_of(writer, &discounts->list[i], is_first);

		writer->scopes[i] = scope;
		writer->uncounted[REASON_DISCOUNT] += scope == SCOPE_UNKNOWN;
		is_first = is_first && (scope == SCOPE_NONE || scope == SCOPE_ITEMS);
	}
}

/* The item's own discounts come first. */
static void
write_item_discounts(struct writer *writer, const struct stripe_item *item)
{
	const struct stripe_discounts *others = &writer->stripe->discounts;

	json_out_open(&writer->json, "discounts", '[');
	for (size_t i = 0; i < item->discounts.count; i++) {
		const struct stripe_discount *discount = &item->discounts.list[i];

		if (is_unknown(discount, writer->currency))
			writer->uncounted[REASON_DISCOUNT]++;
		else if (discount->forever && stripe_discount_is_of(discount, item->product_id))
			write_discount(&writer->json, discount);
	}
	for (size_t i = 0; i < others->count; i++)
		if (writer->scopes[i] == SCOPE_ITEMS &&
		    stripe_discount_is_of(&others->list[i], item->product_id))
			write_discount(&writer->json, &others->list[i]);
	json_out_close(&writer->json, ']');
}

static void
write_items(struct writer *writer)
{
	const struct stripe_subscription *stripe = writer->stripe;
	struct json_out *json = &writer->json;

	json_out_open(json, "items", '[');
	for (size_t i = 0; i < stripe->item_count; i++) {
		const struct stripe_item *item = &stripe->items[i];

		if (item->metered)
			continue;
		if (!is_counted(item, writer->currency)) {
			writer->uncounted[reason_of(item, writer->currency)]++;
			continue;
		}
		json_out_open(json, NULL, '{');
		json_out_string(json, "amount", item->unit_amount);
		json_out_int(json, "quantity", stripe_item_quantity(item));
		json_out_string(json, "interval", item->interval);
		json_out_int(json, "interval_count", item->interval_count);
		if (item->discounts.count > 0 || stripe->discounts.count > 0)
			write_item_discounts(writer, item);
		json_out_close(json, '}');
	}
	json_out_close(json, ']');
}

/* The ids of the subscription's discounts, as text. */
static const char *
ids_of(struct arena *arena, const struct stripe_discounts *discounts)
{
	struct json_out json = json_out_new(arena, 64);

	json_out_open(&json, NULL, '[');
	for (size_t i = 0; i < discounts->count; i++)
		json_out_string(&json, NULL, discounts->list[i].id);
	json_out_close(&json, ']');
	return json.text.data;
}

/* Whether the object does not tell of the customer's discount, which the text so far has. */
static bool
keeps_inherited(struct arena *arena, const struct stripe_subscription *stripe, const char *ours,
                struct json_view *text)
{
	bool inherits = false;

	return !stripe->shows_customer && stripe->discounts.count == 0 && ours != NULL &&
	       json_view_try(arena, ours, strlen(ours), text) &&
	       json_view_bool(text, "inherited", &inherits) && inherits;
}

static void
copy_list(struct json_out *json, const struct json_view *text, const char *name)
{
	struct json_view list;

	if (json_view_list(text, name, &list))
		json_out_raw(json, name, json_view_source(&list));
}

static void
write_discounts(struct writer *writer, struct arena *arena, const char *ours)
{
	const struct stripe_discounts *discounts = &writer->stripe->discounts;
	struct json_out *json = &writer->json;
	struct json_view text;
	bool keeps = keeps_inherited(arena, writer->stripe, ours, &text);

	if (keeps) {
		copy_list(json, &text, "discounts");
		copy_list(json, &text, "discount_ids");
	}
	if (discounts->count > 0) {
		json_out_open(json, "discounts", '[');
		for (size_t i = 0; i < discounts->count; i++)
			if (writer->scopes[i] == SCOPE_ALL)
				write_discount(json, &discounts->list[i]);
		json_out_close(json, ']');
		json_out_raw(json, "discount_ids", ids_of(arena, discounts));
	}
	if (keeps || writer->stripe->inherits)
		json_out_bool(json, "inherited", true);
}

const char *
recurring_text(struct arena *arena, const struct stripe_subscription *stripe, const char *ours)
{
	const struct stripe_item *item = first_item(stripe);
	struct writer writer = {.json = json_out_new(arena, 256 + 128 * stripe->item_count),
	                        .stripe = stripe,
	                        .currency = recurring_currency(stripe)};

	find_scopes(&writer, arena);
	json_out_open(&writer.json, NULL, '{');
	json_out_string(&writer.json, "currency", writer.currency);
	json_out_string(&writer.json, "interval", item->interval);
	json_out_int(&writer.json, "interval_count", item->interval_count);
	write_items(&writer);
	write_discounts(&writer, arena, ours);
	write_uncounted(&writer);
	json_out_close(&writer.json, '}');
	return writer.json.text.data;
}

static bool
all_is_listed(const struct stripe_subscription *stripe)
{
	for (size_t i = 0; i < stripe->item_count; i++)
		if (!stripe_discounts_are_known(&stripe->items[i].discounts))
			return false;
	return stripe_discounts_are_known(&stripe->discounts) && !stripe->has_more_items;
}

/* Whether the text is of the discounts that the list names, if it tells which there are. */
static bool
has_the_listed(struct arena *arena, const struct stripe_subscription *stripe, const char *ours)
{
	struct json_view text, ids;
	const char *known = "[]";

	if (!stripe->shows_customer && stripe->discounts.count == 0)
		return true;
	if (json_view_try(arena, ours, strlen(ours), &text) &&
	    json_view_list(&text, "discount_ids", &ids))
		known = json_view_source(&ids);
	return text_equal(known, ids_of(arena, &stripe->discounts));
}

const char *
recurring_listed(struct arena *arena, const struct stripe_subscription *stripe,
                 const char *ours)
{
	if (ours == NULL || all_is_listed(stripe))
		return recurring_text(arena, stripe, ours);
	if (*ours != '\0' && !has_the_listed(arena, stripe, ours))
		return recurring_text(arena, stripe, ours);
	return ours;
}
