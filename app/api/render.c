/*
 * render.c: each resource as JSON, the same wherever it appears.
 */
#include "api/render.h"

#include "billing/access.h"

void
render_customer(struct json_out *json, const char *name, const struct customer *customer)
{
	json_out_open(json, name, '{');
	json_out_string(json, "customer_id", customer->customer_id);
	json_out_string(json, "email", customer->email);
	json_out_string(json, "company_name", customer->company_name);
	json_out_string(json, "stripe_customer_id", customer->stripe_customer_id);
	json_out_time(json, "created_at", customer->created_at);
	json_out_time(json, "updated_at", customer->updated_at);
	json_out_close(json, '}');
}

void
render_subscription(struct json_out *json, const char *name,
                    const struct subscription *subscription, int64_t now_ms)
{
	if (subscription == NULL) {
		json_out_null(json, name);
		return;
	}
	json_out_open(json, name, '{');
	json_out_string(json, "customer_id", subscription->customer_id);
	json_out_string(json, "stripe_subscription_id", subscription->stripe_subscription_id);
	json_out_string(json, "plan", subscription->plan);
	json_out_string(json, "status", access_status(subscription, now_ms));
	json_out_time(json, "trial_ends_at", subscription->trial_ends_at);
	json_out_time(json, "current_period_ends_at", subscription->current_period_ends_at);
	json_out_bool(json, "cancel_at_period_end", subscription->cancel_at_period_end);
	json_out_time(json, "cancel_at", subscription->cancel_at);
	json_out_time(json, "canceled_at", subscription->canceled_at);
	json_out_time(json, "ended_at", subscription->ended_at);
	json_out_string(json, "scheduled_plan", subscription->scheduled_plan);
	json_out_time(json, "created_at", subscription->created_at);
	json_out_time(json, "updated_at", subscription->updated_at);
	json_out_close(json, '}');
}

void
render_key(struct json_out *json, const char *name, const struct api_key *key)
{
	json_out_open(json, name, '{');
	json_out_string(json, "key_id", key->key_id);
	json_out_string(json, "name", key->name);
	json_out_string(json, "prefix", key->prefix);
	json_out_open(json, "scopes", '[');
	for (size_t i = 0; i < key->scopes.count; i++)
		json_out_string(json, NULL, key->scopes.items[i]);
	json_out_close(json, ']');
	json_out_time(json, "created_at", key->created_at);
	json_out_time(json, "last_used_at", key->last_used_at);
	json_out_time(json, "revoked_at", key->revoked_at);
	json_out_close(json, '}');
}

void
render_license_row(struct json_out *json, const struct issued_license *license)
{
	json_out_open(json, NULL, '{');
	json_out_string(json, "jti", license->jti);
	json_out_string(json, "kid", license->kid);
	json_out_string(json, "plan", license->plan);
	json_out_string(json, "reason", license->reason);
	json_out_time(json, "issued_at", license->issued_at);
	json_out_time(json, "expires_at", license->expires_at);
	json_out_time(json, "revoked_at", license->revoked_at);
	json_out_string(json, "revoke_reason", license->revoke_reason);
	json_out_close(json, '}');
}

struct json_out
render_license(struct arena *arena, const char *customer_id,
               const struct issued_license *license, const struct subscription *subscription,
               int64_t now_ms)
{
	struct json_out json = json_out_new(arena, 2048);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "license", license->token);
	json_out_string(&json, "customer_id", customer_id);
	json_out_string(&json, "plan", subscription->plan);
	json_out_string(&json, "status", access_status(subscription, now_ms));
	json_out_close(&json, '}');
	return json;
}

void
render_features(struct json_out *json, const struct license_features *features)
{
	json_out_open(json, "features", '{');
	json_out_int(json, "max_devices", features->max_devices);
	json_out_int(json, "data_retention_days", features->data_retention_days);
	json_out_bool(json, "can_export_data", features->can_export_data);
	json_out_bool(json, "has_advanced_alerts", features->has_advanced_alerts);
	json_out_bool(json, "has_api_access", features->has_api_access);
	json_out_bool(json, "has_mqtt_access", features->has_mqtt_access);
	json_out_bool(json, "has_custom_branding", features->has_custom_branding);
	json_out_close(json, '}');
}

static void
render_limit(struct json_out *json, const char *name, int64_t limit)
{
	if (limit == LICENSE_UNLIMITED)
		json_out_null(json, name);
	else
		json_out_int(json, name, limit);
}

void
render_limits(struct json_out *json, const struct license_limits *limits)
{
	json_out_open(json, "limits", '{');
	render_limit(json, "max_users", limits->max_users);
	render_limit(json, "max_alert_rules", limits->max_alert_rules);
	render_limit(json, "max_dashboards", limits->max_dashboards);
	json_out_close(json, '}');
}

struct json_out
render_message(struct arena *arena, const char *message, const char *name, const char *id)
{
	struct json_out json = json_out_new(arena, 256);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "message", message);
	json_out_string(&json, name, id);
	json_out_close(&json, '}');
	return json;
}

void
render_invoice(struct json_out *json, const struct invoice *invoice)
{
	json_out_open(json, NULL, '{');
	json_out_string(json, "id", invoice->invoice_id);
	json_out_string(json, "number", invoice->number);
	json_out_string(json, "status", invoice->status);
	json_out_int(json, "amount_due", invoice->amount_due);
	json_out_int(json, "amount_paid", invoice->amount_paid);
	json_out_string(json, "currency", invoice->currency);
	json_out_time(json, "created_at", invoice->created_at);
	json_out_string(json, "hosted_invoice_url", invoice->hosted_invoice_url);
	json_out_string(json, "invoice_pdf", invoice->invoice_pdf);
	json_out_close(json, '}');
}
