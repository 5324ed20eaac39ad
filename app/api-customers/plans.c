/* plans.c: GET /api/plans: the plans and add-ons that are sold, and what they cost. */
#include "api/handlers.h"
#include "api/render.h"
#include "base/text.h"

/* Older clients read "price", which has always been billed by one interval. */
static void
render_price(struct json_out *json, const char *name, const struct plan_price *price)
{
	json_out_open(json, name, '{');
	json_out_int(json, "amount_minor", price->amount_minor);
	json_out_string(json, "currency", price->currency);
	json_out_string(json, "interval", price->interval);
	if (name == NULL || price->interval_count != 1)
		json_out_int(json, "interval_count", price->interval_count);
	json_out_close(json, '}');
}

/* "price" is the first of "prices", as older clients read it. */
static void
render_prices(struct json_out *json, const struct plan_price *prices, size_t count)
{
	if (count == 0)
		json_out_null(json, "price");
	else
		render_price(json, "price", &prices[0]);
	json_out_open(json, "prices", '[');
	for (size_t i = 0; i < count; i++)
		render_price(json, NULL, &prices[i]);
	json_out_close(json, ']');
}

static void
render_meter(struct json_out *json, const char *metric, const struct plan_meter *meter)
{
	json_out_open(json, NULL, '{');
	json_out_string(json, "metric", metric);
	json_out_string(json, "amount_minor", meter->amount_minor);
	json_out_string(json, "currency", meter->currency);
	json_out_close(json, '}');
}

/* The metrics that are billed by use, in addition to the price, in each currency. */
static void
render_metered(struct json_out *json, const struct plans *plans, const struct plan *plan)
{
	json_out_open(json, "metered", '[');
	for (size_t i = 0; i < plans->metric_count; i++)
		for (size_t k = 0; k < plans->meter_count; k++)
			if (text_equal(plan->usage.meters[i], plans->meters[k].name))
				render_meter(json, plans->metrics[i].name, &plans->meters[k]);
	json_out_close(json, ']');
}

/* The limit that is bought in a quantity, and the limit of each one. */
static void
render_quantity(struct json_out *json, const struct plan_quantity *quantity)
{
	if (quantity->name == NULL) {
		json_out_null(json, "quantity");
		return;
	}
	json_out_string(json, "quantity", quantity->name);
	json_out_int(json, "per", quantity->per);
}

static void
render_addons(struct json_out *json, const struct plans *plans)
{
	json_out_open(json, "addons", '[');
	for (size_t i = 0; i < plans->addon_count; i++) {
		const struct plan_addon *addon = &plans->addons[i];

		json_out_open(json, NULL, '{');
		json_out_string(json, "addon", addon->id);
		json_out_string(json, "name", addon->name);
		render_prices(json, addon->prices, addon->price_count);
		render_quantity(json, &addon->quantity);
		render_values(json, VALUE_FEATURE, &addon->features);
		render_values(json, VALUE_LIMIT, &addon->limits);
		json_out_close(json, '}');
	}
	json_out_close(json, ']');
}

enum fail
get_plans(struct call *call)
{
	const struct plans *plans = &call->api->billing.plans;
	struct json_out json = answer_begin(call, 2048);

	json_out_open(&json, "plans", '[');
	for (size_t i = 0; i < plans->count; i++) {
		const struct plan *plan = &plans->items[i];

		json_out_open(&json, NULL, '{');
		json_out_string(&json, "plan", plan->id);
		json_out_string(&json, "name", plan->name);
		render_prices(&json, plan->prices, plan->price_count);
		render_quantity(&json, &plan->quantity);
		render_metered(&json, plans, plan);
		render_values(&json, VALUE_FEATURE, &plan->features);
		render_values(&json, VALUE_LIMIT, &plan->limits);
		json_out_close(&json, '}');
	}
	json_out_close(&json, ']');
	render_addons(&json, plans);
	json_out_open(&json, "metrics", '{');
	for (size_t i = 0; i < plans->metric_count; i++)
		json_out_string(&json, plans->metrics[i].name,
		                plans->metrics[i].kind == PLAN_METRIC_LEVEL ? "level" : "sum");
	json_out_close(&json, '}');
	json_out_open(&json, "trial", '{');
	json_out_int(&json, "days", plans->trial_days);
	json_out_string(&json, "plan", plans->trial_plan);
	render_values(&json, VALUE_FEATURE, &plans->trial_features);
	render_values(&json, VALUE_LIMIT, &plans->trial_limits);
	json_out_close(&json, '}');
	return answer_end(call, 200, &json);
}
