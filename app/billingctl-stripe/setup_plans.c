/*
 * setup_plans.c: products and prices at Stripe for the plans that have a price. A product has
 * an id of ours, a price a lookup key, so both are found again.
 */
#include <string.h>

#include "base/arena.h"
#include "base/json_view.h"
#include "billingctl-stripe/request.h"
#include "billingctl-stripe/setup.h"
#include "stripe/form.h"

static const char product_format[] = "global_billing_%s";

/* The prices that a plan is to have, and those found or made so far. */
struct offer {
	const struct plan *plan;
	struct account_price_spec specs[2];
	size_t spec_count;
	struct setup_product product;
	struct setup_prices prices;
};

static struct offer
offer_of(struct ctl *ctl, const struct setup *setup, const struct plan *plan)
{
	struct offer offer = {
	        .plan = plan,
	        .product = {.id = arena_printf(ctl->task.arena, product_format, plan->id),
	                    .name = plan->name,
	                    .kind = "",
	                    .plan = plan->id}};

	if (!plan->has_price)
		return offer;
	offer.specs[offer.spec_count++] =
	        (struct account_price_spec){plan, plan->interval, plan->amount_minor};
	if (setup->yearly_months > 0 && strcmp(plan->interval, "month") == 0)
		offer.specs[offer.spec_count++] = (struct account_price_spec){
		        plan, "year", plan->amount_minor * setup->yearly_months};
	return offer;
}

/* Among those that are configured. */
static enum fail
find_configured(struct ctl *ctl, const struct account_price_spec *spec, const char **out)
{
	const struct price_list *prices = &ctl->billing.plan_prices;
	struct account_price price;

	for (size_t i = 0; i < prices->count && *out == NULL; i++) {
		bool there;

		if (strcmp(prices->items[i].sells, spec->plan->id) != 0)
			continue;
		TRY(account_price_look(ctl, prices->items[i].price_id, &price, &there));
		if (there && account_price_fault(ctl->task.arena, &price, spec) == NULL)
			*out = price.id;
	}
	return FAIL_NONE;
}

static const char *
lookup_key(struct arena *arena, const struct account_price_spec *spec)
{
	return arena_printf(arena, "global_billing_%s_%s", spec->plan->id, spec->interval);
}

/* By its lookup key. */
static enum fail
find_made(struct ctl *ctl, const struct account_price_spec *spec, const char **out)
{
	struct arena *arena = ctl->task.arena;
	struct stripe_form form = stripe_form_new(arena);
	struct account_price price;
	struct json_view list, item;

	stripe_form_string(&form, "lookup_keys[0]", lookup_key(arena, spec));
	TRY(request_list(ctl, "/v1/prices", form.text.data, &list));
	for (bool more = json_view_first(&list, &item); more && *out == NULL;
	     more = json_view_next(&item)) {
		account_price_read(&item, &price);
		if (account_price_fault(arena, &price, spec) == NULL)
			*out = price.id;
	}
	return FAIL_NONE;
}

/* A lookup key moves to it from a price that has become another, which stays for who has it. */
static enum fail
make_price(struct ctl *ctl, struct setup *setup, struct offer *offer,
           const struct account_price_spec *spec, const char **out)
{
	struct arena *arena = ctl->task.arena;
	struct stripe_form form = stripe_form_new(arena);
	struct json_view object;

	TRY(setup_need_product(ctl, setup, &offer->product));
	if (setup->dry_run)
		return FAIL_NONE;
	stripe_form_string(&form, "product", offer->product.id);
	stripe_form_string(&form, "currency", spec->plan->currency);
	stripe_form_int(&form, "unit_amount", spec->amount_minor);
	stripe_form_string(&form, "recurring[interval]", spec->interval);
	stripe_form_string(&form, "lookup_key", lookup_key(arena, spec));
	stripe_form_bool(&form, "transfer_lookup_key", true);
	stripe_form_string(&form, "metadata[plan]", spec->plan->id);
	TRY(request_post(ctl, "/v1/prices", form.text.data, &object));
	return json_view_string(&object, "id", out)
	               ? FAIL_NONE
	               : task_fail(&ctl->task, FAIL_STRIPE, "stripe_error",
	                           "Stripe made a price but told no id.");
}

static enum fail
set_up_price(struct ctl *ctl, struct setup *setup, struct offer *offer,
             const struct account_price_spec *spec)
{
	const char *id = NULL;
	bool there;

	TRY(find_configured(ctl, spec, &id));
	if (id == NULL)
		TRY(find_made(ctl, spec, &id));
	there = id != NULL;
	if (!there)
		TRY(make_price(ctl, setup, offer, spec, &id));
	setup_report_price(setup, &offer->prices,
	                   arena_printf(ctl->task.arena, "price %s, %lld %s a %s",
	                                spec->plan->name, (long long)spec->amount_minor,
	                                spec->plan->currency, spec->interval),
	                   id, there);
	return FAIL_NONE;
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
		struct offer offer = offer_of(ctl, setup, plan);

		for (size_t k = 0; k < offer.spec_count; k++)
			TRY(set_up_price(ctl, setup, &offer, &offer.specs[k]));
		setup_prices_write(&offer.prices, &ctl->billing.plan_prices, plan->id,
		                   &setting);
	}
	if (setting.length > 0)
		text_printf(&setup->settings, "STRIPE_PRICES=%s\n", setting.data);
	if (has_older_settings(&ctl->settings))
		text_add(&setup->settings, "# STRIPE_PRICES replaces STRIPE_PRICE_STARTER, "
		                           "_PROFESSIONAL and _ENTERPRISE: remove them\n");
	return FAIL_NONE;
}
