/* setup_meters.c: meters at Stripe for those that plans name, and their prices. A meter is
 * found by the name of its events. */
#include <string.h>

#include "base/arena.h"
#include "base/money.h"
#include "billingctl-stripe/request.h"
#include "billingctl-stripe/setup.h"
#include "stripe/form.h"

/* The first plan with the meter that has a price, or NULL. */
static const struct plan *
plan_with(const struct plans *plans, const char *meter)
{
	for (size_t i = 0; i < plans->count; i++)
		if (plans->items[i].price_count > 0 &&
		    plan_has_meter(plans, &plans->items[i], meter))
			return &plans->items[i];
	return NULL;
}

/* Finds the meter or makes it; `*id` is NULL in a dry run without it. It sums the values of its
 * events, which are days' usage and corrections of it. */
static enum fail
need_meter(struct ctl *ctl, struct setup *setup, const char *name, const char **id)
{
	struct arena *arena = ctl->task.arena;
	struct stripe_form form = stripe_form_new(arena);
	struct json_view object;
	bool there;

	TRY(account_meter_find(ctl, name, id));
	there = *id != NULL;
	stripe_form_string(&form, "display_name", name);
	stripe_form_string(&form, "event_name", name);
	stripe_form_string(&form, "default_aggregation[formula]", "sum");
	if (!there && !setup->dry_run) {
		TRY(request_post(ctl, "/v1/billing/meters", form.text.data, &object));
		(void)json_view_string(&object, "id", id);
	}
	setup_report(setup, arena_printf(arena, "meter %s", name), *id,
	             there ? "there" : "made");
	return FAIL_NONE;
}

static enum fail
set_up_price(struct ctl *ctl, struct setup *setup, struct setup_sale *sale,
             struct account_price_spec *spec, const struct plan_price *price)
{
	const struct plan_meter *cost =
	        plans_meter(&ctl->billing.plans, sale->name, price->currency);
	struct arena *arena = ctl->task.arena;

	spec->interval = price->interval;
	spec->interval_count = price->interval_count;
	spec->amount = cost->amount_minor;
	spec->currency = cost->currency;
	return setup_price(
	        ctl, setup, sale, spec,
	        arena_printf(arena, "price of %s, %s each, billed %s", sale->name,
	                     money_text(arena, spec->amount, spec->currency),
	                     price->interval_count == 1
	                             ? arena_printf(arena, "by the %s", price->interval)
	                             : arena_printf(arena, "every %lld %ss",
	                                            (long long)price->interval_count,
	                                            price->interval)));
}

/* A price of the meter for each price of the plans that name it. */
static enum fail
set_up_prices(struct ctl *ctl, struct setup *setup, struct setup_sale *sale,
              struct account_price_spec *spec)
{
	const struct plan *plan = plan_with(&ctl->billing.plans, sale->name);
	struct plan_price price = {
	        .interval = "month", .interval_count = 1, .currency = sale->first_currency};

	if (plan != NULL)
		price = plan->prices[0];
	TRY(set_up_price(ctl, setup, sale, spec, &price));
	for (size_t i = 1; plan != NULL && i < plan->price_count; i++)
		TRY(set_up_price(ctl, setup, sale, spec, &plan->prices[i]));
	if (setup->yearly_months == 0 || strcmp(spec->interval, "month") != 0)
		return FAIL_NONE;
	price.interval = "year";
	return set_up_price(ctl, setup, sale, spec, &price);
}

/* The meter, and its prices when it has one in PLANS_FILE; others are made by hand. */
static enum fail
set_up_meter(struct ctl *ctl, struct setup *setup, const char *name, struct text *setting)
{
	const struct plans *plans = &ctl->billing.plans;
	const struct plan_meter *cost = plans_meter(plans, name, NULL);
	struct account_price_spec spec = {.metered = true};
	struct setup_sale sale = {
	        .name = name,
	        .product_id = arena_printf(ctl->task.arena, "global_billing_meter_%s", name),
	        .product_name = name,
	        .configured = &ctl->billing.meter_prices};

	TRY(need_meter(ctl, setup, name, &spec.meter_id));
	if (cost != NULL) {
		sale.first_currency = cost->currency;
		TRY(set_up_prices(ctl, setup, &sale, &spec));
	}
	setup_write_prices(&sale, setting);
	return FAIL_NONE;
}

enum fail
setup_meters(struct ctl *ctl, struct setup *setup)
{
	struct text setting = text_new(ctl->task.arena, 128);

	for (const char *const *name = account_meters(ctl); *name != NULL; name++)
		TRY(set_up_meter(ctl, setup, *name, &setting));
	if (setting.length > 0)
		text_printf(&setup->settings, "STRIPE_METER_PRICES=%s\n", setting.data);
	return FAIL_NONE;
}
