/* prices.c: billingctl stripe unknown, map and unmap: prices of Stripe's that no setting names. */
#include "base/arena.h"
#include "base/text.h"
#include "billingctl/output.h"
#include "stripe/objects.h"
#include "subscriptions/unknown_prices.h"
#include "sync/price_plans.h"

enum fail
run_stripe_unknown(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const struct unknown_price *rows = NULL;
	int64_t limit = 50;
	size_t count = 0;

	TRY(ctl_limit(ctl, &limit));
	TRY(unknown_prices_list(&ctl->operation, limit, &rows, &count));
	output_list(&output, "unknown_prices");
	output_none(&output, "No subscription is at an unknown price.");
	for (size_t i = 0; i < count; i++) {
		output_row(&output);
		output_text(&output, "price", rows[i].price_id);
		output_text(&output, "subscription", rows[i].stripe_subscription_id);
		output_text(&output, "customer_id", rows[i].customer_id);
		output_text(&output, "status", rows[i].status);
		output_text(&output, "keeps", rows[i].plan);
		output_time(&output, "since", rows[i].first_seen_at);
	}
	return output_print(&output);
}

/* Explains what the change means for the subscriptions at the price. */
static const char *
explanation(struct arena *arena, const struct price_mapping *mapping, bool remove, bool dry_run)
{
	long long subscriptions = mapping->subscriptions, waiting = mapping->waiting;

	if (mapping->plan != NULL)
		return arena_printf(
		        arena,
		        "%lld subscriptions that wait, and %lld that have a plan by "
		        "now, %s the plan %s\nwhen billingd has synced them.",
		        waiting, subscriptions, dry_run ? "would get" : "get", mapping->plan);
	if (remove)
		return arena_printf(arena,
		                    "%lld subscriptions %s their access when billingd has "
		                    "synced them, and their licences within\nminutes, unless "
		                    "the metadata of price or product names a plan. Stripe "
		                    "goes on charging\nthem.",
		                    subscriptions, dry_run ? "would lose" : "lose");
	return arena_printf(arena,
	                    "%lld subscriptions %s their access now and their licences within "
	                    "minutes.\nStripe goes on charging them.",
	                    subscriptions, dry_run ? "would lose" : "lose");
}

static enum fail
change(struct ctl *ctl, const char *plan, bool remove)
{
	struct output output = output_new(ctl);
	bool dry_run = ctl_option(ctl, "--dry-run") != NULL;
	struct price_mapping mapping;

	ctl->says_stored = !dry_run;
	if (!stripe_id_is_valid(ctl->argument))
		return ctl_usage(ctl, "PRICE must be the id of one of Stripe's prices");
	TRY(price_mapping_read(&ctl->operation, ctl->argument, &mapping));
	mapping.plan = plan;
	if (dry_run)
		TRY(price_mapping_check(&ctl->operation, &mapping, remove));
	else
		TRY(price_mapping_change(&ctl->operation, &mapping, remove));
	output_text(&output, "price", mapping.price_id);
	output_text(&output, "plan", mapping.plan);
	output_text(&output, "plan_before", mapping.plan_before);
	output_int(&output, "subscriptions", mapping.subscriptions);
	output_int(&output, "waiting", mapping.waiting);
	output_bool(&output, "dry_run", dry_run);
	output_tail(&output, explanation(ctl->task.arena, &mapping, remove, dry_run));
	return output_print(&output);
}

enum fail
run_stripe_map(struct ctl *ctl)
{
	bool not_ours = ctl_option(ctl, "--not-ours") != NULL;

	if (not_ours == (ctl->second != NULL))
		return ctl_usage(ctl, "name a plan, or --not-ours");
	return change(ctl, ctl->second, false);
}

enum fail
run_stripe_unmap(struct ctl *ctl)
{
	return change(ctl, NULL, true);
}
