/* checks_prices.c: the checks of billingctl doctor that compare Stripe's prices with PLANS_FILE. */
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billingctl-doctor/doctor.h"
#include "billingctl-stripe/account.h"

static const char plan_noun[] = "plan";

/* Something that is sold, as PLANS_FILE lists it. */
struct sale {
	const char *noun; /* "plan", "add-on" */
	const char *id;
	size_t price_count; /* of the prices that PLANS_FILE lists */
};

/* The prices that the check has seen so far. */
struct prices_seen {
	const char *intervals[PRICES_MAX]; /* by which the plan is sold */
	size_t interval_count;
	struct account_price first[PRICES_MAX]; /* at each place in the setting, of any plan */
	bool first_is_listed[PRICES_MAX];       /* in PLANS_FILE */
	size_t looked_at;
	const char *clash; /* a sentence; NULL: none */
};

static bool
is_sold_already(struct prices_seen *seen, const struct account_price *price)
{
	for (size_t i = 0; i < seen->interval_count; i++)
		if (text_equal(seen->intervals[i], price->interval))
			return true;
	if (price->interval != NULL)
		seen->intervals[seen->interval_count++] = price->interval;
	return false;
}

/* A change of plan goes to the price at the same place where PLANS_FILE does not tell the
 * intervals, and always when they are equal. */
static void
look_for_clash(struct ctl *ctl, struct prices_seen *seen, size_t place,
               const struct account_price *price, bool is_listed)
{
	const struct account_price *first = &seen->first[place];

	if (first->id == NULL) {
		seen->first[place] = *price;
		seen->first_is_listed[place] = is_listed;
		return;
	}
	if (text_equal(first->currency, price->currency) &&
	    (text_equal(first->interval, price->interval) ||
	     (is_listed && seen->first_is_listed[place])))
		return;
	seen->clash = arena_printf(ctl->task.arena,
	                           "STRIPE_PRICES has %s (%s, %s) and %s (%s, %s) at the same "
	                           "place of two plans: a change of plan may lead from one to "
	                           "the other. List the prices that are sold in PLANS_FILE, in "
	                           "the same order.",
	                           first->id, first->currency, first->interval, price->id,
	                           price->currency, price->interval);
}

/* The price at Stripe as PLANS_FILE has it. One that PLANS_FILE does not list may have any
 * interval and amount; that of a plan without prices has the interval of other plans' prices. */
static struct account_price_spec
spec_of(struct ctl *ctl, const struct sale *sale, size_t position,
        const struct account_price *price)
{
	const struct plan_price *wanted = plans_price(&ctl->billing.plans, sale->id, position);

	if (wanted == NULL)
		return (struct account_price_spec){.interval = price->interval,
		                                   .interval_count = price->interval_count};
	if (position >= sale->price_count)
		return (struct account_price_spec){.interval = wanted->interval,
		                                   .interval_count = wanted->interval_count};
	return (struct account_price_spec){
	        .interval = wanted->interval,
	        .interval_count = wanted->interval_count,
	        .amount =
	                arena_printf(ctl->task.arena, "%lld", (long long)wanted->amount_minor),
	        .currency = wanted->currency};
}

/* Checks one of a plan's prices. Those that PLANS_FILE lists and, behind them, the first one of
 * another interval are sold; others only identify subscriptions that were bought at them. */
static enum fail
check_price(struct doctor *doctor, const struct sale *sale, const struct price *configured,
            struct prices_seen *seen)
{
	struct ctl *ctl = doctor->ctl;
	bool is_listed = configured->position < sale->price_count, there;
	struct account_price_spec spec;
	struct account_price price;
	const char *fault;

	TRY(account_price_look(ctl, configured->price_id, &price, &there));
	if (!there)
		return WRONG(doctor, "STRIPE_PRICES: Stripe has no price %s in the key's mode.",
		             configured->price_id);
	if (!is_sold_already(seen, &price) || is_listed) {
		spec = spec_of(ctl, sale, configured->position, &price);
		fault = account_price_fault(ctl->task.arena, &price, &spec);
		if (fault != NULL)
			return WRONG(doctor, "STRIPE_PRICES: the price %s %s.",
			             configured->price_id, fault);
	}
	if (strcmp(sale->noun, plan_noun) == 0)
		look_for_clash(ctl, seen, configured->position, &price, is_listed);
	return FAIL_NONE;
}

static enum fail
check_sold(struct doctor *doctor, const struct price_list *prices, const struct sale *sale,
           struct prices_seen *seen)
{
	size_t count = 0;

