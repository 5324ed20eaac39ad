/* plan_compare.c: compares the requested terms of a subscription with the present ones. */
#include "sales/plan_compare.h"

#include "base/text.h"

struct price_terms
stripe_item_terms(const struct stripe_item *item)
{
	return (struct price_terms){.interval = item->interval,
	                            .interval_count = item->interval_count,
	                            .currency = item->currency};
}

static const struct plan *
present_plan(const struct plans *plans, const struct change_terms *terms)
{
	return plans_find(plans, terms->sold.plan != NULL ? terms->sold.plan
	                                                  : terms->subscription.plan);
}

void
plan_change_find_purchase(const struct plans *plans, const struct plan_change *change,
                          struct change_terms *out)
{
	const struct plan *present = present_plan(plans, out);
	struct purchase *before = &out->addons.before, *after = &out->addons.after;

	*before = (struct purchase){.quantity = stripe_item_quantity(&out->sold.item)};
	for (size_t i = 0; i < out->sold.addon_count; i++) {
		const struct sold_addon *item = &out->sold.addons[i];

		before->addons[plans_known_addon(plans, item->addon) - plans->addons] +=
		        stripe_item_quantity(&item->item);
	}
	*after = purchase_changed(before, &change->purchase);
	if (!plans_has_quantity(plans, change->new_plan) && present != NULL &&
	    present->quantity.name != NULL)
		after->quantity = 1;
	/* Another plan is not given for nothing because the present one is. */
	if (after->quantity == 0 && !text_equal(out->sold.plan, change->new_plan))
		after->quantity = 1;
	out->addons.sold = &out->sold;
	out->addons.reprices = out->changes_interval;
}

/* How many months the terms are billed by; 0: not known. */
static int64_t
months_of(const struct price_terms *terms)
{
	int64_t count = terms->interval_count == 0 ? 1 : terms->interval_count;

	if (text_equal(terms->interval, "year"))
		return 12 * count;
	return text_equal(terms->interval, "month") ? count : 0;
}

static int
compare(int64_t wanted, int64_t present)
{
	return (wanted > present) - (wanted < present);
}

struct comparison
plan_change_compare(const struct billing *billing, const struct plan_change *change,
                    const struct change_terms *terms)
{
	const struct plans *plans = &billing->plans;
	const struct plan *present = present_plan(plans, terms);
	const struct price_terms now = stripe_item_terms(&terms->sold.item),
	                         then = price_terms_of(plans, terms->price);
	struct purchase before = terms->addons.before;
	struct comparison out = {0};

	out.plan = compare((int64_t)plans_rank(plans, change->new_plan),
	                   present == NULL ? 0 : (int64_t)(present - plans->items));
	if (terms->changes_interval)
		out.interval = compare(months_of(&then), months_of(&now));
	/* The quantity of a plan that is bought once is none of the customer's choice. */
	if (!plans_has_quantity(plans, change->new_plan))
		before.quantity = terms->addons.after.quantity;
	out.more = purchase_has_more(&terms->addons.after, &before);
	out.fewer = purchase_has_more(&before, &terms->addons.after);
	return out;
}

enum fail
plan_change_check_mixed(struct operation *operation, const struct comparison *comparison)
{
	bool less = comparison->fewer || comparison->plan < 0 || comparison->interval < 0;

	if (!operation->billing->sales.downgrade_at_period_end || comparison->plan > 0 ||
	    !comparison->more || !less)
		return FAIL_NONE;
	return task_fail(operation->task, FAIL_CONFLICT, "mixed_change",
	                 "More begins now and less with the next period; request one after the "
	                 "other.");
}

bool
plan_change_is_upgrade(const struct comparison *comparison)
{
	return comparison->plan > 0 || comparison->more ||
	       (comparison->plan == 0 && comparison->interval > 0);
}
