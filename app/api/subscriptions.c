/*
 * subscriptions.c: what a customer has subscribed to.
 */
#include "api/handlers.h"
#include "api/render.h"
#include "base/fields.h"

struct start_trial_input {
	const char *customer_id;
};

static const struct field start_trial_fields[] = {
        FIELD(struct start_trial_input, customer_id, .required = true, .min = 1, .max = 100),
        FIELD_END,
};

const struct input start_trial_body = {start_trial_fields, sizeof(struct start_trial_input)};

enum fail
post_trial(struct call *call)
{
	const struct start_trial_input *input = call->body;
	struct operation *operation = &call->operation;
	struct json_out json = json_out_new(operation->task->arena, 4096);
	struct subscription subscription, same;
	struct issued_license license;

	/* One transaction: no trial without its licence. */
	TRY(db_begin(operation->db, operation->task));
	TRY(subscription_start_trial(operation, input->customer_id, &subscription));
	TRY(license_current(operation, input->customer_id, &license, &same));
	TRY(db_commit(operation->db, operation->task));
	json_out_open(&json, NULL, '{');
	render_subscription(&json, "subscription", &subscription, operation->now_ms);
	json_out_string(&json, "license", license.token);
	json_out_close(&json, '}');
	response_json(call->response, 201, &json);
	return FAIL_NONE;
}

enum fail
get_subscription(struct call *call)
{
	struct operation *operation = &call->operation;
	struct json_out json = json_out_new(operation->task->arena, 512);
	struct subscription subscription;

	TRY(subscription_find(operation, request_param(call->request, "customer_id"),
	                      &subscription));
	json_out_open(&json, NULL, '{');
	render_subscription(&json, "subscription", &subscription, operation->now_ms);
	json_out_close(&json, '}');
	response_json(call->response, 200, &json);
	return FAIL_NONE;
}
