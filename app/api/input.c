/* input.c: reads the input of a request by the tables of its route. */
#include "api/input.h"

#include <string.h>
#include <strings.h>

#include "api/caller.h"
#include "base/arena.h"
#include "base/wire.h"
#include "billing/customers.h"
#include "json/fields.h"
#include "json/view.h"

/* A POST without members accepts an empty object, a route without parameters no query. */
static const struct field no_fields[] = {FIELD_END(char)};

enum fail
input_check_size(struct call *call)
{
	size_t max = call->route->body_max == 0 ? REQUEST_BODY_USUAL : call->route->body_max;

	if (call->request->body_length <= max)
		return FAIL_NONE;
	return task_fail(&call->request->task, FAIL_TOO_LARGE, "body_too_large",
	                 "The body is larger than %zu bytes.", max);
}

static bool
is_json(const char *content_type)
{
	size_t span = content_type == NULL ? 0 : strcspn(content_type, "; \t");

	return span == strlen("application/json") &&
	       strncasecmp(content_type, "application/json", span) == 0;
}

/* The first bytes of gzip's format begin no JSON (RFC 1952, section 2.3.1). */
static bool
is_compressed(const struct request *request)
{
	const char *encoding = request->headers.content_encoding;

	if (encoding != NULL && *encoding != '\0' && strcasecmp(encoding, "identity") != 0)
		return true;
	return request->body_length >= 2 && memcmp(request->body, "\x1f\x8b", 2) == 0;
}

static enum fail
read_body(struct call *call)
{
	const struct field *fields = call->route->body == NULL ? no_fields : call->route->body;
	struct request *request = call->request;
	struct task *task = &request->task;
	struct json_view object;
	void *out = arena_alloc(task->arena, fields_size(fields));

	call->body = out;
	if ((request->method != HTTP_POST && request->method != HTTP_PATCH &&
	     request->method != HTTP_PUT) ||
	    call->route->raw_body)
		return FAIL_NONE;
	if (request->body_length > 0 && is_compressed(request))
		return task_fail(task, FAIL_MEDIA_TYPE, "unsupported_encoding",
		                 "The body must not be compressed: send it without "
		                 "Content-Encoding.");
	if (request->body_length > 0 && !is_json(request->headers.content_type))
		return task_fail(task, FAIL_MEDIA_TYPE, "invalid_media_type",
		                 "The body must be application/json.");
	if (request->body_length == 0)
		TRY(json_view_open(task, "{}", 2, &object));
	else
		TRY(json_view_open_body(task, request->body, request->body_length, &object));
	TRY(fields_from_json(task, fields, &object, out));
	caller_take_body_id(call, out);
	return FAIL_NONE;
}

static enum fail
read_query(struct call *call)
{
	const struct field *fields =
	        call->route->query == NULL ? no_fields : call->route->query;
	struct task *task = &call->request->task;
	void *out;

	/* Stripe sends to the address that it was given, whatever its query. */
	if (call->route->raw_body)
		return FAIL_NONE;
	out = arena_alloc(task->arena, fields_size(fields));
	call->query = out;
	return fields_from_query(task, fields, call->request->query, out);
}

/* An id that is not well-formed belongs to no customer. */
static enum fail
check_path(struct call *call)
{
	const char *customer_id = caller_path_customer(call);

	if (customer_id == NULL || wire_is_customer_id(customer_id))
		return FAIL_NONE;
	return fail_customer_not_found(&call->request->task);
}

enum fail
input_read(struct call *call)
{
	TRY(check_path(call));
	TRY(read_query(call));
	TRY(read_body(call));
	return caller_check_body(call);
}
