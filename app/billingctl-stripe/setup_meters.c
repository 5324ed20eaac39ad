/*
 * setup_meters.c: meters at Stripe for those that plans name, and prices for the use that they
 * count. A meter is found by its events' name, its product has an id of ours, its prices lookup
 * keys.
 */
#include <string.h>

#include "base/arena.h"
#include "base/json_view.h"
#include "billingctl-stripe/request.h"
#include "billingctl-stripe/setup.h"
#include "stripe/form.h"

enum { INTERVALS_MAX = 2 };

/* A meter, what its use is to cost, and the prices of it so far. */
struct metered {
	const char *name;
	const char *id;         /* NULL in a dry run that misses it */
	struct plan_meter cost; /* without an amount its prices are made by hand */
	const char *intervals[INTERVALS_MAX];
	size_t interval_count;
	struct setup_prices prices;
	bool product_is_there;
};

/* The intervals of the prices that plans with this meter are sold at, in their order. */
static void
read_intervals(const struct ctl *ctl, const struct setup *setup, struct metered *meter)
{
	const struct plans *plans = &ctl->billing.plans;
	const char *first = "month";

	for (size_t i = plans->count; i > 0; i--)
		if (plans->items[i - 1].has_price &&
		    plan_has_meter(plans, &plans->items[i - 1], meter->name))
			first = plans->items[i - 1].interval;
	meter->intervals[meter->interval_count++] = first;
	if (setup->yearly_months > 0 && strcmp(first, "month") == 0)
		meter->intervals[meter->interval_count++] = "year";
}

static struct account_metered_spec
spec_of(const struct metered *meter, const char *interval)
{
	return (struct account_metered_spec){.meter_id = meter->id,
	                                     .interval = interval,
	                                     .amount_minor = meter->cost.amount_minor,
	                                     .currency = meter->cost.currency};
}

/* What is told to a meter are the worths of days and what was wrong with them: it adds them up. */
static enum fail
need_meter(struct ctl *ctl, struct setup *setup, struct metered *meter)
{
	struct arena *arena = ctl->task.arena;
	struct stripe_form form = stripe_form_new(arena);
	struct json_view object;
	bool there;

	TRY(account_meter_find(ctl, meter->name, &meter->id));
	there = meter->id != NULL;
	stripe_form_string(&form, "display_name", meter->name);
	stripe_form_string(&form, "event_name", meter->name);
	stripe_form_string(&form, "default_aggregation[formula]", "sum");
	if (!there && !setup->dry_run) {
		TRY(request_post(ctl, "/v1/billing/meters", form.text.data, &object));
		(void)json_view_string(&object, "id", &meter->id);
	}
	setup_report(setup, arena_printf(arena, "meter %s", meter->name), meter->id,
	             there ? "there" : setup_report_change(setup, "made"));
	return FAIL_NONE;
}

static const char *
lookup_key(struct arena *arena, const struct metered *meter, const char *interval)
{
	return arena_printf(arena, "global_billing_meter_%s_%s", meter->name, interval);
}

/* Among those that are configured, or by its lookup key. */
static enum fail
find_price(struct ctl *ctl, const struct metered *meter, const char *interval, const char **out)
{
	const struct price_list *prices = &ctl->billing.meter_prices;
	struct account_metered_spec spec = spec_of(meter, interval);
	struct arena *arena = ctl->task.arena;
	struct stripe_form form = stripe_form_new(arena);
	struct account_price price;
	struct json_view list, item;

	for (size_t i = 0; i < prices->count; i++) {
		bool there;

		if (strcmp(prices->items[i].sells, meter->name) != 0)
			continue;
		TRY(account_price_look(ctl, prices->items[i].price_id, &price, &there));
		if (there && account_metered_fault(arena, &price, &spec) == NULL) {
			*out = price.id;
			return FAIL_NONE;
		}
	}
	stripe_form_string(&form, "lookup_keys[0]", lookup_key(arena, meter, interval));
	TRY(request_list(ctl, "/v1/prices", form.text.data, &list));
	for (bool more = json_view_first(&list, &item); more && *out == NULL;
	     more = json_view_next(&item)) {
		account_price_read(&item, &price);
		if (account_metered_fault(arena, &price, &spec) == NULL)
			*out = price.id;
	}
	return FAIL_NONE;
}

static enum fail
make_price(struct ctl *ctl, struct setup *setup, struct metered *meter, const char *interval,
           const char **out)
{
	struct arena *arena = ctl->task.arena;
	struct stripe_form form = stripe_form_new(arena);
	struct setup_product product = {
	        .id = arena_printf(arena, "global_billing_meter_%s", meter->name),
	        .name = meter->name,
	        .kind = "meter",
	        .is_there = meter->product_is_there};
	struct json_view object;

	TRY(setup_need_product(ctl, setup, &product));
	meter->product_is_there = product.is_there;
	if (setup->dry_run)
		return FAIL_NONE;
	stripe_form_string(&form, "product", product.id);
	stripe_form_string(&form, "currency", meter->cost.currency);
	stripe_form_string(&form, "unit_amount_decimal", meter->cost.amount_minor);
	stripe_form_string(&form, "recurring[interval]", interval);
	stripe_form_string(&form, "recurring[usage_type]", "metered");
	stripe_form_string(&form, "recurring[meter]", meter->id);
	stripe_form_string(&form, "lookup_key", lookup_key(arena, meter, interval));
	stripe_form_bool(&form, "transfer_lookup_key", true);
	TRY(request_post(ctl, "/v1/prices", form.text.data, &object));
	return json_view_string(&object, "id", out)
	               ? FAIL_NONE
	               : task_fail(&ctl->task, FAIL_STRIPE, "stripe_error",
	                           "Stripe made a price but told no id.");
}

static enum fail
set_up_price(struct ctl *ctl, struct setup *setup, struct metered *meter, const char *interval)
{
	const char *id = NULL;
	bool there;

	TRY(find_price(ctl, meter, interval, &id));
	there = id != NULL;
	if (!there)
		TRY(make_price(ctl, setup, meter, interval, &id));
	setup_report_price(setup, &meter->prices,
	                   arena_printf(ctl->task.arena,
	                                "price of %s, %s %s each, billed by the %s",
	                                meter->name, meter->cost.amount_minor,
	                                meter->cost.currency, interval),
	                   id, there);
	return FAIL_NONE;
}

enum fail
setup_meters(struct ctl *ctl, struct setup *setup)
{
	struct text setting = text_new(ctl->task.arena, 128);

	for (size_t i = 0; i < account_meter_max(ctl); i++) {
		struct metered meter = {.name = account_meter(ctl, i)};
		const struct plan_meter *cost;

		if (meter.name == NULL)
			continue;
		cost = plans_meter(&ctl->billing.plans, meter.name);
		if (cost != NULL)
			meter.cost = *cost;
		TRY(need_meter(ctl, setup, &meter));
		if (cost != NULL)
			read_intervals(ctl, setup, &meter);
		for (size_t k = 0; k < meter.interval_count; k++)
			TRY(set_up_price(ctl, setup, &meter, meter.intervals[k]));
		setup_prices_write(&meter.prices, &ctl->billing.meter_prices, meter.name,
		                   &setting);
	}
	if (setting.length > 0)
		text_printf(&setup->settings, "STRIPE_METER_PRICES=%s\n", setting.data);
	return FAIL_NONE;
}
