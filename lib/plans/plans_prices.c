/* plans_prices.c: reads the prices of plans and add-ons of plans.json. */
#include "plans/plans_prices.h"

#include <string.h>

#include "base/arena.h"
#include "base/money.h"
#include "base/text.h"
#include "base/wire.h"

/* Stripe bills by three years at most (docs.stripe.com/api/prices, recurring.interval_count). */
enum { YEARS_MAX = 3, MONTHS_MAX = 36 };

static const struct member price_members[] = {
        {"amount_minor", offsetof(struct plan_price, amount_minor), MEMBER_INT},
        {"currency", offsetof(struct plan_price, currency), MEMBER_STRING},
        {"interval", offsetof(struct plan_price, interval), MEMBER_STRING},
        {NULL, 0, MEMBER_INT},
};

bool
plan_is_interval(const char *text)
{
	return strcmp(text, "month") == 0 || strcmp(text, "year") == 0;
}

/* A currency in lower case, as Stripe writes it; NULL when it is none. */
static const char *
currency_of(struct arena *arena, const char *text)
{
	char *out = arena_copy(arena, text);

	for (char *at = out; *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	return money_is_currency(out) ? out : NULL;
}

static enum fail
read_interval_count(const struct reader *reader, const char *where,
                    const struct json_view *object, struct plan_price *out)
{
	const int64_t most = strcmp(out->interval, "year") == 0 ? YEARS_MAX : MONTHS_MAX;
	struct json_view value;

	out->interval_count = 1;
	if (!json_view_member(object, "interval_count", &value))
		return FAIL_NONE;
	if (json_view_number(&value, &out->interval_count) && out->interval_count >= 1 &&
	    out->interval_count <= most)
		return FAIL_NONE;
	return plans_refuse(
	        reader, arena_printf(reader->task->arena, "%s.interval_count", where),
	        arena_printf(reader->task->arena,
	                     "must be an integer from 1 to %lld: three years at most",
	                     (long long)most));
}

static bool
is_alike(const struct plan_price *one, const struct plan_price *other)
{
	return text_equal(one->interval, other->interval) &&
	       one->interval_count == other->interval_count &&
	       text_equal(one->currency, other->currency);
}

static enum fail
read_price(const struct reader *reader, const char *where, const struct json_view *object,
           struct plan_price *out, size_t *count)
{
	static const char *const known[] = {"amount_minor", "currency", "interval",
	                                    "interval_count", NULL};
	struct plan_price *next = &out[(*count)++];

	if (!json_view_is_object(object))
		return plans_refuse(reader, where, "must be an object");
	for (size_t i = 0; price_members[i].name != NULL; i++)
		TRY(plans_read_member(reader, where, object, &price_members[i], next));
	TRY(plans_refuse_unknown(reader, where, object, known));
	if (!plan_is_interval(next->interval))
		return plans_refuse(reader, reader->plan,
		                    "has a price whose interval is not month or year");
	TRY(read_interval_count(reader, where, object, next));
	next->currency = currency_of(reader->task->arena, next->currency);
	if (next->currency == NULL)
		return plans_refuse(reader, where,
		                    "must have a currency of three letters, like \"eur\"");
	if (next->amount_minor > money_charge_max(next->currency))
		return plans_refuse(
		        reader, where,
		        arena_printf(reader->task->arena,
		                     "has an amount_minor beyond %lld, Stripe's most "
		                     "in this currency",
		                     (long long)money_charge_max(next->currency)));
	for (const struct plan_price *other = out; other < next; other++)
		if (is_alike(other, next))
			return plans_refuse(reader, where,
			                    "has the interval and currency of another price");
	return FAIL_NONE;
}

static enum fail
read_list(const struct reader *reader, const char *where, const struct json_view *list,
          struct plan_price *out, size_t *count)
{
	struct json_view price;

	if (json_view_count(list) < 1 || json_view_count(list) > PLAN_PRICES_MAX)
		return plans_refuse(reader, where, "must have 1 to 16 prices");
	for (bool more = json_view_first(list, &price); more; more = json_view_next(&price))
		TRY(read_price(reader,
		               arena_printf(reader->task->arena, "%s[%zu]", where, *count),
		               &price, out, count));
	return FAIL_NONE;
}

enum fail
plans_read_prices(const struct reader *reader, const char *where,
                  const struct json_view *object, struct plan_price *out, size_t *count)
{
	struct arena *arena = reader->task->arena;
	struct json_view price, list;
	bool has_one = json_view_member(object, "price", &price);
	bool has_list = json_view_member(object, "prices", &list);

	*count = 0;
	if (has_one && has_list)
		return plans_refuse(reader, where, "has a price and prices; give one of them");
	if (has_list)
		return read_list(reader, arena_printf(arena, "%s.prices", where), &list, out,
		                 count);
	if (!has_one)
		return plans_refuse(reader, where, "needs a price, or null for one on request");
	return json_view_is_null(&price)
	               ? FAIL_NONE
	               : read_price(reader, arena_printf(arena, "%s.price", where), &price, out,
	                            count);
}

const struct plan_price *
plans_price(const struct plans *plans, const char *sold, size_t position)
{
	const struct plan_addon *addon = plans_find_addon(plans, sold);
	const struct plan *plan = plans_find(plans, sold);

	if (addon != NULL)
		return position < addon->price_count ? &addon->prices[position] : NULL;
	if (plan == NULL)
		return NULL;
	for (size_t i = 0; plan->price_count == 0 && i < plans->count; i++)
		if (position < plans->items[i].price_count)
			plan = &plans->items[i];
	return position < plan->price_count ? &plan->prices[position] : NULL;
}
