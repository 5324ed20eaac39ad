/* render.c: customers and subscriptions as the API and the events show them. */
#include "billing/render.h"

#include "billing/access.h"
#include "db/render.h"

static const struct column customer_columns[] =
        COLUMNS(struct customer, customer_id, email, company_name, stripe_customer_id,
                pending_email, notices, created_at, updated_at);

void
render_customer(struct json_out *json, const char *name, const struct customer *customer)
{
	render_row(json, name, customer_columns, customer);
}

static const struct column listed_columns[] =
        COLUMNS(struct customer, customer_id, email, company_name, stripe_customer_id,
                pending_email, notices, plan, status, created_at, updated_at);

void
render_listed_customer(struct json_out *json, const struct customer *customer)
{
	render_row(json, NULL, listed_columns, customer);
}

static const struct column subscription_columns[] =
        COLUMNS(struct subscription, customer_id, stripe_subscription_id, plan, status,
                trial_ends_at, current_period_ends_at, cancel_at_period_end, cancel_at,
                canceled_at, ended_at, scheduled_plan, pause_behavior, pause_resumes_at,
                access_ends_at, access_end_reason, kind, contract_id, starts_at, ends_at,
                created_at, updated_at, quantity, interval, currency);

/* How many of an add-on are bought is not known beforehand: {add-on: quantity}. */
static void
render_purchase(struct json_out *json, const struct subscription *subscription)
{
	render_known(json, "interval_count", subscription->interval_count);
	render_object(json, "addons", subscription->addons);
	render_known(json, "scheduled_quantity",
	             subscription->scheduled_plan == NULL ? 0
	                                                  : subscription->scheduled_quantity);
	render_object(json, "scheduled_addons",
	              subscription->scheduled_plan == NULL ? NULL
	                                                   : subscription->scheduled_addons);
}

void
render_subscription(struct json_out *json, const char *name,
                    const struct subscription *subscription, int64_t now_ms)
{
	struct subscription shown;
	struct access_end end;

	if (subscription == NULL) {
		json_out_null(json, name);
		return;
	}
	shown = *subscription;
	shown.kind = subscription_kind(subscription);
	end = access_early_end(subscription, now_ms);
	shown.access_ends_at = end.at;
	shown.access_end_reason = end.at.known ? end.reason : NULL;
	shown.status = access_status(subscription, now_ms);
	shown.current_period_ends_at = subscription_period_end(subscription);
	json_out_open(json, name, '{');
	render_members(json, subscription_columns, &shown);
	render_purchase(json, &shown);
	json_out_close(json, '}');
}

const char *
customer_text(struct arena *arena, const struct customer *customer)
{
	struct json_out json = json_out_new(arena, 512);

	render_customer(&json, NULL, customer);
	return json.text.data;
}

const char *
subscription_text(const struct operation *operation, const struct subscription *subscription)
{
	struct json_out json = json_out_new(operation->task->arena, 1024);

	render_subscription(&json, NULL, subscription, operation->now_ms);
	return json.text.data;
}
