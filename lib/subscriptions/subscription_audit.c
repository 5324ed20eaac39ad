/* subscription_audit.c: writes what a sync has changed of a subscription to the audit trail. */
#include "subscriptions/subscription_audit.h"

#include "billing/audit.h"
#include "json/out.h"

/* The values of a subscription that the audit trail has. */
static const char *
state_of(struct arena *arena, const struct synced_subscription *row)
{
	struct json_out json = json_out_new(arena, 256);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "plan", row->plan);
	json_out_string(&json, "status", row->status);
	json_out_int(&json, "quantity", row->quantity);
	json_out_raw(&json, "addons", row->addons);
	json_out_time(&json, "current_period_ends_at", row->current_period_ends_at);
	json_out_time(&json, "period_unpaid_from", row->period_unpaid_from);
	json_out_time(&json, "trial_ends_at", row->trial_ends_at);
	json_out_bool(&json, "cancel_at_period_end", row->cancel_at_period_end);
	json_out_time(&json, "cancel_at", row->cancel_at);
	json_out_string(&json, "pause_behavior", row->pause_behavior);
	json_out_close(&json, '}');
	return json.text.data;
}

enum fail
subscription_sync_record(struct operation *operation, const char *customer_id,
                         const struct synced_subscription *before,
                         const char *stripe_subscription_id, const char *detail)
{
	struct arena *arena = operation->task->arena;
	struct synced_subscription after;
	bool found;

	TRY(subscription_sync_find(operation, stripe_subscription_id, &after, &found));
	return audit_record_values(operation, "subscription_sync", customer_id,
	                           stripe_subscription_id, detail,
	                           before == NULL ? NULL : state_of(arena, before),
	                           found ? state_of(arena, &after) : NULL);
}
