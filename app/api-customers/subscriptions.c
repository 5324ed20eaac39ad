/* subscriptions.c: trials, and reading a customer's subscription. */
#include "api/handlers.h"
#include "api/render.h"
#include "json/fields.h"

const struct field customer_body[] = {
        FIELD(struct customer_input, customer_id, .required = true, .min = 1, .max = 100),
        FIELD_END(struct customer_input),
};

enum fail
post_trial(struct call *call)
{
	const struct customer_input *input = call->body;
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 4096);
	struct subscription subscription, same;
	struct issued_license license;

	/* One transaction: no trial without its licence. */
	TRY(db_begin(operation->db, operation->task));
	TRY(subscription_start_trial(operation, input->customer_id, &subscription));
	TRY(license_current(operation, input->customer_id, &license, &same));
	TRY(db_commit(operation->db, operation->task));
	render_subscription(&json, "subscription", &subscription, operation->now_ms);
	json_out_string(&json, "license", license.token);
	return answer_end(call, 201, &json);
}

enum fail
get_subscription(struct call *call)
{
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 512);
	struct subscription subscription;

	TRY(subscription_find(operation, request_param(call->request, "customer_id"),
	                      &subscription));
	render_subscription(&json, "subscription", &subscription, operation->now_ms);
	return answer_end(call, 200, &json);
}
