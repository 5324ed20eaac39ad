/* setup_plans.c: products and prices at Stripe for the plans and add-ons that have a price. */
#include <string.h>

#include "base/arena.h"
#include "base/money.h"
#include "billingctl-stripe/setup.h"

/* "a month", "every 3 months" */
static const char *
period_text(struct arena *arena, const struct plan_price *price)
{
	return price->interval_count == 1
	               ? arena_printf(arena, "a %s", price->interval)
	               : arena_printf(arena, "every %lld %ss", (long long)price->interval_count,
	                              price->interval);
}

static enum fail
set_up_price(struct ctl *ctl, struct setup *setup, struct setup_sale *sale,
             const struct plan_price *price)
{
	struct arena *arena = ctl->task.arena;
	const struct account_price_spec spec = {
	        .interval = price->interval,
	        .interval_count = price->interval_count,
	        .amount = arena_printf(arena, "%lld", (long long)price->amount_minor),
	        .currency = price->currency};

	return setup_price(ctl, setup, sale, &spec,
	                   arena_printf(arena, "price %s, %s %s", sale->product_name,
	                                money_text(arena, spec.amount, spec.currency),
	                                period_text(arena, price)));
}

/* The yearly price that --yearly asks for, of a plan that PLANS_FILE sells by the month alone. */
static enum fail
set_up_yearly(struct ctl *ctl, struct setup *setup, struct setup_sale *sale,
              const struct plan *plan)
{
	struct plan_price price = plan->prices[0];

	if (plan->price_count != 1 || setup->yearly_months == 0 ||
	    strcmp(price.interval, "month") != 0 || price.interval_count != 1)
		return FAIL_NONE;
	price.interval = "year";
	price.amount_minor *= setup->yearly_months;
	if (price.amount_minor > money_charge_max(price.currency))
		return task_fail(&ctl->task, FAIL_INVALID, "amount_too_large",
		                 "The yearly price of %s is more than Stripe charges at once.",
		                 plan->id);
	text_printf(&setup->settings,
	            "# PLANS_FILE has no yearly price of %s: with one in its \"prices\", "
	            "clients can choose it\n",
	            plan->id);
	return set_up_price(ctl, setup, sale, &price);
}

static bool
has_older_settings(const struct app_settings *settings)
{
	return *settings->stripe_price_starter != '\0' ||
	       *settings->stripe_price_professional != '\0' ||
	       *settings->stripe_price_enterprise != '\0';
}

/* The sale of a plan or an add-on by its id. */
static struct setup_sale
sale_of(struct ctl *ctl, const char *id, const char *name, const struct plan_price *prices,
        size_t price_count)
{
	bool of_addon = plans_find_addon(&ctl->billing.plans, id) != NULL;

	return (struct setup_sale){
	        .name = id,
	        .kind = of_addon ? "addon" : "plan",
	        .product_id = arena_printf(ctl->task.arena, "global_billing_%s%s",
	                                   of_addon ? "addon_" : "", id),
	        .product_name = name,
	        .first_currency = price_count == 0 ? NULL : prices[0].currency,
	        .configured =
	                of_addon ? &ctl->billing.addon_prices : &ctl->billing.plan_prices};
}

static enum fail
set_up_prices(struct ctl *ctl, struct setup *setup, struct setup_sale *sale,
              const struct plan_price *prices, size_t count)
{
	for (size_t i = 0; i < count; i++)
		TRY(set_up_price(ctl, setup, sale, &prices[i]));
	return FAIL_NONE;
}

static enum fail
set_up_addons(struct ctl *ctl, struct setup *setup, struct text *setting)
{
	const struct plans *plans = &ctl->billing.plans;

	for (size_t i = 0; i < plans->addon_count; i++) {
		const struct plan_addon *addon = &plans->addons[i];
		struct setup_sale sale =
		        sale_of(ctl, addon->id, addon->name, addon->prices, addon->price_count);

		TRY(set_up_prices(ctl, setup, &sale, addon->prices, addon->price_count));
		setup_write_prices(&sale, setting);
	}
	return FAIL_NONE;
}

enum fail
setup_plans(struct ctl *ctl, struct setup *setup)
{
	const struct plans *plans = &ctl->billing.plans;
	struct text setting = text_new(ctl->task.arena, 256);

	for (size_t i = 0; i < plans->count; i++) {
		const struct plan *plan = &plans->items[i];
		struct setup_sale sale =
		        sale_of(ctl, plan->id, plan->name, plan->prices, plan->price_count);

		TRY(set_up_prices(ctl, setup, &sale, plan->prices, plan->price_count));
		TRY(set_up_yearly(ctl, setup, &sale, plan));
		setup_write_prices(&sale, &setting);
	}
	TRY(set_up_addons(ctl, setup, &setting));
	if (setting.length > 0)
		text_printf(&setup->settings, "STRIPE_PRICES=%s\n", setting.data);
	if (has_older_settings(&ctl->settings))
		text_add(&setup->settings, "# STRIPE_PRICES replaces STRIPE_PRICE_STARTER, "
		                           "_PROFESSIONAL and _ENTERPRISE: remove them\n");
	return FAIL_NONE;
}
