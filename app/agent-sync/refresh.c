/*
 * refresh.c: fetches keys, licence and revocations; nothing that doesn't verify replaces anything.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent-sync/talk.h"
#include "base/arena.h"
#include "base/json_view.h"
#include "base/log.h"
#include "base/text.h"

enum { ASK_TIMEOUT_MS = 30000, RETRY_AFTER_MAX_S = 86400 };

bool
talk_note(struct talk *talk, enum sync_outcome outcome, const char *format, ...)
{
	va_list arguments;

	if (talk->sync.outcome != SYNC_DONE)
		return false;
	va_start(arguments, format);
	talk->sync.message = arena_vprintf(talk->task->arena, format, arguments);
	va_end(arguments);
	talk->sync.outcome = outcome;
	return false;
}

/* The member "code" of an error's body, for the log. */
static const char *
code_of(struct talk *talk, const struct http_answer *answer)
{
	struct task reading = {.arena = talk->task->arena};
	struct json_view object;
	const char *code;

	if (json_view_open(&reading, answer->body, answer->length, &object) == FAIL_NONE &&
	    json_view_string(&object, "code", &code))
		return code;
	return "no code";
}

static bool
judge_answer(struct talk *talk, const char *path, const struct http_answer *answer)
{
	const char *wait = http_answer_header(answer, "Retry-After");

	if (answer->outcome != HTTP_ANSWERED)
		return talk_note(talk, SYNC_UNREACHABLE, "%s: %s", path, answer->reason);
	if ((answer->status >= 200 && answer->status < 300) || answer->status == 304)
		return true;
	if (answer->status == 429 || answer->status >= 500) {
		if (wait && text_parse_int(wait, &talk->sync.retry_after_s) &&
		    talk->sync.retry_after_s > RETRY_AFTER_MAX_S)
			talk->sync.retry_after_s = RETRY_AFTER_MAX_S;
		return talk_note(talk, SYNC_UNREACHABLE, "%s: answered with %d", path,
		                 answer->status);
	}
	return talk_note(talk, SYNC_REFUSED, "%s: answered with %d (%s)", path, answer->status,
	                 code_of(talk, answer));
}

bool
talk_ask(struct talk *talk, const char *method, const char *path, const char *etag,
         const char *body, struct http_answer *answer)
{
	struct http_header headers[3] = {{"X-API-Key", talk->settings->api_key}};
	struct http_ask ask = {
	        .method = method,
	        .url = arena_printf(talk->task->arena, "%s%s", talk->settings->api_url, path),
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
	http_client_ask(talk->client, talk->task->arena, &ask, answer);
	return judge_answer(talk, path, answer);
}

/* A member of the answer, which must be a JSON object. */
static bool
read_member(struct talk *talk, const char *path, const struct http_answer *answer,
            const char *name, const char **out)
{
	struct task reading = {.arena = talk->task->arena};
	struct json_view object;

	if (json_view_open(&reading, answer->body, answer->length, &object) == FAIL_NONE &&
	    json_view_string(&object, name, out))
		return true;
	return talk_note(talk, SYNC_UNTRUSTED, "%s: the answer has no %s", path, name);
}

/* What went wrong with our own disk or memory. */
static bool
note_failure(struct talk *talk)
{
	(void)talk_note(talk, SYNC_BROKEN, "%s", talk->task->failure.message);
	task_clear(talk->task);
	return false;
}

static bool
reload(struct talk *talk)
{
	if (holder_load(talk->task, talk->settings, talk->state, false, &talk->holder) ==
	    FAIL_NONE)
		return true;
	return note_failure(talk);
}

/* Keys come with the trust in TLS only where none are pinned. */
static bool
refresh_keys(struct talk *talk)
{
	static const char path[] = "/.well-known/jwks.json";
	struct license_options options = {.size = sizeof options};
	struct license *trial;
	struct http_answer answer;

	if (*talk->settings->public_key != '\0')
		return true;
	if (!talk_ask(talk, "GET", path, NULL, NULL, &answer))
		return false;
	options.keys = answer.body;
	if (license_open(&options, &trial) != LICENSE_OK)
		return talk_note(talk, SYNC_UNTRUSTED, "%s: no set of keys", path);
	license_close(trial);
	if (state_keep_text(talk->task, talk->state, STATE_KEYS, answer.body) != FAIL_NONE)
		return note_failure(talk);
	return true;
}

static bool
keep_if_genuine(struct talk *talk, const char *token, const char *etag)
{
	struct holder *holder = &talk->holder;
	enum license_is verdict = LICENSE_IS_NONE;
	char customer[128];

	if (license_try(holder->license, token, &verdict) != LICENSE_OK)
		return talk_note(talk, SYNC_BROKEN, "There isn't enough memory.");
	if (verdict == LICENSE_IS_FORGED || verdict == LICENSE_IS_NONE)
		return talk_note(talk, SYNC_UNTRUSTED,
		                 "the licence isn't signed with a key that is trusted here");
	(void)license_set(holder->license, token);
	(void)license_text(holder->license, "customerId", customer, sizeof customer);
	if (strcmp(customer, talk->settings->customer_id) != 0)
		return talk_note(talk, SYNC_UNTRUSTED, "the licence is another customer's");
	if (state_keep_license(talk->task, talk->state, token, etag ? etag : "") != FAIL_NONE)
		return note_failure(talk);
	return true;
}

static bool
refresh_license(struct talk *talk)
{
	const char *path = arena_printf(talk->task->arena, "/api/licenses/%s",
	                                talk->settings->customer_id);
	struct kept_license kept = state_license(talk->task, talk->state);
	enum license_is verdict = LICENSE_IS_NONE;
	struct http_answer answer;
	const char *token = NULL;

	/* What doesn't verify any more is asked for in full. */
	(void)license_try(talk->holder.license, kept.token, &verdict);
	if (verdict == LICENSE_IS_FORGED || verdict == LICENSE_IS_NONE)
		kept.etag = NULL;
	if (!talk_ask(talk, "GET", path, kept.etag, NULL, &answer))
		return false;
	if (answer.status == 304)
		return true;
	return read_member(talk, path, &answer, "license", &token) &&
	       keep_if_genuine(talk, token, http_answer_header(&answer, "ETag"));
}

static bool
refresh_revocations(struct talk *talk)
{
	static const char path[] = "/api/licenses/revocations";
	struct http_answer answer;
	const char *list = NULL;
	enum license_error error;

	if (!talk_ask(talk, "GET", path, NULL, NULL, &answer) ||
	    !read_member(talk, path, &answer, "revocations", &list))
		return false;
	error = license_set_revocations(talk->holder.license, list);
	/* A cache on the way may give an older one: the newer one at hand stays. */
	if (error == LICENSE_ERROR_OLDER)
		return true;
	if (error != LICENSE_OK)
		return talk_note(talk, SYNC_UNTRUSTED, "%s: %s", path,
		                 license_error_text(error));
	if (state_keep_text(talk->task, talk->state, STATE_REVOCATIONS, list) != FAIL_NONE)
		return note_failure(talk);
	return true;
}

void
talk_refresh(struct talk *talk)
{
	if (refresh_keys(talk) && reload(talk)) {
		/* Each by itself: a customer that is refused still learns what was revoked. */
		(void)refresh_license(talk);
		if (talk->sync.outcome != SYNC_UNREACHABLE)
			(void)refresh_revocations(talk);
	}
}
