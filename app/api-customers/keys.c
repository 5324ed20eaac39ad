/* keys.c: the API keys of a customer. */
#include "api/handlers.h"
#include "api/render.h"
#include "json/fields.h"

struct create_key_input {
	const char *name;
	struct string_list scopes;
};

const struct field create_key_body[] = {
        FIELD(struct create_key_input, name, .min = 1, .max = 100,
              .check = customer_check_name),
        FIELD(struct create_key_input, scopes, .min = 1, .max = 3,
              .check = api_key_check_scope),
        FIELD_END(struct create_key_input),
};

enum fail
post_key(struct call *call)
{
	const struct create_key_input *input = call->body;
	struct operation *operation = &call->operation;
	bool own = call->caller.kind == CALLER_CUSTOMER;
	unsigned int scopes = own ? call->caller.scopes : (unsigned int)SCOPE_ALL;
	struct json_out json = answer_begin(call, 512);
	struct api_key_minted made = {0};

	if (input->scopes.present)
		scopes = api_key_scopes(&input->scopes);
	if (own && (scopes & ~call->caller.scopes) != 0)
		return task_fail(operation->task, FAIL_FORBIDDEN, "scope_exceeded",
		                 "A key can only make keys with scopes that it has itself.");
	TRY(api_key_create(operation, request_param(call->request, "customer_id"), "customer",
	                   input->name, scopes, &made));
	json_out_string(&json, "api_key", made.secret);
	render_key(&json, "key", &made.key);
	return answer_end(call, 201, &json);
}

enum fail
list_keys(struct call *call)
{
	const char *id = request_param(call->request, "customer_id");
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 1024);
	const struct api_key *keys;
	struct customer customer;
	size_t count;

	TRY(customer_find(operation, id, &customer));
	TRY(api_key_list(operation, id, &keys, &count));
	json_out_open(&json, "keys", '[');
	for (size_t i = 0; i < count; i++)
		render_key(&json, NULL, &keys[i]);
	json_out_close(&json, ']');
	return answer_end(call, 200, &json);
}

enum fail
delete_key(struct call *call)
{
	const char *key_id = request_param(call->request, "key_id");

	TRY(api_key_revoke(&call->operation, request_param(call->request, "customer_id"),
	                   key_id));
	return answer_message(call, "The key is revoked.", "key_id", key_id);
}
