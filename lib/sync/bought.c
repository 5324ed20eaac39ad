/* bought.c: what a subscription at Stripe buys, without what is not paid for. */
#include "sync/bought.h"

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
		const struct plan_addon *addon = plans_find_addon(plans, item->addon);

		if (addon != NULL)
			out->addons[addon - plans->addons] += stripe_item_quantity(&item->item);
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
