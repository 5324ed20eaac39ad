/* origin.c: refuses requests with a session's cookie that another site makes. */
#include "api/origin.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"

#define COOKIE_ATTRIBUTES "; Path=/; Secure; HttpOnly; SameSite=Strict"

/* Whether the origin is that of the address: "https://example.com" of "https://example.com/billing". */
static bool
is_origin_of(const char *origin, const char *url)
{
	size_t length = strlen(origin);
	const char *host = strstr(origin, "://");

	return host != NULL && strncasecmp(origin, url, length) == 0 &&
	       (url[length] == '\0' || url[length] == '/');
}

/* The page was loaded from the host that the request goes to, or from BASE_URL's. */
static bool
is_ours(const struct call *call, const char *origin)
{
	const char *host = call->request->headers.host;

	if (is_origin_of(origin, call->api->settings->base_url))
		return true;
	return host != NULL && strncmp(origin, "https://", 8) == 0 &&
	       strcasecmp(origin + 8, host) == 0;
}

enum fail
origin_check(struct call *call)
{
	const struct request_headers *headers = &call->request->headers;
	struct task *task = &call->request->task;

	if (headers->origin != NULL && !is_ours(call, headers->origin))
		return task_fail(task, FAIL_FORBIDDEN, "origin_refused",
		                 "A page of another site made this request.");
	if (headers->console != NULL && strcmp(headers->console, "1") == 0)
		return FAIL_NONE;
	return task_fail(task, FAIL_FORBIDDEN, "console_header_missing",
	                 "With a session this request needs the header X-Billing-Console: 1.");
}

void
origin_set_cookie(struct call *call, const char *token, int64_t seconds)
{
	response_header(call->response, "Set-Cookie",
	                arena_printf(call->request->task.arena,
	                             "__Host-billing=%s" COOKIE_ATTRIBUTES "; Max-Age=%" PRId64,
	                             token, seconds));
}
