/* webhook_endpoints.c: the endpoints that events are sent to, and what was sent to them. */
#include "api/handlers.h"
#include "api/render.h"
#include "base/arena.h"
#include "webhooks/deliveries.h"
#include "webhooks/endpoints.h"
#include "webhooks/guard.h"
#include "webhooks/known_keys.h"
#include "json/fields.h"

enum { EVENT_ID_MAX = 40 };

/* The body of POST and of PATCH. PATCH may remove a description; a URL it can only replace. */
struct endpoint_input {
	const char *url;
	struct string_list types;
	struct patch_text description;
	struct choice enabled;
};

#define CHANGE                                                                                 \
	FIELD(struct endpoint_input, types, .min = 1, .max = WEBHOOK_TYPES_MAX,                \
	      .check = webhook_type_check),                                                    \
	        FIELD(struct endpoint_input, description, .min = 1,                            \
	              .max = WEBHOOK_DESCRIPTION_MAX)

const struct field create_endpoint_body[] = {
        FIELD(struct endpoint_input, url, .required = true, .min = 1, .max = WEBHOOK_URL_MAX),
        CHANGE,
        FIELD_END(struct endpoint_input),
};

const struct field patch_endpoint_body[] = {
        FIELD(struct endpoint_input, url, .min = 1, .max = WEBHOOK_URL_MAX),
        CHANGE,
        FIELD(struct endpoint_input, enabled, .required = false),
        FIELD_END(struct endpoint_input),
};

struct replay_input {
	const char *event_id;
	struct instant from;
	struct instant to;
	const char *cursor;
};

const struct field replay_events_body[] = {
        FIELD(struct replay_input, event_id, .min = 1, .max = EVENT_ID_MAX),
        FIELD(struct replay_input, from, .required = false),
        FIELD(struct replay_input, to, .required = false),
        FIELD(struct replay_input, cursor, .min = 1, .max = 500),
        FIELD_END(struct replay_input),
};

struct deliveries_query {
	int64_t limit;
	const char *cursor;
	const char *state;
};

const struct field list_deliveries_query[] = {
        PAGE_FIELDS(struct deliveries_query, PAGE_ROWS_MAX, PAGE_ROWS_USUAL),
        FIELD(struct deliveries_query, state, .min = 1, .max = 20,
              .check = webhook_check_state),
        FIELD_END(struct deliveries_query),
};

static const char *
endpoint_id(const struct call *call)
{
	return request_param(call->request, "endpoint_id");
}

static enum fail
check_url(struct call *call, const char *url)
{
	const struct webhook_guard guard = {call->api->settings->webhook_allow};
	struct task *task = call->operation.task;
	const char *fault =
	        url == NULL ? NULL : webhook_guard_check_url(task->arena, &guard, url);

	return fault == NULL ? FAIL_NONE : task_fail_field(task, "url", "%s", fault);
}

static struct webhook_endpoint_change
change_of(const struct endpoint_input *input)
{
	return (struct webhook_endpoint_change){input->url, input->types, input->description,
	                                        input->enabled};
}

/* The endpoint with its secret, which is not shown again, and the key that verifies all. */
static enum fail
answer_secret(struct call *call, int status, const struct webhook_endpoint *endpoint,
              const char *secret, const char *public_key)
{
	struct json_out json = answer_begin(call, 2048);

	webhook_endpoint_render(&json, "endpoint", endpoint);
	json_out_string(&json, "secret", secret);
	json_out_string(&json, "public_key", public_key);
	return answer_end(call, status, &json);
}

/* Makes a secret by `make`, with the keys of this host. */
static enum fail
with_keys(struct call *call, int status,
          enum fail (*make)(struct call *call, const struct webhook_keys *keys,
                            struct webhook_endpoint *out, const char **secret))
{
	struct operation *operation = &call->operation;
	struct webhook_endpoint endpoint;
	struct webhook_keys keys;
	const char *secret = NULL, *public_key = NULL;
	enum fail kind;

	TRY(webhook_keys_open(operation, call->api->settings->keys_dir, &keys));
	kind = make(call, &keys, &endpoint, &secret);
	if (kind == FAIL_NONE)
		public_key = arena_copy(operation->task->arena, keys.current.public_text);
	webhook_keys_release(&keys);
	TRY(kind);
	return answer_secret(call, status, &endpoint, secret, public_key);
}

static enum fail
create(struct call *call, const struct webhook_keys *keys, struct webhook_endpoint *out,
       const char **secret)
{
	const struct webhook_endpoint_change input = change_of(call->body);

	return webhook_endpoint_create(&call->operation, keys, &input, out, secret);
}

enum fail
post_webhook_endpoint(struct call *call)
{
	const struct endpoint_input *input = call->body;

	TRY(check_url(call, input->url));
	return with_keys(call, 201, create);
}

static enum fail
rotate(struct call *call, const struct webhook_keys *keys, struct webhook_endpoint *out,
       const char **secret)
{
	return webhook_endpoint_rotate(&call->operation, keys, endpoint_id(call), out, secret);
}

