/* over_limit.c: tells which limits a purchase leaves below what is in use. */
#include "api/render.h"

#include <string.h>

#include "base/text.h"
#include "entitlements/entitlements.h"
#include "limits/watch.h"

/* The use of a customer by names of plans.json. */
struct use {
	const struct plans *plans;
	int64_t devices;
	const char *metrics[PLAN_METRICS_MAX]; /* decimal digits */
};

/* How much of the limit is in use; false when that is not known. */
static bool
find_use(const struct use *use, const char *name, int64_t *out)
{
	const char *metric = usage_metric_of(use->plans, name);

	if (metric != NULL)
		return text_parse_int(use->metrics[plans_metric(use->plans, metric)], out);
	*out = use->devices;
	return strcmp(name, "maxDevices") == 0;
}

static void
render_names(struct json_out *json, const struct use *use,
             const struct entitlement_values *values)
{
	for (size_t i = 0; i < use->plans->name_count; i++) {
		const struct plan_name *name = &use->plans->names[i];
		int64_t limit, in_use;

		if (name->type != VALUE_INTEGER || !find_use(use, name->name, &in_use))
			continue;
		limit = plans_integer(&values->features, &values->limits, name->name);
		if (limit == LICENSE_UNLIMITED || in_use <= limit)
			continue;
		json_out_open(json, NULL, '{');
		json_out_string(json, "name", name->name);
		json_out_int(json, "limit", limit);
		json_out_int(json, "in_use", in_use);
		json_out_close(json, '}');
	}
}

enum fail
render_over_limit(struct call *call, struct json_out *json, const char *customer_id,
                  const char *plan, const struct purchase *purchase)
{
	const struct billing *billing = &call->api->billing;
	struct arena *arena = call->operation.task->arena;
	struct use use = {.plans = &billing->plans};
	struct entitlement_values values;
	struct entitlement_terms terms;
	struct subscription subscription;
	struct usage_levels levels;

	TRY(usage_levels_read(&call->operation, customer_id, &levels, &subscription, &terms));
	use.devices = levels.active_devices;
	usage_metrics_current(arena, &levels, use.plans, use.metrics);
	subscription.plan = plan;
	subscription.quantity = purchase->quantity;
	subscription.addons = purchase_addons_text(arena, use.plans, purchase);
	entitlements_values(arena, billing, &subscription, &terms, call->operation.now_ms,
	                    &values);
	json_out_open(json, "over_limit", '[');
	render_names(json, &use, &values);
	json_out_close(json, ']');
	return FAIL_NONE;
}
