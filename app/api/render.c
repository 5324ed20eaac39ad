/* render.c: each resource as JSON, the same wherever it appears. */
#include "api/render.h"

#include "billing/access.h"

struct json_out
answer_begin(const struct call *call, size_t capacity)
{
	struct json_out json = json_out_new(call->operation.task->arena, capacity);

	json_out_open(&json, NULL, '{');
	return json;
}

enum fail
answer_end(struct call *call, int status, struct json_out *json)
{
	json_out_close(json, '}');
	response_json(call->response, status, json);
	return FAIL_NONE;
}

enum fail
answer_message(struct call *call, const char *message, const char *name, const char *id)
{
	struct json_out json = answer_begin(call, 256);

	json_out_string(&json, "message", message);
	json_out_string(&json, name, id);
	return answer_end(call, 200, &json);
}

static void
render_list(struct json_out *json, const char *name, const struct string_list *list)
{
	json_out_open(json, name, '[');
	for (size_t i = 0; i < list->count; i++)
		json_out_string(json, NULL, list->items[i]);
	json_out_close(json, ']');
}

void
render_members(struct json_out *json, const struct column *columns, const void *row)
{
	for (const struct column *column = columns; column->type != COLUMN_STOP; column++) {
		const void *member = (const char *)row + column->offset;

		if (column->type == COLUMN_TEXT)
			json_out_string(json, column->name, *(const char *const *)member);
		else if (column->type == COLUMN_INT)
			json_out_int(json, column->name, *(const int64_t *)member);
		else if (column->type == COLUMN_BOOL)
			json_out_bool(json, column->name, *(const bool *)member);
		else if (column->type == COLUMN_TIME)
			json_out_time(json, column->name, *(const struct instant *)member);
		else if (column->type == COLUMN_LIST)
			render_list(json, column->name, member);
	}
}

void
render_row(struct json_out *json, const char *name, const struct column *columns,
           const void *row)
{
	json_out_open(json, name, '{');
	render_members(json, columns, row);
	json_out_close(json, '}');
}

static const struct column customer_columns[] =
        COLUMNS(struct customer, customer_id, email, company_name, stripe_customer_id,
                pending_email, created_at, updated_at);

void
render_customer(struct json_out *json, const char *name, const struct customer *customer)
{
	render_row(json, name, customer_columns, customer);
}

static const struct column listed_columns[] =
        COLUMNS(struct customer, customer_id, email, company_name, stripe_customer_id,
                pending_email, plan, status, created_at, updated_at);

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

static void
render_known(struct json_out *json, const char *name, int64_t value)
{
	if (value == 0)
		json_out_null(json, name);
	else
		json_out_int(json, name, value);
}

static void
render_object(struct json_out *json, const char *name, const char *text)
{
	if (text == NULL)
		json_out_null(json, name);
	else
		json_out_raw(json, name, text);
}

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
	/* Clients in use take the time of what is paid or tried without looking. */
	if (!shown.current_period_ends_at.known)
		shown.current_period_ends_at = subscription->trial_ends_at;
	json_out_open(json, name, '{');
	render_members(json, subscription_columns, &shown);
	render_purchase(json, &shown);
	json_out_close(json, '}');
}

static const struct column key_columns[] = COLUMNS(struct api_key, key_id, name, prefix, scopes,
                                                   created_at, last_used_at, revoked_at);

void
render_key(struct json_out *json, const char *name, const struct api_key *key)
{
	render_row(json, name, key_columns, key);
}

static const struct column license_columns[] =
        COLUMNS(struct issued_license, jti, kid, plan, reason, issued_at, expires_at,
                revoked_at, revoke_reason);

void
render_license_row(struct json_out *json, const struct issued_license *license)
{
	json_out_open(json, NULL, '{');
	render_members(json, license_columns, license);
	if (license->instance_id != NULL)
		json_out_string(json, "instance_id", license->instance_id);
	json_out_close(json, '}');
}

/* A name of plans.json as the answers spell it: "maxDevices" is "max_devices". Different names stay
 * different. */
static const char *
snake_case(struct arena *arena, const char *name)
{
	struct text out = text_new(arena, (size_t)2 * VALUE_NAME_MAX);

	for (const char *at = name; *at != '\0'; at++) {
		if (*at >= 'A' && *at <= 'Z') {
			text_add_char(&out, '_');
			text_add_char(&out, (char)(*at - 'A' + 'a'));
		} else {
			text_add_char(&out, *at);
		}
	}
	return out.data;
}

void
render_values(struct json_out *json, enum value_kind kind, const struct license_values *values)
{
	json_out_open(json, value_kind_name(kind), '{');
	for (size_t i = 0; i < values->count; i++)
		value_write(json, snake_case(json->text.arena, values->items[i].name),
		            &values->items[i]);
	json_out_close(json, '}');
}

/* Without the operator who gave access back. */
static const struct column reversal_columns[] =
        COLUMNS(struct reversal, object_id, kind, stripe_subscription_id, invoice_id, amount,
                currency, status, policy, access_ends_at, created_at, lifted_at);

void
render_reversal(struct json_out *json, const struct reversal *reversal)
{
	render_row(json, NULL, reversal_columns, reversal);
}

static const struct column invoice_columns[] =
        COLUMNS(struct invoice, number, status, amount_due, amount_paid, currency, created_at);
static const struct column invoice_links[] =
        COLUMNS(struct invoice, hosted_invoice_url, invoice_pdf);

void
render_invoice(struct json_out *json, const struct invoice *invoice, bool with_links)
{
	json_out_open(json, NULL, '{');
	json_out_string(json, "id", invoice->invoice_id);
	render_members(json, invoice_columns, invoice);
	if (with_links)
		render_members(json, invoice_links, invoice);
	json_out_close(json, '}');
}