enum fail
post_webhook_rotate(struct call *call)
{
	return with_keys(call, 200, rotate);
}

enum fail
list_webhook_endpoints(struct call *call)
{
	const struct webhook_endpoint *rows;
	struct json_out json;
	size_t count;

	TRY(webhook_endpoint_list(&call->operation, &rows, &count));
	json = answer_begin(call, 256 + count * 1024);
	json_out_open(&json, "endpoints", '[');
	for (size_t i = 0; i < count; i++)
		webhook_endpoint_render(&json, NULL, &rows[i]);
	json_out_close(&json, ']');
	return answer_end(call, 200, &json);
}

static enum fail
answer_endpoint(struct call *call, const struct webhook_endpoint *endpoint)
{
	struct json_out json = answer_begin(call, 1024);

	webhook_endpoint_render(&json, "endpoint", endpoint);
	return answer_end(call, 200, &json);
}

enum fail
get_webhook_endpoint(struct call *call)
{
	struct webhook_endpoint endpoint;

	TRY(webhook_endpoint_find(&call->operation, endpoint_id(call), &endpoint));
	return answer_endpoint(call, &endpoint);
}

enum fail
patch_webhook_endpoint(struct call *call)
{
	const struct endpoint_input *input = call->body;
	const struct webhook_endpoint_change change = change_of(input);
	struct webhook_endpoint endpoint;

	TRY(check_url(call, input->url));
	TRY(webhook_endpoint_update(&call->operation, endpoint_id(call), &change, &endpoint));
	return answer_endpoint(call, &endpoint);
}

enum fail
delete_webhook_endpoint(struct call *call)
{
	TRY(webhook_endpoint_delete(&call->operation, endpoint_id(call)));
	return answer_message(call, "The webhook endpoint is removed.", "endpoint_id",
	                      endpoint_id(call));
}

enum fail
post_webhook_test(struct call *call)
{
	struct json_out json = answer_begin(call, 512);
	struct webhook_delivery delivery;

	TRY(webhook_test(&call->operation, endpoint_id(call), &delivery));
	webhook_delivery_render(&json, "delivery", &delivery);
	return answer_end(call, 202, &json);
}

static enum fail
check_replay(struct task *task, const struct replay_input *input)
{
	if (input->event_id != NULL && !input->from.known && !input->to.known &&
	    input->cursor == NULL)
		return FAIL_NONE;
	if (input->event_id != NULL)
		return task_fail_field(task, "event_id", "must stand alone");
	if (!input->from.known || !input->to.known)
		return task_fail_field(task, input->from.known ? "to" : "from",
		                       "is required without event_id");
	return input->from.ms < input->to.ms
	               ? FAIL_NONE
	               : task_fail_field(task, "to", "must be later than from");
}

enum fail
post_webhook_replay(struct call *call)
{
	const struct replay_input *input = call->body;
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 512);
	const char *next = NULL;
	int64_t replayed = 0;

	TRY(check_replay(operation->task, input));
	if (input->event_id != NULL)
		TRY(webhook_replay_event(operation, endpoint_id(call), input->event_id,
		                         &replayed));
	else
		TRY(webhook_replay_range(operation, endpoint_id(call), input->from, input->to,
		                         input->cursor, &replayed, &next));
	json_out_string(&json, "endpoint_id", endpoint_id(call));
	json_out_int(&json, "replayed", replayed);
	json_out_string(&json, "next_cursor", next);
	return answer_end(call, 202, &json);
}

enum fail
list_webhook_deliveries(struct call *call)
{
	const struct deliveries_query *input = call->query;
	struct operation *operation = &call->operation;
	const struct webhook_delivery *rows;
	struct json_out json;
	struct page page;
	size_t count;

	TRY(page_read(operation->task, input->limit, input->cursor, &page));
	TRY(webhook_delivery_list(operation, endpoint_id(call), input->state, &page, &rows,
	                          &count));
	json = answer_begin(call, 256 + count * 512);
	json_out_open(&json, "deliveries", '[');
	for (size_t i = 0; i < count; i++)
		webhook_delivery_render(&json, NULL, &rows[i]);
	json_out_close(&json, ']');
	return answer_page(call, &json, &page);
}

enum fail
get_webhook_key(struct call *call)
{
	const struct webhook_known_key *keys;
	struct json_out json;
	size_t count;

	TRY(webhook_known_keys(&call->operation, &keys, &count));
	json = answer_begin(call, 512);
	json_out_string(&json, "public_key", count > 0 ? keys[0].public_key : NULL);
	json_out_open(&json, "public_keys", '[');
	for (size_t i = 0; i < count; i++)
		json_out_string(&json, NULL, keys[i].public_key);
	json_out_close(&json, ']');
	response_header(call->response, "Cache-Control", "public, max-age=300");
	return answer_end(call, 200, &json);
}
