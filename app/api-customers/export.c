/* export.c: everything that is stored about one customer as JSON, and its reports as CSV. */
#include <string.h>

#include "analytics/revenue.h"
#include "api/csv.h"
#include "api/handlers.h"
#include "api/render.h"
#include "api/render_usage.h"
#include "base/arena.h"
#include "billing/audit.h"
#include "callers/sessions.h"
#include "entitlements/overrides.h"
#include "issuing/bound_licenses.h"
#include "issuing/license_records.h"
#include "notices/records.h"
#include "payments/invoices.h"
#include "payments/reversals.h"
#include "json/fields.h"
#include "json/view.h"

/* A caller may ask for LIMIT_MAX reports. An answer has REPORTS_MAX at most, so that it takes a
 * worker little time, and a cursor. */
enum { LIMIT_MAX = 10000, REPORTS_MAX = 4000, ROWS_MAX = 1000 };

struct export_input {
	int64_t limit;
	const char *cursor;
	struct instant from;
	struct instant to;
};

const struct field export_query[] = {
        PAGE_FIELDS(struct export_input, LIMIT_MAX, ROWS_MAX),
        FIELD(struct export_input, from, .min = 0),
        FIELD(struct export_input, to, .min = 0),
        FIELD_END(struct export_input),
};

static enum fail
read_reports(struct call *call, struct page *page, const struct usage_report **out,
             size_t *count)
{
	const struct export_input *input = call->query;
	int64_t limit = input->limit < REPORTS_MAX ? input->limit : REPORTS_MAX;
	const struct usage_filter filter = {
	        .customer_id = request_param(call->request, "customer_id"),
	        .from = input->from,
	        .to = input->to,
	};

	TRY(page_read(call->operation.task, limit, input->cursor, page));
	return usage_history(&call->operation, &filter, page, out, count);
}

static void
add_text(struct text *csv, const char *value)
{
	text_add_char(csv, ',');
	csv_text(csv, value);
}

static void
add_number(struct text *csv, bool known, int64_t number)
{
	text_add_char(csv, ',');
	if (known)
		text_add_int(csv, number);
}

static void
add_row(struct call *call, struct text *csv, const struct usage_report *report)
{
	const struct plans *plans = &call->api->billing.plans;
	struct task *task = call->operation.task;
	struct json_view metrics;

	(void)json_view_try(task->arena, report->metrics, strlen(report->metrics), &metrics);
	text_printf(csv, "%lld,%s,%s", (long long)report->usage_id,
	            param_time(task, report->reported_at),
	            param_time(task, report->received_at));
	add_text(csv, report->instance_id);
	add_text(csv, report->report_id);
	add_number(csv, true, report->active_devices);
	add_number(csv, true, report->total_devices);
	for (size_t i = 0; i < plans->metric_count; i++) {
		int64_t value = 0;
		bool known = json_view_int(&metrics, plans->metrics[i].name, &value);

		add_number(csv, known, value);
	}
	add_number(csv, report->corrects != 0, report->corrects);
	add_number(csv, report->superseded_by != 0, report->superseded_by);
	add_text(csv, report->reason);
	text_add(csv, "\r\n");
}

static enum fail
answer_csv(struct call *call)
{
	const struct plans *plans = &call->api->billing.plans;
	struct arena *arena = call->operation.task->arena;
	const char *id = request_param(call->request, "customer_id");
	const struct usage_report *reports;
	struct page page;
	struct text csv;
	size_t count;

	TRY(read_reports(call, &page, &reports, &count));
	csv = text_new(arena, 256 + count * 160);
	text_add(&csv, "id,reported_at,received_at,instance_id,report_id,active_devices,"
	               "total_devices");
	for (size_t i = 0; i < plans->metric_count; i++)
		text_printf(&csv, ",%s", plans->metrics[i].name);
	text_add(&csv, ",corrects,superseded_by,reason\r\n");
	for (size_t i = 0; i < count; i++)
		add_row(call, &csv, &reports[i]);
	csv_answer(call, &csv, arena_printf(arena, "usage-%s", id), page.next);
	return FAIL_NONE;
}

/* The overrides, or null. */
static enum fail
render_overrides(struct call *call, const char *id, struct json_out *json)
{
	struct override row;
	bool found;

	TRY(override_find(&call->operation, id, &row, &found));
	if (found)
		json_out_raw(json, "overrides", override_write(json->text.arena, &row, false));
	else
		json_out_null(json, "overrides");
	return FAIL_NONE;
}

/* The requests of instances that licences answered. */
static enum fail
render_answered_requests(struct operation *operation, const char *id, struct json_out *json)
{
	const struct answered_request *requests;
	size_t count;

	TRY(answered_request_list(operation, id, ROWS_MAX, &requests, &count));
	json_out_open(json, "license_requests", '[');
	for (size_t i = 0; i < count; i++) {
		json_out_open(json, NULL, '{');
		json_out_string(json, "nonce", requests[i].nonce);
		json_out_string(json, "instance_id", requests[i].instance_id);
		json_out_string(json, "jti", requests[i].jti);
		json_out_time(json, "answered_at", requests[i].answered_at);
		json_out_close(json, '}');
	}
	json_out_close(json, ']');
	return FAIL_NONE;
}

