/* operators.c: the operators and their keys. */
#include <string.h>

#include "api/handlers.h"
#include "api/render.h"
#include "base/text.h"
#include "billing/customers.h"
#include "db/render.h"

enum { OPERATOR_NAME_MAX = 100 };

struct create_operator_input {
	const char *name;
	const char *role;
};

/* Where an operator is named, a key's id may stand too, so a name must not look like one. */
static const char *
check_name(const char *name)
{
	return text_starts_with(name, "key_") ? "must not start with key_"
	                                      : customer_check_name(name);
}

static const char *
check_role(const char *role)
{
	return strcmp(role, "owner") == 0 || strcmp(role, "viewer") == 0
	               ? NULL
	               : "must be owner or viewer";
}

const struct field create_operator_body[] = {
        FIELD(struct create_operator_input, name, .required = true, .min = 1,
              .max = OPERATOR_NAME_MAX, .check = check_name),
        FIELD(struct create_operator_input, role, .check = check_role),
        FIELD_END(struct create_operator_input),
};

static const struct column columns[] = COLUMNS(struct api_key, key_id, name, role, prefix,
                                               created_at, last_used_at, revoked_at);

enum fail
list_operators(struct call *call)
{
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 1024);
	const struct api_key *keys;
	size_t count;

	TRY(api_key_list(operation, NULL, &keys, &count));
	json_out_open(&json, "operators", '[');
	for (size_t i = 0; i < count; i++)
		render_row(&json, NULL, columns, &keys[i]);
	json_out_close(&json, ']');
	return answer_end(call, 200, &json);
}

enum fail
post_operator(struct call *call)
{
	const struct create_operator_input *input = call->body;
	struct json_out json = answer_begin(call, 512);
	struct api_key_minted made = {0};

	TRY(api_key_create(&call->operation, NULL, input->role == NULL ? "viewer" : input->role,
	                   input->name, SCOPE_NONE, &made));
	json_out_string(&json, "api_key", made.secret);
	render_row(&json, "operator", columns, &made.key);
	return answer_end(call, 201, &json);
}

enum fail
delete_operator(struct call *call)
{
	const char *key_id = request_param(call->request, "operator_key_id");

	TRY(api_key_revoke(&call->operation, NULL, key_id));
	return answer_message(call, "The key is revoked.", "key_id", key_id);
}
