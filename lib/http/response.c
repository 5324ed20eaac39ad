/* response.c: headers, JSON bodies, and the HTTP status of each failure. */
#include "http/response.h"

#include <stdlib.h>
#include <strings.h>

#include "base/arena.h"
#include "json/out.h"

static const struct {
	int status;
	const char *retry_after; /* seconds */
} statuses[FAIL_COUNT] = {
        [FAIL_NONE] = {200, NULL},
        [FAIL_INVALID] = {400, NULL},
        [FAIL_UNAUTHENTICATED] = {401, NULL},
        [FAIL_FORBIDDEN] = {403, NULL},
        [FAIL_NOT_FOUND] = {404, NULL},
        [FAIL_METHOD] = {405, NULL},
        [FAIL_CONFLICT] = {409, NULL},
        [FAIL_BUSY] = {409, "1"},
        [FAIL_LIMITED] = {429, "1"},
        [FAIL_TOO_LARGE] = {413, NULL},
        [FAIL_MEDIA_TYPE] = {415, NULL},
        [FAIL_UNPROCESSABLE] = {422, NULL},
        [FAIL_PAYMENT] = {402, NULL},
        [FAIL_STRIPE] = {502, "5"},
        [FAIL_UNAVAILABLE] = {503, "1"},
        [FAIL_UNCERTAIN] = {503, "1"},
        [FAIL_INTERNAL] = {500, NULL},
};

void
response_header(struct response *response, const char *name, const char *value)
{
	for (size_t i = 0; i < response->header_count; i++) {
		if (strcasecmp(response->headers[i].name, name) != 0)
			continue;
		response->headers[i].value = value;
		return;
	}
	if (response->header_count == RESPONSE_HEADERS_MAX)
		abort();
	response->headers[response->header_count++] = (struct response_header){name, value};
}

const char *
response_header_value(const struct response *response, const char *name)
{
	for (size_t i = 0; i < response->header_count; i++)
		if (strcasecmp(response->headers[i].name, name) == 0)
			return response->headers[i].value;
	return NULL;
}

void
response_json(struct response *response, int status, const struct json_out *json)
{
	response->status = status;
	response->body = json->text.data;
	response->length = json->text.length;
	response_header(response, "Content-Type", "application/json");
}

int
response_status_of(enum fail kind)
{
	return statuses[kind].status;
}

void
response_details(struct json_out *json, const struct field_error *errors)
{
	if (errors == NULL)
		return;
	json_out_open(json, "details", '[');
	for (; errors != NULL; errors = errors->next) {
		json_out_open(json, NULL, '{');
		json_out_string(json, "field", errors->field);
		json_out_string(json, "message", errors->message);
		json_out_close(json, '}');
	}
	json_out_close(json, ']');
}

void
response_failure(struct response *response, const struct task *task)
{
	const struct failure *failure = &task->failure;
	bool ours = failure->kind == FAIL_INTERNAL;
	struct json_out json = json_out_new(task->arena, 256);

	/* The message of an internal failure goes to the log only. */
	json_out_open(&json, NULL, '{');
	json_out_string(&json, "error",
	                ours ? "Something went wrong on our side." : failure->message);
	json_out_string(&json, "code", ours ? "internal_error" : failure->code);
	json_out_string(&json, "request_id", task->request_id);
	response_details(&json, failure->fields);
	json_out_close(&json, '}');
	response_json(response, statuses[failure->kind].status, &json);
	if (failure->retry_after_s > 0)
		response_header(
		        response, "Retry-After",
		        arena_printf(task->arena, "%lld", (long long)failure->retry_after_s));
	else if (statuses[failure->kind].retry_after != NULL)
		response_header(response, "Retry-After", statuses[failure->kind].retry_after);
	if (failure->kind == FAIL_UNAUTHENTICATED)
		response_header(response, "WWW-Authenticate", "Bearer");
}
