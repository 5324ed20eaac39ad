/* preview.c: computes what a change of a subscription would charge. */
#include "sales/changes.h"

#include "base/arena.h"
#include "outbox/fetch.h"
#include "stripe/form.h"
#include "stripe/objects.h"
#include "json/view.h"

static void
read_lines(struct operation *operation, const struct json_view *invoice,
           struct change_preview *out)
{
	struct preview_line **end = &out->lines;
	struct json_view data, item;

	(void)json_view_find(invoice, "lines.data", &data);
	for (bool more = json_view_first(&data, &item); more; more = json_view_next(&item)) {
		struct preview_line *line = arena_alloc(operation->task->arena, sizeof(*line));

		(void)json_view_string(&item, "description", &line->description);
		(void)json_view_int(&item, "amount", &line->amount);
		line->proration = stripe_line_is_proration(&item);
		*end = line;
		end = &line->next;
	}
}

static enum fail
fetch_preview(struct operation *operation, const struct change_terms *terms,
              struct change_preview *out)
{
	struct stripe_form form = stripe_form_new(operation->task->arena);
	struct json_view object;

	stripe_form_string(&form, "subscription", terms->sold.stripe.id);
	if (terms->sold.stripe.automatic_tax)
		stripe_form_bool(&form, "automatic_tax[enabled]", true);
	change_terms_add_items(&form, "subscription_details[items]", operation->billing, terms);
	change_terms_add_anchor(&form, "subscription_details[billing_cycle_anchor]",
	                        operation->billing, terms);
	stripe_form_string(&form, "subscription_details[proration_behavior]", terms->proration);
	stripe_form_int(&form, "subscription_details[proration_date]",
	                out->proration_at.ms / SECOND_MS);
	TRY(stripe_post(operation, "/v1/invoices/create_preview", form.text.data, &object));
	(void)json_view_string(&object, "currency", &out->currency);
	/* The credit of a smaller plan goes to the next invoice: nothing is charged now, unless a
	 * new period begins. */
	if (terms->is_upgrade || terms->changes_interval)
		(void)json_view_int(&object, "amount_due", &out->amount_due);
	read_lines(operation, &object, out);
	return FAIL_NONE;
}

enum fail
change_preview(struct operation *operation, const struct plan_change *change,
               struct change_preview *out)
{
	struct change_terms terms = {0};

	TRY(change_terms_find(operation, change, &terms));
	if (change_terms_are_present(&terms))
		return fail_nothing_to_change(operation);
	*out = (struct change_preview){
	        .plan = terms.subscription.plan,
	        .purchase = terms.addons.after,
	        .interval =
	                terms.changes_interval ? change->interval : terms.sold.item.interval,
	        .at_period_end =
	                !terms.is_upgrade && operation->billing->sales.downgrade_at_period_end,
	        .proration_at = terms.proration_at.known
	                                ? terms.proration_at
	                                : change_terms_proration_at(&terms, operation->now_ms),
	        .period_ends_at = terms.sold.item.period_end,
	};
	if (out->at_period_end)
		return FAIL_NONE;
	TRY(change_terms_check_paid(operation, &terms));
	return fetch_preview(operation, &terms, out);
}
