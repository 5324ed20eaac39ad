/* instances.c: lists, activates, transfers and releases the instances that a customer runs. */
#include "instances/instances.h"

#include <string.h>

#include "api/handlers.h"
#include "api/render.h"
#include "api/render_usage.h"
#include "json/fields.h"

enum { LEASE_HOURS_MAX = 8760 };

struct activate_input {
	int64_t lease_hours;
	const char *kind;
};

struct transfer_input {
	const char *to;
};

/* An absent number becomes 0, which stands for INSTANCE_LEASE_HOURS. */
const struct field activate_instance_body[] = {
        FIELD(struct activate_input, lease_hours, .min = 1, .max = LEASE_HOURS_MAX),
        FIELD(struct activate_input, kind, .check = wire_check_kind),
        FIELD_END(struct activate_input),
};

const struct field transfer_instance_body[] = {
        FIELD(struct transfer_input, to, .required = true, .check = wire_check_id),
        FIELD_END(struct transfer_input),
};

enum fail
list_instances(struct call *call)
{
	const struct page_query *input = call->query;
	const char *id = request_param(call->request, "customer_id");
	struct operation *operation = &call->operation;
	const struct instance *rows;
	struct json_out json;
	struct page page;
	size_t count;

	TRY(page_read(operation->task, input->limit, input->cursor, &page));
	TRY(instance_list(operation, id, &page, &rows, &count));
	json = answer_begin(call, 256 + count * 400);
	json_out_string(&json, "customer_id", id);
	json_out_open(&json, "instances", '[');
	for (size_t i = 0; i < count; i++)
		render_instance(&json, NULL, &rows[i], operation->now_ms);
	json_out_close(&json, ']');
	return answer_page(call, &json, &page);
}

static enum fail
answer_instance(struct call *call, int status, const struct instance *instance)
{
	struct json_out json = answer_begin(call, 512);

	json_out_string(&json, "customer_id", request_param(call->request, "customer_id"));
	render_instance(&json, "instance", instance, call->operation.now_ms);
	return answer_end(call, status, &json);
}

enum fail
put_instance(struct call *call)
{
	const struct activate_input *input = call->body;
	const char *id = request_param(call->request, "instance_id");
	struct operation *operation = &call->operation;
	const char *fault = wire_check_id(id);
	int64_t hours = input->lease_hours;
	struct instance_lease lease;
	struct instance instance;
	bool fresh;

	if (fault != NULL)
		return task_fail_field(operation->task, "instance_id", "%s", fault);
	if (hours == 0)
		hours = operation->billing->policy.instance_lease_hours;
	lease = (struct instance_lease){
	        .customer_id = request_param(call->request, "customer_id"),
	        .instance_id = id,
	        .kind = input->kind,
	        .end_ms = operation->now_ms + hours * HOUR_MS,
	};
	TRY(instance_activate(operation, &lease, &instance, &fresh));
	return answer_instance(call, fresh ? 201 : 200, &instance);
}

enum fail
delete_instance(struct call *call)
{
	struct instance instance;

	TRY(instance_release(&call->operation, request_param(call->request, "customer_id"),
	                     request_param(call->request, "instance_id"), &instance));
	return answer_instance(call, 200, &instance);
}

enum fail
post_instance_transfer(struct call *call)
{
	const struct transfer_input *input = call->body;
	const char *from = request_param(call->request, "instance_id");
	struct operation *operation = &call->operation;
	struct instance instance;

	if (strcmp(from, input->to) == 0)
		return task_fail_field(operation->task, "to", "must be another instance");
	TRY(instance_transfer(operation, request_param(call->request, "customer_id"), from,
	                      input->to, &instance));
	return answer_instance(call, 200, &instance);
}
