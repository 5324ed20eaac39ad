/* stripe_upkeep.c: for operators: what waits for an operator between Stripe and this service. */
#include <string.h>

#include "api/handlers.h"
#include "api/render.h"
#include "base/arena.h"
#include "base/text.h"
#include "billing/customers.h"
#include "db/render.h"
#include "meters/parked.h"
#include "outbox/call_records.h"
#include "stripe/objects.h"
#include "subscriptions/unknown_prices.h"
#include "sync/events.h"
#include "sync/price_plans.h"

enum { ROWS_MAX = 100, WHY_MAX = 500, PLAN_MAX = 100 };

static const char call_start[] = "call:", meter_event_start[] = "mev_";

struct dismiss_input {
	const char *reason;
};

const struct field dismiss_body[] = {
        FIELD(struct dismiss_input, reason, .required = true, .min = 1, .max = WHY_MAX,
              .check = customer_check_name),
        FIELD_END(struct dismiss_input),
};

struct map_price_input {
	struct patch_text plan;
	bool dry_run;
};

const struct field map_price_body[] = {
        FIELD(struct map_price_input, plan, .required = true, .min = 1, .max = PLAN_MAX),
        FIELD(struct map_price_input, dry_run, .initial = false),
        FIELD_END(struct map_price_input),
};

static const struct column event_columns[] =
        COLUMNS(struct stripe_event_row, event_id, type, subject, customer_id, attempts,
                received_at, error);
static const struct column call_columns[] =
        COLUMNS(struct stripe_call, kind, customer_id, subject, attempts, created_at, error,
                error_param, error_message);
static const struct column meter_columns[] =
        COLUMNS(struct meter_parked, meter_event_id, customer_id, day, metric, value, error);
static const struct column price_columns[] =
        COLUMNS(struct unknown_price, price_id, stripe_subscription_id, customer_id, status,
                plan, first_seen_at);

static enum fail
render_calls(struct call *call, struct json_out *json)
{
	const struct stripe_call *rows;
	size_t count;

	TRY(stripe_call_list(&call->operation, "parked", ROWS_MAX, &rows, &count));
	json_out_open(json, "calls", '[');
	for (size_t i = 0; i < count; i++) {
		json_out_open(json, NULL, '{');
		json_out_string(json, "call_id",
		                arena_printf(call->request->task.arena, "%s%lld", call_start,
		                             (long long)rows[i].call_id));
		render_members(json, call_columns, &rows[i]);
		json_out_close(json, '}');
	}
	json_out_close(json, ']');
	return FAIL_NONE;
}

enum fail
list_parked(struct call *call)
{
	struct json_out json = answer_begin(call, 4096);
	const struct stripe_event_row *events;
	const struct meter_parked *meters;
	size_t count;

	TRY(stripe_event_list(&call->operation, "parked", ROWS_MAX, &events, &count));
	json_out_open(&json, "events", '[');
	for (size_t i = 0; i < count; i++)
		render_row(&json, NULL, event_columns, &events[i]);
	json_out_close(&json, ']');
	TRY(render_calls(call, &json));
	TRY(meter_parked_list(&call->operation, ROWS_MAX, &meters, &count));
	json_out_open(&json, "meter_events", '[');
	for (size_t i = 0; i < count; i++)
		render_row(&json, NULL, meter_columns, &meters[i]);
	json_out_close(&json, ']');
	return answer_end(call, 200, &json);
}

/* The number of "call:N". FAIL_NOT_FOUND for another text. */
static enum fail
call_number(struct call *call, const char *id, int64_t *out)
{
	if (text_parse_int(id + strlen(call_start), out) && *out > 0)
		return FAIL_NONE;
	return task_fail(&call->request->task, FAIL_NOT_FOUND, "call_not_found",
	                 "There is no such parked call.");
}

static enum fail
retry(struct call *call, const char *id, int64_t *count)
{
	struct operation *operation = &call->operation;
	struct stripe_event_row row = {0};
	const char *payload;
	int64_t number;

	if (text_starts_with(id, meter_event_start))
		return meter_parked_retry(operation, id, count);
	if (text_starts_with(id, call_start)) {
		TRY(call_number(call, id, &number));
		return stripe_call_retry(operation, number, count);
	}
	TRY(stripe_event_find(operation, id, &row, &payload));
	return stripe_event_retry(operation, id, count);
}

enum fail
post_parked_retry(struct call *call)
{
	const char *id = request_param(call->request, "parked_id");
	int64_t count = 0;

	TRY(retry(call, id, &count));
	if (count == 0)
		return task_fail(&call->request->task, FAIL_CONFLICT, "nothing_to_retry",
		                 "This is not parked, or it cannot be tried again.");
	return answer_message(call, "It is tried again within seconds.", "id", id);
}

enum fail
post_parked_dismiss(struct call *call)
{
	const struct dismiss_input *input = call->body;
	const char *id = request_param(call->request, "parked_id");
	int64_t number;

	if (text_starts_with(id, meter_event_start)) {
		TRY(meter_parked_settle(&call->operation, id));
	} else if (text_starts_with(id, call_start)) {
		TRY(call_number(call, id, &number));
		TRY(stripe_call_dismiss(&call->operation, number, input->reason));
	} else {
		TRY(stripe_event_dismiss(&call->operation, id, input->reason));
	}
	return answer_message(call, "It is dismissed.", "id", id);
}

enum fail
list_unknown_prices(struct call *call)
{
	struct json_out json = answer_begin(call, 1024);
	const struct unknown_price *rows;
	size_t count;

	TRY(unknown_prices_list(&call->operation, ROWS_MAX, &rows, &count));
	json_out_open(&json, "unknown_prices", '[');
	for (size_t i = 0; i < count; i++)
		render_row(&json, NULL, price_columns, &rows[i]);
	json_out_close(&json, ']');
	return answer_end(call, 200, &json);
}

enum fail
put_price_plan(struct call *call)
{
	const struct map_price_input *input = call->body;
	const char *price_id = request_param(call->request, "price_id");
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 512);
	struct price_mapping mapping;

	if (!stripe_id_is_valid(price_id))
		return task_fail(operation->task, FAIL_NOT_FOUND, "price_not_found",
		                 "This is not the id of a price of Stripe's.");
	TRY(price_mapping_read(operation, price_id, &mapping));
	mapping.plan = input->plan.value;
	if (input->dry_run)
		TRY(price_mapping_check(operation, &mapping, false));
	else
		TRY(price_mapping_change(operation, &mapping, false));
	json_out_string(&json, "price_id", mapping.price_id);
	json_out_string(&json, "plan", mapping.plan);
	json_out_string(&json, "plan_before", mapping.plan_before);
	json_out_int(&json, "subscriptions", mapping.subscriptions);
	json_out_int(&json, "waiting", mapping.waiting);
	json_out_bool(&json, "dry_run", input->dry_run);
	return answer_end(call, 200, &json);
}
