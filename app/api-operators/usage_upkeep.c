/* usage_upkeep.c: operators correct wrong reports and delete old ones. */
#include "api/handlers.h"
#include "api/render.h"
#include "api/render_usage.h"
#include "billing/customers.h"
#include "usage/corrections.h"
#include "usage/retention.h"
#include "json/fields.h"

enum { DAYS_DEFAULT = 90, DAYS_MAX = 36500 };

struct clean_up_input {
	int64_t days;
};

const struct field clean_up_query[] = {
        FIELD(struct clean_up_input, days, .min = 1, .max = DAYS_MAX, .initial = DAYS_DEFAULT),
        FIELD_END(struct clean_up_input),
};

struct correct_input {
	int64_t id;
	int64_t active_devices;
	int64_t total_devices;
	struct any_object metrics;
	const char *reason;
};

/* An absent number becomes -1, which keeps the reported value. */
const struct field correct_usage_body[] = {
        FIELD(struct correct_input, id, .required = true, .min = 1),
        FIELD(struct correct_input, active_devices, .max = WIRE_DEVICES_MAX, .initial = -1),
        FIELD(struct correct_input, total_devices, .max = WIRE_DEVICES_MAX, .initial = -1),
        FIELD(struct correct_input, metrics, .nullable = true),
        FIELD(struct correct_input, reason, .required = true, .min = 1, .max = 500,
              .check = customer_check_name),
        FIELD_END(struct correct_input),
};

enum fail
delete_old_usage(struct call *call)
{
	const struct clean_up_input *input = call->query;
	struct json_out json = answer_begin(call, 128);
	int64_t deleted;

	TRY(usage_clean_up(&call->operation, input->days, &deleted));
	json_out_string(&json, "message", "Reports from before that are deleted.");
	json_out_int(&json, "deleted", deleted);
	return answer_end(call, 200, &json);
}

enum fail
post_usage_correction(struct call *call)
{
	const struct correct_input *input = call->body;
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 512);
	struct usage_correction correction = {
	        .usage_id = input->id,
	        .active_devices = input->active_devices,
	        .total_devices = input->total_devices,
	        .reason = input->reason,
	};
	struct usage_report report = {0};

	if (json_view_is_object(&input->metrics.object))
		TRY(usage_metrics_read(operation->task, &operation->billing->plans,
		                       &input->metrics, &correction.metrics));
	TRY(usage_correct(operation, request_param(call->request, "customer_id"), &correction,
	                  &report));
	json_out_string(&json, "message", "The correction is stored.");
	render_report(&json, "report", &report);
	return answer_end(call, 201, &json);
}
