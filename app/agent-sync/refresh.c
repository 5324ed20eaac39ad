/*
 * refresh.c: fetches keys, licence and revocations; nothing that doesn't verify replaces anything.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent-sync/session.h"
#include "base/arena.h"
#include "base/json_view.h"
#include "base/log.h"
#include "base/text.h"

enum { ASK_TIMEOUT_MS = 30000, RETRY_AFTER_MAX_S = 86400 };

bool
session_fail(struct session *session, enum sync_outcome outcome, const char *format, ...)
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

/* The member "code" of an error's body, for the log. */
static const char *
code_of(struct session *session, const struct http_answer *answer)
{
	struct task reading = {.arena = session->task->arena};
	struct json_view object;
	const char *code;

	if (json_view_open(&reading, answer->body, answer->length, &object) == FAIL_NONE &&
	    json_view_string(&object, "code", &code))
		return code;
	return "no code";
}

static bool
judge_answer(struct session *session, const char *path, const struct http_answer *answer)
{
	const char *wait = http_answer_header(answer, "Retry-After");

	if (answer->outcome != HTTP_ANSWERED)
		return session_fail(session, SYNC_UNREACHABLE, "%s: %s", path, answer->reason);
	if ((answer->status >= 200 && answer->status < 300) || answer->status == 304)
		return true;
	if (answer->status == 429 || answer->status >= 500) {
		if (wait && text_parse_int(wait, &session->sync.retry_after_s) &&
		    session->sync.retry_after_s > RETRY_AFTER_MAX_S)
			session->sync.retry_after_s = RETRY_AFTER_MAX_S;
		return session_fail(session, SYNC_UNREACHABLE, "%s: answered with %d", path,
		                    answer->status);
	}
	return session_fail(session, SYNC_REFUSED, "%s: answered with %d (%s)", path,
	                    answer->status, code_of(session, answer));
}

bool
session_send(struct session *session, const char *method, const char *path, const char *etag,
             const char *body, struct http_answer *answer)
{
	struct http_header headers[3] = {{"X-API-Key", session->settings->api_key}};
	struct http_request ask = {.method = method,
	                           .url = arena_printf(session->task->arena, "%s%s",
	                                               session->settings->api_url, path),
	                           .headers = headers,
	                           .header_count = 1,
	                           .body = body,
	                           .body_length = body ? strlen(body) : 0,
	                           .timeout_ms = ASK_TIMEOUT_MS};

	if (etag && *etag != '\0')
		headers[ask.header_count++] = (struct http_header){"If-None-Match", etag};
	if (body)
		headers[ask.header_count++] =
		        (struct http_header){"Content-Type", "application/json"};
	http_client_send(session->client, session->task->arena, &ask, answer);
	return judge_answer(session, path, answer);
}

/* A member of the answer, which must be a JSON object. */
static bool
read_member(struct session *session, const char *path, const struct http_answer *answer,
            const char *name, const char **out)
{
	struct task reading = {.arena = session->task->arena};
	struct json_view object;

	if (json_view_open(&reading, answer->body, answer->length, &object) == FAIL_NONE &&
	    json_view_string(&object, name, out))
		return true;
	return session_fail(session, SYNC_UNTRUSTED, "%s: the answer has no %s", path, name);
}

/* What went wrong with our own disk or memory. */
static bool
note_failure(struct session *session)
{
	(void)session_fail(session, SYNC_BROKEN, "%s", session->task->failure.message);
	task_clear(session->task);
	return false;
}

static bool
reload(struct session *session)
{
	if (license_cache_load(session->task, session->settings, session->state, false,
	                       &session->cache) == FAIL_NONE)
		return true;
	return note_failure(session);
}

/* Keys come with the trust in TLS only where none are pinned. */
static bool
refresh_keys(struct session *session)
{
	static const char path[] = "/.well-known/jwks.json";
	struct license_options options = {.size = sizeof options};
	struct license *trial;
	struct http_answer answer;

	if (*session->settings->public_key != '\0')
		return true;
	if (!session_send(session, "GET", path, NULL, NULL, &answer))
		return false;
	options.keys = answer.body;
	if (license_open(&options, &trial) != LICENSE_OK)
		return session_fail(session, SYNC_UNTRUSTED, "%s: no set of keys", path);
	license_close(trial);
	if (state_keep_text(session->task, session->state, STATE_KEYS, answer.body) !=
	    FAIL_NONE)
		return note_failure(session);
	return true;
}

static bool
keep_if_genuine(struct session *session, const char *token, const char *etag)
{
	struct license_cache *cache = &session->cache;
	enum license_is verdict = LICENSE_IS_NONE;
	char customer[128];

	if (license_try(cache->license, token, &verdict) != LICENSE_OK)
		return session_fail(session, SYNC_BROKEN, "There isn't enough memory.");
	if (verdict == LICENSE_IS_FORGED || verdict == LICENSE_IS_NONE)
		return session_fail(session, SYNC_UNTRUSTED,
		                    "the licence isn't signed with a key that is trusted here");
	(void)license_set(cache->license, token);
	(void)license_text(cache->license, "customerId", customer, sizeof customer);
	if (strcmp(customer, session->settings->customer_id) != 0)
		return session_fail(session, SYNC_UNTRUSTED,
		                    "the licence is another customer's");
	if (state_keep_license(session->task, session->state, token, etag ? etag : "") !=
	    FAIL_NONE)
		return note_failure(session);
	return true;
}

static bool
refresh_license(struct session *session)
{
	const char *path = arena_printf(session->task->arena, "/api/licenses/%s",
	                                session->settings->customer_id);
	struct kept_license kept = state_license(session->task, session->state);
	enum license_is verdict = LICENSE_IS_NONE;
	struct http_answer answer;
	const char *token = NULL;

	/* What doesn't verify any more is asked for in full. */
	(void)license_try(session->cache.license, kept.token, &verdict);
	if (verdict == LICENSE_IS_FORGED || verdict == LICENSE_IS_NONE)
		kept.etag = NULL;
	if (!session_send(session, "GET", path, kept.etag, NULL, &answer))
		return false;
	if (answer.status == 304)
		return true;
	return read_member(session, path, &answer, "license", &token) &&
	       keep_if_genuine(session, token, http_answer_header(&answer, "ETag"));
}

static bool
refresh_revocations(struct session *session)
{
	static const char path[] = "/api/licenses/revocations";
	struct http_answer answer;
	const char *list = NULL;
	enum license_error error;

	if (!session_send(session, "GET", path, NULL, NULL, &answer) ||
	    !read_member(session, path, &answer, "revocations", &list))
		return false;
	error = license_set_revocations(session->cache.license, list);
	/* A cache on the way may give an older one: the newer one at hand stays. */
	if (error == LICENSE_ERROR_OLDER)
		return true;
	if (error != LICENSE_OK)
		return session_fail(session, SYNC_UNTRUSTED, "%s: %s", path,
		                    license_error_text(error));
	if (state_keep_text(session->task, session->state, STATE_REVOCATIONS, list) !=
	    FAIL_NONE)
		return note_failure(session);
	return true;
}

void
session_refresh(struct session *session)
{
	if (refresh_keys(session) && reload(session)) {
		/* Each by itself: a customer that is refused still learns what was revoked. */
		(void)refresh_license(session);
		if (session->sync.outcome != SYNC_UNREACHABLE)
			(void)refresh_revocations(session);
	}
}
