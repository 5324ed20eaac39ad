/* setup_plans.c: products and prices at Stripe for the plans that have a price. */
#include <string.h>

#include "base/arena.h"
#include "base/money.h"
#include "billingctl-stripe/setup.h"

static enum fail
set_up_price(struct ctl *ctl, struct setup *setup, struct setup_sale *sale,
             const struct plan *plan, const struct plan_price *price)
{
	struct arena *arena = ctl->task.arena;
	const struct account_price_spec spec = {
	        .interval = price->interval,
	        .amount = arena_printf(arena, "%lld", (long long)price->amount_minor),
	        .currency = price->currency};

	return setup_price(ctl, setup, sale, &spec,
	                   arena_printf(arena, "price %s, %s a %s", plan->name,
	                                money_text(arena, spec.amount, spec.currency),
	                                price->interval));
}

/* The yearly price that --yearly asks for, of a plan that PLANS_FILE sells by the month alone. */
static enum fail
set_up_yearly(struct ctl *ctl, struct setup *setup, struct setup_sale *sale,
              const struct plan *plan)
{
	struct plan_price price = plan->prices[0];

	if (plan->price_count != 1 || setup->yearly_months == 0 ||
	    strcmp(price.interval, "month") != 0)
		return FAIL_NONE;
	price.interval = "year";
	price.amount_minor *= setup->yearly_months;
	text_printf(&setup->settings,
	            "# PLANS_FILE has no yearly price of %s: with one in its \"prices\", "
	            "clients can choose it\n",
	            plan->id);
	return set_up_price(ctl, setup, sale, plan, &price);
}

static bool
has_older_settings(const struct app_settings *settings)
{
	return *settings->stripe_price_starter != '\0' ||
	       *settings->stripe_price_professional != '\0' ||
	       *settings->stripe_price_enterprise != '\0';
}

enum fail
setup_plans(struct ctl *ctl, struct setup *setup)
{
	const struct plans *plans = &ctl->billing.plans;
	struct text setting = text_new(ctl->task.arena, 256);

	for (size_t i = 0; i < plans->count; i++) {
		const struct plan *plan = &plans->items[i];
		struct setup_sale sale = {
		        .name = plan->id,
		        .plan = plan->id,
		        .product_id =
		                arena_printf(ctl->task.arena, "global_billing_%s", plan->id),
		        .product_name = plan->name,
		        .configured = &ctl->billing.plan_prices};

		for (size_t k = 0; k < plan->price_count; k++)
			TRY(set_up_price(ctl, setup, &sale, plan, &plan->prices[k]));
		TRY(set_up_yearly(ctl, setup, &sale, plan));
		setup_write_prices(&sale, &setting);
	}
	if (setting.length > 0)
		text_printf(&setup->settings, "STRIPE_PRICES=%s\n", setting.data);
	if (has_older_settings(&ctl->settings))
		text_add(&setup->settings, "# STRIPE_PRICES replaces STRIPE_PRICE_STARTER, "
		                           "_PROFESSIONAL and _ENTERPRISE: remove them\n");
	return FAIL_NONE;
}
