/* response.h: one HTTP answer, built in the request's arena. */
#pragma once

#include <stddef.h>

#include "base/failure.h"

struct json_out;

enum { RESPONSE_HEADERS_MAX = 16 };

struct response_header {
	const char *name;
	const char *value;
};

struct response {
	int status;
	const char *body;
	size_t length;
	struct response_header headers[RESPONSE_HEADERS_MAX];
	size_t header_count;
};

/* Sets a header, replacing one of the same name. The value must have no control characters. */
void response_header(struct response *response, const char *name, const char *value);

/* NULL when it was not set. */
const char *response_header_value(const struct response *response, const char *name);

/* The body is the JSON text; sets Content-Type. */
void response_json(struct response *response, int status, const struct json_out *json);

/* Writes the member "details", a list of bad fields, if there are any. */
void response_details(struct json_out *json, const struct field_error *errors);

/* The HTTP status that a kind of failure has: the one place where they meet. */
int response_status_of(enum fail kind);

/* The failure of the task as the interface's error body, with Retry-After where one is due. */
void response_failure(struct response *response, const struct task *task);
