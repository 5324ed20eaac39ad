/* bought.c: what a subscription at Stripe buys, without what is not paid for. */
#include "subscriptions/bought.h"

#include "base/arena.h"
#include "base/text.h"

static void
read_row(const struct operation *operation, const struct synced_subscription *row,
         struct purchase *out)
{
	purchase_read(operation->task->arena, &operation->billing->plans, row->quantity,
	              row->addons, out);
}

static void
add_addons(const struct plans *plans, const struct sold_subscription *sold,
           struct purchase *out)
{
	for (size_t i = 0; i < sold->addon_count; i++) {
		const struct sold_addon *item = &sold->addons[i];
		const struct plan_addon *addon = plans_known_addon(plans, item->addon);

		if (addon != NULL)
			out->addons[addon - plans->addons] += stripe_item_quantity(&item->item);
	}
}

/* The item at an unknown price that the add-on of the row may be, which is then taken: one of the same
 * quantity, else any. A meter's is none, nor the one that stands for the plan. NULL without one. */
static const struct stripe_item *
take_unknown(const struct sold_subscription *sold, bool *taken, int64_t quantity)
{
	const struct stripe_item *found = NULL;

	for (size_t i = 0; i < sold->unknown_count; i++) {
		const struct stripe_item *item = &sold->unknown[i];
		bool is_plan = sold->plan == NULL && text_equal(item->id, sold->item.id);

		if (taken[i] || item->metered || is_plan)
			continue;
		if (found == NULL || stripe_item_quantity(item) == quantity)
			found = item;
	}
	if (found != NULL)
		taken[found - sold->unknown] = true;
	return found;
}

/* Add-ons that the file does not have any more stay bought while an item is there that may be theirs: no
 * setting names their prices. */
static void
keep_gone(const struct operation *operation, const struct sold_subscription *sold,
          const struct synced_subscription *row, struct purchase *out)
{
	const struct plans *plans = &operation->billing->plans;
	bool *taken =
	        arena_array(operation->task->arena, sold->unknown_count + 1, sizeof(*taken));
	struct purchase before;

	read_row(operation, row, &before);
	for (size_t i = plans->addon_count; i < plans_known_addons(plans); i++) {
		const struct stripe_item *item;

		if (before.addons[i] == 0 || out->addons[i] > 0)
			continue;
		item = take_unknown(sold, taken, before.addons[i]);
		if (item == NULL)
			continue;
		out->addons[i] = stripe_item_quantity(item) < before.addons[i]
		                         ? stripe_item_quantity(item)
		                         : before.addons[i];
	}
}

void
bought_find(const struct operation *operation, const struct sold_subscription *sold,
            const struct synced_subscription *row, struct bought *out)
{
	*out = (struct bought){.plan = sold->plan, .purchase = {.quantity = sold->quantity}};
	if (sold->plan == NULL && row != NULL) {
		out->plan = row->plan;
		out->purchase.quantity = row->quantity;
	}
	add_addons(&operation->billing->plans, sold, &out->purchase);
	if (row != NULL)
		keep_gone(operation, sold, row, &out->purchase);
}

static bool
payment_has_failed(const char *status)
{
	return text_equal(status, "past_due") || text_equal(status, "unpaid");
}

/* A subscription that is canceled gives no access anyway. The renewal's invoice hides the change's, which
 * stays unpaid. */
bool
bought_is_unpaid(const struct stripe_subscription *stripe,
                 const struct synced_subscription *row)
{
	if (payment_has_failed(stripe->status) && payment_has_failed(row->status) &&
	    !stripe->due_at.known)
		return true;
	return stripe->owes_change &&
	       (payment_has_failed(stripe->status) || text_equal(stripe->status, "incomplete"));
}

void
bought_take_back(const struct operation *operation, const struct synced_subscription *row,
                 struct bought *bought)
{
	const struct plans *plans = &operation->billing->plans;
	struct purchase before;

	read_row(operation, row, &before);
	if (bought->plan != NULL &&
	    plans_rank(plans, bought->plan) > plans_rank(plans, row->plan))
		bought->plan = row->plan;
	bought->purchase = purchase_lesser(&bought->purchase, &before);
}
