/* setup_plans.c: products and prices at Stripe for the plans that have a price. */
#include <string.h>

#include "base/arena.h"
#include "base/money.h"
#include "billingctl-stripe/setup.h"

static enum fail
set_up_price(struct ctl *ctl, struct setup *setup, struct setup_sale *sale,
             const struct plan *plan, const char *interval, int64_t amount_minor)
{
	struct arena *arena = ctl->task.arena;
	const struct account_price_spec spec = {
	        .interval = interval,
	        .amount = arena_printf(arena, "%lld", (long long)amount_minor),
	        .currency = plan->currency};

	return setup_price(ctl, setup, sale, &spec,
	                   arena_printf(arena, "price %s, %s a %s", plan->name,
	                                money_text(arena, spec.amount, spec.currency),
	                                interval));
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

		if (plan->has_price)
			TRY(set_up_price(ctl, setup, &sale, plan, plan->interval,
			                 plan->amount_minor));
		if (plan->has_price && setup->yearly_months > 0 &&
		    strcmp(plan->interval, "month") == 0)
			TRY(set_up_price(ctl, setup, &sale, plan, "year",
			                 plan->amount_minor * setup->yearly_months));
		setup_write_prices(&sale, &setting);
	}
	if (setting.length > 0)
		text_printf(&setup->settings, "STRIPE_PRICES=%s\n", setting.data);
	if (has_older_settings(&ctl->settings))
		text_add(&setup->settings, "# STRIPE_PRICES replaces STRIPE_PRICE_STARTER, "
		                           "_PROFESSIONAL and _ENTERPRISE: remove them\n");
	return FAIL_NONE;
}
