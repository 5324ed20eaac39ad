/* entitlements.c: what a customer may use and why, and what an operator changes in it. */
#include "entitlements/entitlements.h"

#include "accounts/override_change.h"
#include "api/handlers.h"
#include "api/render.h"
#include "json/fields.h"

enum { REASON_LENGTH_MAX = 500 };

struct override_input {
	struct any_object features;
	struct any_object limits;
	struct instant expires_at;
	const char *reason;
	bool dry_run;
};

const struct field put_overrides_body[] = {
        FIELD(struct override_input, features, .required = false),
        FIELD(struct override_input, limits, .required = false),
        FIELD(struct override_input, expires_at, .nullable = true),
        FIELD(struct override_input, reason, .required = true, .min = 1,
              .max = REASON_LENGTH_MAX, .check = customer_check_name),
        FIELD(struct override_input, dry_run, .initial = false),
        FIELD_END(struct override_input),
};

static void
render_list(struct json_out *json, const char *name, const struct entitlement_list *list)
{
	json_out_open(json, name, '{');
	for (size_t i = 0; i < list->count; i++) {
		const struct entitlement *item = &list->items[i];

		json_out_open(json, item->value.name, '{');
		value_write(json, "value", &item->value);
		json_out_string(json, "source", entitlement_source_name(item->source));
		json_out_time(json, "until", item->until);
		json_out_close(json, '}');
	}
	json_out_close(json, '}');
}

static void
render_entitlements(struct json_out *json, const struct entitlements *entitlements)
{
	render_list(json, "features", &entitlements->features);
	render_list(json, "limits", &entitlements->limits);
	json_out_bool(json, "access", entitlements->access);
	json_out_time(json, "until", entitlements->until);
}

enum fail
get_entitlements(struct call *call)
{
	const char *id = request_param(call->request, "customer_id");
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 2048);
	struct entitlement_basis basis = {0};
	struct entitlements entitlements;

	TRY(entitlement_basis_read(operation, id, &basis));
	entitlements_compute(operation->task->arena, operation->billing, &basis.subscription,
	                     &basis.terms, operation->now_ms, &entitlements);
	json_out_string(&json, "customer_id", id);
	json_out_string(&json, "plan", basis.subscription.plan);
	render_entitlements(&json, &entitlements);
	return answer_end(call, 200, &json);
}

/* The stored set, or null. */
static void
render_overrides(struct json_out *json, bool present, const struct override *row)
{
	if (present)
		json_out_raw(json, "overrides", override_write(json->text.arena, row, true));
	else
		json_out_null(json, "overrides");
}

enum fail
get_overrides(struct call *call)
{
	const char *id = request_param(call->request, "customer_id");
	struct json_out json = answer_begin(call, 1024);
	struct override row;
	struct customer customer;
	bool found;

	TRY(customer_find(&call->operation, id, &customer));
	TRY(override_find(&call->operation, id, &row, &found));
	json_out_string(&json, "customer_id", id);
	render_overrides(&json, found, &row);
	return answer_end(call, 200, &json);
}

enum fail
put_overrides(struct call *call)
{
	const struct override_input *input = call->body;
	const struct override_change change = {
	        .customer_id = request_param(call->request, "customer_id"),
	        .features = &input->features,
	        .limits = &input->limits,
	        .expires_at = input->expires_at,
	        .reason = input->reason,
	        .dry_run = input->dry_run,
	};
	struct json_out json = answer_begin(call, 4096);
	struct override_outcome outcome;

	TRY(account_override(&call->operation, &change, &outcome));
	json_out_string(&json, "customer_id", change.customer_id);
	json_out_bool(&json, "dry_run", change.dry_run);
	render_overrides(&json, outcome.present, &outcome.overrides);
	json_out_open(&json, "entitlements", '{');
	render_entitlements(&json, &outcome.entitlements);
	json_out_close(&json, '}');
	if (outcome.claims == NULL)
		json_out_null(&json, "license_claims");
	else
		json_out_raw(&json, "license_claims", outcome.claims);
	return answer_end(call, 200, &json);
}