/* Keys without secrets, and the browsers that are signed in. */
static enum fail
render_keys(struct call *call, const char *id, struct json_out *json)
{
	const struct session_owner owner = {.customer_id = id, .all = true};
	struct operation *operation = &call->operation;
	const struct session *sessions;
	const struct api_key *keys;
	size_t count;

	TRY(api_key_list(operation, id, &keys, &count));
	json_out_open(json, "keys", '[');
	for (size_t i = 0; i < count; i++)
		render_key(json, NULL, &keys[i]);
	json_out_close(json, ']');
	TRY(session_list(operation, &owner, &sessions, &count));
	json_out_open(json, "sessions", '[');
	for (size_t i = 0; i < count; i++)
		render_session(json, NULL, &sessions[i], call->caller.key.session_id);
	json_out_close(json, ']');
	return FAIL_NONE;
}

/* Licences without tokens, invoices, payments that were given back. */
static enum fail
render_property(struct call *call, const char *id, struct json_out *json)
{
	struct operation *operation = &call->operation;
	const struct issued_license *licenses;
	const struct invoice *invoices;
	const struct reversal *reversals;
	struct page page = {.limit = ROWS_MAX};
	size_t count;

	TRY(render_keys(call, id, json));
	TRY(license_history(operation, id, &page, &licenses, &count));
	json_out_open(json, "licenses", '[');
	for (size_t i = 0; i < count; i++)
		render_license_row(json, &licenses[i]);
	json_out_close(json, ']');
	TRY(render_answered_requests(operation, id, json));
	TRY(invoice_list(operation, id, &page, &invoices, &count));
	json_out_open(json, "invoices", '[');
	for (size_t i = 0; i < count; i++)
		render_invoice(json, &invoices[i], false);
	json_out_close(json, ']');
	TRY(reversal_list(operation, id, ROWS_MAX, &reversals, &count));
	json_out_open(json, "payment_reversals", '[');
	for (size_t i = 0; i < count; i++)
		render_reversal(json, &reversals[i]);
	json_out_close(json, ']');
	return FAIL_NONE;
}

/* Instances, daily sums and reports. */
static enum fail
render_usage(struct call *call, const char *id, struct json_out *json)
{
	struct operation *operation = &call->operation;
	const struct instance *instances;
	const struct usage_report *reports;
	const struct usage_day *days;
	struct page page = {.limit = ROWS_MAX};
	size_t count;

	TRY(instance_list(operation, id, &page, &instances, &count));
	json_out_open(json, "instances", '[');
	for (size_t i = 0; i < count; i++)
		render_instance(json, NULL, &instances[i], operation->now_ms);
	json_out_close(json, ']');
	TRY(usage_daily(operation, id, NULL, NULL, NULL, &days, &count));
	json_out_open(json, "usage_days", '[');
	for (size_t i = 0; i < count; i++)
		render_day(json, &days[i]);
	json_out_close(json, ']');
	TRY(read_reports(call, &page, &reports, &count));
	json_out_open(json, "reports", '[');
	for (size_t i = 0; i < count; i++)
		render_report(json, NULL, &reports[i]);
	json_out_close(json, ']');
	json_out_string(json, "next_cursor", page.next);
	return FAIL_NONE;
}

static enum fail
render_notices(struct operation *operation, const char *id, struct json_out *json)
{
	const struct notice_filter filter = {.customer_id = id};
	struct page page = {.limit = ROWS_MAX};
	const struct notice *notices;
	size_t count;

	TRY(notice_list(operation, &filter, &page, &notices, &count));
	json_out_open(json, "notices", '[');
	for (size_t i = 0; i < count; i++)
		if (text_equal(notices[i].recipient, id))
			render_notice(json, &notices[i]);
	json_out_close(json, ']');
	return FAIL_NONE;
}

/* The newest changes of what the customer pays each month. */
static enum fail
render_movements(struct operation *operation, const char *id, struct json_out *json)
{
	const struct revenue_movement *rows;
	size_t count;

	TRY(revenue_of_customer(operation, id, ROWS_MAX, &rows, &count));
	json_out_open(json, "revenue_movements", '[');
	for (size_t i = 0; i < count; i++)
		render_row(json, NULL, revenue_change_columns, &rows[i]);
	json_out_close(json, ']');
	return FAIL_NONE;
}

static enum fail
answer_json(struct call *call, const struct customer *customer)
{
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, (size_t)64 * 1024);
	struct page contracts = {.limit = CONTRACTS_MAX};
	const struct subscription *subscription;

	TRY(subscription_newest(operation, customer->customer_id, &subscription));
	json_out_time(&json, "exported_at", INSTANT_MS(operation->now_ms));
	render_customer(&json, "customer", customer);
	render_subscription(&json, "subscription", subscription, operation->now_ms);
	TRY(render_contracts(operation, &json, customer->customer_id, &contracts, false));
	TRY(render_overrides(call, customer->customer_id, &json));
	TRY(render_property(call, customer->customer_id, &json));
	TRY(render_movements(operation, customer->customer_id, &json));
	TRY(render_notices(operation, customer->customer_id, &json));
	TRY(render_usage(call, customer->customer_id, &json));
	return answer_end(call, 200, &json);
}

enum fail
get_export(struct call *call)
{
	const char *id = request_param(call->request, "customer_id");
	bool csv;
	struct customer customer;

	TRY(customer_find(&call->operation, id, &customer));
	csv = csv_is_wanted(call);
	TRY(audit_change(&call->operation, "customer_export", id, NULL, csv ? "csv" : "json"));
	return csv ? answer_csv(call) : answer_json(call, &customer);
}