	seen->interval_count = 0;
	for (size_t i = 0; i < prices->count; i++) {
		if (!text_equal(prices->items[i].sells, sale->id))
			continue;
		TRY(check_price(doctor, sale, &prices->items[i], seen));
		count++;
	}
	seen->looked_at += count;
	if (count == 0 && sale->price_count > 0)
		return WRONG(doctor,
		             "The %s %s has a price in PLANS_FILE, but none in STRIPE_PRICES.",
		             sale->noun, sale->id);
	if (count < sale->price_count)
		return WRONG(
		        doctor,
		        "The %s %s has %zu prices in PLANS_FILE, but %zu in STRIPE_PRICES.",
		        sale->noun, sale->id, sale->price_count, count);
	return FAIL_NONE;
}

enum fail
check_stripe_prices(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	const struct plans *plans = &ctl->billing.plans;
	struct prices_seen seen = {.looked_at = 0};

	for (size_t i = 0; i < plans->count; i++)
		TRY(check_sold(doctor, &ctl->billing.plan_prices,
		               &(struct sale){plan_noun, plans->items[i].id,
		                              plans->items[i].price_count},
		               &seen));
	for (size_t i = 0; i < plans->addon_count; i++)
		TRY(check_sold(doctor, &ctl->billing.addon_prices,
		               &(struct sale){"add-on", plans->addons[i].id,
		                              plans->addons[i].price_count},
		               &seen));
	return seen.clash != NULL
	               ? doctor_warn(doctor, "%s", seen.clash)
	               : doctor_ok(doctor, "%zu, all as in PLANS_FILE", seen.looked_at);
}

/* The price of the meter in the currency of a plan's price, or NULL. */
static const struct plan_meter *
cost_with(const struct plans *plans, const char *meter, const struct price *sold)
{
	return plans_meter(plans, meter, price_terms_of(plans, sold).currency);
}

/* Checks the metered price that is sold with one of a plan's prices. With the plan's first
 * price it must cost what PLANS_FILE says. */
static enum fail
check_sale(struct doctor *doctor, const char *meter, const char *meter_id,
           const struct price *sold)
{
	struct ctl *ctl = doctor->ctl;
	const struct plan_meter *cost = cost_with(&ctl->billing.plans, meter, sold);
	const struct price *metered =
	        price_list_for(&ctl->billing.meter_prices, meter, sold->position);
	const char *fault;
	struct account_price_spec spec = {.meter_id = meter_id, .metered = true};
	struct account_price with, price;
	bool there;

	if (metered == NULL && cost == NULL)
		return FAIL_NONE;
	if (metered == NULL)
		return WRONG(doctor,
		             "The meter %s has a price in PLANS_FILE, but none in "
		             "STRIPE_METER_PRICES.",
		             meter);
	TRY(account_price_look(ctl, sold->price_id, &with, &there));
	/* check_stripe_prices() reports this fault. */
	if (!there || with.interval == NULL)
		return FAIL_NONE;
	TRY(account_price_look(ctl, metered->price_id, &price, &there));
	if (!there)
		return WRONG(doctor,
		             "STRIPE_METER_PRICES: Stripe has no price %s in the key's mode.",
		             metered->price_id);
	spec.interval = with.interval;
	spec.interval_count = with.interval_count;
	if (cost != NULL && sold->position == 0) {
		spec.amount = cost->amount_minor;
		spec.currency = cost->currency;
	}
	fault = account_price_fault(ctl->task.arena, &price, &spec);
	return fault == NULL ? FAIL_NONE
	                     : WRONG(doctor, "STRIPE_METER_PRICES: the price %s %s.",
	                             metered->price_id, fault);
}

/* Checks the prices of all plans that name the meter. */
static enum fail
check_meter(struct doctor *doctor, const char *meter, const char *meter_id)
{
	const struct plans *plans = &doctor->ctl->billing.plans;
	const struct price_list *prices = &doctor->ctl->billing.plan_prices;

	for (size_t i = 0; i < prices->count; i++)
		if (plan_has_meter(plans, plans_find(plans, prices->items[i].sells), meter))
			TRY(check_sale(doctor, meter, meter_id, &prices->items[i]));
	return FAIL_NONE;
}

enum fail
check_stripe_meters(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	const char *const *names = account_meters(ctl);
	size_t count = 0;

	for (; *names != NULL; names++, count++) {
		const char *id;

		TRY(account_meter_find(ctl, *names, &id));
		if (id == NULL)
			return WRONG(doctor, "Stripe has no active meter %s.", *names);
		TRY(check_meter(doctor, *names, id));
	}
	return doctor_ok(doctor, "%zu named in PLANS_FILE", count);
}
