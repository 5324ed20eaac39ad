/* session.c: requests of the session, and its outcome. */
#include "agent-sync/session.h"

#include <stdarg.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

enum { REQUEST_TIMEOUT_MS = 30000 };

bool
session_fail(struct agent_session *session, enum sync_outcome outcome, const char *format, ...)
{
	va_list arguments;

	if (session->sync.outcome != SYNC_DONE)
		return false;
	va_start(arguments, format);
	session->sync.message = arena_vprintf(session->task->arena, format, arguments);
	va_end(arguments);
	session->sync.outcome = outcome;
	return false;
}

bool
session_check(struct agent_session *session, enum fail kind)
{
	if (kind == FAIL_NONE)
		return true;
	(void)session_fail(session, SYNC_BROKEN, "%s", session->task->failure.message);
	task_clear(session->task);
	return false;
}

bool
session_object(struct agent_session *session, const struct http_answer *answer,
               struct json_view *out)
{
	return json_view_try(session->task->arena, answer->body, answer->length, out);
}

/* The member "code" of an error's body. */
static const char *
code_of(struct agent_session *session, const struct http_answer *answer)
{
	struct json_view object;
	const char *code;

	return session_object(session, answer, &object) &&
	                       json_view_string(&object, "code", &code)
	               ? code
	               : "no code";
}

static bool
check_answer(struct agent_session *session, const char *path, const struct http_answer *answer)
{
	const char *wait = http_answer_header(answer, "Retry-After");

	if (answer->outcome != HTTP_ANSWERED)
		return session_fail(session, SYNC_UNREACHABLE, "%s: %s", path, answer->reason);
	if ((answer->status >= 200 && answer->status < 300) || answer->status == 304)
		return true;
	if (answer->status == 429 || answer->status >= 500) {
		if (wait != NULL)
			(void)text_parse_int(wait, &session->sync.retry_after_s);
		return session_fail(session, SYNC_UNREACHABLE, "%s: answered with %d", path,
		                    answer->status);
	}
	return session_fail(session, SYNC_REFUSED, "%s: answered with %d (%s)", path,
	                    answer->status, code_of(session, answer));
}

bool
session_send(struct agent_session *session, const char *path, const char *etag,
             const char *body, struct http_answer *answer)
{
	struct http_header headers[3] = {{"X-API-Key", session->settings->api_key}};
	struct http_request request = {.method = body == NULL ? "GET" : "POST",
	                               .url = arena_printf(session->task->arena, "%s%s",
	                                                   session->settings->api_url, path),
	                               .headers = headers,
	                               .header_count = 1,
	                               .body = body,
	                               .body_length = body == NULL ? 0 : strlen(body),
	                               .timeout_ms = REQUEST_TIMEOUT_MS};

	if (*etag != '\0')
		headers[request.header_count++] = (struct http_header){"If-None-Match", etag};
	if (body != NULL)
		headers[request.header_count++] =
		        (struct http_header){"Content-Type", "application/json"};
	http_client_send(session->client, session->task->arena, &request, answer);
	return check_answer(session, path, answer);
}
