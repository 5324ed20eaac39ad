/* usage_reading.c: reports, daily sums, and how much of the plan is used. */
#include "api/dates.h"
#include "api/handlers.h"
#include "api/render.h"
#include "api/render_usage.h"
#include "json/fields.h"

struct history_input {
	int64_t limit;
	const char *cursor;
	struct instant from;
	struct instant to;
	const char *instance_id;
};

const struct field usage_history_query[] = {
        PAGE_FIELDS(struct history_input, PAGE_ROWS_MAX, PAGE_ROWS_USUAL),
        FIELD(struct history_input, from, .min = 0),
        FIELD(struct history_input, to, .min = 0),
        FIELD(struct history_input, instance_id, .check = wire_check_id),
        FIELD_END(struct history_input),
};

struct daily_input {
	const char *from;
	const char *to;
	const char *instance_id;
};

const struct field usage_daily_query[] = {
        FIELD(struct daily_input, from, .check = date_check_day),
        FIELD(struct daily_input, to, .check = date_check_day),
        FIELD(struct daily_input, instance_id, .check = wire_check_id),
        FIELD_END(struct daily_input),
};

enum fail
list_usage(struct call *call)
{
	const struct history_input *input = call->query;
	const struct usage_filter filter = {
	        .customer_id = request_param(call->request, "customer_id"),
	        .instance_id = input->instance_id,
	        .from = input->from,
	        .to = input->to,
	};
	struct operation *operation = &call->operation;
	const struct usage_report *rows;
	struct json_out json;
	struct page page;
	size_t count;

	TRY(page_read(operation->task, input->limit, input->cursor, &page));
	TRY(usage_history(operation, &filter, &page, &rows, &count));
	json = answer_begin(call, 256 + count * 400);
	json_out_string(&json, "customer_id", filter.customer_id);
	json_out_open(&json, "reports", '[');
	for (size_t i = 0; i < count; i++)
		render_report(&json, NULL, &rows[i]);
	json_out_close(&json, ']');
	json_out_int(&json, "total", (int64_t)count);
	json_out_string(&json, "next_cursor", page.next);
	return answer_end(call, 200, &json);
}

enum fail
get_latest_usage(struct call *call)
{
	const char *id = request_param(call->request, "customer_id");
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 512);
	struct usage_report report = {0};
	bool found;

	TRY(usage_latest(operation, id, &report, &found));
	if (!found)
		return task_fail(operation->task, FAIL_NOT_FOUND, "report_not_found",
		                 "The customer has reported nothing yet.");
	json_out_string(&json, "customer_id", id);
	render_report(&json, "report", &report);
	return answer_end(call, 200, &json);
}

enum fail
list_usage_days(struct call *call)
{
	const struct daily_input *input = call->query;
	const char *id = request_param(call->request, "customer_id");
	struct operation *operation = &call->operation;
	const struct usage_day *rows;
	struct json_out json;
	size_t count;

	TRY(usage_daily(operation, id, input->instance_id, input->from, input->to, &rows,
	                &count));
	json = answer_begin(call, 256 + count * 320);
	json_out_string(&json, "customer_id", id);
	json_out_open(&json, "days", '[');
	for (size_t i = 0; i < count; i++)
		render_day(&json, &rows[i]);
	json_out_close(&json, ']');
	json_out_time(&json, "counted_until",
	              count > 0 ? rows->counted_until : INSTANT_MS(operation->now_ms));
	return answer_end(call, 200, &json);
}

enum fail
get_usage_limits(struct call *call)
{
	const char *id = request_param(call->request, "customer_id");
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 512);
	struct subscription subscription;
	struct entitlement_terms terms;
	struct usage_levels levels;

	TRY(usage_levels_read(operation, id, &levels, &subscription, &terms));
	json_out_string(&json, "customer_id", id);
	json_out_string(&json, "plan", subscription.plan);
	render_levels(&json, operation, &levels, &subscription, &terms);
	return answer_end(call, 200, &json);
}
