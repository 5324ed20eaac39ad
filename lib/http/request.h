/* request.h: one HTTP request, copied into its task's arena. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER,
	HTTP_METHOD_COUNT
};

/* The body: what a route takes unless it says otherwise, and what the transport takes at
 * all. */
enum { REQUEST_PARAMS_MAX = 4, REQUEST_BODY_USUAL = 64 * 1024, REQUEST_BODY_MAX = 1024 * 1024 };

/* A ":name" of the route's pattern and what stood in its place, decoded. */
struct request_param {
	const char *name;
	const char *value;
};

/* Headers that this service reads; NULL when absent. */
struct request_headers {
	const char *authorization;
	const char *api_key;
	const char *idempotency_key;
	const char *if_none_match;
	const char *origin;
	const char *content_type;
	const char *content_encoding;
	const char *accept;
	const char *stripe_signature;
	const char
	        *session; /* the value of the cookie __Host-billing, which nginx passes alone */
	const char *console;    /* X-Billing-Console */
	const char *host;       /* with one of these two */
	const char *user_agent; /* of POST /api/session alone */
};

struct request {
	struct task task;
	enum http_method method;
	const char *path;  /* as sent, before the question mark, not decoded */
	const char *query; /* behind it, or "" */
	const char *address;
	int64_t waited_ms; /* since nginx had it complete; 0 when that is not known */
	struct request_headers headers;
	/* A failure of the transport, answered before anything else: too large, cut short, a
	 * header given twice. */
	enum fail broken;
	const char *body; /* ends with a NUL that is not its own */
	size_t body_length;
	struct request_param params[REQUEST_PARAMS_MAX];
	size_t param_count;
};

enum http_method request_method_parse(const char *name);
const char *request_method_name(enum http_method method);

/* The value of the path parameter; the route's pattern must have it. */
const char *request_param(const struct request *request, const char *name);

/* Replaces its value. */
void request_set_param(struct request *request, const char *name, const char *value);
